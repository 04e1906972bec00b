"""How a RealMLP network learns: AdamW with rates by weight, and how they go on (arXiv 2407.04491)."""

from __future__ import annotations

import math
from typing import Any

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.registry import register
from mlp_toolkit.model.members.layers import flat_cos

# By what share of the rate a weight learns, by its name; others learn at the whole rate.
SHARES = {"frequency": 0.1, "phase": 0.1, "mixing": 0.1, "shift": 0.1, "factor": 6.0, "bias": 0.1, "alpha": 0.1}
UNDECAYED = ("bias",)


@register
class LogCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Four waves that become longer: rate · ½ (1 − cos(2π log₂(1 + 15 t))), t from 0 to 1.

    Args:
        rate: The highest, above 0.
        steps: Of the whole training.
    """

    def __init__(self, rate: float, steps: int) -> None:
        super().__init__()
        self.rate, self.steps = rate, steps

    def __call__(self, step: Any) -> Any:
        """The rate of a step, counted from 0."""
        t = tf.minimum(tf.cast(step, tf.float32) / self.steps, 1.0)
        return self.rate * 0.5 * (1.0 - tf.cos(2 * math.pi * tf.math.log(1.0 + 15.0 * t) / math.log(2.0)))

    def get_config(self) -> dict[str, Any]:
        """What a file holds of this schedule."""
        return {"rate": self.rate, "steps": self.steps}


@register
class GroupedAdamW(keras.optimizers.AdamW):
    """AdamW whose weights learn at shares of the rate, by their names (`SHARES`); biases do not decay.

    Args:
        learning_rate: A rate, or a schedule.
        weight_decay: At the beginning; 0 or more.
        steps: Over so many steps the decay goes on as `flat_cos`; None leaves it as it is.
        kwargs: As Keras's AdamW takes them.
    """

    def __init__(
        self,
        learning_rate: Any = 0.04,
        *,
        weight_decay: float = 0.02,
        beta_1: float = 0.9,
        beta_2: float = 0.95,
        epsilon: float = 1e-8,
        steps: int | None = None,
        name: str = "grouped_adamw",
        **kwargs: Any,
    ) -> None:
        betas = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
        super().__init__(learning_rate, weight_decay=weight_decay, name=name, **betas, **kwargs)
        self.steps = steps

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Adam's step, at the weight's own share of the rate."""
        super().update_step(gradient, variable, learning_rate * SHARES.get(_own_name(variable), 1.0))

    def _apply_weight_decay(self, variables: Any) -> None:
        """Decay is a share of the rate; Keras takes it before each step."""
        decay = tf.cast(self.weight_decay, tf.float32)
        if self.steps:
            decay *= flat_cos(tf.cast(self.iterations, tf.float32) / self.steps)
        rate = tf.cast(self.learning_rate, tf.float32)
        for variable in variables:
            name = _own_name(variable)
            if name not in UNDECAYED:
                variable.assign(variable * (1.0 - decay * rate * SHARES.get(name, 1.0)))

    def get_config(self) -> dict[str, Any]:
        """What a file holds of this optimizer."""
        return {**super().get_config(), "steps": self.steps}


def _own_name(variable: Any) -> str:
    """`kernel` of Keras's `kernel` and of TensorFlow's `hidden_1/kernel:0`."""
    return str(variable.name).split("/")[-1].split(":")[0]
