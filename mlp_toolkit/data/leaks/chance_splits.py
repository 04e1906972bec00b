"""Cautions where rows are split by chance and those on both sides know each other's targets.

A patient's rows are alike, and so are those of one week. Where some of them are learnt and others tested, the score
tells how well the network knows these patients and weeks, not how well it does on others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mlp_toolkit.data.columns.kinds import Kinds
from mlp_toolkit.data.leaks.ties import groups_in, times_in
from mlp_toolkit.recipe.spec import Recipe

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROWS = 30  # of the test that are known by their group
SHARED = 0.3  # share of the test rows that are
EXPLAINED = 0.1  # share of the target's variance that the others tell
SURE = 3.0  # times the error of that gain: chance reaches it in 1 of 700 tables
MOST_CLASSES = 20  # that are looked at: each takes a number for every row
SPANS = 20  # of time, with equal rows each


class Known(NamedTuple):
    """What training rows tell of the test rows that belong to them.

    Attributes:
        share: Of the test rows, those that belong to a training row.
        explained: The share of the target's variance among these that the mean of their training rows explains.
        sure: The gain over the mean of all, in its standard errors.
        rows: How many there are.
    """

    share: float
    explained: float
    sure: float
    rows: int


def cautions(
    recipe: Recipe, frame: pd.DataFrame, kinds: Kinds, values: np.ndarray, parts: Mapping[str, np.ndarray]
) -> list[str]:
    """A sentence where rows of one identifier, and one where rows of one time, are on both sides of a split by chance.

    Args:
        recipe: Says how rows are split.
        frame: All rows, as read.
        kinds: The kind of each feature.
        values: (rows, outputs) as `Dataset.values`.
        parts: Positions of the rows of each part.
    """
    shares = recipe.data.shares
    by_chance = shares is not None and not (shares.group or shares.time) and isinstance(shares.test, float)
    if not by_chance or recipe.data.test_path or len(parts["test"]) < LEAST_ROWS:
        return []
    besides, said = recipe.data.no_features, []
    tied, timed = groups_in(frame, kinds, besides), times_in(frame, kinds, besides)
    if not tied and not timed:
        return []
    targets = _numbers(values, recipe.task, parts["train"])
    groups = [(found, tie) for tie in tied if _counts(found := known(tie.codes, targets, parts))]
    if groups:
        found, (name, reason, _) = max(groups, key=lambda group: group[0].explained)
        said.append(
            f"rows of one {name!r} ({reason}) are among the training and the test rows, as {found.share:.0%} of the "
            f"latter: the mean of its training rows alone explains {found.explained:.0%} of the target's variance "
            f"there. Will new rows have values of their own? Then the scores are too good: data.split.group: {name}"
        )
    drifts = []
    for tie in timed:
        edges = np.quantile(tie.codes[parts["train"]], np.linspace(0, 1, SPANS + 1)[1:-1])
        found = known(np.searchsorted(edges, tie.codes), targets, parts, together=False)
        drifts += [(found, tie)] if _counts(found) else []
    if drifts:
        found, (name, reason, _) = max(drifts, key=lambda drift: drift[0].explained)
        said.append(
            f"the target drifts with {name!r} ({reason}): the mean of its time alone explains {found.explained:.0%} of "
            f"its variance, and test rows lie between training rows. Will new rows be later? Then the scores are too "
            f"good: data.split.time: {name}"
        )
    return said


def _counts(found: Known) -> bool:
    enough = found.rows >= LEAST_ROWS and found.share >= SHARED
    return enough and found.explained >= EXPLAINED and found.sure >= SURE


def _numbers(values: np.ndarray, task: str, train: np.ndarray) -> np.ndarray:
    """Targets of which a mean says something: of several classes 0 and 1 for each, of many for the commonest.

    Several numbers count alike; of classes and labels the common ones count more, a row of a rare one tells nothing.
    """
    if task == "regression":
        spread = values[train].std(axis=0)
        return np.asarray(values / np.where(spread > 0, spread, 1), np.float64)
    if task != "multiclass":
        return np.asarray(values, np.float64)
    classes, rows = np.unique(values[:, 0], return_counts=True)
    return np.asarray(values[:, :1] == classes[np.argsort(-rows, kind="stable")[:MOST_CLASSES]], np.float64)


def known(codes: np.ndarray, targets: np.ndarray, parts: Mapping[str, np.ndarray], *, together: bool = True) -> Known:
    """How well the training rows of a group tell the targets of its test rows.

    The mean of a group counts the mean of all as one more row: that of a single row says little.

    Args:
        codes: (rows,) the group of each row; -1 where there is none.
        targets: (rows, outputs).
        parts: Positions of the rows of each part.
        together: The rows of a group are no independent evidence of the gain.
    """
    train, test = (parts[part][codes[parts[part]] >= 0] for part in ("train", "test"))
    y = targets - targets[parts["train"]].mean(axis=0)
    groups = int(codes.max(initial=-1)) + 1
    counts = np.bincount(codes[train], minlength=groups)
    test = test[counts[codes[test]] > 0]
    if not len(test):
        return Known(0.0, 0.0, 0.0, 0)
    sums = np.stack([np.bincount(codes[train], own, groups) for own in y[train].T], axis=1)
    told = (sums / (counts + 1)[:, None])[codes[test]]
    usual = np.square(y[test]).sum(axis=1)
    gain = usual - np.square(y[test] - told).sum(axis=1)
    of_group = np.bincount(codes[test], gain, groups)[np.unique(codes[test])] if together else gain
    apart = of_group - of_group.mean()
    error = float(np.sqrt(np.square(apart).sum()))
    sure = float(gain.sum()) / error if error > 0 else 0.0
    return Known(len(test) / len(parts["test"]), float(gain.sum() / max(usual.sum(), 1e-12)), sure, len(test))
