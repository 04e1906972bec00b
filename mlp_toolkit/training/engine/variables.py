"""All that training changes in a model: weights, random states, and the optimizer's variables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlp_toolkit.model.keras_types import Network, Variable


def variables(model: Network) -> list[Variable]:
    """All that training changes: weights, random states, and the optimizer's variables."""
    return [*model.variables, *model.optimizer.variables]


def snapshot(model: Network) -> list[np.ndarray]:
    """Copies of the values of all variables."""
    return [np.array(variable.numpy()) for variable in variables(model)]


def assign(model: Network, values: Sequence[np.ndarray]) -> None:
    """Puts the values of a snapshot back."""
    for variable, value in zip(variables(model), values, strict=True):
        variable.assign(value)
