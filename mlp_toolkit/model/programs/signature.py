"""What a compiled step of training depends on, as a text: two networks of one signature train through one program.

A program reads all variables of a network, and holds everything else as it stood when it was traced. So a signature
names everything else: layers and their settings, loss, metrics, the optimizer's settings, what is trainable.
Initializers and seeds have done their work by then, and layers are called by their places.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mlp_toolkit.model import keras_private
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.keras_types import Network, Variable
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.model.members.layers import (
    MembersBatchNormalization,
    MembersDense,
    MembersDropout,
    MembersMean,
    ToMembers,
)
from mlp_toolkit.model.members.numbers import Embeddings, MembersScale, RobustScale

# Layers whose settings and variables are all there is to them. Others may hold tables, files or code.
_LAYERS = """
    InputLayer Dense Dropout Activation BatchNormalization LayerNormalization ReLU LeakyReLU PReLU ELU Softmax
    GaussianNoise GaussianDropout AlphaDropout UnitNormalization RMSNormalization Flatten Reshape Concatenate Add
    Multiply Rescaling Identity Conv1D Conv2D MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D
"""
_KNOWN_LAYERS = {getattr(keras.layers, name) for name in _LAYERS.split()}
# Ours, whose settings and variables are all there is to them as well.
_KNOWN_LAYERS |= {ToMembers, MembersDense, MembersDropout, MembersBatchNormalization, MembersMean}
_KNOWN_LAYERS |= {RobustScale, Embeddings, MembersScale}
_LEFT_OUT = ("seed", "build_config", "shared_object_id")


def signature(model: Network) -> str | None:
    """The signature of a compiled model; None where it has parts that no setting describes: code of somebody's own."""
    layers = architecture(model)
    given = {name: value for name, value in keras_private.compile_record(model).items() if name != "optimizer"}
    if layers is None or not _has_no_code(given):
        return None
    optimizer = keras.saving.serialize_keras_object(model.optimizer)
    _without_rate(optimizer)
    compiled = keras.saving.serialize_keras_object(given)
    if not _all_of_keras([optimizer, compiled]):
        return None
    about = {
        "optimizer": _neutral(optimizer, {}),
        "compiled": compiled,  # names of metrics are those of the logs
        "metrics": [[type(metric).__name__, metric.name] for metric in model.metrics],
        "decayed": keras_private.decayed(model),
        "of the optimizer": len(model.optimizer.variables),
    }
    return layers + json.dumps(about, sort_keys=True, default=str)


def architecture(model: Network) -> str | None:
    """The same of a model's layers alone, on which its predictions depend."""
    plain = type(model).__module__.startswith("keras.src.models.") or isinstance(model, Ensemble)
    if not plain or not all(map(_is_plain, model.layers)):
        return None
    settings = model.get_config()
    if not _all_of_keras(settings):
        return None
    names = {layer["config"]["name"]: f"layer {place}" for place, layer in enumerate(settings["layers"])}
    about = {
        "kind": type(model).__name__,
        "layers": _neutral(settings, names),
        "outputs": list(model.output_names) if len(model.outputs) > 1 else 1,
        "trainable": [variable.trainable for variable in model.variables],
    }
    return json.dumps(about, sort_keys=True, default=str)


def described(variables: Sequence[Variable]) -> tuple[tuple[Any, ...], ...]:
    """Shapes and types of variables."""
    return tuple((tuple(variable.shape), str(variable.dtype)) for variable in variables)


def _without_rate(optimizer: dict[str, Any]) -> None:
    """Takes out the learning rate, which is a variable; a schedule of it is not."""
    settings = optimizer["config"]
    if isinstance(settings.get("learning_rate"), float):
        del settings["learning_rate"]
    if isinstance(settings.get("inner_optimizer"), dict):
        _without_rate(settings["inner_optimizer"])


def _is_plain(layer: Any) -> bool:
    """Whether a layer's settings and variables are all there is to it."""
    if type(layer) not in _KNOWN_LAYERS:
        return False
    activation = getattr(layer, "activation", None)
    return activation is None or isinstance(activation, str) or _is_of_keras(activation)


def _is_of_keras(thing: Any) -> bool:
    if isinstance(thing, keras.layers.Layer):
        return _is_plain(thing)
    module = str(getattr(thing, "__module__", ""))
    return module.startswith(("keras.", "mlp_toolkit."))


def _has_no_code(value: Any) -> bool:
    """Whether no function in what `compile` was given is one of somebody's own."""
    if isinstance(value, dict):
        return all(_has_no_code(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_has_no_code(item) for item in value)
    return not callable(value) or _is_of_keras(value)


def _all_of_keras(value: Any) -> bool:
    """Whether every class and function named in settings is one of Keras's."""
    if isinstance(value, dict):
        if "class_name" in value and value.get("class_name") not in ("__tuple__", "__keras_tensor__"):
            module = str(value.get("module"))
            if not module.startswith("keras") and not str(value.get("registered_name")).startswith("mlp_toolkit>"):
                return False
        return all(_all_of_keras(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_all_of_keras(item) for item in value)
    return value is None or isinstance(value, str | int | float)


def _neutral(value: Any, names: dict[str, str]) -> Any:
    """Settings without seeds, initializers, and names that count through a process."""
    if isinstance(value, dict):
        if "DTypePolicy" in str(value.get("class_name")):  # its name is its setting
            return value
        return {
            key: _renamed(item, names) if key in _NAMING else _neutral(item, names)
            for key, item in value.items()
            if key not in _LEFT_OUT and not key.endswith("initializer")
        }
    if isinstance(value, list | tuple):
        return [_neutral(item, names) for item in value]
    return value


_NAMING = ("name", "keras_history", "input_layers", "output_layers")


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list | tuple):
        return [_renamed(item, names) for item in value]
    return names.get(value, "") if isinstance(value, str) else value
