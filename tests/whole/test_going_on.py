"""A saved model loaded in a new process trains on as if it had never stopped, bit for bit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support import python

from mlp_toolkit.model.mlp import build_mlp
from mlp_toolkit.storage.saving import save

TAUGHT = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "nadam"]
OPTIMIZERS = [*TAUGHT, "adamw", "lion", "muon"]
LOAD_AND_STEP = """
import json, sys
import numpy as np
import mlp_toolkit as mt
folder = sys.argv[1]
batches = np.load(folder + "/batches.npz")
losses = {}
for name in json.loads(sys.argv[2]):
    model = mt.load(f"{folder}/{name}.h5")
    losses[name] = [float(model.train_on_batch(x, y)[0]).hex() for x, y in zip(batches["x"], batches["y"])]
print(json.dumps(losses))
"""


@pytest.fixture(scope="module")
def going_on(tmp_path_factory):
    """Losses of five steps after three, uninterrupted and after saving and loading in a new process."""
    folder = tmp_path_factory.mktemp("going_on")
    random = np.random.default_rng(0)
    x = random.normal(size=(8, 16, 5)).astype(np.float32)
    y = x.sum(axis=2, keepdims=True) + random.normal(0, 0.1, (8, 16, 1)).astype(np.float32)
    np.savez(folder / "batches.npz", x=x[3:], y=y[3:])
    uninterrupted = {}
    for name in [*OPTIMIZERS, "mse"]:
        optimizer, loss = ("adam", "mse") if name == "mse" else (name, None)
        model = build_mlp(
            "regression", n_features=5, hidden=[8], optimizer=optimizer, loss=loss, dropout=0.3, batch_norm=True, seed=1
        )
        if name == "mse":
            model.compile(optimizer=model.optimizer, loss="mse", metrics=["mae"])  # as a Keras user writes it
        for inputs, targets in zip(x[:3], y[:3], strict=True):
            model.train_on_batch(inputs, targets)
        save(model, folder / f"{name}.h5")
        losses = [model.train_on_batch(i, t)[0] for i, t in zip(x[3:], y[3:], strict=True)]
        uninterrupted[name] = [float(value).hex() for value in losses]
    loaded = json.loads(python(LOAD_AND_STEP, folder, json.dumps(list(uninterrupted))))
    return uninterrupted, loaded


@pytest.mark.parametrize("name", [*OPTIMIZERS, "mse"])
def test_every_loss_after_loading_is_the_uninterrupted_ones(going_on, name):
    uninterrupted, loaded = going_on
    assert len(set(uninterrupted[name])) == 5
    assert loaded[name] == uninterrupted[name]


def test_a_schedule_goes_on_where_it_was(tmp_path):
    import keras

    from mlp_toolkit.storage.loading import load

    rate = keras.optimizers.schedules.CosineDecay(0.01, 10)
    model = build_mlp("regression", n_features=2, optimizer=keras.optimizers.Adam(rate), seed=0)
    x, y = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)
    for _ in range(4):
        model.train_on_batch(x, y)
    save(model, tmp_path / "m.h5")
    expected = 0.01 * 0.5 * (1 + np.cos(np.pi * 4 / 10))
    assert float(load(tmp_path / "m.h5").optimizer.learning_rate) == pytest.approx(expected, rel=1e-5)


def test_saving_twice_keeps_the_optimizer(tmp_path):
    from mlp_toolkit.storage.loading import load

    model = build_mlp("binary", n_features=2, optimizer="nadam", seed=0)
    save(model, tmp_path / "first.h5")
    save(model, tmp_path / "second.h5")
    assert type(load(tmp_path / "second.h5").optimizer).__name__ == "Nadam"
