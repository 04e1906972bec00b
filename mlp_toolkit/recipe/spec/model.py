"""The types and ranges of `model:`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Tag,
    model_validator,
)

from mlp_toolkit.recipe import catalog, known_names
from mlp_toolkit.recipe.spec.types import (
    UNLESS_AUTO,
    Column,
    Part,
    named,
    one_of,
)


class Layers(Part):
    """Equal hidden layers: how many, and how many neurons each."""

    layers: Annotated[int, Field(ge=0, le=100)]
    neurons: Annotated[int, Field(ge=1, le=65536)]


class Activation(Part):
    """A hidden activation; `slope` is leaky ReLU's for negative inputs."""

    name: Annotated[str, AfterValidator(known_names.known_activation)]
    slope: Annotated[float, Field(ge=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _slope_fits(self) -> Activation:
        if self.slope is not None and self.name != "leaky_relu":
            raise known_names.refuse("slope belongs to leaky_relu alone")
        return self


def one_layer(value: Any) -> Any:
    """`hidden: 64` is short for `hidden: [64]`."""
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


Hidden = Annotated[
    Annotated[Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(max_length=100)], Tag("list")]
    | Annotated[Layers, Tag("mapping")],
    one_of("neurons of one layer, a list of neurons, or {layers: …, neurons: …}"),
    BeforeValidator(one_layer),
]


class WarmStart(Part):
    """The first hidden layers of a trained network, taken over.

    `layers` is how many, null all that have the same shape; `freeze` keeps them as they are for `unfreeze_after`
    epochs (null: for good); after that all layers learn at `lower_rate` times the rate.
    """

    from_: Annotated[Column, Field(alias="from")]
    layers: Annotated[int, Field(ge=1, le=100)] | None
    freeze: bool
    unfreeze_after: Annotated[int, Field(ge=1)] | None
    lower_rate: Annotated[float, Field(gt=0, le=1)]


class Pretrain(Part):
    """Hidden layers begin as those of a denoising autoencoder of all training rows, with and without a target.

    `noise` is the share of inputs hidden from it.
    """

    epochs: Annotated[int, Field(ge=1, le=100_000)]
    noise: Annotated[float, Field(ge=0, lt=1)]


class Model(Part):
    """The network.

    `frequency` is how fine RealMLP's embeddings of numbers are at the beginning: the largest deviation of their 16
    frequencies, in turns of a cosine between a column's quartiles.
    """

    hidden: Hidden
    activation: Annotated[Activation, BeforeValidator(named)]
    initializer: Annotated[str, AfterValidator(known_names.known_initializer)]
    batch_norm: bool | Literal["before", "after"]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    l2: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    output: Annotated[str, AfterValidator(known_names.known_output)]
    warm_start: WarmStart | None
    pretrain: Pretrain | None
    network: Literal["plain", "realmlp"]
    frequency: Annotated[
        Annotated[Annotated[float, Field(gt=0, le=100)], Tag("number")] | Annotated[Literal["auto"], Tag("text")],
        UNLESS_AUTO,
    ]
    ensemble: Annotated[int, Field(ge=1, le=64)]

    @property
    def members(self) -> int:
        """How many members train at once; 0 where there is a plain network alone."""
        return self.ensemble if self.ensemble > 1 or self.network == "realmlp" else 0

    def frequency_of(self, task: str, rows_a_number: float = math.inf) -> float:
        """The largest deviation: where the recipe leaves it open, finer for numbers than for classes.

        Args:
            task: The recipe's.
            rows_a_number: Training rows, of two classes twice those of the rarer, by columns of numbers; for few it is
                coarse.
        """
        if self.frequency != "auto":
            return self.frequency
        usual = catalog.config("options")["frequency"]
        if rows_a_number < usual["few_rows"]:
            return float(usual["of_few_rows"])
        return float(usual["regression" if task == "regression" else "classes"])

    @property
    def units(self) -> list[int]:
        """Neurons of each hidden layer; `{layers: 2, neurons: 64}` is `[64, 64]`, no layer is `[]`."""
        return [self.hidden.neurons] * self.hidden.layers if isinstance(self.hidden, Layers) else self.hidden
