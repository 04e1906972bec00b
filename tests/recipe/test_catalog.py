"""The shipped values, compared with the tables as the contract gives them, with Keras and with scikit-learn."""

from __future__ import annotations

import inspect

import pytest

from mlp_toolkit.recipe import catalog, spec

TASKS = ("regression", "binary", "multilabel", "multiclass")
LOSSES = {
    "regression": "mean_squared_error",
    "binary": "binary_crossentropy",
    "multilabel": "binary_crossentropy",
    "multiclass": "sparse_categorical_crossentropy",
}
OUTPUTS = {"regression": "linear", "binary": "sigmoid", "multilabel": "sigmoid", "multiclass": "softmax"}
METRICS = {
    "regression": {"rmse", "mae", "r2"},
    "binary": {"accuracy", "auc", "pr_auc", "log_loss", "f1", "balanced_accuracy", "brier"},
    "multilabel": {"micro_f1", "macro_f1", "hamming_loss", "subset_accuracy", "macro_auc"},
    "multiclass": {"accuracy", "log_loss", "macro_f1", "balanced_accuracy", "macro_auc"},
}
# name: Keras's name, the fitting initializer
ACTIVATIONS = {
    "step": (None, "glorot_uniform"),
    "sigmoid": ("sigmoid", "glorot_uniform"),
    "tanh": ("tanh", "glorot_uniform"),
    "softmax": ("softmax", "glorot_uniform"),
    "relu": ("relu", "he_normal"),
    "leaky_relu": ("leaky_relu", "he_normal"),
    "elu": ("elu", "he_normal"),
    "selu": ("selu", "lecun_normal"),
    "gelu": ("gelu", "he_normal"),
    "swish": ("silu", "he_normal"),
    "mish": ("mish", "he_normal"),
    "softplus": ("softplus", "he_normal"),
}
OPTIMIZERS = {
    "sgd": "SGD",
    "momentum": "SGD",
    "nesterov": "SGD",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "nadam": "Nadam",
    "adamw": "AdamW",
    "lion": "Lion",
    "muon": "Muon",
}


def entries(task):
    return catalog.config(f"tables/{task}")["entries"]


def test_there_is_a_table_for_each_task_and_the_three_presets():
    assert set(catalog.names("tables")) == set(TASKS)
    assert set(catalog.names("presets")) == {"slides", "strong", "deep"}


@pytest.mark.parametrize("task", TASKS)
def test_a_table_holds_what_is_taught(task):
    table = entries(task)
    assert catalog.config(f"tables/{task}")["task"] == task
    assert table["model.hidden"]["default"] == {"layers": 2, "neurons": 64}
    assert table["model.activation"]["default"] == "relu"
    assert table["output_activation"]["default"] == OUTPUTS[task]
    assert table["train.loss"]["default"] == LOSSES[task]
    assert set(table["metrics"]["default"]) == METRICS[task]
    assert "one per input feature" in table["input_neurons"]["says"]


def test_the_output_neurons_are_counted_as_taught():
    assert "prediction dimension" in entries("regression")["output_neurons"]["says"]
    assert entries("binary")["output_neurons"]["default"] == 1
    assert "per label" in entries("multilabel")["output_neurons"]["says"]
    assert "per class" in entries("multiclass")["output_neurons"]["says"]


def test_the_regression_table_gives_ranges_and_the_other_choices():
    table = entries("regression")
    assert table["model.hidden"]["range"] == {"layers": [1, 5], "neurons": [10, 100]}
    assert table["output_activation"]["positive"] in ("relu", "softplus")
    assert table["output_activation"]["bounded"] == "sigmoid"
    assert table["output_activation"]["bounded_around_zero"] == "tanh"
    assert table["train.loss"]["range"] == ["mean_squared_error", "mean_absolute_error", "huber"]


def test_the_multiclass_table_has_the_loss_for_one_hot_labels():
    assert entries("multiclass")["train.loss"]["one_hot"] == "categorical_crossentropy"


def test_the_binary_table_explains_the_slip_in_its_source():
    note = entries("binary")["train.loss"]["note"]
    assert "categorical_crossentropy" in note
    assert "nothing is learnt" in note


@pytest.mark.parametrize("name", [*(f"tables/{t}" for t in TASKS), "presets/slides", "presets/strong", "presets/deep"])
def test_every_table_and_preset_names_its_source(name):
    assert catalog.config(name)["source"]


@pytest.mark.parametrize("task", TASKS)
def test_every_entry_of_a_table_says_what_it_means(task):
    assert all(entry["says"] for entry in entries(task).values())


def test_activations_bring_their_initializer():
    known = catalog.config("activations")["activations"]
    assert {name: (entry["keras"], entry["initializer"]) for name, entry in known.items()} == ACTIVATIONS
    assert known["leaky_relu"]["slope"] == 0.1
    assert all(entry["source"] for entry in known.values())


def test_optimizers_have_the_names_that_are_taught():
    known = catalog.config("optimizers")["optimizers"]
    assert {name: entry["keras"] for name, entry in known.items()} == {**OPTIMIZERS, "grouped_adamw": "GroupedAdamW"}
    assert known["momentum"]["settings"]["momentum"] == 0.9
    assert known["nesterov"]["settings"]["nesterov"] is True
    assert all(entry["settings"]["learning_rate"] > 0 for entry in known.values())


