"""`build_mlp`: a task and the tables → a compiled Keras network."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, get_args

from pydantic import ValidationError

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Network, Tensor
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.model.members.layers import (
    ACTIVATIONS,
    MembersBatchNormalization,
    MembersDense,
    MembersMean,
    ToMembers,
)
from mlp_toolkit.model.members.network import SEEDS, Columns, realmlp
from mlp_toolkit.model.parts.activations import (
    activation_layer,
    activation_of,
    fitting_initializer,
    is_keras_object,
    name_of_activation,
    seeded_initializer,
)
from mlp_toolkit.model.parts.losses import loss_for, usual_metrics
from mlp_toolkit.model.parts.optimizers import make_optimizer, preset_optimizer
from mlp_toolkit.recipe import catalog, known_names, spec
from mlp_toolkit.recipe.arguments import argument_error, plain, whole
from mlp_toolkit.recipe.spec.recipe import NOT_BY_MEMBER

log = logging.getLogger("mlp_toolkit")


def build_mlp(
    task: spec.Task,
    *,
    n_features: int,
    n_outputs: int = 1,
    hidden: int | Sequence[int] | Mapping[str, int] | None = None,
    activation: Any = None,
    initializer: Any = None,
    batch_norm: bool | str | None = None,
    dropout: float | None = None,
    l2: float | None = None,
    output: str = "auto",
    network: str | None = None,
    frequency: float | None = None,
    ensemble: int | None = None,
    loss: Any = None,
    optimizer: Any = None,
    learning_rate: float | None = None,
    metrics: Sequence[Any] | None = None,
    preset: str = "slides",
    precision: str = "float32",
    seed: int | None = None,
    name: str = "mlp",
    known: Known | None = None,
) -> Network:
    """Builds and compiles a multilayer perceptron by the tables of typical hyperparameters.

    What is None comes from the preset, and from the task's table in `configs/tables`.

    Args:
        task: regression, binary, multilabel or multiclass.
        n_features: Input neurons: numbers a row has, 1 or more.
        n_outputs: Output neurons: prediction dimensions, labels or classes; 1 for binary.
        hidden: Neurons of each hidden layer, or `{"layers": 2, "neurons": 64}`. `[100, 50]` is two hidden layers and
            the output layer; 64 is one layer of 64; `[]` is the output layer alone, a linear model.
        activation: Hidden activation: a name, `{"name": "leaky_relu", "slope": 0.1}`, or a Keras layer or function.
        initializer: A name or a Keras initializer; None or "auto" takes the one that fits the activation.
        batch_norm: BatchNormalization of each hidden layer: before (or True) its activation, or after it.
        dropout: Share of hidden outputs dropped in training, 0 ≤ dropout < 1.
        l2: L2 penalty on the weights of all layers, 0 or more.
        output: Regression: auto (linear), linear, positive (softplus), or bounded(LOW, HIGH) (sigmoid; tanh
            where LOW = -HIGH). Classification has its table's activation.
        network: plain, or realmlp: scaled numbers with periodic embeddings, neurons that mix their activation with
            their input, and a begin that is fitted to the training rows (arXiv 2407.04491).
        frequency: Of realmlp's embeddings: the largest deviation of a number's frequencies at the beginning, above 0
            and at most 100; None takes 8 for regression and 2 for classes.
        ensemble: Members that are trained at once, 1 to 64, each with its own initial weights, dropout and loss; the
            output is the mean of theirs. Member k, from 0, begins as a network of the seed `seed` + 10,000 k.
        loss: A name, an alias such as "mse", or a Keras loss.
        optimizer: A name, a mapping such as `{"name": "adam", "learning_rate": 0.01}`, or a Keras optimizer.
        learning_rate: Of the optimizer, above 0; None takes the optimizer's own.
        metrics: Keras metrics; None compiles the task's usual ones.
        preset: slides, strong or deep.
        precision: float32, mixed_bfloat16 or mixed_float16; the output stays float32.
        seed: Makes initial weights and dropout repeatable; None draws them from Keras's global state.
        name: The network's name.
        known: What recipes know of the rows to train on; None for nothing.

    Returns:
        A compiled `keras.Model` that takes (rows, n_features) and gives (rows, n_outputs): values, or probabilities.
        Several members are one such model, too.

    Raises:
        UserError: An argument is unknown, out of range, or does not fit the task.

    Source: the tables of `configs/tables`, as taught in "How to build your first neural network".
    """
    n_features, n_outputs = whole("n_features", n_features), whole("n_outputs", n_outputs)
    _check_task(task, n_outputs, preset, output)
    given = {"hidden": hidden, "activation": activation, "initializer": initializer, "batch_norm": batch_norm}
    given |= {"dropout": dropout, "l2": l2, "output": output, "ensemble": ensemble}
    given |= {"network": network, "frequency": frequency}
    choice = _model_spec(task, preset, given)
    _check_precision(precision)
    seed = None if seed is None else whole("seed", seed, least=0)
    known = known or Known()
    updates = make_optimizer(_optimizer_with(learning_rate, optimizer, preset, task))
    if choice.members:
        _check_members(precision, activation)
        _check_by_member(updates)
    if choice.network == "realmlp":
        model: Network = _realmlp(choice, task, (n_features, n_outputs), known, seed=seed or 0, name=name)
    else:
        layers = _Layers(
            choice,
            policy=keras.DTypePolicy(precision),
            seeds=_seeds(seed, max(1, choice.members)),
            penalty=keras.regularizers.L2(choice.l2) if choice.l2 else None,
            own_activation=activation if is_keras_object(activation) else None,
            own_initializer=initializer if is_keras_object(initializer) else None,
        )
        model = layers.model(task, n_features, n_outputs, known, name)
    if precision == "mixed_float16" and not isinstance(updates, keras.optimizers.LossScaleOptimizer):
        updates = keras.optimizers.LossScaleOptimizer(updates)  # small gradients would be 0 in float16
    model.compile(
        optimizer=updates,
        loss=loss_for(task, n_outputs, loss),
        metrics=list(metrics) if metrics is not None else usual_metrics(task, loss),
        auto_scale_loss=False,  # which looks at the global policy, not at this network's own precision
    )
    model.optimizer.build(model.trainable_variables)
    return model


@dataclass(frozen=True)
class Known:
    """What is known of the rows that a network of members is to be trained on.

    Attributes:
        columns: What the encoded columns are; None takes all for numbers.
        steps: Of the whole training, over which RealMLP's dropout goes on; None leaves it as it is.
        bounds: The least and the greatest target, one for each output; no member's value goes beyond. None for any.
    """

    columns: Columns | None = None
    steps: int | None = None
    bounds: tuple[Sequence[float], Sequence[float]] = ((), ())


def _seeds(seed: int | None, members: int) -> Iterator[tuple[int | None, ...]]:
    """For each thing that is drawn, a seed for each member."""
    if seed is None:
        return itertools.repeat((None,) * members)
    return zip(*(range(first, first + SEEDS) for first in range(seed, seed + SEEDS * members, SEEDS)), strict=True)


def _check_by_member(optimizer: Any) -> None:
    """Refuses optimizers that would not train several members in one program as each alone."""
    kind = type(optimizer).__name__
    if kind in NOT_BY_MEMBER:
        raise UserError(
            f"{kind} looks at a whole weight at once, and the members of an ensemble share one",
            place="build_mlp: optimizer",
            remedy="Take adam, adamw, sgd or another that treats each number by itself.",
        )


def _check_members(precision: str, activation: Any) -> None:
    """Refuses what the layers of members cannot do."""
    own = (keras.layers.Activation, keras.layers.LeakyReLU, keras.layers.ReLU, keras.layers.ELU)
    if isinstance(activation, keras.layers.Layer) and not isinstance(activation, own):
        raise UserError(
            f"{type(activation).__name__} may look at more than one number at a time, or learn",
            place="build_mlp: activation",
            remedy="For members take a name, a function of each number, or LeakyReLU.",
        )
    if precision != "float32":
        raise UserError("members count in float32", place="build_mlp: precision", found=precision, allowed=["float32"])


def _realmlp(choice: spec.Model, task: str, sizes: tuple[int, int], known: Known, *, seed: int, name: str) -> Network:
    """A RealMLP network of the members asked for, not yet fitted to rows."""
    output = catalog.config(f"tables/{task}")["entries"]["output_activation"]
    return realmlp(
        choice.ensemble,
        *sizes,
        columns=known.columns,
        hidden=choice.units,
        activation=str(activation_of(None, choice.activation)),
        output=output.get(choice.output, output["default"]),
        dropout=choice.dropout,
        steps=known.steps,
        sigma=choice.frequency_of(task),
        bounds=known.bounds,
        seed=seed,
        name=name,
    )


def _optimizer_with(learning_rate: float | None, optimizer: Any, preset: str, task: str) -> Any:
    """The optimizer given, or the preset's, with the learning rate that has an argument of its own."""
    chosen = preset_optimizer(preset, task) if optimizer is None else optimizer
    if learning_rate is None:
        return chosen
    place, chosen = "build_mlp: learning_rate", {"name": chosen} if isinstance(chosen, str) else chosen
    if not isinstance(chosen, Mapping):
        raise UserError("the optimizer is a Keras object, which has its own learning rate", place=place)
    if optimizer is chosen and "learning_rate" in chosen:
        raise UserError("the optimizer has a learning rate, too: give one of both", place=place, found=learning_rate)
    return {**chosen, "learning_rate": learning_rate}


