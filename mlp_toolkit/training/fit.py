"""`fit`: trains any compiled Keras model, keeps the best epoch, and can go on after a stop."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from mlp_toolkit import augmentation as augmenting
from mlp_toolkit import catalog, cautions, devices, epoch, progress, spec, storage
from mlp_toolkit.arguments import option
from mlp_toolkit.blocks import Rows
from mlp_toolkit.errors import UserError
from mlp_toolkit.holding_out import check_arrays, held_out
from mlp_toolkit.resident import resident, resident_validation
from mlp_toolkit.startup import keras, tf
from mlp_toolkit.state import assign, variables
from mlp_toolkit.steps import Augment

log = logging.getLogger("mlp_toolkit")


@dataclass
class Progress:
    """How far a training has come: what `checkpoint.h5` holds beside the variables.

    Attributes:
        epochs: Epochs done.
        best_epoch: The epoch, from 1, with the lowest loss watched so far; 0 before the first.
        best_value: That loss; infinity before the first.
        best: Values of all variables after that epoch, as arrays or as tensors.
        history: Logs by name, one value an epoch.
        engine: What trained: `xla`, `graph` (both compiled) or `steps`.
        notes: What else there is to say of it, in sentences.
    """

    epochs: int = 0
    best_epoch: int = 0
    best_value: float = math.inf
    best: list[Any] = field(default_factory=list)
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


def fit(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    validation_data: tuple[Any, ...] | None = None,
    validation_split: float | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    class_weight: str | Mapping[Any, float] | None = None,
    sample_weight: Any = None,
    augmentation: Mapping[str, Any] | None = None,
    early_stopping: int | Mapping[str, int] | None = None,
    callbacks: Sequence[Any] = (),
    device: str = "auto",
    checkpoint: str | Path | None = None,
    verbose: Any = "auto",
) -> Any:
    """Trains a compiled Keras model.

    Args:
        model: Any compiled `keras.Model` with one input (rows, …) and one output (rows, …).
        X: (rows, …) numbers: an array, a data frame, or a Parquet file.
        y: Targets in the output's shape: (rows,) or (rows, outputs) numbers, class numbers from 0, one-hot rows, or 0/1
            labels.
        validation_data: (X, y) or (X, y, weights) that the network does not learn from.
        validation_split: A share of the rows, above 0 and below 1, to hold out instead: drawn by the seed, not the last
            ones as in Keras, and where targets are classes a like share of each. Their weights go with them.
        epochs: Passes over the rows, 1 or more; None takes the preset slides'.
        batch_size: Rows of one step, 1 or more; None takes the preset slides'.
        shuffle: Another order of rows in every epoch, which depends on `seed` and the epoch alone.
        seed: For the order of rows, 0 or more.
        class_weight: "balanced", or a weight for every class number; for several 0/1 labels a row, the weight that rows
            with the label have beside those without, for every label's number. It shifts predicted probabilities.
            `val_loss` stays unweighted, as in Keras; `val_weighted_loss` beside it is what training lowers.
        sample_weight: (rows,) weights of 0 or more. With class weights too, they multiply.
        augmentation: Changes of the training images, drawn anew for each batch: `{"rotation": 10, "width_shift": 0.1,
            "height_shift": 0.1, "shear": 5, "zoom": 0.1, "horizontal_flip": True, "vertical_flip": True,
            "brightness": 0.2, "fill_mode": "nearest"}`, any of them; see `Augmentation`. X must be (rows, height,
            width) or (rows, height, width, channels) then; the network takes that, or as many plain inputs.
        early_stopping: Stop after so many epochs without a lower loss, and restore the best epoch, optimizer included;
            a number, `{"patience": 10}`, or None: all epochs, last state. The loss watched is the one of the validation
            rows where there are any, with the class weights where there are any.
            A loss that is not finite ends training in any case, and restores the best epoch before it.
        callbacks: Keras callbacks.
        device: auto, cpu, gpu, gpu:N, or all: several devices share each batch (`tf.distribute.MirroredStrategy`).
        checkpoint: An .h5 file that always holds the best epoch so far.
        verbose: auto, 0 (nothing), 1 (a bar), 2 (lines).

    Returns:
        A `keras.callbacks.History`. Its attribute `engine` says what trained: `xla` or `graph` (both compiled) or
        `steps` (a call for every batch); `plot()` draws the losses, and a notebook shows it as a table.

    Raises:
        UserError: An argument is wrong; nothing has been trained then.
    """
    schedule = _Schedule.checked(epochs, batch_size, early_stopping)
    settings = option("train.augmentation", spec.Augmentation, augmentation, "fit: augmentation")
    _check_compiled(model)
    check_arrays(X, y)
    if validation_split is not None:
        X, y, sample_weight, validation_data = held_out(
            model, X, y, sample_weight, validation_data=validation_data, share=validation_split, seed=seed
        )
    rows, by_class = resident(
        model, X, y, class_weight=class_weight, sample_weight=sample_weight, seed=seed if shuffle else None
    )
    history, _ = train(
        model,
        rows,
        resident_validation(model, validation_data, by_class),
        epochs=schedule.epochs,
        batch_size=schedule.batch_size,
        early_stopping=schedule.patience,
        callbacks=callbacks,
        device=device,
        checkpoint=checkpoint,
        augment=_augment(settings, rows.first[0].shape[1:], X, seed) if settings else None,
        verbose=verbose,
    )
    return history


def _augment(settings: spec.Augmentation, shape: tuple[int, ...], X: Any, seed: int) -> Augment:
    """Changes images of one batch at random, in the form in which the network takes them."""
    images = np.asarray(X)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise UserError(
            f"augmentation is for images, (rows, height, width) or (rows, height, width, 1 or 3); X has the shape "
            f"{images.shape}",
            place="fit: augmentation",
            remedy="Reshape X to images: a network of plain inputs takes them too. X.reshape(len(X), 8, 8)"
            if images.ndim == 2
            else None,
        )
    least, highest = float(images.min()), float(images.max())
    if settings.brightness and least < 0:
        raise UserError(
            f"brightness is for pixels from 0 upwards, and X holds {least:g}", place="fit: augmentation.brightness"
        )
    layer = augmenting.from_spec(settings, highest)
    size = (*images.shape[1:3], images.shape[3] if images.ndim == 4 else 1)
    return augmenting.seeded(augmenting.on_features(layer, 0 if len(shape) == 1 else None, size), seed)


def train(
    model: Any,
    rows: Rows,
    validation: Rows | None,
    *,
    epochs: int,
    batch_size: int,
    early_stopping: int | None,
    callbacks: Sequence[Any],
    device: str,
    verbose: Any,
    checkpoint: str | Path | None = None,
    augment: Augment | None = None,
    changes: Mapping[int, Callable[[Any], None]] | None = None,
    resume_from: Progress | None = None,
    after_epoch: Callable[[Any, Progress], None] | None = None,
    restore_best: bool = False,
) -> tuple[Any, Progress]:
    """What `fit` does with rows that are ready, for callers that keep a record.

    Args beyond those of `fit`:
        rows: What the network learns from.
        validation: What it is judged by, or None.
        augment: Changes the features of a batch before each step.
        changes: What changes in the network before an epoch, counted from 0.
        resume_from: Progress of a stopped training whose variables the model already has.
        after_epoch: Called after each epoch with the network as it is then.
        restore_best: End with the best epoch's state, with or without early stopping.
    """
    if checkpoint is not None:
        storage.check_target(model, checkpoint)
    watcher = progress.watcher(verbose)
    _check_callbacks(callbacks)
    cautions.check_rate(model, callbacks)
    cautions.check_batch_size(batch_size, rows.rows)
    cautions.check_watched(model, rows, validation, callbacks)
    state = resume_from or Progress()
    keeper = _Keeper(state, early_stopping, watched_loss(validation), checkpoint, after_epoch)
    try:
        with devices.placed(device) as several:
            trained = devices.mirrored(model, several, batch_size) if several else model
            history, state.engine = epoch.run(
                trained,
                rows,
                validation,
                batch_size=batch_size,
                validation_batch_size=max(batch_size, 1024),
                initial_epoch=state.epochs,
                epochs=state.epochs if state.over(early_stopping) else epochs,
                callbacks=[*callbacks, keeper, *([watcher] if watcher else [])],
                augment=augment,
                changes={number: functools.partial(change, trained) for number, change in (changes or {}).items()},
            )
            if several:
                devices.unmirrored(trained, model)
    finally:
        if watcher:
            watcher.close()
    history.engine = state.engine
    if state.diverged():
        log.warning(
            "Training stopped: the loss of epoch %d is %s. %s %s",
            state.epochs,
            state.history["loss"][-1],
            cautions.likely_cause(model, rows),
            f"Epoch {state.best_epoch} is restored." if state.best else "There is no good epoch to go back to.",
        )
    if (early_stopping or restore_best or state.diverged()) and state.best:
        assign(model, state.best)
    if not state.diverged():
        cautions.check_dead(model, rows)
    return history, state


def watched_loss(validation: Rows | None) -> str:
    """The loss that chooses the best epoch: of the validation rows, weighted as training is."""
    if validation is None:
        return "loss"
    return "val_weighted_loss" if len(validation.first) > 3 else "val_loss"


class _Keeper(keras.callbacks.Callback):
    """Keeps the best epoch, stops early, stops at a loss that is not finite."""

    def __init__(
        self,
        state: Progress,
        patience: int | None,
        watched: str,
        checkpoint: str | Path | None,
        after_epoch: Callable[[Any, Progress], None] | None,
    ) -> None:
        super().__init__()
        self.state, self.patience, self.watched = state, patience, watched
        self.checkpoint, self.after_epoch = checkpoint, after_epoch

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        # All in one call, which takes a tenth of the time of reading them one by one.
        held = variables(self.model)
        copy = tf.function(lambda: [tf.identity(variable.value) for variable in held], autograph=False)
        self.copied = copy.get_concrete_function()  # else TensorFlow would warn of it in a loop of trainings

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {name: float(value) for name, value in (logs or {}).items()}
        state = self.state
        state.epochs = epoch + 1
        for name, value in logs.items():
            state.history.setdefault(name, []).append(value)
        value = logs[self.watched]
        if value < state.best_value:
            state.best_value, state.best_epoch = value, state.epochs
            state.best = self.copied()
            if self.checkpoint is not None:
                storage.save(self.model, self.checkpoint)
        if state.over(self.patience):
            self.model.stop_training = True
        if self.after_epoch is not None:
            self.after_epoch(self.model, state)


class _Schedule(NamedTuple):
    """How long and in what steps `fit` trains."""

    epochs: int
    batch_size: int
    patience: int | None

    @classmethod
    def checked(cls, epochs: Any, batch_size: Any, early_stopping: Any) -> _Schedule:
        """The arguments of `fit`, checked; None takes the preset slides'."""
        defaults = catalog.config("presets/slides")["values"]["train"]
        return cls(
            _whole("epochs", epochs if epochs is not None else defaults["epochs"]),
            _whole("batch_size", batch_size if batch_size is not None else defaults["batch_size"]),
            _patience(early_stopping),
        )


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise UserError("a whole number of 1 or more", place=f"fit: {name}", found=value)
    return int(value)


def _patience(early_stopping: Any) -> int | None:
    if early_stopping is None:
        return None
    given = early_stopping if isinstance(early_stopping, Mapping) else {"patience": early_stopping}
    try:
        return spec.EarlyStopping.model_validate(dict(given)).patience
    except ValidationError as error:
        raise UserError(
            f"patience is a whole number of 1 or more ({error.errors()[0]['msg']})",
            place="fit: early_stopping",
            found=early_stopping,
        ) from None


def _check_compiled(model: Any) -> None:
    if not getattr(model, "compiled", False):
        raise UserError("the model is not compiled", remedy="Call model.compile(...), or build it with build_mlp.")


def _check_callbacks(callbacks: Sequence[Any]) -> None:
    if not isinstance(callbacks, Sequence):
        raise UserError("a list of Keras callbacks", place="fit: callbacks", found=callbacks)
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise UserError("not a Keras callback", place="fit: callbacks", found=callback)
