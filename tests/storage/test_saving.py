"""A saved model goes on exactly where it stopped; a kill never costs the old file; strangers' files run nothing."""

from __future__ import annotations

import json
import logging
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.mlp import build_mlp
from mlp_toolkit.storage import array_files, inspecting, loading, saving

LAYERS = keras.layers
STEPS_BEFORE, STEPS_AFTER = 3, 3

GO_ON = """
import pickle, sys
import mlp_toolkit as storage
folder, names, x, y, steps = pickle.load(open(sys.argv[1], "rb"))
losses = {}
for name in names:
    model = storage.load(f"{folder}/{name}.h5")
    losses[name] = [float(model.train_on_batch(x, y, return_dict=True)["loss"]).hex() for _ in range(steps)]
pickle.dump(losses, open(sys.argv[2], "wb"))
"""

SAVE_AND_DIE = """
import os, signal, sys
import h5py
import mlp_toolkit as storage
from mlp_toolkit.model.backend import keras
where, path = sys.argv[1:]
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "while Keras writes":
    create = h5py.Group.create_dataset
    h5py.Group.create_dataset = lambda *args, **kwargs: (create(*args, **kwargs), args[0].file.flush(), die())
else:
    os.replace = die
storage.save(model, path)
"""


@keras.saving.register_keras_serializable("tests")
class Doubled(LAYERS.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs * 2


class Nested(keras.Model):
    """Keras makes the weights of such a model when it is first called, with all others that it has put off."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = LAYERS.Dense(2)

    def call(self, inputs: Any) -> Any:
        return self.inner(inputs)


@keras.saving.register_keras_serializable("tests")
class Cubed(keras.losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** 3, axis=-1)


@keras.saving.register_keras_serializable("tests")
def fourth(y_true: Any, y_pred: Any) -> Any:
    return keras.ops.mean((y_true - y_pred) ** 4, axis=-1)


def batch(outputs: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(size=(16, 3)).astype("float32"), random.normal(size=(16, outputs)).astype("float32")


def step(model: Any) -> str:
    """The loss of one step, to the last bit."""
    return float(model.train_on_batch(*batch(), return_dict=True)["loss"]).hex()


def small(**options: Any) -> Any:
    model = keras.Sequential([keras.Input((3,)), LAYERS.Dense(4, "relu"), LAYERS.Dropout(0.3, seed=1), LAYERS.Dense(1)])
    model.compile(**{"loss": "mse", "optimizer": "adam"} | options)
    return model


def changed(path: Path, change: Callable[[h5py.File], None]) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model = small()
    step(model)
    saving.save(model, tmp_path / "saved.h5")
    return tmp_path / "saved.h5"


def test_training_goes_on_in_a_new_process_bit_for_bit(tmp_path: Path) -> None:
    x, y = batch()
    models = {}  # every optimizer by its name: tests/whole/test_going_on.py
    models["batch_norm"] = build_mlp("regression", n_features=3, hidden=[6], batch_norm=True, dropout=0.3, seed=1)
    models["schedule"] = small(optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10)))
    models["averaged"] = small(optimizer=keras.optimizers.SGD(0.1, use_ema=True))
    models["clipped"] = small(optimizer=keras.optimizers.Adam(0.1, amsgrad=True, global_clipnorm=0.1))
    models["small floats"] = build_mlp("regression", n_features=3, hidden=[4], precision="mixed_float16", seed=1)
    models["plain"] = small()
    expected = {}
    for name, model in models.items():
        for _ in range(STEPS_BEFORE):
            model.train_on_batch(x, y)
        saving.save(model, tmp_path / f"{name}.h5")
        expected[name] = [float(model.train_on_batch(x, y, return_dict=True)["loss"]).hex() for _ in range(STEPS_AFTER)]
    task, answer = tmp_path / "task.pickle", tmp_path / "answer.pickle"
    task.write_bytes(pickle.dumps((tmp_path, list(models), x, y, STEPS_AFTER)))
    subprocess.run([sys.executable, "-c", GO_ON, str(task), str(answer)], check=True)
    assert pickle.loads(answer.read_bytes()) == expected


@pytest.mark.parametrize("where", ["while Keras writes", "before the new file takes the old one's place"])
def test_a_process_killed_while_saving_leaves_the_old_file_whole(saved: Path, where: str) -> None:
    before = saved.read_bytes()
    done = subprocess.run([sys.executable, "-c", SAVE_AND_DIE, where, str(saved)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert saved.read_bytes() == before
    loading.load(saved)


def test_an_error_while_saving_leaves_the_old_file_and_nothing_else(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(h5py.Group, "create_dataset", full)
    with pytest.raises(OSError, match="No space"):
        saving.save(small(), saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_predictions_and_compile_arguments_are_the_same_after_loading(tmp_path: Path) -> None:
    metrics = [keras.metrics.AUC(name="area"), "accuracy"]
    model = small(loss=keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), metrics=metrics)
    arguments = model.get_compile_config()
    saving.save(model, tmp_path / "a.h5")
    again = loading.load(tmp_path / "a.h5")
    x, _ = batch()
    np.testing.assert_array_equal(model(x), again(x))
    assert again.get_compile_config() == arguments


@pytest.mark.parametrize(
    "loss",
    ["mse", "mae", "mean_squared_error", keras.losses.Huber(0.3), keras.losses.mean_squared_error, Cubed(), fourth],
    ids=["mse", "mae", "mean_squared_error", "Huber", "a function of Keras", "a class", "a function"],
)
def test_losses_of_every_form_are_loaded_again(tmp_path: Path, loss: Any) -> None:
    model = small(loss=loss, metrics=["mae"])
    step(model)
    saving.save(model, tmp_path / "a.h5")
    assert step(loading.load(tmp_path / "a.h5")) == step(model)


def test_registered_layers_are_loaded_again(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), Doubled(), LAYERS.Dense(1)])
    saving.save(model, tmp_path / "a.h5")
    x, _ = batch()
    again = loading.load(tmp_path / "a.h5")
    np.testing.assert_array_equal(model(x), again(x))
    assert not again.compiled


@pytest.mark.parametrize("trained", [True, False])
def test_a_file_that_keras_wrote_goes_on_too(tmp_path: Path, trained: bool) -> None:
    model = keras.Sequential([keras.Input((3,)), LAYERS.Dense(4, "relu"), LAYERS.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    if trained:
        step(model)
    with saving.quiet_keras():
        model.save(tmp_path / "keras.h5")
    again = loading.load(tmp_path / "keras.h5")
    assert [step(again) for _ in range(3)] == [step(model) for _ in range(3)]


def test_keras_loads_our_file(saved: Path) -> None:
    ours = loading.load(saved)
    with saving.quiet_keras():
        theirs = keras.models.load_model(saved)
    x, _ = batch()
    np.testing.assert_array_equal(ours(x), theirs(x))
    assert theirs.loss is not None


def test_a_file_of_keras_2_predicts_and_says_that_it_is_not_compiled(
    saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    x, _ = batch()
    expected = np.array(loading.load(saved)(x))

    def age(file: h5py.File) -> None:
        del file["mlp_toolkit"]
        file.attrs["keras_version"] = "2.15.0"
        config = json.loads(file.attrs["training_config"])
        config["optimizer_config"] = {
            "class_name": "Custom>Adam",
            "config": {"decay": 0.0, "is_legacy_optimizer": False},
        }
        file.attrs["training_config"] = json.dumps(config)

    with caplog.at_level(logging.WARNING):
        model = loading.load(changed(saved, age))
    assert not model.compiled
    assert "compile it before training" in caplog.text
    np.testing.assert_array_equal(model(x), expected)


def test_inspect_tells_what_a_file_holds_without_building_it(saved: Path) -> None:
    found = inspecting.inspect(saved)
    assert found["parameters"] == (3 * 4 + 4) + (4 * 1 + 1)
    assert [layer["class"] for layer in found["layers"]] == ["InputLayer", "Dense", "Dropout", "Dense"]
    assert (found["loss"], found["optimizer"], found["refused"]) == ("mean_squared_error", "Adam", [])
    assert found["size"] == saved.stat().st_size


def test_state_is_written_and_read_back(tmp_path: Path) -> None:
    values = [np.float32([1, 2]), np.int64(7), np.zeros((0, 3))]
    array_files.write_arrays(tmp_path / "s.h5", {"now": values, "best": []}, {"epochs": 3})
    arrays, info = array_files.read_arrays(tmp_path / "s.h5")
    assert info == {"epochs": 3}
    assert arrays["best"] == []
    for value, again in zip(values, arrays["now"], strict=True):
        np.testing.assert_array_equal(value, again)
        assert again.dtype == value.dtype


def lambda_model(path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), LAYERS.Lambda(lambda x: x)])
    with saving.quiet_keras():
        model.save(path)


def test_a_lambda_layer_is_refused(tmp_path: Path) -> None:
    lambda_model(tmp_path / "l.h5")
    with pytest.raises(UserError, match=r"refused.*Lambda"):
        loading.load(tmp_path / "l.h5")
    assert inspecting.inspect(tmp_path / "l.h5")["refused"] == ["Lambda"]


def configured(path: Path, change: Callable[[Any], None]) -> Path:
    def rewrite(file: h5py.File) -> None:
        config = json.loads(file.attrs["model_config"])
        change(config["config"]["layers"])
        file.attrs["model_config"] = json.dumps(config)

    return changed(path, rewrite)


def nested_lambda(layers: list[Any]) -> None:
    layers[1]["config"]["kernel_initializer"] = {"class_name": "Lambda", "config": {}}


def foreign_module(layers: list[Any]) -> None:
    layers[1]["config"]["kernel_initializer"] = {"class_name": "Zeros", "module": "antigravity", "config": {}}


def unknown_class(layers: list[Any]) -> None:
    layers[1]["class_name"] = "Backdoor"


def machinery(layers: list[Any]) -> None:
    layers[1]["class_name"] = "deserialize"


def function_of_saving(layers: list[Any]) -> None:
    layers[1]["config"]["activation"] = {"class_name": "function", "module": "builtins", "config": "deserialize"}


def vocabulary_file(layers: list[Any]) -> None:
    layers[1] = {"class_name": "StringLookup", "config": {"name": "s", "vocabulary": "/etc/passwd"}}


def huge_layer(layers: list[Any]) -> None:
    layers[1]["config"]["units"] = 500_000_000


def many_layers(layers: list[Any]) -> None:
    layers.extend([{"class_name": "Flatten", "config": {"name": f"f{i}"}} for i in range(1000)])


def deep_nest(layers: list[Any]) -> None:
    node: dict[str, Any] = {}
    for _ in range(200):
        node = {"a": node}
    layers.append(node)


def no_layers(layers: list[Any]) -> None:
    layers[1] = "Dense"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (nested_lambda, "refused.*Lambda"),
        (foreign_module, "refused.*Zeros"),
        (unknown_class, "refused.*Backdoor"),
        (machinery, "refused.*deserialize"),
        (function_of_saving, "refused.*function"),
        (vocabulary_file, "vocabulary"),
        (huge_layer, "the file holds 21"),
        (many_layers, "layers; at most"),
        (deep_nest, "nested deeper"),
        (no_layers, "cannot be rebuilt"),
    ],
)
def test_a_configuration_that_could_do_harm_is_refused(saved: Path, change: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        loading.load(configured(saved, change))


def test_a_huge_model_that_was_refused_is_not_made_later_either(saved: Path) -> None:
    with pytest.raises(UserError, match="the file holds 21"):
        loading.load(configured(saved, lambda layers: layers[1]["config"].update(units=100_000_000)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Nested()(np.zeros((1, 3), "float32"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB; the layer would take 1.2 GB


def first_kernel(file: h5py.File) -> tuple[h5py.Group, str]:
    found: list[str] = []
    file["model_weights"].visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    path = next(name for name in found if name.endswith("kernel"))
    folder, _, name = path.rpartition("/")
    return file["model_weights"][folder], name


def external_link(file: h5py.File) -> None:
    group, name = first_kernel(file)
    del group[name]
    group[name] = h5py.ExternalLink("other.h5", "/secret")


def soft_link(file: h5py.File) -> None:
    group, name = first_kernel(file)
    group.move(name, "real")
    group[name] = h5py.SoftLink("real")


def external_values(file: h5py.File) -> None:
    group, name = first_kernel(file)
    shape = group[name].shape
    del group[name]
    group.create_dataset(name, shape, "float32", external=[("/etc/passwd", 0, 4 * int(np.prod(shape)))])


def compressed(file: h5py.File) -> None:
    file["model_weights"].create_dataset("bomb", data=np.zeros(1_000_000), compression="gzip")


def unwritten(file: h5py.File) -> None:
    file["model_weights"].create_dataset("bomb", (10**9,), "float32", chunks=(1000,))


def listed_often(file: h5py.File) -> None:
    file["model_weights"]["big"] = np.zeros(100_000)
    for index in range(5):
        file["model_weights"][f"again{index}"] = file["model_weights"]["big"]


def other_order(file: h5py.File) -> None:
    attributes = file["model_weights"].attrs
    attributes["layer_names"] = attributes["layer_names"][::-1]


def not_finite(file: h5py.File) -> None:
    group, name = first_kernel(file)
    group[name][0, 0] = np.nan


def wrong_shape(file: h5py.File) -> None:
    group, name = first_kernel(file)
    del group[name]
    group[name] = np.zeros((3, 5), "float32")


def complex_weights(file: h5py.File) -> None:
    group, name = first_kernel(file)
    shape = group[name].shape
    del group[name]
    group[name] = np.zeros(shape, complex)


def lost_random_state(file: h5py.File) -> None:
    del file["mlp_toolkit"]["random_state_0"]


def lost_weights(file: h5py.File) -> None:
    del file["model_weights"]


def lost_configuration(file: h5py.File) -> None:
    del file.attrs["model_config"]


def broken_configuration(file: h5py.File) -> None:
    file.attrs["model_config"] = "{"


def odd_configuration(file: h5py.File) -> None:
    file.attrs["model_config"] = "[]"


def lost_optimizer_variable(file: h5py.File) -> None:
    names = file["optimizer_weights"].attrs["weight_names"]
    file["optimizer_weights"].attrs["weight_names"] = names[:-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (external_link, "links to another place"),
        (soft_link, "links to another place"),
        (external_values, "outside the file"),
        (compressed, "not a plain array"),
        (unwritten, "not a plain array"),
        (listed_often, "more than once"),
        (other_order, "another order"),
        (not_finite, "NaN"),
        (wrong_shape, "rebuilt"),
        (complex_weights, "not a plain array"),
        (lost_random_state, "random_state_0"),
        (lost_weights, "model_weights"),
        (lost_configuration, "no Keras model"),
        (broken_configuration, "damaged"),
        (odd_configuration, "rebuilt"),
        (lost_optimizer_variable, "optimizer"),
    ],
)
def test_a_file_that_was_tampered_with_is_refused(saved: Path, change: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        loading.load(changed(saved, change))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.95])
def test_a_truncated_file_is_refused(saved: Path, share: float) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    for read in (loading.load, inspecting.inspect, array_files.read_arrays):
        with pytest.raises(UserError, match="damaged"):
            read(saved)


def test_flipped_bytes_give_a_model_or_a_clear_refusal(saved: Path) -> None:
    whole, random = saved.read_bytes(), np.random.default_rng(0)
    for _ in range(25):
        broken = bytearray(whole)
        for place in random.integers(0, len(whole), 20):
            broken[place] ^= 0xFF
        saved.write_bytes(broken)
        try:
            loading.load(saved)
        except UserError as error:
            assert str(saved) in str(error)  # noqa: PT017  (a load that succeeds is fine, too)


def test_paths_that_do_not_fit_are_refused_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in \.h5"):
        saving.save(small(), tmp_path / "model.keras")
    with pytest.raises(UserError, match="folder"):
        saving.save(small(), tmp_path / "no" / "model.h5")
    with pytest.raises(UserError, match="no such file"):
        loading.load(tmp_path / "model.h5")


def test_models_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Adafactor"):
        saving.save(small(optimizer="adafactor"), tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_saving_leaves_the_model_as_it_was_compiled(tmp_path: Path) -> None:
    """Keras's own HDF5 writer takes the optimizer out of its record, and a later `.keras` file has the default."""
    model = build_mlp("regression", n_features=2, optimizer={"name": "sgd", "learning_rate": 0.25})
    before = model.get_compile_config()
    saving.save(model, tmp_path / "model.h5")
    assert model.get_compile_config() == before
    model.save(tmp_path / "model.keras")
    again = loading.load(tmp_path / "model.keras")
    assert isinstance(again.optimizer, keras.optimizers.SGD)
    assert float(again.optimizer.learning_rate) == 0.25


def kernels() -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.normal(size=shape).astype("float32") for shape in [(3, 4), (4,), (4, 2), (2,)]]


