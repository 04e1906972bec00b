"""The compiled epoch computes what Keras's own `fit` computes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from support import difference

from mlp_toolkit.model.mlp import build_mlp
from mlp_toolkit.storage.loading import load
from mlp_toolkit.storage.saving import save
from mlp_toolkit.training.engine import epoch
from mlp_toolkit.training.fit import fit

TAUGHT = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "nadam"]


@pytest.mark.parametrize("optimizer", TAUGHT)
def test_weights_are_those_of_keras_fit(rows, optimizer, monkeypatch):
    x, y, weights = rows
    monkeypatch.setattr(epoch, "XLA_SECONDS_TO_COMPILE", 0)
    for batch_norm in (False, True):
        ours, keras_own = (
            build_mlp("binary", n_features=6, hidden=[8], optimizer=optimizer, batch_norm=batch_norm, seed=0)
            for _ in range(2)
        )
        by_class = {0: 2.0, 1: 0.5}
        history = fit(
            ours, x, y, epochs=3, batch_size=20, shuffle=False, class_weight=by_class, sample_weight=weights, verbose=0
        )
        both = weights * np.array([2.0, 0.5], np.float32)[y]  # Keras refuses class and sample weights together
        expected = keras_own.fit(x, y[:, None], epochs=3, batch_size=20, shuffle=False, sample_weight=both, verbose=0)
        assert difference(ours, keras_own) < 1e-5
        np.testing.assert_allclose(history.history["loss"], expected.history["loss"], rtol=1e-5)


def test_every_engine_gives_keras_logs_with_validation(rows, engine):
    x, y, _ = rows
    ours, keras_own = (build_mlp("binary", n_features=6, l2=0.01, seed=0) for _ in range(2))
    validation = (x[:30], y[:30])
    history = fit(ours, x, y, epochs=2, batch_size=20, shuffle=False, validation_data=validation, verbose=0)
    expected = keras_own.fit(
        x, y[:, None], epochs=2, batch_size=20, shuffle=False, validation_data=(x[:30], y[:30, None]), verbose=0
    )
    assert set(history.history) == set(expected.history)
    for name, values in expected.history.items():
        np.testing.assert_allclose(history.history[name], values, rtol=1e-5, err_msg=name)


def test_dropout_draws_keras_own_masks(rows):
    x, y, _ = rows
    ours, keras_own = (build_mlp("binary", n_features=6, dropout=0.4, seed=0) for _ in range(2))
    fit(ours, x, y, epochs=2, batch_size=20, shuffle=False, verbose=0)
    keras_own.fit(x, y[:, None], epochs=2, batch_size=20, shuffle=False, verbose=0)
    assert difference(ours, keras_own) == 0


def test_the_engines_agree_on_shuffled_rows(rows, monkeypatch):
    x, y, _ = rows
    trained = []
    for name in ("xla", "graph", "steps"):
        monkeypatch.setattr(epoch, "_engines", lambda *_, name=name: [] if name == "steps" else [name])
        trained.append(build_mlp("binary", n_features=6, seed=0))
        fit(trained[-1], x, y, epochs=3, batch_size=20, seed=5, verbose=0)
    assert difference(trained[0], trained[2]) < 1e-5
    assert difference(trained[1], trained[2]) == 0


def test_callbacks_may_change_the_rate_and_stop(rows, engine):
    x, y, _ = rows
    rates = []

    class Halve(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = self.model.optimizer.learning_rate / 2
            self.model.stop_training = epoch == 2

    history = fit(build_mlp("binary", n_features=6), x, y, epochs=9, callbacks=[Halve()], verbose=0)
    np.testing.assert_allclose(rates, [0.001, 0.0005, 0.00025], rtol=1e-6)
    assert len(history.history["loss"]) == 3


def test_a_callback_that_watches_batches_sees_every_one(rows, caplog):
    x, y, _ = rows
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((batch, logs["loss"]))

    fit(build_mlp("binary", n_features=6), x, y, epochs=2, batch_size=20, callbacks=[Watch()], verbose=0)
    assert [batch for batch, _ in seen] == [0, 1, 2, 3, 4, 5] * 2
    assert "step by step" in caplog.text


def test_what_cannot_be_compiled_is_trained_step_by_step_and_said(rows, caplog):
    x, y, _ = rows

    def through_numpy(true, predicted):
        return keras.ops.mean((true - predicted) ** 2) * float(np.asarray(predicted).shape[1])

    model = build_mlp("binary", n_features=6, seed=0)
    model.compile(optimizer="sgd", loss=through_numpy, run_eagerly=True)
    history = fit(model, x, y, epochs=2, batch_size=50, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]
    assert "step by step" in caplog.text


def test_a_model_that_cannot_be_traced_falls_back_with_the_reason(rows, caplog):
    x, y, _ = rows

    class Own(keras.Model):
        def train_step(self, data):
            raise ValueError("not in a loop")

    inner = build_mlp("binary", n_features=6)
    model = Own(inner.input, inner.output)
    model.compile(optimizer="sgd", loss="binary_crossentropy")
    with pytest.raises(ValueError, match="not in a loop"):
        fit(model, x, y, epochs=1, verbose=0)
    assert "Not compiled (graph): ValueError: " in caplog.text


def test_the_history_says_which_engine_trained(rows, engine):
    x, y, _ = rows
    assert fit(build_mlp("binary", n_features=6), x, y, epochs=1, verbose=0).engine == engine


def test_xla_is_taken_where_its_compilation_pays():
    def engines(steps, **options):
        return epoch._engines(build_mlp("binary", n_features=32, **options), [], steps)

    assert engines(5) == ["graph"]
    assert engines(62) == ["xla", "graph"]  # 2,000 rows
    assert engines(25, hidden=[512] * 3) == ["xla", "graph"]
    assert engines(25, hidden=[10]) == ["graph"]


@pytest.mark.parametrize("n_rows", [450, 1_000, 1_800])
def test_ten_epochs_and_ten_more_are_twenty(n_rows, tmp_path):
    # Compiled one way for few steps and another way for many, they would part in the last digits.
    x = np.random.default_rng(0).normal(size=(n_rows, 30)).astype("float32")
    y = (x[:, 0] > 0).astype("float32")

    def new():
        return build_mlp("binary", n_features=30, hidden=[64, 64], seed=3)

    whole, half = new(), new()
    losses = fit(whole, x, y, epochs=20, shuffle=False, verbose=0).history["loss"]
    first = fit(half, x, y, epochs=10, shuffle=False, verbose=0).history["loss"]
    save(half, tmp_path / "half.h5")
    half = load(tmp_path / "half.h5")
    assert first + fit(half, x, y, epochs=10, shuffle=False, verbose=0).history["loss"] == losses
    assert all(np.array_equal(a, b) for a, b in zip(half.get_weights(), whole.get_weights(), strict=True))


def test_a_test_step_of_ones_own_leaves_the_weighted_loss_beside_what_it_says(rows, engine):
    class Own(keras.Model):
        def test_step(self, data):
            x, y, *_ = data
            return {"loss": keras.ops.mean(keras.ops.square(self(x, training=False) - y)) + 7.0}

    x, y, _ = rows
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    model = Own(inputs, keras.layers.Dense(1, "sigmoid")(inputs))
    model.compile(keras.optimizers.SGD(1e-9), "binary_crossentropy")
    p = model.predict(x, verbose=0)[:, 0]
    history = fit(
        model, x, y, validation_data=(x, y), class_weight={0: 1.0, 1: 3.0}, epochs=2, batch_size=20, verbose=0
    ).history
    weighted = np.where(y == 1, 3, 1) * -np.log(np.where(y == 1, p, 1 - p))
    assert history["val_weighted_loss"] == pytest.approx([weighted.mean()] * 2, rel=1e-4)
    assert history["val_loss"] == pytest.approx([np.mean((p - y) ** 2) + 7] * 2, rel=1e-4)
