"""Models in HDF5 files, saved and loaded.

Keras writes architecture, weights and optimizer in its own layout, so that any Keras can read the file. This module
adds what Keras leaves out (the exact compile arguments, the random state of dropout) in a group of its own, and writes
so that a kill leaves the old file or the new one. Reading is this toolkit's own: every file counts as a stranger's, is
read once, and is checked in memory before a model is built from it; the optimizer, which Keras 3 loses, is restored.
"""

from __future__ import annotations

import contextlib
import inspect as inspection
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_toolkit import archives, hdf5, known_classes, strangers
from mlp_toolkit.contents import OWN_GROUP, inspect  # noqa: F401  (`inspect` is a part of this module for its users)
from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.files import atomic

if TYPE_CHECKING:
    import h5py

log = logging.getLogger("mlp_toolkit")


def save(model: Any, path: str | Path) -> None:
    """Saves a Keras model in one HDF5 file: architecture, weights, compile arguments, optimizer state, random state.

    Args:
        model: Any Keras model; a custom class must be registered with Keras to be loaded again.
        path: Ends in .h5.

    Raises:
        UserError: The path does not end in .h5, or the model cannot be written.
    """
    import h5py

    from mlp_toolkit.startup import keras

    class Memory(h5py.File):
        """A file in memory that Keras takes for a path of its HDF5 format."""

        def __str__(self) -> str:
            return "model.h5"

    target = check_target(model, path)
    contents = io.BytesIO()
    # Not straight to the disk: where that is full, HDF5 ends without a word, or with the program.
    with Memory(contents, "w") as file:
        try:
            with _quiet_saving(), _whole_compile_record(model):
                model.save(file)
        except (NotImplementedError, TypeError, ValueError) as error:  # what Keras raises of own classes
            raise UserError(f"Keras cannot write this model: {shorten(str(error), 300)}", place=str(target)) from error
        own = file.create_group(OWN_GROUP)
        own.attrs["format"] = 1
        if model.compiled:
            arguments = dict(model.get_compile_config())
            arguments["optimizer"] = keras.saving.serialize_keras_object(model.optimizer)
            _complete_loss(arguments["loss"], model.loss)
            own.attrs["compile_config"] = json.dumps(arguments)
            _spell_out_losses(file)
        for index, variable in enumerate(_random_states(model)):
            own.create_dataset(f"random_state_{index}", data=variable.numpy())
    with atomic(target) as temporary:
        temporary.write_bytes(contents.getbuffer())


@contextlib.contextmanager
def _whole_compile_record(model: Any) -> Iterator[None]:
    """Keras takes the optimizer out of the record it keeps of `compile` when it writes HDF5.

    Without it, the next copy of the model would be compiled with Keras's default. There is no public way to the record.
    """
    record = getattr(getattr(model, "_compile_config", None), "config", None)
    kept = dict(record) if record is not None else {}
    try:
        yield
    finally:
        if record is not None:
            record.update(kept)


def check_target(model: Any, path: str | Path) -> Path:
    """The path as `save` will use it.

    Raises:
        UserError: `save` would refuse the path or the model.
    """
    from mlp_toolkit.startup import keras

    target = strangers.h5_path(path)
    if isinstance(getattr(model, "optimizer", None), keras.optimizers.Adafactor):
        raise UserError("Keras cannot save Adafactor's state in HDF5: its variables share names", remedy="Use adam.")
    if not target.parent.is_dir():
        raise UserError("the folder to save in is not there", place=str(target), found=str(target.parent))
    return target


def load(path: str | Path, *, largest: int = strangers.LARGEST) -> Any:
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
    # Some of these are imported to register themselves and our layers with Keras.
    from mlp_toolkit import augmentation, calibration, own_layers, schedules, shadow  # noqa: F401  (registered so)

    file_path = strangers.existing(path)
    raw = strangers.contents(file_path, largest)
    model = archives.load(raw, file_path) if file_path.suffix == ".keras" else _from_hdf5(raw, file_path)
    with shadow.rebuilding(file_path):
        own_layers.check(model)
    return model


