"""What people bring from other estimators: names of arguments, sparse matrices, rows to validate on."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return X, np.where(y == 1, "benign", "malignant")


@pytest.fixture(scope="module")
def fitted(cancer):
    X, y = cancer
    held = {"validation_data": (X[400:], y[400:])}
    return mt.MLPClassifier(epochs=4, hidden=16, learning_rate=0.01, random_state=0).fit(X[:400], y[:400], **held)


def test_one_layer_and_a_learning_rate_by_their_plain_names(fitted):
    layers = fitted.model_.get_layer("mlp").layers
    assert [layer.units for layer in layers if hasattr(layer, "units")] == [16, 1]
    assert float(fitted.model_.optimizer.learning_rate) == pytest.approx(0.01)
    plain = mt.build_mlp("binary", n_features=3, hidden=8, learning_rate=0.05, preset="strong")
    assert [layer.units for layer in plain.layers if hasattr(layer, "units")] == [8, 1]
    assert float(plain.optimizer.learning_rate) == pytest.approx(0.05)


def test_two_learning_rates_are_one_too_many(cancer):
    optimizer = {"name": "sgd", "learning_rate": 0.1}
    with pytest.raises(UserError, match="give one of both"):
        mt.build_mlp("binary", n_features=3, optimizer=optimizer, learning_rate=0.2)
    with pytest.raises(UserError, match="give one of both"):
        mt.MLPClassifier(optimizer=optimizer, learning_rate=0.2).fit(*cancer)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"warm_start": True}, "each fit begins anew"),
        ({"hidden_layer_sizes": (8,)}, "it is called hidden here"),
        ({"solver": "adam"}, "it is called optimizer here"),
        ({"learning_rat": 0.1}, "did you mean 'learning_rate'"),
    ],
)
def test_an_argument_of_another_estimator_is_told_its_name_here(given, words):
    with pytest.raises(TypeError, match=words):
        mt.MLPClassifier(**given)


def test_a_regressor_has_no_alias_of_what_it_lacks():
    with pytest.raises(TypeError, match="no such argument"):
        mt.MLPRegressor(class_weight="balanced")


def test_the_signature_is_the_constructors_own():
    names = list(inspect.signature(mt.MLPClassifier).parameters)
    assert names[:2] == ["preset", "hidden"]
    assert "args" not in names
    assert clone(mt.MLPClassifier(hidden=3)).get_params()["hidden"] == 3


def test_a_search_over_the_inside_of_an_argument_names_the_way(cancer):
    search = GridSearchCV(mt.MLPClassifier(), {"optimizer__learning_rate": [0.1, 0.01]}, cv=2, error_score="raise")
    with pytest.raises(UserError, match="learning_rate is an argument of its own"):
        search.fit(*cancer)


def test_there_is_no_partial_fit_and_the_message_says_what_there_is():
    estimator = mt.MLPRegressor()
    assert not hasattr(estimator, "partial_fit")
    with pytest.raises(AttributeError, match="warm_start"):
        estimator.partial_fit(np.eye(3), [1, 2, 3])


def test_rows_to_validate_on_choose_the_epoch(cancer, fitted):
    X, y = cancer
    assert "validation rows: the 169 given" in fitted.notes_
    ours = fitted.history_["val_loss"][fitted.best_epoch_ - 1]
    chance = fitted.predict_proba(X[400:])[:, 1]
    assert ours == pytest.approx(log_loss(y[400:] == "malignant", chance), rel=1e-4)
    auc = fitted.history_["val_auc"][fitted.best_epoch_ - 1]
    assert auc == pytest.approx(roc_auc_score(y[400:] == "malignant", chance), abs=5e-3)  # by 200 thresholds


def test_rows_to_validate_on_teach_nothing(cancer):
    """Neither weights nor scaling see them: with enormous values among them the network is the same."""
    X, y = cancer
    far = X[400:] * 1e6
    with_near, with_far = (
        mt.MLPClassifier(epochs=1, random_state=0).fit(X[:400], y[:400], validation_data=(held, y[400:]))
        for held in (X[400:], far)
    )
    np.testing.assert_array_equal(with_near.predict_proba(X[:50]), with_far.predict_proba(X[:50]))


def test_validation_rows_weigh_what_they_are_given(cancer):
    X, y = cancer
    weight = np.where(np.arange(169) < 100, 3.0, 1.0)
    held = (X[400:], y[400:], weight)
    estimator = mt.MLPClassifier(epochs=1, random_state=0).fit(X[:400], y[:400], validation_data=held)
    chance = estimator.predict_proba(X[400:])
    single = np.where(y[400:] == "malignant", -np.log(chance[:, 1]), -np.log(chance[:, 0]))
    # Keras's mean: the weighted sum over the number of rows.
    assert estimator.history_["val_loss"][0] == pytest.approx((single * weight).sum() / 169, rel=1e-4)


def test_validation_rows_of_several_numbers():
    rows = np.random.default_rng(0)
    X, y = rows.normal(size=(60, 3)), rows.normal(size=(60, 2))
    estimator = mt.MLPRegressor(epochs=1).fit(X[:40], y[:40], validation_data=(X[40:], y[40:]))
    assert estimator.predict(X).shape == (60, 2)


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (lambda X, y: X, r"a tuple \(X, y\)"),
        (lambda X, y: (X, np.full(len(y), "unsure")), "a class that no row of training has"),
        (lambda X, y: (X[:, :5], y), "5 features"),
        (lambda X, y: (X, y[:-1]), "inconsistent numbers"),
    ],
)
def test_wrong_rows_to_validate_on_are_told(cancer, held, words):
    X, y = cancer
    with pytest.raises(ValueError, match=words):
        mt.MLPClassifier(epochs=1).fit(X[:400], y[:400], validation_data=held(X[400:], y[400:]))
    with pytest.raises(UserError, match="a share to hold out"):
        mt.MLPClassifier(validation_fraction=0.2).fit(X[:400], y[:400], validation_data=(X[400:], y[400:]))


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.coo_array])
def test_sparse_rows_are_those_they_stand_for(cancer, form):
    X, y = cancer
    X = np.where(np.median(X, axis=0) < X, X, 0.0)
    dense, from_sparse = (mt.MLPClassifier(epochs=1, random_state=0).fit(rows, y) for rows in (X, form(X)))
    np.testing.assert_array_equal(dense.predict_proba(X), from_sparse.predict_proba(form(X)))
    assert "X was a sparse matrix of 569 by 30; it is dense now" in from_sparse.notes_


def test_a_sparse_matrix_too_large_to_write_out_is_refused_at_once():
    enormous = sparse.csr_matrix(([1.0], ([5], [7])), shape=(100_000, 100_000))
    with pytest.raises(UserError, match="TruncatedSVD"):
        mt.MLPClassifier().fit(enormous, np.arange(100_000) % 2)


def test_the_decision_function_is_the_log_odds(fitted, cancer):
    X, _ = cancer
    chance = fitted.predict_proba(X)[:, 1]
    np.testing.assert_allclose(1 / (1 + np.exp(-fitted.decision_function(X))), chance, rtol=1e-6)
    X, y = load_iris(return_X_y=True)
    several = mt.MLPClassifier(epochs=1).fit(X, y)
    assert several.decision_function(X).shape == (150, 3)
    np.testing.assert_array_equal(several.classes_[several.decision_function(X).argmax(axis=1)], several.predict(X))


def test_log_odds_are_finite_where_the_network_is_sure():
    X = np.concatenate([np.full((40, 1), -1.0), np.full((40, 1), 1.0)])
    estimator = mt.MLPClassifier(epochs=60, learning_rate=1.0, early_stopping=None, random_state=0)
    sure = estimator.fit(X, np.arange(80) // 40)
    assert np.isfinite(sure.decision_function(X * 1e3)).all()


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "Float64", "bool[pyarrow]", "int64[pyarrow]"])
def test_labels_of_the_newer_types_of_pandas_are_labels(dtype):
    X, y = load_breast_cancer(return_X_y=True)
    chances = [
        mt.MLPClassifier(epochs=1, random_state=0).fit(X, labels).predict_proba(X)
        for labels in (y, pd.Series(y, dtype=dtype))
    ]
    assert np.array_equal(*chances)


def test_sets_and_lists_of_labels_are_told_the_column_each():
    from sklearn.preprocessing import MultiLabelBinarizer

    X = np.random.default_rng(0).normal(size=(60, 3))
    for rows in ([{"spam"}, {"spam", "urgent"}, set()] * 20, [["spam"], ["spam", "urgent"], []] * 20):
        for told in (rows, pd.Series(rows)):
            with pytest.raises(UserError, match=r"of labels in each row\n.*MultiLabelBinarizer"):
                mt.MLPClassifier(epochs=1).fit(X, told)
        columns = MultiLabelBinarizer().fit_transform(rows)
        assert mt.MLPClassifier(epochs=1).fit(X, columns).predict(X).shape == (60, 2)
