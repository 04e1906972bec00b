"""The types and ranges of `tune:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from mlp_toolkit.recipe import known_names
from mlp_toolkit.recipe.spec.types import Part, Positive, one_of

SECTIONS = ("model", "train")


class Range(Part):
    """Numbers from one to another; what is not said of them is `false` and none."""

    min: int | float
    max: int | float
    log: bool = False
    step: Annotated[int | float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if self.min >= self.max:
            raise known_names.refuse("min is not below max", at=("min",), allowed=f"below {self.max:g}")
        if self.log and self.min <= 0:
            raise known_names.refuse("on a logarithmic scale numbers are above 0", at=("min",), allowed="above 0")
        if self.log and self.step is not None:
            raise known_names.refuse("is not for a logarithmic scale", at=("step",), allowed="null")
        return self


class Values(Part):
    """Values, of any type, one of which is taken."""

    values: Annotated[list[Any], Field(min_length=1)]


def _kind(value: Any) -> str:
    return "values" if isinstance(value, Values) or (isinstance(value, dict) and "values" in value) else "range"


Choices = Annotated[Annotated[Range, Tag("range")] | Annotated[Values, Tag("values")], Discriminator(_kind)]


class Tune(Part):
    """A search over the values of some keys."""

    trials: Annotated[int, Field(ge=1, le=100_000)]
    seconds: Positive | None
    metric: str
    space: Annotated[
        Annotated[Literal["auto"], Tag("text")]
        | Annotated[Annotated[dict[str, Choices], Field(min_length=1)], Tag("mapping")],
        one_of("auto, or a mapping of dotted keys to {min, max} or {values}"),
    ]
    sampler: Literal["tpe", "random", "grid"]
    pruner: Literal["hyperband", "median", "none"]

    @model_validator(mode="after")
    def _space_is_searched(self) -> Tune:
        if self.space == "auto":
            return self
        for key, choices in self.space.items():
            if key.split(".")[0] not in SECTIONS or "." not in key:
                raise known_names.refuse(
                    f"{key!r} is not searched over", at=("space",), allowed="keys of model and train, dotted"
                )
            if self.sampler == "grid" and isinstance(choices, Range) and choices.step is None:
                raise known_names.refuse(
                    f"a grid needs steps; {key!r} has none", at=("space",), allowed="{min, max, step}, or {values}"
                )
        return self
