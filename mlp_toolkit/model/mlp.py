"""`build_mlp`: a task and the tables → a compiled Keras network."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from mlp_toolkit import catalog, layers, spec, words
from mlp_toolkit.arguments import argument_error, plain, whole
from mlp_toolkit.errors import UserError
from mlp_toolkit.optimizers import make_optimizer, preset_optimizer
from mlp_toolkit.startup import keras, tf

log = logging.getLogger("mlp_toolkit")


def build_mlp(
    task: spec.Task,
    *,
    n_features: int,
    n_outputs: int = 1,
    hidden: Sequence[int] | Mapping[str, int] | None = None,
    activation: Any = None,
    initializer: Any = None,
    batch_norm: bool | str | None = None,
    dropout: float | None = None,
    l2: float | None = None,
    output: str = "auto",
    loss: Any = None,
    optimizer: Any = None,
    metrics: Sequence[Any] | None = None,
    preset: str = "slides",
    precision: str = "float32",
    seed: int | None = None,
    name: str = "mlp",
) -> Any:
    """Builds and compiles a multilayer perceptron by the tables of typical hyperparameters.

    What is None comes from the preset, and from the task's table in `configs/tables`.

    Args:
        task: regression, binary, multilabel or multiclass.
        n_features: Input neurons: numbers a row has, 1 or more.
        n_outputs: Output neurons: prediction dimensions, labels or classes; 1 for binary.
        hidden: Neurons of each hidden layer, or `{"layers": 2, "neurons": 64}`. `[100, 50]` is two hidden layers and
            the output layer; `[]` is the output layer alone, a linear model.
        activation: Hidden activation: a name, `{"name": "leaky_relu", "slope": 0.1}`, or a Keras layer or function.
        initializer: A name or a Keras initializer; None or "auto" takes the one that fits the activation.
        batch_norm: BatchNormalization of each hidden layer: before (or True) its activation, or after it.
        dropout: Share of hidden outputs dropped in training, 0 ≤ dropout < 1.
        l2: L2 penalty on the weights of all layers, 0 or more.
        output: Regression: auto (linear), linear, positive (softplus), or bounded(LOW, HIGH) (sigmoid; tanh
            where LOW = -HIGH). Classification has its table's activation.
        loss: A name, an alias such as "mse", or a Keras loss.
        optimizer: A name, a mapping such as `{"name": "adam", "learning_rate": 0.01}`, or a Keras optimizer.
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
    if task not in spec.TASKS:
        raise UserError("unknown task", place="build_mlp: task", found=task, allowed=spec.TASKS)
    n_features, n_outputs = whole("n_features", n_features), whole("n_outputs", n_outputs)
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

    given = {"hidden": hidden, "activation": activation, "initializer": initializer, "batch_norm": batch_norm}
    given |= {"dropout": dropout, "l2": l2, "output": output}
    choice = _model_spec(task, preset, given)
    precisions = get_args(spec.Train.model_fields["precision"].annotation)
    if precision not in precisions:
        raise UserError("unknown precision", place="build_mlp: precision", found=precision, allowed=precisions)
    if seed is not None:
        seed = whole("seed", seed, least=0)
    if precision != "float32" and not tf.config.list_physical_devices("GPU"):
        # Measured on 2 cores: 64-64, batch 32: bfloat16 1.2 and float16 2.3 times slower; 3 × 512, batch 256: bfloat16
        # 1.4 times faster, float16 1.6 times slower.
        log.warning(
            "%s without a GPU: a processor is usually slower in it than in float32; wide layers may gain by bfloat16.",
            precision,
        )
    policy = keras.DTypePolicy(precision)
    seeds = iter(range(seed, seed + 10_000)) if seed is not None else iter(lambda: None, 0)
    penalty = keras.regularizers.L2(choice.l2) if choice.l2 else None
    own_activation = activation if _is_keras_object(activation) else None
    own_initializer = initializer if _is_keras_object(initializer) else None

    def kernel(for_activation: str) -> Any:
        if own_initializer is not None:
            return _seeded(own_initializer, next(seeds))
        which = choice.initializer if choice.initializer != "auto" else _fitting_initializer(for_activation)
        return _seeded(keras.initializers.get(which), next(seeds))

    inputs = keras.Input((n_features,), name="features")
    x = _hidden_layers(inputs, choice, own_activation, kernel=kernel, penalty=penalty, policy=policy, seeds=seeds)
    outputs = _output_layers(x, task, n_outputs, choice.output, kernel=kernel, penalty=penalty)
    model = keras.Model(inputs, outputs, name=name)
    updates = make_optimizer(optimizer if optimizer is not None else preset_optimizer(preset))
    if precision == "mixed_float16" and not isinstance(updates, keras.optimizers.LossScaleOptimizer):
        updates = keras.optimizers.LossScaleOptimizer(updates)  # small gradients would be 0 in float16
    model.compile(
        optimizer=updates,
        loss=_loss(task, n_outputs, loss),
        metrics=list(metrics) if metrics is not None else usual_metrics(task, loss),
    )
    model.optimizer.build(model.trainable_variables)
    return model


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
        elif key == "hidden" and isinstance(value, Sequence) and not isinstance(value, str):
            values[key] = [plain(units) for units in value]
        elif value is not None and not _is_keras_object(value):
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


