"""HDF5: save, load, inspect. The only module that touches Keras's saving.

Keras writes architecture, weights and optimizer in its own layout, so that any Keras can read the file. This module
adds what Keras leaves out (the exact compile arguments, the random state of dropout) in a group of its own, writes so
that a kill leaves the old file or the new one, and restores the optimizer, which Keras 3 does not.
"""

from __future__ import annotations

import contextlib
import inspect as inspection
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit import archives
from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.files import atomic
from mlp_toolkit.strangers import (
    check_classes,
    check_datasets,
    check_shadow,
    datasets,
    existing,
    h5_path,
    json_of,
    model_config,
    names_in,
    opened,
    refused,
)

if TYPE_CHECKING:
    import h5py

log = logging.getLogger("mlp_toolkit")

OWN_GROUP = "mlp_toolkit"


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

    target = check_target(model, path)
    with atomic(target) as temporary:
        try:
            with _quiet_saving():
                model.save(temporary)
        except (NotImplementedError, TypeError, ValueError) as error:  # what Keras raises of own classes
            raise UserError(f"Keras cannot write this model: {shorten(str(error), 300)}", place=str(target)) from error
        with h5py.File(temporary, "r+") as file:
            own = file.create_group(OWN_GROUP)
            own.attrs["format"] = 1
            if model.compiled:
                # Keras takes the optimizer out of the record it keeps of `compile` when it writes HDF5.
                arguments = dict(model.get_compile_config())
                arguments["optimizer"] = keras.saving.serialize_keras_object(model.optimizer)
                _complete_loss(arguments["loss"], model.loss)
                own.attrs["compile_config"] = json.dumps(arguments)
                _spell_out_losses(file)
            for index, variable in enumerate(_random_states(model)):
                own.create_dataset(f"random_state_{index}", data=variable.numpy())


def check_target(model: Any, path: str | Path) -> Path:
    """The path as `save` will use it.

    Raises:
        UserError: `save` would refuse the path or the model.
    """
    from mlp_toolkit.startup import keras

    target = h5_path(path)
    if isinstance(getattr(model, "optimizer", None), keras.optimizers.Adafactor):
        raise UserError("Keras cannot save Adafactor's state in HDF5: its variables share names", remedy="Use adam.")
    if not target.parent.is_dir():
        raise UserError("the folder to save in is not there", place=str(target), found=str(target.parent))
    return target


def load(path: str | Path) -> Any:
    """Loads a model from an HDF5 file or a `.keras` archive, ready to predict and to go on training where it stopped.

    The file's structure is checked first: only known Keras classes, nothing that could run code or read other files,
    nothing larger in memory than in the file. Files of Keras 1 and 2 give a model to predict with, not compiled.

    Args:
        path: A file that `save` or any Keras wrote.

    Returns:
        The Keras model, compiled when the file says how, with the optimizer's state.

    Raises:
        UserError: Not a model file, damaged, or it holds something that is refused.
    """
    from mlp_toolkit import augmentation, calibration, schedules  # noqa: F401  (registers them and our layers with Keras)
    from mlp_toolkit.startup import keras

    file_path = existing(path)
    if file_path.suffix == ".keras":
        with _rebuilding(file_path):
            model = archives.load(file_path)
        _check_finite(model, file_path)
        return model
    with opened(file_path) as file:
        config = model_config(file, file_path)
        check_classes(config, file_path)
        check_datasets(file, file_path)
        with _rebuilding(file_path):
            held = sum(int(item.size) for _, item in datasets(file["model_weights"]))
            check_shadow(config, held, names_in(file["model_weights"], "layer_names"), file_path)
    with _rebuilding(file_path), _quiet_saving():
        model = keras.models.load_model(str(file_path), compile=False, safe_mode=True)
    with opened(file_path) as file:
        _check_finite(model, file_path)
        with _rebuilding(file_path):
            compile_config = _compile_config(file, file_path)
            if compile_config is not None:
                model.compile(**compile_config)
                _restore_optimizer(model, file, file_path)
            if OWN_GROUP in file:
                for index, variable in enumerate(_random_states(model)):
                    variable.assign(file[OWN_GROUP][f"random_state_{index}"][()])
    return model


def _check_finite(model: Any, path: Path) -> None:
    if not all(np.isfinite(variable.numpy()).all() for variable in model.weights):
        raise UserError("the weights hold NaN or infinity: the training that wrote them diverged", place=str(path))


