"""The training loop: keeps the best epoch, stops early, and can go on after a stop."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.model.programs import kept
from mlp_toolkit.recipe import spec
from mlp_toolkit.storage import saving
from mlp_toolkit.training import cautions, progress
from mlp_toolkit.training.engine import epoch
from mlp_toolkit.training.engine.history import History
from mlp_toolkit.training.engine.members import Judge, replaced
from mlp_toolkit.training.engine.rows import Rows
from mlp_toolkit.training.engine.sharing import cluster, devices, workers
from mlp_toolkit.training.engine.steps import Augment, Work
from mlp_toolkit.training.engine.steps import devices as number_of_devices
from mlp_toolkit.training.engine.variables import assign, variables

log = logging.getLogger("mlp_toolkit")

# A step of validation keeps nothing for a gradient: more rows fit, and fewer calls are made.
LEAST_VALIDATION_BATCH = 1024


@dataclass
class Progress:
    """How far a training has come: what `checkpoint.h5` holds beside the variables.

    Attributes:
        epochs: Epochs done.
        best_epoch: The epoch, from 1, with the lowest loss watched so far; 0 before the first.
        best_value: That loss; infinity before the first.
        best: Values of all variables after that epoch, as arrays or as tensors.
        members: Of an ensemble, for each member that lowest value and its epoch.
        snapshots: Values of the model's own variables after some epochs, by epoch.
        history: Logs by name, one value an epoch.
        engine: What trained: `xla`, `graph` (both compiled) or `steps`.
        notes: What else there is to say of it, in sentences.
    """

    epochs: int = 0
    best_epoch: int = 0
    best_value: float = math.inf
    best: list[Any] = field(default_factory=list)
    members: list[tuple[float, int]] = field(default_factory=list)
    snapshots: dict[int, list[Any]] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    engine: str = ""
    notes: list[str] = field(default_factory=list)

    def waited(self) -> int:
        """Epochs since the best one."""
        return self.epochs - self.best_epoch

    def diverged(self) -> bool:
        """Whether the last epoch's loss is not finite."""
        return not math.isfinite(self.history.get("loss", [0.0])[-1])

    def over(self, patience: int | None) -> bool:
        """Whether no epoch should follow, however many were asked for."""
        return self.diverged() or (patience is not None and self.waited() >= patience)


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Attributes:
        epochs: Passes over the rows, 1 or more; those of a stopped training that goes on count.
        batch_size: Rows of one step, 1 or more.
        patience: Epochs without a lower loss after which training stops; None stops never.
        callbacks: Keras callbacks.
        device: As `fit` takes it.
        verbose: As `fit` takes it.
        checkpoint: An .h5 file that always holds the best epoch so far, or None.
        augment: Changes the features of a batch before each step, or None.
        changes: What changes in the network before an epoch, counted from 0.
        after_epoch: Called after each epoch with the network as it is then, and how far training has come.
        restore_best: End with the best epoch's state, with or without early stopping.
        units: By metric, what takes its value into the target's units on the screen; None where nothing does.
        judge: Of an ensemble, how its members are judged; None takes the loss over the validation rows.
        snapshots: After which epochs, counted from 1, the state is kept besides.
        seconds: After so many training ends with its epoch; those before a stop do not count. None sets no bound.
        spent: How many of them are gone before.
    """

    epochs: int
    batch_size: int
    patience: int | None = None
    callbacks: Sequence[Any] = ()
    device: str = "auto"
    verbose: Any = "auto"
    checkpoint: str | Path | None = None
    augment: Augment | None = None
    changes: Mapping[int, Callable[[Network], None]] = field(default_factory=dict)
    after_epoch: Callable[[Network, Progress], None] | None = None
    restore_best: bool = False
    units: Mapping[str, float | None] = field(default_factory=dict)
    judge: Judge | None = None
    snapshots: Sequence[int] = ()
    seconds: float | None = None
    spent: float = 0.0


def train(
    model: Network, rows: Rows, validation: Rows | None, plan: Plan, resume_from: Progress | None = None
) -> tuple[History, Progress]:
    """Does what `fit` does, with rows that are ready, for callers that keep a record.

    Args:
        model: A compiled Keras model.
        rows: What it learns from.
        validation: What it is judged by, or None.
        plan: How it is trained.
        resume_from: Progress of a stopped training whose variables the model already has.

    Raises:
        UserError: The plan does not fit the model; nothing has been trained then.
    """
    if plan.checkpoint is not None:
        saving.check_target(model, plan.checkpoint)
    watcher = progress.watcher(plan.verbose, plan.units)
    _check_callbacks(plan.callbacks)
    cautions.check_rate(model, plan.callbacks)
    cautions.check_batch_size(plan.batch_size, rows.rows)
    cautions.check_watched(model, rows, validation, plan.callbacks)
    state = resume_from or Progress()
    keeper = _keeper(model, validation, state, plan)
    try:
        with devices.placed(plan.device) as strategy:
            trained = devices.mirrored(model, strategy, plan.batch_size) if strategy else model
            history = epoch.run_epochs(
                Work(trained, rows, validation, sizes(plan.batch_size), plan.augment),
                [*keeper.first(), *plan.callbacks, *_deadline(plan, state), keeper, *([watcher] if watcher else [])],
                initial_epoch=state.epochs,
                epochs=state.epochs if state.over(plan.patience) else plan.epochs,
                changes={number: functools.partial(change, trained) for number, change in plan.changes.items()},
            )
            state.engine = history.engine
            if strategy:
                devices.unmirrored(trained, model)
    finally:
        if watcher:
            watcher.close()
    _end(model, rows, plan, state)
    return history, state


def sizes(batch_size: int) -> tuple[int, int]:
    """The rows of a step in training and in validation."""
    return batch_size, max(batch_size, LEAST_VALIDATION_BATCH)


def _deadline(plan: Plan, state: Progress) -> list[Any]:
    """What ends training when its time is over."""
    if plan.seconds is None:
        return []
    seconds, begun = plan.seconds, time.monotonic() - plan.spent
    anyone = workers.of_this_process().any if plan.device == cluster.WORKERS else bool  # no clock is like another

    def over(number: int, logs: Any, model: Any) -> None:
        if anyone(time.monotonic() - begun >= seconds) and number + 1 < plan.epochs:
            state.notes.append(
                f"the {seconds:g} seconds for training were over after epoch {number + 1} of {plan.epochs}"
            )
            model.stop_training = True

    return [_AfterEpochs(over)]


class _AfterEpochs(keras.callbacks.Callback):
    """Calls a function after each epoch, with its number from 0, its logs, and the model."""

    def __init__(self, told: Callable[[int, Any, Any], None]) -> None:
        super().__init__()
        self.told = told

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tells it."""
        self.told(epoch, logs, self.model)


