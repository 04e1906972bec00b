"""What can be seen before and after training that Keras says nothing about."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.model.parts.losses import loss_name
from mlp_toolkit.model.programs import kept
from mlp_toolkit.model.programs.signature import architecture
from mlp_toolkit.recipe import catalog
from mlp_toolkit.training.engine.rows import Resident, Rows
from mlp_toolkit.training.engine.steps import build

log = logging.getLogger("mlp_toolkit")

HIGHEST_RATE = 10.0
USUAL_BATCH = 32
ROWS_LOOKED_AT = 2_000
VALUES_LOOKED_AT = 20_000_000  # of a layer at once: convolutions have many
DEAD_SHARE = 1 / 3
REMEDY_OF_DEAD = "Take leaky_relu, a lower learning rate, or batch normalization (batch_norm)"
# Beyond these a number is taken for the cause: so many times the usual rate, and what was not scaled.
RATE_TOO_HIGH = 10.0
LARGE_FEATURE = 100.0
LARGE_TARGET = 1000.0


def check_rate(model: Any, callbacks: Sequence[Any] = ()) -> None:
    """Refuses a learning rate that trains nothing, and warns of one that nothing survives.

    Schedules, and rates that Keras's LearningRateScheduler sets in each epoch, are not looked at.

    Raises:
        UserError: It is 0, negative or not a number.
    """
    optimizer = _optimizer(model)
    rate = optimizer.get_config().get("learning_rate")
    scheduled = any(isinstance(callback, keras.callbacks.LearningRateScheduler) for callback in callbacks)
    if not isinstance(rate, int | float) or scheduled:
        return
    name, usual = type(optimizer).__name__, _usual_rate(optimizer)
    if not rate > 0 or not np.isfinite(rate):
        so = "every step would make the loss greater" if rate < 0 else "nothing would be learnt"
        raise UserError(
            f"the learning rate of {name} is {rate:g}: {so}",
            place="fit: model.optimizer",
            remedy=f"Set one above 0: model.optimizer.learning_rate = {usual:g} is usual; "
            "mt.find_learning_rate(model, X, y) suggests one.",
        )
    if rate >= HIGHEST_RATE:
        log.warning(
            "The learning rate of %s is %g, %s times its usual %g, and training will hardly survive it; "
            "mt.find_learning_rate(model, X, y) suggests one.",
            name,
            rate,
            f"{rate / usual:,.0f}",
            usual,
        )


def _optimizer(model: Any) -> Any:
    """The model's, out of the one that scales the loss for half precision."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _usual_rate(optimizer: Any) -> float:
    table = catalog.config("optimizers")
    for entry in table["optimizers"].values():
        if entry["keras"] == type(optimizer).__name__:
            return float(entry["settings"]["learning_rate"])
    return float(table["fallback_settings"]["learning_rate"])


def check_batch_size(batch_size: int, rows: int) -> None:
    """Warns of a batch that is larger than all rows together, unless it is the usual one, which few rows share."""
    if batch_size <= max(rows, USUAL_BATCH):
        return
    log.warning(
        "The batch size is %d, and there are %d rows: each epoch is a single step. Networks learn by many small "
        "steps; batch_size=%d makes several of an epoch.",
        batch_size,
        rows,
        min(USUAL_BATCH, 2 ** round(math.log2(max(1, rows / 5)))),
    )


def check_watched(model: Any, rows: Rows, validation: Rows | None, callbacks: Sequence[Any]) -> None:
    """Refuses callbacks that watch what there is not: Keras would warn, and train all epochs.

    What stands behind a callback of the user's own is believed: it may report more.

    Raises:
        UserError: With what can be watched.
    """
    names: list[str] = []
    for callback in callbacks:
        if not _is_kerass(callback):
            return
        watched = getattr(callback, "monitor", None)
        if isinstance(callback, keras.callbacks.ModelCheckpoint) and not callback.save_best_only:
            continue
        if not isinstance(watched, str):
            continue
        names = names or _reported(model, rows, validation, callbacks)
        if watched not in names:
            absent = watched.startswith("val_") and validation is None
            raise UserError(
                f"{type(callback).__name__} watches {watched}, which this training does not report",
                place="fit: callbacks",
                found=watched,
                allowed=names,
                remedy="Names with val_ need validation rows: pass validation_data or validation_split."
                if absent
                else None,
            )


def _is_kerass(callback: Any) -> bool:
    kind = type(callback)
    return kind.__module__.startswith("keras.") and kind is not keras.callbacks.LambdaCallback


def _reported(model: Any, rows: Rows, validation: Rows | None, callbacks: Sequence[Any]) -> list[str]:
    """What stands in the logs of an epoch."""
    build(model, rows.first)
    names = list(model.get_metrics_result())
    if validation is not None:
        names += [f"val_{name}" for name in names] + ["val_weighted_loss"] * (len(validation.first) > 3)
    rated = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    return names + ["learning_rate"] * any(isinstance(callback, rated) for callback in callbacks)


