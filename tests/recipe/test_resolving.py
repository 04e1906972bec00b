"""Layers of YAML become one recipe; what is wrong is said with its place; and no input gets anything else out of it."""

from __future__ import annotations

import copy
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe import catalog, resolving, yaml_text

SMALL = "task: binary\ndata:\n  path: a.csv\n  target: y\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="r.yaml"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


@pytest.fixture
def load(write):
    def load(text, overrides=None):
        return resolving.load_recipe(write(text), overrides)

    return load


@pytest.fixture
def refused(load):
    """The message for a recipe that is refused, places without the folder."""

    def refused(text, overrides=None):
        with pytest.raises(UserError) as caught:
            load(text, overrides)
        return str(caught.value)

    return refused


def origin(resolved, dotted):
    return resolved.origins[tuple(dotted.split("."))].kind


# Layers and origins


def test_three_keys_are_enough(load):
    spec = load(SMALL).spec
    assert spec.task == "binary"
    assert spec.name == "r"
    assert spec.model.units == [64, 64]
    assert spec.model.activation.name == "relu"
    assert spec.train.loss == "binary_crossentropy"
    assert spec.train.optimizer.name == "adam"
    assert spec.train.optimizer.learning_rate == 0.001
    assert spec.train.epochs == 100
    assert spec.train.batch_size == 32
    assert spec.train.early_stopping.patience == 10
    assert spec.data.split.validation == 0.15
    assert spec.data.split.test == 0.2
    assert spec.data.features == "all"
    assert spec.metrics == "auto"
    assert spec.seed == 0


def test_the_whole_recipe_of_the_contract_is_taken(load):
    text = """
task: binary
name: heart
preset: slides
seed: 0
data:
  path: data/heart.csv
  target: disease
  features: all
  sample_weight: null
  split: {validation: 0.15, test: 0.2}
  test_path: null
model:
  hidden: [64, 64]
  activation: relu
  initializer: auto
  batch_norm: false
  dropout: 0.0
  l2: 0.0
  output: auto
  warm_start: null
  ensemble: 1
train:
  loss: auto
  optimizer: {name: adam, learning_rate: 0.001}
  schedule: null
  epochs: 100
  seconds: null
  batch_size: 32
  class_weight: null
  early_stopping: {patience: 10}
  augmentation: null
  device: auto
  precision: float32
metrics: auto
decision: {threshold: 0.5, metric: f1, cost: null}
intervals: null
baselines: auto
report: full
tune: null
extends: null
"""
    assert load(text).spec.name == "heart"


def test_every_value_knows_the_layer_it_came_from(load):
    text = SMALL + "preset: deep\ntrain: {batch_size: 8}\n"
    resolved = load(text, {"train.epochs": 5})
    assert origin(resolved, "model.dropout") == "preset"  # slides
    assert origin(resolved, "train.loss") == "table"
    assert origin(resolved, "train.optimizer.name") == "preset"  # deep
    assert origin(resolved, "train.optimizer.learning_rate") == "table"  # nadam's usual one
    assert origin(resolved, "train.batch_size") == "recipe"
    assert origin(resolved, "train.epochs") == "override"
    assert origin(resolved, "name") == "file name"
    assert resolved.spec.train.epochs == 5
    assert resolved.spec.train.batch_size == 8
    assert resolved.spec.model.batch_norm is True
    assert resolved.spec.model.units == [64] * 10


def test_an_origin_says_file_line_and_column(load):
    resolved = load(SMALL + "train: {epochs: 7}\n")
    assert resolved.origins[("train", "epochs")].place.endswith("r.yaml:5:9")
    assert str(resolved.origins[("data", "target")]).endswith("r.yaml:4:3)")


def leaves(values, path=()):
    if isinstance(values, dict) and values:
        return {leaf for key, value in values.items() for leaf in leaves(value, (*path, key))}
    return {path}


@pytest.mark.parametrize(
    "more",
    [
        "",
        "preset: strong\n",
        "preset: deep\nmodel: {hidden: [8]}\n",
        "train: {early_stopping: null, optimizer: sgd}\n",
        "train: {early_stopping: {}}\n",
        "model: {}\ntrain:\n",
        "model: {activation: {name: leaky_relu, slope: 0.2}}\n",
    ],
)
def test_there_is_one_origin_for_every_value_and_none_besides(load, more):
    resolved = load(SMALL + more)
    assert set(resolved.origins) == leaves(resolved.values)


def test_a_mapping_that_belongs_together_has_one_origin(load):
    resolved = load(SMALL.replace("target: y", "target: y\n  features: {a: numeric, b: ignore}"))
    assert origin(resolved, "data.features") == "recipe"


