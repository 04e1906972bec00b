"""Model files from strangers: read once into memory, and checked there before anything is built from them."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.files import reading
from mlp_toolkit.model.layers import names
from mlp_toolkit.storage.untrusted.allow_list import mappings
from mlp_toolkit.storage.untrusted.hdf5 import Array, Group

LARGEST = 4 * 2**30  # bytes of a file
LARGEST_CONFIG = 64_000_000  # bytes of a configuration
MOST_VALUES = 5_000_000  # of a configuration: in memory each takes some 60 bytes
MOST_LAYERS = 300
MOST_INPUTS = 10_000  # a model file has one for each raw column
# Keras builds a Sequential model anew with every layer it adds: 64 of them take 4 seconds, 200 half a minute.
LONGEST_SEQUENCE = 64
CHUNK = 2**22


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


def contents(path: Path, largest: int = LARGEST) -> bytes:
    """A file's bytes, read once: what is checked is what is used, whatever becomes of the file.

    Raises:
        UserError: It is larger than `largest` bytes, no plain file, or cannot be read.
    """
    with reading(path), path.open("rb") as file:
        known = os.fstat(file.fileno())
        if not stat.S_ISREG(known.st_mode):
            raise UserError("not a plain file", place=str(path))
        if known.st_size > largest:
            raise UserError(
                f"refused: the file has {known.st_size:,} bytes",
                place=str(path),
                allowed=f"up to {largest:,} bytes",
                remedy="If you know where it comes from, raise the bound: mlp_toolkit.load(path, largest=…).",
            )
        return file.read(known.st_size)


def json_of(text: object, what: str, path: Path) -> Any:
    """JSON of bounded size: no name twice in a mapping, no number of thousands of digits.

    Raises:
        UserError: It is none, or too large.
    """
    if not isinstance(text, str | bytes):
        raise UserError(f"the {what} is no text", place=str(path))
    raw = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    if len(raw) > LARGEST_CONFIG:
        raise UserError(f"the {what} has {len(raw):,} bytes; at most {LARGEST_CONFIG:,} are read", place=str(path))
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") > MOST_VALUES:
        raise UserError(f"the {what} has more than {MOST_VALUES:,} values", place=str(path))

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise UserError(f"refused: the {what} has a name twice in one mapping", place=str(path))
        return found

    try:
        return json.loads(raw.decode(), object_pairs_hook=once)
    except RecursionError:
        raise UserError(f"the {what} is nested too deep", place=str(path)) from None
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"the {what} is damaged: {shorten(str(error))}", place=str(path)) from None


def model_config(file: Group, path: Path) -> dict[str, Any]:
    """The architecture that an HDF5 file holds."""
    if "model_config" not in file.attributes:
        holds = "weights only" if "layer_names" in file.attributes else "no Keras model"
        raise UserError(f"the file holds {holds}", place=str(path))
    config = json_of(file.attributes["model_config"], "model's configuration", path)
    return checked_model(config, path)


def checked_model(config: Any, path: Path) -> dict[str, Any]:
    """A model's configuration, where it is one at all."""
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise UserError("the model cannot be rebuilt: its configuration describes none", place=str(path))
    registered = f"{names.PACKAGE}>{config.get('class_name')}"
    if registered in names.registered("model"):  # Keras writes the outermost class by its bare name
        return {**config, "class_name": registered}
    return config


def check_size(config: dict[str, Any], path: Path, *, linear: bool) -> None:
    """Not more layers than can be built in a few seconds.

    Args:
        config: The architecture.
        path: The file's path.
        linear: The outermost model is built in one go, even where it is a Sequential one.
    """
    inputs, longest = 0, 0
    for node in mappings(config):
        inner = node.get("config")
        if node.get("class_name") == "InputLayer":
            inputs += 1
        if node.get("class_name") == "Sequential" and isinstance(inner, dict) and not (linear and node is config):
            longest += len(_list(inner.get("layers"))) ** 2
    calls = _calls(config)
    for count, most, what in (
        (calls - inputs, MOST_LAYERS, "layers"),
        (inputs, MOST_INPUTS, "inputs"),
        (round(longest**0.5), LONGEST_SEQUENCE, "layers in Sequential models, which are built slowly"),
    ):
        if count > most:
            raise UserError(f"refused: the model has {count:,} {what}; at most {most:,} are read", place=str(path))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _calls(node: Any) -> int:
    """How many layers are called in all, those of a model as often as it is called itself."""
    if isinstance(node, list):
        return sum(_calls(value) for value in node if isinstance(value, dict | list))
    total = 0
    for key, value in node.items():
        if key == "layers":
            for layer in _list(value):
                calls = max(len(_list(layer.get("inbound_nodes"))), 1) if isinstance(layer, dict) else 1
                total += calls * max(_calls(layer) if isinstance(layer, dict) else 1, 1)
        elif key != "inbound_nodes" and isinstance(value, dict | list):
            total += _calls(value)
    return total


def check_finite(arrays: Iterable[tuple[str, Array]], path: Path) -> None:
    """No NaN and no infinity, looked for piece by piece."""
    for name, array in arrays:
        values = array.values().reshape(-1)
        if values.dtype.kind == "f" and not all(
            np.isfinite(values[begin : begin + CHUNK]).all() for begin in range(0, len(values), CHUNK)
        ):
            raise UserError(
                f"the weights hold NaN or infinity ({shorten(name, 60)}): the training that wrote them diverged",
                place=str(path),
            )


def names_in(group: Group, attribute: str) -> list[str]:
    """A list of names; Keras splits a long one over several attributes.

    Raises:
        UserError: It is no list of names.
    """
    names: list[str] = []
    chunks = [attribute] if attribute in group.attributes else []
    numbered = [key for key in group.attributes if re.fullmatch(re.escape(attribute) + r"\d+", key)]
    for key in chunks or sorted(numbered, key=lambda key: int(key[len(attribute) :])):
        value = group.attributes[key]
        if isinstance(value, list):
            names.extend(value)
        elif not isinstance(value, np.ndarray) or value.size:  # an empty list has no type
            raise UserError(f"damaged: {key} is no list of names")
    return names
