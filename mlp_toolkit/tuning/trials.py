"""One trial: a recipe with chosen values is trained, and scored on rows that it has not learnt."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlp_toolkit.data.dataset import Dataset
from mlp_toolkit.data.reading import frames
from mlp_toolkit.errors import shorten
from mlp_toolkit.evaluation import metrics
from mlp_toolkit.evaluation.baselines import LOWER_IS_BETTER
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.recipe.spec import Recipe
from mlp_toolkit.training import fit_recipe, trainer, warm_start

# Keys on which the rows depend: the target's scale, the members' folds.
OF_ROWS = ("model.output", "model.ensemble", "train.loss")
OUT_OF_MEMORY = (MemoryError, tf.errors.ResourceExhaustedError)
WATCHED = ("val_loss", "val_rmse", "val_auc", "val_accuracy")


@dataclass(frozen=True)
class Tried:
    """What a trial gives.

    Attributes:
        value: Its score, the lower the better; infinite where training diverged.
        scores: All scores of the rows that it has not learnt.
        outputs: What it says of them, (rows, outputs).
        epochs: How many it trained.
        best_epoch: The epoch that was kept.
        pruned: Whether it was ended because others were better after as many epochs.
    """

    value: float
    scores: dict[str, float]
    outputs: np.ndarray
    epochs: int
    best_epoch: int
    pruned: bool


def known_values(data: Dataset) -> np.ndarray:
    """(rows, outputs) true values of the rows that trials are scored on."""
    values: np.ndarray = data.values[data.parts["validation" if data.folds is None else "train"]]
    return values


def lower(name: str, value: float) -> float:
    """A score so that lower is better."""
    return value if name in LOWER_IS_BETTER else -value


def short_of_memory(error: BaseException) -> str:
    """Why a trial cannot be carried out for which there is not enough memory; others may need less."""
    asked = str(error).split("\n")[0] or "no size is known"
    return f"out of memory: {shorten(asked, 300)}"


def rows_of(recipe: Recipe, data: Dataset, searched: Collection[str]) -> tuple[Any, warm_start.Source | None]:
    """The rows as a trial takes them, and what its warm start takes over.

    Args:
        recipe: With the values of the trial.
        data: Rows, as fit for the recipe that is searched from.
        searched: The keys that differ between trials.
    """
    if any(key in searched for key in OF_ROWS):
        data = replace(data.split_anew(recipe, data.parts), notes=data.notes)
    if recipe.model.warm_start is None:
        return data, None
    source = warm_start.read_source(recipe.model.warm_start)
    return warm_start.with_encoding_of(source, data), source


def carry_out(
    recipe: Recipe,
    data: Any,
    metric: str,
    report: Callable[[float, int], None],
    should_prune: Callable[[], bool],
    *,
    source: warm_start.Source | None = None,
    earlier: tuple[trainer.Progress, list[Any]] | None = None,
    after_epoch: Callable[[Any, trainer.Progress], None] | None = None,
) -> Tried:
    """Trains a recipe, and scores it.

    Args:
        recipe: With the values of the trial.
        data: Rows, as `rows_of` gives them.
        metric: The score that counts.
        report: Told a value, the lower the better, and the epoch, counted from 1.
        should_prune: Asked after each epoch.
        source: What the recipe's warm start takes over.
        earlier: Where a trial that was stopped had come to.
        after_epoch: Called after each epoch with the network and how far it has come.
    """
    watch = _Watch(report, should_prune)
    done = fit_recipe.train_recipe(
        recipe, data, earlier=earlier, source=source, callbacks=[watch], after_epoch=after_epoch, verbose=0
    )
    state = done.state
    if state.diverged() and not state.best:
        return Tried(math.inf, {}, np.zeros((0, 0)), state.epochs, 0, watch.pruned)
    outputs = done.out_of_fold
    if outputs is None:
        (piece,) = data.pieces("validation")
        outputs = done.outputs(frames.columns_of(piece.frame))
    names = metrics.metric_names(recipe.task)
    scores = metrics.score(known_values(data), outputs, done.target, names)
    value = lower(metric, scores[metric]) if metric in scores else math.inf
    return Tried(value, scores, outputs, state.epochs, state.best_epoch, watch.pruned)


class _Watch(keras.callbacks.Callback):
    """Reports each epoch's validation, and stops a training that falls behind."""

    def __init__(self, report: Callable[[float, int], None], should_prune: Callable[[], bool]) -> None:
        super().__init__()
        self.report, self.should_prune, self.pruned = report, should_prune, False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Epochs without validation, of those that look at folds now and then, say nothing."""
        found = [(name, float(logs[name])) for name in WATCHED if logs and name in logs]
        found = [(name, value) for name, value in found if math.isfinite(value)]
        if not found:
            return
        name, value = found[0]
        self.report(-value if name in ("val_auc", "val_accuracy") else value, epoch + 1)
        if self.should_prune():
            self.pruned = True
            self.model.stop_training = True
