"""Whether the settings of our own layers, out of a model file, are such as we write, and fit together."""

from __future__ import annotations

from typing import Any

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.keras_types import Layer, Network
from mlp_toolkit.model.layers.columns import matrix_name
from mlp_toolkit.model.layers.encoding import parts_in
from mlp_toolkit.model.layers.names import registered
from mlp_toolkit.model.layers.target import Target


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
