"""What kind each column is, and the encoding fitted to the training rows, as plain values.

The encoding is carried out by the layers of the model file (`layers`), which hold the same values.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit import catalog
from mlp_toolkit.errors import UserError, listing, nearest, shorten
from mlp_toolkit.readers import FEW_ROWS

if TYPE_CHECKING:
    import pandas as pd

    Column = pd.Series[Any] | np.ndarray

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
    codes, texts = distinct(column)
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


def distinct(column: Column) -> tuple[np.ndarray, list[str]]:
    """For each row the position of its text among the texts of the column, -1 where missing; and those texts.

    Texts carry no blanks around them, so one may stand twice. Work on them is done once, however many rows there are.
    """
    import pandas as pd

    if len(column) <= FEW_ROWS:  # what `factorize` does, in less than the 30 µs that it takes to start
        values = np.asarray(column, object)
        places: dict[Any, int] = {}
        rows = zip(values.tolist(), pd.isna(values).tolist(), strict=True)
        codes = np.array([-1 if gap else places.setdefault(value, len(places)) for value, gap in rows], np.intp)
        return codes, [str(value).strip(BLANK) for value in places]
    codes, found = pd.factorize(column)
    return codes, [str(value).strip(BLANK) for value in found.tolist()]


def _infer_number(values: np.ndarray, name: str) -> tuple[str, str | None]:
    check_size(values, name)
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
    with np.errstate(invalid="ignore"):
        if np.fmax.reduce(values, initial=0) <= LARGEST and np.fmin.reduce(values, initial=0) >= -LARGEST:
            return
    too_large = np.flatnonzero(np.abs(values) > LARGEST)
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


def to_numbers(column: Column, name: str) -> np.ndarray:
    """A column as float64, NaN where missing.

    Raises:
        UserError: A value is not a number; the row is named by its label in the column's index.
    """
    import pandas as pd

    if isinstance(column, np.ndarray) and column.dtype.kind in "iufb":
        return np.asarray(column, np.float64)
    if not isinstance(column, np.ndarray) and pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(np.float64, na_value=np.nan)
    rules = catalog.config("features")
    words: dict[str, float] = dict.fromkeys(rules["missing_values"], np.nan)
    words.update({word: float(value) for word, value in rules["boolean_words"].items()})
    codes, texts = distinct(column)
    numbers = _parse_numbers([str(words.get(text, text)) for text in texts])
    if None in numbers:
        odd = numbers.index(None)
        place = int(np.argmax(codes == odd))
        row = place if isinstance(column, np.ndarray) else column.index[place]
        raise UserError(
            f"column {name!r} is numeric, but row {row} holds {shorten(texts[odd], 40)!r}",
            remedy=f"Mend the value, leave it empty, or say features: {{{name}: categorical}} before training.",
        )
    return np.take(
        np.array([*numbers, np.nan], np.float64), codes
    )  # the code of a missing value, -1, is the last place


def to_text(column: Column) -> np.ndarray:
    """A column as text without blanks around it, empty where missing; whole numbers without a decimal point.

    So `3`, `3.0` and `" 3"` are one category, whether a file, a data frame or a model's input gives them.
    """
    codes, texts = distinct_texts(column)
    table: np.ndarray = np.array([*texts, ""], object)
    return np.take(table, codes)


def distinct_texts(column: Column) -> tuple[np.ndarray, list[str]]:
    """What `to_text` gives, as the position of each row's text among the texts; -1 where missing."""
    missing = {*catalog.config("features")["missing_values"]}
    codes, texts = distinct(column)
    return codes, ["" if text in missing else re.sub(WHOLE_NUMBER, r"\1", text) for text in texts]


def present(column: pd.Series[Any]) -> np.ndarray:
    """For each row whether there is a value."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype):
        return np.asarray(~np.isnan(column.to_numpy(np.float64, na_value=np.nan)))
    return np.asarray(to_text(column) != "")


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
    fitter = Fitter(kinds)
    fitter.add(frame)
    return fitter.encoding()


class Fitter:
    """Fits an encoding to rows that come piece by piece: exact counts, means and deviations; medians of a sample.

    Args:
        kinds: The kind of each column.
        share: The share of rows that medians are taken from; 1 takes all, and the medians are exact.
        seed: For drawing that sample.
    """

    # So many different texts of one column are counted; beyond, only the frequent ones go on.
    TEXTS_COUNTED = 200_000

    def __init__(self, kinds: Kinds, share: float = 1.0, seed: int = 0) -> None:
        self.numbers = tuple(kinds.of("numeric"))
        self.dates = tuple((name, kinds.by_column[name][5:-1]) for name in kinds.of("date"))
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in kinds.of("categorical")}
        width = len(self.numbers) + len(DATE_PARTS) * len(self.dates)
        self.known, self.absent = np.zeros(width), np.zeros(width)
        self.mean, self.variance = np.zeros(width), np.zeros(width)
        self.sample: list[np.ndarray] = []
        self.share, self.random = share, np.random.default_rng([seed, 0])

    def add(self, frame: pd.DataFrame) -> None:
        """Takes in training rows, as `readers` gives them."""
        import pandas as pd

        columns = [to_numbers(frame[name], name).astype(np.float32) for name in self.numbers]
        for name, format_ in self.dates:
            columns.extend(date_numbers(to_text(frame[name]), format_).T)
        drawn = slice(None) if self.share >= 1 else np.flatnonzero(self.random.random(len(frame)) < self.share)
        for index, column in enumerate(columns):
            values = column[np.isfinite(column)].astype(np.float64)
            self.absent[index] += len(column) - len(values)
            if len(values):
                self._merge(index, len(values), values.mean(), values.var())
        if columns:
            self.sample.append(np.stack([column[drawn] for column in columns]))
        for name, counter in self.counts.items():
            found = pd.Series(to_text(frame[name])).value_counts()  # most frequent first
            counter.update({str(text): int(count) for text, count in found.items()})
            if len(counter) > self.TEXTS_COUNTED:
                self.counts[name] = Counter(dict(counter.most_common(self.TEXTS_COUNTED // 2)))

    def _merge(self, index: int, count: int, mean: float, variance: float) -> None:
        """Two groups' means and variances become that of all (Chan, Golub and LeVeque 1979)."""
        before = self.known[index]
        apart = mean - self.mean[index]
        share = count / (before + count)
        self.mean[index] = mean if not before else self.mean[index] + share * apart
        self.variance[index] += share * (variance - self.variance[index]) + share * (1 - share) * apart**2
        self.known[index] += count

    def encoding(self) -> Encoding:
        """The encoding fitted to all rows so far. Means and deviations are those after filling."""
        limit = catalog.config("features")["categories_at_most"]
        sample = np.concatenate(self.sample, axis=1) if self.sample else np.zeros((len(self.known), 0))
        fill, center, inverse = [], [], []
        indicators = tuple(np.flatnonzero(self.absent).tolist())
        for index, column in enumerate(sample):
            finite = column[np.isfinite(column)].astype(np.float64)
            fill.append(float(np.median(finite)) if len(finite) else float(self.mean[index]))
            if self.absent[index]:
                self._merge(index, int(self.absent[index]), fill[-1], 0.0)
            center.append(float(self.mean[index]))
            deviation = float(np.sqrt(self.variance[index]))
            inverse.append(1 / deviation if deviation > 1e-12 * abs(center[-1]) else 0.0)
        words = (
            (name, tuple(sorted(str(value) for value, _ in counter.most_common(limit))))
            for name, counter in self.counts.items()
        )
        return Encoding(
            numbers=self.numbers,
            dates=self.dates,
            words=tuple(words),
            fill=tuple(fill),
            center=tuple(center),
            inverse_scale=tuple(inverse),
            indicators=indicators,
        )


