"""Folds: of a cross-validation, and those that the members of an ensemble hold out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from mlp_toolkit.data.splitting.rows import hold_out, strata_of
from mlp_toolkit.data.splitting.ways import STREAMED_SHARE, Ties, begin_of, filled_by_groups
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe.spec import Recipe


def folds_of(
    recipe: Recipe, values: np.ndarray, parts: dict[str, np.ndarray], folds: int, ties: Ties
) -> list[dict[str, np.ndarray]]:
    """The parts of each fold of a cross-validation over the training and validation rows; test rows are in none.

    Each fold is the `test` of one; what is left of the rows gives up the recipe's share for validation. Rows of a group
    are in one fold. Rows in time make folds that go forward: one more than asked, of which each but the first is
    predicted by what came before it.

    Args:
        recipe: Says which share is for validation; where files or a column say it, the share that they make.
        values: (rows, outputs) as `Dataset.values`.
        parts: As `Dataset.parts`.
        folds: 2 or more.
        ties: Of all rows.

    Raises:
        UserError: There are fewer rows, groups or times than folds, or a class has too few rows to be in each.
    """
    seed = recipe.seed
    pool = np.sort(np.concatenate([parts["train"], parts["validation"]]))
    if folds > len(pool) // 2:
        raise UserError(f"{len(pool)} rows for training and validation are too few for {folds} folds", place="folds")
    classed, ties = recipe.task in ("binary", "multiclass"), ties.of(pool)
    if classed and (rarest := int(np.unique(values[pool, 0], return_counts=True)[1].min())) < folds:
        raise UserError(f"a class has {rarest} rows, fewer than the {folds} folds", place="folds")
    share = recipe.data.shares.validation if recipe.data.shares else None
    if not isinstance(share, float):
        share = STREAMED_SHARE if recipe.data.in_folds else len(parts["validation"]) / len(pool)
    found = []
    for rest, held in _divided(recipe, values[pool], folds, seed, ties):
        if recipe.data.in_folds and ties.times is None:
            found.append({"train": pool[rest], "validation": pool[:0], "test": pool[held]})
            continue
        own, of_rest = values[pool[rest]], ties.of(rest)
        if of_rest.times is not None:
            late = of_rest.times >= begin_of(np.sort(of_rest.times), len(rest) * (1 - share))
            train, validation = np.flatnonzero(~late), np.flatnonzero(late)
        elif of_rest.groups is not None:
            both = filled_by_groups(of_rest.groups, {"validation": share}, seed)
            train, validation = both["train"], both["validation"]
        else:
            classes = own[:, 0] if classed else None
            strata = strata_of(recipe.task, own)
            train, validation = hold_out(len(rest), share, seed, "validation", strata=strata, classes=classes)
        if not len(train) or not len(validation):
            raise UserError(f"a fold has no rows left for {'validation' if len(train) else 'train'}", place="folds")
        found.append({"train": pool[rest[train]], "validation": pool[rest[validation]], "test": pool[held]})
    return found


def _divided(
    recipe: Recipe, values: np.ndarray, folds: int, seed: int, ties: Ties
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each fold the positions of the rows that are learnt, and of those that are predicted."""
    from sklearn import model_selection

    strata = strata_of(recipe.task, values)
    if strata is not None and np.unique(strata, return_counts=True)[1].min() < folds:
        strata = None
    if ties.times is not None:
        ordered, block = np.sort(ties.times), np.zeros(len(values), int)
        for number in range(1, folds + 1):
            block += ties.times >= begin_of(ordered, number * len(ordered) / (folds + 1))
        if len(np.unique(block)) < folds + 1:
            raise UserError(f"there are too few different times for {folds} folds that go forward", place="folds")
        for number in range(1, folds + 1):
            yield np.flatnonzero(block < number), np.flatnonzero(block == number)
        return
    if ties.groups is None:
        kind = model_selection.KFold if strata is None else model_selection.StratifiedKFold
        yield from kind(folds, shuffle=True, random_state=seed).split(values, strata)
        return
    if (groups := len(np.unique(ties.groups))) < folds:
        raise UserError(f"there are {groups} groups, fewer than the {folds} folds", place="folds")
    of_groups = model_selection.GroupKFold if strata is None else model_selection.StratifiedGroupKFold
    yield from of_groups(folds, shuffle=True, random_state=seed).split(values, strata, ties.groups)


def member_folds(recipe: Recipe, values: np.ndarray, ties: Ties) -> np.ndarray:
    """For each training row the member of the ensemble that holds it out, (rows,) int32; of classes a like share each.

    Of few rows some members hold out none; rows of a group are held out by the same member.

    Args:
        recipe: Says how many members there are.
        values: (rows, outputs) as `Dataset.values`, of the training rows.
        ties: Of the training rows.
    """
    folds = min(recipe.model.ensemble, max(2, len(values) // 2))
    if ties.groups is not None:
        folds = min(folds, len(np.unique(ties.groups)))
    held_by = np.full(len(values), -1, np.int32)
    if len(values) < folds or folds < 2:
        return held_by
    with warnings.catch_warnings():  # a rare class is not in every fold, which is all that can be done
        warnings.filterwarnings("ignore", message="The least populated class")
        divided = _divided(recipe, values, folds, recipe.seed, Ties(groups=ties.groups))
        for fold, (_, held) in enumerate(divided):
            held_by[held] = fold
    return held_by
