"""Numbers as people write them: what one text stands for, and whether the texts of a column go by one rule."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

LONGEST = 40  # characters of a number or a date
PERHAPS_A_NUMBER = re.compile(r"[-+\u2212\u2013]?[$€£¥]?\s?[-+]?\d[\d\s.,:'’]*(?:[€$£¥%]|EUR|USD|CHF|[AaPp][Mm])?")
CURRENCY = re.compile(r"[$€£¥]|EUR|USD|CHF")

COMMA_GROUPS = r"[+-]?\d{1,3}(?:,\d{3})+\.\d+|[+-]?\d{1,3}(?:,\d{3}){2,}"
POINT_GROUPS = r"[+-]?\d{1,3}(?:\.\d{3})+,\d+|[+-]?\d{1,3}(?:\.\d{3}){2,}"
DECIMAL_COMMA = r"[+-]?\d+,(?:\d{1,2}|\d{4,})"
CLOCK = r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?:\s?([AaPp])[Mm])?"
PERHAPS_GROUPS = r"[+-]?[1-9]\d{0,2}\.\d{3}"  # by itself a fraction, 1.234; beside 1.234,5 a thousand
# What cannot stand in one column with what: there a text has another meaning than by itself.
CLASHES = (
    ("point groups", "perhaps groups"),
    ("decimal comma", "perhaps groups"),
    ("comma groups", "decimal comma"),
    ("comma groups", "point groups"),
    ("clock", "number"),
    ("per cent", "no per cent"),
)
# Where none of these stands in any text, all are written as programs write numbers.
OTHERWISE = re.compile(r"[,%:$€£¥]|EUR|USD|CHF|\d\.\d+\.")

ONES = str.maketrans("23456789", "11111111")


def number_of(text: str) -> float | None:
    """The number, where it has one meaning: 45 %, $5.00, −5, 1,234,567.8, 1.234,5, 1,5, 13:45 or 1:45 PM in hours.

    `1,234` may be a thousand or one: it is no number here.
    """
    if len(text) > LONGEST or not PERHAPS_A_NUMBER.fullmatch(text):  # most texts are words: at once
        return None
    bare = _bare(text)
    if re.fullmatch(COMMA_GROUPS, bare):
        bare = bare.replace(",", "")
    elif re.fullmatch(POINT_GROUPS, bare):
        bare = bare.replace(".", "").replace(",", ".")
    elif re.fullmatch(DECIMAL_COMMA, bare):
        bare = bare.replace(",", ".")
    elif clock := re.fullmatch(CLOCK, bare):
        return _hours(clock)
    return float(bare) if re.fullmatch(r"[+-]?\d+(?:\.\d*)?", bare) else None


def _bare(text: str) -> str:
    """Without blanks between thousands, the sign of a currency or of per cent, and with the usual minus."""
    bare = re.sub(r"[\u2212\u2013]", "-", re.sub(r"[\s\u00a0\u202f'’](?=\d{3}(?:\D|$))", "", text))
    return re.sub(r"^([+-]?)[$€£¥]\s?([+-]?)|\s?(?:[€$£¥]|%|EUR|USD|CHF)$", r"\1\2", bare)


def _hours(clock: re.Match[str]) -> float | None:
    hour = int(clock[1])
    if clock[4]:  # 12 AM is midnight, 12 PM noon
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (clock[4] in "Pp")
    return hour + int(clock[2]) / 60 + int(clock[3] or 0) / 3600


def clash(texts: Iterable[str], seen: dict[str, str] | None = None) -> str | None:
    """What is wrong with the texts of a column that are numbers each, but not by one rule; None where they are.

    `1.234` beside `1.234,5` is not 1.234; `0.05` beside `5 %`, or `$5` beside `€5`, is in another unit.

    Args:
        texts: The texts.
        seen: Of a column that comes piece by piece: an example of each way to write in the pieces before. Those of
            this piece are added.
    """
    texts = list(texts)
    if not OTHERWISE.search("\n".join(texts)):
        if seen is None:
            return None
        groups = (text for text in texts if re.fullmatch(PERHAPS_GROUPS, text))
        texts = [*islice(filter(number_of, texts), 1), *islice(groups, 1)]  # an example of all ways that there are
    first = {} if seen is None else seen
    shapes: dict[str, str] = {}  # few, however many texts; those of times of day depend on their digits
    for text in texts:
        shapes.setdefault(text if ":" in text else text.translate(ONES), text)
    for text in shapes.values():
        for way in _ways(text):
            first.setdefault(way, text)
    currencies = [way for way in first if CURRENCY.fullmatch(way)]
    pairs = [*CLASHES, *([(currencies[0], currencies[1])] if len(currencies) > 1 else [])]
    found = next((pair for pair in pairs if pair[0] in first and pair[1] in first), None)
    if found is None:
        return None
    one, other = (first[way] for way in found)
    return (
        f"numbers such as {one!r} and {other!r} are not written by one rule: write all of them in one unit, and with a "
        "point for fractions alone"
    )


def has_decimal_comma(text: str) -> bool:
    """Whether a number is written as 1,5 or 1.234,5."""
    return re.fullmatch(rf"{DECIMAL_COMMA}|{POINT_GROUPS}", _bare(text)) is not None


def perhaps_thousands(texts: list[str]) -> list[str]:
    """Those such as `1.234`, where all texts of the column could be whole numbers with points between thousands."""
    bare = [_bare(text) for text in texts]
    groups = [text for text in bare if re.fullmatch(PERHAPS_GROUPS, text)]
    return groups if all(re.fullmatch(rf"{PERHAPS_GROUPS}|[+-]?\d{{1,3}}", text) for text in bare) else []


def _ways(text: str) -> list[str]:
    """How a number is written; nothing for other texts, and for 0, which is the same in all ways."""
    if not number_of(text):
        return []
    bare = _bare(text)
    shape = next((way for way, pattern in _SHAPES.items() if re.fullmatch(pattern, bare)), "number")
    ways = [shape, *CURRENCY.findall(text), "per cent" if "%" in text else "no per cent"]
    return ways if shape in ("number", "clock") else [*ways, "number"]


_SHAPES = {
    "comma groups": COMMA_GROUPS,
    "point groups": POINT_GROUPS,
    "decimal comma": DECIMAL_COMMA,
    "perhaps groups": PERHAPS_GROUPS,
    "clock": CLOCK,
}
