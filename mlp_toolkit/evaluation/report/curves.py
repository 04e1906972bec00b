"""The numbers behind curves of probabilities: what each threshold would decide, and how often they come true."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mlp_toolkit.evaluation.doubt import wilson
from mlp_toolkit.evaluation.metrics import Sweep

GROUPS, LEAST_IN_A_GROUP = 10, 10
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


class Reliability(NamedTuple):
    """How often what was predicted with a probability came true, by groups of rows of about equal size.

    Attributes:
        chance: (groups,) the mean probability.
        share: (groups,) how often it came true.
        low: (groups,) from where that may lie (Wilson, 95 %).
        high: (groups,) up to where.
        rows: (groups,) how many there are.
        error: The expected calibration error: the mean distance of the two, weighed by rows.
        by_chance: About how large that would be for probabilities that are right, with so many rows.
    """

    chance: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rows: np.ndarray
    error: float
    by_chance: float


def reliability(true: np.ndarray, chance: np.ndarray) -> Reliability:
    """Compares probabilities with how often they came true.

    Args:
        true: (rows,) of 0 and 1.
        chance: (rows,) probabilities.
    """
    groups = max(1, min(GROUPS, len(chance) // LEAST_IN_A_GROUP))
    ends = np.quantile(chance, np.linspace(0, 1, groups + 1))
    group = np.searchsorted(ends[1:-1], chance)
    rows = np.bincount(group, minlength=groups)
    there = rows > 0  # equal probabilities stay together
    sums = np.stack([np.bincount(group, own, groups)[there] for own in (chance, true, chance * (1 - chance))])
    rows = rows[there]
    mean, share, variance = sums / rows
    low, high = np.array([wilson(int(right), int(count)) for right, count in zip(sums[1], rows, strict=True)]).T
    # The mean size of a normal deviation is sqrt(2 / pi) standard deviations.
    expected = np.sqrt(2 / np.pi * variance / rows)
    weights = rows / rows.sum()
    error = float(weights @ np.abs(mean - share))
    return Reliability(mean, share, low, high, rows, error, float(weights @ expected))