def _check_task(task: str, n_outputs: int, preset: str, output: str) -> None:
    """Refuses what a task does not have."""
    if task not in spec.TASKS:
        raise UserError("unknown task", place="build_mlp: task", found=task, allowed=spec.TASKS)
    if task == "binary" and n_outputs != 1:
        raise UserError(
            "binary has one output neuron",
            place="build_mlp: n_outputs",
            found=n_outputs,
            remedy="For several yes/no labels use multilabel, for one of several classes multiclass.",
        )
    if task == "multiclass" and n_outputs < 2:
        raise UserError(
            "multiclass has one output neuron per class, two or more; softmax over one is always 1",
            place="build_mlp: n_outputs",
            found=n_outputs,
            remedy="For a yes/no question use the task binary.",
        )
    if preset not in catalog.names("presets"):
        raise UserError("unknown preset", place="build_mlp: preset", found=preset, allowed=catalog.names("presets"))
    if task != "regression" and output != "auto":
        raise UserError(f"output is for regression; {task} has its own", place="build_mlp: output", found=output)


def _check_precision(precision: str) -> None:
    """Refuses an unknown precision, and warns of one that slows a processor down."""
    precisions = get_args(spec.Train.model_fields["precision"].annotation)
    if precision not in precisions:
        raise UserError("unknown precision", place="build_mlp: precision", found=precision, allowed=precisions)
    if precision != "float32" and not tf.config.list_physical_devices("GPU"):
        # Measured on 2 cores: 64-64, batch 32: bfloat16 1.2 and float16 2.3 times slower; 3 × 512, batch 256: bfloat16
        # 1.4 times faster, float16 1.6 times slower.
        log.warning(
            "%s without a GPU: a processor is usually slower in it than in float32; wide layers may gain by bfloat16.",
            precision,
        )


