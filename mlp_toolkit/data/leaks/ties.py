"""Columns that tell which rows belong together (a patient, a household), or follow each other in time."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.kinds import Kinds
from mlp_toolkit.data.images import pixels
from mlp_toolkit.data.splitting.times import times
from mlp_toolkit.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

# `id`, `user_id`, `idUser`, `patient`, `customer number`; not `customer_age`, nor `members`, which counts.
_WHO = (
    "patient|subject|person|customer|client|user|member|household|family|student|employee|driver|player|author|"
    "speaker|session|account|device|machine|vehicle|owner|participant|respondent|donor|visitor"
)
IDENTIFIER_NAME = re.compile(
    rf"^id [a-z ]+$|(?:^| )(?:id|uuid|guid)$|(?:^| )(?:{_WHO})(?: (?:no|nr|number|key|code|hash))?$"
)
TIME_NAME = re.compile(r"(?:^| )(?:date|time|datetime|timestamp|ts|when|datum|zeit|day|month|year|week|quarter)(?: |$)")
NO_TIME_OF_ROWS = re.compile(r"birth|born|dob")
# By name alone 20 values are many; words without such a name are categories, unless few rows share a value.
LEAST_VALUES, LEAST_WORDS, MOST_ROWS_OF_A_WORD = 20, 50, 20
REPEATED = 0.3  # share of the rows whose value stands in another row, too
SORTED, LEAST_TIMES = 0.95, 10  # share of the rows that are not before the one above; different times


class Tie(NamedTuple):
    """A column that rows may be split by.

    Attributes:
        column: Its name.
        reason: Why, in a few words.
        codes: (rows,) the number of each row's value, -1 where missing; of times seconds, or numbers.
    """

    column: str
    reason: str
    codes: np.ndarray


def spaced(name: str) -> str:
    """A name in lower case with its words apart: `storeType`, `store-type` and `store_type` are one."""
    return re.sub(r"[^a-z0-9]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()).strip()


def groups_in(frame: pd.DataFrame, kinds: Kinds, besides: Collection[str] = ()) -> list[Tie]:
    """Columns that repeat as identifiers do, those named so first.

    Args:
        frame: All rows.
        kinds: The kind of each column; one that has none is read as words.
        besides: Columns that are not looked at.
    """
    named, others = [], []
    numeric = {*kinds.of("numeric")}
    left_out = {*besides, *kinds.of("date"), *kinds.of("image")}
    for name in [str(name) for name in frame.columns if name not in left_out]:
        by_name = bool(IDENTIFIER_NAME.search(spaced(name)))
        if (name in numeric and not by_name) or pixels.among(frame[name]):  # images that a recipe ignores
            continue
        codes = _codes(kinds.numbers(frame, name)) if name in numeric else parsing.distinct_texts(frame[name])[0]
        counts = np.bincount(codes[codes >= 0]) if (codes >= 0).any() else np.zeros(1, int)
        values, rows = int((counts > 0).sum()), int(counts.sum())
        if counts[counts > 1].sum() < REPEATED * max(1, len(codes)):
            continue
        reason = f"{values:,} values, {rows / max(1, values):.3g} rows each"
        if by_name and values >= LEAST_VALUES:
            named.append(Tie(name, f"{reason}, by its name an identifier", codes))
        elif not by_name and values >= LEAST_WORDS and rows <= MOST_ROWS_OF_A_WORD * values:
            others.append(Tie(name, f"{reason}, as identifiers repeat", codes))
    return named + others


def _codes(numbers: np.ndarray) -> np.ndarray:
    """A number for each different whole number, -1 where missing; none where they are not whole."""
    known = np.isfinite(numbers)
    if not (numbers[known] == np.rint(numbers[known])).all():
        return np.full(len(numbers), -1)
    _, codes = np.unique(numbers, return_inverse=True)
    return np.where(known, codes, -1)


def times_in(frame: pd.DataFrame, kinds: Kinds, besides: Collection[str] = ()) -> list[Tie]:
    """Columns with the time of each row: dates whose name says so or that the rows are sorted by, and such numbers.

    Args:
        frame: All rows.
        kinds: The kind of each column.
        besides: Columns that are not looked at.
    """
    found = []
    for name in [*kinds.of("date"), *kinds.of("numeric")]:
        by_name = bool(TIME_NAME.search(spaced(name)))
        a_date = kinds.by_column[name].startswith("date(")
        if name in besides or NO_TIME_OF_ROWS.search(spaced(name)) or not (a_date or by_name):
            continue
        try:
            moments = times(frame[name], name, kinds.by_column[name]) if a_date else kinds.numbers(frame, name)
        except UserError:  # rows that have no time cannot be split by it; nobody has asked for that
            continue
        if not np.isfinite(moments).all() or len(np.unique(moments)) < LEAST_TIMES:
            continue
        steps = np.diff(moments)
        in_order = max((steps >= 0).mean(), (steps <= 0).mean()) >= SORTED
        if in_order or (a_date and by_name):
            reason = "the rows stand in its order" if in_order else "dates, by its name of the rows"
            found.append(Tie(name, reason, moments))
    return found
