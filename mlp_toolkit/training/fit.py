"""`fit`: trains any compiled Keras model on a user's arrays."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mlp_toolkit.data import arrays
from mlp_toolkit.errors import UserError, listing, nearest
from mlp_toolkit.model import keras_private
from mlp_toolkit.model.layers import augmentation as augmenting
from mlp_toolkit.model.members.ensemble import is_ensemble
from mlp_toolkit.model.members.fitting import ROWS_FITTED_TO, fit_to_rows, is_unfitted
from mlp_toolkit.recipe import catalog, spec
from mlp_toolkit.recipe.arguments import option
from mlp_toolkit.training.engine.steps import Augment
from mlp_toolkit.training.rows_of_arrays import check_arrays, held_out, resident, resident_validation
from mlp_toolkit.training.trainer import Plan, train

# Arguments of Keras's `Model.fit`, and what does their work here.
KERAS_HAS = {
    "x": "The features come second, by place or as X: mt.fit(model, X, y).",
    "initial_epoch": "Training goes on where the model stands: call fit again, with the epochs that are still to come.",
    "validation_freq": "Validation comes after every epoch.",
    "steps_per_epoch": "An epoch is one pass over all rows; give a part of them, X[:n], or fewer epochs.",
    "validation_steps": "All validation rows count; give a part of them: (X[:n], y[:n]).",
    "validation_batch_size": "It changes no result: validation takes 1,024 rows at a time, or more.",
    "workers": "Rows are in memory: no process has to bring them.",
}


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
    **others: Any,
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
        **others: None: what `Model.fit` has besides is answered with what to do instead.

    Returns:
        A `keras.callbacks.History`. Its attribute `engine` says what trained: `xla` or `graph` (both compiled) or
        `steps` (a call for every batch); `plot()` draws the losses, and a notebook shows it as a table.

    Raises:
        UserError: An argument is wrong; nothing has been trained then.
    """
    _check_names(others)
    defaults = catalog.config("presets/slides")["values"]["train"]
    epochs = _whole("epochs", defaults["epochs"] if epochs is None else epochs)
    batch_size = _whole("batch_size", defaults["batch_size"] if batch_size is None else batch_size)
    patience = _patience(early_stopping)
    settings = option("train.augmentation", spec.Augmentation, augmentation, "fit: augmentation")
    _check_compiled(model)
    check_arrays(X, y)
    X = arrays.table(X)
    if validation_split is not None:
        X, y, sample_weight, validation_data = held_out(
            model, X, y, sample_weight, validation_data=validation_data, share=validation_split, seed=seed
        )
    rows, by_class = resident(
        model, X, y, class_weight=class_weight, sample_weight=sample_weight, seed=seed if shuffle else None
    )
    if is_ensemble(model) and is_unfitted(model):
        fit_to_rows(model, rows.in_order()[0][:ROWS_FITTED_TO], seed)
    plan = Plan(
        epochs,
        batch_size,
        patience,
        callbacks,
        device=device,
        verbose=verbose,
        checkpoint=checkpoint,
        augment=_augment(settings, rows.first[0].shape[1:], X, seed) if settings else None,
    )
    validation = resident_validation(model, validation_data, by_class, getattr(X, "columns", None))
    history, _ = train(model, rows, validation, plan)
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


def _check_names(others: Mapping[str, Any]) -> None:
    """Refuses arguments that `fit` does not have; of Keras's, it says what does their work here."""
    for name in others:
        near = nearest(name, inspect.signature(fit).parameters)
        raise UserError(
            "no such argument",
            place=f"fit: {name}",
            remedy=KERAS_HAS.get(name) or (f"Did you mean {near}?" if near else None),
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
    new = keras_private.unknown_to_optimizer(model)
    if new:
        raise UserError(
            f"{len(new)} weights became trainable after the optimizer was built, which does not know them",
            place="fit: model",
            found=listing(new),
            remedy="Compile the model again after layers are frozen or unfrozen: model.compile(...).",
        )