def _model_spec(task: str, preset: str, given: Mapping[str, Any]) -> spec.Model:
    """The `model:` part of a recipe from presets, table and arguments, checked as a recipe is."""
    table = catalog.config(f"tables/{task}")["entries"]
    values = dict(catalog.preset("slides", task)["model"])
    values |= {key[6:]: entry["default"] for key, entry in table.items() if key.startswith("model.")}
    values |= catalog.preset(preset, task).get("model", {})
    for key, value in given.items():
        if isinstance(value, Mapping):
            usual = values[key] if key == "hidden" and isinstance(values[key], Mapping) else {}
            values[key] = {**usual, **value}
        elif key == "hidden" and isinstance(value, Integral):
            values[key] = plain(value)
        elif key == "hidden" and isinstance(value, Sequence) and not isinstance(value, str):
            values[key] = [plain(units) for units in value]
        elif value is not None and not is_keras_object(value):
            values[key] = value
    step = values["activation"] in ("step", {"name": "step"})  # allowed here: weights can be set by hand
    if step:
        values["activation"] = "linear"
    try:
        checked = spec.Model.model_validate(values)
    except ValidationError as error:
        raise argument_error("build_mlp", error, None) from None
    if not step:
        return checked
    return checked.model_copy(update={"activation": spec.Activation.model_construct(name="step", slope=None)})


def activation_function(named: str | Mapping[str, Any]) -> Any:
    """The function on a layer's weighted sums that an activation of a recipe stands for.

    Raises:
        UserError: There is no such activation.
    """
    return keras.activations.get(activation_of(None, _model_spec("binary", "slides", {"activation": named}).activation))


