"""The numbers behind curves by threshold."""

from __future__ import annotations

import numpy as np

from mlp_toolkit.evaluation.metrics import Sweep

GRID = np.linspace(0, 1, 101)


def by_threshold(steps: Sweep, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A score by threshold from 0 to 1, as steps: at each of the thresholds, and from the one before up to it.

    Args:
        steps: What each threshold decides.
        scores: (steps,) what that comes to.
    """
    x, y = steps.thresholds[:0:-1], scores[::-1]
    begin = [0.0] if x[0] > 0 else []
    return np.concatenate([begin, x, [max(1.0, x[-1])]]), np.concatenate([y[: len(begin)], y])
