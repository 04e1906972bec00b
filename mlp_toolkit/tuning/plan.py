"""What a search is: a recipe, what it is searched over, its rows, and its directory; and whose search a journal is."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp_toolkit.data.dataset import Dataset
from mlp_toolkit.recipe import resolving
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.recipe.spec import Range, Tune, Values
from mlp_toolkit.runs.checkpoint import differences, identity_of


@dataclass(frozen=True)
class Search:
    """A search in its directory.

    Attributes:
        resolved: The recipe that is searched from.
        tune: How much is tried, and how.
        space: The choices by dotted key.
        metric: The score that counts.
        data: Rows, as fit for the recipe.
        directory: The run directory.
        place: Names the recipe in messages.
        overrides: Values by dotted key that win over the recipe's, but for those of `tune`.
        recipe: The recipe as it was given.
    """

    resolved: Resolved
    tune: Tune
    space: Mapping[str, Range | Values]
    metric: str
    data: Dataset
    directory: Path
    place: str
    overrides: Mapping[str, Any]
    recipe: Any

    def with_values(self, values: Mapping[str, Any]) -> Resolved:
        """The recipe with values of a trial, and no search in it."""
        return resolving.load_recipe(self.recipe, {**self.overrides, **values, "tune": None})

    def identity(self) -> dict[str, Any]:
        """What trials depend on, as JSON has it: the recipe, its rows, the choices, the score that counts."""
        told = identity_of(self.resolved, self.data) | {"tune": {"metric": self.metric}}
        space = {key: choices.model_dump() for key, choices in self.space.items()}
        found: dict[str, Any] = json.loads(json.dumps({"values": told, "space": space}, default=str))
        return found

    def other_than(self, earlier: Mapping[str, Any]) -> list[str]:
        """In what it is another search than that with this identity, a line each; choices may have been added.

        Values that were searched over are free: what the recipe has in their place was tried at most once.
        """
        own, searched = self.identity(), [*earlier["space"]]
        space = {key: choices for key, choices in own["space"].items() if key in searched}
        was = {**_without(earlier["values"], searched), "tune.space": earlier["space"]}
        now = {**_without(own["values"], searched), "tune.space": space}
        return differences(was, now) if was != now else []


def _without(values: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Values but for some, named by dotted keys."""
    values = copy.deepcopy(values)
    for key in keys:
        *parts, last = key.split(".")
        place: Any = values
        for part in parts:
            place = place.get(part) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(last, None)
    return values