@pytest.mark.parametrize(
    ("task", "target", "loss"),
    [
        ("regression", "y", "mean_squared_error"),
        ("multilabel", "[a, b]", "binary_crossentropy"),
        ("multiclass", "y", "sparse_categorical_crossentropy"),
    ],
)
def test_auto_asks_the_table_of_the_task(load, task, target, loss):
    resolved = load(f"task: {task}\ndata: {{path: a.csv, target: {target}}}\ntrain: {{loss: auto}}\n")
    assert resolved.spec.train.loss == loss
    assert origin(resolved, "train.loss") == "table"


def test_an_empty_section_says_nothing(load):
    assert load(SMALL + "model:\ntrain: {}\n").spec == load(SMALL).spec


def test_null_turns_early_stopping_off(load):
    assert load(SMALL + "train: {early_stopping: null}\n").spec.train.early_stopping is None


def test_one_share_of_the_split_leaves_the_other(load):
    split = load(SMALL + "  split: {test: 0.3}\n").spec.data.split
    assert (split.validation, split.test) == (0.15, 0.3)


def test_a_column_replaces_the_shares_of_the_split(load):
    assert load(SMALL + "  split: part\n").spec.data.split == "part"


def test_columns_named_replace_columns_named(write):
    write(SMALL + "  features: {a: numeric}\n", "parent.yaml")
    child = write("extends: parent.yaml\ndata: {features: {b: numeric}}\n")
    assert resolving.load_recipe(child).spec.data.features == {"b": "numeric"}


def test_the_number_of_layers_alone_keeps_the_neurons(load):
    assert load(SMALL + "model: {hidden: {layers: 3}}\n").spec.model.units == [64, 64, 64]


def test_loading_twice_gives_equal_and_separate_values(load):
    first = load(SMALL)
    before = copy.deepcopy(first.values)
    first.values["model"]["hidden"]["layers"] = 9
    first.values["train"]["optimizer"]["name"] = "sgd"
    assert load(SMALL).values == before


# Optimizer and activation


def test_an_optimizer_by_name_brings_its_usual_settings(load):
    settings_ = load(SMALL + "train: {optimizer: momentum}\n").spec.train.optimizer.settings()
    assert settings_ == {"learning_rate": 0.01, "momentum": 0.9}


def test_settings_given_win_over_the_usual_ones(load):
    resolved = load(SMALL + "train: {optimizer: {name: momentum, momentum: 0.5}}\n")
    assert resolved.spec.train.optimizer.settings() == {"learning_rate": 0.01, "momentum": 0.5}
    assert origin(resolved, "train.optimizer.momentum") == "recipe"
    assert origin(resolved, "train.optimizer.learning_rate") == "table"


def test_settings_alone_keep_the_optimizer_and_the_origin_of_its_name(load):
    resolved = load(SMALL + "preset: strong\ntrain: {optimizer: {learning_rate: 0.05}}\n")
    assert resolved.spec.train.optimizer.name == "grouped_adamw"
    assert resolved.spec.train.optimizer.learning_rate == 0.05
    assert origin(resolved, "train.optimizer.name") == "preset"
    assert origin(resolved, "train.optimizer.learning_rate") == "recipe"


def test_another_optimizer_does_not_inherit_settings(load):
    optimizer = load(SMALL + "preset: strong\ntrain: {optimizer: sgd}\n").spec.train.optimizer
    assert optimizer.settings() == {"learning_rate": 0.01}


@pytest.mark.parametrize("written", ["nadam", "{name: nadam}", "{name: nadam, beta_1: 0.8}"])
def test_an_override_of_one_setting_keeps_an_optimizer_however_it_is_written(load, written):
    optimizer = load(SMALL + f"train: {{optimizer: {written}}}\n", {"train.optimizer.learning_rate": 0.1}).spec.train
    assert optimizer.optimizer.name == "nadam"
    assert optimizer.optimizer.learning_rate == 0.1


@pytest.mark.parametrize("order", [1, -1])
def test_overrides_of_name_and_setting_go_together_in_any_order(load, order):
    given_ = [("train.optimizer.name", "sgd"), ("train.optimizer.learning_rate", 0.5)]
    optimizer = load(SMALL, dict(given_[::order])).spec.train.optimizer
    assert (optimizer.name, optimizer.learning_rate) == ("sgd", 0.5)


def test_an_optimizer_of_keras_goes_by_its_keras_name(load):
    assert load(SMALL + "train: {optimizer: Adafactor}\n").spec.train.optimizer.learning_rate == 0.001


def test_an_unknown_optimizer_gets_the_nearest_name(refused):
    message = refused(SMALL + "train: {optimizer: adm}\n")
    assert "r.yaml:5:9: train.optimizer.name: unknown optimizer" in message
    assert "did you mean 'adam'" in message


