"""What kind each column is: numeric, a date, categorical, images, or to be ignored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mlp_toolkit.data.columns import categorical, date, image, numeric, parsing
from mlp_toolkit.data.columns.part import Found, Part, Texts
from mlp_toolkit.data.images import pixels
from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.recipe import catalog

if TYPE_CHECKING:
    import pandas as pd

# How texts are recognised: the kinds are tried in this order, and the last takes what is left.
RECOGNISE: dict[str, Callable[[Texts], Found | None]] = {
    "image": image.recognise_texts,
    "numeric": numeric.recognise_texts,
    "date": date.recognise_texts,
    "categorical": categorical.recognise_texts,
}
# How the columns of a kind begin to be fitted, in the order in which they stand in an encoded row; given the columns
# by name, each with its kind as a recipe writes it. Images are fitted where they are read.
BEGIN: dict[str, Callable[[Mapping[str, str]], Fitting]] = {
    "numeric": numeric.begin,
    "date": date.begin,
    "categorical": categorical.Counting,
}


class Fitting(Protocol):
    """The columns of one kind while they are fitted to training rows that come piece by piece."""

    def add(self, frame: pd.DataFrame) -> None:
        """Takes in training rows."""

    def fitted(self) -> Part:
        """The part, fitted to all rows so far."""


@dataclass(frozen=True)
class Kinds:
    """The kind of every column that could be a feature, and what there is to say about them."""

    by_column: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def numbers(self, frame: pd.DataFrame, name: str, seen: dict[str, str] | None = None) -> np.ndarray:
        """A numeric column as float64, NaN where missing; `seen` as `parsing.to_numbers` takes it."""
        return parsing.to_numbers(frame[name], name, numeric.gaps_of(self.by_column[name]), seen)

    def of(self, kind: str) -> list[str]:
        """The columns of a kind, in the table's order."""
        return [name for name, own in self.by_column.items() if own == kind or own.startswith(f"{kind}(")]


def infer_kinds(frame: pd.DataFrame, given: Mapping[str, str] | None = None) -> Kinds:
    """Decides for every column whether it is numeric, a date, categorical, images, or to be ignored.

    Args:
        frame: A table as `tables` gives it.
        given: Kinds that the recipe says; they win.
    """
    given = given or {}
    kinds: dict[str, str] = {}
    notes: list[str] = []
    for name in frame.columns:
        asked = given.get(name)
        if asked is None or asked == "date":
            kind, note = _infer(frame[name], name)
            if asked == "date" and not kind.startswith("date("):
                parsing.check_zones(parsing.to_text(frame[name]), name)
                raise UserError(
                    f"column {name!r} is declared a date, but no known format reads all of its values",
                    found=_first_text(frame[name]),
                    allowed=catalog.config("features")["date_formats"],
                    remedy="Name the format: features: {" + str(name) + ": date(%d/%m/%Y)}.",
                )
            if note:
                notes.append(f"{name}: {note}")
        else:
            kind = asked
        kinds[name] = kind
    found = Kinds(kinds, notes)
    notes += numeric.perhaps_thousands(frame, found.of("numeric"))
    pixels.one_column(found.of("image"))
    return found


def _first_text(column: pd.Series[Any]) -> object:
    return next((value for value in column if value is not None), None)


def _infer(column: pd.Series[Any], name: str) -> Found:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype) and not numeric.beyond_floats(column):
        return numeric.recognise_numbers(column.to_numpy(), name)
    if pixels.among(column):
        return Found("image")
    codes, texts = parsing.distinct(column)
    counts: dict[str, int] = dict.fromkeys(texts, 0)
    for text, count in zip(texts, np.bincount(codes[codes >= 0], minlength=len(texts)).tolist(), strict=True):
        counts[text] += count
    for word in catalog.config("features")["missing_values"]:
        counts.pop(word, None)
    values = list(counts)
    if not values:
        return Found("ignore", "ignored: no values")
    numbers = dict(zip(values, parsing.parse_numbers(values), strict=True))
    words = [value for value, number in numbers.items() if number is None]
    gaps = catalog.config("features")["missing_numbers"]  # beside numbers they stand for missing ones
    odd = [value for value in words if value not in gaps] if len(words) < len(values) else words
    seen = Texts(column, name, counts, odd)
    if isinstance(column.dtype, pd.CategoricalDtype) and not odd and len(values) > 1:
        return categorical.recognise_texts(seen)  # numbers that the table itself calls categories
    if len(values) == 1 and seen.known == seen.rows:
        return Found("ignore", f"ignored: the same value {shorten(values[0], 30)!r} in every row")
    return next(found for recognise in RECOGNISE.values() if (found := recognise(seen)))