def _is_keras_object(value: Any) -> bool:
    return callable(value) or isinstance(value, keras.layers.Layer)


def _activation(own: Any, named: spec.Activation) -> Any:
    """A name that Dense takes, or an object for a layer of its own."""
    if own is not None:
        return own
    entry = catalog.config("activations")["activations"].get(named.name, {"keras": named.name})
    if named.name == "step":
        return layers.step
    if "slope" in entry:
        return keras.layers.LeakyReLU(negative_slope=entry["slope"] if named.slope is None else named.slope)
    return entry["keras"]


def activation_function(named: str | Mapping[str, Any]) -> Any:
    """The function on a layer's weighted sums that an activation of a recipe stands for.

    Raises:
        UserError: There is no such activation.
    """
    return keras.activations.get(_activation(None, _model_spec("binary", "slides", {"activation": named}).activation))


def _activation_layer(own: Any, name: str, policy: Any) -> Any:
    if isinstance(own, keras.layers.Layer):
        return own.__class__.from_config({**own.get_config(), "name": name, "dtype": policy})
    return keras.layers.Activation(own, name=name, dtype=policy)


def _fitting_initializer(activation: str) -> str:
    """By the table, which also knows Keras's names: silu is swish."""
    table = catalog.config("activations")
    for name, entry in table["activations"].items():
        if activation in (name, entry["keras"]):
            return str(entry["initializer"])
    return str(table["fallback_initializer"])


def _name_of(activation: Any) -> str:
    """The table's name of a Keras activation function or layer: that of LeakyReLU() is leaky_relu."""
    if not isinstance(activation, keras.layers.Layer):
        return str(getattr(activation, "__name__", ""))
    if isinstance(activation, keras.layers.Activation):
        return _name_of(activation.activation)
    names: dict[str, str] = {name.replace("_", ""): name for name in catalog.config("activations")["activations"]}
    return names.get(type(activation).__name__.lower(), "")


def _seeded(initializer: Any, seed: int | None) -> Any:
    """The initializer with a seed, unless it has its own."""
    config = initializer.get_config() if isinstance(initializer, keras.initializers.Initializer) else {}
    if config.get("seed", 0) is not None:
        return initializer
    return initializer.__class__.from_config({**config, "seed": seed})


