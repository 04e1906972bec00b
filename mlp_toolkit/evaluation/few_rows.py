"""How far scores of few rows may lie from those of many."""

from __future__ import annotations

import numpy as np

from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import number
from mlp_toolkit.evaluation.doubt import LEVEL, wilson

FEW = 50
DRAWS = 2_000


def note_on_few_rows(values: np.ndarray, outputs: np.ndarray, target: Target, validation: int) -> list[str]:
    """A caution where fewer than 50 test rows give the scores, with the range that they leave open; or none.

    Of classes and labels it is Wilson's interval of the share of right rows (E. B. Wilson, 1927); of numbers what the
    RMSE is where the rows are drawn anew from themselves (the bootstrap, B. Efron, 1979).

    Args:
        values: (rows, outputs) true values of the test rows.
        outputs: (rows, outputs) predictions of them.
        target: What was predicted.
        validation: How many rows chose the best epoch.
    """
    if len(values) >= FEW:
        return []
    found = _of_numbers(values, outputs) if target.task == "regression" else _of_classes(values, outputs, target)
    chosen = f"; {_rows(validation)} for validation chose the best epoch" if validation < FEW else ""
    return [f"few rows: {found}{chosen}. Other splits and seeds show how much that varies"]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _of_classes(values: np.ndarray, outputs: np.ndarray, target: Target) -> str:
    right, rows = int((target.decided(outputs) == values).all(axis=1).sum()), len(values)
    low, high = wilson(right, rows)
    return f"{right} of {rows} test rows are right, which leaves open {low:.0%} to {high:.0%} of many"


def _of_numbers(values: np.ndarray, outputs: np.ndarray) -> str:
    rows = len(values)
    drawn = np.random.default_rng(0).integers(0, rows, (DRAWS, rows))
    errors = np.sqrt(((values - outputs) ** 2)[drawn].mean(axis=1)).mean(axis=1)
    low, high = np.quantile(errors, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return f"the {_rows(rows)} of the test, drawn anew, give an rmse of {number(low)} to {number(high)}"
