"""Class weights and sample weights become one weight a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError


def row_weights(
    y: np.ndarray,
    classes: Sequence[Any],
    class_weight: str | Mapping[Any, float] | None,
    sample_weight: np.ndarray | None,
) -> np.ndarray | None:
    """The weight of each row: the weight of its class times its own.

    Args:
        y: (rows,) class numbers from 0.
        classes: The labels in the order of the class numbers.
        class_weight: "balanced": rows / (classes · rows of the class), as scikit-learn counts; or a weight for
            every label, under the label as the data has it.
        sample_weight: (rows,) weights of 0 or more, or None.

    Returns:
        (rows,) float32, or None where neither is given.

    Raises:
        UserError: A label is missing, unknown, or has no training row; a weight is negative or not finite.
    """
    own = check_sample_weight(sample_weight, len(y))
    by_class = class_weights(np.bincount(y, minlength=len(classes)), classes, class_weight)
    if by_class is None:
        return own
    weights: np.ndarray = by_class[y].astype(np.float32)
    if own is not None:
        weights *= own
    if not weights.any():
        raise UserError("class weights and sample weights together are 0 for every row")
    return weights


def class_weights(
    counts: np.ndarray, classes: Sequence[Any], class_weight: str | Mapping[Any, float] | None
) -> np.ndarray | None:
    """The weight of each class.

    Args:
        counts: Rows of each class.
        classes: As in `row_weights`.
        class_weight: As in `row_weights`.

    Returns:
        (classes,) float64, or None without class weights.

    Raises:
        UserError: As `row_weights` says.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise UserError("unknown class_weight", found=class_weight, allowed=["balanced", "a mapping of weights"])
        absent = [label for label, count in zip(classes, counts, strict=True) if count == 0]
        if absent:
            raise UserError(
                f"class_weight: balanced, but no training row has the class {absent[0]!r}",
                remedy="A class without rows has no balanced weight: give weights yourself.",
            )
        balanced: np.ndarray = counts.sum() / (len(classes) * counts)
        return balanced
    if not isinstance(class_weight, Mapping):
        raise UserError('class_weight is "balanced", or a mapping of each class to its weight', found=class_weight)
    absent = [label for label in classes if label not in class_weight]
    extra = [label for label in class_weight if label not in classes]
    if absent or extra:
        raise UserError(
            "class_weight must name each class once, as the data has it",
            found=list(class_weight),
            allowed=[repr(label) for label in classes],
        )
    given = [class_weight[label] for label in classes]
    numbers = all(isinstance(weight, Real) and not isinstance(weight, bool) for weight in given)
    by_class = np.array(given, np.float64) if numbers else np.array([np.nan])
    if not (np.isfinite(by_class).all() and (by_class >= 0).all() and by_class.sum() > 0):
        raise UserError("class weights are numbers of 0 or more, not all 0", found=dict(class_weight))
    return by_class


def check_sample_weight(sample_weight: Any, rows: int) -> np.ndarray | None:
    """Sample weights as (rows,) float32.

    Raises:
        UserError: The wrong number of them, negative, not finite, or all 0.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight).astype(np.float32)
    except (TypeError, ValueError):
        raise UserError("sample_weight must hold one number of 0 or more for each row") from None
    if weights.shape not in ((rows,), (rows, 1)):
        raise UserError(f"sample_weight has the shape {weights.shape}; {rows} rows take ({rows},)")
    weights = weights.reshape(rows)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise UserError(f"sample_weight must hold numbers of 0 or more; row {_first_bad(weights)} does not")
    if not weights.any():
        raise UserError("all sample weights are 0")
    return weights


def _first_bad(weights: np.ndarray) -> int:
    return int(np.argmax(~np.isfinite(weights) | (weights < 0)))
