"""Model files from strangers: their structure is checked before anything is built from it."""

from __future__ import annotations

import contextlib
import copy
import json
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.errors import UserError, shorten

if TYPE_CHECKING:
    import h5py


LARGEST_CONFIG = 64_000_000
DEEPEST = 60
MOST_LAYERS = 300
MOST_INPUTS = 10_000  # a model file has one for each raw column
# Layers that run code or read files named in their configuration.
REFUSED = ("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")
PLAIN = ("__tuple__", "__keras_tensor__", "Functional", "Sequential", "Model", "DTypePolicy", "DTypePolicyMap")


def model_path(path: str | Path) -> Path:
    """The path of a file to read, which must end in .h5, .hdf5 or .keras."""
    return Path(path) if Path(path).suffix == ".keras" else h5_path(path)


def h5_path(path: str | Path) -> Path:
    """The path, which must end in .h5 or .hdf5."""
    target = Path(path)
    if target.suffix not in (".h5", ".hdf5"):
        raise UserError("a model file ends in .h5", place=str(path), found=target.suffix or target.name)
    return target


def existing(path: str | Path) -> Path:
    """The path of a model file that is there."""
    target = model_path(path)
    if not target.is_file():
        raise UserError("no such file", place=str(path))
    return target


@contextlib.contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Opens an HDF5 file whose links, filters and sizes are harmless."""
    import h5py

    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise UserError(f"not an HDF5 file, or damaged: {shorten(str(error))}", place=str(path)) from None
    with file:
        check_links(file, path)
        try:
            yield file
        except (OSError, RuntimeError, KeyError) as error:
            raise UserError(f"damaged: {shorten(str(error))}", place=str(path)) from None


def check_links(file: h5py.File, path: Path) -> None:
    """Only groups and datasets within the file: no soft or external links, no external storage."""
    import h5py

    def walk(group: h5py.Group, depth: int) -> None:
        if depth > DEEPEST:
            raise UserError(f"groups nested deeper than {DEEPEST}", place=str(path))
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise UserError(f"refused: {shorten(name)!r} links to another place or file", place=str(path))
            item = group[name]
            if isinstance(item, h5py.Group):
                walk(item, depth + 1)
            elif not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
                raise UserError(f"refused: {shorten(name)!r} keeps its values outside the file", place=str(path))

    try:
        walk(file, 0)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"damaged: {shorten(str(error))}", place=str(path)) from None


def datasets(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """All datasets under a group, as often as they are listed."""
    import h5py

    for name, item in group.items():
        if isinstance(item, h5py.Group):
            yield from datasets(item)
        else:
            yield name, item


def check_datasets(file: h5py.File, path: Path) -> None:
    """Numbers only, and as many bytes in memory as in the file: none compressed, unwritten or listed twice."""
    total = 0
    for name, item in datasets(file):
        if item.dtype.kind not in "iufb" or item.id.get_storage_size() != item.nbytes:
            raise UserError(f"refused: {shorten(name)!r} is not a plain array of numbers", place=str(path))
        total += item.nbytes
    if total > path.stat().st_size:
        raise UserError("refused: the same array is listed more than once", place=str(path))


def check_shadow(config: Any, held: int, listed: list[str] | None, path: Path) -> None:
    """Builds the model without its weights, to see which it asks for, and in which order: the file must hold them.

    Args:
        config: The architecture.
        held: How many numbers the file holds.
        listed: The layers in the order in which the file lists their weights; None where weights stand under names.
        path: The file's path.
    """
    from mlp_toolkit.startup import keras

    layers = [
        layer for node in all_mappings(config) if isinstance(node.get("layers"), list) for layer in node["layers"]
    ]
    inputs = sum(isinstance(layer, dict) and layer.get("class_name") == "InputLayer" for layer in layers)
    for count, most, what in ((len(layers) - inputs, MOST_LAYERS, "layers"), (inputs, MOST_INPUTS, "inputs")):
        if count > most:
            raise UserError(f"refused: the model has {count:,} {what}; at most {most:,} are read", place=str(path))
    kind = {"Sequential": keras.Sequential, "Functional": keras.Model, "Model": keras.Model}.get(config["class_name"])
    if kind is None:  # a registered class of the running program's own
        return

    def build() -> tuple[list[str], int]:
        with keras.StatelessScope(initialize_variables=False):
            shadow = kind.from_config(copy.deepcopy(config["config"]))
        asked = sum(int(np.prod(weight.shape, dtype=np.int64)) for weight in shadow.weights)
        return [layer.name for layer in shadow.layers], asked

    # Keras remembers the weights that are not made yet, a list a thread, and makes them all when the thread builds its
    # next model: in a thread of its own they never are.
    with ThreadPoolExecutor(1) as thread:
        own, asked = thread.submit(build).result()
    # Keras gives weights to layers by their place in a list: a list in another order would swap them in silence.
    if listed is not None and sorted(listed) == sorted(own) and listed != own:
        raise UserError("refused: the file lists its layers in another order than the model", place=str(path))
    if asked > held:
        raise UserError(f"the model has {asked:,} weights, the file holds {held:,} of them", place=str(path))


def json_of(text: Any, what: str, path: Path) -> Any:
    """JSON of bounded size and depth."""
    raw = text.encode(errors="surrogateescape") if isinstance(text, str) else bytes(text)
    if len(raw) > LARGEST_CONFIG:
        raise UserError(f"the {what} has {len(raw):,} bytes; at most {LARGEST_CONFIG:,} are read", place=str(path))
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UserError(f"the {what} is damaged: {shorten(str(error))}", place=str(path)) from None


def model_config(file: h5py.File, path: Path) -> Any:
    """The architecture that a file holds."""
    if "model_config" not in file.attrs:
        holds = "weights only" if "layer_names" in file.attrs else "no Keras model"
        raise UserError(f"the file holds {holds}", place=str(path))
    return json_of(file.attrs["model_config"], "model's configuration", path)


def _class_names(node: Any, depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every `class_name` in a configuration with the mapping that holds it."""
    if depth > DEEPEST:
        raise UserError(f"a configuration nested deeper than {DEEPEST}")
    if isinstance(node, dict):
        if "class_name" in node:
            yield str(node["class_name"]), node
        for value in node.values():
            yield from _class_names(value, depth + 1)
    elif isinstance(node, list):
        for value in node:
            yield from _class_names(value, depth + 1)


