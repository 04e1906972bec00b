"""What the tests of the compiled epoch share."""

from __future__ import annotations

import numpy as np
import pytest

from mlp_toolkit.training.engine import epoch


@pytest.fixture(scope="package")
def rows():
    """103 rows: batches of 20, and a last one of 3."""
    random = np.random.default_rng(0)
    x = random.normal(size=(103, 6)).astype(np.float32)
    y = (x[:, :2].sum(axis=1) > 0).astype(np.int64)
    return x, y, random.uniform(0.5, 2, 103).astype(np.float32)


@pytest.fixture(params=["xla", "graph", "steps"])
def engine(request, monkeypatch):
    """Makes `fit` use one engine."""
    monkeypatch.setattr(epoch, "_engines", lambda *_: [] if request.param == "steps" else [request.param])
    return request.param
