"""The compiled epoch computes what Keras's own `fit` computes."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mlp_toolkit import epoch
from mlp_toolkit.model import build_mlp
from mlp_toolkit.training import fit

TAUGHT = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "nadam"]


@pytest.fixture(scope="module")
def rows():
    """103 rows: batches of 20, and a last one of 3."""
    random = np.random.default_rng(0)
    x = random.normal(size=(103, 6)).astype(np.float32)
    y = (x[:, :2].sum(axis=1) > 0).astype(np.int64)
    return x, y, random.uniform(0.5, 2, 103).astype(np.float32)


@pytest.fixture(params=["xla", "graph", "steps"])
def engine(request, monkeypatch):
    """Makes `fit` use one engine."""
    monkeypatch.setattr(epoch, "_engines", lambda *_: [] if request.param == "steps" else [request.param])
    return request.param


def difference(one, other):
    return max(np.abs(a.numpy() - b.numpy()).max() for a, b in zip(one.weights, other.weights, strict=True))


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


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_what_can_be_set_does_what_it_does_in_keras(rows, engine, options):
    x, y, weights = rows
    own = options.get("optimizer")
    ours, keras_own = (
        build_mlp(
            "binary", n_features=6, hidden=[8], seed=0, **{**options, "optimizer": own() if callable(own) else own}
        )
        for _ in range(2)
    )
    fit(ours, x, y, epochs=3, batch_size=20, shuffle=False, sample_weight=weights, verbose=0)
    keras_own.fit(x, y[:, None], epochs=3, batch_size=20, shuffle=False, sample_weight=weights, verbose=0)
    # Half precision rounds to 3 or 4 digits, and XLA rounds elsewhere than TensorFlow does.
    assert difference(ours, keras_own) < (2e-2 if "precision" in options else 1e-5)


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


def test_the_history_says_which_engine_trained(rows, engine):
    x, y, _ = rows
    assert fit(build_mlp("binary", n_features=6), x, y, epochs=1, verbose=0).engine == engine


def test_xla_is_taken_where_its_compilation_pays():
    def engines(steps, **options):
        return epoch._engines(build_mlp("binary", n_features=32, **options), [], steps)

    assert engines(100) == ["graph"]
    assert engines(15_000) == ["xla", "graph"]
    assert engines(1_000, hidden=[512] * 3) == ["xla", "graph"]
    assert engines(1_000, hidden=[10]) == ["graph"]


def labelled(rows):
    x, _, own = rows
    y = np.stack([x[:, 0] > 1, x[:, 1] > 0, x[:, 2] > -1], axis=1).astype(np.float32)
    return x, y, own


def log_losses(y, p):
    """Binary cross entropy of each label as Keras counts it, (rows, labels)."""
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def test_weights_of_labels_are_those_of_numpy_by_hand(rows, engine):
    x, y, own = labelled(rows)
    weight_of = {0: 4.0, 1: 1.0, 2: 0.25}
    model = build_mlp("multilabel", n_features=6, n_outputs=3, hidden=[], optimizer={"name": "sgd"}, seed=0)
    kernel, bias = (value.copy() for value in model.get_weights())
    rate = float(model.optimizer.learning_rate)
    history = fit(model, x, y, epochs=1, batch_size=103, class_weight=weight_of, sample_weight=own, verbose=0)
    predicted = 1 / (1 + np.exp(-(x @ kernel + bias)))
    weights = np.where(y == 1, list(weight_of.values()), 1) * own[:, None]
    assert history.history["loss"][0] == pytest.approx((weights * log_losses(y, predicted)).mean(), rel=1e-5)
    slope = weights * (predicted - y) / y.size
    np.testing.assert_allclose(model.get_weights()[0], kernel - rate * x.T @ slope, atol=1e-6)
    np.testing.assert_allclose(model.get_weights()[1], bias - rate * slope.sum(axis=0), atol=1e-6)
    assert "compute_loss" not in vars(model)


def test_keras_weighs_labels_by_the_first_of_each_row(rows):
    """The trap that the toolkit's own weights are for: Keras takes a row of labels for one-hot classes."""
    x, y, _ = labelled(rows)
    model = build_mlp("multilabel", n_features=6, n_outputs=3, hidden=[], optimizer="sgd", seed=0)
    by_label = np.array([4.0, 1.0, 0.25])
    losses = log_losses(y, model.predict(x, verbose=0))
    found = model.fit(x, y, batch_size=103, class_weight=dict(enumerate(by_label)), verbose=0).history["loss"][0]
    assert found == pytest.approx((by_label[y.argmax(axis=1)] * losses.mean(axis=1)).mean(), rel=1e-5)
    assert abs(found - (np.where(y == 1, by_label, 1) * losses).mean()) > 0.05


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_validation_loss_is_told_without_class_weights_and_with_them(rows, engine, task):
    x, y, own = labelled(rows)
    y = y if task == "multilabel" else y[:, :1]
    model = build_mlp(task, n_features=6, n_outputs=y.shape[1], l2=0.01, seed=0)
    rest = slice(40, None)
    history = fit(
        model,
        x[rest],
        y[rest],
        validation_data=(x[:40], y[:40], own[:40]),
        epochs=2,
        batch_size=9,
        class_weight="balanced",
        verbose=0,
    )
    losses = log_losses(y[:40], model.predict(x[:40], verbose=0))
    having = y[rest].mean(axis=0)
    weights = np.where(y[:40] == 1, 0.5 / having, 0.5 / (1 - having))
    penalty = float(sum(model.losses))
    plain, weighted = (own[:40, None] * losses).mean(), (own[:40, None] * weights * losses).mean()
    assert history.history["val_loss"][-1] == pytest.approx(plain + penalty, rel=1e-4)
    assert history.history["val_weighted_loss"][-1] == pytest.approx(weighted + penalty, rel=1e-4)


def test_the_best_epoch_is_the_one_with_the_lowest_weighted_loss(rows):
    x, y, _ = labelled(rows)
    model = build_mlp("binary", n_features=6, optimizer={"name": "adam", "learning_rate": 0.02}, seed=0)
    other = np.random.default_rng(1).permutation(y[:, 1])  # nothing to be learnt: the loss soon rises
    validation = (x[60:], other[60:])
    history = fit(
        model,
        x[:60],
        other[:60],
        validation_data=validation,
        epochs=9,
        class_weight={0: 1, 1: 5},
        verbose=0,
        early_stopping=9,
    )
    weighted, plain = history.history["val_weighted_loss"], history.history["val_loss"]
    assert np.argmin(weighted) != np.argmin(plain), "the test can tell nothing"
    found = log_losses(other[60:], model.predict(x[60:], verbose=0)[:, 0])
    assert (np.where(other[60:] == 1, 5, 1) * found).mean() == pytest.approx(min(weighted), rel=1e-4)
