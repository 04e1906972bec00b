"""What a user hands to `fit` becomes checked arrays, before any training starts."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError, listing, shorten

Shape = tuple[int | None, ...]  # of one row; None stands for any length

CLASS_NUMBERS = ("sparse_categorical_crossentropy",)
ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy")
COLUMN_EACH = (
    "Make a column of 0 and 1 for each label, for instance with "
    "sklearn.preprocessing.MultiLabelBinarizer().fit_transform(y)."
)
ONE = 1e-3  # that the shares of a row's classes may be beside 1
SEVERAL_LABELS = "Where a row may have several labels, or none, take the task multilabel: sigmoid, binary_crossentropy."
YES_OR_NO = ("binary_crossentropy", "binary_focal_crossentropy")


@dataclass(frozen=True)
class Output:
    """What a network gives, as far as it decides which targets fit.

    Attributes:
        shape: Of one row's output; (3,) for three neurons.
        activation: Of the last layer; "" where that is not known.
        loss: The loss's full name in lower case, for instance sparse_categorical_crossentropy.
        low: The least value the output can take; None where it has no bound, or it is not known.
        high: The greatest.
    """

    shape: Shape
    activation: str
    loss: str
    low: float | None = None
    high: float | None = None


def one_input(model: Any, what: str) -> tuple[Shape | None, bool]:
    """The shape of one row that a Keras model takes, None where it does not say, and whether it takes whole numbers.

    Raises:
        UserError: The model has several inputs; `what` names Keras's own function for it.
    """
    inputs = getattr(model, "inputs", None)  # a model that is not built yet has none
    if inputs is not None and len(inputs) != 1:
        raise other_form(what, f"{len(inputs)} inputs")
    if not inputs:
        return None, False
    return tuple(inputs[0].shape[1:]), "int" in str(inputs[0].dtype)


def other_form(what: str, found: str) -> UserError:
    """What to say of a model with several inputs or outputs."""
    return UserError(
        f"{what} takes models with one input (rows, …) and one output (rows, …)",
        found=found,
        remedy=f"For other models use Keras's own model.{what}.",
    )


def features_array(x: Any, shape: Shape | None, what: str = "X", whole_numbers: bool = False) -> np.ndarray:
    """(rows, *shape) float32 from an array, a data frame of numbers or a Parquet file.

    Args:
        x: The features. A last dimension of 1 may be missing: 8 by 8 grey images may be (rows, 8, 8). A network that
            takes plain rows of as many numbers gets images row by row: (rows, 64).
        shape: What the network takes for one row, or None where the network does not say.
        what: Its name in messages.
        whole_numbers: The network takes numbers of things; whole numbers stay as they are.

    Raises:
        UserError: Not numbers, another shape, no rows, or a value that is not finite; with column and row.
    """
    frame = table(x)
    names = [str(name) for name in frame.columns] if hasattr(frame, "iloc") and frame.ndim == 2 else None
    if names is not None:
        words = [name for name, kind in zip(names, frame.dtypes, strict=True) if kind.kind not in "iufb"]
        if words:
            raise UserError(
                f"{what}: columns {listing(words)} do not hold numbers, and a network takes numbers only",
                remedy="Encode them, or write a recipe: `mlp-toolkit run` encodes columns of text itself.",
            )
        # pandas keeps missing whole numbers and truth values as objects of its own
        frame = frame.to_numpy(np.float64, na_value=np.nan) if frame.isna().to_numpy().any() else frame.to_numpy()
    array = _numbers(frame, what)
    if not len(array):
        raise UserError(f"{what} has no rows")
    if shape is not None:
        if not _fits(array.shape[1:], shape) and _fits((*array.shape[1:], 1), shape):
            array = array[..., None]
        if array.ndim > 2 and shape == (math.prod(array.shape[1:]),):
            array = array.reshape(len(array), -1)
        if not _fits(array.shape[1:], shape):
            plain = len(shape) == 1 and array.ndim == 2
            raise UserError(
                f"{what} has the shape {array.shape}; the network takes {_rows_of(shape)}",
                remedy=f"Give it the columns that it was built for, or build it with n_features={array.shape[1]}."
                if plain
                else None,
            )
    if whole_numbers and array.dtype.kind in "iu":
        return array
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    _finite(array, what, names)
    return array


def targets_array(y: Any, rows: int, output: Output, what: str = "y") -> np.ndarray:
    """Targets in the shape and range that the network's output and loss need.

    Args:
        y: (rows,), (rows, 1) or (rows, outputs) numbers; class numbers, one-hot rows, 0/1 labels.
        rows: Rows of the features.
        output: What they are compared with.
        what: Their name in messages.

    Returns:
        (rows, *output.shape) float32, or (rows, …, 1) int32 class numbers.

    Raises:
        UserError: With the first row that does not fit.
    """
    array = _numbers(table(y), what)
    if len(array) != rows:
        raise UserError(f"X has {rows} rows, {what} has {len(array)}", remedy="Each row of X needs its target.")
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(array.astype(np.float32))
    if bad.any():
        raise UserError(
            f"{what} holds NaN (a missing value), infinity or a number too large for float32, first in row "
            f"{_first_row(bad)}",
            remedy="Leave such rows out: known = np.isfinite(y); X[known], y[known]. Recipes do so with rows that have "
            "no target.",
        )
    if output.loss in CLASS_NUMBERS:
        return _class_numbers(array, output, what)
    array = _as_output(array, output, what)
    if output.loss in (*YES_OR_NO, *ONE_HOT) or (output.activation == "sigmoid" and "crossentropy" in output.loss):
        odd = (array < 0) | (array > 1)
        if odd.any():
            row = _first_row(odd)
            raise UserError(
                f"{what} must hold labels 0 and 1; row {row} holds {array[row][odd[row]].flat[0]}",
                remedy="Map the labels first: for 1 and 2 subtract 1; for -1 and 1 use (y + 1) / 2.",
            )
    if output.loss in ONE_HOT and not _one_class_each(array):
        sums = array.sum(axis=-1)
        row = _first_row(np.abs(sums - 1) > ONE)
        raise UserError(
            f"{what} must give each row one class: its columns sum to 1; in row {row} they sum to "
            f"{sums[row].flat[0]:g}",
            remedy=SEVERAL_LABELS,
        )
    _within(array, output, what)
    return array.astype(np.float32)


def _one_class_each(array: np.ndarray) -> bool:
    return bool((np.abs(array.sum(axis=-1) - 1) <= ONE).all())


def unmasked(data: Any) -> Any:
    """A masked array with NaN where it is masked: what is hidden is no value; everything else as it is."""
    if not isinstance(data, np.ma.MaskedArray):
        return data
    numbers = data.dtype.kind in "iufb"
    plain = np.array(data.data, np.float64 if numbers else object)
    plain[np.ma.getmaskarray(data)] = np.nan if numbers else None
    return plain


def table(data: Any) -> Any:
    """What a path names, read; everything else as it is."""
    if not isinstance(data, str | Path):
        return data
    from mlp_toolkit.data.reading import tables

    return tables.read_table(data).frame


def check_aligned(x: Any, other: Any, what: str) -> None:
    """Two pandas objects belong together row by row only where their indexes agree.

    Raises:
        UserError: They do not.
    """
    if hasattr(x, "iloc") and hasattr(other, "iloc") and not x.index.equals(other.index):
        raise UserError(
            f"X and {what} have different indexes: row by row they do not belong together",
            remedy="Align them, for instance y = y.loc[X.index], or pass y.to_numpy() if the order is right.",
        )


def check_same_order(x: Any, y: Any, place: str) -> None:
    """Refuses pandas objects whose indexes name the same rows in another order; scikit-learn would not look at them.

    Raises:
        UserError: They do.
    """
    if not (hasattr(x, "iloc") and hasattr(y, "iloc")) or len(x) != len(y) or x.index.equals(y.index):
        return
    if x.index.is_unique and not len(x.index.difference(y.index, sort=False)):
        raise UserError(
            "X and y have the same rows in their indexes, in another order",
            place=place,
            remedy="Align them: y = y.loc[X.index]; or pass y.to_numpy() if the order is right as it stands.",
        )


def check_rows_of_labels(y: Any, place: str) -> None:
    """Refuses targets that are a set, or that have a set or a list of names in each row.

    Raises:
        UserError: With how each label becomes a column.
    """
    if isinstance(y, set | frozenset):
        raise UserError(
            f"y is a {type(y).__name__}, whose values belong to no row",
            place=place,
            remedy="Give a list, an array or a column of a data frame, in the order of X.",
        )
    rows = list(y) if getattr(getattr(y, "dtype", None), "kind", "") == "O" else y
    first = rows[0] if isinstance(rows, list | tuple) and rows else None
    if isinstance(first, set | frozenset) or (
        isinstance(first, list | tuple) and any(isinstance(label, str) for label in first)
    ):
        raise UserError(f"y has a {type(first).__name__} of labels in each row", place=place, remedy=COLUMN_EACH)


def _numbers(data: Any, what: str) -> np.ndarray:
    """An array of numbers, of one dimension or more."""
    data = unmasked(data)
    try:
        array = np.asarray(data)
    except ValueError:
        raise UserError(f"{what} has rows of different lengths") from None
    if array.dtype.kind == "O" and array.ndim and not any(isinstance(value, str | bytes) for value in array.flat):
        with contextlib.suppress(TypeError, ValueError):
            array = array.astype(np.float64)  # None becomes NaN
    if not array.ndim:
        raise UserError(f"{what} is not an array of rows", found=data)
    if array.dtype.kind in "OSUT":
        example = next((value for value in array.flat if isinstance(value, str | bytes)), next(array.flat, ""))
        raise UserError(
            f"{what} holds text or objects such as {shorten(str(example), 30)!r}, and a network takes numbers only",
            remedy="Number the classes from 0 and encode text, or write a recipe: `mlp-toolkit run` does both itself.",
        )
    if array.dtype.kind not in "iufb":
        raise UserError(f"{what} holds values of type {array.dtype}, and a network takes numbers only")
    return array


def _fits(given: Sequence[int], shape: Sequence[int | None]) -> bool:
    return len(given) == len(shape) and all(b is None or a == b for a, b in zip(given, shape, strict=True))


def _rows_of(shape: Shape) -> str:
    return "(" + ", ".join(["rows", *("any" if length is None else str(length) for length in shape)]) + ")"


def _first_row(odd: np.ndarray) -> int:
    """The first row that holds a True."""
    return int(np.argmax(odd.reshape(len(odd), -1).any(axis=1)))


def _finite(array: np.ndarray, what: str, names: list[str] | None) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        row, *place = (int(i) for i in np.argwhere(bad)[0])
        name = repr(names[place[0]]) if names else f"number {', '.join(map(str, place))}"
        raise UserError(
            f"{what} holds NaN (a missing value), infinity or a number too large for float32, "
            f"{bad.sum():,} in all; the first is in column {name}, row {row}",
            remedy="Fill or drop them first, or write a recipe: `mlp-toolkit run` fills missing values itself.",
        )


def _as_output(array: np.ndarray, output: Output, what: str) -> np.ndarray:
    """The array in the output's shape. One dimension of 1 at the end may be missing or too many."""
    given = array.shape[1:]
    if _fits(given, output.shape):
        return array
    if _fits((*given, 1), output.shape):
        return array[..., None]
    if given and given[-1] == 1 and _fits(given[:-1], output.shape):
        return array[..., 0]
    if len(given) > 1 or len(output.shape) != 1:
        raise UserError(f"{what} has the shape {array.shape}; the network gives {_rows_of(output.shape)}")
    columns, outputs, hint = (given[0] if given else 1), output.shape[0], None
    if output.loss in ONE_HOT and columns == 1:
        hint = f"{output.loss} takes one-hot rows; for class numbers use sparse_categorical_crossentropy."
    elif output.loss in YES_OR_NO and (columns, outputs) == (2, 1):
        hint = "For one-hot labels of two classes pass their second column: y[:, 1]."
    raise UserError(
        f"{what} has {_number(columns, 'column')}, the network {_number(outputs, 'output')}",
        remedy=hint or f"Give as many columns as outputs, or build the network with n_outputs={columns}.",
    )


