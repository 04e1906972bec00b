"""Optimizers by name, with their usual settings, and how the learning rate goes on from step to step."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.layers.registry import register
from mlp_toolkit.model.members.optimizer import GroupedAdamW, LogCosine
from mlp_toolkit.recipe import catalog, spec
from mlp_toolkit.recipe.arguments import argument_error
from mlp_toolkit.recipe.resolving import usual_settings

OWN = {"GroupedAdamW": GroupedAdamW}


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


def make_optimizer(
    choice: Any,
    schedule: spec.Schedule | str | None = None,
    *,
    steps: int = 1,
    epochs: int = 1,
    lowered: tuple[int, float] | None = None,
) -> Any:
    """A Keras optimizer from its name or mapping, with its usual settings, and a schedule over all steps.

    Args:
        choice: A name, a mapping with `name`, or a Keras optimizer, which is returned as it is.
        schedule: constant, cosine (to 0), one_cycle (a rise over 30 % of the steps, then cosine to 0), exponential
            (to a hundredth) or log_cosine (four waves, each longer than the one before); None and reduce_on_plateau
            leave the rate alone. Or as a recipe has it, with a warm-up.
        steps: Training steps of one epoch.
        epochs: Epochs.
        lowered: From an epoch on, counted from 0, the rate is so many times as high.
    """
    if isinstance(choice, keras.optimizers.Optimizer):
        return choice
    try:
        checked = spec.Optimizer.model_validate({"name": choice} if isinstance(choice, str) else dict(choice))
    except (ValidationError, TypeError, ValueError) as error:
        raise argument_error("optimizer", error, choice) from None
    entry = catalog.config("optimizers")["optimizers"].get(checked.name, {"keras": checked.name})
    settings = usual_settings(checked.name) | checked.settings()
    if isinstance(schedule, str):
        schedule = spec.Schedule.model_validate({"name": schedule})
    if schedule is not None:
        settings["learning_rate"] = _scheduled(settings["learning_rate"], schedule.name, max(1, steps * epochs))
    warmup = round(schedule.warmup * steps) if schedule is not None and schedule.warmup else 0
    if warmup or lowered is not None:
        after, by = (lowered[0] * steps, lowered[1]) if lowered else (None, 1.0)
        settings["learning_rate"] = Staged(settings["learning_rate"], warmup, after, by)
    # Keras counts its names up, and TensorFlow keeps 36 kB for each name that a variable ever had.
    settings.setdefault("name", checked.name)
    if entry["keras"] in OWN and schedule is not None:
        settings["steps"] = max(1, steps * epochs)
    try:
        kind = OWN.get(entry["keras"]) or getattr(keras.optimizers, entry["keras"])
        return kind(**settings)
    except (TypeError, ValueError) as error:
        raise UserError(f"{checked.name} does not take these settings: {error}", place="optimizer") from None


def _scheduled(rate: float, name: str, total: int) -> Any:
    schedules = keras.optimizers.schedules
    if name == "cosine":
        return schedules.CosineDecay(rate, total)
    if name == "one_cycle":
        rise = max(1, int(0.3 * total))
        return schedules.CosineDecay(rate / 25, total - rise, warmup_target=rate, warmup_steps=rise)
    if name == "log_cosine":
        return LogCosine(rate, total)
    if name == "exponential":
        return schedules.ExponentialDecay(rate, total, 0.01)
    return rate


def preset_optimizer(preset: str, task: str) -> Any:
    """The optimizer of a preset, as a mapping."""
    for name in (preset, "slides"):
        train = catalog.preset(name, task)["train"]
        if "optimizer" in train:
            return train["optimizer"]
    return None
