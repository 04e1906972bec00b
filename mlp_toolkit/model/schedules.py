"""How the learning rate goes on from step to step, where Keras has no schedule for it."""

from __future__ import annotations

from typing import Any

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.layers.registry import register


@register
class Staged(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that first rises from 0, and is lowered from a step on.

    Args:
        rate: A number above 0, or a schedule.
        warmup_steps: Over so many steps it rises in equal parts to what `rate` says; 0 for none.
        lowered_after: From this step on, counted from 0, it is `lowered_by` times as high; None for never.
        lowered_by: Above 0, at most 1.
    """

    def __init__(
        self, rate: Any, warmup_steps: int = 0, lowered_after: int | None = None, lowered_by: float = 1.0
    ) -> None:
        super().__init__()
        self.rate, self.warmup_steps = rate, warmup_steps
        self.lowered_after, self.lowered_by = lowered_after, lowered_by

    def __call__(self, step: Any) -> Any:
        """The rate of a step, counted from 0."""
        step = tf.cast(step, tf.float32)
        rate = tf.cast(self.rate(step) if callable(self.rate) else self.rate, tf.float32)
        if self.warmup_steps:
            rate *= tf.minimum((step + 1) / self.warmup_steps, 1.0)
        if self.lowered_after is not None:
            rate *= tf.where(step >= self.lowered_after, self.lowered_by, 1.0)
        return rate

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this schedule."""
        rate = keras.saving.serialize_keras_object(self.rate) if callable(self.rate) else self.rate
        own = {"rate": rate, "warmup_steps": self.warmup_steps}
        return {**own, "lowered_after": self.lowered_after, "lowered_by": self.lowered_by}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Staged:
        """The schedule out of a model file."""
        return cls(**{**config, "rate": keras.saving.deserialize_keras_object(config["rate"])})
