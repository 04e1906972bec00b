"""Training on named devices, and on several: two logical GPUs where there is one, else two logical processors."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from support import python

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError

SEVERAL = """
import json, sys
import numpy as np
import tensorflow as tf
one = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [one, one])
gpus = tf.config.list_physical_devices("GPU")[:1]
for gpu in gpus:
    tf.config.set_visible_devices(gpu, "GPU")
    tf.config.set_logical_device_configuration(gpu, [tf.config.LogicalDeviceConfiguration(memory_limit=2048)] * 2)
from mlp_toolkit.model.backend import keras
import mlp_toolkit as mt

random = np.random.default_rng(0)
x = random.normal(size=(103, 6)).astype(np.float32)  # batches of 20, and a last one of 3, which two cannot share
y = (x[:, :2].sum(axis=1) > 0).astype(int)
weights = random.uniform(0.5, 2, 103).astype(np.float32)

def trained(device, callbacks=(), **options):
    model = mt.build_mlp("binary", n_features=6, hidden=[8], l2=0.01, metrics=["accuracy", "auc"], seed=0, **options)
    history = mt.fit(model, x, y, sample_weight=weights, validation_data=(x[:31], y[:31]), epochs=3, batch_size=20,
                     class_weight="balanced", early_stopping=9, device=device, callbacks=callbacks, verbose=0)
    return model, history

def apart(one, other):
    values = [[*m.variables, *m.optimizer.variables] for m in (one[0], other[0])]
    logs = max(abs(a - b) for k, v in one[1].history.items() for a, b in zip(v, other[1].history[k], strict=True))
    return max(logs, *(float(np.abs(a.numpy() - b.numpy()).max()) for a, b in zip(*values, strict=True)))

class Watch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass

found = {"exact": not gpus}  # a GPU's products may be TF32, with 10 bits
for optimizer in ("sgd", "nesterov", "adam", "nadam", "adamw"):
    for batch_norm in (False, True):
        options = {"optimizer": optimizer, "batch_norm": batch_norm}
        found[f"{optimizer} {batch_norm}"] = apart(trained("cpu", **options), trained("all", **options))
found["step by step"] = apart(trained("cpu", [Watch()]), trained("all", [Watch()]))
found["the second"] = apart(trained("cpu"), trained("cpu:1"))
found["engine"] = trained("all")[1].engine
for name, arguments in {"odd": {"batch_size": 21}, "absent": {"device": "gpu:3"}}.items():
    try:
        mt.fit(trained("cpu")[0], x, y, **{"device": "all", "verbose": 0, **arguments})
    except mt.UserError as error:
        found[name] = str(error)
clipped = mt.build_mlp("binary", n_features=6, optimizer={"name": "sgd", "clipnorm": 1.0})
try:
    mt.fit(clipped, x, y, device="all", verbose=0)
except mt.UserError as error:
    found["clipped"] = str(error)
class Own(keras.Model):
    def train_step(self, data):
        return super().train_step(data)

inner = mt.build_mlp("binary", n_features=6)
own = Own(inner.input, inner.output)
own.compile("sgd", "binary_crossentropy")
try:
    mt.fit(own, x, y, device="all", verbose=0)
except mt.UserError as error:
    found["own step"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found() -> dict[str, object]:
    return json.loads(python(SEVERAL).splitlines()[-1])


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "nesterov", "adam", "nadam", "adamw"])
def test_two_devices_end_where_one_does(found, optimizer, batch_norm):
    assert found[f"{optimizer} {batch_norm}"] < (2e-6 if found["exact"] else 5e-3)


def test_two_devices_agree_with_one_step_by_step_too(found):
    assert found["step by step"] < (2e-6 if found["exact"] else 5e-3)
    assert found["engine"] == "graph"


def test_a_device_is_chosen_by_its_number(found):
    assert found["the second"] < 1e-6


def test_what_several_devices_cannot_do_is_refused(found):
    assert "22" in found["odd"]
    assert "cannot be parted equally among 2 devices" in found["odd"]
    assert "clipnorm on several devices" in found["clipped"]
    assert "a train_step of its own" in found["own step"]


def test_an_absent_device_lists_those_that_are_there(found):
    assert "gpu:3" in found["absent"]
    assert "cpu:0, cpu:1" in found["absent"]


def test_all_is_the_one_device_where_there_is_one():
    model = mt.build_mlp("binary", n_features=2, seed=0)
    history = mt.fit(model, np.eye(2), [0, 1], device="all", epochs=1, batch_size=1, verbose=0)
    assert history.engine == "graph"
    with pytest.raises(UserError, match="no such device"):
        mt.fit(model, np.eye(2), [0, 1], device="gpu", epochs=1, verbose=0)


def test_half_precision_on_a_processor_is_warned_of(caplog):
    with caplog.at_level(logging.WARNING):
        mt.build_mlp("binary", n_features=2, precision="mixed_bfloat16")
    assert "usually slower in it than in float32" in caplog.text
