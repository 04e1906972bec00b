"""What a user hands to `fit` becomes checked float32 arrays, before any training starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError, listing, shorten


def features_array(x: Any, width: int, what: str = "X") -> np.ndarray:
    """(rows, width) float32 from an array, a data frame of numbers or a Parquet file.

    Raises:
        UserError: Not numbers, another width, no rows, or a value that is not finite; with column and row.
    """
    names: list[str] | None = None
    if isinstance(x, str | Path):
        from mlp_toolkit import readers

        x = readers.read(x).frame
    if hasattr(x, "columns"):
        names = [str(name) for name in x.columns]
        words = [str(name) for name in x.columns if x[name].dtype.kind not in "iufb"]
        if words:
            raise UserError(
                f"{what}: columns {listing(words)} do not hold numbers, and a network takes numbers only",
                remedy="Encode them, or write a recipe: `mlp-toolkit run` encodes columns of text itself.",
            )
        x = x.to_numpy()
    array = np.asarray(x)
    if array.dtype.kind not in "iufb":
        raise UserError(
            f"{what} holds values of type {array.dtype}, and a network takes numbers only",
            remedy="Encode text, or write a recipe: `mlp-toolkit run` encodes columns of text itself.",
        )
    if array.ndim == 1 and width == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != width:
        raise UserError(f"{what} has the shape {array.shape}; the network takes (rows, {width})")
    if not len(array):
        raise UserError(f"{what} has no rows")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    _finite(array, what, names)
    return array


def _finite(array: np.ndarray, what: str, names: list[str] | None) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        name = repr(names[column]) if names else f"number {column}"
        raise UserError(
            f"{what} holds {bad.sum()} values that are NaN, infinite or too large for float32; "
            f"the first is in column {name}, row {row}",
            remedy="Fill or drop them first, or write a recipe: `mlp-toolkit run` fills missing values itself.",
        )


def targets_array(y: Any, x: Any, rows: int, outputs: int, loss: str, output_activation: str, what: str = "y") -> np.ndarray:
    """Targets in the shape and range that the network's output and loss need.

    Args:
        y: (rows,), (rows, 1) or (rows, outputs) numbers; class numbers, one-hot rows, 0/1 labels.
        x: What was given as features: where both are pandas objects, their indexes must agree.
        rows: Rows of the features.
        outputs: Output neurons.
        loss: The loss's full name in lower case, for instance sparse_categorical_crossentropy.
        output_activation: The activation of the last layer; decides whether labels are expected.

    Returns:
        (rows, outputs) float32, or (rows, 1) int32 for the sparse loss.

    Raises:
        UserError: With the first row that does not fit.
    """
    index, other = getattr(y, "index", None), getattr(x, "index", None)
    if index is not None and other is not None and hasattr(index, "equals") and not index.equals(other):
        raise UserError(
            f"X and {what} have different indexes: row by row they do not belong together",
            remedy="Align them, for instance y = y.loc[X.index], or pass y.to_numpy() if the order is right.",
        )
    if isinstance(y, str | Path):
        from mlp_toolkit import readers

        y = readers.read(y).frame
    array = np.asarray(y)
    if array.dtype.kind in "OUS":
        raise UserError(
            f"{what} holds text such as {shorten(str(array.reshape(-1)[0]), 30)!r}; a plain network takes class numbers",
            remedy="Number the classes from 0, or use a recipe: it maps labels and keeps them in the model file.",
        )
    if array.ndim == 1:
        array = array[:, None]
    if len(array) != rows:
        raise UserError(f"X has {rows} rows, {what} has {len(array)}")
    if not np.isfinite(array.astype(np.float64)).all():
        row = int(np.argmax(~np.isfinite(array.astype(np.float64)).all(axis=1)))
        raise UserError(f"{what} holds NaN or infinity, first in row {row}")
    if loss == "sparse_categorical_crossentropy":
        return _class_numbers(array, outputs, what)
    if array.ndim == 2 and array.shape[1] != outputs:
        hint = None
        if loss == "categorical_crossentropy" and array.shape[1] == 1:
            hint = "categorical_crossentropy takes one-hot rows; for class numbers use sparse_categorical_crossentropy."
        raise UserError(f"{what} has {array.shape[1]} columns, the network {outputs} outputs", remedy=hint)
    if loss == "binary_crossentropy" or (output_activation == "sigmoid" and "crossentropy" in loss):
        odd = (array < 0) | (array > 1)
        if odd.any():
            row = int(np.argmax(odd.any(axis=1)))
            raise UserError(
                f"{what} must hold labels 0 and 1; row {row} holds {array[row].tolist()}",
                remedy="Map the labels first: for 1 and 2 subtract 1; for -1 and 1 use (y + 1) / 2.",
            )
    return array.astype(np.float32)


def _class_numbers(array: np.ndarray, outputs: int, what: str) -> np.ndarray:
    if array.shape[1] == outputs and outputs > 1:
        raise UserError(
            f"{what} has one column per class, the loss sparse_categorical_crossentropy takes class numbers",
            remedy='Pass y.argmax(axis=1), or build with loss="categorical_crossentropy".',
        )
    if array.shape[1] != 1:
        raise UserError(f"{what} has {array.shape[1]} columns; class numbers are one column")
    column = array[:, 0]
    odd = column != np.floor(column)
    odd |= (column < 0) | (column >= outputs)
    if odd.any():
        row = int(np.argmax(odd))
        raise UserError(
            f"{what} must hold class numbers from 0 to {outputs - 1}; row {row} holds {column[row]}",
            remedy=f"The network has {outputs} outputs. Number the classes from 0, or build it with more outputs.",
        )
    return array.astype(np.int32)
