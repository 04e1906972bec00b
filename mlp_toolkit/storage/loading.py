"""Models read from HDF5 files and `.keras` archives.

Every file counts as a stranger's: it is read once, and checked in memory before a model is built from it; the
optimizer, whose state Keras 3 loses on the way, is restored.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.storage import keras_archives
from mlp_toolkit.storage.inspecting import OWN_GROUP
from mlp_toolkit.storage.saving import quiet_keras, random_states
from mlp_toolkit.storage.untrusted import allow_list, hdf5, limits

if TYPE_CHECKING:
    from mlp_toolkit.model.keras_types import Layer, Network, Variable

log = logging.getLogger("mlp_toolkit")


def load(path: str | Path, *, largest: int = limits.LARGEST) -> Network:
    """Loads a model from an HDF5 file or a `.keras` archive, ready to predict and to go on training where it stopped.

    The file is read once, and its copy in memory is checked: only known Keras classes, nothing that could run code or
    read other files, nothing larger in memory than in the file. Files of Keras 1 and 2 give a model to predict with,
    not compiled.

    Args:
        path: A file that `save` or any Keras wrote.
        largest: Bytes that are read at most; 4 GiB unless given.

    Returns:
        The Keras model, compiled when the file says how, with the optimizer's state.

    Raises:
        UserError: Not a model file, damaged, or it holds something that is refused.
    """
    file_path = limits.existing(path)
    return model_from_bytes(limits.contents(file_path, largest), file_path)


def model_from_bytes(raw: bytes, path: Path = Path("model.h5")) -> Network:
    """What `load` does with the contents of a file.

    Args:
        raw: The contents.
        path: Says by its ending what they are, and names them in messages.
    """
    from mlp_toolkit.model.layers import names, soundness
    from mlp_toolkit.storage.untrusted import rebuilding

    names.register_all()
    model: Network = keras_archives.load_archive(raw, path) if path.suffix == ".keras" else _from_hdf5(raw, path)
    with rebuilding.rebuilding(path):
        soundness.check_layers(model)
        soundness.check_predicts(model)
    return model


def _from_hdf5(raw: bytes, path: Path) -> Network:
    from mlp_toolkit.storage.untrusted import rebuilding

    file = hdf5.read_hdf5(raw, str(path))
    config = limits.model_config(file, path)
    with rebuilding.rebuilding(path):
        allow_list.check_classes(config, str(path))
        limits.check_size(config, path, linear=True)
        compile_config = _compile_config(file, path)
        limits.check_finite(file.walk(), path)
        if "model_weights" not in file.groups:
            raise UserError("the file holds no weights: it has no group 'model_weights'", place=str(path))
        weights = file.groups["model_weights"]
        held = sum(array.size for _, array in weights.walk())
        rebuilding.check_rebuilds(config, held, limits.names_in(weights, "layer_names"), path)
        with quiet_keras():
            model: Network = rebuilding.build_from(config)
        _fill(model, weights)
        if compile_config is not None:
            arguments = {**_compile_arguments(compile_config), "auto_scale_loss": False}
            model.compile(**_scaled_as(arguments, file))
            _restore_optimizer(model, file)
        if OWN_GROUP in file.groups:
            for index, variable in enumerate(random_states(model)):
                _assign(variable, file.groups[OWN_GROUP], f"random_state_{index}")
    return model


def _fill(model: Network, weights: hdf5.Group) -> None:
    """Gives a model its weights: layer by layer in the order of the model, those that learn before the others."""
    listed = [name for name in limits.names_in(weights, "layer_names") if _weight_names(weights, name)]
    layers = [layer for layer in model.layers if layer.weights]
    if [layer.name for layer in layers] != listed:
        raise UserError(
            "damaged: the layers with weights are others than in the model",
            found=", ".join(listed),
            allowed=", ".join(layer.name for layer in layers),
        )
    for layer in layers:
        _fill_one(layer, layer.trainable_weights + layer.non_trainable_weights, weights.groups[layer.name])
    if "top_level_model_weights" in weights.groups:
        # Weights of a model's own class, which no layer has.
        in_layers = {id(variable) for layer in model.layers for variable in layer.weights}
        own = [variable for variable in model.weights if id(variable) not in in_layers]
        _fill_one(model, own, weights.groups["top_level_model_weights"])


def _weight_names(weights: hdf5.Group, layer: str) -> list[str]:
    if layer not in weights.groups:
        raise UserError(f"damaged: the weights of the layer {shorten(layer)!r} are not there")
    return limits.names_in(weights.groups[layer], "weight_names")


def _fill_one(layer: Layer, variables: Sequence[Variable], group: hdf5.Group) -> None:
    names = limits.names_in(group, "weight_names")
    if len(names) != len(variables):
        raise UserError(f"damaged: the layer {layer.name!r} has {len(variables)} weights, the file {len(names)}")
    # The last word of a path is the variable's own name; Keras 2 put `:0` after it.
    titles, own = [name.split("/")[-1].split(":")[0] for name in names], [variable.name for variable in variables]
    if sorted(titles) == sorted(own) and titles != own:
        raise UserError(f"refused: the file lists the weights of {layer.name!r} in another order than the model")
    for variable, name in zip(variables, names, strict=True):
        _assign(variable, group, name)
    if variables and hasattr(layer, "finalize_state"):
        layer.finalize_state()


def _assign(variable: Variable, group: hdf5.Group, name: str) -> None:
    """Gives a variable its value, which has its shape and type already."""
    array = group.array(name)
    if array is None:
        raise UserError(f"damaged: {shorten(name)!r} is not there")
    dtype = array.dtype.newbyteorder("=").name
    if array.shape != tuple(variable.shape) or dtype != variable.dtype:
        raise UserError(
            f"the model cannot be rebuilt: {shorten(name)!r} has another shape or type",
            found=f"{array.shape} {dtype}",
            allowed=f"{tuple(variable.shape)} {variable.dtype}",
        )
    variable.assign(array.values())


def _compile_config(file: hdf5.Group, path: Path) -> dict[str, Any] | None:
    """The record of compile arguments, checked: exactly those the model had, or Keras's own record; None without."""
    own = file.groups.get(OWN_GROUP)
    if own is not None and "compile_config" in own.attributes:
        record = own.attributes["compile_config"]
    elif "training_config" not in file.attributes:
        return None
    elif str(file.attributes.get("keras_version", "")).startswith(("1.", "2.")):
        log.warning("%s was written by an old Keras: it predicts; compile it before training.", path)
        return None
    else:
        record = file.attributes["training_config"]
    config = limits.json_of(record, "compile configuration", path)
    allow_list.check_classes(config, str(path))
    if not isinstance(config, dict):
        raise UserError("the compile configuration is damaged", place=str(path))
    pinned: dict[str, Any] = allow_list.pinned(config)
    return pinned


