"""The types and ranges of `decision:`, and what goes with it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Tag, model_validator

from mlp_toolkit.recipe import known_names
from mlp_toolkit.recipe.spec.types import UNLESS_AUTO, Fraction, Part, Positive


class Cost(Part):
    """What a wrong decision costs; a right one costs nothing."""

    false_positive: Positive
    false_negative: Positive


class Decision(Part):
    """From which probability on a row has a label."""

    threshold: Annotated[Annotated[Literal["auto"], Tag("text")] | Annotated[Fraction, Tag("number")], UNLESS_AUTO]
    metric: Literal["f1", "balanced_accuracy", "mcc", "cost"]
    cost: Cost | None

    @model_validator(mode="after")
    def _cost_is_known(self) -> Decision:
        if self.metric == "cost" and self.cost is None:
            raise known_names.refuse(
                "what do the two kinds of mistakes cost?",
                at=("cost",),
                allowed="a mapping, for instance {false_positive: 1, false_negative: 5}",
            )
        if self.metric != "cost" and self.cost is not None:
            raise known_names.refuse("is for metric: cost", at=("cost",), allowed="null")
        return self
