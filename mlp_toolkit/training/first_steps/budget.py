"""What fits into the seconds that a recipe has for training, told before training: fewer members, then fewer epochs.

Training that is cut off ends at a high learning rate; a shorter one that was planned ends at none. So a few epochs are
timed first, by networks that are thrown away; what they compiled is kept for those that are trained.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from mlp_toolkit.data.dataset import Dataset
from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.model.backend import keras, random_state_kept
from mlp_toolkit.recipe import resolving
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.recipe.spec import Recipe
from mlp_toolkit.training import fit_recipe, rows_of_data, trainer
from mlp_toolkit.training.engine import epoch
from mlp_toolkit.training.engine.folds import judge_of_folds
from mlp_toolkit.training.engine.rows import Resident
from mlp_toolkit.training.engine.sharing import devices
from mlp_toolkit.training.engine.steps import Work

OPEN = ("model.ensemble", "train.epochs")  # what a budget may lower, where the recipe leaves it open
LEAST_MEMBERS, LEAST_EPOCHS = 4, 8
TIMED = 2  # epochs: the first compiles
PLANNED = 0.95  # of the seconds: the rest is for machines that become slower


class Pace(NamedTuple):
    """How long training takes.

    Attributes:
        epoch: Seconds of an epoch.
        judging: Seconds of all looks at the folds.
        compiling: Seconds until the first epoch begins.
    """

    epoch: float
    judging: float
    compiling: float


class Budget(NamedTuple):
    """What is lowered.

    Attributes:
        lowered: Values by dotted key; none where all fits.
        notes: What there is to say of it.
        spent: Seconds of the budget that were used to find it out.
    """

    lowered: dict[str, int]
    notes: tuple[str, ...] = ()
    spent: float = 0.0


def planned(
    resolved: Resolved, data: RecipeData, stored: Mapping[str, int] | None = None
) -> tuple[Resolved, RecipeData, Budget]:
    """A recipe and its rows as `train.seconds` allow; both as they are where it says nothing, or there are no members.

    Args:
        resolved: The recipe. What the preset left to it may be lowered, what a person gave not.
        data: Its rows.
        stored: What a run that goes on began with, in place of timing anew.
    """
    free = free_to_lower(resolved)
    if not free:
        return resolved, data, Budget({})
    found = Budget(dict(stored)) if stored else within_seconds(resolved.spec, data, free)
    resolved = resolving.with_inferred(resolved, found.lowered, "train.seconds")
    if isinstance(data, Dataset) and data.folds is not None:
        data = data.held_out_by(resolved.spec)
    return resolved, data, found


def free_to_lower(resolved: Resolved) -> list[str]:
    """What the seconds of a recipe may lower."""
    if resolved.spec.train.seconds is None or not resolved.spec.model.members:
        return []
    return [key for key in OPEN if resolved.origins[*key.split(".")].kind == "preset"]


def within_seconds(spec: Recipe, data: RecipeData, may: Collection[str]) -> Budget:
    """What is to be lowered, so that training ends within its seconds.

    Args:
        spec: The recipe, with `train.seconds`.
        data: Its rows.
        may: Which of `OPEN` may be lowered.
    """
    assert spec.train.seconds is not None
    begun = time.monotonic()
    pace = pace_of(spec, data)
    spent = time.monotonic() - begun
    left = PLANNED * spec.train.seconds - spent
    members = own = spec.model.ensemble
    epochs = usual = spec.train.epochs_of(data.counts["train"])
    whole = usual * pace.epoch + pace.judging
    needed, again = whole, 0.0
    while "model.ensemble" in may and needed > left and members > LEAST_MEMBERS:
        members, again = max(LEAST_MEMBERS, members // 2), pace.compiling
        needed = again + whole * members / own
    if needed > left:
        fitting = int(usual * (left - pace.compiling) / (whole * members / own))
        if fitting < LEAST_EPOCHS:  # what is compiled already has more of the time that is left
            return Budget({}, (), spent)
        if "train.epochs" in may and spec.train.epochs == "auto":
            epochs = min(usual, fitting)
    lowered = {"model.ensemble": members} if members < own else {}
    lowered |= {"train.epochs": epochs} if epochs < usual else {}
    if not lowered:
        return Budget({}, (), spent)
    said = ", ".join(f"{key}: {value}" for key, value in lowered.items())
    note = f"{own} networks and {usual} epochs would take about {spent + whole:.0f} s, train.seconds allows "
    return Budget(lowered, (f"{note}{spec.train.seconds:g}: {said}",), spent)


@random_state_kept()
def pace_of(spec: Recipe, data: RecipeData) -> Pace:
    """How long training takes, by its first epochs."""
    network = fit_recipe.network_of(spec, data)
    learned, validation, _ = rows_of_data.rows_of(network, data, spec)
    rows = data.counts["train"]
    epochs, batch = spec.train.epochs_of(rows), spec.train.batch_size_of(rows)
    work = Work(network, learned, validation, trainer.sizes(batch), fit_recipe.augment_of(spec, data))
    clock = _Clock()
    with devices.placed(spec.train.device):
        epoch.run_epochs(work, [clock], epochs=epochs)
    looks = 0.0
    if data.folds is not None:
        assert isinstance(learned, Resident)
        judge = judge_of_folds(network, learned.in_order(), data.target, epochs)
        judge.values()
        begun = time.monotonic()
        judge.values()
        looks = (time.monotonic() - begun) * epochs / judge.every
    first, *later = np.diff(clock.times).tolist()
    usual = later[-1] if later else first
    return Pace(usual, looks, max(0.0, first - usual))


class _Clock(keras.callbacks.Callback):
    """Times epochs from now on, and ends after a few."""

    def __init__(self) -> None:
        super().__init__()
        self.times = [time.monotonic()]

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Looks at the clock."""
        self.times.append(time.monotonic())
        self.model.stop_training = epoch + 1 == TIMED
