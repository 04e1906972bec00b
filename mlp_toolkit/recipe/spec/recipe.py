"""The recipe's types and ranges. No default values: those live in `configs/`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    model_validator,
)

from mlp_toolkit import catalog, words
from mlp_toolkit.errors import shorten

Task = Literal["regression", "binary", "multilabel", "multiclass"]
IN_MEMORY = "in memory"  # the context in which recipes of rows that no file holds are checked
TASKS: tuple[Task, ...] = ("regression", "binary", "multilabel", "multiclass")


def _not_yet(value: Any) -> Any:
    if value is not None:
        raise words.refuse("this option is not available in this version", allowed="null")
    return value


def _one_member(value: int) -> int:
    if value != 1:
        raise words.refuse("ensembles are not available in this version", allowed="1")
    return value


def _named(value: Any) -> Any:
    """`optimizer: nadam` is short for `optimizer: {name: nadam}`; activations likewise."""
    return {"name": value} if isinstance(value, str) else value


def _shape(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    shapes = {str: "text", int: "number", float: "number", list: "list", dict: "mapping"}
    return next((tag for kind, tag in shapes.items() if isinstance(value, kind)), None) or (
        "mapping" if isinstance(value, BaseModel) else None
    )


def _one_of(what: str) -> Discriminator:
    return Discriminator(_shape, custom_error_type="shape", custom_error_message=what)


class Part(BaseModel):
    """Base of all parts of a recipe: unknown keys are errors, types are strict, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Fraction = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Column = Annotated[str, Field(min_length=1)]
Share = Annotated[
    Annotated[Fraction, Tag("number")] | Annotated[Column, Tag("text")],
    _one_of("a share of the rows between 0 and 1, or a file"),
]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Kind = Annotated[str, AfterValidator(words.known_kind)]
Side = Annotated[int, Field(ge=1, le=1024)]
Share01 = Annotated[float, Field(ge=0, le=1)]
Label = str | bool | int | float


class Split(Part):
    """Shares of the rows, or files of their own; of rows in memory a part may have none."""

    validation: Share | None
    test: Share | None

    @model_validator(mode="after")
    def _rows_left(self, info: ValidationInfo) -> Split:
        for part in ("validation", "test"):
            if getattr(self, part) is None and info.context != IN_MEMORY:
                raise words.refuse(
                    "a recipe needs rows for it", at=(part,), allowed="a share of the rows between 0 and 1, or a file"
                )
        shares = [share for share in (self.validation, self.test) if isinstance(share, float)]
        if sum(shares) >= 1:
            raise words.refuse("validation and test take all rows: none are left to train on", allowed="a sum below 1")
        return self


class Images(Part):
    """How the images of an image column become equal rows of pixels."""

    size: Annotated[
        Annotated[Literal["auto"], Tag("text")]
        | Annotated[Annotated[list[Side], Field(min_length=2, max_length=2)], Tag("list")],
        _one_of("auto, or [HEIGHT, WIDTH]"),
    ]
    color: Literal["auto", "grayscale", "rgb"]


class Data(Part):
    """Where the rows come from and what their columns are."""

    path: Column | None
    dataset: Column | None
    target: Annotated[
        Annotated[Column, Tag("text")] | Annotated[Annotated[list[Column], Field(min_length=1)], Tag("list")],
        _one_of("a column, or a list of columns"),
    ]
    features: Annotated[
        Annotated[Literal["all"], Tag("text")]
        | Annotated[Annotated[list[Column], Field(min_length=1)], Tag("list")]
        | Annotated[
            Annotated[dict[str, Annotated[str, AfterValidator(words.known_kind)]], Field(min_length=1)], Tag("mapping")
        ],
        _one_of("all, a list of columns, or a mapping of columns to their kind"),
    ]
    sample_weight: Column | None
    split: Annotated[
        Annotated[Column, Tag("text")] | Annotated[Split, Tag("mapping")],
        _one_of("a mapping of validation and test, or a column"),
    ]
    test_path: Column | None
    classes: Annotated[list[Label], Field(min_length=2)] | None
    images: Images
    stream: Literal["auto"] | bool

    @model_validator(mode="after")
    def _one_source(self, info: ValidationInfo) -> Data:
        given = (self.path is not None) + (self.dataset is not None)
        if given != (0 if info.context == IN_MEMORY else 1):
            raise words.refuse(
                "exactly one of path and dataset says where the rows come from", allowed="path or dataset"
            )
        known = catalog.config("datasets")["datasets"]
        if self.dataset is not None and self.dataset not in known:
            raise words.refuse("unknown dataset", at=("dataset",), allowed=list(known))
        if len(set(self.targets)) != len(self.targets):
            raise words.refuse("a target is named twice", at=("target",), allowed="different columns")
        kinds = list(self.features.values()) if isinstance(self.features, dict) else []
        if kinds.count("image") > 1:
            raise words.refuse("two columns are images", at=("features",), allowed="one image column at most")
        if "image" in kinds and self.stream is True:
            raise words.refuse("rows with images are not streamed", at=("stream",), allowed="auto or false")
        return self

    @property
    def targets(self) -> list[str]:
        """The target columns as a list."""
        return [self.target] if isinstance(self.target, str) else self.target


class Layers(Part):
    """Equal hidden layers: how many, and how many neurons each."""

    layers: Annotated[int, Field(ge=0, le=100)]
    neurons: Annotated[int, Field(ge=1, le=65536)]