def keras_2(path: Path, config: dict[str, Any], names: list[str]) -> Path:
    """A file in the layout of Keras 2: no modules, `batch_input_shape`, `:0` after the names of weights."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = b"2.11.0", b"tensorflow"
        file.attrs["model_config"] = json.dumps(config)
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = [name.encode() for name in names]
        values = iter(kernels())
        for name in names:
            paths = [f"{name}/kernel:0", f"{name}/bias:0"] if name.startswith("dense") else []
            group = weights.create_group(name)
            group.attrs["weight_names"] = [path.encode() for path in paths]
            for place in paths:
                group[place] = next(values)
    return path


def old_dense(name: str, units: int, **more: Any) -> dict[str, Any]:
    zeros = {"class_name": "Zeros", "config": {}}
    config = {"name": name, "trainable": True, "dtype": "float32", "units": units, "activation": "relu"}
    return {"class_name": "Dense", "config": {**config, "use_bias": True, "bias_initializer": zeros, **more}}


def test_files_in_the_layout_of_keras_2_predict(tmp_path: Path) -> None:
    first, first_bias, second, second_bias = kernels()
    x, _ = batch()
    expected = np.maximum(np.maximum(x @ first + first_bias, 0) @ second + second_bias, 0)
    layers = [old_dense("dense", 4, batch_input_shape=[None, 3]), old_dense("dense_1", 2)]
    plain = {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}
    start = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3], "dtype": "float32", "name": "x"}}
    graph = [
        {**start, "name": "x", "inbound_nodes": []},
        {**old_dense("dense", 4), "name": "dense", "inbound_nodes": [[["x", 0, 0, {}]]]},
        {**old_dense("dense_1", 2), "name": "dense_1", "inbound_nodes": [[["dense", 0, 0, {}]]]},
    ]
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [["dense_1", 0, 0]]}
    functional = {"class_name": "Functional", "config": {"name": "model", "layers": graph, **ends}}
    with_input = {"class_name": "Sequential", "config": {"name": "s", "layers": [start, *layers[1:]]}}
    with_input["config"]["layers"].insert(1, old_dense("dense", 4))
    for number, (config, names) in enumerate(
        [(plain, ["dense", "dense_1"]), (functional, ["x", "dense", "dense_1"]), (with_input, ["dense", "dense_1"])]
    ):
        model = loading.load(keras_2(tmp_path / f"{number}.h5", config, names))
        assert not model.compiled
        predicted = model(x) if isinstance(model, keras.Sequential) else model([x])
        np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["scheduled", "scaled", "adam"])
def test_an_optimizer_that_has_not_been_used_is_loaded(tmp_path: Path, optimizer: str) -> None:
    kinds = {
        "scheduled": lambda: keras.optimizers.Lion(keras.optimizers.schedules.CosineDecay(0.1, 10)),
        "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), initial_scale=8.0),
        "adam": lambda: keras.optimizers.Adam(0.25),
    }
    model = small(optimizer=kinds[optimizer]())
    saving.save(model, tmp_path / "a.h5")
    assert step(loading.load(tmp_path / "a.h5")) == step(model)


def test_inspect_reads_archives_too(tmp_path: Path) -> None:
    model = small()
    model.save(tmp_path / "a.keras")
    found = inspecting.inspect(tmp_path / "a.keras")
    assert found["format"] == "Keras archive"
    assert found["parameters"] == (3 * 4 + 4) + (4 * 1 + 1)
    assert [layer["class"] for layer in found["layers"]] == ["InputLayer", "Dense", "Dropout", "Dense"]
    assert (found["loss"], found["optimizer"], found["refused"]) == ("mse", "Adam", [])
    x, _ = batch()
    np.testing.assert_array_equal(loading.load(tmp_path / "a.keras")(x), model(x))
