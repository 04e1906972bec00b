"""The recipe's types and ranges. No default values: those live in `configs/`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from mlp_toolkit import catalog
from mlp_toolkit.errors import shorten

Task = Literal["regression", "binary", "multilabel", "multiclass"]
TASKS: tuple[Task, ...] = ("regression", "binary", "multilabel", "multiclass")
KINDS = ("numeric", "categorical", "date", "image", "ignore")
BOUNDED = re.compile(r"bounded\(\s*([^,()]+?)\s*,\s*([^,()]+?)\s*\)")


def refuse(
    problem: str, *, at: tuple[str, ...] = (), allowed: Any = None, remedy: str | None = None
) -> PydanticCustomError:
    """An error for a validator to raise; `recipe` turns it into a `UserError` with its place.

    Args:
        problem: What is wrong.
        at: The keys, from the validated part on, that lead to what is wrong.
        allowed: What would have been accepted.
        remedy: What to do about it.
    """
    context = {"problem": problem, "at": at, "allowed": allowed, "remedy": remedy}
    return PydanticCustomError("refused", "{problem}", context)


def parse_bounds(output: str) -> tuple[float, float] | None:
    """The two numbers of `bounded(lo, hi)`; None for any other text.

    Raises:
        ValueError: The text has the form, but not two finite numbers with lo < hi.
    """
    match = BOUNDED.fullmatch(output)
    if not match:
        return None
    low, high = float(match[1]), float(match[2])
    if not (abs(low) < float("inf") and abs(high) < float("inf") and low < high):
        raise ValueError(f"bounded({low}, {high}) needs two finite numbers, the lower first")
    return low, high


def loss_name(task: str, loss: str) -> str:
    """The full Keras name of a loss that fits the task, from its name, alias or class name.

    Raises:
        PydanticCustomError: The loss is unknown or does not fit the task.
    """
    known = catalog.config("keras_names")
    aliases: dict[str, str] = known["loss_aliases"]
    full = aliases.get(loss, loss)
    if not re.fullmatch(r"[a-z0-9_]+", full):
        full = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", full).lower()
    allowed: list[str] = known["losses"][task]
    if full in allowed:
        return full
    if task == "binary" and full in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        raise refuse(
            f"{full} does not fit one output neuron: softmax or cross entropy over a single class is "
            "constant, so that nothing is learnt",
            remedy="Use binary_crossentropy, which the binary table holds.",
        )
    raise refuse(f"not a loss for {task}", allowed=[*allowed, *(a for a, f in aliases.items() if f in allowed)])


def _output(value: str) -> str:
    try:
        if value in ("auto", "linear", "positive") or parse_bounds(value):
            return value
    except ValueError as error:
        raise refuse(f"not two numbers: {error}") from None
    raise refuse("unknown output", allowed=["auto", "linear", "positive", "bounded(LOW, HIGH)"])


def _activation(name: str) -> str:
    taught = catalog.config("activations")["activations"]
    known = [*taught, *(n for n in catalog.config("keras_names")["activations"] if n not in taught)]
    if name not in known:
        raise refuse("unknown activation", allowed=known)
    if name == "step":
        raise refuse(
            "the step function has no gradient, so a network of it cannot be trained by gradient descent",
            remedy="It serves the perceptron demonstration only. For hidden layers, the tables hold relu.",
        )
    return name


def _optimizer(name: str) -> str:
    taught = catalog.config("optimizers")["optimizers"]
    known = [*taught, *catalog.config("keras_names")["optimizers"]]
    if name not in known:
        raise refuse("unknown optimizer", allowed=known)
    return name


def _initializer(name: str) -> str:
    known = ["auto", *catalog.config("keras_names")["initializers"]]
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if snake not in known:
        raise refuse("unknown initializer", allowed=known)
    return snake


def _kind(text: str) -> str:
    if text in KINDS or re.fullmatch(r"date\((?:%[YmdHMS]|[-/.: T])+\)", text):
        return text
    raise refuse("unknown kind of column", allowed=[*KINDS, "date(%d/%m/%Y)"])


def _preset(name: str) -> str:
    known = catalog.names("presets")
    if name in known or name.endswith((".yaml", ".yml")):
        return name
    raise refuse("unknown preset", allowed=[*known, "a path to a .yaml file"])


def _not_yet(value: Any) -> Any:
    if value is not None:
        raise refuse("this option is not available in this version", allowed="null")
    return value


def _one_member(value: int) -> int:
    if value != 1:
        raise refuse("ensembles are not available in this version", allowed="1")
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
Label = str | bool | int | float


class Split(Part):
    """Shares of the rows, or files of their own."""

    validation: Share
    test: Share

    @model_validator(mode="after")
    def _rows_left(self) -> Split:
        shares = [share for share in (self.validation, self.test) if isinstance(share, float)]
        if sum(shares) >= 1:
            raise refuse("validation and test take all rows: none are left to train on", allowed="a sum below 1")
        return self


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
        | Annotated[Annotated[dict[str, Annotated[str, AfterValidator(_kind)]], Field(min_length=1)], Tag("mapping")],
        _one_of("all, a list of columns, or a mapping of columns to their kind"),
    ]
    sample_weight: Column | None
    split: Annotated[
        Annotated[Column, Tag("text")] | Annotated[Split, Tag("mapping")],
        _one_of("a mapping of validation and test, or a column"),
    ]
    test_path: Column | None
    classes: Annotated[list[Label], Field(min_length=2)] | None
    stream: Literal["auto"] | bool

    @model_validator(mode="after")
    def _one_source(self) -> Data:
        if (self.path is None) == (self.dataset is None):
            raise refuse("exactly one of path and dataset says where the rows come from", allowed="path or dataset")
        known = catalog.config("datasets")["datasets"]
        if self.dataset is not None and self.dataset not in known:
            raise refuse("unknown dataset", at=("dataset",), allowed=list(known))
        if len(set(self.targets)) != len(self.targets):
            raise refuse("a target is named twice", at=("target",), allowed="different columns")
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

    name: Annotated[str, AfterValidator(_activation)]
    slope: Annotated[float, Field(ge=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _slope_fits(self) -> Activation:
        if self.slope is not None and self.name != "leaky_relu":
            raise refuse("slope belongs to leaky_relu alone")
        return self


Hidden = Annotated[
    Annotated[Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(max_length=100)], Tag("list")]
    | Annotated[Layers, Tag("mapping")],
    _one_of("a list of neurons, or {layers: …, neurons: …}"),
]


class Model(Part):
    """The network."""

    hidden: Hidden
    activation: Annotated[Activation, BeforeValidator(_named)]
    initializer: Annotated[str, AfterValidator(_initializer)]
    batch_norm: bool
    dropout: Annotated[float, Field(ge=0, lt=1)]
    l2: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    output: Annotated[str, AfterValidator(_output)]
    warm_start: Annotated[Any, BeforeValidator(_not_yet)]
    ensemble: Annotated[int, AfterValidator(_one_member)]

    @property
    def units(self) -> list[int]:
        """Neurons of each hidden layer; `{layers: 2, neurons: 64}` is `[64, 64]`, no layer is `[]`."""
        return [self.hidden.neurons] * self.hidden.layers if isinstance(self.hidden, Layers) else self.hidden


class Optimizer(Part):
    """An optimizer by name, with the settings that are not its usual ones."""

    name: Annotated[str, AfterValidator(_optimizer)]
    learning_rate: Annotated[float, Field(gt=0, le=10)] | None = None
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


class Train(Part):
    """How the network is trained."""

    loss: str
    optimizer: Annotated[Optimizer, BeforeValidator(_named)]
    schedule: Literal["constant", "cosine", "one_cycle", "exponential", "reduce_on_plateau"] | None
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
    augmentation: Annotated[Any, BeforeValidator(_not_yet)]
    device: Annotated[str, Field(pattern=r"^(auto|cpu|gpu|gpu:\d{1,3}|all)$")]
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]


class Recipe(Part):
    """A whole recipe with every value resolved."""

    task: Task
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^/\\\x00-\x1f]+$")]
    preset: Annotated[str, AfterValidator(_preset)]
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
    def _parts_fit_the_task(self) -> Recipe:
        if self.task == "multilabel" and len(self.data.targets) < 2:
            raise refuse(
                "multilabel needs a list of two or more target columns",
                at=("data", "target"),
                remedy="For one yes/no column use task: binary.",
            )
        if self.task in ("binary", "multiclass") and len(self.data.targets) > 1:
            raise refuse(
                f"{self.task} has one target column",
                at=("data", "target"),
                remedy="For several yes/no columns: task: multilabel.",
            )
        if self.task != "regression" and self.model.output != "auto":
            raise refuse(
                f"for regression only; {self.task} has its own output activation",
                at=("model", "output"),
                allowed=["auto"],
            )
        if self.train.class_weight is not None and self.task in ("regression", "multilabel"):
            raise refuse(
                f"does not fit {self.task}",
                at=("train", "class_weight"),
                remedy="Class weights are for binary and multiclass; data.sample_weight names a column of row weights.",
            )
        allowed = catalog.config(f"tables/{self.task}")["entries"]["metrics"]["default"]
        if self.metrics != "auto":
            unknown = [name for name in self.metrics if name not in allowed]
            if unknown:
                raise refuse(
                    f"{shorten(unknown[0])!r} is not a metric of {self.task}",
                    at=("metrics",),
                    allowed=["auto", *allowed],
                )
        return self
