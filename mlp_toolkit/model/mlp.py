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
from mlp_toolkit.model.activations import (
    activation_layer,
    activation_of,
    fitting_initializer,
    is_keras_object,
    name_of_activation,
    seeded_initializer,
)
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Network, Tensor
from mlp_toolkit.model.losses import loss_for, usual_metrics
from mlp_toolkit.model.optimizers import make_optimizer, preset_optimizer
from mlp_toolkit.recipe import catalog, known_names, spec
from mlp_toolkit.recipe.arguments import argument_error, plain, whole

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
    loss: Any = None,
    optimizer: Any = None,
    learning_rate: float | None = None,
    metrics: Sequence[Any] | None = None,
    preset: str = "slides",
    precision: str = "float32",
    seed: int | None = None,
    name: str = "mlp",
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
        loss: A name, an alias such as "mse", or a Keras loss.
        optimizer: A name, a mapping such as `{"name": "adam", "learning_rate": 0.01}`, or a Keras optimizer.
        learning_rate: Of the optimizer, above 0; None takes the optimizer's own.
        metrics: Keras metrics; None compiles the task's usual ones.
        preset: slides, strong or deep.
        precision: float32, mixed_bfloat16 or mixed_float16; the output stays float32.
        seed: Makes initial weights and dropout repeatable; None draws them from Keras's global state.
        name: The network's name.

    Returns:
        A compiled `keras.Model` that takes (rows, n_features) and gives (rows, n_outputs): values, or probabilities.

    Raises:
        UserError: An argument is unknown, out of range, or does not fit the task.

    Source: the tables of `configs/tables`, as taught in "How to build your first neural network".
    """
    n_features, n_outputs = whole("n_features", n_features), whole("n_outputs", n_outputs)
    _check_task(task, n_outputs, preset, output)
    given = {"hidden": hidden, "activation": activation, "initializer": initializer, "batch_norm": batch_norm}
    given |= {"dropout": dropout, "l2": l2, "output": output}
    choice = _model_spec(task, preset, given)
    _check_precision(precision)
    if seed is not None:
        seed = whole("seed", seed, least=0)
    layers = _Layers(
        choice,
        policy=keras.DTypePolicy(precision),
        seeds=iter(range(seed, seed + 10_000)) if seed is not None else itertools.repeat(None),
        penalty=keras.regularizers.L2(choice.l2) if choice.l2 else None,
        own_activation=activation if is_keras_object(activation) else None,
        own_initializer=initializer if is_keras_object(initializer) else None,
    )
    inputs = keras.Input((n_features,), name="features")
    outputs = layers.output(layers.hidden(inputs), task, n_outputs)
    model: Network = keras.Model(inputs, outputs, name=name)
    updates = make_optimizer(_optimizer_with(learning_rate, optimizer, preset))
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


def _optimizer_with(learning_rate: float | None, optimizer: Any, preset: str) -> Any:
    """The optimizer given, or the preset's, with the learning rate that has an argument of its own."""
    chosen = preset_optimizer(preset) if optimizer is None else optimizer
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
    values = dict(catalog.config("presets/slides")["values"]["model"])
    values |= {key[6:]: entry["default"] for key, entry in table.items() if key.startswith("model.")}
    values |= catalog.config(f"presets/{preset}")["values"].get("model", {})
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
        seeds: One for each initializer and each dropout, or None for any.
        penalty: On the weights, or None.
        own_activation: A Keras object in place of the activation's name, or None.
        own_initializer: The same for the initializer.
    """

    choice: spec.Model
    policy: Any
    seeds: Iterator[int | None]
    penalty: Any
    own_activation: Any
    own_initializer: Any

    def kernel(self, for_activation: str) -> Any:
        """The initializer of one layer's weights."""
        if self.own_initializer is not None:
            return seeded_initializer(self.own_initializer, next(self.seeds))
        which = self.choice.initializer
        which = which if which != "auto" else fitting_initializer(for_activation)
        return seeded_initializer(keras.initializers.get(which), next(self.seeds))

    def hidden(self, x: Tensor) -> Tensor:
        """The hidden layers after one another."""
        name = self.choice.activation.name if self.own_activation is None else name_of_activation(self.own_activation)
        normed_before = self.choice.batch_norm in (True, "before")

        def normed(x: Any, index: int) -> Any:
            return keras.layers.BatchNormalization(dtype=self.policy, name=f"hidden_{index}_batch_norm")(x)

        for index, units in enumerate(self.choice.units, 1):
            own = activation_of(self.own_activation, self.choice.activation)
            inside = own if not normed_before and isinstance(own, str) else None
            x = keras.layers.Dense(
                units,
                activation=inside,
                use_bias=not normed_before,
                kernel_initializer=self.kernel(name),
                kernel_regularizer=self.penalty,
                dtype=self.policy,
                name=f"hidden_{index}",
            )(x)
            if normed_before:
                x = normed(x, index)
            if inside is None:
                x = activation_layer(own, f"hidden_{index}_activation", self.policy)(x)
            if self.choice.batch_norm == "after":
                x = normed(x, index)
            if self.choice.dropout:
                # SELU keeps its outputs at mean 0 and variance 1; AlphaDropout leaves them so.
                kind = keras.layers.AlphaDropout if name == "selu" else keras.layers.Dropout
                seed, title = next(self.seeds), f"hidden_{index}_dropout"
                x = kind(self.choice.dropout, seed=seed, dtype=self.policy, name=title)(x)
        return x

    def output(self, x: Tensor, task: str, n_outputs: int) -> Tensor:
        """The output layer, and where outputs have other bounds than its activation, their scale."""
        table = catalog.config(f"tables/{task}")["entries"]["output_activation"]
        bounds = known_names.parse_bounds(self.choice.output)
        around_zero = bounds is not None and bounds[0] == -bounds[1]
        kind = "bounded_around_zero" if around_zero else "bounded" if bounds else self.choice.output
        activation = table.get(kind, table["default"])
        x = keras.layers.Dense(
            n_outputs,
            activation=activation,
            kernel_initializer=self.kernel(activation),
            kernel_regularizer=self.penalty,
            dtype="float32",
            name="output",
        )(x)
        if bounds and bounds not in ((0.0, 1.0), (-1.0, 1.0)):
            low, high = bounds
            scale, offset = (high, 0.0) if around_zero else (high - low, low)
            x = keras.layers.Rescaling(scale, offset, dtype="float32", name="bounds")(x)
        return x