def test_the_default_preset_holds_the_defaults_of_the_contract():
    values = catalog.config("presets/slides")["values"]
    assert values["seed"] == 0
    assert values["tune"] is None
    assert values["data"]["features"] == "all"
    assert values["data"]["split"] == {"validation": 0.15, "test": 0.2, "group": None, "time": None}
    assert values["decision"] == {"threshold": 0.5, "metric": "f1", "cost": None}
    assert (values["intervals"], values["baselines"], values["report"]) == (None, "auto", "full")
    assert values["data"]["sample_weight"] is None
    assert values["data"]["test_path"] is None
    assert values["model"] == {
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
    assert values["train"] == {
        "optimizer": {"name": "adam"},
        "schedule": None,
        "epochs": 100,
        "batch_size": 32,
        "class_weight": None,
        "early_stopping": {"patience": 10},
        "seconds": None,
        "keep": "best",
        "label_smoothing": 0.0,
        "calibrate": False,
        "augmentation": None,
        "tensorboard": False,
        "mlflow": False,
        "device": "auto",
        "precision": "float32",
    }
    assert catalog.config("optimizers")["optimizers"]["adam"]["settings"] == {"learning_rate": 0.001}


def test_features_that_a_recipe_does_not_describe_are_read_by_these_rules():
    rules = catalog.config("features")
    assert {"", "NA", "NaN", "null"} <= set(rules["missing_values"])
    assert {word.lower(): number for word, number in rules["boolean_words"].items()} == {"true": 1, "false": 0}
    assert 0 < rules["text"]["share_of_rows"] < 1
    assert rules["date_formats"][0] == "%Y-%m-%d"
    assert len(set(rules["date_formats"])) == len(rules["date_formats"])


def test_a_part_that_is_only_named_changes_nothing_by_itself():
    options = catalog.config("options")["options"]
    assert spec.WarmStart.model_validate({**options["model.warm_start"], "from": "model.h5"}).layers is None
    assert spec.Pretrain.model_validate(options["model.pretrain"]).epochs >= 1
    still = spec.Augmentation.model_validate(options["train.augmentation"]).model_dump(exclude={"fill_mode"})
    assert not any(still.values())


def test_no_config_is_forgotten():
    """Whoever adds a file of values also adds a test of them."""
    files = {str(path.relative_to(catalog.root("configs"))) for path in catalog.root("configs").rglob("*.yaml")}
    top = {"activations", "datasets", "features", "keras_names", "optimizers", "options", "search"}
    folders = {f"tables/{task}" for task in TASKS} | {"presets/slides", "presets/strong", "presets/deep"}
    assert files == {f"{name}.yaml" for name in top | folders}


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


def test_the_optimizers_are_those_of_keras(keras):
    base = keras.optimizers.Optimizer
    # Wrappers of another optimizer and the class that every optimizer derives from are none by themselves.
    wrappers = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    classes = {
        name for name, item in vars(keras.optimizers).items() if inspect.isclass(item) and issubclass(item, base)
    }
    assert set(catalog.config("keras_names")["optimizers"]) == classes - wrappers
    named = {entry["keras"] for entry in catalog.config("optimizers")["optimizers"].values()}
    assert named <= {*classes, "GroupedAdamW"}


def test_every_usual_setting_is_taken_by_its_optimizer(keras):
    from mlp_toolkit.model.parts.optimizers import OWN

    for name, entry in catalog.config("optimizers")["optimizers"].items():
        optimizer = (OWN.get(entry["keras"]) or getattr(keras.optimizers, entry["keras"]))(**entry["settings"])
        config = optimizer.get_config()
        assert {key: pytest.approx(config[key]) for key in entry["settings"]} == entry["settings"], name


def test_the_activations_are_those_of_keras(keras):
    functions = {name for name, item in vars(keras.activations).items() if inspect.isfunction(item)}
    # A gated linear unit halves the neurons of its layer, so it is none of the activations that keep them.
    functions -= {"get", "serialize", "deserialize", "glu"}
    assert set(catalog.config("keras_names")["activations"]) == functions
    for name in catalog.config("keras_names")["activations"]:
        assert callable(keras.activations.get(name)), name
    for entry in catalog.config("activations")["activations"].values():
        assert entry["keras"] is None or callable(keras.activations.get(entry["keras"]))


def test_the_initializers_are_known_to_keras(keras):
    for name in catalog.config("keras_names")["initializers"]:
        assert isinstance(keras.initializers.get(name), keras.initializers.Initializer), name


def test_the_losses_are_known_to_keras(keras):
    names = catalog.config("keras_names")
    for losses in names["losses"].values():
        for name in losses:
            assert callable(keras.losses.get(name)), name
    for alias, full in names["loss_aliases"].items():
        assert any(full in losses for losses in names["losses"].values()), alias
    for task, loss in LOSSES.items():
        assert loss in names["losses"][task]


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine"])
def test_a_shipped_data_set_has_the_columns_of_its_own_data_frame(name):
    import sklearn.datasets

    entry = catalog.config("datasets")["datasets"][name]
    frame = getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame
    assert entry["columns"] == list(frame.columns)
    assert set([entry["target"]] if isinstance(entry["target"], str) else entry["target"]) <= set(frame.columns)


def test_these_are_all_the_data_sets():
    assert set(catalog.config("datasets")["datasets"]) == {
        "breast_cancer",
        "diabetes",
        "digits",
        "iris",
        "linnerud",
        "wine",
    }
