"""Numeric columns: numbers, and texts that all are numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mlp_toolkit.data.columns import categorical, parsing, writings
from mlp_toolkit.data.columns.part import Found, Part, Texts
from mlp_toolkit.data.reading.frames import EXACT, FEW_ROWS
from mlp_toolkit.errors import listing
from mlp_toolkit.recipe import catalog

if TYPE_CHECKING:
    import pandas as pd

    from mlp_toolkit.data.columns.part import Table


# So few different words in so small a share of the rows, among more than so many different numbers, stand for missing
# values: with a column for each number nothing would be learnt.
MOST_WORDS, MOST_WORD_ROWS, MOST_NUMBERS_OF_CODES = 5, 0.1, 10
LOOKED_AT = 1_000  # rows, for a remark
LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")  # 02134 is no number, or another one than 2134


def recognise_texts(texts: Texts) -> Found | None:
    """Texts that all are numbers but for a few words, or all words for true and false."""
    words = catalog.config("features")["boolean_words"]
    if all(value in words for value in texts.counts):
        return Found("numeric", "true and false become 1 and 0")
    if writings.clash(texts.counts):
        return None
    if texts.odd:
        return _few_words(texts)
    if long := _merged(texts.counts):
        found = categorical.recognise_texts(texts)
        return found._replace(
            note=found.note or f"codes such as {long!r}, most of which are the same number in float64"
        )
    code = next((value for value in texts.counts if LEADING_ZERO.fullmatch(value)), None)
    if code and (found := categorical.recognise_texts(texts)).kind == "categorical":
        note = f"codes such as {code!r}, whose zeros would be lost; a quantity is features: {{{texts.name}: numeric}}"
        return found._replace(note=note)
    found = recognise_numbers(parsing.to_numbers(texts.column, texts.name), texts.name)
    return found._replace(note=_other_writings(list(texts.counts)) or found.note) if found.kind == "numeric" else found


def _merged(values: Iterable[str]) -> str | None:
    """One of the whole numbers beyond 2**53 in a column, where as floats most of them are no longer told apart."""
    long = [value for value in values if len(value) > 15 and re.fullmatch(parsing.PLAIN_WHOLE_NUMBER, value)]
    return long[0] if len(long) > 1 and 2 * len({*map(float, long)}) <= len(long) + 1 else None


def _few_words(texts: Texts) -> Found | None:
    """Numbers with so few words among them that those can only stand for missing values."""
    rows = {word: texts.counts[word] for word in texts.odd}
    numbers = len(texts.counts) - len(rows)
    if len(rows) > MOST_WORDS or numbers <= MOST_NUMBERS_OF_CODES or sum(rows.values()) > MOST_WORD_ROWS * texts.known:
        return None
    kind = f"numeric({', '.join(rows)})"
    if gaps_of(kind) != tuple(rows):  # a word with a comma or a bracket in it cannot be listed
        return None
    found = recognise_numbers(parsing.to_numbers(texts.column, texts.name, tuple(rows)), texts.name)
    if found.kind != "numeric":
        return found
    listed = listing(f"{word!r} ({count:,} {'row' if count == 1 else 'rows'})" for word, count in rows.items())
    return Found(kind, f"numbers; {listed} taken for missing, as features: {{{texts.name}: {kind}}} says")


def gaps_of(kind: str) -> tuple[str, ...]:
    """The words that stand for missing values in a column of the kind `numeric(WORD, …)`."""
    listed = re.fullmatch(r"numeric\((.*)\)", kind, re.DOTALL)
    return tuple(word.strip() for word in listed[1].split(",")) if listed else ()


def _other_writings(values: list[str]) -> str | None:
    """What there is to say of numbers that are not written as programs write them, and of words for missing ones."""
    gaps = [value for value in values if value in catalog.config("features")["missing_numbers"]]
    odd = next((value for value in values if value not in gaps and not parsing.is_plain(value)), None)
    said = [f"numbers such as {odd!r}, read as {parsing.to_number(odd):.12g}"] if odd is not None else []
    return "; ".join([*said, *([f"{listing(map(repr, gaps))} stand for missing values"] if gaps else [])]) or None


def perhaps_thousands(frame: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """What to say of numbers such as `1.234`, read as fractions, in a table that writes other fractions with commas.

    Args:
        frame: A table, whose first rows are looked at.
        names: Its numeric columns.
    """
    written = [name for name in names if frame[name].dtype.kind == "O"]
    texts = {name: [*map(str, frame[name].head(LOOKED_AT).dropna())] for name in written}
    commas = [text for own in texts.values() for text in own if writings.has_decimal_comma(text)]
    return [
        f"{name}: numbers such as {groups[0]!r} are read as fractions, although the table writes {commas[0]!r}, too: "
        "write thousands without a point"
        for name, own in texts.items()
        if commas and (groups := writings.perhaps_thousands(own))
    ]


def beyond_floats(column: pd.Series[Any]) -> bool:
    """Whether a column of whole numbers holds some that float64 has no place for."""
    return column.dtype.kind in "iu" and len(column) > 0 and float(np.abs(column.to_numpy(np.float64)).max()) > EXACT


def recognise_numbers(values: np.ndarray, name: str) -> Found:
    """A column of numbers; one that says nothing is ignored."""
    parsing.check_size(values, name)
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    if not len(known):
        return Found("ignore", "ignored: no values")
    if len(known) == len(values) and (known == known[0]).all():
        return Found("ignore", f"ignored: the same value {known[0]:g} in every row")
    # Few gaps are allowed: rows without a target are left out, and of large files a few stretches are looked at.
    if len(values) > 50 and len(known) == len(values) and (np.diff(known.astype(float)) == 1).mean() > 0.99:
        return Found("ignore", "ignored: counts the rows")
    if _days(known):
        return Found("numeric", f"taken for numbers; days such as {known[0]:.0f} are dates where they read 2024-01-31")
    return Found("numeric")


def _days(values: np.ndarray) -> bool:
    """Whether all numbers are a year, a month and a day, as 20240131."""
    whole = values.dtype.kind in "iu" or not (values % 1).any()
    values = values.astype(np.float64)  # int8 has no place for 10,000
    years, months, days = values // 10_000, values // 100 % 100, values % 100
    between = [(years, 1900, 2100), (months, 1, 12), (days, 1, 31)]
    return bool(whole and all(((least <= part) & (part <= most)).all() for part, least, most in between))


@dataclass(frozen=True)
class Numeric(Part):
    """Numeric columns, by name; for some of them, words that stand for missing values."""

    columns: tuple[str, ...]
    gaps: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kind: ClassVar[str] = "numeric"
    # Of numbers such as times in seconds, which are large and differ little, float32 would keep no difference.
    dtype: ClassVar[str] = "float64"

    @property
    def names(self) -> tuple[str, ...]:
        """The raw columns."""
        return self.columns

    @property
    def numbers(self) -> int:
        """One a column."""
        return len(self.columns)

    def raw_numbers(self, frame: pd.DataFrame) -> Iterable[np.ndarray]:
        """The columns as they are."""
        gaps = dict(self.gaps)
        return (parsing.to_numbers(frame[name], name, gaps.get(name, ())) for name in self.columns)

    def model_inputs(self, table: Table) -> dict[str, np.ndarray]:
        """(rows, 1) float64 by column name."""
        columns = zip(self.columns, self._checked(table), strict=True)
        return {name: values[:, None] for name, values in columns}

    def _checked(self, table: Table) -> list[np.ndarray]:
        gaps = dict(self.gaps)
        if len(table[self.columns[0]]) <= FEW_ROWS:  # then one look at all is faster than one at each
            matrix = np.array([parsing.to_numbers(table[name], name, gaps.get(name, ())) for name in self.columns])
            if not (np.abs(matrix) > parsing.LARGEST).any():
                return list(matrix)
        columns = []
        for name in self.columns:
            values = parsing.to_numbers(table[name], name, gaps.get(name, ()))
            parsing.check_size(values, name, None if isinstance(table, Mapping) else table.index)
            columns.append(values)
        return columns


def begin(kinds: Mapping[str, str]) -> Numeric:
    """The part to be fitted, of columns by name and kind."""
    return Numeric(tuple(kinds), tuple((name, gaps) for name, kind in kinds.items() if (gaps := gaps_of(kind))))
