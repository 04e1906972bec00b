"""The ways in which a recipe says which part a row is in: shares, groups, time, or a column.

Each is a class and a line in `split_of`. Every one answers for a table that is read whole, and for a piece of one that
is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.splitting.times import kind_of_times, times
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe.spec import Recipe

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "validation", "test")
STREAMED_SHARE = 0.15  # of rows that are streamed, or follow each other in time, in place of folds
WORDS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}


class Split(Protocol):
    """Which part each row is in, unless its file says so."""

    @property
    def columns(self) -> list[str]:
        """The columns that it looks at."""

    @property
    def most_trained(self) -> float:
        """The share of the rows that are trained on, at most."""

    @property
    def by_chance(self) -> bool:
        """Whether the rows of a piece fall to the parts by chance."""

    def of_table(self, frame: pd.DataFrame, rows: np.ndarray, strata: np.ndarray | None) -> dict[str, np.ndarray]:
        """The positions of the rows of each part.

        Args:
            frame: All rows.
            rows: Positions of those to be split.
            strata: A number for each row, so that each part gets its share of each; or None.
        """

    def of_piece(self, frame: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
        """For each row of a piece the position of its part in `PARTS`, int8."""


def split_of(recipe: Recipe, own_rows: Collection[str], *, streamed: bool = False) -> Split:
    """The split that a recipe asks for.

    Args:
        recipe: The recipe.
        own_rows: Parts that have rows of their own already, from files.
        streamed: The rows come piece by piece: the members of an ensemble share validation rows then.
    """
    shares = recipe.data.shares
    if shares is None:
        return ByColumn(recipe.data.split_columns[0], frozenset(own_rows))
    validation, test = (share if isinstance(share, float) else None for share in (shares.validation, shares.test))
    if recipe.data.in_folds and (streamed or shares.time):
        validation = STREAMED_SHARE
    if shares.group:
        return ByGroup(shares.group, validation, test, recipe.seed, frozenset(own_rows))
    if shares.time:
        given = recipe.data.features.get(shares.time) if isinstance(recipe.data.features, dict) else None
        return ByTime(shares.time, validation, test, frozenset(own_rows), given)
    return ByShare(validation, test, recipe.seed, frozenset(own_rows))


@dataclass(frozen=True)
class ByShare:
    """Shares of the rows, drawn by a seed; of classes and sets of labels a like share in each part.

    Attributes:
        validation: Above 0 and below 1, or None.
        test: The same.
        seed: 0 or more.
        own_rows: Parts that have rows of their own already, and take none of these.
    """

    validation: float | None
    test: float | None
    seed: int
    own_rows: frozenset[str] = frozenset()

    by_chance = True

    @property
    def columns(self) -> list[str]:
        """None."""
        return []

    @property
    def most_trained(self) -> float:
        """What the shares leave, where both are known beforehand."""
        known = self.validation is not None and self.test is not None
        return 1 - self.validation - self.test if known else 1.0  # type: ignore[operator]  # both are there

    def of_table(self, frame: pd.DataFrame, rows: np.ndarray, strata: np.ndarray | None) -> dict[str, np.ndarray]:
        """Exact shares of all rows."""
        parts, whole = {}, len(rows)
        for part, share in _shares(self).items():
            of_rest = share * whole / len(rows)
            rows, parts[part] = take_share(rows, min(of_rest, 0.999), strata, self.seed, part)
        return {"train": rows, **parts}

    def of_piece(self, frame: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
        """Each row by chance: how many there are in all is not known here."""
        return _below(random.random(len(frame)), _shares(self))


@dataclass(frozen=True)
class ByColumn:
    """A column that names the part of each row.

    Attributes:
        name: The column.
        own_rows: Parts that have rows of their own already.
    """

    name: str
    own_rows: frozenset[str] = frozenset()

    by_chance = False
    most_trained = 1.0

    @property
    def columns(self) -> list[str]:
        """The column."""
        return [self.name]

    def of_table(self, frame: pd.DataFrame, rows: np.ndarray, strata: np.ndarray | None) -> dict[str, np.ndarray]:
        """As the column says."""
        part_of = self._named(frame[self.name].iloc[rows])
        return {part: rows[part_of == number] for number, part in enumerate(PARTS) if (part_of == number).any()}

    def of_piece(self, frame: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
        """As the column says."""
        return self._named(frame[self.name])

    def _named(self, column: pd.Series[Any]) -> np.ndarray:
        text = np.array([str(value).lower() for value in parsing.to_text(column)], dtype=object)
        unknown = sorted({*text} - {*WORDS})
        if unknown:
            raise UserError(
                f"the split column {self.name!r} holds other words than the names of the parts",
                found=unknown[0],
                allowed=list(WORDS),
            )
        parts = [WORDS[word] for word in text]
        twice = [part for part in PARTS if part in self.own_rows and part in parts]
        if twice:
            raise UserError(
                f"{twice[0]} rows come from data.test_path and from the split column {self.name!r}: which is meant?"
            )
        return np.array([PARTS.index(part) for part in parts], np.int8)


@dataclass(frozen=True)
class ByGroup:
    """Shares of the rows, and no group of them is in two parts.

    Attributes:
        name: The column that says which group a row is of; missing values are one group.
        validation: Above 0 and below 1, or None.
        test: The same.
        seed: 0 or more.
        own_rows: Parts that have rows of their own already.
    """

    name: str
    validation: float | None
    test: float | None
    seed: int
    own_rows: frozenset[str] = frozenset()

    by_chance = True
    most_trained = 1.0

    @property
    def columns(self) -> list[str]:
        """The column."""
        return [self.name]

    def of_table(self, frame: pd.DataFrame, rows: np.ndarray, strata: np.ndarray | None) -> dict[str, np.ndarray]:
        """Groups in an order drawn by the seed fill the test rows, then the validation rows."""
        parts = filled_by_groups(groups_of(frame[self.name].iloc[rows]), _shares(self), self.seed)
        return {part: rows[own] for part, own in parts.items()}

    def of_piece(self, frame: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
        """Each group by chance, by its name and the seed: all its rows, in whatever piece, fall to the same part."""
        texts = parsing.to_text(frame[self.name])
        known = {text: _drawn(f"{self.seed} {text}") for text in set(texts.tolist())}
        return _below(np.array([known[text] for text in texts.tolist()]), _shares(self))


@dataclass(frozen=True)
class ByTime:
    """The latest rows are for the test, those before them for validation; rows of one time stay together.

    Attributes:
        name: The column of times: numbers or dates.
        validation: A share above 0 and below 1, or None.
        test: The same.
        own_rows: Parts that have rows of their own already.
        kind: Of the column, where it is known.
        since: From which time on rows are for validation, and for the test; None before rows were looked at.
    """

    name: str
    validation: float | None
    test: float | None
    own_rows: frozenset[str] = frozenset()
    kind: str | None = None
    since: dict[str, float] | None = None

    by_chance = False
    most_trained = 1.0

    @property
    def columns(self) -> list[str]:
        """The column."""
        return [self.name]

    def looked_at(self, column: pd.Series[Any]) -> ByTime:
        """The same with the times at which the parts begin, by the column of all rows."""
        kind = kind_of_times(column, self.name, self.kind)
        ordered = np.sort(times(column, self.name, kind))
        since, share = {}, 0.0
        for part, own in _shares(self).items():
            share += own
            since[part] = begin_of(ordered, len(ordered) - share * len(ordered))
        return replace(self, kind=kind, since=since)

    def of_table(self, frame: pd.DataFrame, rows: np.ndarray, strata: np.ndarray | None) -> dict[str, np.ndarray]:
        """Shares of all rows, as nearly as rows of one time allow."""
        column = frame[self.name].iloc[rows]
        part_of = self.looked_at(column)._parts(column)
        return {part: rows[part_of == number] for number, part in enumerate(PARTS) if (part_of == number).any()}

    def of_piece(self, frame: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
        """By the times at which the parts begin."""
        return self._parts(frame[self.name])

    def _parts(self, column: pd.Series[Any]) -> np.ndarray:
        assert self.since is not None
        assert self.kind is not None
        of_rows, part_of = times(column, self.name, self.kind), np.zeros(len(column), np.int8)
        for part in ("validation", "test"):
            if part in self.since:
                part_of[of_rows >= self.since[part]] = PARTS.index(part)
        return part_of


class Ties(NamedTuple):
    """What keeps rows together, or in order.

    Attributes:
        groups: (rows,) the number of each row's group, or None.
        times: (rows,) or None.
    """

    groups: np.ndarray | None = None
    times: np.ndarray | None = None

    def of(self, rows: np.ndarray) -> Ties:
        """Of some rows."""
        return Ties(*(None if own is None else own[rows] for own in self))


def ties_of(recipe: Recipe, frame: pd.DataFrame) -> Ties:
    """What a recipe's split says of rows, in memory, beside their parts."""
    shares = recipe.data.shares
    if shares is None or not (shares.group or shares.time):
        return Ties()
    if shares.group:
        return Ties(groups=groups_of(frame[shares.group]) if shares.group in frame else None)
    given = recipe.data.features.get(str(shares.time)) if isinstance(recipe.data.features, dict) else None
    column = frame[shares.time]
    return Ties(times=times(column, str(shares.time), kind_of_times(column, str(shares.time), given)))