class Activation(Part):
    """A hidden activation; `slope` is leaky ReLU's for negative inputs."""

    name: Annotated[str, AfterValidator(words.known_activation)]
    slope: Annotated[float, Field(ge=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _slope_fits(self) -> Activation:
        if self.slope is not None and self.name != "leaky_relu":
            raise words.refuse("slope belongs to leaky_relu alone")
        return self


# One number d stands for the range 1 - d to 1 + d.
Around = Annotated[
    Annotated[Annotated[float, Field(ge=0, lt=1)], Tag("number")]
    | Annotated[Annotated[list[Positive], Field(min_length=2, max_length=2)], Tag("list")],
    _one_of("a number d below 1 for the range 1 - d to 1 + d, or [LEAST, GREATEST]"),
]
Hidden = Annotated[
    Annotated[Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(max_length=100)], Tag("list")]
    | Annotated[Layers, Tag("mapping")],
    _one_of("a list of neurons, or {layers: …, neurons: …}"),
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
    """The network."""

    hidden: Hidden
    activation: Annotated[Activation, BeforeValidator(_named)]
    initializer: Annotated[str, AfterValidator(words.known_initializer)]
    batch_norm: bool | Literal["before", "after"]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    l2: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    output: Annotated[str, AfterValidator(words.known_output)]
    warm_start: WarmStart | None
    pretrain: Pretrain | None
    ensemble: Annotated[int, AfterValidator(_one_member)]

    @property
    def units(self) -> list[int]:
        """Neurons of each hidden layer; `{layers: 2, neurons: 64}` is `[64, 64]`, no layer is `[]`."""
        return [self.hidden.neurons] * self.hidden.layers if isinstance(self.hidden, Layers) else self.hidden


class Optimizer(Part):
    """An optimizer by name, with the settings that are not its usual ones."""

    name: Annotated[str, AfterValidator(words.known_optimizer)]
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

    name: Literal["constant", "cosine", "one_cycle", "exponential", "reduce_on_plateau"]
    warmup: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _warmup_fits(self) -> Schedule:
        if self.warmup is not None and self.name == "one_cycle":
            raise words.refuse("one_cycle has a warm-up of its own: it rises over 30 % of the steps", at=("warmup",))
        if self.warmup is not None and self.name == "reduce_on_plateau":
            raise words.refuse("reduce_on_plateau starts from the full rate", at=("warmup",), allowed="null")
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
    optimizer: Annotated[Optimizer, BeforeValidator(_named)]
    schedule: Annotated[Schedule | None, BeforeValidator(_named)]
    epochs: Annotated[int, Field(ge=1, le=1_000_000)]
    batch_size: Annotated[int, Field(ge=1, le=10_000_000)]
    class_weight: (
        Annotated[
            Annotated[Literal["balanced"], Tag("text")]
            | Annotated[
                Annotated[dict[Label, Annotated[float, Field(ge=0, allow_inf_nan=False)]], Field(min_length=1)],
                Tag("mapping"),
            ],
            _one_of("balanced, or a mapping of classes to weights"),
        ]
        | None
    )
    early_stopping: EarlyStopping | None
    calibrate: bool
    augmentation: Augmentation | None
    tensorboard: bool
    mlflow: bool
    device: Annotated[str, Field(pattern=r"^(auto|cpu|gpu|gpu:\d{1,3}|all)$")]
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]


class Recipe(Part):
    """A whole recipe with every value resolved."""

    task: Task
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^/\\\x00-\x1f]+$")]
    preset: Annotated[str, AfterValidator(words.known_preset)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: Data
    model: Model
    train: Train
    metrics: Annotated[
        Annotated[Literal["auto"], Tag("text")] | Annotated[Annotated[list[str], Field(min_length=1)], Tag("list")],
        _one_of("auto, or a list of metrics"),
    ]
    tune: Annotated[Any, BeforeValidator(_not_yet)]

    @model_validator(mode="after")
    def _stages_fit_the_epochs(self) -> Recipe:
        schedule, warm, epochs = self.train.schedule, self.model.warm_start, self.train.epochs
        if schedule and schedule.warmup and schedule.warmup >= epochs:
            raise words.refuse(
                f"the warm-up would take all {epochs} epochs",
                at=("train", "schedule", "warmup"),
                allowed=f"below {epochs}",
            )
        lowered = warm and warm.freeze and warm.unfreeze_after and warm.lower_rate < 1
        if lowered and schedule and schedule.name == "reduce_on_plateau":
            raise words.refuse(
                "two things would lower the rate: reduce_on_plateau, and the warm start when its layers are unfrozen",
                at=("train", "schedule"),
                remedy="Take another schedule, or model.warm_start.lower_rate: 1.",
            )
        return self

    @model_validator(mode="after")
    def _parts_fit_the_task(self) -> Recipe:
        if self.task == "multilabel" and len(self.data.targets) < 2:
            raise words.refuse(
                "multilabel needs a list of two or more target columns",
                at=("data", "target"),
                remedy="For one yes/no column use task: binary.",
            )
        if self.task in ("binary", "multiclass") and len(self.data.targets) > 1:
            raise words.refuse(
                f"{self.task} has one target column",
                at=("data", "target"),
                remedy="For several yes/no columns: task: multilabel.",
            )
        if self.task != "regression" and self.model.output != "auto":
            raise words.refuse(
                f"for regression only; {self.task} has its own output activation",
                at=("model", "output"),
                allowed=["auto"],
            )
        for key in ("class_weight", "calibrate"):
            if getattr(self.train, key) and self.task == "regression":
                raise words.refuse(
                    "is for classification",
                    at=("train", key),
                    remedy="data.sample_weight names a column of row weights.",
                )
        allowed = catalog.config(f"tables/{self.task}")["entries"]["metrics"]["default"]
        if self.metrics != "auto":
            unknown = [name for name in self.metrics if name not in allowed]
            if unknown:
                raise words.refuse(
                    f"{shorten(unknown[0])!r} is not a metric of {self.task}",
                    at=("metrics",),
                    allowed=["auto", *allowed],
                )
        return self
