"""Every label of a row has its own weight, in the loss and in what is told of the validation rows."""

from __future__ import annotations

import numpy as np
import pytest

from mlp_toolkit.model.mlp import build_mlp
from mlp_toolkit.training.fit import fit


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
