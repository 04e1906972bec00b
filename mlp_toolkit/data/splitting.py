"""Which rows are for training, validation and test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit import cells
from mlp_toolkit.errors import UserError
from mlp_toolkit.spec import Recipe, Split

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "validation", "test")


def split_rows(
    recipe: Recipe, frame: pd.DataFrame, given: np.ndarray, values: np.ndarray, notes: list[str]
) -> dict[str, np.ndarray]:
    """Positions of the rows of each part: files and columns as given, shares shuffled with the recipe's seed."""
    split = recipe.data.split
    parts = {part: np.flatnonzero(given == part) for part in PARTS}
    open_rows = np.flatnonzero(given == "")
    if isinstance(split, str):
        by_column = split_by_column(frame[split], open_rows, split)
        twice = [part for part in by_column if len(parts[part])]
        if twice:
            raise UserError(
                f"{twice[0]} rows come from data.test_path and from the split column {split!r}: which is meant?"
            )
        parts.update(by_column)
    else:
        strata = _strata(recipe.task, values)
        whole = len(open_rows)
        for part, share in (("test", split.test), ("validation", split.validation)):
            if isinstance(share, float) and not len(parts[part]):
                of_rest = share * whole / len(open_rows)
                open_rows, parts[part] = take(open_rows, min(of_rest, 0.999), strata, recipe.seed, part)
        parts["train"] = open_rows
    for part in PARTS:
        if len(parts[part]) == 0:
            raise UserError(
                f"no row is left for {part}: the data has {len(frame)} rows",
                remedy="Give more rows, or other shares under data.split.",
            )
    if recipe.task in ("binary", "multiclass"):
        _check_classes(values, parts, notes)
    return {part: np.sort(rows) for part, rows in parts.items()}


def hold_out(recipe: Recipe, values: np.ndarray, *, least: int, notes: list[str]) -> dict[str, np.ndarray]:
    """Positions of training and validation rows, for callers who test on rows of their own: no row is for that here.

    Args:
        recipe: Says which share is for validation, or null.
        values: (rows, outputs) as `Dataset.values`; each class keeps a row to train on.
        least: Where the share comes to fewer rows than these, 1 or more, all are trained on.
        notes: What there is to say is added.

    Raises:
        UserError: The recipe gives no share.
    """
    split, rows = recipe.data.split, np.arange(len(values))
    share = split.validation if isinstance(split, Split) else ""
    if isinstance(share, str):
        raise UserError(
            "data.split: rows in memory are split by a share alone", found=split, allowed="a number between 0 and 1"
        )
    train, held_out = rows, rows[:0]
    if share is not None and least <= max(1, round(share * len(rows))) < len(rows):
        train, held_out = take(rows, share, _strata(recipe.task, values), recipe.seed, "validation")
        if recipe.task in ("binary", "multiclass"):
            train, held_out = with_every_class(values[:, 0], train, held_out)
    if not len(held_out):
        why = "as asked" if share is None else f"{share:g} of {len(rows)} rows are too few to choose an epoch by"
        notes.append(f"no validation rows: {why}; the epoch with the lowest training loss is taken")
    return {"train": np.sort(train), "validation": np.sort(held_out), "test": rows[:0]}


def with_every_class(classes: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two parts of the rows; rows of a class that there are only among those held out go over to the others."""
    lost = ~np.isin(classes[held_out], classes[train])
    return np.concatenate([train, held_out[lost]]), held_out[~lost]


def split_by_column(column: pd.Series[Any], rows: np.ndarray, name: str) -> dict[str, np.ndarray]:
    """The rows of each part, by the part's name in a column.

    Raises:
        UserError: The column holds another word.
    """
    text = np.array([str(value).lower() for value in cells.to_text(column)[rows]])
    words = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}
    unknown = sorted(set(text) - set(words))
    if unknown:
        raise UserError(
            f"the split column {name!r} holds other words than the names of the parts",
            found=unknown[0],
            allowed=list(words),
        )
    part_of = np.array([words[word] for word in text])
    return {part: rows[part_of == part] for part in PARTS if (part_of == part).any()}


def _strata(task: str, values: np.ndarray) -> np.ndarray | None:
    """A number for each row, so that each part gets its share of each; multilabel: the set of labels."""
    if task == "regression":
        return None
    if task == "multilabel":
        _, codes, counts = np.unique(values, axis=0, return_inverse=True, return_counts=True)
        codes = codes.reshape(-1)
        return np.where(counts[codes] >= 10, codes, -1)
    return values[:, 0].astype(int)


def take(
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
        absent = every - set(np.unique(values[parts[part]]).tolist())
        if absent and part == "train":
            raise UserError(f"{len(absent)} of {len(every)} classes have no row to train on; they have too few rows")
        if absent:
            notes.append(f"{len(absent)} of {len(every)} classes have too few rows to be among the {part} rows")