def filled_by_groups(codes: np.ndarray, shares: dict[str, float], seed: int) -> dict[str, np.ndarray]:
    """Positions of the rows of each part: groups in an order drawn by the seed fill one after the other.

    Args:
        codes: (rows,) numbers of groups, counted from 0.
        shares: Of the rows, by part; what is left is for training.
        seed: 0 or more.
    """
    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(sizes))
    parts, taken = {}, 0
    for part, share in shares.items():
        filled = np.cumsum(sizes[order[taken:]])
        count = 1 + int(np.argmin(np.abs(filled - share * len(codes)))) if len(filled) else 0
        parts[part] = np.flatnonzero(np.isin(codes, order[taken : taken + count]))
        taken += count
    return {"train": np.flatnonzero(np.isin(codes, order[taken:])), **parts}


def groups_of(column: pd.Series[Any]) -> np.ndarray:
    """The number of each row's group, (rows,), counted from 0."""
    return np.asarray(np.unique(parsing.to_text(column).astype(str), return_inverse=True)[1])


def _shares(split: ByShare | ByGroup | ByTime) -> dict[str, float]:
    """In the order in which they are taken."""
    shares = {"test": split.test, "validation": split.validation}
    return {part: share for part, share in shares.items() if share is not None and part not in split.own_rows}


