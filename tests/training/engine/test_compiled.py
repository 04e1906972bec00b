"""Whatever can be set of optimizers, schedules and models is in the compiled loop what it is in Keras."""

from __future__ import annotations

from functools import cache

import keras
import numpy as np
import pytest
from support import difference

from mlp_toolkit.model.mlp import build_mlp
from mlp_toolkit.training.engine import epoch
from mlp_toolkit.training.fit import fit


def test_averaged_weights_take_their_place_at_the_end(rows):
    x, y, _ = rows
    optimizer = {"name": "adam", "use_ema": True, "ema_momentum": 0.9}
    ours, keras_own = (build_mlp("binary", n_features=6, optimizer=optimizer, seed=0) for _ in range(2))
    fit(ours, x, y, epochs=2, batch_size=20, shuffle=False, verbose=0)
    keras_own.fit(x, y[:, None], epochs=2, batch_size=20, shuffle=False, verbose=0)
    assert difference(ours, keras_own) == 0


OPTIONS = {
    "clipped by norm": {"optimizer": {"name": "sgd", "learning_rate": 0.5, "clipnorm": 0.1}},
    "clipped by value": {"optimizer": {"name": "adam", "clipvalue": 0.01}},
    "clipped as a whole": {"optimizer": {"name": "sgd", "learning_rate": 0.5, "global_clipnorm": 0.1}},
    "accumulated": {"optimizer": lambda: keras.optimizers.Adam(gradient_accumulation_steps=2)},
    "decayed": {"optimizer": {"name": "adamw", "weight_decay": 0.1}},
    "averaged": {"optimizer": lambda: keras.optimizers.Adam(use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=4)},
    "penalty": {"l2": 0.1},
    "bfloat16": {"precision": "mixed_bfloat16"},
    "float16": {"precision": "mixed_float16"},
}


def built(name):
    options = dict(OPTIONS[name])
    if callable(options.get("optimizer")):
        options["optimizer"] = options["optimizer"]()
    return build_mlp("binary", n_features=6, hidden=[8], seed=0, **options)


@pytest.fixture(scope="module")
def by_keras(rows):
    """Trains the model of some options by Keras, once for all engines."""
    x, y, weights = rows

    @cache
    def trained(name):
        model = built(name)
        model.fit(x, y[:, None], epochs=3, batch_size=20, shuffle=False, sample_weight=weights, verbose=0)
        return model

    return trained


@pytest.mark.parametrize("name", OPTIONS)
def test_what_can_be_set_does_what_it_does_in_keras(rows, engine, by_keras, name):
    x, y, weights = rows
    ours = built(name)
    fit(ours, x, y, epochs=3, batch_size=20, shuffle=False, sample_weight=weights, verbose=0)
    # Half precision rounds to 3 or 4 digits, and XLA rounds elsewhere than TensorFlow does.
    assert difference(ours, by_keras(name)) < (2e-2 if "precision" in OPTIONS[name] else 1e-5)


def test_a_schedule_goes_on_step_by_step(rows, engine):
    x, y, _ = rows
    ours, keras_own = (
        build_mlp(
            "binary",
            n_features=6,
            seed=0,
            optimizer=keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.5, 3, 0.5)),
        )
        for _ in range(2)
    )
    fit(ours, x, y, epochs=2, batch_size=20, shuffle=False, verbose=0)
    keras_own.fit(x, y[:, None], epochs=2, batch_size=20, shuffle=False, verbose=0)
    assert difference(ours, keras_own) < 1e-5
    assert float(ours.optimizer.learning_rate) == pytest.approx(float(keras_own.optimizer.learning_rate))


def test_a_model_of_ones_own_with_several_metrics_and_a_loss_object(rows, engine):
    x, y, _ = rows
    trained = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((6,))
        hidden = keras.layers.Dense(5, activation="tanh", kernel_regularizer="l1")(inputs)
        model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.LayerNormalization()(hidden)))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("rmsprop", loss, metrics=["accuracy"], weighted_metrics=["accuracy"])
        trained.append(model)
    history = fit(trained[0], x, y, epochs=2, batch_size=20, shuffle=False, verbose=0)
    expected = trained[1].fit(x, y, epochs=2, batch_size=20, shuffle=False, verbose=0)
    assert difference(*trained) < 1e-5
    assert set(history.history) == set(expected.history)


def test_dropout_under_xla_drops_its_share_and_repeats_itself(rows, monkeypatch):
    monkeypatch.setattr(epoch, "_engines", lambda *_: ["xla"])
    x = np.ones((400, 50), np.float32)
    trained = []
    for _ in range(2):
        inputs = keras.Input((50,))
        dropped = keras.layers.Dropout(0.3, seed=7)(inputs)
        model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(dropped))
        # The gradient of the sum of outputs is the sum of inputs that were not dropped, each divided by the share kept.
        model.compile(keras.optimizers.SGD(1.0), loss=lambda true, predicted: predicted)
        fit(model, x, np.zeros(400), epochs=1, batch_size=100, shuffle=False, verbose=0)
        trained.append(model.get_weights()[0])
    np.testing.assert_array_equal(*trained)
    kept = -trained[0] / 4 * 0.7  # four steps, each of the mean over 100 rows
    assert abs(kept.mean() - 0.7) < 0.01
    assert 0.01 < kept.std() < 0.05  # of 400 draws each: 0.023
