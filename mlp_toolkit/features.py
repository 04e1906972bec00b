"""What kind each column is, and the encoding fitted to the training rows, as plain values.

The encoding is carried out by the layers of the model file (`layers`), which hold the same values.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit import catalog
from mlp_toolkit.errors import UserError, listing, nearest, shorten

if TYPE_CHECKING:
    import pandas as pd

# The numbers a date becomes, in this order; the layer `DateParts` computes the same.
DATE_PARTS = ("day number", "year", "month", "day", "weekday", "hour")
BLANK = " \t\n\r\f\v"
LARGEST = 3e38
WHOLE_NUMBER = r"^(-?[0-9]+)\.0+$"


@dataclass(frozen=True)
class Kinds:
    """The kind of every column that could be a feature, and what there is to say about them."""

    by_column: dict[str, str]
    notes: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[str]:
        """The columns of a kind, in the table's order."""
        return [name for name, own in self.by_column.items() if own == kind or own.startswith(f"{kind}(")]


@dataclass(frozen=True)
class Encoding:
    """How raw columns become the numbers that a network takes.

    Attributes:
        numbers: Names of the numeric columns.
        dates: Names of the date columns and their formats.
        words: Names of the categorical columns of text, and their values with a column of their own each.
        fill: For each number (the numeric columns, then the parts of each date): the median of the training rows.
        center: Their mean after filling.
        inverse_scale: One over their standard deviation after filling; 0 where that is 0.
        indicators: Positions of the numbers that are missing somewhere in the training rows; each has a column that
            is 1 where it is missing.
    """

    numbers: tuple[str, ...]
    dates: tuple[tuple[str, str], ...]
    words: tuple[tuple[str, tuple[str, ...]], ...]
    fill: tuple[float, ...]
    center: tuple[float, ...]
    inverse_scale: tuple[float, ...]
    indicators: tuple[int, ...]

    @property
    def columns(self) -> list[str]:
        """The raw columns the encoding takes."""
        return [*self.numbers, *(name for name, _ in self.dates), *(name for name, _ in self.words)]

    @property
    def width(self) -> int:
        """Numbers that a row becomes: the input neurons of the network."""
        one_hot = sum(len(values) for _, values in self.words)
        return len(self.fill) + len(self.indicators) + one_hot


def infer_kinds(frame: pd.DataFrame, given: Mapping[str, str] | None = None) -> Kinds:
    """Decides for every column whether it is numeric, a date, categorical, or to be ignored.

    Args:
        frame: A table as `readers` gives it.
        given: Kinds that the recipe says; they win.
    """
    given = given or {}
    kinds: dict[str, str] = {}
    notes: list[str] = []
    for name in frame.columns:
        asked = given.get(name)
        if asked == "image":
            raise UserError(f"column {name!r}: image columns are not available in this version")
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
    return Kinds(kinds, notes)


def _first_text(column: pd.Series[Any]) -> object:
    return next((value for value in column if value is not None), None)


def _infer(column: pd.Series[Any], name: str) -> tuple[str, str | None]:
    import pandas as pd

    rules = catalog.config("features")
    rows = len(column)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _infer_number(column.to_numpy(), name)
    codes, texts = _distinct(column)
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
    words = rules["boolean_words"]
    if all(value in words for value in values):
        return "numeric", "true and false become 1 and 0"
    odd = [value for value, number in zip(values, _parse_numbers(values), strict=True) if number is None]
    if not odd:
        return _infer_number(to_numbers(column, name), name)
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


def _distinct(column: pd.Series[Any]) -> tuple[np.ndarray, list[str]]:
    """For each row the position of its text among the texts of the column, -1 where missing; and those texts.

    Texts carry no blanks around them, so one may stand twice. Work on them is done once, however many rows there are.
    """
    import pandas as pd

    codes, found = pd.factorize(column)
    return codes, [str(value).strip(BLANK) for value in found.tolist()]


