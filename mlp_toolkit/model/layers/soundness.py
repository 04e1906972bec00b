"""Whether the settings of our own layers, out of a model file, are such as we write, and fit together."""

from __future__ import annotations

from typing import Any

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Layer, Network
from mlp_toolkit.model.layers.columns import matrix_name
from mlp_toolkit.model.layers.encoding import parts_in
from mlp_toolkit.model.layers.names import registered
from mlp_toolkit.model.layers.target import Target

IMAGE_SIDE = 8  # pixels of the image that a model of images is tried with


def check_layers(model: Network) -> None:
    """Checks every layer of ours in a model, and that a model of raw columns takes the columns that its layers name.

    Raises:
        UserError: They are damaged.
    """
    for layer in _all_layers(model):
        ours = keras.saving.get_registered_name(type(layer)) in registered("layer")
        if ours and not layer.sound():  # type: ignore[attr-defined]  # each layer of ours says so itself
            raise UserError(f"damaged: the settings of the layer {shorten(layer.name)!r} are none that we write")
    if any(isinstance(layer, Target) for layer in model.layers[-1:]):
        _check_columns(model)


def check_predicts(model: Network) -> None:
    """Sends one row through a model of raw columns; of others it looks at what they take and give.

    A file may hold layers that fit by their settings and still do not go together: better said now than at the first
    prediction.

    Raises:
        UserError: The model cannot predict, or predicts no numbers with fractions.
    """
    for tensor in keras.tree.flatten([model.inputs, model.outputs]):
        if getattr(tensor, "sparse", False):
            raise UserError("damaged: the model takes sparse rows, which we never write")
    for tensor in keras.tree.flatten(model.outputs):
        if not keras.backend.is_float_dtype(tensor.dtype):
            raise UserError(f"the model gives {tensor.dtype}, no numbers with fractions: it predicts nothing")
    if not any(isinstance(layer, Target) for layer in model.layers[-1:]):
        return
    row = {}
    for name, tensor in model.input.items():
        shape = [1, *(IMAGE_SIDE if side is None else side for side in tensor.shape[1:])]
        row[name] = tf.fill(shape, "") if tensor.dtype == "string" else tf.zeros(shape, tensor.dtype)
    try:
        given = model(row, training=False)
    except Exception as error:
        raise UserError(f"damaged: the model cannot predict: {shorten(str(error), 200)}") from None
    if tuple(given.shape) != (1, model.output_shape[-1]):
        raise UserError("damaged: one row gives another number of predictions than the model says")


def _all_layers(model: Network) -> list[Layer]:
    found: list[Layer] = []
    for layer in model.layers:
        found += _all_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def _as_today(dtype: str) -> str:
    """The type of an input; numbers came in float32 once."""
    return "float64" if dtype == "float32" else dtype


def _check_columns(model: Network) -> None:
    """A model file's model takes its columns by name, and its layers say which they are."""
    parts = parts_in(model)
    columns = [name for part in parts for name in part.names]
    taken = model.input if isinstance(model.input, dict) else {}
    found = {name: (_as_today(tensor.dtype), tuple(tensor.shape)) for name, tensor in taken.items()}
    named: dict[str, Any] = {}
    for part in parts:
        matrix = matrix_name(part, columns)
        shape = (len(part.names),) if matrix in taken else part.input_shape
        cells = [matrix] if matrix in taken else part.names
        named |= dict.fromkeys(cells, (_as_today(part.dtype), (None, *shape)))
    if len(columns) != len(set(columns)) or named != found:
        raise UserError("damaged: the columns that the model takes are not those that its layers name")
    target = model.layers[-1]
    assert isinstance(target, Target)
    outputs = len(target.classes) if target.task == "multiclass" else len(target.names)
    if model.output_shape != (None, outputs):
        raise UserError("damaged: the model's outputs are not those that its last layer names")
