"""Whether new rows are still like those that a model learnt from: what it keeps of each column, and what has moved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.date import Date
from mlp_toolkit.data.columns.encoder import Encoding

QUANTILES = 21  # of numbers, the least and the greatest among them
MOST_COLUMNS, MOST_WORDS, MOST_NUMBERS = 500, 50, 20
LEAST_ROWS = 100  # of new ones, before anything is said of them
SURE = 0.001  # chance of any false word about rows that are like those learnt
NOTEWORTHY = 0.1  # a smaller index is hardly worth a word; from 0.25 on it is called large in credit scoring
RARE = 5  # training rows that hold a word: of fewer it is as good as unseen
FLOOR = 1e-4  # a share below counts as this large: its logarithm must be finite


class Seen(NamedTuple):
    """What is kept of a column of the training rows.

    Attributes:
        name: The column.
        rows: How many there were.
        missing: The share of them without a value.
        quantiles: Of numbers of which there are many, each once; else none.
        below: The share of the numbers that is at most each.
        words: Of words, and of few different numbers, the commonest, each with its share of all rows; else none.
    """

    name: str
    rows: int
    missing: float
    quantiles: tuple[float, ...]
    below: tuple[float, ...]
    words: tuple[tuple[str, float], ...]


class Moved(NamedTuple):
    """How far a column of new rows lies from what was learnt.

    Attributes:
        name: The column.
        psi: The population stability index: 0 is the same, from 0.25 on it is called large.
        distance: The greatest difference of two shares below a value (Kolmogorov and Smirnov), or of words' shares.
        p: The chance of such a distance among rows that are like those learnt.
        missing: The share of new rows without a value.
        unseen: The share of new rows with a word that was not among those kept.
        moved: Whether it is more than chance, and enough for a word.
    """

    name: str
    psi: float
    distance: float
    p: float
    missing: float
    unseen: float
    moved: bool


def with_days(columns: Any, encoding: Encoding) -> dict[str, Any]:
    """Raw columns by name, those of dates as numbers of days: however they are written, they are compared as times.

    Args:
        columns: A data frame, or its columns by name; some may not be there.
        encoding: Which of them are dates, and how they are written.

    Raises:
        UserError: A value is no date.
    """
    formats = {name: own for part in encoding.parts if isinstance(part, Date) for name, own in part.formats}
    return {
        str(name): parsing.date_numbers(parsing.to_dates(columns[name], name, formats[name]), formats[name])[:, 0]
        if name in formats
        else columns[name]
        for name in columns
    }


def seen_in(columns: Mapping[str, np.ndarray], numeric: Sequence[str], others: Sequence[str]) -> tuple[Seen, ...]:
    """What is kept of the training rows.

    Args:
        columns: Columns by name, as `with_days` gives them.
        numeric: Those of numbers and dates; of all at most 500 are kept.
        others: Those of words.
    """
    found = []
    for name in [*numeric, *others][:MOST_COLUMNS]:
        if name in numeric and not _few_values(columns[name], name):
            known = _numbers(columns[name], name)
            given = known[np.isfinite(known)]
            quantiles = np.unique(np.quantile(given, np.linspace(0, 1, QUANTILES)))
            below = np.searchsorted(np.sort(given), quantiles, side="right") / len(given)
            missing = 1 - len(given) / len(known)
            found.append(Seen(name, len(known), missing, tuple(quantiles.tolist()), tuple(below.tolist()), ()))
            continue
        texts = parsing.to_text(columns[name]).astype(str)
        words, counts = np.unique(texts, return_counts=True)
        shares = dict(zip(words.tolist(), (counts / max(1, len(texts))).tolist(), strict=True))
        missing = shares.pop("", 0.0)
        common = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:MOST_WORDS]
        found.append(Seen(name, len(texts), missing, (), (), tuple(common)))
    return tuple(found)


def _few_values(column: Any, name: str) -> bool:
    """Whether numbers are so few different ones that they are counted as words are."""
    known = _numbers(column, name)
    return len(np.unique(known[np.isfinite(known)])) <= MOST_NUMBERS


def _numbers(column: Any, name: str) -> np.ndarray:
    """A column as numbers, whatever is none of them missing."""
    import pandas as pd

    if getattr(column, "dtype", None) is not None and np.asarray(column).dtype.kind in "iuf":
        return np.asarray(column, np.float64)
    return pd.to_numeric(pd.Series(np.asarray(column, object)), errors="coerce").to_numpy(np.float64)


def moves(seen: Sequence[Seen], columns: Any) -> list[Moved]:
    """How far each column of new rows, by name and as `with_days` gives them, lies from what was learnt.

    Columns that are not there are left out.
    """
    there = [own for own in seen if own.name in columns]
    return [_moved(own, columns[own.name], SURE / max(1, len(there))) for own in there]


def _moved(seen: Seen, column: Any, sure: float) -> Moved:
    if seen.words or not seen.quantiles:
        known = dict(seen.words)
        codes, texts = parsing.distinct_texts(column)  # the last place is that of missing values
        rows, counts = len(codes), np.bincount(codes % (len(texts) + 1), minlength=len(texts) + 1)
        now: dict[str, float] = {}
        for word, count in zip(parsing.Spellings(known).of([*texts, ""]), counts, strict=True):
            now[word] = now.get(word, 0.0) + count / max(1, rows)
        missing = now.pop("", 0.0)
        unseen = sum(share for word, share in now.items() if word not in known)
        before = np.array([*known.values(), max(0.0, 1 - seen.missing - sum(known.values())), seen.missing])
        after = np.array([*(now.get(word, 0.0) for word in known), unseen, missing])
        distance = float(np.abs(before - after).sum() / 2)
        # Of many rare words some were never met: rows that are the same have others of them.
        rare = np.append(before[:-2] * seen.rows < RARE, [True, False])
        then, today = (np.append(shares[~rare], shares[rare].sum()) for shares in (before, after))
        p = _chance_of_shares(then, today, seen.rows, rows)
    else:
        numbers = _numbers(column, seen.name)
        rows, given = len(numbers), np.sort(numbers[np.isfinite(numbers)])
        missing, unseen = 1 - len(given) / max(1, rows), 0.0
        below = np.searchsorted(given, seen.quantiles, side="right") / max(1, len(given))
        farthest = float(np.abs(below - np.array(seen.below)).max())
        distance = max(farthest, abs(missing - seen.missing))
        effective = math.sqrt(seen.rows * max(1, len(given)) / (seen.rows + max(1, len(given))))
        p = min(_chance_of_distance(farthest, effective), _chance_of_missing(seen, missing, rows))
        before = np.append(np.diff([0.0, *seen.below]) * (1 - seen.missing), seen.missing)
        after = np.append(np.diff([0.0, *below[:-1].tolist(), 1.0]) * (1 - missing), missing)
    psi = _index(before, after)
    return Moved(seen.name, psi, distance, p, missing, unseen, rows >= LEAST_ROWS and p < sure and psi > NOTEWORTHY)


def _chance_of_distance(distance: float, effective: float) -> float:
    from scipy import stats

    return float(stats.kstwobign.sf(effective * max(0.0, distance)))


def _chance_of_missing(seen: Seen, missing: float, rows: int) -> float:
    """The chance of so many missing values, or so few."""
    return _chance_of_shares(
        np.array([seen.missing, 1 - seen.missing]), np.array([missing, 1 - missing]), seen.rows, rows
    )


def _chance_of_shares(before: np.ndarray, after: np.ndarray, then: int, now: int) -> float:
    """The chi-square test of two tables of counts; rare words count as one."""
    from scipy import stats

    counts = np.stack([np.asarray(before) * then, np.asarray(after) * now])
    rare = counts.sum(axis=0) < 10
    counts = np.concatenate([counts[:, ~rare], counts[:, rare].sum(axis=1, keepdims=True)], axis=1)
    counts = counts[:, counts.sum(axis=0) > 0]
    if counts.shape[1] < 2 or (counts.sum(axis=1) == 0).any():
        return 1.0
    return float(stats.chi2_contingency(counts, correction=False).pvalue)


def _index(before: np.ndarray, after: np.ndarray) -> float:
    """The population stability index of two lists of shares."""
    one, other = (np.maximum(np.asarray(shares, float), FLOOR) for shares in (before, after))
    return float(((other - one) * np.log(other / one)).sum())


def sentence(found: Sequence[Moved]) -> str | None:
    """What is said of columns that moved, or None."""
    moved = sorted((own for own in found if own.moved), key=lambda own: -own.psi)
    if not moved:
        return None
    named = ", ".join(f"{own.name!r} (stability index {own.psi:.2g})" for own in moved[:5])
    more = f" and {len(moved) - 5} others" if len(moved) > 5 else ""
    return f"these rows are not like those that were learnt: {named}{more} moved; see mlp-toolkit drift"
