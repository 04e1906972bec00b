"""Intervals that hold the truth as often as asked: split conformal prediction (V. Vovk and others, 2005).

What the network says of rows that it has not learnt tells how far it is off; no assumption is made but that new rows
are like these. Numbers get an interval: as wide as rows of such a prediction are usually off (normalised conformal
prediction, H. Papadopoulos and others, 2008), or of one width where that is no narrower; classes and labels the set of
those whose probability is not too low (M. Sadinle and others, 2019).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from mlp_toolkit.data.targets import Sizes, Target

# Sizes of errors are means over so many rows each, and of at most so many stretches of the predictions. A tenth of the
# mean error is added to each: where no row is off, an interval still has a width.
ROWS_OF_A_KNOT, MOST_KNOTS, ADDED = 100, 10, 0.1
PARTS = 5  # of the rows: sizes that judge one are fitted to the others
LEAST_FACTOR = 0.7
WIDE = (0.05, 0.95)  # of the widths of test rows: the narrow ones and the wide ones


def with_widths(
    target: Target, values: np.ndarray, outputs: np.ndarray, level: float, apart: np.ndarray | None = None
) -> Target:
    """The target with intervals or sets.

    Args:
        target: What is predicted.
        values: (rows, outputs) true values of rows that the network has not learnt.
        outputs: (rows, outputs) what it says of them.
        level: How often the truth is to be held.
        apart: (outputs,) of numbers where one member says it and all of them predict: the mean square by which
            members lie apart from their mean.
    """
    if target.task == "regression":
        errors = np.abs(values - outputs)
        if apart is not None:
            errors = errors * of_the_mean(np.square(errors).mean(axis=0), apart)
        found = [_sized(own, said, level) for own, said in zip(errors.T, outputs.T, strict=True)]
        sizes = tuple(own for _, own in found)
        return replace(
            target, level=level, widths=tuple(width for width, _ in found), sizes=sizes if any(sizes) else ()
        )
    if target.task == "multilabel":
        of_true = np.where(values > 0, outputs, 1 - outputs)
        widths = tuple(1 - min(quantile(1 - own, level), 1.0) for own in of_true.T)
        return replace(target, level=level, widths=widths)
    of_true = chances(outputs, target)[np.arange(len(values)), values[:, 0].astype(int)]
    return replace(target, level=level, widths=(1 - min(quantile(1 - of_true, level), 1.0),))


def of_the_mean(square: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """How many times a member's error that of the members' mean is.

    The mean square error of members is that of their mean and the mean square by which they lie apart from it (A. Krogh
    and J. Vedelsby, 1995). Members lie a little closer on rows that they have learnt: the factor is rather too near 1.

    Args:
        square: (outputs,) mean square error of single members.
        apart: (outputs,) mean square by which they lie apart.
    """
    share = np.divide(apart, square, out=np.zeros(len(square)), where=square > 0)
    return np.asarray(np.maximum(np.sqrt(np.clip(1 - share, 0, 1)), LEAST_FACTOR))


def _sized(errors: np.ndarray, said: np.ndarray, level: float) -> tuple[float, Sizes]:
    """The width of a target's intervals, and sizes to multiply it by; none where they make intervals no narrower."""
    one, knots = quantile(errors, level), min(MOST_KNOTS, len(errors) // ROWS_OF_A_KNOT)
    if knots < 2 or not errors.any():
        return one, ()
    part = np.random.default_rng(0).permutation(len(errors)) % PARTS
    usual = np.zeros(len(errors))
    for number in range(PARTS):
        held, others = part == number, part != number
        usual[held] = sizes_at(_sizes(errors[others], said[others], knots), said[held])
    if not (usual > 0).all():  # no row of the other parts is off
        return one, ()
    width, sizes = quantile(errors / usual, level), _sizes(errors, said, knots)
    return (width, sizes) if width * usual.mean() < one else (one, ())


def _sizes(errors: np.ndarray, said: np.ndarray, knots: int) -> Sizes:
    """The mean error of the rows of each stretch of predictions, at the mean of these."""
    edges = np.unique(np.quantile(said, np.linspace(0, 1, knots + 1)[1:-1]))
    places, of_row = np.unique(np.searchsorted(edges, said, side="right"), return_inverse=True)
    rows = np.bincount(of_row, minlength=len(places))
    at, sizes = (np.bincount(of_row, own) / rows for own in (said, errors))
    return tuple(at.tolist()), tuple((sizes + ADDED * errors.mean()).tolist())


def sizes_at(sizes: Sizes, said: np.ndarray) -> np.ndarray:
    """How far rows of these predictions are usually off, between knots on a straight line; 1 without sizes."""
    return np.interp(said, *sizes) if sizes else np.ones(len(said))


def half_widths(outputs: np.ndarray, target: Target) -> np.ndarray:
    """(rows, targets) how far intervals reach to each side."""
    sizes = target.sizes or ((),) * len(target.names)
    each = zip(target.widths, sizes, outputs.astype(np.float64).T, strict=True)
    return np.stack([width * sizes_at(own, said) for width, own, said in each], axis=1)


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
        half = half_widths(outputs, target)
        for name, own, width in zip(target.names, outputs.astype(np.float64).T, half.T, strict=True):
            found |= {f"{name}_lower": own - width, f"{name}_upper": own + width}
        return found
    names = [name.replace("|", r"\|") for name in _set_names(target)]
    sets = ["|".join(name for name, there in zip(names, row, strict=True) if there) for row in inside(outputs, target)]
    return {"set": np.array(sets, object)}


def _set_names(target: Target) -> tuple[str, ...]:
    return target.names if target.task == "multilabel" else tuple(map(str, target.classes))


def coverage(values: np.ndarray, outputs: np.ndarray, target: Target) -> dict[str, Any]:
    """How often test rows lie inside, and how wide intervals or sets are; by target or label where there are several.

    Args:
        values: (rows, outputs) true values.
        outputs: (rows, outputs) predictions.
        target: What was predicted.
    """
    if target.task == "regression":
        half = half_widths(outputs, target)
        held = np.abs(values - outputs) <= half
        return {
            "level": target.level,
            "coverage": dict(zip(target.names, held.mean(axis=0).tolist(), strict=True)),
            "width": dict(zip(target.names, (2 * half.mean(axis=0)).tolist(), strict=True)),
            "narrow_and_wide": dict(zip(target.names, (2 * np.quantile(half, WIDE, axis=0)).T.tolist(), strict=True)),
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
