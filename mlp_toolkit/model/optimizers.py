"""Optimizers by name, with their usual settings, and how the learning rate goes on from step to step."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.schedules import Staged
from mlp_toolkit.recipe import catalog, spec
from mlp_toolkit.recipe.arguments import argument_error
from mlp_toolkit.recipe.resolving import usual_settings


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
        schedule: constant, cosine (to 0), one_cycle (a rise over 30 % of the steps, then cosine to 0) or exponential
            (to a hundredth); None and reduce_on_plateau leave the rate alone. Or as a recipe has it, with a warm-up.
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
    try:
        return getattr(keras.optimizers, entry["keras"])(**settings)
    except (TypeError, ValueError) as error:
        raise UserError(f"{checked.name} does not take these settings: {error}", place="optimizer") from None


def _scheduled(rate: float, name: str, total: int) -> Any:
    schedules = keras.optimizers.schedules
    if name == "cosine":
        return schedules.CosineDecay(rate, total)
    if name == "one_cycle":
        rise = max(1, int(0.3 * total))
        return schedules.CosineDecay(rate / 25, total - rise, warmup_target=rate, warmup_steps=rise)
    if name == "exponential":
        return schedules.ExponentialDecay(rate, total, 0.01)
    return rate


def preset_optimizer(preset: str) -> Any:
    """The optimizer of a preset, as a mapping."""
    for name in (preset, "slides"):
        train = catalog.config(f"presets/{name}")["values"]["train"]
        if "optimizer" in train:
            return train["optimizer"]
    return None