def test_an_unknown_setting_of_an_optimizer_gets_the_nearest_name(refused):
    message = refused(SMALL + "train:\n  optimizer: {name: adam, learningrate: 0.1}\n")
    assert "r.yaml:6:27: unknown key 'train.optimizer.learningrate'" in message
    assert "did you mean 'learning_rate'" in message


def test_an_activation_may_have_a_slope(load):
    activation = load(SMALL + "model: {activation: {name: leaky_relu, slope: 0.3}}\n").spec.model.activation
    assert (activation.name, activation.slope) == ("leaky_relu", 0.3)


def test_an_override_of_the_slope_keeps_the_activation(load):
    activation = load(
        SMALL + "model: {activation: leaky_relu}\n", {"model.activation.slope": 0.3}
    ).spec.model.activation
    assert (activation.name, activation.slope) == ("leaky_relu", 0.3)


def test_another_activation_drops_the_slope(load):
    text = SMALL + "model: {activation: {name: leaky_relu, slope: 0.3}}\n"
    assert load(text, {"model.activation": "elu"}).values["model"]["activation"] == "elu"


def test_a_slope_for_another_activation_is_refused(refused):
    message = refused(SMALL + "model: {activation: {name: elu, slope: 0.3}}\n")
    assert "r.yaml:5:9: model.activation: slope belongs to leaky_relu alone" in message


def test_an_output_may_be_bounded(load):
    text = SMALL.replace("binary", "regression") + "model: {output: 'bounded(0, 5)'}\n"
    assert load(text).spec.model.output == "bounded(0, 5)"


@pytest.mark.parametrize("output", ["bounded(5, 0)", "bounded(a, b)", "bounded(0)", "bound(0, 1)"])
def test_bounds_that_are_none_are_refused_with_their_place(refused, output):
    message = refused(SMALL.replace("binary", "regression") + f"model:\n  output: '{output}'\n")
    assert "r.yaml:6:3: model.output: " in message
    assert output in message


# Extends and presets


def test_a_recipe_builds_on_others_and_wins(write):
    write(SMALL + "seed: 1\ntrain: {epochs: 1, batch_size: 1, device: cpu}\n", "far/grand.yaml")
    write("extends: far/grand.yaml\ntrain: {epochs: 2, batch_size: 2}\n", "parent.yaml")
    child = write("extends: parent.yaml\ntrain: {epochs: 3}\n", "child.yaml")
    resolved = resolving.load_recipe(child, {"train.device": "gpu"})
    assert resolved.spec.seed == 1
    assert (resolved.spec.train.batch_size, resolved.spec.train.epochs, resolved.spec.train.device) == (2, 3, "gpu")
    assert "grand.yaml:" in resolved.origins[("seed",)].place
    assert "parent.yaml:" in resolved.origins[("train", "batch_size")].place
    assert "child.yaml:" in resolved.origins[("train", "epochs")].place


def test_a_file_is_relative_to_the_recipe_that_names_it(write, tmp_path):
    write(SMALL, "far/parent.yaml")
    child = write("extends: far/parent.yaml\ndata: {test_path: t.csv, split: {validation: v.csv, test: 0.2}}\n")
    data = resolving.load_recipe(child).spec.data
    assert data.path == str(tmp_path / "far" / "a.csv")
    assert data.test_path == str(tmp_path / "t.csv")
    assert data.split.validation == str(tmp_path / "v.csv")


def test_an_extended_recipe_also_wins_over_the_preset(write):
    write(SMALL + "model: {activation: tanh}\n", "parent.yaml")
    assert resolving.load_recipe(write("extends: parent.yaml\npreset: deep\n")).spec.model.activation.name == "tanh"


@pytest.mark.parametrize("others", [{"r.yaml": "r.yaml"}, {"r.yaml": "b.yaml", "b.yaml": "./sub/../r.yaml"}])
def test_recipes_in_a_circle_are_refused(write, others):
    for name, parent in others.items():
        write(f"extends: {parent}\n", name)
    with pytest.raises(UserError, match="in a circle"):
        resolving.load_recipe(write(f"extends: {others['r.yaml']}\n", "r.yaml"))


@pytest.mark.parametrize("parent", ["none.yaml", "a" * 300 + ".yaml", r'"\0"', r'"\ud800"', ".", "loop.yaml"])
def test_a_recipe_to_extend_that_is_not_there_is_named_with_its_place(refused, tmp_path, parent):
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert "r.yaml:5:1: the recipe to extend is not there" in refused(SMALL + f"extends: {parent}\n")


