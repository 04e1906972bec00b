"""Times that order rows: numbers, or dates in one format."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.kinds import infer_kinds
from mlp_toolkit.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

BEGIN = datetime.datetime(1970, 1, 1)


def kind_of_times(column: pd.Series[Any], name: str, given: str | None = None) -> str:
    """How a column of times is read: as `numeric`, or `date(FORMAT)`.

    Args:
        column: The times of all rows.
        name: The column's name.
        given: The kind that a recipe says.

    Raises:
        UserError: It holds neither numbers nor dates, or one value alone.
    """
    kind = given if given and given.startswith("date(") else infer_kinds(column.to_frame(name)).by_column[name]
    if kind.startswith("date("):
        return kind
    try:
        found = parsing.to_numbers(column, name)
    except UserError:
        raise UserError(
            f"data.split.time: column {name!r} holds neither numbers nor dates that are known", found=column.iloc[0]
        ) from None
    if len(np.unique(found)) < 2:
        raise UserError(f"data.split.time: column {name!r} is the same in every row")
    return "numeric"


def times(column: pd.Series[Any], name: str, kind: str) -> np.ndarray:
    """(rows,) float64: the numbers, or seconds.

    Raises:
        UserError: A row has no time.
    """
    if kind == "numeric":
        found = parsing.to_numbers(column, name)
    else:
        format_ = kind.removeprefix("date(").removesuffix(")")
        texts = parsing.to_dates(column, name, format_)
        known = {text: parsing.parse_date(text, format_) for text in set(texts.tolist())}
        seconds = {text: (date - BEGIN).total_seconds() if date else np.nan for text, date in known.items()}
        found = np.array([seconds[text] for text in texts.tolist()], np.float64)
    absent = np.flatnonzero(np.isnan(found)).tolist()
    if absent:
        raise UserError(
            f"data.split.time: column {name!r} has no time in row {column.index[absent[0]]}",
            remedy="Leave such rows out, or give them a time.",
        )
    return found
