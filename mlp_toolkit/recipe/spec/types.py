"""What the parts of a recipe are made of: their base, and types that several of them use."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
)

from mlp_toolkit.recipe import known_names

Task = Literal["regression", "binary", "multilabel", "multiclass"]
IN_MEMORY = "in memory"  # the context in which recipes of rows that no file holds are checked
TASKS: tuple[Task, ...] = ("regression", "binary", "multilabel", "multiclass")


def named(value: Any) -> Any:
    """`optimizer: nadam` is short for `optimizer: {name: nadam}`; activations likewise."""
    return {"name": value} if isinstance(value, str) else value


def shape_of(value: Any) -> str | None:
    """What YAML calls a value of this type."""
    if isinstance(value, bool):
        return None
    shapes = {str: "text", int: "number", float: "number", list: "list", dict: "mapping"}
    return next((tag for kind, tag in shapes.items() if isinstance(value, kind)), None) or (
        "mapping" if isinstance(value, BaseModel) else None
    )


def one_of(what: str) -> Discriminator:
    """A value that may be of several types, and what the message says is allowed."""
    return Discriminator(shape_of, custom_error_type="shape", custom_error_message=what)


# Of a union of auto and a number: whatever is not auto is told what numbers are allowed.
UNLESS_AUTO = Discriminator(lambda value: "text" if value == "auto" else "number")


class Part(BaseModel):
    """Base of all parts of a recipe: unknown keys are errors, types are strict, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Fraction = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Column = Annotated[str, Field(min_length=1)]
Share = Annotated[
    Annotated[Fraction, Tag("number")] | Annotated[Column, Tag("text")],
    one_of("a share of the rows between 0 and 1, or a file"),
]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Kind = Annotated[str, AfterValidator(known_names.known_kind)]
Side = Annotated[int, Field(ge=1, le=1024)]
Share01 = Annotated[float, Field(ge=0, le=1)]
Label = str | bool | int | float
