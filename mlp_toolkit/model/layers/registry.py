"""What our layers share: how they are registered, what a file holds of them, and checks of single settings.

They are registered under the package's name, so that moving a module never breaks an old file; `names` lists them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.keras_types import Layer
from mlp_toolkit.model.layers.names import PACKAGE

Registered = TypeVar("Registered")
register: Callable[[Registered], Registered] = keras.saving.register_keras_serializable(PACKAGE)


def layer_config(layer: Layer, own: dict[str, Any]) -> dict[str, Any]:
    """What a file holds of a layer: its name, and its own settings."""
    return {"name": layer.name, **own}


def are_texts(*values: Any) -> bool:
    """Whether all are lists of text."""
    return all(isinstance(value, list) and all(isinstance(text, str) for text in value) for value in values)


def are_numbers(*values: Any) -> bool:
    """Whether all are lists of finite numbers."""
    return all(isinstance(value, list) and all(map(is_number, value)) for value in values)


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def are_whole(*values: Any, most: int) -> bool:
    """Whether all are whole numbers from 0 to `most`."""
    return all(isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most for value in values)
