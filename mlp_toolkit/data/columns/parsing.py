"""What the cells of a column hold: numbers, texts and dates, in one place for all kinds of files."""

from __future__ import annotations

import contextlib
import datetime
import functools
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data.columns import writings
from mlp_toolkit.data.columns.writings import LONGEST
from mlp_toolkit.data.reading.frames import FEW_ROWS
from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.recipe import catalog

if TYPE_CHECKING:
    import pandas as pd

    Column = pd.Series[Any] | np.ndarray


# The numbers a date becomes, in this order; the layer `DateParts` computes the same.
DATE_PARTS = ("day number", "year", "month", "day", "weekday", "hour")


# Dates with AM or PM, and with months by name: each has one meaning.
OTHER_DATES = (
    "%Y-%m-%d %I:%M:%S %p",
    "%Y-%m-%d %I:%M %p",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
)


BLANK = " \t\n\r\f\v"


LARGEST = 3e38
WITH_ZONE = re.compile(r"\d:\d\d(?::\d\d(?:\.\d+)?)?\s?(?:Z|[+-]\d\d(?::?\d\d)?)$")


WHOLE_NUMBER = r"^(-?[0-9]+)\.0+$"
PLAIN_WHOLE_NUMBER = r"0|[+-]?[1-9][0-9]*"  # no 007, which may be another code than 7


def distinct(column: Column) -> tuple[np.ndarray, list[str]]:
    """For each row the position of its text among the texts of the column, -1 where missing; and those texts.

    Texts carry no blanks around them, so one may stand twice. Work on them is done once, however many rows there are.
    """
    import pandas as pd

    try:
        if len(column) <= FEW_ROWS:  # what `factorize` does, in less than the 30 µs that it takes to start
            values = np.asarray(column, object)
            places: dict[Any, int] = {}
            rows = zip(values.tolist(), pd.isna(values).tolist(), strict=True)
            codes = np.array([-1 if gap else places.setdefault(value, len(places)) for value, gap in rows], np.intp)
            return codes, [str(value).strip(BLANK) for value in places]
        codes, found = pd.factorize(column)
    except TypeError:  # of what a table holds, images alone have no hash
        name = getattr(column, "name", None)
        raise UserError(
            f"{'a column' if name is None else f'column {name!r}'} holds images where numbers or words are expected"
        ) from None
    return codes, [str(value).strip(BLANK) for value in found.tolist()]


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
    if "_" in text:
        return None
    try:
        return float(text) if text.isascii() else writings.number_of(text)
    except ValueError:
        return writings.number_of(text)


class Spellings:
    """How the known texts of a column are spelled.

    A column of codes may come as text from one file and as numbers from another: `2134` and `2134.0` are the known
    `02134`, unless another known text is that number.

    Args:
        known: The texts.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self._words = catalog.config("features")["boolean_words"]  # True of one file is 1 of another
        texts: dict[float, list[str]] = {}
        for text in self._known:
            number = self._number(text)
            if number is not None:
                texts.setdefault(number, []).append(text)
        self._of_number = {number: same[0] for number, same in texts.items() if len(same) == 1}

    def of(self, texts: Sequence[str]) -> list[str]:
        """Texts, each as it is known where it is."""
        if not self._of_number or self._known.issuperset(texts):
            return list(texts)
        numbers = [None if text in self._known else self._number(text) for text in texts]
        pairs = zip(texts, numbers, strict=True)
        return [text if number is None else self._of_number.get(number, text) for text, number in pairs]

    def _number(self, text: str) -> float | None:
        return self._words[text] if text in self._words else to_number(text)


def is_plain(text: str) -> bool:
    """Whether a text is a number as programs write it."""
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text


def parse_numbers(texts: Sequence[str]) -> list[float | None]:
    """`to_number` for each of many texts."""
    whole = "".join(texts)
    if whole.isascii() and "_" not in whole:
        try:
            return list(map(float, texts))  # ten times faster where all are numbers
        except ValueError:
            pass
    return [to_number(text) for text in texts]


def to_numbers(column: Column, name: str, gaps: Sequence[str] = (), seen: dict[str, str] | None = None) -> np.ndarray:
    """A column as float64, NaN where missing.

    Args:
        column: Numbers, or texts that stand for numbers.
        name: What it is called, for messages.
        gaps: Words that stand for missing values in this column, beside those that do everywhere.
        seen: Of a column that comes piece by piece: how numbers were written in those before, as `writings.clash` says.

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
    words.update(dict.fromkeys([*rules["missing_numbers"], *gaps], np.nan))
    words.update({word: float(value) for word, value in rules["boolean_words"].items()})
    codes, texts = distinct(column)
    numbers = parse_numbers([str(words.get(text, text)) for text in texts])
    if None in numbers:
        raise _refused(column, f"{name!r} is numeric", name, codes == numbers.index(None))
    if told := writings.clash(texts, seen):
        raise UserError(f"column {name!r}: {told}")
    return np.take(
        np.array([*numbers, np.nan], np.float64), codes
    )  # the code of a missing value, -1, is the last place