@pytest.mark.parametrize("parent", ["5", "[a.yaml]", "{a: b}", "''", "true"])
def test_extends_is_the_name_of_a_file(refused, parent):
    assert "r.yaml:5:1: extends names another recipe file" in refused(SMALL + f"extends: {parent}\n")


def test_a_mistake_is_placed_in_the_recipe_that_made_it(write):
    write(SMALL + "train: {epochs: 0}\n", "parent.yaml")
    with pytest.raises(UserError, match=r"parent\.yaml:5:9: train\.epochs"):
        resolving.load_recipe(write("extends: parent.yaml\ntrain: {batch_size: 8}\n"))


@pytest.mark.parametrize("form", ["values:\n  train: {epochs: 3}\n", "train: {epochs: 3}\n"])
def test_a_preset_may_be_a_file_beside_the_recipe(write, form):
    write(form, "mine.yaml")
    resolved = resolving.load_recipe(write(SMALL + "preset: mine.yaml\n"))
    assert resolved.spec.train.epochs == 3
    assert origin(resolved, "train.epochs") == "preset"


def test_a_mistake_in_a_preset_file_is_placed_there(write):
    write("source: me\nvalues:\n  train: {epochs: zero}\n", "mine.yaml")
    with pytest.raises(UserError, match=r"mine\.yaml:3:11: train\.epochs"):
        resolving.load_recipe(write(SMALL + "preset: mine.yaml\n"))


@pytest.mark.parametrize("key", ["task: binary", "name: n", "preset: deep", "extends: other.yaml"])
def test_a_preset_does_not_say_what_belongs_to_one_recipe(write, key):
    write(f"{key}\n", "mine.yaml")
    with pytest.raises(UserError, match=r"mine\.yaml:1:1: a preset is for many recipes"):
        resolving.load_recipe(write(SMALL + "preset: mine.yaml\n"))


@pytest.mark.parametrize("preset", ["none.yaml", "a" * 300 + ".yaml", r'"\0.yaml"'])
def test_a_preset_file_that_is_not_there_is_named_with_its_place(refused, preset):
    assert "r.yaml:5:1: the preset file is not there" in refused(SMALL + f"preset: {preset}\n")


def test_an_unknown_preset_gets_the_nearest_name(refused):
    message = refused(SMALL + "preset: strng\n")
    assert "r.yaml:5:1: preset: unknown preset" in message
    assert "did you mean 'strong'" in message


# Overrides


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train.epochs=5", ("train.epochs", 5)),
        ("model.hidden=[32,32]", ("model.hidden", [32, 32])),
        (
            "train.optimizer={name: sgd, learning_rate: 1e-2}",
            ("train.optimizer", {"name": "sgd", "learning_rate": 0.01}),
        ),
        ("train.early_stopping=null", ("train.early_stopping", None)),
        ("model.batch_norm=true", ("model.batch_norm", True)),
        ("data.path=a=b.csv", ("data.path", "a=b.csv")),
        (" name = x ", ("name", "x")),
        ("name=", ("name", None)),
    ],
)
def test_an_override_is_key_and_yaml_value(text, expected):
    assert resolving.parse_override(text) == expected


@pytest.mark.parametrize("text", ["", "train.epochs", "=5", " =5"])
def test_an_override_needs_key_and_value(text):
    with pytest.raises(UserError, match="an override is KEY=VALUE"):
        resolving.parse_override(text)


def test_an_override_that_is_no_yaml_names_its_key():
    with pytest.raises(UserError, match=r"-o model\.hidden:1:.*not valid YAML"):
        resolving.parse_override("model.hidden=[32,")


def test_a_wrong_override_names_itself_as_the_place(refused):
    message = refused(SMALL, {"train.epoch": 5})
    assert message.startswith("-o train.epoch: unknown key")
    assert "did you mean 'epochs'" in message
    assert refused(SMALL, {"train.epochs": 0}).startswith("-o train.epochs: train.epochs has a wrong value")


@pytest.mark.parametrize("key", ["train.epochs.more", "task.more", "", ".", "train..epochs", "data", "model", "train"])
def test_an_override_of_what_is_no_value_is_refused(refused, key):
    assert refused(SMALL, {key: 5})


def test_extends_cannot_be_overridden(refused):
    assert "not in an override" in refused(SMALL, {"extends": "other.yaml"})


def test_an_override_of_one_column_keeps_the_others(load):
    text = SMALL + "  features: {a: numeric, b: numeric}\n"
    assert load(text, {"data.features.b": "ignore"}).spec.data.features == {"a": "numeric", "b": "ignore"}
    assert load(text, {"data.features": {"c": "numeric"}}).spec.data.features == {"c": "numeric"}


