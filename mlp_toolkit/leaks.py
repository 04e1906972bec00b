"""Features that give the target away: most often a copy of it, or something known only after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlp_toolkit import cells
from mlp_toolkit.kinds import Kinds

if TYPE_CHECKING:
    import pandas as pd

FEWEST_ROWS = 30  # of fewer, a column may part two classes by chance
FIRST_LOOK = 2_000  # rows that nearly always suffice to say "no"
SAME = 1 - 1e-8  # correlation from which on a feature is the target, but for scale and rounding
MOST_DISTINCT = 0.2  # share of the rows; a column with a value of its own in each row "predicts" whatever there is


def found(frame: pd.DataFrame, kinds: Kinds, values: np.ndarray, task: str, targets: Sequence[str]) -> list[str]:
    """A sentence for each feature that alone predicts a target without any error.

    Args:
        frame: Feature columns of the training rows.
        kinds: The kind of each column.
        values: (rows, outputs) targets in their units, class numbers, or 0 and 1.
        task: regression, binary, multilabel or multiclass.
        targets: The target columns.
    """
    if len(frame) < FEWEST_ROWS:
        return []
    notes = []
    numeric = set(kinds.of("numeric"))
    for name in (*kinds.of("numeric"), *(kinds.of("categorical") if task != "regression" else ())):
        if name in numeric:
            column = cells.to_numbers(frame[name], name).astype(np.float64)
            column[~np.isfinite(column)] = np.nan
        else:
            column = cells.distinct_texts(frame[name])[0].astype(np.float64)
        for target, own in zip(targets, values.T, strict=True):
            if task == "regression":
                tells, how = _is_target(column, own), "is, but for its scale, the target"
            elif name in numeric and _parts(column, own):
                tells, how = True, "alone separates the classes of"
            else:
                tells, how = _maps(column, own), "alone tells, value by value,"
            if tells:
                notes.append(
                    f"{name}: {how} {target!r} without an error; if it is a copy of it, or known only after it, "
                    f"leave it out: data.features: {{{name}: ignore}}"
                )
    return notes


def _is_target(column: np.ndarray, target: np.ndarray) -> bool:
    known = np.isfinite(column)
    if known.sum() < FEWEST_ROWS:
        return False
    x, y = column[known], target[known].astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    size = np.sqrt((x @ x) * (y @ y))
    return bool(size > 0 and abs(x @ y) > SAME * size)


def _parts(column: np.ndarray, classes: np.ndarray) -> bool:
    """Whether thresholds part all classes: in the order of the column each class is one stretch."""
    for rows in (slice(FIRST_LOOK), slice(None)):
        x, y = column[rows], classes[rows]
        if np.isnan(x).any():
            return False
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
        changes = np.flatnonzero(np.diff(y))
        # Equal values on both sides of a change are no threshold.
        if len(changes) + 1 != len(np.unique(y)) or len(changes) == 0 or (x[changes] == x[changes + 1]).any():
            return False
    return True


def _maps(column: np.ndarray, classes: np.ndarray) -> bool:
    """Whether each value of the column stands with one class only."""
    for rows in (slice(FIRST_LOOK), slice(None)):
        _, codes = np.unique(column[rows], return_inverse=True, equal_nan=True)
        y = classes[rows]
        if codes.max() + 1 > MOST_DISTINCT * len(y) or len(np.unique(y)) < 2:
            return False
        least, most = np.full(codes.max() + 1, np.inf), np.full(codes.max() + 1, -np.inf)
        np.minimum.at(least, codes, y)
        np.maximum.at(most, codes, y)
        if (least != most).any():
            return False
    return True