@dataclass(frozen=True)
class _Layers:
    """What the layers of a network have in common.

    Attributes:
        choice: The `model:` part of a recipe.
        policy: The precision that the hidden layers count in.
        seeds: One for each initializer and each dropout, or None for any; of each member.
        penalty: On the weights, or None.
        own_activation: A Keras object in place of the activation's name, or None.
        own_initializer: The same for the initializer.
    """

    choice: spec.Model
    policy: Any
    seeds: Iterator[tuple[int | None, ...]]
    penalty: Any
    own_activation: Any
    own_initializer: Any

    def model(self, task: str, n_features: int, n_outputs: int, known: Known, name: str) -> Network:
        """The network: of one member alone a plain `keras.Model`."""
        inputs = keras.Input((n_features,), name="features")
        if not self.choice.members:
            plain: Network = keras.Model(inputs, self.output(self.hidden(inputs), task, n_outputs), name=name)
            return plain
        outputs = self.output(self.hidden(ToMembers(name="members")(inputs)), task, n_outputs)
        return Ensemble(inputs, MembersMean(*known.bounds, name="mean")(outputs), name=name)

    def kernels(self, for_activation: str) -> list[Any]:
        """The initializer of one layer's weights, for each member."""
        kind = self.own_initializer
        if kind is None:
            which = self.choice.initializer
            kind = keras.initializers.get(which if which != "auto" else fitting_initializer(for_activation))
        return [seeded_initializer(kind, seed) for seed in next(self.seeds)]

    def dense(self, units: int, activation: Any, kernels: list[Any], name: str, *, bias: bool, policy: Any) -> Any:
        """A dense layer, or one for each member."""
        if self.choice.members:
            settings = {"use_bias": bias, "l2": self.choice.l2, "initializers": kernels, "dtype": policy, "name": name}
            settings["last"] = name == "output"
            return MembersDense(self.choice.members, units, activation or "linear", **settings)
        return keras.layers.Dense(
            units,
            activation=activation,
            use_bias=bias,
            kernel_initializer=kernels[0],
            kernel_regularizer=self.penalty,
            dtype=policy,
            name=name,
        )

    def hidden(self, x: Tensor) -> Tensor:
        """The hidden layers after one another."""
        name = self.choice.activation.name if self.own_activation is None else name_of_activation(self.own_activation)
        normed_before = self.choice.batch_norm in (True, "before")

        def normed(x: Any, index: int) -> Any:
            title = f"hidden_{index}_batch_norm"
            if self.choice.members:
                return MembersBatchNormalization(self.choice.members, dtype=self.policy, name=title)(x)
            return keras.layers.BatchNormalization(dtype=self.policy, name=title)(x)

        for index, units in enumerate(self.choice.units, 1):
            own = activation_of(self.own_activation, self.choice.activation)
            inside = own if not normed_before and isinstance(own, str) else None
            if self.choice.members and inside not in ACTIVATIONS:
                inside = None
            about = {"bias": not normed_before, "policy": self.policy}
            x = self.dense(units, inside, self.kernels(name), f"hidden_{index}", **about)(x)
            if normed_before:
                x = normed(x, index)
            if inside is None:
                x = activation_layer(own, f"hidden_{index}_activation", self.policy)(x)
            if self.choice.batch_norm == "after":
                x = normed(x, index)
            if self.choice.dropout:
                # SELU keeps its outputs at mean 0 and variance 1; AlphaDropout leaves them so.
                kind = keras.layers.AlphaDropout if name == "selu" else keras.layers.Dropout
                seed, title = next(self.seeds)[0], f"hidden_{index}_dropout"
                x = kind(self.choice.dropout, seed=seed, dtype=self.policy, name=title)(x)
        return x

    def output(self, x: Tensor, task: str, n_outputs: int) -> Tensor:
        """The output layer, and where outputs have other bounds than its activation, their scale."""
        table = catalog.config(f"tables/{task}")["entries"]["output_activation"]
        bounds = known_names.parse_bounds(self.choice.output)
        around_zero = bounds is not None and bounds[0] == -bounds[1]
        kind = "bounded_around_zero" if around_zero else "bounded" if bounds else self.choice.output
        activation = table.get(kind, table["default"])
        x = self.dense(n_outputs, activation, self.kernels(activation), "output", bias=True, policy="float32")(x)
        if bounds and bounds not in ((0.0, 1.0), (-1.0, 1.0)):
            low, high = bounds
            scale, offset = (high, 0.0) if around_zero else (high - low, low)
            x = keras.layers.Rescaling(scale, offset, dtype="float32", name="bounds")(x)
        return x