def test_overrides_in_python_may_be_paths_and_tuples(load, tmp_path):
    spec = load(SMALL, {"data.path": tmp_path / "b.csv", "model.hidden": (8, 4)}).spec
    assert spec.data.path == str(tmp_path / "b.csv")
    assert spec.model.units == [8, 4]


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, 16**5000, b"x", float("nan"), print], ids=lambda v: type(v).__name__
)
def test_overrides_in_python_that_no_recipe_could_hold_are_refused(refused, value):
    assert refused(SMALL, {"train.epochs": value}).startswith("-o train.epochs: ")


def test_an_override_that_contains_itself_is_refused(refused):
    endless: list[object] = []
    endless.append(endless)
    assert "levels" in refused(SMALL, {"model.hidden": endless})


# Mistakes and their places


def test_an_unknown_key_is_placed_with_the_nearest_name(refused):
    message = refused(SMALL + "train:\n  epochs: 3\n  batchsize: 32\n")
    assert "r.yaml:7:3: unknown key 'train.batchsize'" in message
    assert "did you mean 'batch_size'" in message
    assert "allowed: loss, optimizer, schedule, epochs, seconds, batch_size" in message


def test_an_unknown_key_at_the_top_is_placed_too(refused):
    message = refused(SMALL + "modell: {}\n")
    assert "r.yaml:5:1: unknown key 'modell'" in message
    assert "did you mean 'model'" in message


@pytest.mark.parametrize(
    ("line", "found", "allowed"),
    [
        ("train: {epochs: '5'}", "5 (text)", "a whole number"),
        ("train: {epochs: true}", "true", "a whole number"),
        ("train: {epochs: null}", "null", "a whole number"),
        ("train: {epochs: 0}", "0 (a whole number)", "greater than or equal to 1"),
        ("train: {epochs: 2.5}", "2.5 (a number)", "a whole number"),
        ("train: {optimizer: {learning_rate: -1}}", "-1", "greater than 0"),
        ("model: {dropout: 1.0}", "1.0 (a number)", "less than 1"),
        ("model: {dropout: [0.1]}", "[0.1] (a list)", "a number"),
        ("model: {batch_norm: 1}", "1 (a whole number)", "boolean"),
        ("model: {hidden: many}", "many", "a list of neurons"),
        ("model: {hidden: [64, -1]}", "-1", "greater than or equal to 1"),
        ("seed: -1", "-1", "greater than or equal to 0"),
        ("train: {schedule: cosin}", "cosin", "cosine"),
        ("train: {precision: float16}", "float16", "mixed_float16"),
        ("train: {device: tpu}", "tpu", "gpu:N"),
        ("train: 5", "5 (a whole number)", "a mapping"),
        ("train: {early_stopping: 5}", "5 (a whole number)", "a mapping"),
        ("train: {class_weight: {a: -1}}", "-1", "greater than or equal to 0"),
        ("metrics: [rmse]", "rmse", "accuracy, auc"),
        ("model: {output: linear}", "linear", "auto"),
        ("model: {ensemble: 65}", "65", "64"),
        ("tune: {epochs: [1, 2]}", "epochs", "trials, seconds, metric"),
        ("tune: {sampler: tpf}", "tpf", "random"),
        ("tune: {metric: rmse}", "rmse", "auc"),
        ("tune: {space: {model.dropout: {min: 0, max: 0.5, lag: 1}}}", "lag", "min, max, log"),
        ("tune: {space: {model.dropout: {min: 0.5, max: 0.1}}}", "not below", "below 0.1"),
        ("tune: {space: {data.path: {values: [a]}}}", "data.path", "model and train"),
        ("decision: {threshold: 1.5}", "1.5", "less than 1"),
        ("decision: {metric: cost}", "cost", "false_positive"),
        ("decision: {cots: 1}", "cots", "threshold, metric, cost"),
        ("train: {seconds: 0}", "0", "greater than 0"),
        ("intervals: 1.5", "1.5", "less than 1"),
        ("baselines: some", "some", "none"),
    ],
)
def test_a_wrong_value_says_place_found_and_allowed(refused, line, found, allowed):
    message = refused(f"{SMALL}{line}\n")
    place, _, _ = message.partition(": ")
    assert Path(place).name.startswith("r.yaml:5:")
    assert found in message
    assert allowed in message.split("allowed:")[1]


def test_a_value_in_a_list_is_placed_by_itself(refused):
    assert "r.yaml:8:7: model.hidden.1 has a wrong value" in refused(
        SMALL + "model:\n  hidden:\n    - 64\n    - none\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: {path: a.csv, target: y}\n", "task is required"),
        ("task: binary\ndata: {path: a.csv}\n", "data.target is required"),
        ("task: binary\ndata: {target: y}\n", "exactly one of path and dataset"),
        ("task: binary\n", "data.target is required"),
        ("", "task is required"),
        ("# nothing\n", "task is required"),
        ("task: null\n", "found:   null"),
    ],
)
def test_what_is_missing_is_named(refused, text, said):
    message = refused(text)
    assert said in message
    assert "r.yaml:" in message


