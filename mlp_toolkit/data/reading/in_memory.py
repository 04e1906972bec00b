"""Rows given in Python, in whichever form, become a data frame of raw columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data.arrays import unmasked
from mlp_toolkit.errors import UserError, shorten

if TYPE_CHECKING:
    import pandas as pd

ALLOWED = (
    "a data frame, a mapping of columns (of one row: of values), a list of such rows, a named Series as one row, "
    "or the path of a file"
)


def frame_of(data: Any, place: str, images: str | None = None) -> pd.DataFrame:
    """Rows as a data frame.

    Args:
        data: A data frame of pandas or of another library; a mapping of column names to values, or to lists of them; a
            list of mappings, one a row; a Series of one row, under the names of its columns; pixels of one image or of
            several, (height, width[, channels]) or (rows, height, width[, channels]), for a model of images alone.
        place: What they were given to, for messages.
        images: The image column of the model that they are for.

    Raises:
        UserError: They are something else, or of different lengths.
    """
    import pandas as pd

    if hasattr(data, "to_pandas") and not hasattr(data, "iloc"):
        data = data.to_pandas()
    if hasattr(data, "iloc"):
        if data.ndim == 2:
            return data  # type: ignore[no-any-return]  # whatever library it is of
        names = list(data.index)
        if not all(isinstance(name, str) for name in names):
            raise _other(data, place, "Of a Series the index holds the names of the columns: frame.iloc[0].")
        return pd.DataFrame([list(data)], columns=names, index=[data.name]).infer_objects()
    if isinstance(data, Mapping):
        lists = {name: values for name, values in data.items() if _is_list(values)}
        if not lists:
            return pd.DataFrame([list(data.values())], columns=list(map(str, data))).infer_objects()
        lengths = {str(name): len(values) for name, values in lists.items()}
        if len(lists) < len(data) or len({*lengths.values()}) > 1:
            raise UserError("the columns are not of one length", place=place, found=shorten(lengths))
        return pd.DataFrame({str(name): list(unmasked(values)) for name, values in lists.items()})
    if images and isinstance(data, np.ndarray) and data.ndim in (2, 3, 4):
        # (height, width, channels) and (rows, height, width) are told apart by what channels there are.
        one = data.ndim == 2 or (data.ndim == 3 and data.shape[-1] in (1, 3, 4))
        return pd.DataFrame({images: pd.Series([data] if one else list(data), dtype=object)})
    if isinstance(data, list | tuple) and data and all(isinstance(row, Mapping) for row in data):
        return pd.DataFrame.from_records([dict(row) for row in data])
    raise _other(data, place, "Columns are known by their names: pandas.DataFrame(X, columns=[…]) names an array's.")


def _is_list(values: Any) -> bool:
    return hasattr(values, "__len__") and not isinstance(values, str | bytes | Mapping) and np.ndim(values) > 0


def _other(data: Any, place: str, remedy: str) -> UserError:
    return UserError(
        "raw rows are needed, columns by name", place=place, found=type(data).__name__, allowed=ALLOWED, remedy=remedy
    )