def _end(model: Network, rows: Rows, plan: Plan, state: Progress) -> None:
    """Restores the best epoch where that is asked for, or where the last one is of no use, and says what was seen."""
    if state.diverged():
        log.warning(
            "Training stopped: the loss of epoch %d is %s. %s %s",
            state.epochs,
            state.history["loss"][-1],
            cautions.likely_cause(model, rows),
            f"Epoch {state.best_epoch} is restored." if state.best else "There is no good epoch to go back to.",
        )
    if (plan.patience or plan.restore_best or state.diverged()) and state.best:
        assign(model, state.best)
    if not state.diverged():
        cautions.check_dead(model, rows)


def watched_loss(validation: Rows | None) -> str:
    """The loss that chooses the best epoch: of the validation rows, weighted as training is."""
    if validation is None:
        return "loss"
    return "val_weighted_loss" if len(validation.first) > 3 else "val_loss"


def _keeper(model: Network, validation: Rows | None, state: Progress, plan: Plan) -> _Keeper:
    """What keeps the best epoch: of an ensemble, of each member."""
    watched = watched_loss(validation)
    if not isinstance(model, Ensemble):
        return _Keeper(state, plan, watched)
    judge = plan.judge or (Judge.by_loss(model, validation) if validation is not None else None)
    return _KeeperOfMembers(state, plan, watched, model.members, judge)