def test_a_file_and_a_data_set_at_once_are_refused(refused):
    assert "r.yaml:2:1: data: exactly one of path and dataset" in refused(SMALL + "  dataset: iris\n")


def test_an_unknown_data_set_gets_the_nearest_name(refused):
    message = refused("task: multiclass\ndata: {target: y, dataset: irs}\n")
    assert "r.yaml:2:19: data.dataset: unknown dataset" in message
    assert "did you mean 'iris'" in message


@pytest.mark.parametrize("section", ["data: 5", "data: [a, b]", "data: text", "data: true"])
def test_a_section_that_is_no_mapping_is_refused(refused, section):
    assert "r.yaml:2:1: data has a wrong value" in refused(f"task: binary\n{section}\n")


def test_several_mistakes_are_said_at_once(refused):
    message = refused(SMALL + "train: {epochs: 0, batch_size: 0}\nseed: x\n")
    assert all(key in message for key in ("train.epochs", "train.batch_size", "seed"))


def test_categorical_cross_entropy_for_binary_is_refused_with_the_reason(refused):
    message = refused(SMALL + "train:\n  loss: categorical_crossentropy\n")
    assert "r.yaml:6:3: train.loss: " in message
    assert "nothing is learnt" in message
    assert "Use binary_crossentropy" in message


def test_a_loss_of_another_task_is_refused_with_those_that_fit(refused):
    message = refused(SMALL + "train: {loss: mse}\n")
    assert "not a loss for binary" in message
    assert "binary_crossentropy" in message


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("task: multilabel\ndata: {path: a.csv, target: y}\n", "r.yaml:2:21: data.target"),
        ("task: binary\ndata: {path: a.csv, target: [a, b]}\n", "r.yaml:2:21: data.target"),
        ("task: binary\ndata: {path: a.csv, target: [a, a]}\n", "r.yaml:2:21: data.target"),
        ("task: regression\ndata: {path: a.csv, target: y}\ntrain: {class_weight: balanced}\n", "r.yaml:3:9: train."),
    ],
)
def test_what_does_not_fit_the_task_is_placed(refused, text, place):
    assert place in refused(text)


def test_shares_that_leave_no_rows_are_refused(refused):
    assert "r.yaml:5:3: data.split: " in refused(SMALL + "  split: {validation: 0.5, test: 0.5}\n")


# Files and YAML


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("task: binary\ndata: [\n", "r.yaml:3:1"),
        ("task: binary\n\tdata: 1\n", "r.yaml:2:1"),
        ("task: binary\ntask: binary\n", "r.yaml:2:1"),
        ("task: *nowhere\n", "r.yaml:1:7"),
        (b"task: bin\x00ary\n", "r.yaml:1:10"),
        (b"task: binary\nname: \x1b[31m\n", "r.yaml:2:7"),
        (b"task: binary\nname: caf\xe9\n", "r.yaml:2:10"),
        ("task: binary\n".encode("utf-16"), "r.yaml:1:1"),
        ("task: binary\n---\ntask: binary\n", "r.yaml:2:1"),
        ("- task\n- binary\n", "r.yaml:1:1"),
        ("just text\n", "r.yaml:1:1"),
        ("5\n", "r.yaml:1:1"),
        ("task: binary\n? [a, b]\n: c\n", "r.yaml:1:1"),
        ("task: binary\nseed: !!set {a, b}\n", "r.yaml:2:1"),
        ("task: binary\nseed: 0x" + "f" * 5000, "r.yaml:2:1"),
    ],
)
def test_what_is_no_recipe_is_refused_with_its_place(refused, text, place):
    assert f"{place}: " in refused(text)


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [echo]", "!mine binary", "!!binary YQ==", "!!float x"]
)
def test_tags_run_nothing_and_are_no_values(refused, tag):
    assert refused(SMALL + f"seed: {tag}\n")


def test_a_byte_order_mark_is_no_part_of_the_first_key(load):
    assert load(b"\xef\xbb\xbf" + SMALL.encode()).spec.task == "binary"


def test_anchors_and_merge_keys_stand_for_what_they_repeat(load):
    text = SMALL + "model: {dropout: &rate 0.25, l2: *rate}\ntrain: {<<: {epochs: 3}, batch_size: 4}\n"
    spec = load(text).spec
    assert (spec.model.dropout, spec.model.l2) == (0.25, 0.25)
    assert (spec.train.epochs, spec.train.batch_size) == (3, 4)


