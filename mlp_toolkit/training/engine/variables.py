"""All that training changes in a model: weights, random states, and the optimizer's variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.keras_types import Network, Variable


def variables(model: Network) -> list[Variable]:
    """All that training changes: weights, random states, and the optimizer's variables."""
    return [*model.variables, *model.optimizer.variables]


def all_variables(model: Network, *metrics: Any) -> list[Variable]:
    """These, and what metrics count in: the model's own, and others; each once, in the order of their making."""
    counted = [variable for metric in (*model.metrics, *filter(None, metrics)) for variable in metric.variables]
    return list({id(variable): variable for variable in [*variables(model), *counted]}.values())


def snapshot(model: Network) -> list[np.ndarray]:
    """Copies of the values of all variables."""
    return [np.array(variable.numpy()) for variable in variables(model)]


def assign(model: Network, values: Sequence[np.ndarray]) -> None:
    """Puts the values of a snapshot back."""
    for variable, value in zip(variables(model), values, strict=True):
        variable.value.assign(value, read_value=False)  # what Keras does besides takes twice as long again


def assign_stored(model: Network, values: Sequence[np.ndarray]) -> None:
    """Puts back values that a file has kept.

    Raises:
        UserError: They are another network's.
    """
    shapes = [tuple(variable.shape) for variable in variables(model)]
    if shapes != [value.shape for value in values]:
        raise UserError(
            "the checkpoint is of another network than this recipe builds now: an earlier version has written it",
            remedy="Go on with that version, or start anew with another --out.",
        )
    assign(model, values)
