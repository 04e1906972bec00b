"""Optimizers by name, with their usual settings, and how the learning rate goes on from step to step."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from mlp_toolkit import catalog, spec
from mlp_toolkit.arguments import argument_error
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe import usual_settings
from mlp_toolkit.startup import keras


def make_optimizer(choice: Any, schedule: str | None = None, steps: int = 1, epochs: int = 1) -> Any:
    """A Keras optimizer from its name or mapping, with its usual settings, and a schedule over all steps.

    Args:
        choice: A name, a mapping with `name`, or a Keras optimizer, which is returned as it is.
        schedule: constant, cosine (to 0), one_cycle (a rise over 30 % of the steps, then cosine to 0) or exponential
            (to a hundredth); None and reduce_on_plateau leave the rate alone.
        steps: Training steps of one epoch.
        epochs: Epochs.
    """
    if isinstance(choice, keras.optimizers.Optimizer):
        return choice
    try:
        checked = spec.Optimizer.model_validate({"name": choice} if isinstance(choice, str) else dict(choice))
    except (ValidationError, TypeError, ValueError) as error:
        raise argument_error("optimizer", error, choice) from None
    entry = catalog.config("optimizers")["optimizers"].get(checked.name, {"keras": checked.name})
    settings = usual_settings(checked.name) | checked.settings()
    total = max(1, steps * epochs)
    rate = settings["learning_rate"]
    schedules = keras.optimizers.schedules
    if schedule == "cosine":
        settings["learning_rate"] = schedules.CosineDecay(rate, total)
    elif schedule == "one_cycle":
        rise = max(1, int(0.3 * total))
        settings["learning_rate"] = schedules.CosineDecay(
            rate / 25, total - rise, warmup_target=rate, warmup_steps=rise
        )
    elif schedule == "exponential":
        settings["learning_rate"] = schedules.ExponentialDecay(rate, total, 0.01)
    try:
        return getattr(keras.optimizers, entry["keras"])(**settings)
    except (TypeError, ValueError) as error:
        raise UserError(f"{checked.name} does not take these settings: {error}", place="optimizer") from None


def preset_optimizer(preset: str) -> Any:
    """The optimizer of a preset, as a mapping."""
    for name in (preset, "slides"):
        train = catalog.config(f"presets/{name}")["values"]["train"]
        if "optimizer" in train:
            return train["optimizer"]
    return None
