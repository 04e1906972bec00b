"""What kind each column is: numeric, a date, categorical, images, or to be ignored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit import catalog, cells, image_files, images
from mlp_toolkit.errors import UserError, listing, shorten

if TYPE_CHECKING:
    import pandas as pd

    Column = pd.Series[Any] | np.ndarray


@dataclass(frozen=True)
class Kinds:
    """The kind of every column that could be a feature, and what there is to say about them."""

    by_column: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[str]:
        """The columns of a kind, in the table's order."""
        return [name for name, own in self.by_column.items() if own == kind or own.startswith(f"{kind}(")]


def infer_kinds(frame: pd.DataFrame, given: Mapping[str, str] | None = None) -> Kinds:
    """Decides for every column whether it is numeric, a date, categorical, images, or to be ignored.

    Args:
        frame: A table as `readers` gives it.
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
    images.one_column(found.of("image"))
    return found


def _first_text(column: pd.Series[Any]) -> object:
    return next((value for value in column if value is not None), None)


def _infer(column: pd.Series[Any], name: str) -> tuple[str, str | None]:
    import pandas as pd

    rules = catalog.config("features")
    rows = len(column)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _infer_number(column.to_numpy(), name)
    if images.among(column):
        return "image", None
    codes, texts = cells.distinct(column)
    counts: dict[str, int] = dict.fromkeys(texts, 0)
    for text, count in zip(texts, np.bincount(codes[codes >= 0], minlength=len(texts)).tolist(), strict=True):
        counts[text] += count
    for word in rules["missing_values"]:
        counts.pop(word, None)
    values = list(counts)
    if not values:
        return "ignore", "ignored: no values"
    known = sum(counts.values())
    if len(values) == 1 and known == rows:
        return "ignore", f"ignored: the same value {shorten(values[0], 30)!r} in every row"
    if image_files.are_paths(values, Path()):
        return "image", "image files, by their names"
    words = rules["boolean_words"]
    if all(value in words for value in values):
        return "numeric", "true and false become 1 and 0"
    odd = [value for value, number in zip(values, cells._parse_numbers(values), strict=True) if number is None]
    if not odd:
        return _infer_number(cells.to_numbers(column, name), name)
    kind, note = _infer_date(values)
    if kind:
        return kind, note
    if len(odd) <= 2 and sum(counts[value] for value in odd) <= 0.1 * known and len(values) > 10:
        note = f"categorical because of {listing(map(repr, odd))}; if that stands for a missing value, leave it empty"
    limit = max(rules["text"]["share_of_rows"] * rows, rules["text"]["more_than"])
    if len(values) > limit:
        ignored = f"ignored: text or an identifier, {len(values):,} different values in {rows:,} rows"
        return "ignore", ignored + (f"; all but {listing(map(repr, odd))} are numbers" if note else "")
    if len(values) > rules["categories_at_most"] and not note:
        note = (
            f"{len(values):,} categories; the {rules['categories_at_most']:,} most frequent have columns of their own"
        )
    return "categorical", note


def _infer_number(values: np.ndarray, name: str) -> tuple[str, str | None]:
    cells.check_size(values, name)
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    if not len(known):
        return "ignore", "ignored: no values"
    if len(known) == len(values) and (known == known[0]).all():
        return "ignore", f"ignored: the same value {known[0]:g} in every row"
    # Few gaps are allowed: rows without a target are left out, and of large files a few stretches are looked at.
    if len(values) > 50 and len(known) == len(values) and (np.diff(known.astype(float)) == 1).mean() > 0.99:
        return "ignore", "ignored: counts the rows"
    return "numeric", None


def _infer_date(values: Sequence[str]) -> tuple[str | None, str | None]:
    formats = catalog.config("features")["date_formats"]
    if not re.match(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", values[0]):
        return None, None
    fitting = [format_ for format_ in formats if all(cells.parse_date(value, format_) is not None for value in values)]
    if not fitting:
        return None, None
    note = f"a date, read as {fitting[0]}"
    if len(fitting) > 1:
        note += f"; {fitting[1]} fits all values too: name the right one as features: {{…: date({fitting[1]})}}"
    return f"date({fitting[0]})", note