def _drawn(text: str) -> float:
    """A number from 0 to 1 that a text always draws."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=6).digest(), "big") / 2**48


def _below(drawn: np.ndarray, shares: dict[str, float]) -> np.ndarray:
    """The position of each row's part in `PARTS`, by numbers drawn from 0 to 1."""
    part_of, below = np.zeros(len(drawn), np.int8), 0.0
    limits = {part: (below := below + share) for part, share in shares.items()}
    for part, limit in reversed(limits.items()):
        part_of[drawn < limit] = PARTS.index(part)
    return part_of


def begin_of(ordered: np.ndarray, place: float) -> float:
    """The time among those in order at which a new one begins, nearest to a place."""
    begins = np.flatnonzero(np.append(True, np.diff(ordered) > 0))[1:]  # the first is for training
    if not len(begins):
        return np.inf
    return float(ordered[begins[np.argmin(np.abs(begins - place))]])


def take_share(
    rows: np.ndarray, share: float, strata: np.ndarray | None, seed: int, part: str
) -> tuple[np.ndarray, np.ndarray]:
    """Splits off a share of the rows; strata of fewer than two rows stay with the first part."""
    from sklearn.model_selection import train_test_split

    count = max(1, round(share * len(rows)))
    if count >= len(rows):
        raise UserError(f"{len(rows)} rows are too few to split off {part}")
    own = strata[rows] if strata is not None else None
    kept = rows[:0]
    if own is not None:
        _, codes, counts = np.unique(own, return_inverse=True, return_counts=True)
        rare = counts[codes] < 2
        if len(counts) - np.sum(counts < 2) > min(count, (~rare).sum() - count):
            own = None  # fewer places than strata: an even share of each is not possible
        elif rare.any():
            kept, rows, own = rows[rare], rows[~rare], own[~rare]
    first, second = train_test_split(rows, test_size=count, random_state=seed, stratify=own)
    return np.concatenate([first, kept]), second
