"""Predictions → the named scores of a task, by scikit-learn; what every threshold decides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import UserError, listing
from mlp_toolkit.recipe import catalog


def score(values: np.ndarray, outputs: np.ndarray, target: Target, names: list[str]) -> dict[str, float]:
    """Scores of predictions.

    Args:
        values: (rows, outputs) true values in the target's units, class numbers, or 0/1 labels.
        outputs: (rows, outputs) predictions in the target's units, or probabilities.
        target: What was predicted.
        names: The scores wanted.

    Returns:
        The scores by name, unweighted. One that these rows do not define is left out: an area under a curve where
        only one class occurs.

    Raises:
        UserError: A prediction is NaN or infinite.
    """
    if not np.isfinite(outputs).all():
        raise UserError(
            "the network predicts NaN or infinity: its training has diverged",
            remedy="Lower the learning rate, or scale the features.",
        )
    scorer = {"regression": _regression, "binary": _binary, "multilabel": _multilabel, "multiclass": _multiclass}
    scores = scorer[target.task](values, outputs.astype(np.float64), target)
    return {name: float(scores[name]) for name in names if name in scores and np.isfinite(scores[name])}


def metric_names(task: str, metrics: str | list[str] = "auto") -> list[str]:
    """The names of the scores that a recipe asks for; auto is those of the task's table."""
    if isinstance(metrics, str):
        return list(catalog.config(f"tables/{task}")["entries"]["metrics"]["default"])
    return metrics


def notes_on_missing(scores: dict[str, float], names: list[str], part: str) -> list[str]:
    """A sentence about the scores that a part's rows do not define, or none.

    Args:
        scores: What `score` gave.
        names: The scores wanted.
        part: The rows' name.
    """
    absent = [name for name in names if name not in scores]
    if not absent:
        return []
    why = "it needs two rows or more" if absent == ["r2"] else "not every class occurs among them"
    return [f"the {part} rows give no {listing(absent)}: {why}"]


def note_on_one_class(outputs: np.ndarray, target: Target, part: str) -> list[str]:
    """A sentence where every row is given the same class, or a label: shares of right answers then tell little.

    Args:
        outputs: (rows, outputs) probabilities.
        target: What is predicted.
        part: The rows' name.
    """
    if target.task == "regression" or len(outputs) < 2:
        return []
    chosen = target.decided(outputs)
    same = (chosen == chosen[0]).all(axis=0)
    if target.task == "multilabel":
        names = [name for name, alike in zip(target.names, same, strict=True) if alike]
        said = f"says the same of each of the {len(outputs):,} {part} rows about {listing(map(repr, names), 6)}"
        return [f"{said}. train.class_weight: balanced makes rare labels count"] if names else []
    if not same[0]:
        return []
    only = target.classes[chosen[0, 0]]
    return [
        f"predicts one class only: {only!r} for each of the {len(outputs):,} {part} rows; its accuracy is that class's "
        "share. train.class_weight: balanced makes rare classes count"
    ]


def scores_of_each(values: np.ndarray, outputs: np.ndarray, target: Target) -> dict[str, dict[str, dict[str, float]]]:
    """Scores of each target, label or class by itself.

    Args:
        values: (rows, outputs) true values, as `score` takes them.
        outputs: (rows, outputs) predictions.
        target: What was predicted.

    Returns:
        `by_target`: rmse, mae and r2 of each of several targets; `by_label`: precision, recall, f1, auc, pr_auc and
        the rows that have it; `by_class`: precision, recall, f1 and the rows of it, of more than two classes auc and
        pr_auc of each against the others. Empty for a regression of one target.
    """
    from sklearn import metrics

    if target.task == "regression":
        if len(target.names) == 1:
            return {}
        columns = zip(target.names, values.T, outputs.astype(np.float64).T, strict=True)
        return {"by_target": {name: _regression(y[:, None], p[:, None], target) for name, y, p in columns}}
    if target.task == "multilabel":
        true, chosen, names = values.astype(int), target.decided(outputs), target.names
    else:
        every = np.arange(len(target.classes))
        true, chosen = values[:, :1].astype(int) == every, target.decided(outputs) == every
        names = tuple(map(str, target.classes))
    measured = metrics.precision_recall_fscore_support(true, chosen, average=None, zero_division=0)
    each = {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for name, p, r, f, n in zip(names, *measured, strict=True)
    }
    if target.task == "binary":
        return {"by_class": each}
    for place, name in enumerate(names):
        if steps := sweep(true[:, place], outputs[:, place]):  # one sorting for both
            each[name] |= {"auc": steps.auc, "pr_auc": steps.average_precision}
    return {"by_label" if target.task == "multilabel" else "by_class": each}


