"""What a recipe's `tune:` searches over: the keys, their choices, and the check that a recipe may have each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe import catalog
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.recipe.spec import Range, Recipe, Tune, Values

NOT_SEARCHED = ("train.device", "train.tensorboard", "train.mlflow", "model.warm_start.from")


def space_of(recipe: Recipe, tune: Tune) -> dict[str, Range | Values]:
    """The choices by key; `auto` is the space of the preset."""
    if tune.space != "auto":
        return dict(tune.space)
    spaces = catalog.config("search")["spaces"]
    found = spaces.get(recipe.preset, spaces["slides"])
    space = {**found["space"], **found.get("tasks", {}).get(recipe.task, {})}
    return {key: (Values if "values" in given else Range).model_validate(given) for key, given in space.items()}


def check_space(space: Mapping[str, Range | Values], load: Callable[[dict[str, Any]], Resolved], place: str) -> None:
    """Refuses keys that a recipe has not, and values that it may not have.

    Args:
        space: The choices by key.
        load: Gives the recipe with such overrides.
        place: Names the recipe in messages.

    Raises:
        UserError: With the key, what was found and what is allowed.
    """
    for key, choices in space.items():
        at = f"{place}: tune.space.{key}"
        if key in NOT_SEARCHED:
            raise UserError("this does not change how good a network is", place=at)
        ends = [choices.min, choices.max] if isinstance(choices, Range) else choices.values
        for value in ends:
            try:
                load({key: value})
            except UserError as error:
                raise UserError(
                    error.problem,
                    place=at,
                    found=error.found if error.found is not None else value,
                    allowed=error.allowed,
                    remedy=error.remedy,
                ) from None
