"""How far scores may lie from those of many rows: 95 % intervals, by drawing the rows anew from themselves.

The bootstrap (B. Efron, 1979). Shares of right rows have Wilson's interval (E. B. Wilson, 1927), which leaves doubt
even where every row is right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import number

LEVEL = 0.95
DRAWS = 1_000
MOST_ROWS = 8_000  # are drawn; of more rows so many, and the width is that of all
VALUES_AT_ONCE = 2**22
SHARES = ("accuracy", "subset_accuracy")
FEW = 50  # test rows: of fewer it is said what they leave open


def score_intervals(
    values: np.ndarray, outputs: np.ndarray, target: Target, scores: dict[str, float], groups: np.ndarray | None = None
) -> dict[str, list[float]]:
    """For each score the interval that holds, in 95 of 100 such samples, the score of many rows.

    Args:
        values: (rows, outputs) true values, as `metrics.score` takes them.
        outputs: (rows, outputs) predictions.
        target: What was predicted.
        scores: The scores of these rows by name.
        groups: (rows,) numbers; rows of a group are drawn together; None draws each by itself.

    Returns:
        (low, high) by name; of fewer than two rows or groups none.
    """
    units = len(values) if groups is None else len(np.unique(groups))
    if units < 2:
        return {}
    rows = len(values)
    if groups is None:
        picked = looked_at(rows)
        values, outputs = values[picked], outputs[picked]
    narrower = np.sqrt(len(values) / rows)
    whole = scores_of_samples(values, outputs, target, np.ones((1, len(values))), scores)
    drawn = drawn_scores(values, outputs, target, groups, names=scores)
    found = {}
    for name, score in scores.items():
        if groups is None and name in SHARES:
            found[name] = list(wilson(round(score * rows), rows))
            continue
        told = drawn[name][np.isfinite(drawn[name])] if name in drawn else np.zeros(0)
        if len(told) < DRAWS // 2:
            continue  # most samples do not define it
        low, high = np.quantile(told, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - whole[name][0]
        found[name] = [score + float(low) * narrower, score + float(high) * narrower]
    return found


def looked_at(rows: int) -> np.ndarray:
    """The rows that are drawn from: of more than 8,000 so many, the same each time."""
    if rows <= MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))


def wilson(right: int, rows: int) -> tuple[float, float]:
    """Wilson's interval of a share."""
    from scipy import stats

    low, high = stats.binomtest(right, rows).proportion_ci(LEVEL, method="wilson")
    return float(low), float(high)


