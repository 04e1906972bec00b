"""Rows that tests of probabilities share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module", params=[7, 60, 900])
def rows(request) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities; many of these are equal."""
    random = np.random.default_rng(request.param)
    chance = np.round(random.beta(0.7, 1.5, request.param), 2)
    true = (random.random(request.param) < chance).astype(int)
    true[:2] = 0, 1
    return true, chance