def _infer_number(values: np.ndarray, name: str) -> tuple[str, str | None]:
    check_size(values, name)
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    if not len(known):
        return "ignore", "ignored: no values"
    if len(known) == len(values) and (known == known[0]).all():
        return "ignore", f"ignored: the same value {known[0]:g} in every row"
    if len(values) > 50 and len(known) == len(values) and (np.diff(known.astype(float)) == 1).all():
        return "ignore", "ignored: counts the rows"
    return "numeric", None


def _infer_date(values: Sequence[str]) -> tuple[str | None, str | None]:
    formats = catalog.config("features")["date_formats"]
    if not re.match(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", values[0]):
        return None, None
    fitting = [format_ for format_ in formats if all(parse_date(value, format_) is not None for value in values)]
    if not fitting:
        return None, None
    note = f"a date, read as {fitting[0]}"
    if len(fitting) > 1:
        note += f"; {fitting[1]} fits all values too: name the right one as features: {{…: date({fitting[1]})}}"
    return f"date({fitting[0]})", note


def check_size(values: np.ndarray, name: str, rows: pd.Index[Any] | None = None) -> None:
    """Refuses infinity and what float32, in which networks count, cannot hold.

    Args:
        values: Numbers, NaN where missing.
        name: The column they stand in.
        rows: Names of the rows, for the message; their numbers by default.
    """
    too_large = np.flatnonzero(
        np.abs(np.nan_to_num(values.astype(np.float64), posinf=np.inf, neginf=-np.inf)) > LARGEST
    )
    if len(too_large):
        first = too_large[0]
        raise UserError(
            f"column {name!r} holds infinity or a number beyond {LARGEST:g} in {len(too_large)} rows, the first is "
            f"row {first if rows is None else rows[first]}: {values[first]:g}",
            remedy=f"Mend the data; a column can be left out of training with features: {{{name}: ignore}}.",
        )


def to_number(text: str) -> float | None:
    """The number a text stands for, or None; `1_000` and `0x10` are not numbers here."""
    if "_" in text or not text.isascii():
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _parse_numbers(texts: Sequence[str]) -> list[float | None]:
    """`to_number` for each of many texts."""
    whole = "".join(texts)
    if whole.isascii() and "_" not in whole:
        try:
            return list(map(float, texts))  # ten times faster where all are numbers
        except ValueError:
            pass
    return [to_number(text) for text in texts]


def to_numbers(column: pd.Series[Any], name: str) -> np.ndarray:
    """A column as float64, NaN where missing.

    Raises:
        UserError: A value is not a number; the row is named by its label in the column's index.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(np.float64, na_value=np.nan)
    rules = catalog.config("features")
    words: dict[str, float] = dict.fromkeys(rules["missing_values"], np.nan)
    words.update({word: float(value) for word, value in rules["boolean_words"].items()})
    codes, texts = _distinct(column)
    numbers = _parse_numbers([str(words.get(text, text)) for text in texts])
    if None in numbers:
        odd = numbers.index(None)
        row = column.index[int(np.argmax(codes == odd))]
        raise UserError(
            f"column {name!r} is numeric, but row {row} holds {shorten(texts[odd], 40)!r}",
            remedy=f"Mend the value, leave it empty, or say features: {{{name}: categorical}} before training.",
        )
    return np.take(
        np.array([*numbers, np.nan], np.float64), codes
    )  # the code of a missing value, -1, is the last place


def to_text(column: pd.Series[Any]) -> np.ndarray:
    """A column as text without blanks around it, empty where missing; whole numbers without a decimal point.

    So `3`, `3.0` and `" 3"` are one category, whether a file, a data frame or a model's input gives them.
    """
    missing = {*catalog.config("features")["missing_values"]}
    codes, texts = _distinct(column)
    plain = ["" if text in missing else re.sub(WHOLE_NUMBER, r"\1", text) for text in texts]
    table: np.ndarray = np.array([*plain, ""], object)
    return np.take(table, codes)


def parse_date(text: str, format_: str) -> datetime.datetime | None:
    """The date that a text of digits stands for in a format of `%Y %m %d %H %M %S`, or None."""
    match = re.fullmatch(date_pattern(format_), text)
    if not match:
        return None
    part = {name: int(value) for name, value in match.groupdict().items()}
    try:
        return datetime.datetime(
            part.get("Y", 1970),
            part.get("m", 1),
            part.get("d", 1),
            part.get("H", 0),
            part.get("M", 0),
            part.get("S", 0),
        )
    except ValueError:
        return None


@functools.cache
def date_pattern(format_: str) -> str:
    """A format as a regular expression with a group for each part."""
    digits = {"Y": "[0-9]{4}"}
    pieces = re.split(r"%([YmdHMS])", format_)
    pattern = re.escape(pieces[0])
    for code, rest in zip(pieces[1::2], pieces[2::2], strict=True):
        pattern += f"(?P<{code}>{digits.get(code, '[0-9]{1,2}')})" + re.escape(rest)
    return pattern


def date_numbers(texts: np.ndarray, format_: str) -> np.ndarray:
    """Dates as text → (rows, 6) float32 in the order of `DATE_PARTS`; NaN where missing or not a date."""
    epoch = datetime.datetime(1970, 1, 1)
    table = {}
    for text in set(texts.tolist()):
        date = parse_date(text, format_)
        if date is None:
            table[text] = (np.nan,) * len(DATE_PARTS)
        else:
            clock = date.hour + date.minute / 60 + date.second / 3600
            day = (date - epoch).days
            table[text] = (day + clock / 24, date.year, date.month, date.day, date.weekday(), clock)
    return np.array([table[text] for text in texts.tolist()], np.float32).reshape(len(texts), len(DATE_PARTS))


def fit_encoding(frame: pd.DataFrame, kinds: Kinds) -> Encoding:
    """Fits the encoding to the training rows: medians, means, scales, categories.

    Args:
        frame: The training rows only.
        kinds: The kind of each column.
    """
    import pandas as pd

    limit = catalog.config("features")["categories_at_most"]
    numbers = kinds.of("numeric")
    dates = [(name, kinds.by_column[name][5:-1]) for name in kinds.of("date")]
    columns = [to_numbers(frame[name], name).astype(np.float32) for name in numbers]
    for name, format_ in dates:
        columns.extend(date_numbers(to_text(frame[name]), format_).T)
    fill, center, inverse, indicators = [], [], [], []
    for index, column in enumerate(columns):
        values = column.astype(np.float64)
        absent = ~np.isfinite(values)
        median = float(np.median(values[~absent])) if not absent.all() else 0.0
        values[absent] = median
        deviation = float(values.std())
        fill.append(median)
        center.append(float(values.mean()))
        inverse.append(1 / deviation if deviation > 1e-12 * abs(center[-1]) else 0.0)
        if absent.any():
            indicators.append(index)
    words: list[tuple[str, tuple[str, ...]]] = []
    for name in kinds.of("categorical"):
        counts = pd.Series(to_text(frame[name])).value_counts()  # most frequent first
        words.append((name, tuple(sorted(str(value) for value in counts.index[:limit]))))
    return Encoding(
        numbers=tuple(numbers),
        dates=tuple(dates),
        words=tuple(words),
        fill=tuple(fill),
        center=tuple(center),
        inverse_scale=tuple(inverse),
        indicators=tuple(indicators),
    )


def model_inputs(frame: pd.DataFrame, encoding: Encoding) -> dict[str, np.ndarray]:
    """Raw rows as a model file takes them: (rows, 1) float32 or text by column name.

    Raises:
        UserError: A column is missing or holds something else than in training.
    """
    absent = [name for name in encoding.columns if name not in frame.columns]
    if absent:
        near = {name: nearest(name, frame.columns) for name in absent[:3]}
        hints = [f"{name!r} is perhaps {other!r}" for name, other in near.items() if other]
        raise UserError(
            f"{len(absent)} of the model's {len(encoding.columns)} columns are missing: {listing(absent)}",
            remedy="; ".join(hints) or None,
        )
    inputs: dict[str, np.ndarray] = {}
    for name in encoding.numbers:
        values = to_numbers(frame[name], name)
        check_size(values, name, frame.index)
        inputs[name] = values.astype(np.float32)[:, None]
    for name, _ in (*encoding.dates, *encoding.words):
        inputs[name] = to_text(frame[name])[:, None]
    return inputs
