"""The types and ranges of `train:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from mlp_toolkit.recipe import catalog, known_names
from mlp_toolkit.recipe.spec.types import (
    UNLESS_AUTO,
    Beta,
    Label,
    Part,
    Positive,
    Share01,
    named,
    one_of,
)

# One number d stands for the range 1 - d to 1 + d.
Around = Annotated[
    Annotated[Annotated[float, Field(ge=0, lt=1)], Tag("number")]
    | Annotated[Annotated[list[Positive], Field(min_length=2, max_length=2)], Tag("list")],
    one_of("a number d below 1 for the range 1 - d to 1 + d, or [LEAST, GREATEST]"),
]


class Optimizer(Part):
    """An optimizer by name, with the settings that are not its usual ones."""

    name: Annotated[str, AfterValidator(known_names.known_optimizer)]
    learning_rate: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    momentum: Beta | None = None
    nesterov: bool | None = None
    weight_decay: Annotated[float, Field(ge=0, le=1)] | None = None
    beta_1: Beta | None = None
    beta_2: Beta | None = None
    rho: Beta | None = None
    epsilon: Positive | None = None
    amsgrad: bool | None = None
    clipnorm: Positive | None = None
    clipvalue: Positive | None = None
    global_clipnorm: Positive | None = None
    use_ema: bool | None = None
    ema_momentum: Beta | None = None

    def settings(self) -> dict[str, Any]:
        """The settings given, without the name."""
        return self.model_dump(exclude={"name"}, exclude_none=True)


class EarlyStopping(Part):
    """Stop after `patience` epochs without a lower validation loss."""

    patience: Annotated[int, Field(ge=1)]


class Schedule(Part):
    """How the learning rate goes on from step to step; `warmup` is how many epochs it first rises."""

    name: Literal["constant", "cosine", "one_cycle", "exponential", "log_cosine", "reduce_on_plateau"]
    warmup: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _warmup_fits(self) -> Schedule:
        if self.warmup is not None and self.name == "one_cycle":
            raise known_names.refuse(
                "one_cycle has a warm-up of its own: it rises over 30 % of the steps", at=("warmup",)
            )
        if self.warmup is not None and self.name == "reduce_on_plateau":
            raise known_names.refuse("reduce_on_plateau starts from the full rate", at=("warmup",), allowed="null")
        return self


class Augmentation(Part):
    """How far training images are changed at random; the ranges count as Keras's ImageDataGenerator counts them."""

    rotation: Annotated[float, Field(ge=0, le=180)]
    width_shift: Share01
    height_shift: Share01
    shear: Annotated[float, Field(ge=0, lt=90)]
    zoom: Around
    horizontal_flip: bool
    vertical_flip: bool
    brightness: Around
    fill_mode: Literal["nearest", "reflect", "wrap", "constant"]


class Train(Part):
    """How the network is trained."""

    loss: str
    optimizer: Annotated[Optimizer, BeforeValidator(named)]
    schedule: Annotated[Schedule | None, BeforeValidator(named)]
    epochs: Annotated[
        Annotated[Annotated[int, Field(ge=1, le=1_000_000)], Tag("number")] | Annotated[Literal["auto"], Tag("text")],
        UNLESS_AUTO,
    ]
    seconds: Positive | None
    batch_size: Annotated[
        Annotated[Annotated[int, Field(ge=1, le=10_000_000)], Tag("number")] | Annotated[Literal["auto"], Tag("text")],
        UNLESS_AUTO,
    ]
    class_weight: (
        Annotated[
            Annotated[Literal["balanced"], Tag("text")]
            | Annotated[
                Annotated[dict[Label, Annotated[float, Field(ge=0, allow_inf_nan=False)]], Field(min_length=1)],
                Tag("mapping"),
            ],
            one_of("balanced, or a mapping of classes to weights"),
        ]
        | None
    )
    early_stopping: EarlyStopping | None
    keep: Literal["best", "best_and_last", "blended"]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    calibrate: Annotated[
        Annotated[Literal["isotonic"], Tag("text")] | Annotated[bool, Tag("yes or no")],
        Discriminator(
            lambda value: "text" if isinstance(value, str) else "yes or no" if isinstance(value, bool) else None,
            custom_error_type="shape",
            custom_error_message="true, false or isotonic",
        ),
    ]
    augmentation: Augmentation | None
    tensorboard: bool
    mlflow: bool
    device: Annotated[str, Field(pattern=r"^(auto|cpu|gpu|gpu:\d{1,3}|all|workers)$")]
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]

    def epochs_of(self, rows: int) -> int:
        """The epochs for so many training rows: where the recipe leaves it open, fewer for very many."""
        if self.epochs != "auto":
            return self.epochs
        usual = catalog.config("options")["epochs"]
        return int(max(1, min(usual["usual"], round(usual["usual"] * usual["many_rows"] / max(rows, 1)))))

    def batch_size_of(self, rows: int) -> int:
        """The rows of a step for so many training rows: where the recipe leaves it open, fewer for few."""
        if self.batch_size != "auto":
            return self.batch_size
        usual = catalog.config("options")["batch_size"]
        return int(usual["usual"] if rows >= usual["few_rows"] else usual["of_few_rows"])

    def by_rows(self, rows: int) -> dict[str, int]:
        """What depends on the number of training rows, by its key."""
        return {"epochs": self.epochs_of(rows), "batch_size": self.batch_size_of(rows)}
