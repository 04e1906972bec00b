"""Features that give the target away: most often a copy of it, or something known only after it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.kinds import Kinds
from mlp_toolkit.data.columns.numeric import gaps_of
from mlp_toolkit.errors import listing

if TYPE_CHECKING:
    import pandas as pd

FEWEST_ROWS = 30
FIRST_LOOK = 2_000  # rows that nearly always suffice to say "no"
SAME = 0.9999  # correlation from which on a feature is the target, but for scale and rounding
KNOWN = 0.9  # share of the rows that a number must be known in to part the classes by
# Values of a column for each row, at most: one with a value of its own for a few rows "predicts" whatever there is.
MOST_DISTINCT = 1 / 20
BY_CHANCE = 1e-4  # chance of any false word about a table without leaks
NAMED = 8  # features named in one sentence


def leaks_found(frame: pd.DataFrame, kinds: Kinds, values: np.ndarray, task: str, targets: Sequence[str]) -> list[str]:
    """Sentences about features that alone predict a target without any error.

    Args:
        frame: Feature columns of the training rows.
        kinds: The kind of each column.
        values: (rows, outputs) targets in their units, class numbers, or 0 and 1.
        task: regression, binary, multilabel or multiclass.
        targets: The target columns.
    """
    if len(frame) < FEWEST_ROWS:
        return []
    numeric, others = kinds.of("numeric"), [*kinds.of("categorical"), *kinds.of("date")]
    chance = math.log(BY_CHANCE / (len(targets) * max(1, len(numeric) + len(others))))
    told: dict[tuple[str, str], list[str]] = {}
    step = -(-len(frame) // FIRST_LOOK)  # spread over all rows: files are often sorted by the target
    for name in (*numeric, *others):
        gaps = gaps_of(kinds.by_column[name])
        read = partial(_read_number, gaps=gaps) if name in numeric else _read_words
        some = read(frame[name].iloc[::step])
        for target, own in zip(targets, values.T, strict=True):
            how = _way(some, own[::step], task, chance)
            if how and step > 1:
                how = _way(read(frame[name]), own, task, chance)
            if how:
                told.setdefault((target, how), []).append(name)
    return [_sentence(names, target, how) for (target, how), names in told.items()]


def _sentence(names: list[str], target: str, how: str) -> str:
    one = len(names) == 1
    ignored = listing((f"{name}: ignore" for name in names), NAMED)
    return (
        f"{listing(map(repr, names), NAMED)} {'gives' if one else 'give'} the target {target!r} away: {how}. Known "
        f"when you predict? If not, leave {'it' if one else 'them'} out: data.features: {{{ignored}}}"
    )


class _Column(NamedTuple):
    numbers: np.ndarray | None  # NaN where missing; of words there are none
    codes: np.ndarray  # a number for each value, -1 where missing


def _read_number(column: pd.Series[Any], gaps: tuple[str, ...]) -> _Column:
    numbers = parsing.to_numbers(column, str(column.name), gaps)
    _, codes = np.unique(numbers, return_inverse=True, equal_nan=True)
    return _Column(numbers, np.where(np.isnan(numbers), -1, codes))


def _read_words(column: pd.Series[Any]) -> _Column:
    return _Column(None, parsing.distinct_texts(column)[0])


def _way(column: _Column, target: np.ndarray, task: str, chance: float) -> str | None:
    """How a column gives a target away, in words, or None. Log chances above `chance` do not count."""
    if task == "regression":
        return _follows(column.numbers, target)
    _, y = np.unique(target, return_inverse=True)
    if column.numbers is not None and _parts(column.numbers, y) < chance:
        return "a threshold alone parts its classes without an error"
    if _maps(column.codes, y) < chance:
        return "each of its values goes with one class only"
    known = column.codes >= 0
    if not known.all() and _maps(known.astype(np.intp), y) < chance:
        return "whether it has a value tells the class"
    return None


def _follows(numbers: np.ndarray | None, target: np.ndarray) -> str | None:
    if numbers is None:
        return None
    known = np.isfinite(numbers)
    if known.sum() < FEWEST_ROWS:
        return None
    x, y = (part[known] - part[known].mean() for part in (numbers, target.astype(np.float64)))
    size = math.sqrt(float(x @ x) * float(y @ y))
    if not size > 0 or abs(float(x @ y)) <= SAME * size:
        return None
    return "the same but for its scale (correlation above 0.9999)"


def _parts(numbers: np.ndarray, y: np.ndarray) -> float:
    """The log of the chance that thresholds part all classes as they do; 0 where they do not."""
    known = np.isfinite(numbers)
    x, y = numbers[known], y[known]
    counts = np.bincount(y)
    present = np.flatnonzero(counts)
    if len(x) < max(FEWEST_ROWS, KNOWN * len(numbers)) or len(present) < 2:
        return 0.0
    least, most = np.full(len(counts), np.inf), np.full(len(counts), -np.inf)
    np.minimum.at(least, y, x)
    np.maximum.at(most, y, x)
    order = present[np.argsort(least[present])]
    if (most[order[:-1]] >= least[order[1:]]).any():
        return 0.0
    # Of all orders of the rows, those in which each class is one stretch.
    within = sum(math.lgamma(count + 1) for count in counts)
    return math.lgamma(len(present) + 1) + within - math.lgamma(len(y) + 1)


def _maps(codes: np.ndarray, y: np.ndarray) -> float:
    """The log of the chance that each value, a missing one among them, stands with one class only; 0 where not."""
    codes = codes + 1
    classes, values = np.bincount(y), np.bincount(codes)
    if (values > 0).sum() > max((classes > 0).sum() + 1, MOST_DISTINCT * len(y)) or (classes > 0).sum() < 2:
        return 0.0
    least, most = np.full(len(values), np.inf), np.full(len(values), -np.inf)
    np.minimum.at(least, codes, y)
    np.maximum.at(most, codes, y)
    if (least < most).any():
        return 0.0
    # The rows of a value fall in one class with a chance that is the sum over classes of their share to that power.
    shares = np.log(classes[classes > 0] / len(y))
    return float(sum(np.logaddexp.reduce(count * shares) for count in values[values > 0]))
