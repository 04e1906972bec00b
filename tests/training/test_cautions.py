"""What `fit` warns of before and after training, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import mlp_toolkit as mt

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 3)).astype("float32")
Y = (X[:, 0] > 0).astype(int)
LAYERS = keras.layers


def network(optimizer: Any = "adam", **options: Any) -> Any:
    return mt.build_mlp("binary", n_features=3, hidden=[8], seed=0, optimizer=optimizer, **options)


def warned(caplog: pytest.LogCaptureFixture, model: Any, **options: Any) -> str:
    mt.fit(model, X, Y, **{"epochs": 1, "verbose": 0, **options})
    return caplog.text


def test_a_usual_training_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert warned(caplog, network()) == ""


def test_the_usual_batch_is_left_alone_where_there_are_fewer_rows(caplog: pytest.LogCaptureFixture) -> None:
    mt.fit(network(), X[:20], Y[:20], epochs=1, batch_size=32, verbose=0)
    assert caplog.text == ""


def test_rates_that_change_are_not_judged_by_their_first_value(caplog: pytest.LogCaptureFixture) -> None:
    rising = keras.optimizers.schedules.CosineDecay(0.0, 10, warmup_target=0.01, warmup_steps=5)
    assert warned(caplog, network(keras.optimizers.Adam(rising))) == ""
    set_later = keras.callbacks.LearningRateScheduler(lambda epoch: 0.01)
    assert warned(caplog, network(keras.optimizers.SGD(0.0)), callbacks=[set_later]) == ""


def test_a_callback_behind_one_of_the_users_own_may_watch_what_that_reports() -> None:
    class Report(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["own"] = -epoch

    stop = keras.callbacks.EarlyStopping("own", mode="max", patience=1)
    assert len(mt.fit(network(), X, Y, epochs=9, callbacks=[Report(), stop], verbose=0).history["loss"]) < 9
    with pytest.raises(mt.UserError, match="watches own"):
        mt.fit(network(), X, Y, callbacks=[keras.callbacks.EarlyStopping("own", mode="max")], verbose=0)


def test_a_checkpoint_of_every_epoch_watches_nothing(tmp_path: Any) -> None:
    every = keras.callbacks.ModelCheckpoint(tmp_path / "last.keras")
    mt.fit(network(), X, Y, epochs=1, callbacks=[every], verbose=0)
    assert (tmp_path / "last.keras").is_file()


def test_the_cause_of_a_loss_that_is_not_finite_goes_by_what_is_farthest_from_usual(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = keras.Sequential([keras.Input((3,)), LAYERS.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    mt.fit(model, X * 1e9, X[:, 0], epochs=9, verbose=0)
    assert caplog.text.index("features are not scaled") < caplog.text.index("learning rate 0.5 is 50 times")


def relu_layers(kind: str) -> list[Any]:
    return {
        "activation": [LAYERS.Dense(6, "relu", name="watched")],
        "layer": [LAYERS.Dense(6), LAYERS.ReLU(name="watched")],
        "Activation": [LAYERS.Dense(6), LAYERS.Activation("relu", name="watched")],
        "convolution": [
            LAYERS.Reshape((3, 1)),
            LAYERS.Conv1D(6, 2, activation="relu", name="watched"),
            LAYERS.Flatten(),
        ],
        "leaky": [LAYERS.Dense(6), LAYERS.LeakyReLU()],
        "elu": [LAYERS.Dense(6, "elu")],
    }[kind]


@pytest.mark.parametrize("kind", ["activation", "layer", "Activation", "convolution", "leaky", "elu"])
@pytest.mark.parametrize("dead", [1, 2])
def test_a_third_of_dead_neurons_is_warned_of(caplog: pytest.LogCaptureFixture, kind: str, dead: int) -> None:
    model = keras.Sequential([keras.Input((3,)), *relu_layers(kind), LAYERS.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    layer = next(layer for layer in model.layers if layer.weights)
    kernel, _ = layer.get_weights()
    layer.set_weights([kernel, np.where(np.arange(6) < dead, -100.0, 10.0)])
    text = warned(caplog, model)
    if dead == 2 and kind not in ("leaky", "elu"):
        assert "watched: 2 of 6 relu neurons (33 %)" in text
    else:
        assert text == ""


def test_a_layer_that_another_graph_called_first_is_no_obstacle(caplog: pytest.LogCaptureFixture) -> None:
    shared = LAYERS.Dense(6, "relu")
    shared(keras.Input((3,)))
    inputs = keras.Input((3,))
    model = keras.Model(inputs, LAYERS.Dense(1, "sigmoid")(shared(inputs)))
    model.compile("sgd", "binary_crossentropy")
    assert warned(caplog, model) == ""