def _hidden_layers(
    x: Any, choice: spec.Model, own_activation: Any, *, kernel: Any, penalty: Any, policy: Any, seeds: Iterator[Any]
) -> Any:
    name = choice.activation.name if own_activation is None else _name_of(own_activation)
    normed_before = choice.batch_norm in (True, "before")

    def normed(x: Any, index: int) -> Any:
        return keras.layers.BatchNormalization(dtype=policy, name=f"hidden_{index}_batch_norm")(x)

    for index, units in enumerate(choice.units, 1):
        own = _activation(own_activation, choice.activation)
        inside = own if not normed_before and isinstance(own, str) else None
        x = keras.layers.Dense(
            units,
            activation=inside,
            use_bias=not normed_before,
            kernel_initializer=kernel(name),
            kernel_regularizer=penalty,
            dtype=policy,
            name=f"hidden_{index}",
        )(x)
        if normed_before:
            x = normed(x, index)
        if inside is None:
            x = _activation_layer(own, f"hidden_{index}_activation", policy)(x)
        if choice.batch_norm == "after":
            x = normed(x, index)
        if choice.dropout:
            # SELU keeps its outputs at mean 0 and variance 1; AlphaDropout leaves them so.
            kind = keras.layers.AlphaDropout if name == "selu" else keras.layers.Dropout
            x = kind(choice.dropout, seed=next(seeds), dtype=policy, name=f"hidden_{index}_dropout")(x)
    return x


def _output_layers(x: Any, task: str, n_outputs: int, output: str, *, kernel: Any, penalty: Any) -> Any:
    table = catalog.config(f"tables/{task}")["entries"]["output_activation"]
    bounds = words.parse_bounds(output)
    around_zero = bounds is not None and bounds[0] == -bounds[1]
    kind = "bounded_around_zero" if around_zero else "bounded" if bounds else output
    activation = table.get(kind, table["default"])
    x = keras.layers.Dense(
        n_outputs,
        activation=activation,
        kernel_initializer=kernel(activation),
        kernel_regularizer=penalty,
        dtype="float32",
        name="output",
    )(x)
    if bounds and bounds not in ((0.0, 1.0), (-1.0, 1.0)):
        low, high = bounds
        scale, offset = (high, 0.0) if around_zero else (high - low, low)
        x = keras.layers.Rescaling(scale, offset, dtype="float32", name="bounds")(x)
    return x


def _loss(task: str, n_outputs: int, loss: Any) -> Any:
    """The loss by its full name: Keras cannot read the aliases back from a file."""
    if loss is None or loss == "auto":
        return catalog.config(f"tables/{task}")["entries"]["train.loss"]["default"]
    if not isinstance(loss, str):
        if not callable(loss):
            raise UserError("a name or a Keras loss", place="build_mlp: loss", found=loss)
        if n_outputs > 1 or loss_name(loss) not in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
            return loss
        loss = loss_name(loss)
    try:
        return words.loss_name(task, loss)
    except PydanticCustomError as error:
        context = error.context or {}
        raise UserError(
            context["problem"],
            place="build_mlp: loss",
            found=loss,
            allowed=context["allowed"],
            remedy=context["remedy"],
        ) from None


def loss_name(loss: Any) -> str:
    """The full name of a loss in lower case with underscores, from a name, an alias, a Keras function or object.

    "mse" and MeanSquaredError() are mean_squared_error. A loss that has no name gives "".
    """
    if isinstance(loss, keras.losses.Loss):
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(loss).__name__).lower()
    if isinstance(loss, str):
        try:
            found = keras.losses.get(loss)
        except ValueError:
            return loss
        return loss_name(found) if isinstance(found, keras.losses.Loss) else str(getattr(found, "__name__", loss))
    return str(getattr(loss, "__name__", ""))


def usual_metrics(task: str, loss: Any) -> list[Any]:
    """What is watched while training; the scores of a run come from scikit-learn at its end."""
    if task == "regression":
        return [keras.metrics.RootMeanSquaredError(name="rmse"), keras.metrics.MeanAbsoluteError(name="mae")]
    if task == "multiclass":
        sparse = loss in (None, "auto") or loss_name(loss) == "sparse_categorical_crossentropy"
        kind = keras.metrics.SparseCategoricalAccuracy if sparse else keras.metrics.CategoricalAccuracy
        return [kind(name="accuracy")]
    accuracy = keras.metrics.BinaryAccuracy(name="accuracy")
    multilabel = {"multi_label": True} if task == "multilabel" else {}
    return [accuracy, keras.metrics.AUC(name="auc", **multilabel)]