def encode(frame: pd.DataFrame, encoding: Encoding) -> np.ndarray:
    """Encodes rows as the layers of a model file do, to the bit, and faster for many rows.

    Args:
        frame: Rows as `readers` gives them, with all columns of the encoding, checked before.
        encoding: The encoding.

    Returns:
        (rows, encoding.width) float32.
    """
    encoded = np.zeros((len(frame), encoding.width), np.float32)
    columns = itertools.chain(
        (to_numbers(frame[name], name).astype(np.float32, copy=False) for name in encoding.numbers),
        (part for name, format_ in encoding.dates for part in date_numbers(to_text(frame[name]), format_).T),
    )
    marks = {index: len(encoding.fill) + place for place, index in enumerate(encoding.indicators)}
    for index, column in enumerate(columns):  # column by column: what is computed on stays in the processor's cache
        known = np.isfinite(column)
        filled = np.where(known, column.astype(np.float64), encoding.fill[index])  # float64, as in the layer
        filled -= encoding.center[index]
        filled *= encoding.inverse_scale[index]
        encoded[:, index] = filled
        if index in marks:
            encoded[:, marks[index]] = ~known
    begin = len(encoding.fill) + len(encoding.indicators)
    for name, values in encoding.words:
        place = {value: begin + number for number, value in enumerate(values)}
        codes, texts = distinct_texts(frame[name])
        places = np.take(np.array([*(place.get(text, -1) for text in texts), place.get("", -1)]), codes)
        rows = np.flatnonzero(places >= 0)
        encoded[rows, places[rows]] = 1
        begin += len(values)
    return encoded


def model_inputs(table: pd.DataFrame | Mapping[str, np.ndarray], encoding: Encoding) -> dict[str, np.ndarray]:
    """Raw rows as a model file takes them: (rows, 1) float32 or text by column name.

    Args:
        table: Raw rows as `readers` gives them: a data frame, or its columns.
        encoding: The model's.

    Raises:
        UserError: A column is missing or holds something else than in training.
    """
    absent = [name for name in encoding.columns if name not in table]
    if absent:
        near = {name: nearest(name, table) for name in absent[:3]}
        hints = [f"{name!r} is perhaps {other!r}" for name, other in near.items() if other]
        raise UserError(
            f"{len(absent)} of the model's {len(encoding.columns)} columns are missing: {listing(absent)}",
            remedy="; ".join(hints) or None,
        )
    texts = [name for name, _ in (*encoding.dates, *encoding.words)]
    inputs = dict(zip(encoding.numbers, _all_numbers(table, encoding.numbers), strict=True))
    inputs |= zip(texts, _all_texts([table[name] for name in texts]), strict=True)
    return {name: values[:, None] for name, values in inputs.items()}


def _all_numbers(table: pd.DataFrame | Mapping[str, np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
    """The numbers of each column as float32."""
    if len(table[names[0]] if names else ()) <= FEW_ROWS:  # then one look at all is faster than one at each
        matrix = np.array([to_numbers(table[name], name) for name in names])
        if not (np.abs(matrix) > LARGEST).any():
            return list(matrix.astype(np.float32))
    columns = []
    for name in names:
        values = to_numbers(table[name], name)
        check_size(values, name, None if isinstance(table, Mapping) else table.index)
        columns.append(values.astype(np.float32))
    return columns


def _all_texts(columns: Sequence[Column]) -> list[np.ndarray]:
    """The texts of each column."""
    few = all(isinstance(column, np.ndarray) and len(column) <= FEW_ROWS for column in columns)
    if columns and few and all(column.dtype == object for column in columns):  # text already: no two write one number
        return list(to_text(np.concatenate(columns)).reshape(len(columns), -1))
    return [to_text(column) for column in columns]
