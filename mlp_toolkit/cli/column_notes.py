"""What a drafted recipe says beside each column: how many values, the share missing, examples, what to look at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.numeric import gaps_of
from mlp_toolkit.data.leaks.ties import spaced
from mlp_toolkit.errors import shorten

if TYPE_CHECKING:
    import pandas as pd

# Whole numbers under such a name are codes: their order and their differences mean nothing.
CODE_NAME = re.compile(
    r"(?:^|[^a-z])(?:zip|postal|postcode|plz|code|category|cat|class|cluster|type|kind|group|region|district|state|country|"
    r"city|store|shop|branch|department|dept|channel|product|sku|model|brand|maker|weekday|month|mnth|season|weather\w*)"
    r"(?:[^a-z]|$)"
)
# Of more values the network would get too many columns that each stand for few rows.
MOST_CODES = 100
ID_NAME = re.compile(r"(?:^|[^a-z])(?:id|uuid|guid|key|nr|no|number)(?:[^a-z]|$)")


def is_code(column: pd.Series[Any], name: str) -> bool:
    """Whether a numeric column is better read as categories: whole numbers, few, with the name of a code."""
    if not CODE_NAME.search(spaced(name)):
        return False
    values = _known(column, name)
    different = len(np.unique(values))
    return bool(2 < different <= MOST_CODES and (values == np.rint(values)).all())


def describe(column: pd.Series[Any], name: str, kind: str, *, code: bool = False) -> str:
    """One short line about a column, for the comment behind its kind; `code` where it is categorical by its name."""
    if kind == "image":
        return ""
    missing = 1 - float(parsing.present(column).mean()) if len(column) else 0.0
    gaps = f"; {_percent(missing)} missing" if missing else ""
    if kind == "numeric" or kind.startswith("numeric("):
        values = _known(column, name, gaps_of(kind))
        return f"{_numbers(values)}{gaps}{_hint(values, name)}"
    texts = [text for text in parsing.distinct_texts(column)[1] if text]
    different = list(dict.fromkeys(texts))
    examples = ", ".join(shorten(text, 20) for text in different[:3])
    more = ", …" if len(different) > 3 else ""
    codes = "; codes by the name: numeric if they are quantities" if code else ""
    return f"{len(different):,} values: {examples}{more}{gaps}{codes}"


def _numbers(values: np.ndarray) -> str:
    if not len(values):
        return "no values"
    different = len(np.unique(values))
    whole = bool((values == np.rint(values)).all())
    low, high = (f"{value:,.0f}" if whole else f"{value:,.6g}" for value in (values.min(), values.max()))
    if set(np.unique(values)) <= {0.0, 1.0}:
        return f"0 and 1; {_percent(float(values.mean()))} are 1"
    return f"{different:,} {'whole ' if whole else ''}numbers, {low} to {high}"


def _hint(values: np.ndarray, name: str) -> str:
    """What to look at in a numeric column."""
    different = np.unique(values)
    whole = bool(len(values)) and bool((values == np.rint(values)).all())
    if whole and len(different) > 0.9 * len(values) > 45 and ID_NAME.search(spaced(name)):
        return "; an identifier? then ignore"
    if whole and 2 < len(different) <= 12:
        return "; categorical if they are codes"
    spread = np.percentile(values, [1, 50, 99]) if len(values) else np.zeros(3)
    if len(values) > 50 and max(abs(values.max() - spread[1]), abs(values.min() - spread[1])) > 100 * (
        spread[2] - spread[0]
    ):
        return "; a few values lie far outside: mistakes?"
    return ""


def _known(column: pd.Series[Any], name: str, gaps: Sequence[str] = ()) -> np.ndarray:
    values = parsing.to_numbers(column, name, gaps)
    known: np.ndarray = values[np.isfinite(values)]
    return known


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.2g} %"
