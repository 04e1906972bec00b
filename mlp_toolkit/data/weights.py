"""Class weights and sample weights become one weight a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from mlp_toolkit.data.arrays import unmasked
from mlp_toolkit.errors import UserError, listing


def class_weights(
    counts: np.ndarray, classes: Sequence[Any], class_weight: str | Mapping[Any, float] | None
) -> np.ndarray | None:
    """The weight of each class, or of both values of each label.

    Args:
        counts: Training rows of each class, (classes,); or, where each row has several labels, (labels, 2): rows
            without and rows with each.
        classes: The classes in the order of their numbers, or the labels.
        class_weight: "balanced": rows / (classes · rows of the class), as scikit-learn counts, and for labels the same
            with two classes each; or a weight for every class, under its name as the data has it; for labels it is the
            weight of the rows that have the label, beside 1 for those that have not.

    Returns:
        (classes,) or (labels, 2) float64, or None without class weights.

    Raises:
        UserError: A name is missing or unknown, a class has no training row, or a weight is negative or not finite.
    """
    if class_weight is None:
        return None
    what = "class" if counts.ndim == 1 else "label"
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise UserError("unknown class_weight", found=class_weight, allowed=["balanced", "a mapping of weights"])
        _check_present(counts, classes, "has no balanced weight: give weights yourself")
        balanced: np.ndarray = counts.sum(axis=-1, keepdims=True) / (counts.shape[-1] * counts)
        return balanced
    if not isinstance(class_weight, Mapping):
        raise UserError(f'class_weight is "balanced", or a mapping of each {what} to its weight', found=class_weight)
    absent = [label for label in classes if label not in class_weight]
    extra = [label for label in class_weight if label not in classes]
    if absent or extra:
        raise UserError(
            f"class_weight must name each {what} once, as the data has it",
            found=list(class_weight),
            allowed=[repr(label) for label in classes],
            remedy=_mend(absent, extra),
        )
    given = [class_weight[label] for label in classes]
    numbers = all(isinstance(weight, Real) and not isinstance(weight, bool) for weight in given)
    by_class = np.array(given, np.float64) if numbers else np.array([np.nan])
    if not (np.isfinite(by_class).all() and (by_class >= 0).all() and by_class.sum() > 0):
        raise UserError("class weights are numbers of 0 or more, not all 0", found=dict(class_weight))
    _check_present(counts, classes, "cannot be learnt, whatever its weight")
    return by_class if counts.ndim == 1 else np.stack([np.ones_like(by_class), by_class], axis=1)


def _mend(absent: list[Any], extra: list[Any]) -> str:
    """What to do about names that are absent or not known."""
    if absent and sorted(map(str, absent)) == sorted(map(str, extra)):
        kinds = {True: "text", False: "numbers"}
        given, own = (kinds[isinstance(names[0], str)] for names in (extra, absent))
        if given != own:
            return f"These are {given}, and the data has {own}: write {absent[0]!r} for {extra[0]!r}."
    parts = [f"{listing(map(repr, absent))} has no weight" if absent else ""]
    parts.append(f"{listing(map(repr, extra))} does not occur" if extra else "")
    return "; ".join(part for part in parts if part) + "."


def _check_present(counts: np.ndarray, classes: Sequence[Any], so: str) -> None:
    empty = (counts == 0).reshape(len(classes), -1)
    if empty.any():
        number = int(np.argmax(empty.any(axis=1)))
        rows = "the class" if counts.ndim == 1 else f"the value {int(np.argmax(empty[number]))} of the label"
        raise UserError(f"class_weight: no training row has {rows} {classes[number]!r}, which {so}")


def count_classes(values: np.ndarray, classes: int | None = None) -> np.ndarray:
    """Rows of each class, from (rows,) class numbers; rows without and with each label, from (rows, labels) 0 and 1."""
    if values.ndim == 1:
        return np.bincount(values, minlength=classes or 0)
    having = (values == 1).sum(axis=0)
    return np.stack([len(values) - having, having], axis=1)


def row_weights(values: np.ndarray, by_class: np.ndarray | None, own: np.ndarray | None) -> np.ndarray | None:
    """The weight of each row: the weight of its class times its own.

    Args:
        values: (rows,) class numbers from 0, or (rows, labels) of 0 and 1.
        by_class: As `class_weights` gives them, or None.
        own: (rows,) weights of the rows, or None.

    Returns:
        (rows,) float32; with weights of labels (rows, labels); None where neither is given.

    Raises:
        UserError: All come to 0.
    """
    if by_class is None:
        return own
    numbers = values.astype(np.intp)
    if by_class.ndim == 1:
        weights = by_class[numbers].astype(np.float32)
    else:
        weights = np.take_along_axis(by_class.T.astype(np.float32), numbers, axis=0)
    if own is not None:
        weights *= own if weights.ndim == 1 else own[:, None]
    if not weights.any():
        raise UserError("class weights and sample weights together are 0 for every row")
    return weights


def check_sample_weight(sample_weight: Any, rows: int) -> np.ndarray | None:
    """Sample weights as (rows,) float32.

    Raises:
        UserError: The wrong number of them, negative, not finite, or all 0.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(unmasked(sample_weight)).astype(np.float32)
    except (TypeError, ValueError):
        raise UserError("sample_weight must hold one number of 0 or more for each row") from None
    if weights.shape not in ((rows,), (rows, 1)):
        raise UserError(f"sample_weight has the shape {weights.shape}; {rows} rows take ({rows},)")
    weights = weights.reshape(rows)
    if not np.isfinite(weights).all() or (weights < 0).any():
        row = _first_bad(weights)
        raise UserError(
            f"sample_weight must hold numbers of 0 or more; row {row} holds {weights[row]:g}",
            remedy="0 leaves a row out.",
        )
    if not weights.any():
        raise UserError("all sample weights are zero: nothing would be learnt")
    return weights


def _first_bad(weights: np.ndarray) -> int:
    return int(np.argmax(~np.isfinite(weights) | (weights < 0)))