@contextlib.contextmanager
def _rebuilding(path: Path) -> Iterator[None]:
    """Whatever Keras raises over a file that it cannot make sense of, the file is what is wrong."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"the model cannot be rebuilt: {shorten(str(error), 300)}", place=str(path)) from error


def inspect(path: str | Path) -> dict[str, Any]:
    """What a model file holds, read without building or running anything.

    Returns:
        `format`, `keras_version`, `size` in bytes, `layers` (name, class, weights and parameters of each),
        `parameters`, `inputs`, `target`, `loss`, `optimizer`, `learning_rate`, `refused`.
    """
    file_path = existing(h5_path(path))
    with opened(file_path) as file:
        config = model_config(file, file_path)
        version = file.attrs.get("keras_version", "unknown")
        training = json.loads(file.attrs["training_config"]) if "training_config" in file.attrs else {}
        found = _layers(config, file.get("model_weights", {}))
    optimizer = training.get("optimizer_config", {})
    target = next((layer["config"] for layer in found if layer["class"] == "mlp_toolkit>Target"), None)
    for layer in found:
        del layer["config"]
    return {
        "format": "Keras HDF5",
        "keras_version": version if isinstance(version, str) else bytes(version).decode(),
        "size": file_path.stat().st_size,
        "layers": found,
        "parameters": sum(layer["parameters"] for layer in found),
        "inputs": _input_names(config),
        "target": target and {key: target.get(key) for key in ("task", "names", "classes")},
        "loss": _named(training.get("loss")),
        "optimizer": optimizer.get("class_name"),
        "learning_rate": optimizer.get("config", {}).get("learning_rate"),
        "refused": sorted(refused(config)),
    }


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


def _compile_config(file: h5py.File, path: Path) -> dict[str, Any] | None:
    """Compile arguments: exactly those the model had, or as near as Keras's own record allows."""
    from mlp_toolkit.startup import keras

    own = file.get(OWN_GROUP)
    if own is not None and "compile_config" in own.attrs:
        config = json_of(own.attrs["compile_config"], "compile configuration", path)
        check_classes(config, path)
        return {key: keras.saving.deserialize_keras_object(value) for key, value in config.items()}
    if "training_config" not in file.attrs:
        return None
    if str(file.attrs.get("keras_version", "")).startswith(("1.", "2.")):
        log.warning("%s was written by an old Keras: it predicts; compile it before training.", path)
        return None
    config = json_of(file.attrs["training_config"], "training configuration", path)
    check_classes(config, path)
    optimizer = config["optimizer_config"]
    return {
        "optimizer": keras.optimizers.deserialize(optimizer),
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


def _restore_optimizer(model: Any, file: h5py.File, path: Path) -> None:
    """Keras builds the loaded optimizer on no variables at all, so its state is put back here, by position."""
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    if "optimizer_weights" not in file:
        return
    group = file["optimizer_weights"]
    names = names_in(group, "weight_names")
    # Keras writes an optimizer that has not been used yet as its step counter and its learning rate.
    if len(names) not in (2, len(optimizer.variables)):
        raise UserError(
            f"the optimizer's state has {len(names)} parts, {optimizer.name} needs {len(optimizer.variables)}",
            place=str(path),
        )
    for variable, name in zip(optimizer.variables, names, strict=False):
        value = group[name][()]
        if tuple(value.shape) != tuple(variable.shape):
            raise UserError(f"the optimizer's state {shorten(name)!r} has the wrong shape", place=str(path))
        variable.assign(value)


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


def _layers(config: Any, weights: Any) -> list[dict[str, Any]]:
    """Each layer with its class, its weights' shapes and its number of parameters; nested models opened up."""
    found: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        for layer in node.get("config", {}).get("layers", []):
            if not isinstance(layer, dict):
                continue
            inner = layer.get("config", {})
            if isinstance(inner, dict) and "layers" in inner:
                walk(layer)
                continue
            name = str(inner.get("name", layer.get("name", "")) if isinstance(inner, dict) else "")
            found.append(
                {"name": name, "class": str(layer.get("class_name")), "weights": {}, "parameters": 0, "config": inner}
            )

    walk(config)
    by_name = {layer["name"]: layer for layer in found}

    def add(path: str, item: Any) -> None:
        if not hasattr(item, "shape"):
            return
        parts = path.split("/")
        owner = next((by_name[part] for part in reversed(parts[:-1]) if part in by_name), None)
        if owner is not None:
            owner["weights"]["/".join(parts[parts.index(owner["name"]) + 1 :])] = list(item.shape)
            owner["parameters"] += int(np.prod(item.shape, dtype=np.int64))

    if hasattr(weights, "visititems"):
        weights.visititems(add)
    return found


def _input_names(config: Any) -> list[str]:
    """The names of the model's own inputs, not those of models inside it."""
    inner = config.get("config", {}) if isinstance(config, dict) else {}
    layers = inner.get("layers", []) if isinstance(inner, dict) else []
    return [
        str(layer.get("config", {}).get("name"))
        for layer in layers
        if isinstance(layer, dict) and layer.get("class_name") == "InputLayer" and isinstance(layer.get("config"), dict)
    ]


def _named(node: Any) -> Any:
    return node.get("class_name") if isinstance(node, dict) and "class_name" in node else node