def _from_hdf5(raw: bytes, path: Path) -> Any:
    from mlp_toolkit import shadow

    file = hdf5.read(raw, str(path))
    config = strangers.model_config(file, path)
    with shadow.rebuilding(path):
        known_classes.check(config, str(path))
        strangers.check_size(config, path, linear=True)
        compile_config = _compile_config(file, path)
        strangers.check_finite(file.walk(), path)
        if "model_weights" not in file.groups:
            raise UserError("the file holds no weights: it has no group 'model_weights'", place=str(path))
        weights = file.groups["model_weights"]
        held = sum(array.size for _, array in weights.walk())
        shadow.check(config, held, strangers.names_in(weights, "layer_names"), path)
        with _quiet_saving():
            model = shadow.build(config)
        _fill(model, weights)
        if compile_config is not None:
            model.compile(**_compile_arguments(compile_config))
            _restore_optimizer(model, file)
        if OWN_GROUP in file.groups:
            for index, variable in enumerate(_random_states(model)):
                _assign(variable, file.groups[OWN_GROUP], f"random_state_{index}")
    return model


def _fill(model: Any, weights: hdf5.Group) -> None:
    """Gives a model its weights: layer by layer in the order of the model, those that learn before the others."""
    listed = [name for name in strangers.names_in(weights, "layer_names") if _weight_names(weights, name)]
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
    return strangers.names_in(weights.groups[layer], "weight_names")


def _fill_one(layer: Any, variables: list[Any], group: hdf5.Group) -> None:
    names = strangers.names_in(group, "weight_names")
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


def _assign(variable: Any, group: hdf5.Group, name: str) -> None:
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


@contextlib.contextmanager
def _quiet_saving() -> Iterator[None]:
    """Without Keras's advice to use another format than the one this toolkit is for."""
    log = logging.getLogger("absl")
    silence = logging.Filter("nothing")
    log.addFilter(silence)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="When providing `inputs` as a dict")
            yield
    finally:
        log.removeFilter(silence)


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
    config = strangers.json_of(record, "compile configuration", path)
    known_classes.check(config, str(path))
    if not isinstance(config, dict):
        raise UserError("the compile configuration is damaged", place=str(path))
    return config


def _compile_arguments(config: dict[str, Any]) -> dict[str, Any]:
    """Compile arguments out of their record."""
    from mlp_toolkit.startup import keras

    if "optimizer_config" not in config:
        return {key: keras.saving.deserialize_keras_object(value) for key, value in config.items()}
    return {
        "optimizer": keras.optimizers.deserialize(config["optimizer_config"]),
        "loss": _deserialized(config.get("loss"), keras.losses.deserialize),
        "loss_weights": config.get("loss_weights"),
        "metrics": _deserialized(config.get("metrics"), keras.metrics.deserialize),
        "weighted_metrics": _deserialized(config.get("weighted_metrics"), keras.metrics.deserialize),
    }


def _deserialized(node: Any, build: Any) -> Any:
    """Names stay names: `compile` knows the aliases that Keras's own loader does not."""
    if isinstance(node, dict) and "class_name" in node:
        return build(node)
    if isinstance(node, dict):
        return {key: _deserialized(value, build) for key, value in node.items()}
    if isinstance(node, list):
        return [_deserialized(value, build) for value in node]
    return node


def _restore_optimizer(model: Any, file: hdf5.Group) -> None:
    """Puts an optimizer's state back by position: Keras 3 builds a loaded optimizer on no variables at all."""
    optimizer = model.optimizer
    group = file.groups.get("optimizer_weights")
    names = strangers.names_in(group, "weight_names") if group else []
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


def _random_states(model: Any) -> list[Any]:
    """Variables that Keras does not count as weights: the state of the random generators of dropout."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights and "seed" in variable.path]


def _complete_loss(record: Any, loss: Any) -> None:
    """Keras leaves settings out of the record of some losses: Huber's delta, the axis of CosineSimilarity.

    The base class of these losses still tells them.
    """
    if isinstance(record, dict) and isinstance(record.get("config"), dict):
        known = inspection.signature(type(loss)).parameters
        bases: list[Any] = [base for base in type(loss).__mro__[1:] if "get_config" in vars(base)]
        told = [(name, value) for base in reversed(bases) for name, value in base.get_config(loss).items()]
        record["config"] = {name: value for name, value in told if name in known} | record["config"]


def _spell_out_losses(file: h5py.File) -> None:
    """Keras writes `mse` and then cannot read it; it reads `mean_squared_error`."""
    from mlp_toolkit.startup import keras

    def full(node: Any) -> Any:
        if isinstance(node, str):
            try:
                found = keras.losses.get(node)
            except ValueError:
                return node
            return getattr(found, "__name__", node) if callable(found) else node
        if isinstance(node, list):
            return [full(value) for value in node]
        return node

    config = json.loads(file.attrs["training_config"])
    for key in ("loss", "metrics", "weighted_metrics"):
        config[key] = full(config.get(key))
    file.attrs["training_config"] = json.dumps(config)
