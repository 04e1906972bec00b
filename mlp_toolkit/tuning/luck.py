"""How much of the best score is luck: the best of many trials is partly the one whose rows happened to suit it.

The rows are drawn anew: the trial that is best on those drawn is scored on those that were not (I. Tsamardinos and
others, 2018). What it is worse there than on the rows that chose it is luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mlp_toolkit.data.targets import Target
from mlp_toolkit.evaluation import doubt
from mlp_toolkit.tuning.trials import lower

DRAWS, MOST_ROWS = 200, 5_000


class Luck(NamedTuple):
    """What is expected of the best trial.

    Attributes:
        best: Its score on the rows that chose it.
        expected: Its score on others.
    """

    best: float
    expected: float


def luck_of(values: np.ndarray, outputs: Sequence[np.ndarray], target: Target, metric: str, best: float) -> Luck | None:
    """The best score, and what is to be expected of it on other rows; None where samples do not define the score.

    Args:
        values: (rows, outputs) true values of the rows that trials were scored on.
        outputs: Of each trial, (rows, outputs).
        target: What is predicted.
        metric: The score that counted.
        best: The best trial's.
    """
    random = np.random.default_rng(0)
    if len(values) > MOST_ROWS:
        picked = random.choice(len(values), MOST_ROWS, replace=False)
        values, outputs = values[picked], [own[picked] for own in outputs]
    rows = len(values)
    counts = np.stack([np.bincount(random.integers(0, rows, rows), minlength=rows) for _ in range(DRAWS)])
    drawn, left = counts.astype(np.float64), (counts == 0).astype(np.float64)
    chosen_by, scored_on = (
        np.stack([lower_of(doubt.scores_of_samples(values, own, target, of)[metric], metric) for own in outputs])
        for of in (drawn, left)
    )
    winner = np.where(np.isfinite(chosen_by), chosen_by, np.inf).argmin(axis=0)
    told = np.take_along_axis(scored_on, winner[None], axis=0)[0]
    told = told[np.isfinite(told)]
    if len(told) < DRAWS // 2:
        return None
    return Luck(best, lower(metric, max(lower(metric, best), float(told.mean()))))


def lower_of(scores: np.ndarray, metric: str) -> np.ndarray:
    """Scores so that lower is better."""
    return scores * lower(metric, 1.0)
