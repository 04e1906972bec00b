"""How far scores may lie from those of many rows: 95 % intervals, by drawing the rows anew from themselves.

The bootstrap (B. Efron, 1979). Shares of right rows have Wilson's interval (E. B. Wilson, 1927), which leaves doubt
even where every row is right.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlp_toolkit.data.targets import Target

LEVEL = 0.95
DRAWS = 1_000
MOST_ROWS = 20_000  # are drawn; of more rows so many, and the width is that of all
VALUES_AT_ONCE = 2**22
SHARES = ("accuracy", "subset_accuracy")


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
    whole = scores_of_samples(values, outputs, target, np.ones((1, len(values))))
    drawn = drawn_scores(values, outputs, target, groups)
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
    """The rows that are drawn from: of more than 20,000 so many, the same each time."""
    if rows <= MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))


def wilson(right: int, rows: int) -> tuple[float, float]:
    """Wilson's interval of a share."""
    from scipy import stats

    low, high = stats.binomtest(right, rows).proportion_ci(LEVEL, method="wilson")
    return float(low), float(high)


def drawn_scores(
    values: np.ndarray, outputs: np.ndarray, target: Target, groups: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Scores of 1,000 samples as large as the rows, drawn from them; the same samples for as many rows.

    Args:
        values: (rows, outputs) true values.
        outputs: (rows, outputs) predictions.
        target: What was predicted.
        groups: As `score_intervals` takes them.

    Returns:
        (1000,) by name; NaN where a sample does not define the score.
    """
    parts = [scores_of_samples(values, outputs, target, counts) for counts in _samples(len(values), groups)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _samples(rows: int, groups: np.ndarray | None) -> Iterator[np.ndarray]:
    """How often each row is in each sample, (samples, rows), in parts that fit into memory."""
    random = np.random.default_rng(1)
    codes = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(codes.max()) + 1
    at_once = max(1, VALUES_AT_ONCE // rows)
    for start in range(0, DRAWS, at_once):
        draws = random.integers(0, units, (min(at_once, DRAWS - start), units))
        counts = np.stack([np.bincount(draw, minlength=units) for draw in draws])
        yield counts[:, codes].astype(np.float64)


def scores_of_samples(
    values: np.ndarray, outputs: np.ndarray, target: Target, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Scores of samples, (samples,) by name, as scikit-learn defines them with sample weights.

    Args:
        values: (rows, outputs) true values.
        outputs: (rows, outputs) predictions.
        target: What was predicted.
        counts: (samples, rows) how often each row is in each sample.
    """
    of = {"regression": _regression, "binary": _binary, "multilabel": _multilabel, "multiclass": _multiclass}
    with np.errstate(divide="ignore", invalid="ignore"):  # of samples without a class: NaN
        return of[target.task](values, outputs.astype(np.float64), target, counts)


def _regression(y: np.ndarray, p: np.ndarray, target: Target, counts: np.ndarray) -> dict[str, np.ndarray]:
    rows = counts.sum(axis=1, keepdims=True)
    apart = y - y.mean(axis=0)  # beside a large offset squares would lose their last digits
    squares = counts @ np.square(y - p) / rows
    spread = counts @ np.square(apart) / rows - np.square(counts @ apart / rows)
    return {
        "rmse": np.sqrt(squares).mean(axis=1),
        "mae": (counts @ np.abs(y - p) / rows).mean(axis=1),
        "r2": (1 - squares / spread).mean(axis=1),
    }


def _binary(y: np.ndarray, p: np.ndarray, target: Target, counts: np.ndarray) -> dict[str, np.ndarray]:
    true, chance, rows = y[:, 0], p[:, 0], counts.sum(axis=1)
    right = np.where(true > 0, chance, 1 - chance)
    label = target.decided(p)
    recall, f1 = _by_label(y, label, counts)
    of_others, _ = _by_label(1 - y, 1 - label, counts)
    auc, pr_auc = areas(true, chance, counts)
    return {
        "accuracy": counts @ (label[:, 0] == true) / rows,
        "log_loss": -(counts @ np.log(np.maximum(right, np.finfo(right.dtype).eps))) / rows,
        "f1": np.nan_to_num(f1[:, 0]),
        "brier": counts @ np.square(chance - true) / rows,
        "auc": auc,
        "pr_auc": pr_auc,
        "balanced_accuracy": (recall[:, 0] + of_others[:, 0]) / 2,
    }


def _multilabel(y: np.ndarray, p: np.ndarray, target: Target, counts: np.ndarray) -> dict[str, np.ndarray]:
    label, rows = target.decided(p), counts.sum(axis=1)
    both, either = counts @ (y * label), counts @ (y + label)
    f1 = np.nan_to_num(2 * both / either)
    aucs = np.stack([areas(true, chance, counts)[0] for true, chance in zip(y.T, p.T, strict=True)])
    defined = np.isfinite(aucs)
    return {
        "micro_f1": 2 * both.sum(axis=1) / either.sum(axis=1),
        "macro_f1": f1.mean(axis=1),
        "hamming_loss": counts @ (y != label).mean(axis=1) / rows,
        "subset_accuracy": counts @ (y == label).all(axis=1) / rows,
        "macro_auc": np.where(defined, aucs, 0).sum(axis=0) / defined.sum(axis=0),
    }


def _multiclass(y: np.ndarray, p: np.ndarray, target: Target, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Means over the classes that a sample has."""
    true, rows = y[:, 0].astype(int), counts.sum(axis=1)
    chances = p / p.sum(axis=1, keepdims=True)
    every = np.arange(len(target.classes))
    known, chosen = true[:, None] == every, target.decided(chances) == every
    recall, f1 = _by_label(known, chosen, counts)
    of_true = np.maximum(chances[np.arange(len(true)), true], np.finfo(np.float64).eps)
    aucs = np.stack([areas(own, chance, counts)[0] for own, chance in zip(known.T, chances.T, strict=True)], axis=1)
    return {
        "accuracy": counts @ (known & chosen).any(axis=1) / rows,
        "log_loss": -(counts @ np.log(of_true)) / rows,
        "macro_f1": _mean_of_known(f1),
        "balanced_accuracy": _mean_of_known(recall),
        "macro_auc": _mean_of_known(aucs),
    }


def _mean_of_known(scores: np.ndarray) -> np.ndarray:
    known = np.isfinite(scores)
    return np.asarray(np.where(known, scores, 0).sum(axis=1) / known.sum(axis=1))


def _by_label(true: np.ndarray, chosen: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and F1 of each label, (samples, labels); NaN where a sample has no row of it."""
    true, chosen = true.astype(np.float64), chosen.astype(np.float64)
    both, having, told = counts @ (true * chosen), counts @ true, counts @ chosen
    return both / having, 2 * both / (having + told)


def areas(true: np.ndarray, chance: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Area under the ROC curve, and average precision, of rows that count so often, (samples,) each.

    Args:
        true: (rows,) of 0 and 1.
        chance: (rows,) scores, the higher the likelier.
        counts: (samples, rows).
    """
    order = np.argsort(-chance, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(chance[order]) != 0, True))  # rows of one score come together
    having, own = true[order].astype(np.float64), counts[:, order]
    right, wrong = np.cumsum(own * having, axis=1)[:, ends], np.cumsum(own * (1 - having), axis=1)[:, ends]
    more_right, more_wrong = np.diff(right, axis=1, prepend=0), np.diff(wrong, axis=1, prepend=0)
    auc = (more_wrong * (right - more_right / 2)).sum(axis=1) / (right[:, -1] * wrong[:, -1])
    told = right + wrong
    precision = np.where(told > 0, right / np.where(told > 0, told, 1), 0)
    return auc, np.where(wrong[:, -1] > 0, (more_right * precision).sum(axis=1) / right[:, -1], np.nan)
