"""Types and ranges: what a recipe may hold, and that no default hides among the types."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError, PydanticUndefined

from mlp_toolkit.recipe import known_names, spec

MODEL = {
    "hidden": [64, 64],
    "activation": "relu",
    "initializer": "auto",
    "batch_norm": False,
    "dropout": 0.0,
    "l2": 0.0,
    "output": "auto",
    "warm_start": None,
    "pretrain": None,
    "network": "plain",
    "frequency": "auto",
    "ensemble": 1,
}


def model(**changes):
    return spec.Model.model_validate({**MODEL, **changes})


@pytest.mark.parametrize("part", [spec.Recipe, spec.Data, spec.Model, spec.Train, spec.Shares, spec.Layers])
def test_no_default_value_hides_among_the_types(part):
    assert all(field.default is PydanticUndefined for field in part.model_fields.values())


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("bounded(0, 1)", (0.0, 1.0)),
        ("bounded(-2.5,1e3)", (-2.5, 1000.0)),
        ("bounded( -1 , 1 )", (-1.0, 1.0)),
        ("linear", None),
        ("bounded(1)", None),
        ("bounded(1, 2, 3)", None),
        ("bounded(0, 1) or so", None),
    ],
)
def test_bounds_are_read_from_their_text(text, bounds):
    assert known_names.parse_bounds(text) == bounds


@pytest.mark.parametrize(
    "text",
    ["bounded(1, 0)", "bounded(1, 1)", "bounded(a, b)", "bounded(nan, 1)", "bounded(0, inf)", "bounded(0, 1e999)"],
)
def test_bounds_are_two_finite_numbers_the_lower_first(text):
    with pytest.raises(ValueError, match=r"two finite numbers|could not convert"):
        known_names.parse_bounds(text)
    with pytest.raises(ValidationError):
        model(output=text)


@pytest.mark.parametrize("output", ["auto", "linear", "positive", "bounded(-1, 1)"])
def test_outputs_of_the_contract_are_taken(output):
    assert model(output=output).output == output


@pytest.mark.parametrize(
    ("task", "written", "full"),
    [
        ("regression", "mse", "mean_squared_error"),
        ("regression", "mae", "mean_absolute_error"),
        ("regression", "huber", "huber"),
        ("regression", "Huber", "huber"),
        ("regression", "MeanSquaredError", "mean_squared_error"),
        ("binary", "binary_crossentropy", "binary_crossentropy"),
        ("binary", "BinaryCrossentropy", "binary_crossentropy"),
        ("multiclass", "categorical_crossentropy", "categorical_crossentropy"),
        ("multiclass", "SparseCategoricalCrossentropy", "sparse_categorical_crossentropy"),
    ],
)
def test_a_loss_goes_by_name_alias_or_class_name(task, written, full):
    assert known_names.full_loss_name(task, written) == full


@pytest.mark.parametrize(("task", "loss"), [("regression", "binary_crossentropy"), ("binary", "mse"), ("binary", "?")])
def test_a_loss_of_another_task_is_refused(task, loss):
    with pytest.raises(PydanticCustomError, match=f"not a loss for {task}"):
        known_names.full_loss_name(task, loss)


@pytest.mark.parametrize(
    "loss", ["categorical_crossentropy", "CategoricalCrossentropy", "sparse_categorical_crossentropy"]
)
def test_categorical_cross_entropy_with_one_output_neuron_is_refused_with_the_reason(loss):
    with pytest.raises(PydanticCustomError, match="nothing is learnt"):
        known_names.full_loss_name("binary", loss)


def test_equal_layers_are_short_for_a_list():
    assert model(hidden={"layers": 3, "neurons": 50}).units == [50, 50, 50]
    assert model(hidden=[100, 50]).units == [100, 50]


def test_no_hidden_layer_is_an_empty_list():
    assert model(hidden=[]).units == []
    assert model(hidden={"layers": 0, "neurons": 64}).units == []


def test_an_activation_is_a_name_or_a_mapping_with_its_slope():
    assert model(activation="tanh").activation.name == "tanh"
    assert model(activation={"name": "leaky_relu", "slope": 0.3}).activation.slope == 0.3


def test_a_slope_belongs_to_leaky_relu_alone():
    with pytest.raises(ValidationError, match="slope belongs to leaky_relu"):
        model(activation={"name": "relu", "slope": 0.3})


def test_the_step_function_is_refused_for_training():
    with pytest.raises(ValidationError, match="no gradient"):
        model(activation="step")


@pytest.mark.parametrize("name", ["he_normal", "HeNormal", "LecunNormal", "auto"])
def test_initializers_go_by_name_or_class_name(name):
    assert model(initializer=name).initializer in ("he_normal", "lecun_normal", "auto")


@pytest.mark.parametrize(
    "change",
    [
        {"hidden": [0]},
        {"hidden": [64.5]},
        {"hidden": ["64"]},
        {"hidden": [True]},
        {"hidden": True},
        {"hidden": {"layers": 3}},
        {"hidden": {"layers": -1, "neurons": 64}},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": "0.1"},
        {"dropout": float("nan")},
        {"l2": -1.0},
        {"l2": float("inf")},
        {"batch_norm": 1},
        {"activation": "rleu"},
        {"activation": {"name": "leaky_relu", "slope": 1.0}},
        {"activation": {"name": "leaky_relu", "slope": float("nan")}},
        {"initializer": "he"},
        {"output": "sigmoid"},
        {"ensemble": 0},
        {"frequency": 0.0},
        {"warm_start": {"from": "a.h5"}},
        {"neurons": 64},
    ],
    ids=str,
)
def test_a_value_outside_type_or_range_is_refused(change):
    with pytest.raises(ValidationError):
        model(**change)


@pytest.mark.parametrize("name", ["momentum", "adam", "AdamW", "Adafactor", "muon"])
def test_an_optimizer_goes_by_taught_name_or_keras_name(name):
    assert spec.Optimizer.model_validate({"name": name, "learning_rate": 0.1}).settings() == {"learning_rate": 0.1}


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0},
        {"learning_rate": -0.1},
        {"learning_rate": float("nan")},
        {"learning_rate": "0.1"},
        {"momentum": 1.0},
        {"beta_1": float("nan")},
        {"weight_decay": -1.0},
        {"weight_decay": float("nan")},
        {"epsilon": 0.0},
        {"clipnorm": float("inf")},
        {"nesterov": 1},
        {"rate": 0.1},
    ],
    ids=str,
)
def test_an_optimizer_setting_outside_its_range_is_refused(settings):
    with pytest.raises(ValidationError):
        spec.Optimizer.model_validate({"name": "adam", **settings})


def test_parts_of_a_recipe_do_not_change():
    with pytest.raises(ValidationError):
        model().dropout = 0.5


@pytest.mark.parametrize("name", ["..", ".", "a/b", "..\\x", "line\nbreak"])
def test_the_name_of_a_run_is_that_of_one_folder(name):
    with pytest.raises(PydanticCustomError, match="no name for a run directory"):
        known_names.folder_name(name)
    assert known_names.folder_name("..hidden") == "..hidden"


def test_embeddings_are_finer_for_numbers_than_for_classes_and_coarse_for_few_rows():
    left_open = model()
    assert left_open.frequency_of("regression") > left_open.frequency_of("multiclass") > 1
    assert left_open.frequency_of("binary", 24) == left_open.frequency_of("regression", 3) < 1
    assert model(network="realmlp", frequency=3).frequency_of("regression", 1) == 3
