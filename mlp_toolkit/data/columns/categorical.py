"""Categorical columns: texts of few different values, one encoded column for each."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mlp_toolkit.data.columns import parsing, writings
from mlp_toolkit.data.columns.part import Found, Part, Texts
from mlp_toolkit.data.reading.frames import FEW_ROWS
from mlp_toolkit.errors import listing, shorten
from mlp_toolkit.recipe import catalog

if TYPE_CHECKING:
    import pandas as pd

    from mlp_toolkit.data.columns.part import Column, Table

# So many different texts of one column are counted; beyond, only the frequent ones go on.
TEXTS_COUNTED = 200_000
# More than this share of rows with unknown words is worth a remark; so many rows of a table are looked at.
UNSEEN_SHARE, UNSEEN_FROM, UNSEEN_LOOKED_AT = 0.1, 3, 10_000

# Numbers that would be read if they were written otherwise.
GROUPED = re.compile(r"[+-]?[$€£¥]?\s?[+-]?\d{1,3}(?:,\d{3})*(?:\.\d+)?\s?(?:[€$£¥%]|EUR|USD|CHF)?")
WITH_UNIT = re.compile(r"[+-]?\d+(?:\.\d+)?\s?((?:°|[^\W\d_]{1,5})[^\W\d_]?|[^\W\d_]{1,4}/[^\W\d_]{1,4})")
MOST_UNITS = 4
SHORT_DATE = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{2}")


def recognise_texts(texts: Texts) -> Found:
    """Any texts; those with too many different values are ignored."""
    rules = catalog.config("features")
    values, note = len(texts.counts), _nearly_numbers(list(texts.counts))
    if values > max(rules["text"]["share_of_rows"] * texts.rows, rules["text"]["more_than"]):
        ignored = f"ignored: text or an identifier, {values:,} different values in {texts.rows:,} rows"
        return Found("ignore", f"{ignored}; {note}" if note else ignored)
    if values > rules["categories_at_most"] and not note:
        note = f"{values:,} categories; the {rules['categories_at_most']:,} most frequent have columns of their own"
    return Found("categorical", note)


def _nearly_numbers(values: list[str]) -> str | None:
    """How texts look that would be numbers if they were written otherwise, and how to write them; None for others."""
    if told := writings.clash(values):
        return told
    if all(map(GROUPED.fullmatch, values)):
        odd = next((value for value in values if parsing.to_number(value) is None), "")
        return f"numbers such as {odd!r} may be thousands or fractions: write them without the comma" if odd else None
    if all(map(SHORT_DATE.fullmatch, values)):
        return f"dates such as {values[0]!r} have a year of two digits: write four, as in 2024-01-31"
    matches = [WITH_UNIT.fullmatch(value) for value in values]
    units = dict.fromkeys(match[1] for match in matches if match)
    if len(units) == 1 and all(matches):
        return f"numbers with the unit {next(iter(units))!r}: leave it away, and write it in the name of the column"
    if len(units) <= MOST_UNITS and all(matches):
        return f"numbers with the units {listing(map(repr, units))}: convert them to one, and leave that away"
    return None


@dataclass(frozen=True)
class Categorical(Part):
    """Categorical columns, each with the values that have an encoded column; "" stands for missing."""

    vocabularies: tuple[tuple[str, tuple[str, ...]], ...]
    kind: ClassVar[str] = "categorical"
    dtype: ClassVar[str] = "string"

    @property
    def names(self) -> tuple[str, ...]:
        """The raw columns."""
        return tuple(name for name, _ in self.vocabularies)

    @property
    def width(self) -> int:
        """One for each value of each column."""
        return sum(len(values) for _, values in self.vocabularies)

    def encode(self, frame: pd.DataFrame, encoded: np.ndarray) -> None:
        """1 in the column of the row's value; a value that is not known gives zeros."""
        begin = 0
        for name, values in self.vocabularies:
            place = {value: begin + number for number, value in enumerate(values)}
            codes, texts = parsing.distinct_texts(frame[name])
            texts = self._spellings[name].of(texts)
            places = np.take(np.array([*(place.get(text, -1) for text in texts), place.get("", -1)]), codes)
            rows = np.flatnonzero(places >= 0)
            encoded[rows, places[rows]] = 1
            begin += len(values)

    def model_inputs(self, table: Table) -> dict[str, np.ndarray]:
        """(rows, 1) text by column name."""
        columns = [table[name] for name in self.names]
        few = all(isinstance(column, np.ndarray) and len(column) <= FEW_ROWS for column in columns)
        if columns and few and all(column.dtype == object for column in columns):  # one call for all
            texts = parsing.to_text(np.concatenate(columns)).reshape(len(columns), -1)
            pairs = zip(self.names, texts, strict=True)
            return {name: np.array(self._spellings[name].of(own.tolist()), object)[:, None] for name, own in pairs}
        return {name: self._spelled(column, name)[:, None] for name, column in zip(self.names, columns, strict=True)}

    def remarks(self, table: Table) -> list[str]:
        """What to say of columns with many values that were not seen in training: are they spelled otherwise here?"""
        said = []
        for name, known in self.vocabularies:
            column = table[name][:: max(1, len(table[name]) // UNSEEN_LOOKED_AT)]
            if len(column) < UNSEEN_FROM or len(known) >= catalog.config("features")["categories_at_most"]:
                continue  # of very many values some are left out by rule
            texts, seen = self._spelled(column, name), frozenset(known)
            unseen = [str(text) for text in texts if text and text not in seen]
            if len(unseen) > UNSEEN_SHARE * len(texts):
                share, example = f"{len(unseen) / len(texts):.0%}", f"{shorten(unseen[0])!r}"
                said.append(
                    f"column {name!r}: {share} of the rows hold words that were not seen in training, such as "
                    f"{example}; they count as none of {listing(map(repr, known), 3)}"
                )
        return said

    @functools.cached_property
    def _spellings(self) -> dict[str, parsing.Spellings]:
        """Kept, because a row is predicted in less time than they take to find."""
        return {name: parsing.Spellings(values) for name, values in self.vocabularies}

    def _spelled(self, column: Column, name: str) -> np.ndarray:
        """The texts of a column, as they were spelled in training."""
        codes, texts = parsing.distinct_texts(column)
        spelled: np.ndarray = np.array([*self._spellings[name].of(texts), ""], object)
        return np.take(spelled, codes)


class Counting:
    """Counts the values of columns that come piece by piece.

    Args:
        kinds: The columns by name and kind.
    """

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in kinds}

    def add(self, frame: pd.DataFrame) -> None:
        """Takes in training rows."""
        import pandas as pd

        for name, counter in self.counts.items():
            found = pd.Series(parsing.to_text(frame[name])).value_counts()  # most frequent first
            counter.update({str(text): int(count) for text, count in found.items()})
            if len(counter) > TEXTS_COUNTED:
                self.counts[name] = Counter(dict(counter.most_common(TEXTS_COUNTED // 2)))

    def fitted(self) -> Categorical:
        """The most frequent values of each column, in alphabetical order."""
        limit = catalog.config("features")["categories_at_most"]
        return Categorical(
            tuple(
                (name, tuple(sorted(str(value) for value, _ in counter.most_common(limit))))
                for name, counter in self.counts.items()
            )
        )
