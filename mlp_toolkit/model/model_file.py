"""A network and the encoding of its columns become one model: raw columns in, predictions out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from mlp_toolkit.data import targets as data_targets
from mlp_toolkit.data.columns.encoder import Encoding
from mlp_toolkit.evaluation.calibration import Fit, Steps
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.keras_types import Network, Tensor
from mlp_toolkit.model.layers.calibration import Calibration, Isotonic
from mlp_toolkit.model.layers.columns import Columns, free_name
from mlp_toolkit.model.layers.encoding import encoding_layers
from mlp_toolkit.model.layers.target import Target
from mlp_toolkit.model.parts.losses import usual_metrics


def build_model_file(
    network: Network, encoding: Encoding, target: data_targets.Target, correction: Fit | Steps | None = None
) -> Network:
    """The network with the encoding before it and the target's units after it: raw rows in, predictions out.

    Args:
        network: As `build_mlp` gives it, taking the encoded rows.
        encoding: Fitted to the training rows.
        target: The dataset's target.
        correction: How its probabilities are put right, or None.

    Returns:
        A `keras.Model` whose inputs are named as the raw columns, (rows, 1) each, images (rows, any height, any width,
        channels); where more than 200 columns are of a kind, these are one input (rows, columns), `all_numeric`,
        `all_categorical` or `all_date`. It shares the network's layers, and is compiled with the same loss and a copy
        of the optimizer with its state.
    """
    encoder = build_encoder(encoding, [network.name])
    outputs = network(encoder.output)
    taken = [network.name, *(layer.name for layer in encoder.layers)]
    if correction is not None:
        outputs = _correcting(correction, target, free_name("calibration", taken))(outputs)
    settings = (target.task, target.names, target.classes, target.offset, target.scale)
    judging: dict[str, Any] = {
        "thresholds": target.thresholds,
        "level": target.level,
        "widths": target.widths,
        "sizes": target.sizes,
        "seen": target.seen,
    }
    final = Target(*settings, **judging, name=free_name("target", taken))(outputs)
    model = _of_columns(encoder.input, final, "model")
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(network.optimizer))
    model.compile(
        optimizer=optimizer, loss=network.loss, metrics=usual_metrics(target.task, network.loss), auto_scale_loss=False
    )
    if network.optimizer.built:  # of networks of several epochs in one, it has no state
        optimizer.build(model.trainable_variables)
        for new, old in zip(optimizer.variables, network.optimizer.variables, strict=True):
            new.assign(old)
    return model


def _correcting(correction: Fit | Steps, target: data_targets.Target, name: str) -> Any:
    """The layer that puts probabilities right."""
    if isinstance(correction, Steps):
        return Isotonic(correction.at, correction.to, name=name)
    return Calibration(correction.slope, correction.offset, target.task == "multiclass", name=name)


def build_encoder(encoding: Encoding, taken: Sequence[str] = ()) -> Network:
    """The encoding as a model: named raw columns in, (rows, encoding.width) float32 out.

    Args:
        encoding: The encoding.
        taken: Names that other layers of the model have.
    """
    columns = Columns(encoding, taken)
    return _of_columns(columns.inputs, encoding_layers(encoding, columns), "encoder")


def _of_columns(columns: Mapping[str, Tensor], outputs: Tensor, name: str) -> Network:
    """A model of named columns. Keras warns where a column's name, for its slash, is not the name of its tensor."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="When providing `inputs` as a dict")
        model: Network = keras.Model(columns, outputs, name=name)
        return model
