"""Models out of checked configurations, first without their weights: what a file asks for, it must hold."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.model.backend import keras
from mlp_toolkit.storage.untrusted.allow_list import CLASSES, pinned

LARGEST_ROW = 2**26  # numbers that a layer may give for one row: an image of 4,000 × 4,000 pixels in three colours


@contextlib.contextmanager
def rebuilding(path: Path) -> Iterator[None]:
    """Whatever Keras raises over a file that it cannot make sense of, the file is what is wrong."""
    try:
        yield
    except UserError as error:
        if error.place is None:
            raise UserError(
                error.problem, place=str(path), found=error.found, allowed=error.allowed, remedy=error.remedy
            ) from None
        raise
    except Exception as error:
        raise UserError(f"the model cannot be rebuilt: {shorten(str(error), 300)}", place=str(path)) from error


def build_from(config: dict[str, Any]) -> Any:
    """A model from its configuration, which has been checked; its weights are new."""
    config = pinned(config)  # a copy, too: Keras takes parts out of it
    name, inner = config["class_name"], config["config"]
    if name == "Sequential" and isinstance(inner.get("layers"), list) and inner["layers"]:
        # Keras itself would build the model anew with every layer it adds.
        model = keras.Sequential([_layer(layer) for layer in _with_input(inner["layers"])], name=inner["name"])
        if not model.built and inner.get("build_input_shape"):
            model.build(inner["build_input_shape"])
        return model
    if name in ("Functional", "Model", "Sequential"):
        kind = "Sequential" if name == "Sequential" else "Model"
        config = {"module": "keras", "class_name": kind, "config": inner, "registered_name": None}
    with warnings.catch_warnings():  # a column whose name no layer may have has an input of another name
        warnings.filterwarnings("ignore", message="When providing `inputs` as a dict")
        return keras.saving.deserialize_keras_object(config, safe_mode=True)


def _with_input(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The layers with the input that Keras 2 wrote as a setting of the first one."""
    first = layers[0]
    shape = None if first["class_name"] == "InputLayer" else first["config"].pop("batch_input_shape", None)
    if shape is None:
        return layers
    settings = {"batch_shape": shape, "name": f"{first['config'].get('name', 'first')}_input"}
    return [{"class_name": "InputLayer", "config": settings}, *layers]


def _layer(config: dict[str, Any]) -> Any:
    inner = config["config"]
    shape = inner.pop("batch_input_shape", None)  # as Keras 2 wrote it
    if shape is not None and config["class_name"] == "InputLayer":
        inner["batch_shape"] = shape
    axis = inner.get("axis")
    if isinstance(axis, list) and len(axis) == 1:
        inner["axis"] = int(axis[0])
    name = config["class_name"]
    if name in CLASSES["model"]:
        return build_from(config)
    if name in CLASSES["layer"] and not name.startswith("mlp_toolkit>"):
        config |= {"module": "keras.layers"}  # HDF5 files do not say it
    return keras.saving.deserialize_keras_object(config, safe_mode=True)


def check_rebuilds(config: dict[str, Any], held: int, listed: list[str] | None, path: Path) -> None:
    """Builds the model without its weights, to see which it asks for, and in which order: the file must hold them.

    Args:
        config: The architecture.
        held: How many numbers the file holds.
        listed: The layers in the order in which the file lists their weights; None where weights stand under names.
        path: The file's path.
    """

    def look() -> tuple[list[str], int, int]:
        with keras.StatelessScope(initialize_variables=False):
            shadow = build_from(config)
        asked = sum(math.prod(weight.shape) for weight in shadow.weights)
        return [layer.name for layer in shadow.layers], asked, _widest(shadow)

    # Keras remembers the weights that are not made yet, a list a thread, and makes them all when the thread builds its
    # next model: in a thread of its own they never are.
    with rebuilding(path), ThreadPoolExecutor(1) as thread:
        own, asked, widest = thread.submit(look).result()
    # Keras gives weights to layers by their place in a list: a list in another order would swap them in silence.
    if listed is not None and sorted(listed) == sorted(own) and listed != own:
        raise UserError("refused: the file lists its layers in another order than the model", place=str(path))
    if asked > held:
        raise UserError(f"the model has {asked:,} weights, the file holds {held:,} of them", place=str(path))
    if widest > LARGEST_ROW:
        raise UserError(
            f"refused: a layer gives {widest:,} numbers for one row; at most {LARGEST_ROW:,} are read", place=str(path)
        )


def _widest(model: Any) -> int:
    """The most numbers that a layer gives for one row."""
    widest = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            widest = max(widest, _widest(layer))
        with contextlib.suppress(AttributeError, ValueError):  # called several times, or never
            for tensor in keras.tree.flatten(layer.output):
                widest = max(widest, math.prod(side or 1 for side in tensor.shape[1:]))
    return widest
