"""From which probability on a row has a label: chosen on rows that the network has not learnt.

The threshold with the best score on the rows that it is chosen by is too good there, the more so the fewer of them have
the label. So it is chosen on parts of the rows, and each choice is tried on the others: the middle of the choices is
taken, where they are better in most samples of the rows that they were not chosen by. Else it is what the metric calls
for where probabilities are right: of costs false_positive / (false_positive + false_negative), of
balanced accuracy the share of rows with the label (both C. Elkan, 2001), of others 0.5. Where the rows say that 0.5
is better than that, probabilities are not right, and it is 0.5.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mlp_toolkit.errors import number
from mlp_toolkit.recipe.spec import Decision

USUAL = 0.5
FOLDS, REPEATS = 4, 5
MOST_CUTS = 500
DRAWS, MOST = 200, 0.5
LEAST_ROWS = 5  # of each side, or the threshold stays


class Choice(NamedTuple):
    """A threshold, and how much better it is.

    Attributes:
        threshold: Above 0 and below 1.
        chosen: Whether the rows speak for it; else it is what the metric calls for.
        score: On rows that it was not chosen by; of costs the mean of a row, lower is better.
        usual: The same at 0.5.
        low: The least of the thresholds chosen on parts of the rows.
        high: The greatest.
    """

    threshold: float
    chosen: bool
    score: float
    usual: float
    low: float
    high: float


def choose(true: np.ndarray, chance: np.ndarray, decision: Decision, seed: int) -> Choice | None:
    """The threshold of a label; None where too few rows have it, or lack it.

    Args:
        true: (rows,) of 0 and 1.
        chance: (rows,) probabilities of rows that the network has not learnt.
        decision: What is to be best.
        seed: Of the parts.
    """
    from sklearn.model_selection import RepeatedStratifiedKFold

    true, chance = true.astype(int), chance.astype(np.float64)
    if min(true.sum(), len(true) - true.sum()) < LEAST_ROWS:
        return None
    parts = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=seed)
    cuts, decided = [], np.zeros((REPEATS, len(true)), bool)
    for place, (own, others) in enumerate(parts.split(chance[:, None], true)):
        cuts.append(best_cut(true[own], chance[own], decision))
        decided[place // FOLDS, others] = chance[others] >= cuts[-1]
    by_rule = _called_for(true, decision)
    if by_rule != USUAL and _mostly_better(true, (chance >= USUAL)[None], chance >= by_rule, decision, seed):
        by_rule = USUAL
    chosen = _mostly_better(true, decided, chance >= by_rule, decision, seed)
    told = decided if chosen else (chance >= by_rule)[None]
    score = float(np.mean([goodness(_counts(true, own), decision) for own in told]))
    usual = float(goodness(_counts(true, chance >= USUAL), decision))
    sign = -1 if decision.metric == "cost" else 1
    cut = float(np.median(cuts)) if chosen else by_rule
    return Choice(cut, chosen, sign * score, sign * usual, min(cuts), max(cuts))


def _called_for(true: np.ndarray, decision: Decision) -> float:
    """The threshold that is best where probabilities are right, as far as that is known without the rows."""
    if decision.cost is not None:
        return decision.cost.false_positive / (decision.cost.false_positive + decision.cost.false_negative)
    return float(true.mean()) if decision.metric == "balanced_accuracy" else USUAL


def _mostly_better(true: np.ndarray, decided: np.ndarray, by_rule: np.ndarray, decision: Decision, seed: int) -> bool:
    """Whether decisions are better than others in most samples that are drawn from the rows."""
    random, wins = np.random.default_rng(seed), 0
    for _ in range(DRAWS):
        rows = random.integers(0, len(true), len(true))
        own = decided[random.integers(0, len(decided))]
        better = goodness(_counts(true[rows], own[rows]), decision)
        wins += int(better > goodness(_counts(true[rows], by_rule[rows]), decision))
    return wins > MOST * DRAWS


def note(choice: Choice | None, decision: Decision, name: str) -> str:
    """What was chosen, in a sentence.

    Args:
        choice: As `choose` gives it.
        decision: What was to be best.
        name: The label.
    """
    if choice is None:
        return f"threshold of {name!r}: 0.5; fewer than {LEAST_ROWS} rows with it, or without, are too few to choose by"
    metric = "cost of a row" if decision.metric == "cost" else decision.metric
    said = f"threshold of {name!r}: {choice.threshold:.3g}: {metric} {number(choice.score)}"
    if not choice.chosen:
        others = (
            f"others are not better in most samples: parts of the rows choose {choice.low:.3g} to {choice.high:.3g}"
        )
        return f"{said}, {number(choice.usual)} at 0.5; {others}"
    return (
        f"{said} instead of {number(choice.usual)} at 0.5, on rows that it was not chosen by; parts of the rows choose "
        f"{choice.low:.3g} to {choice.high:.3g}"
    )


def best_cut(true: np.ndarray, chance: np.ndarray, decision: Decision) -> float:
    """The threshold, half way between two probabilities, at which these rows are decided best."""
    levels = np.unique(chance)
    cuts = np.concatenate([levels[:1] / 2, (levels[1:] + levels[:-1]) / 2, (1 + levels[-1:]) / 2])
    if len(cuts) > MOST_CUTS:
        cuts = cuts[np.linspace(0, len(cuts) - 1, MOST_CUTS).astype(int)]
    having, others = np.sort(chance[true == 1]), np.sort(chance[true == 0])
    missed, let_be = np.searchsorted(having, cuts), np.searchsorted(others, cuts)
    found = goodness(np.stack([len(having) - missed, len(others) - let_be, missed, let_be]), decision)
    best = np.flatnonzero(found >= found.max() - 1e-12)
    return float(cuts[best[np.argmin(np.abs(cuts[best] - USUAL))]])


def _counts(true: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Right and wrong positives, missed ones, and right negatives."""
    right = (true == 1) & told
    return np.array([right.sum(), told.sum() - right.sum(), true.sum() - right.sum(), ((true == 0) & ~told).sum()])


def goodness(counts: np.ndarray, decision: Decision) -> np.ndarray:
    """How good decisions are, the higher the better; the cost is counted below zero.

    Args:
        counts: (4, …) right and wrong positives, missed ones, and right negatives.
        decision: By what.
    """
    hit, false, missed, right = counts.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if decision.metric == "f1":
            return np.asarray(np.nan_to_num(2 * hit / (2 * hit + false + missed)))
        if decision.metric == "balanced_accuracy":
            return np.asarray(np.nan_to_num(hit / (hit + missed) + right / (right + false)) / 2)
        if decision.metric == "mcc":
            across = (hit + false) * (hit + missed) * (right + false) * (right + missed)
            return np.asarray(np.nan_to_num((hit * right - false * missed) / np.sqrt(across)))
    assert decision.cost is not None
    cost = decision.cost.false_positive * false + decision.cost.false_negative * missed
    return np.asarray(-cost / counts.sum(axis=0))
