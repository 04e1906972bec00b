"""Data frames of any types become columns of numbers and of text, in one place for all that brings tables."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlp_toolkit.data.images import pixels
from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.files import MOST_COLUMNS, unique

if TYPE_CHECKING:
    import pandas as pd

EXACT = 2**53  # beyond, float64 has no place for some whole numbers
FEW_ROWS = 64  # of a frame to predict for: work on each of its columns costs more than work on its values


def normalise(frame: pd.DataFrame) -> pd.DataFrame:
    """Any data frame → columns of numbers or of text, as `Table` promises; columns of images stay as they are.

    Booleans become 0 and 1, dates become ISO text. Categories become text; a column of them keeps its type, for they
    are categories even where all of them are numbers.

    Raises:
        UserError: A column's name stands twice, or a column holds lists, mappings or other objects.
    """
    import pandas as pd

    plain = pd.DataFrame(columns_of(frame), copy=False)
    named = [place for place, kind in enumerate(frame.dtypes.tolist()) if isinstance(kind, pd.CategoricalDtype)]
    for name in plain.columns[named]:
        plain[name] = plain[name].astype("category")
    return plain


def together(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of the same columns below each other, rows counted anew; categories stay categories."""
    import pandas as pd

    joined = pd.concat(frames, ignore_index=True)
    for name in joined.columns:
        if all(isinstance(frame[name].dtype, pd.CategoricalDtype) for frame in frames):
            joined[name] = joined[name].astype("category")
    return normalise(joined)


