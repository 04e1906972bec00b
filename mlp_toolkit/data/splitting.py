"""Which part each row is in: for training, validation or test.

A recipe says so in one of several ways, and each is a kind of `Split`: by shares, by a column, and where others come, a
class more below and a line in `split_of`. Every kind answers for a table that is read whole, and for a piece of one
that is not.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe.spec import Recipe

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "validation", "test")
STREAMED_SHARE = 0.15  # of rows that are streamed, in place of folds
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
    if recipe.data.in_folds and streamed:
        validation = STREAMED_SHARE
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

    def _shares(self) -> dict[str, float]:
        """In the order in which they are taken."""
        shares = {"test": self.test, "validation": self.validation}
        return {part: share for part, share in shares.items() if share is not None and part not in self.own_rows}

    def of_table(self, frame: pd.DataFrame, rows: np.ndarray, strata: np.ndarray | None) -> dict[str, np.ndarray]:
        """Exact shares of all rows."""
        parts, whole = {}, len(rows)
        for part, share in self._shares().items():
            of_rest = share * whole / len(rows)
            rows, parts[part] = take_share(rows, min(of_rest, 0.999), strata, self.seed, part)
        return {"train": rows, **parts}

    def of_piece(self, frame: pd.DataFrame, random: np.random.Generator) -> np.ndarray:
        """Each row by chance: how many there are in all is not known here."""
        part_of, drawn = np.zeros(len(frame), np.int8), random.random(len(frame))
        below, shares = 0.0, self._shares()
        limits = {part: (below := below + share) for part, share in shares.items()}
        for part, limit in reversed(limits.items()):
            part_of[drawn < limit] = PARTS.index(part)
        return part_of


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


def split_rows(
    recipe: Recipe, frame: pd.DataFrame, given: np.ndarray, values: np.ndarray, notes: list[str]
) -> dict[str, np.ndarray]:
    """Positions of the rows of each part.

    Args:
        recipe: Says how they are split.
        frame: All rows.
        given: For each row the part that its file is for, or "".
        values: (rows, outputs) as `Dataset.values`.
        notes: What there is to say is added.

    Raises:
        UserError: No row is left for a part, or a class has no row to train on.
    """
    parts = {part: np.flatnonzero(given == part) for part in PARTS}
    own_rows = [part for part, rows in parts.items() if len(rows)]
    parts |= split_of(recipe, own_rows).of_table(frame, np.flatnonzero(given == ""), _strata(recipe.task, values))
    for part in PARTS:
        if len(parts[part]) == 0 and not (part == "validation" and recipe.data.in_folds):
            raise UserError(
                f"no row is left for {part}: the data has {len(frame)} rows",
                remedy="Give more rows, or other shares under data.split.",
            )
    if recipe.task in ("binary", "multiclass"):
        _check_classes(values, parts, notes)
    return {part: np.sort(rows) for part, rows in parts.items()}


def split_in_memory(recipe: Recipe, values: np.ndarray, *, least: int, notes: list[str]) -> dict[str, np.ndarray]:
    """Positions of training and validation rows, for callers who test on rows of their own: no row is for that here.

    Args:
        recipe: Says which share is for validation, or null.
        values: (rows, outputs) as `Dataset.values`; each class keeps a row to train on.
        least: Where the share comes to fewer rows than these, 1 or more, all are trained on.
        notes: What there is to say is added.

    Raises:
        UserError: The recipe gives no share.
    """
    shares, rows = recipe.data.shares, np.arange(len(values))
    share = shares.validation if shares else ""
    if recipe.data.in_folds:
        return {"train": rows, "validation": rows[:0], "test": rows[:0]}
    if isinstance(share, str):
        raise UserError(
            "data.split: rows in memory are split by a share alone",
            found=recipe.data.split,
            allowed="a number between 0 and 1",
        )
    train, held_out = rows, rows[:0]
    if share is not None and least <= max(1, round(share * len(rows))) < len(rows):
        classes = values[:, 0] if recipe.task in ("binary", "multiclass") else None
        train, held_out = hold_out(
            len(rows), share, recipe.seed, "validation", strata=_strata(recipe.task, values), classes=classes
        )
    if not len(held_out):
        why = "as asked" if share is None else f"{share:g} of {len(rows)} rows are too few to choose an epoch by"
        notes.append(f"no validation rows: {why}; the epoch with the lowest training loss is taken")
    return {"train": train, "validation": held_out, "test": rows[:0]}


def hold_out(
    rows: int, share: float, seed: int, part: str, *, strata: np.ndarray | None, classes: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions, in order, of the rows that stay for training, and of a share that is held out.

    Args:
        rows: How many rows there are.
        share: Above 0 and below 1.
        seed: 0 or more.
        part: What the rows are held out for, in messages.
        strata: (rows,) as `Split.of_table` takes them, or None.
        classes: (rows,): rows of a class that there are only among those held out stay; or None.
    """
    train, held_out = take_share(np.arange(rows), share, strata, seed, part)
    if classes is not None:
        lost = ~np.isin(classes[held_out], classes[train])
        train, held_out = np.concatenate([train, held_out[lost]]), held_out[~lost]
    return np.sort(train), np.sort(held_out)