def refused(config: Any) -> set[str]:
    """The classes named in a configuration that are never built: they run code or read files."""
    return {name for name, _ in _class_names(config) if name.split(">")[-1] in REFUSED}


def check_classes(config: Any, path: Path) -> None:
    """Refuses every class that is not Keras's own, ours, or registered by the running program."""
    from mlp_toolkit.startup import keras

    bad = refused(config)
    if bad:
        raise UserError(
            f"refused: the file holds {', '.join(sorted(bad))}, which can run code when it is loaded",
            place=str(path),
            remedy="Load it with Keras itself if you know where it comes from.",
        )
    homes = [keras.layers, keras.initializers, keras.regularizers, keras.constraints, keras.losses, keras.metrics]
    homes += [keras.optimizers, keras.optimizers.schedules]
    functions = (keras.activations, keras.losses, keras.metrics)
    registered = keras.saving.get_custom_objects()
    for name, node in _class_names(config):
        if {name, str(node.get("registered_name"))} & registered.keys():
            continue
        if name == "function":
            function = str(node.get("config"))
            if function in registered or any(_holds(home, function, types.FunctionType) for home in functions):
                continue
        # A module is imported by its name, so that only Keras's own may be named.
        elif str(node.get("module") or "keras").partition(".")[0] == "keras" and (
            name in PLAIN or any(_holds(home, name, type) for home in homes)
        ):
            continue
        raise UserError(
            f"refused: the file holds the class {shorten(name)!r}, which is neither Keras's own nor registered",
            place=str(path),
            remedy="If it is yours, register it with keras.saving.register_keras_serializable before loading.",
        )
    for node in all_mappings(config):
        vocabulary = node.get("vocabulary")
        if isinstance(vocabulary, str):
            raise UserError("refused: a layer reads its vocabulary from another file", place=str(path))


def _holds(home: Any, name: str, kind: type) -> bool:
    """Whether a module of Keras has a public class or function of this name, apart from its own machinery."""
    return name not in ("get", "serialize", "deserialize") and isinstance(getattr(home, name, None), kind)


def all_mappings(node: Any) -> Iterator[dict[str, Any]]:
    """All mappings in a configuration, the outermost first."""
    if isinstance(node, dict):
        yield node
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from all_mappings(value)


def names_in(group: h5py.Group, attribute: str) -> list[str]:
    """Keras splits a long list of names over several attributes."""
    chunks = [group.attrs[attribute]] if attribute in group.attrs else []
    while f"{attribute}{len(chunks)}" in group.attrs:
        chunks.append(group.attrs[f"{attribute}{len(chunks)}"])
    return [name.decode() if isinstance(name, bytes) else str(name) for chunk in chunks for name in chunk]
