"""What a search is: a recipe, what it is searched over, its rows, and its directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp_toolkit.data.dataset import Dataset
from mlp_toolkit.recipe import resolving
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.recipe.spec import Range, Tune, Values


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