def _number(count: int | None, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _class_numbers(array: np.ndarray, output: Output, what: str) -> np.ndarray:
    *places, classes = output.shape
    if _fits(array.shape[1:], output.shape) and classes != 1:
        raise UserError(
            f"{what} has one column per class, the loss {output.loss} takes class numbers",
            remedy='Pass y.argmax(axis=-1), or build with loss="categorical_crossentropy".'
            if _one_class_each(array)
            else SEVERAL_LABELS,
        )
    if _fits(array.shape[1:], places):
        array = array[..., None]
    if not _fits(array.shape[1:], (*places, 1)):
        raise UserError(f"{what} has the shape {array.shape}; class numbers are {_rows_of((*places, 1))}")
    odd = (array != np.floor(array)) | (array < 0)
    if classes is not None:
        odd |= array >= classes
    if odd.any():
        row = _first_row(odd)
        last = "the number of classes" if classes is None else classes - 1
        raise UserError(
            f"{what} must hold class numbers from 0 to {last}; row {row} holds {array[row][odd[row]][0]}",
            remedy=f"The network has {classes} outputs. Number the classes from 0, or build it with more outputs.",
        )
    return array.astype(np.int32)


def _within(array: np.ndarray, output: Output, what: str) -> None:
    """A network whose output is bounded never reaches targets outside: it would train, and stay stuck."""
    low = -np.inf if output.low is None else output.low
    high = np.inf if output.high is None else output.high
    # float32 keeps seven digits: a target on the bound may lie that much outside
    slack = 1e-6 * max(abs(value) for value in (low, high, 1.0) if np.isfinite(value))
    odd = (array < low - slack) | (array > high + slack)
    if odd.any():
        row = _first_row(odd)
        range_ = f"lies between {low:g} and {high:g}"
        if output.low is None or output.high is None:
            range_ = f"is never below {low:g}" if output.high is None else f"is never above {high:g}"
        raise UserError(
            f"the network's output {range_}, and {what} holds "
            f"{array[row][odd[row]][0] if array.ndim > 1 else array[row]:g} in row {row}",
            remedy="Scale the targets, or build the network with an output that reaches them, such as linear.",
        )
