"""Whether the settings of our own layers, out of a model file, are such as we write, and fit together."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mlp_toolkit import calibration, layers
from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.startup import keras

TASKS = ("regression", "binary", "multilabel", "multiclass")
LARGEST_SIDE = 2**14  # pixels of an image


def check(model: Any) -> None:
    """Checks every layer of ours in a model, and that a model of raw columns takes the columns that its layers name.

    Raises:
        UserError: They are damaged.
    """
    for layer in _all_layers(model):
        for kind, rule in _RULES.items():
            if isinstance(layer, kind) and not rule(layer):
                raise UserError(f"damaged: the settings of the layer {shorten(layer.name)!r} are none that we write")
    if any(isinstance(layer, layers.Target) for layer in model.layers[-1:]):
        _check_columns(model)


def _all_layers(model: Any) -> list[Any]:
    found: list[Any] = []
    for layer in model.layers:
        found += _all_layers(layer) if isinstance(layer, keras.Model) else [layer]
    return found


def _check_columns(model: Any) -> None:
    """A model file's model takes its columns by name, and its layers say which they are."""
    by_kind = {type(layer): layer for layer in model.layers}
    texts: list[str] = []
    for kind in (layers.DateParts, layers.OneHot):
        texts += by_kind[kind].columns if kind in by_kind else []
    columns = [*texts, *(by_kind[layers.Numbers].columns if layers.Numbers in by_kind else [])]
    image = by_kind.get(layers.Images)
    shapes: dict[str, tuple[str, tuple[Any, ...]]] = {
        name: ("string" if name in texts else "float32", (None, 1)) for name in columns
    }
    if image is not None:
        shapes[image.column] = ("float32", (None, None, None, image.channels))
    taken = model.input if isinstance(model.input, dict) else {}
    if len(columns) + (image is not None) != len(shapes) or shapes != {
        name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in taken.items()
    }:
        raise UserError("damaged: the columns that the model takes are not those that its layers name")
    target = model.layers[-1]
    outputs = len(target.classes) if target.task == "multiclass" else len(target.names)
    if model.output_shape != (None, outputs):
        raise UserError("damaged: the model's outputs are not those that its last layer names")


def _texts(*values: Any) -> bool:
    return all(isinstance(value, list) and all(isinstance(text, str) for text in value) for value in values)


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, list) and all(map(_number, value)) for value in values)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(*values: Any, most: int) -> bool:
    return all(isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most for value in values)


def _good_numbers(layer: Any) -> bool:
    width = len(layer.fill)
    return (
        _texts(layer.columns)
        and _numbers(layer.fill, layer.center, layer.inverse_scale)
        and len(layer.columns) <= width == len(layer.center) == len(layer.inverse_scale)
        and _whole(*layer.indicators, most=width - 1)
    )


def _good_dates(layer: Any) -> bool:
    return _texts(layer.columns, layer.formats) and len(layer.columns) == len(layer.formats)


def _good_words(layer: Any) -> bool:
    return (
        _texts(layer.columns, *layer.vocabularies)
        and len(layer.columns) == len(layer.vocabularies)
        and all(len(set(values)) == len(values) for values in layer.vocabularies)
    )


def _good_images(layer: Any) -> bool:
    return (
        isinstance(layer.column, str)
        and _whole(layer.height, layer.width, most=LARGEST_SIDE)
        and min(layer.height, layer.width) > 0
        and layer.channels in (1, 3)
        and _number(layer.divisor)
        and layer.divisor > 0
        and isinstance(layer.whole, bool)
    )


def _good_target(layer: Any) -> bool:
    labels = all(isinstance(label, str | int) and not isinstance(label, bool) for label in layer.classes)
    kinds = {type(label) for label in layer.classes}
    fits = {"binary": len(layer.classes) == 2, "multiclass": len(layer.classes) > 0}.get(layer.task, True)
    single = layer.task in ("regression", "multilabel") or len(layer.names) == 1
    scaled = len(layer.offset) == len(layer.scale) and len(layer.scale) in (0, len(layer.names))
    named = _texts(layer.names) and 0 < len(set(layer.names)) == len(layer.names)
    good = layer.task in TASKS and named and _numbers(layer.offset, layer.scale) and labels and len(kinds) < 2
    return good and fits and single and scaled


def _good_calibration(layer: Any) -> bool:
    slope = _number(layer.slope) and layer.slope > 0
    return slope and _numbers(layer.offset) and isinstance(layer.softmax, bool)


_RULES: dict[Any, Callable[[Any], bool]] = {
    layers.Numbers: _good_numbers,
    layers.DateParts: _good_dates,
    layers.OneHot: _good_words,
    layers.Images: _good_images,
    layers.Target: _good_target,
    calibration.Calibration: _good_calibration,
}