class Sweep(NamedTuple):
    """What is decided as the threshold falls from above all probabilities to the least of them.

    Attributes:
        thresholds: (steps,) the first infinite; a row has the label where its probability is at least that.
        counts: (4, steps) right and wrong positives, missed ones, and right negatives, as `decision.goodness` takes
            them.
    """

    thresholds: np.ndarray
    counts: np.ndarray

    @property
    def fall_out(self) -> np.ndarray:
        """The share of the rows without the label that get it (false positive rate)."""
        _, false, _, right = self.counts
        return np.asarray(false / (false + right))

    @property
    def recall(self) -> np.ndarray:
        """The share of the rows with the label that get it (true positive rate)."""
        hit, _, missed, _ = self.counts
        return np.asarray(hit / (hit + missed))

    @property
    def precision(self) -> np.ndarray:
        """The share of the rows that get the label which have it; 1 where none gets it."""
        hit, false, *_ = self.counts
        return np.where(hit + false > 0, hit / np.maximum(hit + false, 1), 1.0)

    @property
    def auc(self) -> float:
        """The area below recall over fall-out."""
        x, y = self.fall_out, self.recall
        return float((np.diff(x) * (y[1:] + y[:-1])).sum() / 2)

    @property
    def average_precision(self) -> float:
        """The mean precision over the steps of recall, without interpolation."""
        return float((np.diff(self.recall) * self.precision[1:]).sum())


def sweep(true: np.ndarray, chance: np.ndarray) -> Sweep | None:
    """What every threshold decides; None where all rows have the label, or none.

    Args:
        true: (rows,) of 0 and 1.
        chance: (rows,) probabilities.
    """
    order = np.argsort(-chance, kind="stable")
    falling, having = chance[order], true[order].astype(float)
    every = having.sum()
    if not 0 < every < len(true):
        return None
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    hit = np.concatenate([[0.0], np.cumsum(having)[ends]])
    told = np.concatenate([[0.0], ends + 1.0])
    false = told - hit
    counts = np.stack([hit, false, every - hit, len(true) - every - false])
    return Sweep(np.concatenate([[np.inf], falling[ends]]), counts)


def _regression(y: np.ndarray, p: np.ndarray, target: Target) -> dict[str, float]:
    """Means over the targets where there are several."""
    from sklearn import metrics

    scores = {"rmse": metrics.root_mean_squared_error(y, p), "mae": metrics.mean_absolute_error(y, p)}
    return scores | ({"r2": metrics.r2_score(y, p)} if len(y) > 1 else {})


def _binary(y: np.ndarray, p: np.ndarray, target: Target) -> dict[str, float]:
    from sklearn import metrics

    true, chance = y[:, 0].astype(int), p[:, 0]
    label = target.decided(p)[:, 0]
    scores = {
        "accuracy": metrics.accuracy_score(true, label),
        "log_loss": metrics.log_loss(true, chance, labels=[0, 1]),
        "f1": metrics.f1_score(true, label, zero_division=0),
        "brier": np.mean((chance - true) ** 2),
    }
    if len(np.unique(true)) == 2:
        scores["auc"] = metrics.roc_auc_score(true, chance)
        scores["pr_auc"] = metrics.average_precision_score(true, chance)
        scores["balanced_accuracy"] = metrics.balanced_accuracy_score(true, label)
    return scores


def _multilabel(y: np.ndarray, p: np.ndarray, target: Target) -> dict[str, float]:
    from sklearn import metrics

    true, label = y.astype(int), target.decided(p)
    scores = {
        "micro_f1": metrics.f1_score(true, label, average="micro", zero_division=0),
        "macro_f1": metrics.f1_score(true, label, average="macro", zero_division=0),
        "hamming_loss": metrics.hamming_loss(true, label),
        "subset_accuracy": metrics.accuracy_score(true, label),
    }
    defined = [i for i in range(true.shape[1]) if len(np.unique(true[:, i])) == 2]
    if defined:
        scores["macro_auc"] = np.mean([metrics.roc_auc_score(true[:, i], p[:, i]) for i in defined])
    return scores


def _multiclass(y: np.ndarray, p: np.ndarray, target: Target) -> dict[str, float]:
    from sklearn import metrics

    true, every = y[:, 0].astype(int), np.arange(len(target.classes))
    chances = p / p.sum(axis=1, keepdims=True)
    label = chances.argmax(axis=1)
    recall = metrics.recall_score(true, label, labels=np.unique(true), average="macro", zero_division=0)
    scores = {
        "accuracy": metrics.accuracy_score(true, label),
        "log_loss": metrics.log_loss(true, chances, labels=every),
        "macro_f1": metrics.f1_score(true, label, average="macro", zero_division=0),
        "balanced_accuracy": recall,
    }
    if len(np.unique(true)) == len(every):
        if len(every) == 2:
            scores["macro_auc"] = metrics.roc_auc_score(true, chances[:, 1])
        else:
            scores["macro_auc"] = metrics.roc_auc_score(true, chances, multi_class="ovr", average="macro", labels=every)
    return scores