def test_an_anchor_may_be_used_again(load):
    assert load(SMALL + "name: &a x\nseed: &a 3\nmodel: {ensemble: 1}\n").spec.seed == 3


@pytest.mark.parametrize("last", ["*a30", "[*a30, *a30]"])
def test_aliases_of_aliases_do_not_blow_up(refused, last):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 9) + "]" for i in range(1, 31)]
    assert "more than" in refused("\n".join([*lines, f"task: {last}"]))


def test_aliases_of_a_long_text_do_not_blow_up(refused):
    assert "characters" in refused(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]\n")


def test_merge_keys_of_merge_keys_do_not_blow_up(refused):
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{i}: &a{i} {{<<: [" + ", ".join([f"*a{i - 1}"] * 9) + f"], k{i}: 1}}" for i in range(1, 12)]
    assert refused("\n".join(lines))


@pytest.mark.parametrize("loop", ["data: &a [*a]", "data: &a {b: *a}", "&a task: *a"])
def test_a_value_that_contains_itself_is_refused(refused, loop):
    assert refused(f"{loop}\n")


@pytest.mark.parametrize(
    "text", ["[" * 500, "a: " + "{b: " * 100 + "}" * 100, "- " * 3000, "a: " + "[" * 40 + "]" * 40]
)
def test_deep_nesting_is_refused(refused, text):
    assert "levels" in refused(text)


def test_a_file_too_long_for_a_recipe_is_not_read(refused):
    assert "at most" in refused("#" * 2_000_000)


def test_thousands_of_columns_are_no_problem(load):
    columns = [f"c{i}" for i in range(2000)]
    assert load(SMALL + f"  features: [{', '.join(columns)}]\n").spec.data.features == columns


def test_a_folder_is_no_recipe(tmp_path):
    with pytest.raises(UserError, match="a recipe is a YAML file"):
        resolving.load_recipe(tmp_path)


@pytest.mark.parametrize("name", ["no such", "a" * 5000, "\0", "\ud800", "x\ny"])
def test_a_file_that_is_not_there_is_said_on_one_line(name):
    with pytest.raises(UserError) as caught:
        resolving.load_recipe(name)
    assert all(line.isprintable() for line in str(caught.value).splitlines())


@pytest.mark.parametrize("name", sorted(catalog.recipes()))
def test_a_shipped_recipe_is_found_by_its_name(name):
    assert resolving.load_recipe(name).path == catalog.recipes()[name]


# There and back


@pytest.mark.parametrize(
    "more",
    [
        "",
        "preset: strong\n",
        "preset: deep\nseed: 7\nmodel: {hidden: [8, 4], activation: {name: leaky_relu, slope: 0.2}}\n",
        "train: {optimizer: {name: nesterov, learning_rate: 1e-4}, class_weight: {yes: 2, 'no': 1.5, 1: 3}}\n",
        "train: {early_stopping: null, loss: bce}\nname: 'null'\nmetrics: [auc]\n",
        "train: {optimizer: {learning_rate: null}, class_weight: balanced, device: 'gpu:1'}\n",
    ],
)
def test_a_resolved_recipe_written_down_resolves_to_the_same_values(write, more):
    first = resolving.load_recipe(write(SMALL + more))
    again = resolving.load_recipe(write(yaml_text.dump(first.values), "elsewhere/recipe.yaml"))
    assert again.values == first.values
    assert again.spec == first.spec


def test_known_classes_survive_being_written_down(write):
    text = SMALL + "  classes: ['no', yes, '1', null-ish]\n  features: {'1.0': numeric, 'a: b': date(%d/%m/%Y)}\n"
    first = resolving.load_recipe(write(text))
    again = resolving.load_recipe(write(yaml_text.dump(first.values), "elsewhere/recipe.yaml"))
    assert again.spec == first.spec
    assert again.spec.data.classes == ["no", "yes", "1", "null-ish"]


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(columns=st.lists(names, min_size=1, unique=True, max_size=5), rate=st.floats(1e-30, 10))
def test_any_column_name_and_number_survives_being_written_down(tmp_path, columns, rate):
    file = tmp_path / "r.yaml"
    values = {
        "task": "regression",
        "data": {"dataset": "iris", "target": columns, "features": dict.fromkeys(columns, "numeric")},
        "train": {"optimizer": {"name": "sgd", "learning_rate": rate}},
    }
    file.write_text(yaml_text.dump(values), "utf-8")
    first = resolving.load_recipe(file)
    file.write_text(yaml_text.dump(first.values), "utf-8")
    assert resolving.load_recipe(file).spec == first.spec
    assert first.spec.data.target == columns
    assert first.spec.train.optimizer.learning_rate == rate


# Whatever stands in a file: a recipe, or a message