def folds_of(
    recipe: Recipe, values: np.ndarray, parts: dict[str, np.ndarray], folds: int, seed: int
) -> list[dict[str, np.ndarray]]:
    """The parts of each fold of a cross-validation over the training and validation rows; test rows are in none.

    Each fold is the `test` of one; what is left of the rows gives up the recipe's share for validation.

    Args:
        recipe: Says which share is for validation; where files or a column say it, the share that they make.
        values: (rows, outputs) as `Dataset.values`.
        parts: As `Dataset.parts`.
        folds: 2 or more.
        seed: Of the drawing.

    Raises:
        UserError: There are fewer rows than folds, or a class has too few rows to be in each.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    pool = np.sort(np.concatenate([parts["train"], parts["validation"]]))
    if folds > len(pool) // 2:
        raise UserError(f"{len(pool)} rows for training and validation are too few for {folds} folds", place="folds")
    strata = _strata(recipe.task, values[pool])
    classed = recipe.task in ("binary", "multiclass")
    if classed and (rarest := int(np.unique(values[pool, 0], return_counts=True)[1].min())) < folds:
        raise UserError(f"a class has {rarest} rows, fewer than the {folds} folds", place="folds")
    if strata is not None and np.unique(strata, return_counts=True)[1].min() < folds:
        strata = None
    kind = KFold if strata is None else StratifiedKFold
    share = recipe.data.shares.validation if recipe.data.shares else None
    share = share if isinstance(share, float) else len(parts["validation"]) / len(pool)
    found = []
    for rest, held in kind(folds, shuffle=True, random_state=seed).split(pool, strata):
        if recipe.data.in_folds:
            found.append({"train": pool[rest], "validation": pool[:0], "test": pool[held]})
            continue
        own = values[pool[rest]]
        train, validation = hold_out(
            len(rest),
            share,
            seed,
            "validation",
            strata=_strata(recipe.task, own),
            classes=own[:, 0] if classed else None,
        )
        found.append({"train": pool[rest[train]], "validation": pool[rest[validation]], "test": pool[held]})
    return found


def member_folds(recipe: Recipe, values: np.ndarray) -> np.ndarray:
    """For each training row the member of the ensemble that holds it out, (rows,) int32; of classes a like share each.

    Of few rows some members hold out none.

    Args:
        recipe: Says how many members there are.
        values: (rows, outputs) as `Dataset.values`, of the training rows.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    folds = min(recipe.model.ensemble, max(2, len(values) // 2))
    held_by = np.full(len(values), -1, np.int32)
    if len(values) < folds:
        return held_by
    strata = _strata(recipe.task, values)
    if strata is not None and np.unique(strata, return_counts=True)[1].max() < folds:
        strata = None
    kind = KFold if strata is None else StratifiedKFold
    with warnings.catch_warnings():  # a rare class is not in every fold, which is all that can be done
        warnings.filterwarnings("ignore", message="The least populated class")
        divided = kind(folds, shuffle=True, random_state=recipe.seed).split(held_by, strata)
        for fold, (_, held) in enumerate(divided):
            held_by[held] = fold
    return held_by


def _strata(task: str, values: np.ndarray) -> np.ndarray | None:
    """A number for each row, so that each part gets its share of each; multilabel: the set of labels."""
    if task == "regression":
        return None
    if task == "multilabel":
        _, codes, counts = np.unique(values, axis=0, return_inverse=True, return_counts=True)
        codes = codes.reshape(-1)
        return np.where(counts[codes] >= 10, codes, -1)
    return values[:, 0].astype(int)


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


def _check_classes(values: np.ndarray, parts: dict[str, np.ndarray], notes: list[str]) -> None:
    """Each class must be in the training rows; a class with few rows may be absent elsewhere."""
    every = set(np.unique(values).tolist())
    for part in PARTS:
        if not len(parts[part]):
            continue
        absent = every - set(np.unique(values[parts[part]]).tolist())
        if absent and part == "train":
            raise UserError(f"{len(absent)} of {len(every)} classes have no row to train on; they have too few rows")
        if absent:
            notes.append(f"{len(absent)} of {len(every)} classes have too few rows to be among the {part} rows")
