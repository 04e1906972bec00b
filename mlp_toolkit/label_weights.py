"""Weights of single labels in the loss: Keras itself weighs whole rows only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from mlp_toolkit.blocks import Rows


@contextlib.contextmanager
def per_label(model: Any, rows: Rows) -> Iterator[None]:
    """While the block runs, weights of the shape (rows, labels) weigh each label's loss on its own.

    The loss of Keras takes the mean over a row's labels before it weighs. Over a last dimension of 1 it has nothing to
    take the mean of, so that what it weighs are the labels; the mean over rows and labels follows.

    Args:
        model: A compiled model, whose loss is a mean over labels.
        rows: What it is trained on.
    """
    if len(rows.first) < 3 or rows.first[2].ndim == 1:
        yield
        return
    whole_rows = model.compute_loss

    def compute_loss(
        x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        if sample_weight is not None and len(sample_weight.shape) == 2:
            y, y_pred = y[..., None], y_pred[..., None]
        return whole_rows(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)

    model.compute_loss = compute_loss
    try:
        yield
    finally:
        del model.compute_loss
