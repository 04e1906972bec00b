"""`fit`: trains any compiled Keras model, keeps the best epoch, and can go on after a stop."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mlp_toolkit import arrays, catalog, devices, progress, spec, storage
from mlp_toolkit import weights as weighting
from mlp_toolkit.errors import UserError
from mlp_toolkit.startup import keras

log = logging.getLogger("mlp_toolkit")


@dataclass
class Progress:
    """How far a training has come: what `checkpoint.h5` holds beside the variables.

    Attributes:
        epochs: Epochs done.
        best_epoch: The epoch, from 1, with the lowest loss watched so far; 0 before the first.
        best_value: That loss; infinity before the first.
        best: Values of all variables after that epoch.
        history: Logs by name, one value an epoch.
    """

    epochs: int = 0
    best_epoch: int = 0
    best_value: float = math.inf
    best: list[np.ndarray] = field(default_factory=list)
    history: dict[str, list[float]] = field(default_factory=dict)

    def waited(self) -> int:
        """Epochs since the best one."""
        return self.epochs - self.best_epoch


def fit(
    model: Any,
    X: Any,
    y: Any,
    *,
    validation_data: tuple[Any, ...] | None = None,
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
        model: Any compiled `keras.Model` with one input of (rows, features).
        X: (rows, features) numbers: an array, a data frame, or a Parquet file.
        y: Targets: (rows,) or (rows, outputs) numbers, class numbers from 0, one-hot rows, or 0/1 labels.
        validation_data: (X, y) or (X, y, weights) that the network does not learn from.
        epochs: Passes over the rows, 1 or more; None takes the preset slides'.
        batch_size: Rows of one step, 1 or more; None takes the preset slides'.
        shuffle: Another order of rows in every epoch, which depends on `seed` and the epoch alone.
        seed: For the order of rows, 0 or more.
        class_weight: "balanced", or a weight for every class number; binary and multiclass. Training loss only: the
            validation loss stays unweighted.
        sample_weight: (rows,) weights of 0 or more. With class weights too, they multiply.
        augmentation: Not available in this version.
        early_stopping: Stop after so many epochs without a lower loss (the validation loss where there is one), and
            restore the best epoch, optimizer included; a number, `{"patience": 10}`, or None: all epochs, last state.
        callbacks: Keras callbacks.
        device: auto, cpu, gpu or gpu:N.
        checkpoint: An .h5 file that always holds the best epoch so far.
        verbose: auto, 0 (nothing), 1 (a bar), 2 (lines).

    Returns:
        A `keras.callbacks.History`.

    Raises:
        UserError: An argument is wrong; nothing has been trained then.
    """
    history, _ = train(
        model, X, y,
        validation_data=validation_data, epochs=epochs, batch_size=batch_size, shuffle=shuffle, seed=seed,
        class_weight=class_weight, sample_weight=sample_weight, augmentation=augmentation,
        early_stopping=early_stopping, callbacks=callbacks, device=device, checkpoint=checkpoint, verbose=verbose,
    )  # fmt: skip
    return history


def train(
    model: Any,
    X: Any,
    y: Any,
    *,
    validation_data: tuple[Any, ...] | None,
    epochs: int | None,
    batch_size: int | None,
    shuffle: bool,
    seed: int,
    class_weight: str | Mapping[Any, float] | None,
    sample_weight: Any,
    augmentation: Mapping[str, Any] | None,
    early_stopping: int | Mapping[str, int] | None,
    callbacks: Sequence[Any],
    device: str,
    checkpoint: str | Path | None,
    verbose: Any,
    classes: Sequence[Any] | None = None,
    resume_from: Progress | None = None,
    after_epoch: Callable[[Progress], None] | None = None,
    restore_best: bool = False,
) -> tuple[Any, Progress]:
    """What `fit` does, for callers that keep a record: it can start in the middle and reports after each epoch.

    Args beyond those of `fit`:
        classes: Labels that `class_weight` speaks of, in the order of the class numbers.
        resume_from: Progress of a stopped training whose variables the model already has.
        after_epoch: Called after each epoch.
        restore_best: End with the best epoch's state, with or without early stopping.
    """
    defaults = catalog.config("presets/slides")["values"]["train"]
    epochs = _whole("epochs", epochs if epochs is not None else defaults["epochs"])
    batch_size = _whole("batch_size", batch_size if batch_size is not None else defaults["batch_size"])
    patience = _patience(early_stopping)
    if augmentation is not None:
        raise UserError("augmentation is not available in this version", place="fit: augmentation")
    if not getattr(model, "compiled", False):
        raise UserError("the model is not compiled", remedy="Call model.compile(...), or build it with build_mlp.")
    x, targets = _data(model, X, y, "X", "y")
    weights = _weights(model, targets, class_weight, sample_weight, classes)
    validation = _validation(model, validation_data)

    state = resume_from or Progress()
    keeper = _Keeper(state, patience, "val_loss" if validation else "loss", checkpoint, after_epoch)
    watcher = progress.watcher(verbose)
    batches = _Batches(x, targets, weights, batch_size, shuffle, seed, state.epochs)
    try:
        with devices.placed(device):
            history = model.fit(
                batches,
                validation_data=validation,
                validation_batch_size=max(batch_size, 1024),
                initial_epoch=state.epochs,
                epochs=epochs,
                shuffle=False,  # _Batches shuffles, by seed and epoch
                callbacks=[*callbacks, keeper, *([watcher] if watcher else [])],
                verbose=0,
            )
    finally:
        if watcher:
            watcher.close()
    if (patience or restore_best) and state.best:
        assign(model, state.best)
    return history, state