def with_columns(frame: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """The table with other columns in place of its own; `DataFrame.assign` would take none that is called `self`."""
    other = frame.copy(deep=False)
    for name, values in columns.items():
        other[name] = values
    return other


def chosen(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """So many columns of a table; itself where these are all of them, which pandas would look up one by one."""
    return frame if list(frame.columns) == list(names) else frame[names]


def columns_of(frame: pd.DataFrame, wanted: Collection[str] | None = None) -> dict[str, Any]:
    """The columns that `normalise` gives, as arrays: a data frame takes longer to assemble than a row to predict.

    Args:
        frame: The data frame.
        wanted: The columns to look at; all by default.

    Raises:
        UserError: As `normalise` does.
    """
    import numpy as np
    import pandas as pd

    names = list(map(str, frame.columns.tolist()))
    places = [place for place, name in enumerate(names) if wanted is None or name in wanted]
    unique([names[place] for place in places], "the data frame")
    if len(frame) > FEW_ROWS or len(names) > MOST_COLUMNS:
        return {names[place]: _column(frame.iloc[:, place], names[place]) for place in places}
    # pandas takes 9 µs to hand out one column, not ten times that for all values, and half of it for those of one row.
    kinds = frame.dtypes.tolist()
    mixed = any(isinstance(kind, pd.StringDtype) for kind in kinds)  # a row of numbers alone would take one type
    values = frame.iloc[0].to_numpy(object)[None] if mixed and len(frame) == 1 else frame.to_numpy(object)
    texts = _none_where_missing(values)
    arrays: dict[str, Any] = {}
    for index in places:
        name, kind = names[index], kinds[index]
        if _counted_with(kind):
            arrays[name] = values[:, index].astype(kind)
        elif isinstance(kind, pd.StringDtype):
            arrays[name] = texts[:, index]
        elif kind == np.dtype(object):
            arrays[name] = _objects(values[:, index], name)
        else:
            arrays[name] = _column(frame.iloc[:, index], name)
    return arrays


def _counted_with(kind: Any) -> bool:
    """Files may hold numbers in another byte order or of a width that pandas does not count with."""
    import numpy as np

    return isinstance(kind, np.dtype) and kind.kind in "iuf" and kind.isnative and kind.itemsize in (1, 4, 8)


def _none_where_missing(values: Any) -> Any:
    import numpy as np

    return np.where(_missing(values), np.array(None, object), values)


def _missing(values: Any) -> Any:
    import pandas as pd

    try:
        return pd.isna(values)
    except ArithmeticError:
        raise UserError("a decimal NaN that signals stands in a column, which cannot even be compared") from None


def _column(column: pd.Series[Any], name: str) -> Any:
    """A column → numbers, or text and None."""
    import numpy as np
    import pandas as pd

    if _counted_with(column.dtype):
        return column.to_numpy()
    if isinstance(column.dtype, pd.StringDtype):
        return _none_where_missing(column.to_numpy(object))
    if isinstance(column.dtype, pd.CategoricalDtype):
        # Their own type would make quantities of numbers, which here name categories.
        text = column.map(_as_text, na_action="ignore").astype(object)
        return text.where(column.notna(), None).to_numpy(object)
    kind = column.dtype
    if isinstance(kind, pd.ArrowDtype) and kind.kind in "Mm":
        column = column.dt.tz_convert("UTC") if "tz=" in str(kind) else column
        column = pd.to_datetime(column.astype(object)) if kind.kind == "M" else pd.to_timedelta(column.astype(object))
        kind = column.dtype
    if pd.api.types.is_timedelta64_dtype(kind):
        return column.dt.total_seconds().to_numpy(np.float64)
    if pd.api.types.is_datetime64_any_dtype(kind):
        try:
            # The same instants are the same dates, in whichever zone they are told.
            zoned = getattr(kind, "tz", None) is not None
            stamps = column.dt.tz_convert("UTC").dt.tz_localize(None) if zoned else column
            text = stamps.dt.strftime("%Y-%m-%d %H:%M:%S").astype(object)
        except (ValueError, NotImplementedError, OverflowError) as error:  # what pandas raises of far years and zones
            raise UserError(f"column {name!r} holds times that no calendar has: {shorten(error)}") from None
        return text.where(column.notna(), None).to_numpy(object)
    if pd.api.types.is_integer_dtype(kind) and (column.abs() > EXACT).fillna(False).any():
        return column.map(str, na_action="ignore").astype(object).where(column.notna(), None).to_numpy(object)
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):  # booleans, too
        return column.to_numpy(np.float64, na_value=np.nan)
    return _objects(column.to_numpy(object), name)


def _objects(values: Any, name: str) -> Any:
    """A column of Python objects → text or None; numbers where all are numbers."""
    import datetime
    import decimal

    import numpy as np

    present = ~_missing(values)
    kinds = {type(value) for value in values[present]}
    number = (bool, int, float, decimal.Decimal, np.bool_, np.number)
    whole = (int, np.integer)
    if any(issubclass(kind, whole) for kind in kinds) and any(
        isinstance(value, whole) and abs(int(value)) > EXACT for value in values[present]
    ):
        return np.array([_as_text(v) if p else None for v, p in zip(values, present, strict=True)], object)
    if kinds and all(issubclass(kind, number) for kind in kinds):
        return np.array([_float(v) if p else np.nan for v, p in zip(values, present, strict=True)])
    if kinds and all(issubclass(kind, datetime.time) for kind in kinds):
        return np.array([_hours(v) if p else np.nan for v, p in zip(values, present, strict=True)])
    if kinds and all(issubclass(kind, datetime.date) for kind in kinds):
        return np.array([str(v) if p else None for v, p in zip(values, present, strict=True)], object)
    if any(not issubclass(kind, str) for kind in kinds) and all(map(pixels.is_cell, values[present])):
        return pixels.with_texts(values, present)
    odd = [kind for kind in kinds if not issubclass(kind, str | bytes | bool | int | float | np.generic)]
    if odd:
        raise UserError(
            f"column {name!r} holds values of type {odd[0].__name__}; numbers, text, booleans and dates are read",
            remedy="Split it into plain columns, or drop it."
            + (f" Labels: frame[{name!r}].str.join('|').str.get_dummies()." if odd[0] in (set, list, tuple) else ""),
        )
    text = np.empty(len(values), object)
    for i, (value, there) in enumerate(zip(values, present, strict=True)):
        text[i] = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)) if there else None
    return text


def _hours(time: Any) -> float:
    """A time of day in hours."""
    return float(time.hour + time.minute / 60 + (time.second + time.microsecond / 1e6) / 3600)


def _as_text(value: Any) -> str:
    """A category as text; true and false as the numbers that they are everywhere else."""
    import numpy as np

    if isinstance(value, bool | np.bool_):
        return str(int(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # of whole numbers of hundreds of digits; what is too large is said by `parsing.check_size`
        return math.inf if number > 0 else -math.inf
