"""The list of what a model file may name is compared with Keras, and with our own layers."""

from __future__ import annotations

import functools

import pytest

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.layers import names
from mlp_toolkit.storage.untrusted import allow_list

LAYERS = keras.layers
# Classes of Keras that are not built; each of a later version must be read, and put on one list or the other.
LEFT_OUT = {
    "layer": "FlaxLayer JaxLayer Lambda Layer MaxNumBoundingBoxes MelSpectrogram STFTSpectrogram TFSMLayer "
    "TorchModuleWrapper Wrapper ContrastLimitedAdaptiveHistogramEqualization InputSpec",
    "initializer": "Initializer STFT",
    "regularizer": "Regularizer",
    "constraint": "Constraint",
    "loss": "Loss",
    "metric": "Metric",
    "optimizer": "MultiOptimizer Optimizer OptimizerMap",
    "schedule": "LearningRateSchedule",
    "dtype policy": "AWQDTypePolicy GPTQDTypePolicy Int4DTypePolicy QuantizedDTypePolicy QuantizedFloat8DTypePolicy",
}


def home(role):
    return functools.reduce(getattr, allow_list.MODULES[role].split(".")[1:], keras)


def own(names):
    return {name for name in names if name.startswith("mlp_toolkit>")}


@pytest.mark.parametrize("role", sorted(LEFT_OUT))
def test_every_class_of_keras_is_on_the_list_or_left_out_on_purpose(role):
    module = home(role)
    public = {name for name in dir(module) if isinstance(getattr(module, name), type)}
    public = {name for name in public if getattr(module, name).__name__ == name}  # no second names
    known = allow_list.CLASSES[role] - own(allow_list.CLASSES[role])
    assert {name for name in known if not hasattr(module, name)} == set()
    assert public - known <= set(LEFT_OUT[role].split())


@pytest.mark.parametrize("role", sorted(allow_list.FUNCTIONS))
def test_every_function_on_the_list_is_one_of_keras(role):
    names = allow_list.FUNCTIONS[role] - own(allow_list.FUNCTIONS[role])
    assert {name for name in names if not (hasattr(home(role), name) or hasattr(keras.losses, name))} == set()
    if role == "activation":
        public = {name for name in dir(keras.activations) if not name.startswith("_")}
        assert public - names == {"get", "serialize", "deserialize"}


def test_our_own_classes_are_on_the_list():
    names.register_all()
    registered = {name for name in keras.saving.get_custom_objects() if name.startswith("mlp_toolkit>")}
    listed = set().union(*map(own, [*allow_list.CLASSES.values(), *allow_list.FUNCTIONS.values()]))
    assert registered == listed


def dense(**settings):
    return {"class_name": "Dense", "config": {"name": "d", "units": 3, **settings}}


def model(*layers, **compiled):
    return {"class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}} | compiled


@pytest.mark.parametrize(
    "config",
    [
        model(dense(activation="leaky_relu", kernel_initializer="he_normal", kernel_regularizer="l2")),
        model(dense(activation={"class_name": "LeakyReLU", "module": "keras.layers", "config": {}})),
        model(dense(dtype={"class_name": "DTypePolicy", "module": "keras", "config": {"name": "mixed_float16"}})),
        model(dense(kernel_initializer={"class_name": "RandomNormal", "config": {"seed": 2**60}})),
        model({"class_name": "TimeDistributed", "config": {"layer": dense()}}),
        model(
            {"class_name": "StringLookup", "config": {"vocabulary": ["a", "/etc/passwd"], "vocabulary_dtype": "string"}}
        ),
        {"loss": "mse", "metrics": ["acc", ["AUC", "mae"]], "optimizer": "adam", "loss_weights": None},
        {"loss": {"a": "mse", "b": {"class_name": "Huber", "module": "keras.losses", "config": {"delta": 1}}}},
        {"loss": {"class_name": "function", "module": "builtins", "config": "mse", "registered_name": "function"}}
        | {"loss": "mean_squared_error"},
    ],
)
def test_what_keras_writes_passes(config):
    allow_list.check_classes(config, "file")
    assert allow_list.refused(config) == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (model(dense(activation="os.system")), "an activation belongs"),
        (model(dense(activation="softmaxx")), "an activation belongs"),
        (model(dense(kernel_initializer="relu")), "an initializer belongs"),
        (model(dense(kernel_initializer={"class_name": "L2", "config": {}})), "an initializer belongs"),
        (model({"class_name": "Adam", "config": {}}), "a layer belongs"),
        (model({"class_name": ["Dense"], "config": {}}), "whose name is none"),
        (model({"class_name": "Dense", "module": "keras.src.layers", "config": {}}), "neither Keras's own"),
        (model({"class_name": "__lambda__", "config": {}}), "can run code"),
        (model({"class_name": "D", "registered_name": "p>Lambda", "config": {}}), "can run code"),
        (model({"class_name": "D", "registered_name": "mlp_toolkit>Numbers", "config": {}}), "neither Keras's own"),
        (model({"class_name": "Hashing", "config": {"num_bins": 2**40}}), "too large for any use"),
        (model({"class_name": "TextVectorization", "config": {"vocabulary": "words.txt"}}), "vocabulary"),
        ({"metrics": [{"class_name": "AUC", "config": {"num_thresholds": 10**6}}]}, "at most 2,000"),
        ({"loss": "os.system"}, "a loss belongs"),
        ({"optimizer": {"class_name": "SGD", "config": {"learning_rate": {"class_name": "Adam"}}}}, "schedule"),
    ],
)  # fmt: skip  # as a table, several to a line
def test_what_does_not_belong_is_refused(config, words):
    with pytest.raises(UserError, match=words):
        allow_list.check_classes(config, "file")
    assert allow_list.refused(config)


def test_classes_of_the_running_program_pass_once_they_are_registered():
    config = model({"class_name": "Mine", "registered_name": "somewhere>Mine", "config": {"activation": "my own word"}})
    with pytest.raises(UserError, match="neither Keras's own nor registered"):
        allow_list.check_classes(config, "file")

    class Mine(LAYERS.Layer):
        pass

    with keras.saving.custom_object_scope({"somewhere>Mine": Mine}):
        keras.saving.get_custom_objects()["somewhere>Mine"] = Mine
        try:
            allow_list.check_classes(config, "file")
        finally:
            del keras.saving.get_custom_objects()["somewhere>Mine"]