def _refused(column: Column, what: str, name: str, odd: np.ndarray) -> UserError:
    """What to say of a column that holds something else in some rows."""
    place = int(np.argmax(odd))
    row, value = (place, column[place]) if isinstance(column, np.ndarray) else (column.index[place], column.iloc[place])
    return UserError(
        f"column {what}, but row {row} holds {shorten(str(value).strip(BLANK), 40)!r}",
        remedy=f"Mend the value, leave it empty, or say features: {{{name}: categorical}} before training.",
    )


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


def to_dates(column: Column, name: str, format_: str) -> np.ndarray:
    """A column of dates as text in a format, empty where missing.

    Timestamps of a data frame, and dates that begin with the year, are written anew where the format is another one:
    they can be read in one way only.

    Raises:
        UserError: A value is no such date; the row is named by its label in the column's index.
    """
    codes, texts = distinct_texts(column)
    gaps = catalog.config("features")["missing_numbers"]
    texts = ["" if text in gaps else text for text in texts]
    check_zones(texts, name)
    written = [_written(text, format_) if text else "" for text in texts]
    if None in written:
        raise _refused(column, f"{name!r} holds dates of the form {format_}", name, codes == written.index(None))
    table: np.ndarray = np.array([*written, ""], object)
    return np.take(table, codes)


def check_zones(texts: Iterable[str], name: str) -> None:
    """Refuses times of which some name a zone and others do not: whose the others are, nobody knows.

    Raises:
        UserError: With one of each.
    """
    examples = {bool(WITH_ZONE.search(text)): text for text in texts if text}
    if len(examples) > 1:
        raise UserError(
            f"column {name!r} holds times with a zone, such as {shorten(examples[True], 40)}, and others without",
            found=shorten(examples[False], 40),
            remedy=f"Write all of them with their zone, or leave the column out: features: {{{name}: ignore}}.",
        )


def other_date(text: str) -> datetime.datetime | None:
    """A date in none of the known formats: with a zone (then in UTC), AM or PM, or months by name; else None."""
    if len(text) > LONGEST:
        return None
    try:
        date = datetime.datetime.fromisoformat(text) if re.match(r"\d{4}-\d\d-\d\d", text) else None
    except ValueError:
        date = None
    for format_ in OTHER_DATES if date is None else ():
        with contextlib.suppress(ValueError):
            date = datetime.datetime.strptime(text, format_)
            break
    if date is not None and date.tzinfo is not None:
        date = date.astimezone(datetime.UTC).replace(tzinfo=None)
    return date


def _written(text: str, format_: str) -> str | None:
    """A date in the format, or None."""
    if parse_date(text, format_) is not None:
        return text
    for known in catalog.config("features")["date_formats"]:
        date = parse_date(text, known) if known.startswith("%Y") else None
        if date is not None:
            for code, number in zip("YmdHMS", date.timetuple(), strict=False):
                format_ = format_.replace(f"%{code}", f"{number:0{4 if code == 'Y' else 2}}")
            return format_
    other = other_date(text)
    return None if other is None else other.strftime(format_)


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
