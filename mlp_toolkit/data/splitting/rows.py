"""Rows of a recipe are put into the parts that it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlp_toolkit.data.splitting.ways import PARTS, split_of, take_share
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe.spec import Recipe

if TYPE_CHECKING:
    import pandas as pd


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
    parts |= split_of(recipe, own_rows).of_table(frame, np.flatnonzero(given == ""), strata_of(recipe.task, values))
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
            len(rows), share, recipe.seed, "validation", strata=strata_of(recipe.task, values), classes=classes
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


def strata_of(task: str, values: np.ndarray) -> np.ndarray | None:
    """A number for each row, so that each part gets its share of each; multilabel: the set of labels."""
    if task == "regression":
        return None
    if task == "multilabel":
        _, codes, counts = np.unique(values, axis=0, return_inverse=True, return_counts=True)
        codes = codes.reshape(-1)
        return np.where(counts[codes] >= 10, codes, -1)
    return values[:, 0].astype(int)


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
