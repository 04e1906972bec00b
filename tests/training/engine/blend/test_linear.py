"""The linear model of a blend, beside scikit-learn's and what a penalty asks for by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.preprocessing import StandardScaler

from mlp_toolkit.model.members.fitting import fit_to_rows
from mlp_toolkit.model.members.network import realmlp
from mlp_toolkit.training.engine.blend.keeping import best_linear
from mlp_toolkit.training.engine.blend.linear import PENALTIES, RATES, logistic, ridge


def test_of_numbers_it_is_a_ridge_regression_and_has_not_learnt_what_it_is_asked():
    random = np.random.default_rng(0)
    x = random.normal(3, 5, size=(90, 4)).astype("float32")
    x[:, 3] = 7  # says nothing
    y = (x[:, :1] - 0.2 * x[:, 1:2] + random.normal(size=(90, 1))).astype("float32")
    weights, fold = random.uniform(0.5, 2, 90), np.arange(90) % 3
    found = ridge(x, y, weights, fold)
    scaler = StandardScaler().fit(x)
    whole = RidgeCV(RATES).fit(scaler.transform(x), y, sample_weight=weights)
    expected = whole.predict(scaler.transform(x)).reshape(-1, 1)
    np.testing.assert_allclose(x @ found.kernel + found.bias, expected, atol=1e-3)
    for number in range(3):
        learnt, held = fold != number, fold == number
        scaler = StandardScaler().fit(x[learnt])
        part = RidgeCV(RATES).fit(scaler.transform(x[learnt]), y[learnt], sample_weight=weights[learnt])
        said = np.clip(part.predict(scaler.transform(x[held])).reshape(-1, 1), y.min(), y.max())
        np.testing.assert_allclose(found.out_of_fold[held], said, atol=1e-3)
    assert found.loss == pytest.approx(mean_squared_error(y, found.out_of_fold, sample_weight=weights))


@pytest.fixture(scope="module")
def rows():
    """x, weights that are not of mean 1, folds, and a class of three for each row."""
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 5)).astype("float32")
    weights, fold = random.uniform(1, 9, 300).astype("float32"), np.arange(300) % 4
    classes = (0.3 * x @ random.normal(size=(5, 3)) + random.gumbel(size=(300, 3))).argmax(axis=1)
    return x, weights, fold, classes


def test_of_classes_it_is_the_logistic_regression_of_least_loss_outside_the_folds(rows):
    x, weights, fold, classes = rows
    found = logistic(x, np.eye(3)[classes], weights, fold, softmax=True)
    by = weights / weights.mean()
    told = {}
    for penalty in PENALTIES:
        told[penalty] = np.zeros((300, 3))
        for number in range(4):
            learnt, held = fold != number, fold == number
            model = LogisticRegression(C=1 / penalty, tol=1e-6)
            model.fit(x[learnt].astype(float), classes[learnt], sample_weight=by[learnt])
            told[penalty][held] = model.predict_proba(x[held].astype(float))
    best = min(PENALTIES, key=lambda penalty: log_loss(classes, told[penalty], sample_weight=by))
    assert best not in (PENALTIES[0], PENALTIES[-1]), "the rows are such that neither end is best"
    np.testing.assert_allclose(found.out_of_fold, told[best], atol=0.01)
    known, p = np.eye(3)[classes], found.out_of_fold
    by_class = [log_loss(own, said, sample_weight=by) for own, said in zip(known.T, p.T, strict=True)]
    assert found.loss == pytest.approx(sum(by_class), rel=1e-4)
    model = LogisticRegression(C=1 / best, tol=1e-6).fit(x.astype(float), classes, sample_weight=by)
    np.testing.assert_allclose(softmax(x @ found.kernel + found.bias, axis=1), model.predict_proba(x), atol=0.01)


def test_each_label_has_its_own_weights_and_a_flat_penalised_loss(rows):
    x, weights, fold, classes = rows
    y = np.stack([classes == 0, classes != 1], axis=1).astype(float)
    by = np.stack([weights, weights[::-1]], axis=1)
    found = logistic(x, y, by, fold, softmax=False)
    wrong = by / by.mean() * (expit(x @ found.kernel + found.bias) - y)
    slopes = [np.abs(x.T @ wrong + penalty * found.kernel).max() / len(x) for penalty in PENALTIES]
    assert min(slopes) < 2e-3
    assert sorted(slopes)[1] > 0.01
    assert np.abs(wrong.mean(axis=0)).max() < 2e-3, "the bias has no penalty"


def test_a_class_that_was_not_learnt_is_not_said(rows):
    x, weights, fold, classes = rows
    for several in (True, False):
        y = np.eye(4)[np.where(fold == 1, 3, classes)] if several else (fold == 1).astype(float)[:, None]
        found = logistic(x, y, weights, fold, softmax=several)
        assert found.out_of_fold[fold == 1, -1].max() < 1e-3
        assert np.isfinite(found.kernel).all()


def test_what_has_no_weight_counts_for_nothing(rows):
    x, weights, fold, classes = rows
    kept = classes != 2
    y = (classes == 0).astype(float)[:, None]
    found = logistic(x, y, weights * kept, fold, softmax=False)
    # The mean weight, by which a penalty is measured, is that of all rows.
    own = logistic(x[kept], y[kept], weights[kept], fold[kept], softmax=False)
    a, b = (x @ own.kernel[:, 0] for own in (found, own))
    assert np.corrcoef(a, b)[0, 1] > 0.999


def test_a_table_that_is_too_large_has_no_linear_model():
    x = np.zeros((2, 1_001), "float32")
    assert ridge(x, x[:, :1], np.ones(2), np.zeros(2, int)) is None
    x, y = np.broadcast_to(np.float32(0), (10_001, 1_000)), np.broadcast_to(0.0, (10_001, 2))
    assert logistic(x, y, np.ones(10_001), np.zeros(10_001, int), softmax=False) is None


def test_columns_are_taken_as_they_are_or_as_the_network_scales_them():
    random = np.random.default_rng(0)
    x = np.sinh(random.normal(0, 3, size=(300, 1))).astype("float32")
    settings = {"columns": None, "hidden": [4], "activation": "mish", "output": "linear", "dropout": 0, "steps": None}
    network = realmlp(1, 1, 1, bounds=([-1e9], [1e9]), **settings)
    fit_to_rows(network, x, seed=0)
    weights, fold, noise = np.ones(300), np.arange(300) % 3, random.normal(size=(300, 1))
    straight = best_linear(network, x, 2 * x + noise, weights, fold, task="regression")
    bent = best_linear(network, x, 5 * np.arcsinh(x) + noise, weights, fold, task="regression")
    assert (straight.scaled, bent.scaled) == (False, True)
    network = realmlp(1, 1, 1, **settings)  # of no bounds
    assert best_linear(network, x, x, weights, fold, task="regression") is None
