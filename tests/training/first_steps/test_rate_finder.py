"""The learning-rate finder."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import mlp_toolkit as mt
from mlp_toolkit.model.backend import keras
from mlp_toolkit.training.first_steps import rate_finder


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype(np.float32), y


def network(**options):
    return mt.build_mlp("multiclass", n_features=64, n_outputs=10, seed=0, **options)


def test_the_model_stays_as_it_is(digits):
    model = network(dropout=0.2)
    mt.fit(model, *digits, epochs=1, verbose=0)
    before = [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]
    mt.find_learning_rate(model, *digits)
    for variable, value in zip((*model.variables, *model.optimizer.variables), before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_the_suggestion_is_below_where_gradient_descent_breaks():
    """Gradient descent on a square error diverges from the rate 2 over the greatest curvature on."""
    random = np.random.default_rng(0)
    x = random.normal(size=(256, 5)).astype(np.float32) * [1, 1, 1, 1, 6]
    y = x @ np.arange(1.0, 6) + random.normal(0, 0.1, 256)
    model = mt.build_mlp("regression", n_features=5, hidden=[], optimizer="sgd", seed=0)
    found = mt.find_learning_rate(model, x, y, batch_size=256)
    breaks = 2 / np.linalg.eigvalsh(2 * x.T @ x / 256).max()
    assert breaks / 100 < found.suggestion < breaks
    assert breaks < found.rates[-1] < 100 * breaks  # there the search ended


@pytest.mark.parametrize(
    "optimizer", ["adam", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sgd", "rmsprop"))]
)
def test_a_few_epochs_at_the_suggestion_are_better_than_at_rates_far_from_it(digits, optimizer):
    def loss(rate):
        model = network(optimizer={"name": optimizer, "learning_rate": rate})
        return mt.fit(model, *digits, epochs=3, verbose=0).history["loss"][-1]

    rate = mt.find_learning_rate(network(optimizer=optimizer), *digits).suggestion
    assert loss(rate) < loss(rate / 50)
    assert not loss(rate) > loss(min(10.0, rate * 100))  # which may be NaN


def test_the_same_rows_give_the_same_suggestion_with_weights_and_labels(digits):
    x, y = digits
    labels = np.stack([y > 4, y % 2], axis=1).astype(int)
    model = mt.build_mlp("multilabel", n_features=64, n_outputs=2, seed=0)
    one, other = (mt.find_learning_rate(model, x, labels, class_weight="balanced") for _ in range(2))
    np.testing.assert_array_equal(one.losses, other.losses)


def test_the_picture_is_shown_in_a_notebook(digits):
    png = mt.find_learning_rate(network(), *digits)._repr_png_()
    assert png.startswith(b"\x89PNG")


def test_a_schedule_is_refused(digits):
    model = network()
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 10)), model.loss)
    with pytest.raises(mt.UserError, match="schedule"):
        mt.find_learning_rate(model, *digits)


def test_a_loss_that_never_falls_gets_no_suggestion():
    rates = np.geomspace(1e-6, 10, 200)
    with pytest.raises(mt.UserError, match="falls at no rate"):
        rate_finder._judged(rates, np.linspace(1, 2, 200))


def test_the_command_suggests_a_rate_and_draws_it(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("lr-find", "iris", "-o", "train.schedule=cosine")
    assert code == 0
    assert out.startswith("suggested: -o train.optimizer.learning_rate=")
    assert 1e-4 < float(out.split("=")[1].split()[0]) < 1
    with Image.open(tmp_path / "iris-lr.png") as picture:
        assert picture.size[0] > 600
    assert call("lr-find", "iris", "-O", "rate.jpg")[0] == 2
    assert call("lr-find", "iris", "-O", "nowhere/rate.png")[0] == 2