def likely_cause(model: Any, rows: Rows) -> str:
    """Why a loss is likely to have become infinite or NaN, with the remedy: rate, features, targets and loss are seen.

    The cause that is farthest from what is usual comes first.
    """
    x, y = (np.asarray(array) for array in next(rows.blocks(0))[:2])
    optimizer, loss = _optimizer(model), model.loss
    rate, usual = float(optimizer.learning_rate), _usual_rate(optimizer)
    largest, highest = _largest(x), _largest(y)
    causes = [
        (
            rate / usual / RATE_TOO_HIGH,
            f"the learning rate {rate:g} is {rate / usual:,.0f} times the usual {usual:g} of "
            f"{type(optimizer).__name__}; lower it",
        ),
        (
            largest / LARGE_FEATURE,
            f"the features are not scaled, X reaches {largest:g}; scale them to mean 0 and deviation 1, as recipes do",
        ),
        (
            highest / LARGE_TARGET if y.dtype.kind == "f" else 0.0,
            f"the targets are not scaled, y reaches {highest:g}; scale them to mean 0 and deviation 1, as recipes do",
        ),
    ]
    found = [text for severity, text in sorted(causes, reverse=True) if severity >= 1]
    if loss_name(loss) in ("poisson", "mean_squared_logarithmic_error") and y.min() < 0:
        found.append(f"the loss takes a logarithm, and y goes down to {y.min():g}; take mean_squared_error")
    elif not isinstance(loss, str) and not str(getattr(loss, "__module__", "keras")).startswith("keras"):
        found.append(
            f"the loss {loss_name(loss)} takes the logarithm of 0 or divides by 0; add a small number inside, 1e-7"
        )
    if not found:
        found = [
            f"the learning rate {rate:g} is too high for this network; take a tenth of it, or ask "
            "mt.find_learning_rate(model, X, y); clipnorm: 1 helps, too"
        ]
    return f"Likely cause: {found[0]}." + "".join(f" Perhaps also: {text}." for text in found[1:])


def _largest(values: np.ndarray) -> float:
    return float(max(values.max(), -values.min()))


def check_dead(model: Any, rows: Rows) -> None:
    """Warns of hidden relu layers of which a third of the neurons or more give 0 whatever the row.

    No gradient passes them, so that they learn no more.
    """
    layers = _relu_layers(model)
    if not layers or not isinstance(rows, Resident):
        return
    x = tf.constant(next(rows.blocks(0))[0][: min(rows.rows, ROWS_LOOKED_AT)])
    try:
        sizes = [math.prod(side or 1 for side in layer.output.shape[1:]) for layer in layers]
        living = _living(model, layers, tf.TensorSpec((None, *x.shape[1:]), x.dtype))
    except (AttributeError, ValueError):  # a layer that was first called in another graph
        return
    each = max(1, VALUES_LOOKED_AT // max(sizes))
    pieces = [living(x[begin : begin + each]) for begin in range(0, len(x), each)]
    normalised = any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    remedy = "Take leaky_relu or a lower learning rate" if normalised else REMEDY_OF_DEAD
    for place, layer in enumerate(layers):
        alive = np.any([np.asarray(piece[place]) for piece in pieces], axis=0)
        dead = int((~alive).sum())
        if dead >= DEAD_SHARE * len(alive):
            log.warning(
                "%s: %d of %d relu neurons (%.0f %%) give 0 for each of %s training rows, and learn no more (dead "
                "ReLUs). %s.",
                layer.name,
                dead,
                len(alive),
                100 * dead / len(alive),
                f"{len(x):,}",
                remedy,
            )


def _relu_layers(model: Any) -> list[Any]:
    """The hidden relu layers of a plain chain or graph.

    Members are not looked at: a neuron that is dead in one of them is one of many.
    """
    if not getattr(model, "outputs", None) or isinstance(model, Ensemble):
        return []
    relu = (keras.activations.relu, keras.activations.relu6)
    return [
        layer
        for layer in model.layers[:-1]
        if getattr(layer, "activation", None) in relu
        or (isinstance(layer, keras.layers.ReLU) and not layer.negative_slope and not layer.threshold)
    ]


def _living(model: Any, layers: list[Any], spec: Any) -> Any:
    """A function of rows: for each of the layers, which of its neurons give more than 0 for some row."""

    def trace() -> Any:
        watched = keras.Model(model.inputs, [layer.output for layer in layers], name="watched")

        def living(x: Any) -> list[Any]:
            outputs = keras.tree.flatten(watched([x], training=False))
            return [tf.reduce_any(values > 0, axis=list(range(len(values.shape) - 1))) for values in outputs]

        return tf.function(living, autograph=False).get_concrete_function(spec)

    known = architecture(model)
    return kept.program(known and ("living", known, spec), model.weights, trace)
