"""What a model file holds, read without building or running anything; not even Keras is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.layers.names import PACKAGE
from mlp_toolkit.storage import keras_archives
from mlp_toolkit.storage.untrusted import allow_list, hdf5, limits

OWN_GROUP = "mlp_toolkit"  # in HDF5: what Keras leaves out


def inspect(path: str | Path, *, largest: int = limits.LARGEST) -> dict[str, Any]:
    """What a model file holds, read without building or running anything.

    Args:
        path: A `.h5` or `.keras` file.
        largest: Bytes of the file that are read at most.

    Returns:
        `format`, `keras_version`, `size` in bytes, `layers` (name, class, weights and parameters of each),
        `parameters`, `inputs`, `target`, `loss`, `optimizer`, `learning_rate`, and `refused`, the names for which
        `load` would not build it.

    Raises:
        UserError: Not a model file, or its structure is damaged or refused.
    """
    file_path = limits.existing(path)
    raw = limits.contents(file_path, largest)
    if file_path.suffix == ".keras":
        parts = keras_archives.read_archive(raw, file_path)
        held = {name: group for name, group in parts.weights.groups.items() if name != "optimizer"}
        config, weights = parts.config, parts.weights._replace(groups=held)
        training = config.get("compile_config")
        version = parts.metadata.get("keras_version") if isinstance(parts.metadata, dict) else None
        others = [training]
    else:
        file = hdf5.read_hdf5(raw, str(file_path))
        config = limits.model_config(file, file_path)
        weights = file.groups.get("model_weights", hdf5.Group({}, {}, {}))
        version = file.attributes.get("keras_version")
        training, others = None, []
        if "training_config" in file.attributes:
            training = limits.json_of(file.attributes["training_config"], "training configuration", file_path)
            others.append(training)
        own = file.groups.get(OWN_GROUP)
        if own is not None and "compile_config" in own.attributes:
            record = limits.json_of(own.attributes["compile_config"], "compile configuration", file_path)
            others.append(record)
    training = training if isinstance(training, dict) else {}
    try:
        bad = allow_list.refused(config, *(others if not _old(version) else []))
    except UserError as error:
        raise UserError(error.problem, place=str(file_path)) from None
    found = _layers(config, weights)
    optimizer = _mapping(training.get("optimizer_config") or training.get("optimizer"))
    target = next((layer["config"] for layer in found if layer["class"] == "mlp_toolkit>Target"), None)
    columns = [str(name) for layer in found for name in _columns(layer)]
    for layer in found:
        del layer["config"]
    return {
        "format": "Keras archive" if file_path.suffix == ".keras" else "Keras HDF5",
        "keras_version": version if isinstance(version, str) else "unknown",
        "size": len(raw),
        "layers": found,
        "parameters": sum(layer["parameters"] for layer in found),
        "inputs": columns if target and columns else _input_names(config),
        "target": target and {key: target.get(key) for key in ("task", "names", "classes")},
        "loss": _named(training.get("loss")),
        "optimizer": optimizer.get("class_name"),
        "learning_rate": _mapping(optimizer.get("config")).get("learning_rate"),
        "refused": bad,
    }


def _old(version: Any) -> bool:
    """Whether a Keras wrote the file whose compile arguments are not used."""
    return isinstance(version, str) and version.startswith(("1.", "2."))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _layers(config: dict[str, Any], weights: hdf5.Group) -> list[dict[str, Any]]:
    """Each layer with its class, its weights' shapes and its number of parameters; nested models opened up."""
    found: list[dict[str, Any]] = []

    def walk(node: dict[str, Any]) -> None:
        layers = _mapping(node.get("config")).get("layers")
        for layer in layers if isinstance(layers, list) else []:
            if not isinstance(layer, dict):
                continue
            inner = _mapping(layer.get("config"))
            if "layers" in inner:
                walk(layer)
                continue
            name = str(inner.get("name", layer.get("name", "")))
            title = layer.get("registered_name") or layer.get("class_name")
            entry = {"name": name, "class": str(title), "weights": {}, "parameters": 0, "config": inner}
            found.append(entry)

    walk(config)
    by_name = {layer["name"]: layer for layer in found}

    def add(group: hdf5.Group, owner: dict[str, Any] | None, inside: str) -> None:
        # Archives say whose weights a group holds in its attributes, HDF5 in its name.
        owner = by_name.get(str(group.attributes.get("name")), owner)
        for name, array in group.arrays.items():
            if owner is not None:
                owner["weights"][inside + name] = list(array.shape)
                owner["parameters"] += array.size
        for name, below in group.groups.items():
            add(below, *((by_name[name], "") if name in by_name else (owner, f"{inside}{name}/" if owner else "")))

    add(weights, None, "")
    return found


def _columns(layer: dict[str, Any]) -> list[Any]:
    """The raw columns that a layer encodes, if it is one of ours."""
    own = layer["config"] if layer["class"].startswith(f"{PACKAGE}>") else {}
    columns = own.get("columns", own.get("column"))
    return columns if isinstance(columns, list) else [columns] if isinstance(columns, str) else []


def _input_names(config: dict[str, Any]) -> list[str]:
    """The names of the model's own inputs, not those of models inside it."""
    layers = _mapping(config.get("config")).get("layers")
    return [
        str(_mapping(layer.get("config")).get("name"))
        for layer in (layers if isinstance(layers, list) else [])
        if isinstance(layer, dict) and layer.get("class_name") == "InputLayer"
    ]


def _named(node: Any) -> Any:
    return node.get("class_name") if isinstance(node, dict) and "class_name" in node else node