def variables(model: Any) -> list[Any]:
    """All that training changes: weights, random states, and the optimizer's variables."""
    return [*model.variables, *model.optimizer.variables]


def snapshot(model: Any) -> list[np.ndarray]:
    """Copies of the values of all variables."""
    return [np.array(variable) for variable in variables(model)]


def assign(model: Any, values: Sequence[np.ndarray]) -> None:
    """Puts the values of a snapshot back."""
    for variable, value in zip(variables(model), values, strict=True):
        variable.assign(value)


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
    """Batches of resident rows. The order is a function of seed and epoch, so that a resumed training repeats it."""

    def __init__(
        self, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, size: int, shuffle: bool, seed: int, epoch: int
    ) -> None:
        super().__init__()
        self.arrays = [x, y] if weights is None else [x, y, weights]
        self.size, self.shuffle, self.seed, self.epoch = size, shuffle, seed, epoch
        self._reorder()

    def __len__(self) -> int:
        return math.ceil(len(self.arrays[0]) / self.size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        rows = self.order[index * self.size : (index + 1) * self.size]
        return tuple(array[rows] for array in self.arrays)

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._reorder()

    def _reorder(self) -> None:
        rows = len(self.arrays[0])
        self.order = row_order(rows, self.seed, self.epoch) if self.shuffle else np.arange(rows)


def row_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order of rows in an epoch (from 0): a function of its arguments alone."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


class _Keeper(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Keeps the best epoch, stops early, stops at a loss that is not finite."""

    def __init__(
        self,
        state: Progress,
        patience: int | None,
        watched: str,
        checkpoint: str | Path | None,
        after_epoch: Callable[[Progress], None] | None,
    ) -> None:
        super().__init__()
        self.state, self.patience, self.watched = state, patience, watched
        self.checkpoint, self.after_epoch = checkpoint, after_epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        logs = {name: float(value) for name, value in (logs or {}).items()}
        state = self.state
        state.epochs = epoch + 1
        for name, value in logs.items():
            state.history.setdefault(name, []).append(value)
        value = logs[self.watched]
        if value < state.best_value:
            state.best_value, state.best_epoch = value, state.epochs
            state.best = snapshot(self.model)
            if self.checkpoint is not None:
                storage.save(self.model, self.checkpoint)
        if not math.isfinite(logs["loss"]):
            self.model.stop_training = True
            log.warning(
                "Training stopped: the loss of epoch %d is %s. The usual cause is a learning rate that is too high; "
                "the best epoch before is kept.",
                state.epochs,
                logs["loss"],
            )
        elif self.patience is not None and state.waited() >= self.patience:
            self.model.stop_training = True
        if self.after_epoch is not None:
            self.after_epoch(state)


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


def loss_of(model: Any) -> str:
    """The full name of the model's loss, in lower case with underscores."""
    loss = model.loss
    if isinstance(loss, str):
        return str(getattr(keras.losses.get(loss), "__name__", loss))
    return str(getattr(loss, "name", None) or getattr(loss, "__name__", ""))


def _outputs(model: Any) -> tuple[int, str]:
    """Output neurons, and the activation of the last layer."""
    if len(model.inputs) != 1 or len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        raise UserError(
            "fit takes models with one input of (rows, features) and one output of (rows, outputs)",
            found=f"{len(model.inputs)} inputs, {len(model.outputs)} outputs",
            remedy="For other models use Keras's own model.fit.",
        )
    activation = getattr(model.layers[-1], "activation", None)
    return int(model.outputs[0].shape[-1]), str(getattr(activation, "__name__", ""))


def _data(model: Any, X: Any, y: Any, x_name: str, y_name: str) -> tuple[np.ndarray, np.ndarray]:
    outputs, activation = _outputs(model)
    loss = loss_of(model)
    if outputs == 1 and loss in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        raise UserError(
            f"{loss} on one output neuron is constant: nothing would be learnt",
            remedy="Compile with binary_crossentropy and a sigmoid output, or with one output per class.",
        )
    x = arrays.features_array(X, int(model.inputs[0].shape[-1]), x_name)
    return x, arrays.targets_array(y, X, len(x), outputs, loss, activation, y_name)


def _validation(model: Any, data: tuple[Any, ...] | None) -> tuple[np.ndarray, ...] | None:
    if data is None:
        return None
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise UserError("validation_data is (X, y) or (X, y, sample_weight)", place="fit: validation_data")
    x, y = _data(model, data[0], data[1], "validation X", "validation y")
    weights = weighting.check_sample_weight(data[2], len(x)) if len(data) == 3 else None
    return (x, y) if weights is None else (x, y, weights)


def _weights(
    model: Any, y: np.ndarray, class_weight: Any, sample_weight: Any, classes: Sequence[Any] | None
) -> np.ndarray | None:
    if class_weight is None:
        return weighting.check_sample_weight(sample_weight, len(y))
    outputs, activation = _outputs(model)
    loss = loss_of(model)
    if loss == "sparse_categorical_crossentropy":
        numbers, count = y[:, 0], outputs
    elif outputs > 1 and activation == "softmax":
        numbers, count = y.argmax(axis=1), outputs
    elif outputs == 1 and (activation == "sigmoid" or loss == "binary_crossentropy"):
        numbers, count = y[:, 0].astype(int), 2
    else:
        what = "multilabel" if activation == "sigmoid" else "regression"
        raise UserError(
            f"class_weight is for binary and multiclass; this network is for {what}",
            place="fit: class_weight",
            remedy="Weigh rows with sample_weight.",
        )
    own = list(classes) if classes is not None else list(range(count))
    return weighting.row_weights(numbers, own, class_weight, sample_weight)
