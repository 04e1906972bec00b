"""A search that takes seconds."""

from __future__ import annotations

from typing import Any

SPACE = {
    "train.optimizer.learning_rate": {"min": 1e-4, "max": 1e-1, "log": True},
    "model.activation": {"values": ["relu", "tanh"]},
}


def recipe(epochs: int = 6, **tune: Any) -> dict[str, Any]:
    """A recipe for columns a, b, c and the target y."""
    return {
        "task": "regression",
        "name": "curve",
        "data": {"target": "y", "split": {"validation": 0.3, "test": 0.2}},
        "model": {"hidden": [8]},
        "train": {"epochs": epochs, "batch_size": 16, "early_stopping": None},
        "baselines": "none",
        "tune": {"trials": 6, "sampler": "random", "space": SPACE, **tune},
    }