def _compile_arguments(config: dict[str, Any]) -> dict[str, Any]:
    """Compile arguments out of their record."""
    from mlp_toolkit.model.backend import keras

    if "optimizer_config" not in config:
        return {key: keras.saving.deserialize_keras_object(value) for key, value in config.items()}
    return {
        "optimizer": keras.optimizers.deserialize(config["optimizer_config"]),
        "loss": _deserialized(config.get("loss"), keras.losses.deserialize),
        "loss_weights": config.get("loss_weights"),
        "metrics": _deserialized(config.get("metrics"), keras.metrics.deserialize),
        "weighted_metrics": _deserialized(config.get("weighted_metrics"), keras.metrics.deserialize),
    }


def _scaled_as(arguments: dict[str, Any], file: hdf5.Group) -> dict[str, Any]:
    """The arguments with an optimizer that scales the loss where the one of the file did.

    Keras's record of a model leaves that out, and `compile` goes by the precision of the session that loads.
    """
    from mlp_toolkit.model.backend import keras

    group, optimizer = file.groups.get("optimizer_weights"), arguments.get("optimizer")
    scales = group is not None and any("dynamic_scale" in name for name in limits.names_in(group, "weight_names"))
    if scales and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return {**arguments, "optimizer": keras.optimizers.LossScaleOptimizer(optimizer)}
    return arguments


def _deserialized(node: Any, build: Any) -> Any:
    """Names stay names: `compile` knows the aliases that Keras's own loader does not."""
    if isinstance(node, dict) and "class_name" in node:
        return build(node)
    if isinstance(node, dict):
        return {key: _deserialized(value, build) for key, value in node.items()}
    if isinstance(node, list):
        return [_deserialized(value, build) for value in node]
    return node


def _restore_optimizer(model: Network, file: hdf5.Group) -> None:
    """Puts an optimizer's state back by position: Keras 3 builds a loaded optimizer on no variables at all."""
    optimizer = model.optimizer
    group = file.groups.get("optimizer_weights")
    names = limits.names_in(group, "weight_names") if group else []
    unused = len(names) == len(optimizer.variables)  # its step counter, and what else it has before it is built
    if not unused:
        optimizer.build(model.trainable_variables)
    if group and len(names) != len(optimizer.variables):
        raise UserError(
            f"the optimizer's state has {len(names)} parts, {optimizer.name} needs {len(optimizer.variables)}"
        )
    for variable, name in zip(optimizer.variables, names, strict=False):
        assert group is not None
        _assign(variable, group, name)
    if unused:
        optimizer.build(model.trainable_variables)
