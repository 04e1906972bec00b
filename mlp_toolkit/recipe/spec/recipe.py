"""The whole recipe, and what its parts must not say together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    Tag,
    model_validator,
)

from mlp_toolkit.errors import shorten
from mlp_toolkit.recipe import catalog, known_names
from mlp_toolkit.recipe.spec.data import Data
from mlp_toolkit.recipe.spec.judging import Decision
from mlp_toolkit.recipe.spec.model import Model
from mlp_toolkit.recipe.spec.train import Train
from mlp_toolkit.recipe.spec.tuning import Tune
from mlp_toolkit.recipe.spec.types import (
    Fraction,
    Part,
    Task,
    one_of,
)

# Optimizers that look at a whole weight at once, so that members would not be trained as each alone.
NOT_BY_MEMBER = ("muon", "Muon", "Lamb", "Adafactor")
OF_REALMLP = ("selu", "mish", "relu", "gelu", "swish", "silu", "tanh", "elu", "softplus")


class Recipe(Part):
    """A whole recipe with every value resolved."""

    task: Task
    name: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(known_names.folder_name)]
    preset: Annotated[str, AfterValidator(known_names.known_preset)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: Data
    model: Model
    train: Train
    metrics: Annotated[
        Annotated[Literal["auto"], Tag("text")] | Annotated[Annotated[list[str], Field(min_length=1)], Tag("list")],
        one_of("auto, or a list of metrics"),
    ]
    decision: Decision
    intervals: Fraction | None
    baselines: Literal["auto", "none"]
    report: Literal["full", "brief"]
    tune: Tune | None

    @model_validator(mode="after")
    def _decisions_fit_the_task(self) -> Recipe:
        if self.task not in ("binary", "multilabel") and self.decision.threshold != 0.5:
            raise known_names.refuse(
                f"for binary and multilabel; {self.task} has no threshold", at=("decision", "threshold"), allowed="0.5"
            )
        if self.intervals is None:
            return self
        added = {f"{name}{end}" for name in self.data.targets for end in ("_lower", "_upper")} | {"set"}
        if both := sorted(added.intersection(self.data.targets)):
            raise known_names.refuse(
                f"the column {both[0]!r} of predictions would be a target and an interval",
                at=("intervals",),
                remedy=f"Give the target {both[0]!r} another name in the data.",
            )
        return self

    @model_validator(mode="after")
    def _stages_fit_the_epochs(self) -> Recipe:
        schedule, warm, epochs = self.train.schedule, self.model.warm_start, self.train.epochs
        if schedule and schedule.warmup and epochs != "auto" and schedule.warmup >= epochs:
            raise known_names.refuse(
                f"the warm-up would take all {epochs} epochs",
                at=("train", "schedule", "warmup"),
                allowed=f"below {epochs}",
            )
        lowered = warm and warm.freeze and warm.unfreeze_after and warm.lower_rate < 1
        if lowered and schedule and schedule.name == "reduce_on_plateau":
            raise known_names.refuse(
                "two things would lower the rate: reduce_on_plateau, and the warm start when its layers are unfrozen",
                at=("train", "schedule"),
                remedy="Take another schedule, or model.warm_start.lower_rate: 1.",
            )
        return self

    @model_validator(mode="after")
    def _members_fit(self) -> Recipe:
        """What several members in one program do not go together with."""
        model, train = self.model, self.train
        if self.data.in_folds and model.ensemble < 2:
            raise known_names.refuse(
                "folds are for the members of an ensemble, two or more",
                at=("data", "split", "validation"),
                remedy="Give model.ensemble: 5, or a share of the rows.",
            )
        if train.label_smoothing and self.task != "multiclass":
            raise known_names.refuse("is for multiclass", at=("train", "label_smoothing"), allowed="0")
        if model.network == "plain" and model.frequency != "auto":
            raise known_names.refuse("is for network: realmlp", at=("model", "frequency"), allowed="auto")
        if not model.members:
            if train.keep != "best":
                raise known_names.refuse("is for ensembles", at=("train", "keep"), allowed="best")
            return self
        told = [
            (model.warm_start is not None, ("model", "warm_start"), "null"),
            (model.pretrain is not None, ("model", "pretrain"), "null"),
            (train.device in ("all", "workers"), ("train", "device"), "auto, cpu or gpu"),
            (train.precision != "float32", ("train", "precision"), "float32"),
            (train.optimizer.name in NOT_BY_MEMBER, ("train", "optimizer", "name"), "adam, adamw, sgd and others"),
        ]
        for wrong, at, allowed in told:
            if wrong:
                raise known_names.refuse("is not available for several members in one program", at=at, allowed=allowed)
        if model.network == "realmlp" and (model.batch_norm or model.l2 or model.initializer != "auto"):
            key = "batch_norm" if model.batch_norm else "l2" if model.l2 else "initializer"
            raise known_names.refuse(
                f"a network of the kind realmlp has no {key}", at=("model", key), remedy="Take model.network: plain."
            )
        if model.network == "realmlp" and model.activation.name not in OF_REALMLP:
            raise known_names.refuse("not for network: realmlp", at=("model", "activation"), allowed=list(OF_REALMLP))
        return self

    @model_validator(mode="after")
    def _workers_fit(self) -> Recipe:
        """What several workers cannot train as one process would."""
        train = self.train
        if train.device != "workers":
            return self
        clipping = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if getattr(train.optimizer, name)]
        told = [
            (self.model.pretrain is not None, ("model", "pretrain"), "null"),
            (train.precision == "mixed_float16", ("train", "precision"), "float32 or mixed_bfloat16"),
            *((True, ("train", "optimizer", name), "null") for name in clipping),
        ]
        for wrong, at, allowed in told:
            if wrong:
                raise known_names.refuse("is not available for several workers", at=at, allowed=allowed)
        return self

    @model_validator(mode="after")
    def _parts_fit_the_task(self) -> Recipe:
        if self.task == "multilabel" and len(self.data.targets) < 2:
            raise known_names.refuse(
                "multilabel needs a list of two or more target columns",
                at=("data", "target"),
                remedy="For one yes/no column use task: binary.",
            )
        chances = {f"probability_{name}" for name in self.data.targets}
        if self.task == "multilabel" and (both := sorted(chances.intersection(self.data.targets))):
            raise known_names.refuse(
                f"the column {both[0]!r} of predictions would be a label and the probability of another",
                at=("data", "target"),
                remedy=f"Give the label {both[0]!r} another name in the data.",
            )
        if self.task in ("binary", "multiclass") and len(self.data.targets) > 1:
            raise known_names.refuse(
                f"{self.task} has one target column",
                at=("data", "target"),
                remedy="For several yes/no columns: task: multilabel.",
            )
        if self.task != "binary" and self.data.positive is not None:
            raise known_names.refuse(
                f"for binary only; {self.task} has no positive class", at=("data", "positive"), allowed=["null"]
            )
        if self.task != "regression" and self.model.output != "auto":
            raise known_names.refuse(
                f"for regression only; {self.task} has its own output activation",
                at=("model", "output"),
                allowed=["auto"],
            )
        for key in ("class_weight", "calibrate"):
            if getattr(self.train, key) and self.task == "regression":
                raise known_names.refuse(
                    "is for classification",
                    at=("train", key),
                    remedy="data.sample_weight names a column of row weights.",
                )
        if self.train.calibrate == "isotonic" and self.task == "multiclass":
            raise known_names.refuse(
                "isotonic corrects probabilities one by one; those of several classes add up to 1",
                at=("train", "calibrate"),
                allowed=["true", "false"],
            )
        allowed = catalog.config(f"tables/{self.task}")["entries"]["metrics"]["default"]
        if self.metrics != "auto":
            unknown = [name for name in self.metrics if name not in allowed]
            if unknown:
                raise known_names.refuse(
                    f"{shorten(unknown[0])!r} is not a metric of {self.task}",
                    at=("metrics",),
                    allowed=["auto", *allowed],
                )
        if self.tune and self.tune.metric not in ("auto", *allowed):
            raise known_names.refuse(
                f"{shorten(self.tune.metric)!r} is not a metric of {self.task}",
                at=("tune", "metric"),
                allowed=["auto", *allowed],
            )
        return self