def note_on_few_rows(values: np.ndarray, outputs: np.ndarray, target: Target, validation: int) -> list[str]:
    """A caution where fewer than 50 test rows give the scores, with the range that they leave open; or none.

    Args:
        values: (rows, outputs) true values of the test rows.
        outputs: (rows, outputs) predictions of them.
        target: What was predicted.
        validation: How many rows chose the best epoch.
    """
    rows = len(values)
    if rows >= FEW:
        return []
    if target.task == "regression":
        low, high = np.quantile(drawn_scores(values, outputs, target)["rmse"], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        found = f"the {_rows(rows)} of the test, drawn anew, give an rmse of {number(low)} to {number(high)}"
    else:
        right = int((target.decided(outputs) == values).all(axis=1).sum())
        low, high = wilson(right, rows)
        found = f"{right} of {rows} test rows are right, which leaves open {low:.0%} to {high:.0%} of many"
    chosen = f"; {_rows(validation)} for validation chose the best epoch" if validation < FEW else ""
    return [f"few rows: {found}{chosen}. Other splits and seeds show how much that varies"]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def drawn_scores(
    values: np.ndarray,
    outputs: np.ndarray,
    target: Target,
    groups: np.ndarray | None = None,
    *,
    names: Collection[str] | None = None,
    draws: int = DRAWS,
) -> dict[str, np.ndarray]:
    """Scores of samples as large as the rows, drawn from them; the same samples for as many rows.

    Args:
        values: (rows, outputs) true values.
        outputs: (rows, outputs) predictions.
        target: What was predicted.
        groups: As `score_intervals` takes them.
        names: As `scores_of_samples` takes them.
        draws: How many samples.

    Returns:
        (draws,) by name; NaN where a sample does not define the score.
    """
    samples = _samples(len(values), groups, draws)
    parts = [scores_of_samples(values, outputs, target, counts, names) for counts in samples]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _samples(rows: int, groups: np.ndarray | None, number: int) -> Iterator[np.ndarray]:
    """How often each row is in each sample, (samples, rows), in parts that fit into memory."""
    random = np.random.default_rng(1)
    codes = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(codes.max()) + 1
    at_once = max(1, VALUES_AT_ONCE // rows)
    for start in range(0, number, at_once):
        draws = random.integers(0, units, (min(at_once, number - start), units))
        counts = np.stack([np.bincount(draw, minlength=units) for draw in draws])
        yield counts.astype(np.float32)[:, codes]  # whole numbers, exact up to 16 million; half as wide to carry about


def scores_of_samples(
    values: np.ndarray,
    outputs: np.ndarray,
    target: Target,
    counts: np.ndarray,
    names: Collection[str] | None = None,
) -> dict[str, np.ndarray]:
    """Scores of samples, (samples,) by name, as scikit-learn defines them with sample weights.

    Args:
        values: (rows, outputs) true values.
        outputs: (rows, outputs) predictions.
        target: What was predicted.
        counts: (samples, rows) how often each row is in each sample.
        names: Those wanted: areas below curves, which take most of the time, are left out where none is. None: all.
    """
    of = {"regression": _regression, "binary": _binary, "multilabel": _multilabel, "multiclass": _multiclass}
    areas_too = names is None or any("auc" in name for name in names)
    with np.errstate(divide="ignore", invalid="ignore"):  # of samples without a class: NaN
        return of[target.task](values, outputs.astype(np.float64), target, counts, areas_too)


def _regression(y: np.ndarray, p: np.ndarray, target: Target, counts: np.ndarray, _: bool) -> dict[str, np.ndarray]:
    rows = counts.sum(axis=1, keepdims=True)
    apart = y - y.mean(axis=0)  # beside a large offset squares would lose their last digits
    squares = counts @ np.square(y - p) / rows
    spread = counts @ np.square(apart) / rows - np.square(counts @ apart / rows)
    return {
        "rmse": np.sqrt(squares).mean(axis=1),
        "mae": (counts @ np.abs(y - p) / rows).mean(axis=1),
        "r2": (1 - squares / spread).mean(axis=1),
    }


def _binary(y: np.ndarray, p: np.ndarray, target: Target, counts: np.ndarray, areas_too: bool) -> dict[str, np.ndarray]:
    true, chance, label = y[:, 0], p[:, 0], target.decided(p)[:, 0]
    right = np.where(true > 0, chance, 1 - chance)
    of_rows = [
        np.ones(len(y)),
        label == true,
        np.log(np.maximum(right, np.finfo(right.dtype).eps)),
        np.square(chance - true),
        true * label,
        true,
        label,
    ]
    rows, correct, logs, squares, both, having, told = (counts @ np.stack(of_rows, axis=1)).T
    neither = rows - having - told + both
    found = {
        "accuracy": correct / rows,
        "log_loss": -logs / rows,
        "f1": np.nan_to_num(2 * both / (having + told)),
        "brier": squares / rows,
        "balanced_accuracy": (both / having + neither / (rows - having)) / 2,
    }
    return found | (dict(zip(("auc", "pr_auc"), areas(true, chance, counts), strict=True)) if areas_too else {})


def _multilabel(
    y: np.ndarray, p: np.ndarray, target: Target, counts: np.ndarray, areas_too: bool
) -> dict[str, np.ndarray]:
    label, rows = target.decided(p), counts.sum(axis=1)
    both, either = counts @ (y * label), counts @ (y + label)
    f1 = np.nan_to_num(2 * both / either)
    found = {
        "micro_f1": 2 * both.sum(axis=1) / either.sum(axis=1),
        "macro_f1": f1.mean(axis=1),
        "hamming_loss": counts @ (y != label).mean(axis=1) / rows,
        "subset_accuracy": counts @ (y == label).all(axis=1) / rows,
    }
    if areas_too:
        aucs = [areas(true, chance, counts)[0] for true, chance in zip(y.T, p.T, strict=True)]
        found["macro_auc"] = _mean_of_known(np.stack(aucs, axis=1))
    return found


def _multiclass(
    y: np.ndarray, p: np.ndarray, target: Target, counts: np.ndarray, areas_too: bool
) -> dict[str, np.ndarray]:
    """Means over the classes that a sample has."""
    true, rows = y[:, 0].astype(int), counts.sum(axis=1)
    chances = p / p.sum(axis=1, keepdims=True)
    every = np.arange(len(target.classes))
    known, chosen = true[:, None] == every, target.decided(chances) == every
    both, having, told = (counts @ of.astype(np.float64) for of in (known & chosen, known, chosen))
    of_true = np.maximum(chances[np.arange(len(true)), true], np.finfo(np.float64).eps)
    found = {
        "accuracy": both.sum(axis=1) / rows,
        "log_loss": -(counts @ np.log(of_true)) / rows,
        "macro_f1": _mean_of_known(2 * both / (having + told)),
        "balanced_accuracy": _mean_of_known(both / having),
    }
    if areas_too:
        aucs = [areas(own, chance, counts)[0] for own, chance in zip(known.T, chances.T, strict=True)]
        found["macro_auc"] = _mean_of_known(np.stack(aucs, axis=1))
    return found


def _mean_of_known(scores: np.ndarray) -> np.ndarray:
    known = np.isfinite(scores)
    return np.asarray(np.where(known, scores, 0).sum(axis=1) / known.sum(axis=1))


def areas(true: np.ndarray, chance: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area under the ROC curve, and average precision, of rows that count so often, (samples,) each.

    Args:
        true: (rows,) of 0 and 1.
        chance: (rows,) scores, the higher the likelier.
        counts: (samples, rows).
    """
    order = np.argsort(-chance, kind="stable")
    having, own = true[order].astype(counts.dtype), counts[:, order]
    starts = np.flatnonzero(np.append(True, np.diff(chance[order]) != 0))  # rows of one score come together
    more_right, more = own * having, own
    if len(starts) < len(order):
        more_right, more = (np.add.reduceat(counted, starts, axis=1) for counted in (more_right, more))
    right, told = np.cumsum(more_right, axis=1), np.cumsum(more, axis=1)
    every, others = right[:, -1], told[:, -1] - right[:, -1]
    precision = np.divide(right, told, out=np.zeros_like(told), where=told > 0)
    below = np.einsum("ij,ij->i", more - more_right, right - more_right / 2, dtype=np.float64)
    mean = np.einsum("ij,ij->i", more_right, precision, dtype=np.float64) / every
    return below / every / others, np.where(others > 0, mean, np.nan)
