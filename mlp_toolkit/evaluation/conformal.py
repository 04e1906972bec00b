"""Intervals that hold the truth as often as asked: split conformal prediction (V. Vovk and others, 2005).

What the network says of rows that it has not learnt tells how far it is off; no assumption is made but that new rows
are like these. Numbers get an interval of one width for each target; classes and labels the set of those whose
probability is not too low (M. Sadinle and others, 2019).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mlp_toolkit.data.targets import Target


def widths(values: np.ndarray, outputs: np.ndarray, target: Target, level: float) -> tuple[float, ...]:
    """What `Target.widths` holds.

    Args:
        values: (rows, outputs) true values of rows that the network has not learnt.
        outputs: (rows, outputs) what it says of them.
        target: What is predicted.
        level: How often the truth is to be held.
    """
    if target.task == "regression":
        return tuple(quantile(np.abs(own), level) for own in (values - outputs).T)
    if target.task == "multilabel":
        of_true = np.where(values > 0, outputs, 1 - outputs)
        return tuple(1 - min(quantile(1 - own, level), 1.0) for own in of_true.T)
    of_true = chances(outputs, target)[np.arange(len(values)), values[:, 0].astype(int)]
    return (1 - min(quantile(1 - of_true, level), 1.0),)


def quantile(errors: np.ndarray, level: float) -> float:
    """The least error that at least that share of as many rows and one more stays below; infinite for too few rows."""
    rank = math.ceil((len(errors) + 1) * level)
    return float(np.sort(errors)[rank - 1]) if rank <= len(errors) else math.inf


def chances(outputs: np.ndarray, target: Target) -> np.ndarray:
    """(rows, classes) probabilities of a binary or multiclass target."""
    return np.concatenate([1 - outputs, outputs], axis=1) if target.task == "binary" else outputs


def inside(outputs: np.ndarray, target: Target) -> np.ndarray:
    """Which classes or labels are in the set of each row, (rows, classes); the likeliest class always is.

    Of labels: those that may be there.
    """
    limit = np.array(target.widths, np.float64)
    if target.task == "multilabel":
        return np.asarray(outputs >= limit)
    p = chances(outputs, target)
    return np.asarray((p >= limit) | (p >= p.max(axis=1, keepdims=True)))


def columns(outputs: np.ndarray, target: Target) -> dict[str, np.ndarray]:
    """The columns that intervals or sets add to a table of predictions, by name."""
    if not target.widths:
        return {}
    if target.task == "regression":
        found: dict[str, np.ndarray] = {}
        for name, own, width in zip(target.names, outputs.astype(np.float64).T, target.widths, strict=True):
            found |= {f"{name}_lower": own - width, f"{name}_upper": own + width}
        return found
    names = target.names if target.task == "multilabel" else tuple(map(str, target.classes))
    sets = ["|".join(name for name, there in zip(names, row, strict=True) if there) for row in inside(outputs, target)]
    return {"set": np.array(sets, object)}


def coverage(values: np.ndarray, outputs: np.ndarray, target: Target) -> dict[str, Any]:
    """How often test rows lie inside, and how wide intervals or sets are; by target or label where there are several.

    Args:
        values: (rows, outputs) true values.
        outputs: (rows, outputs) predictions.
        target: What was predicted.
    """
    if target.task == "regression":
        held = np.abs(values - outputs) <= np.array(target.widths)
        return {
            "level": target.level,
            "coverage": dict(zip(target.names, held.mean(axis=0).tolist(), strict=True)),
            "width": {name: 2 * width for name, width in zip(target.names, target.widths, strict=True)},
        }
    there = inside(outputs, target)
    if target.task == "multilabel":
        held = np.where(values > 0, outputs, 1 - outputs) >= np.array(target.widths)
        return {
            "level": target.level,
            "coverage": dict(zip(target.names, held.mean(axis=0).tolist(), strict=True)),
            "size": float(there.sum(axis=1).mean()),
        }
    held = there[np.arange(len(values)), values[:, 0].astype(int)]
    return {"level": target.level, "coverage": float(held.mean()), "size": float(there.sum(axis=1).mean())}
