"""Date columns: texts of one format; each gives six numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.part import Found, Part, Texts
from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.recipe import catalog

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlp_toolkit.data.columns.part import Table


def recognise_texts(texts: Texts) -> Found | None:
    """Texts that one of the known formats reads, all of them."""
    formats, gaps = (catalog.config("features")[key] for key in ("date_formats", "missing_numbers"))
    values = [value for value in texts.counts if value not in gaps] or list(texts.counts)
    if not re.match(r"\d{1,4}[-/. ]|[A-Z][a-z]{2,8} \d", values[0]):
        return None
    fitting = [
        format_ for format_ in formats if all(parsing.parse_date(value, format_) is not None for value in values)
    ]
    if not fitting:
        if any(parsing.other_date(value) is None for value in values):
            return None
        try:
            parsing.check_zones(values, texts.name)
        except UserError:  # whose rows they are may be of no matter: the recipe is still to be written
            return Found("ignore", "ignored: some of its times name a zone and others do not; write all with it")
        return Found(
            "date(%Y-%m-%d %H:%M:%S)", f"dates such as {shorten(values[0], 40)}, in UTC where they name a zone"
        )
    note = f"a date, read as {fitting[0]}"
    if len(fitting) > 1:
        note += f"; {fitting[1]} fits all values too: name the right one as features: {{…: date({fitting[1]})}}"
    return Found(f"date({fitting[0]})", note)


@dataclass(frozen=True)
class Date(Part):
    """Date columns, each with its format."""

    formats: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "date"
    dtype: ClassVar[str] = "string"

    @property
    def names(self) -> tuple[str, ...]:
        """The raw columns."""
        return tuple(name for name, _ in self.formats)

    @property
    def numbers(self) -> int:
        """Six a column."""
        return len(parsing.DATE_PARTS) * len(self.formats)

    def raw_numbers(self, frame: pd.DataFrame) -> Iterable[np.ndarray]:
        """Day number, year, month, day, weekday and hour of each column."""
        for name, format_ in self.formats:
            yield from parsing.date_numbers(parsing.to_dates(frame[name], name, format_), format_).T

    def model_inputs(self, table: Table) -> dict[str, np.ndarray]:
        """(rows, 1) text by column name."""
        return {name: parsing.to_dates(table[name], name, format_)[:, None] for name, format_ in self.formats}

    def described(self) -> dict[str, str]:
        """Each column's kind with its format."""
        return {name: f"date({format_})" for name, format_ in self.formats}


def begin(kinds: Mapping[str, str]) -> Date:
    """The part to be fitted, of columns by name and kind."""
    return Date(tuple((name, kind.removeprefix("date(").removesuffix(")")) for name, kind in kinds.items()))
