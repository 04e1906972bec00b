"""What this package uses of Keras, as types: Keras itself has none.

`Tensor` stands for what Keras and TensorFlow compute on; its operators take too many forms to be written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

Tensor: TypeAlias = Any
Shape: TypeAlias = tuple[int | None, ...]


class Variable(Protocol):
    """A `keras.Variable`: a weight, a random state, or what an optimizer remembers."""

    name: str
    path: str
    shape: Shape
    dtype: str
    trainable: bool
    value: Tensor

    def assign(self, value: Tensor) -> Tensor:
        """Puts a value in its place."""

    def numpy(self) -> np.ndarray:
        """Its value as an array."""


class Layer(Protocol):
    """A `keras.layers.Layer`."""

    name: str
    built: bool
    trainable: bool
    weights: Sequence[Variable]
    trainable_variables: Sequence[Variable]
    trainable_weights: list[Variable]
    non_trainable_weights: list[Variable]
    variables: Sequence[Variable]

    def __call__(self, inputs: Tensor, *, training: bool | None = None) -> Tensor:
        """Its outputs."""

    def get_config(self) -> dict[str, Any]:
        """What a file holds of it."""

    def get_weights(self) -> list[np.ndarray]:
        """Its weights as arrays."""

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Puts arrays in the place of its weights."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """The layer that a file speaks of."""

    def count_params(self) -> int:
        """How many numbers its weights are."""


class Optimizer(Protocol):
    """A `keras.optimizers.Optimizer`."""

    name: str
    built: bool
    learning_rate: Any
    iterations: Variable
    variables: Sequence[Variable]

    def build(self, variables: Sequence[Variable]) -> None:
        """Makes what it remembers of each variable."""

    def get_config(self) -> dict[str, Any]:
        """What a file holds of it."""

    def finalize_variable_values(self, variables: Sequence[Variable]) -> None:
        """Puts averaged weights in the place of the last ones."""


class Network(Layer, Protocol):
    """A `keras.Model`."""

    layers: Sequence[Layer]
    optimizer: Optimizer
    loss: Any
    metrics: Sequence[Any]
    compiled: bool
    run_eagerly: bool
    stop_training: bool
    input: Any
    output: Any
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    output_names: Sequence[str]
    distribute_strategy: Any
    compute_loss: Any
    compute_metrics: Any
    input_shape: Any
    output_shape: Any

    def compile(self, *, optimizer: Any, loss: Any, metrics: Any = None, auto_scale_loss: bool = True) -> None:
        """Makes it ready for training."""

    def get_compile_config(self) -> dict[str, Any]:
        """What a file holds of `compile`."""

    def save(self, filepath: Any) -> None:
        """Writes a file."""

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles as a file says."""

    def reset_metrics(self) -> None:
        """Begins to count anew."""

    def get_metrics_result(self) -> dict[str, Any]:
        """What was counted."""

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training on a batch."""

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of validation on a batch."""
