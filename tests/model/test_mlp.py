"""`build_mlp` builds what the tables say; what the user gives wins; what cannot work is refused."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.mlp import build_mlp
from mlp_toolkit.model.parts.losses import loss_name
from mlp_toolkit.model.parts.optimizers import make_optimizer

LAYERS, LOSSES = keras.layers, keras.losses


def build(task: Any = "regression", **options: Any) -> Any:
    return build_mlp(task, **{"n_features": 3, "n_outputs": {"multilabel": 4, "multiclass": 5}.get(task, 1)} | options)


def hidden(model: Any) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, LAYERS.Dense)][:-1]


def initializers(model: Any) -> list[str]:
    return [type(layer.kernel_initializer).__name__ for layer in model.layers if isinstance(layer, LAYERS.Dense)]


def refusal(**options: Any) -> str:
    with pytest.raises(UserError) as caught:
        build(**options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("task", "outputs", "activation", "output_initializer", "loss"),
    [
        ("regression", 2, "linear", "GlorotUniform", "mean_squared_error"),
        ("binary", 1, "sigmoid", "GlorotUniform", "binary_crossentropy"),
        ("multilabel", 4, "sigmoid", "GlorotUniform", "binary_crossentropy"),
        ("multiclass", 5, "softmax", "GlorotUniform", "sparse_categorical_crossentropy"),
    ],
)
def test_each_task_is_built_by_its_table(
    task: str, outputs: int, activation: str, output_initializer: str, loss: str
) -> None:
    model = build_mlp(task, n_features=7, n_outputs=outputs)
    assert [type(layer) for layer in model.layers] == [LAYERS.InputLayer, *[LAYERS.Dense] * 3]
    assert [layer.units for layer in model.layers[1:]] == [64, 64, outputs]
    assert [layer.activation.__name__ for layer in model.layers[1:]] == ["relu", "relu", activation]
    assert initializers(model) == ["HeNormal", "HeNormal", output_initializer]
    assert model.input_shape == (None, 7)
    assert model.output_shape == (None, outputs)
    assert model.compiled
    assert model.loss == loss
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001)


def test_the_number_of_parameters_is_that_of_the_formula() -> None:
    assert build(hidden=[10, 6]).count_params() == (3 * 10 + 10) + (10 * 6 + 6) + (6 * 1 + 1)


@pytest.mark.parametrize(
    ("given", "units"),
    [
        ([100, 50], [100, 50]),
        ((8,), [8]),
        (np.array([8, 4]).tolist(), [8, 4]),
        ([np.int64(8)], [8]),
        ({"layers": 3, "neurons": 5}, [5, 5, 5]),
        ({"layers": 1}, [64]),
        ({"neurons": 9}, [9, 9]),
        ([], []),
    ],
    ids=str,
)
def test_hidden_layers_are_a_list_or_a_mapping(given: Any, units: list[int]) -> None:
    assert [layer.units for layer in hidden(build(hidden=given))] == units


def test_without_hidden_layers_the_network_is_linear() -> None:
    model = build(hidden=[])
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    kernel, bias = (weight.numpy() for weight in model.weights)
    np.testing.assert_allclose(model(x), x @ kernel + bias, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "keras_name", "initializer"),
    [
        ("sigmoid", "sigmoid", "GlorotUniform"),
        ("tanh", "tanh", "GlorotUniform"),
        ("relu", "relu", "HeNormal"),
        ("elu", "elu", "HeNormal"),
        ("selu", "selu", "LecunNormal"),
        ("gelu", "gelu", "HeNormal"),
        ("swish", "silu", "HeNormal"),
        ("silu", "silu", "HeNormal"),
        ("mish", "mish", "HeNormal"),
        ("softplus", "softplus", "HeNormal"),
        ("hard_tanh", "hard_tanh", "GlorotUniform"),
    ],
)
def test_each_activation_brings_its_initializer(name: str, keras_name: str, initializer: str) -> None:
    model = build(activation=name)
    assert [layer.activation.__name__ for layer in hidden(model)] == [keras_name] * 2
    assert initializers(model)[:2] == [initializer] * 2


@pytest.mark.parametrize(("given", "slope"), [("leaky_relu", 0.1), ({"name": "leaky_relu", "slope": 0.3}, 0.3)])
def test_leaky_relu_has_the_slope_given_or_a_tenth(given: Any, slope: float) -> None:
    model = build(activation=given, hidden=[4])
    layer = model.get_layer("hidden_1_activation")
    np.testing.assert_allclose(layer(np.float32([[-2, 2]])), [[-2 * slope, 2]], rtol=1e-6)
    assert initializers(model)[0] == "HeNormal"


def test_the_step_function_gives_0_below_0_and_1_from_0_on() -> None:
    layer = build(activation="step", hidden=[4]).get_layer("hidden_1_activation")
    assert np.array(layer(np.float32([[-0.5, 0, 0.5]]))).tolist() == [[0, 1, 1]]


@pytest.mark.parametrize(
    ("activation", "initializer"),
    [
        (keras.activations.relu, "HeNormal"),
        (keras.activations.silu, "HeNormal"),
        (keras.activations.selu, "LecunNormal"),
        (keras.activations.tanh, "GlorotUniform"),
        (LAYERS.LeakyReLU(negative_slope=0.2), "HeNormal"),
        (LAYERS.PReLU(), "GlorotUniform"),
    ],
    ids=["relu", "silu", "selu", "tanh", "LeakyReLU", "PReLU"],
)
def test_keras_activations_are_taken_as_they_are(activation: Any, initializer: str) -> None:
    model = build(activation=activation, hidden=[4, 4])
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    first, second = model.get_layer("hidden_1_activation"), model.get_layer("hidden_2_activation")
    np.testing.assert_allclose(first(x), keras.ops.convert_to_numpy(activation(x)), rtol=1e-6)
    assert first is not second
    assert initializers(model)[0] == initializer


@pytest.mark.parametrize("given", ["he_uniform", "HeUniform"])
def test_an_initializer_goes_by_name(given: str) -> None:
    assert initializers(build(initializer=given)) == ["HeUniform"] * 3


def test_a_keras_initializer_is_taken_as_it_is() -> None:
    model = build(initializer=keras.initializers.Constant(0.5), hidden=[4])
    assert np.unique(model.get_weights()[0]).tolist() == [0.5]


def test_batch_normalization_comes_before_the_activation_and_replaces_the_bias() -> None:
    model = build(batch_norm=True, hidden=[4])
    kinds = [type(layer) for layer in model.layers]
    assert kinds == [LAYERS.InputLayer, LAYERS.Dense, LAYERS.BatchNormalization, LAYERS.Activation, LAYERS.Dense]
    assert not model.get_layer("hidden_1").use_bias
    assert model.get_layer("hidden_1").activation.__name__ == "linear"


def test_dropout_follows_each_hidden_layer() -> None:
    model = build(dropout=0.25)
    rates = [layer.rate for layer in model.layers if isinstance(layer, LAYERS.Dropout)]
    assert rates == [0.25, 0.25]


def test_selu_has_the_dropout_that_keeps_its_mean_and_variance() -> None:
    kinds = [type(layer) for layer in build(dropout=0.1, activation="selu", hidden=[4]).layers]
    assert LAYERS.AlphaDropout in kinds
    assert LAYERS.Dropout not in kinds


def test_l2_adds_the_weighted_sum_of_squares_of_all_kernels() -> None:
    model = build(l2=0.01, hidden=[4])
    expected = 0.01 * sum(float((layer.kernel.numpy() ** 2).sum()) for layer in model.layers[1:])
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("output", "activation", "low", "high"),
    [
        ("auto", "linear", -np.inf, np.inf),
        ("linear", "linear", -np.inf, np.inf),
        ("positive", "softplus", 0, np.inf),
        ("bounded(0, 1)", "sigmoid", 0, 1),
        ("bounded(2, 7)", "sigmoid", 2, 7),
        ("bounded(-1, 1)", "tanh", -1, 1),
        ("bounded(-3, 3)", "tanh", -3, 3),
    ],
)
def test_a_regressions_output_stays_within_its_bounds(output: str, activation: str, low: float, high: float) -> None:
    model = build(output=output)
    assert model.get_layer("output").activation.__name__ == activation
    x = np.random.default_rng(0).normal(size=(500, 3)).astype("float32") * 200
    layer, ends = model.get_layer("output"), []
    for sign in (-1, 1):  # the hidden layer gives large numbers, none negative: these weights drive to either end
        layer.set_weights([np.full(weights.shape, sign, "float32") for weights in layer.get_weights()])
        ends.append(np.array(model(x)))
    assert np.min(ends) >= low
    assert np.max(ends) <= high
    if high < np.inf:  # and reaches them
        np.testing.assert_allclose([ends[0].min(), ends[1].max()], [low, high], atol=0.05 * (high - low))


@pytest.mark.parametrize(
    ("task", "given", "name"),
    [
        ("regression", "mse", "mean_squared_error"),
        ("regression", "mae", "mean_absolute_error"),
        ("regression", "huber", "huber"),
        ("regression", "MeanSquaredError", "mean_squared_error"),
        ("binary", "bce", "binary_crossentropy"),
        ("multiclass", "categorical_crossentropy", "categorical_crossentropy"),
        ("multiclass", "auto", "sparse_categorical_crossentropy"),
    ],
)
def test_a_loss_goes_by_name_alias_or_class(task: str, given: str, name: str) -> None:
    assert build(task, loss=given).loss == name


def test_a_keras_loss_is_taken_as_it_is() -> None:
    loss = LOSSES.Huber(delta=2.0)
    assert build(loss=loss).loss is loss
    assert build(loss=LOSSES.mean_squared_error).loss is LOSSES.mean_squared_error


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        (None, "SparseCategoricalAccuracy"),
        (LOSSES.SparseCategoricalCrossentropy(name="mine"), "SparseCategoricalAccuracy"),
        ("categorical_crossentropy", "CategoricalAccuracy"),
        (LOSSES.CategoricalCrossentropy(label_smoothing=0.1), "CategoricalAccuracy"),
        (LOSSES.categorical_crossentropy, "CategoricalAccuracy"),
    ],
)
def test_accuracy_counts_labels_in_the_form_that_the_loss_takes(loss: Any, kind: str) -> None:
    model = build("multiclass", loss=loss)
    metrics = model.get_compile_config()["metrics"]
    assert [metric["class_name"] for metric in metrics] == [kind]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("mse", "mean_squared_error"),
        ("bce", "binary_crossentropy"),
        (LOSSES.BinaryCrossentropy(name="other"), "binary_crossentropy"),
        (LOSSES.sparse_categorical_crossentropy, "sparse_categorical_crossentropy"),
        ("no such loss", "no such loss"),
        (None, ""),
    ],
)
def test_every_loss_has_one_name(given: Any, name: str) -> None:
    assert loss_name(given) == name


@pytest.mark.parametrize(
    ("name", "kind", "settings"),
    [
        ("sgd", "SGD", {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False}),
        ("momentum", "SGD", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": False}),
        ("nesterov", "SGD", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True}),
        ("adagrad", "Adagrad", {"learning_rate": 0.01}),
        ("rmsprop", "RMSprop", {"learning_rate": 0.001}),
        ("adam", "Adam", {"learning_rate": 0.001}),
        ("nadam", "Nadam", {"learning_rate": 0.001}),
        ("adamw", "AdamW", {"learning_rate": 0.001, "weight_decay": 0.004}),
        ("lion", "Lion", {"learning_rate": 0.0001}),
        ("muon", "Muon", {"learning_rate": 0.001}),
        ("Adamax", "Adamax", {}),
    ],
)
def test_optimizers_go_by_the_taught_and_by_keras_names(name: str, kind: str, settings: dict[str, Any]) -> None:
    optimizer = build(optimizer=name).optimizer
    assert type(optimizer).__name__ == kind
    config = optimizer.get_config()
    assert {key: config[key] for key in settings} == pytest.approx(settings)


def test_an_optimizers_settings_win_over_the_usual_ones() -> None:
    config = build(optimizer={"name": "momentum", "learning_rate": 0.2, "momentum": 0.5}).optimizer.get_config()
    assert (config["learning_rate"], config["momentum"]) == pytest.approx((0.2, 0.5))


def test_a_keras_optimizer_is_taken_as_it_is() -> None:
    optimizer = keras.optimizers.Ftrl(0.3)
    assert build(optimizer=optimizer).optimizer is optimizer


def test_schedules_go_over_all_steps() -> None:
    def rates(schedule: str) -> list[float]:
        rate = make_optimizer("sgd", schedule, steps=10, epochs=10).get_config()["learning_rate"]
        built = keras.optimizers.schedules.deserialize(rate)
        return [float(built(step)) for step in (0, 30, 100)]

    assert rates("cosine") == pytest.approx([0.01, 0.01 * (1 + np.cos(0.3 * np.pi)) / 2, 0], abs=1e-7)
    assert rates("exponential") == pytest.approx([0.01, 0.01 * 0.01**0.3, 0.0001])
    assert rates("one_cycle") == pytest.approx([0.01 / 25, 0.01, 0], abs=1e-7)
    assert float(make_optimizer("sgd", "constant").learning_rate) == pytest.approx(0.01)


def test_half_precision_computes_small_and_keeps_weights_and_output_in_float32() -> None:
    model = build(precision="mixed_float16", hidden=[4])
    assert model.get_layer("hidden_1").compute_dtype == "float16"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert model.output.dtype == "float32"
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    model.fit(np.ones((4, 3), "float32"), np.ones((4, 1), "float32"), verbose=0)


def test_a_seed_repeats_weights_and_dropout() -> None:
    x, y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")

    def trained(seed: int, **options: Any) -> list[np.ndarray]:
        model = build(seed=seed, dropout=0.5, **options)
        model.train_on_batch(x, y)
        weights: list[np.ndarray] = model.get_weights()
        return weights

    for options in ({}, {"initializer": keras.initializers.HeNormal()}):
        first, again, other = trained(1, **options), trained(1, **options), trained(2, **options)
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert not np.array_equal(first[0], other[0])


def test_equal_hidden_layers_start_with_different_weights() -> None:
    model = build(n_features=8, hidden=[8, 8], seed=0)
    assert not np.array_equal(model.layers[1].kernel, model.layers[2].kernel)


def test_presets_give_what_the_user_does_not() -> None:
    deep = build(preset="deep")
    assert len(hidden(deep)) == 10
    assert isinstance(deep.optimizer, keras.optimizers.Nadam)
    assert [layer.units for layer in hidden(build(preset="deep", hidden=[5]))] == [5]
    assert isinstance(build(preset="strong").optimizer, keras.optimizers.AdamW)


def test_numpys_whole_numbers_count_as_whole_numbers() -> None:
    assert build("multiclass", n_features=np.int64(3), n_outputs=np.int32(5)).output_shape == (None, 5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "regresion"}, ["unknown task", "did you mean 'regression'"]),
        ({"task": "multiclass", "n_outputs": 1}, ["softmax over one is always 1", "binary"]),
        ({"task": "binary", "n_outputs": 2}, ["one output neuron", "multiclass"]),
        ({"task": "binary", "loss": "categorical_crossentropy"}, ["nothing is learnt", "binary_crossentropy"]),
        ({"task": "binary", "loss": LOSSES.CategoricalCrossentropy()}, ["nothing is learnt", "binary_crossentropy"]),
        ({"task": "binary", "loss": LOSSES.categorical_crossentropy}, ["nothing is learnt", "binary_crossentropy"]),
        ({"loss": "hubber"}, ["not a loss for regression", "did you mean 'huber'"]),
        ({"loss": 5}, ["Keras loss"]),
        ({"activation": "relo"}, ["unknown activation", "did you mean 'relu'"]),
        ({"activation": {"name": "leaky_relu", "slop": 0.1}}, ["slop", "name, slope", "did you mean 'slope'"]),
        ({"activation": {"name": "relu", "slope": 0.1}}, ["slope belongs to leaky_relu"]),
        ({"initializer": "he_norml"}, ["unknown initializer", "did you mean 'he_normal'"]),
        ({"optimizer": "adan"}, ["unknown optimizer", "did you mean 'adam'"]),
        ({"optimizer": {"name": "adam", "learning_rte": 0.1}}, ["learning_rte", "did you mean 'learning_rate'"]),
        ({"optimizer": {"name": "adam", "learning_rate": -1.0}}, ["learning_rate", "greater than 0"]),
        ({"optimizer": {"name": "adam", "momentum": 0.9}}, ["adam does not take"]),
        ({"optimizer": 3}, ["optimizer"]),
        ({"hidden": {"layers": 2, "units": 4}}, ["units", "layers, neurons"]),
        ({"hidden": [0]}, ["hidden", "greater than or equal to 1"]),
        ({"hidden": "64"}, ["hidden", "a list of neurons"]),
        ({"hidden": [8.5]}, ["hidden", "8.5"]),
        ({"dropout": 1.0}, ["dropout", "less than 1"]),
        ({"l2": -0.1}, ["l2"]),
        ({"output": "bounded(5, 1)"}, ["lower first"]),
        ({"output": "positiv"}, ["unknown output", "did you mean 'positive'"]),
        ({"task": "binary", "output": "positive"}, ["output is for regression"]),
        ({"preset": "slide"}, ["unknown preset", "did you mean 'slides'"]),
        ({"precision": "float16"}, ["unknown precision", "mixed_float16"]),
        ({"seed": -1}, ["seed", "0 or more"]),
        ({"n_features": 0}, ["n_features", "1 or more"]),
        ({"n_features": 2.5}, ["n_features", "1 or more"]),
        ({"n_outputs": True}, ["n_outputs", "1 or more"]),
    ],
    ids=lambda value: re.sub(r" at 0x\w+", "", str(value)),  # where an object lies is no name
)
def test_what_cannot_work_is_refused_in_plain_words(options: dict[str, Any], words: list[str]) -> None:
    message = refusal(**options)
    assert all(word in message for word in words), message


def test_every_argument_is_described() -> None:
    described = inspect.getdoc(build_mlp) or ""
    missing = [name for name in inspect.signature(build_mlp).parameters if f"{name}: " not in described]
    assert missing == []