class _Keeper(keras.callbacks.Callback):
    """Keeps the best epoch, stops early, stops at a loss that is not finite."""

    def __init__(self, state: Progress, plan: Plan, watched: str) -> None:
        super().__init__()
        self.state, self.plan, self.watched = state, plan, watched

    def first(self) -> list[Any]:
        """Callbacks that come before all others."""
        return []

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        # All in one call, which takes a tenth of the time of reading them one by one.
        held = variables(self.model)
        copy = tf.function(lambda: [tf.identity(variable.value) for variable in held], autograph=False)
        key = "copy" if number_of_devices(self.model) == 1 else None
        self.copied = kept.program(key, held, copy.get_concrete_function)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {name: float(value) for name, value in (logs or {}).items()}
        state = self.state
        state.epochs = epoch + 1
        for name, value in logs.items():
            state.history.setdefault(name, []).append(value)
        if self._keep(logs) and self.plan.checkpoint is not None:
            saving.save(self.model, self.plan.checkpoint)
        if state.epochs in self.plan.snapshots:
            state.snapshots[state.epochs] = self.copied()[: len(self.model.variables)]
        if state.over(self.plan.patience):
            self.model.stop_training = True
        if self.plan.after_epoch is not None:
            self.plan.after_epoch(self.model, state)

    def _keep(self, logs: dict[str, float]) -> bool:
        """Keeps this epoch's state if it is the best so far; whether it is."""
        state, value = self.state, self._judged_by(logs)
        if not value < state.best_value:
            return False
        state.best_value, state.best_epoch = value, state.epochs
        state.best = self.copied()
        return True

    def _judged_by(self, logs: dict[str, float]) -> float:
        """The loss watched; infinity where the model's own step does not return it and nobody asks for the best epoch.

        Raises:
            UserError: Somebody does.
        """
        plan = self.plan
        if self.watched not in logs and (plan.patience or plan.restore_best or plan.checkpoint is not None):
            raise UserError(
                f"the best epoch is the one of the lowest {self.watched}, which the model's own step does not return",
                place="fit: early_stopping" if plan.patience else "fit: checkpoint",
                found=", ".join(logs),
                remedy=f"Let train_step and test_step return it as {self.watched.removeprefix('val_')!r}.",
            )
        return logs.get(self.watched, math.inf)


class _KeeperOfMembers(_Keeper):
    """The same for each member of an ensemble: its best epoch is its own, and training stops when none improves."""

    def __init__(self, state: Progress, plan: Plan, watched: str, members: int, judge: Judge | None) -> None:
        super().__init__(state, plan, watched)
        self.judge = judge
        self.values: np.ndarray | None = None
        if not state.members:
            state.members = [(math.inf, 0)] * members

    def first(self) -> list[Any]:
        """The judge, whose values stand in the logs that other callbacks see."""
        judge, keeper = self.judge, self

        class Judging(keras.callbacks.Callback):
            """Judges the members at the end of an epoch."""

            def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
                last = epoch + 1 == self.params["epochs"]
                keeper.values = None
                if judge is not None and ((epoch + 1) % judge.every == 0 or last):
                    keeper.values, told = judge.values()
                elif judge is not None:
                    told = dict.fromkeys(judge.names, math.nan)
                else:
                    keeper.values, told = np.full(len(keeper.state.members), (logs or {})["loss"]), {}
                if logs is not None:
                    logs.update(told)

        return [Judging()]

    def _keep(self, logs: dict[str, float]) -> bool:
        state = self.state
        if self.values is None or not math.isfinite(logs["loss"]):
            return False
        before = np.array([value for value, _ in state.members])
        later = self.judge is not None and self.judge.later
        better = self.values <= before if later else self.values < before
        if not better.any():
            return False
        state.best = replaced(state.best, self.copied(), better)
        for member in np.flatnonzero(better):
            state.members[member] = (float(self.values[member]), state.epochs)
        state.best_value = float(np.mean([value for value, _ in state.members if math.isfinite(value)]))
        state.best_epoch = state.epochs
        return True


def _check_callbacks(callbacks: Sequence[Any]) -> None:
    if not isinstance(callbacks, Sequence):
        raise UserError("a list of Keras callbacks", place="fit: callbacks", found=callbacks)
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise UserError("not a Keras callback", place="fit: callbacks", found=callback)


def lowering_rate(train: spec.Train, validation: Rows | None) -> list[LowerRate]:
    """What lowers the rate where the loss stands still, where a recipe asks for that."""
    if train.schedule is None or train.schedule.name != "reduce_on_plateau":
        return []
    patience = max(1, train.early_stopping.patience // 2) if train.early_stopping else 5
    return [LowerRate(watched_loss(validation), patience=patience)]


class LowerRate(keras.callbacks.ReduceLROnPlateau):
    """Lowers the rate where the loss stands still, and can go on where a stopped training was."""

    replayed = False

    def replay(self, network: Network, history: Mapping[str, list[float]]) -> None:
        """Comes into the state it had: it sees the past epochs' logs again."""
        self.set_model(network)
        self.on_train_begin()
        for number in range(len(next(iter(history.values()), []))):
            self.on_epoch_end(number, {name: values[number] for name, values in history.items()})
        self.replayed = True

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Begins to wait; after a replay the state stays as it is."""
        if not self.replayed:
            super().on_train_begin(logs)
