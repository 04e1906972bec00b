"""All that training changes in a model: weights, random states, and the optimizer's variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def variables(model: Any) -> list[Any]:
    """All that training changes: weights, random states, and the optimizer's variables."""
    return [*model.variables, *model.optimizer.variables]


def snapshot(model: Any) -> list[np.ndarray]:
    """Copies of the values of all variables."""
    return [np.array(variable.numpy()) for variable in variables(model)]


def assign(model: Any, values: Sequence[np.ndarray]) -> None:
    """Puts the values of a snapshot back."""
    for variable, value in zip(variables(model), values, strict=True):
        variable.assign(value)