fuzzed = settings(max_examples=250, suppress_health_check=list(HealthCheck), deadline=None)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["auto", "relu", "adam", "all", "deep", "r.yaml", "mse", "bounded(0, 1)", "text", "mapping", "[key]"]
    )
)
keys = st.sampled_from(
    [
        "task",
        "name",
        "preset",
        "seed",
        "data",
        "model",
        "train",
        "metrics",
        "tune",
        "extends",
        "path",
        "dataset",
        "target",
        "features",
        "split",
        "validation",
        "test",
        "classes",
        "hidden",
        "layers",
        "neurons",
        "activation",
        "slope",
        "output",
        "loss",
        "optimizer",
        "learning_rate",
        "epochs",
        "class_weight",
        "early_stopping",
        "patience",
        "device",
        "text",
        "number",
        "list",
        "mapping",
        "<<",
    ]
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys | st.integers() | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=15,
)


def check_message(error):
    assert error.exit_code == 2
    assert str(error)
    assert all(line.isprintable() for line in str(error).splitlines())


def check_bytes(folder, content):
    file = folder / "r.yaml"
    file.write_bytes(content)
    try:
        resolved = resolving.load_recipe(file)
    except UserError as error:
        check_message(error)
    else:
        file.write_text(yaml_text.dump(resolved.values), "utf-8")
        assert resolving.load_recipe(file).spec == resolved.spec


def check_values(folder, values):
    stream = StringIO()
    YAML(typ="safe", pure=True).dump(values, stream)
    check_bytes(folder, stream.getvalue().encode("utf-8", "surrogatepass"))


@fuzzed
@given(text=st.text())
def test_any_text_is_a_recipe_or_a_user_error(tmp_path, text):
    check_bytes(tmp_path, text.encode())


@fuzzed
@given(content=st.binary())
def test_any_bytes_are_a_recipe_or_a_user_error(tmp_path, content):
    check_bytes(tmp_path, content)


@fuzzed
@given(text=st.text(st.sampled_from("task:binary \n-?&*!|>'\"%@`{}[],#<~0x1.e\t"), max_size=80))
def test_any_soup_of_yaml_signs_is_a_recipe_or_a_user_error(tmp_path, text):
    check_bytes(tmp_path, text.encode())


@fuzzed
@given(values=st.dictionaries(keys, trees, max_size=6))
def test_any_tree_is_a_recipe_or_a_user_error(tmp_path, values):
    check_values(tmp_path, values)


@fuzzed
@given(data=st.data())
def test_a_recipe_with_parts_exchanged_is_a_recipe_or_a_user_error(tmp_path, data):
    values = {
        "task": data.draw(st.sampled_from(["regression", "binary", "multilabel", "multiclass"])),
        "preset": data.draw(st.sampled_from(["slides", "strong", "deep"])),
        "data": {
            "path": "a.csv",
            "target": "y",
            "split": {"validation": 0.1, "test": 0.2},
            "features": {"a": "numeric"},
        },
        "model": {"hidden": {"layers": 2, "neurons": 8}, "activation": {"name": "leaky_relu", "slope": 0.1}},
        "train": {
            "optimizer": {"name": "sgd", "momentum": 0.5},
            "class_weight": {"a": 1},
            "early_stopping": {"patience": 3},
        },
    }
    for _ in range(data.draw(st.integers(1, 3))):
        part = values
        while True:
            key = data.draw(st.sampled_from(sorted(part, key=str)) | keys)
            inner = part.get(key)
            if isinstance(inner, dict) and inner and data.draw(st.booleans()):
                part = inner
                continue
            part[key] = data.draw(trees)
            break
    check_values(tmp_path, values)


@fuzzed
@given(overrides=st.dictionaries(st.lists(keys | st.text(max_size=5), max_size=3).map(".".join), trees, max_size=3))
def test_any_override_is_taken_or_a_user_error(tmp_path, overrides):
    file = tmp_path / "r.yaml"
    file.write_text(SMALL)
    try:
        resolving.load_recipe(file, overrides)
    except UserError as error:
        check_message(error)


@fuzzed
@given(text=st.text())
def test_any_override_text_is_taken_or_a_user_error(text):
    try:
        resolving.parse_override(text)
    except UserError as error:
        check_message(error)


@pytest.mark.parametrize("word", ["No", "yes", "on", "OFF", "y", "N", "true", "null", "1", "plain"])
def test_words_come_back_as_words_by_older_readers_of_yaml_too(word):
    text = yaml_text.dump({"classes": [word]})
    assert YAML(typ="safe", pure=True).load(text) == {"classes": [word]}
    older = YAML(typ="safe", pure=True)
    older.version = (1, 1)
    assert older.load(text) == {"classes": [word]}
