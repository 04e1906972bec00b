"""The perceptron against its algorithm worked by hand, scikit-learn's, and Novikoff's theorem."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import linear_model
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import mlp_toolkit as mt
from mlp_toolkit.estimators.perceptron import Perceptron

SQUARE = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
AND, XOR = np.array([-1, -1, -1, 1]), np.array([-1, 1, 1, -1])
# AND by hand, α = 1, rows in their order: w₁, w₂ and b after each move, from zero.
AND_BY_HAND = [
    [[0, 0, -1], [1, 1, 0]],  # pass 1: (0, 0) gives 0; (1, 1) gives −1
    [[1, 1, -1], [1, 0, -2], [2, 1, -1]],  # pass 2: (0, 0) gives 0; (0, 1) gives 0; (1, 1) gives −1
    [[2, 0, -2], [1, 0, -3], [2, 1, -2]],  # pass 3: (0, 1) gives 0; (1, 0) gives 0; (1, 1) gives −2
    [[1, 1, -3], [2, 2, -2]],  # pass 4: (1, 0) gives 0; (1, 1) gives −1
    [[2, 1, -3], [3, 2, -2]],  # pass 5: (0, 1) gives 0; (1, 1) gives 0
    [[3, 1, -3], [2, 1, -4], [3, 2, -3]],  # pass 6: (0, 1) gives 0; (1, 0) gives 0; (1, 1) gives −1
    [[2, 2, -4], [3, 3, -3]],  # pass 7: (1, 0) gives 0; (1, 1) gives 0
    [[3, 2, -4]],  # pass 8: (0, 1) gives 0
    [],  # pass 9: −4, −2, −1 and +1
]


@parametrize_with_checks([Perceptron()])
def test_scikit_learn_may_use_it_as_any_classifier(estimator, check):
    check(estimator)


def test_and_moves_as_worked_by_hand():
    model = Perceptron().fit(SQUARE, AND)
    assert model.path_.tolist() == [[0, 0, 0], *(move for one_pass in AND_BY_HAND for move in one_pass)]
    assert model.errors_per_pass_ == [len(one_pass) for one_pass in AND_BY_HAND]
    assert model.converged_
    assert model.predict(SQUARE).tolist() == AND.tolist()
    stopped = Perceptron(passes=8).fit(SQUARE, AND)
    np.testing.assert_array_equal(stopped.path_, model.path_)
    assert not stopped.converged_  # its last pass met a mistake; that it was the last one it cannot know


def separable(seed, rows=60, columns=2, gap=0.1):
    """Rows on both sides of a plane near the origin, none nearer than about the gap, and the plane."""
    random = np.random.default_rng(seed)
    direction = random.normal(size=columns + 1)
    direction[-1] = 0.3 * np.linalg.norm(direction[:-1])
    direction /= np.linalg.norm(direction)
    X = random.normal(size=(20 * rows, columns))
    distance = X @ direction[:-1] + direction[-1]
    X, distance = X[abs(distance) > gap][:rows], distance[abs(distance) > gap][:rows]
    y = np.where(distance > 0, 1, -1)
    return X, y, direction


def by_definition(X, y, rate, passes):
    """The algorithm again, with the bias as the weight of an input that is always 1."""
    rows = np.hstack([X, np.ones((len(X), 1))])
    w, moves, mistakes = np.zeros(rows.shape[1]), 0, []
    for _ in range(passes):
        wrong = 0
        for row, label in zip(rows, y, strict=True):
            if np.sign(row @ w) != label:
                w, wrong = w + rate * label * row, wrong + 1
        mistakes.append(wrong)
        moves += wrong
        if wrong == 0:
            break
    return w, moves, mistakes


@pytest.mark.parametrize("seed", range(8))
def test_the_algorithm_is_the_one_defined(seed):
    X, y, _ = separable(seed, columns=2 + seed % 3)
    model = Perceptron(passes=1000, learning_rate=0.25).fit(X, y)
    w, moves, mistakes = by_definition(X, y, 0.25, 1000)
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_), w)
    np.testing.assert_array_equal(model.path_[-1], np.append(model.coef_, model.intercept_))
    assert model.errors_per_pass_ == mistakes
    assert len(model.path_) == moves + 1 == sum(mistakes) + 1
    assert model.converged_
    assert model.n_iter_ == len(mistakes)
    assert model.score(X, y) == 1


@given(seed=st.integers(0, 2**32 - 1), columns=st.integers(1, 5), gap=st.floats(0.05, 0.5), shuffle=st.booleans())
def test_it_never_moves_more_often_than_novikoff_allows(seed, columns, gap, shuffle):
    X, y, direction = separable(seed, 40, columns, gap)
    rows = np.hstack([X, np.ones((len(X), 1))])
    margin = (y * (rows @ direction)).min()
    bound = (np.linalg.norm(rows, axis=1).max() / margin) ** 2
    model = Perceptron(passes=int(bound) + 2, shuffle=shuffle, random_state=seed).fit(X, y)
    assert model.converged_
    assert len(model.path_) - 1 <= bound


@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_finds_the_same_line(seed):
    X, y, _ = separable(seed, columns=3)
    model = Perceptron(passes=500).fit(X, y)
    theirs = linear_model.Perceptron(shuffle=False, tol=None, max_iter=500).fit(X, y)
    np.testing.assert_allclose(model.coef_, theirs.coef_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.intercept_, theirs.intercept_, rtol=1e-9, atol=1e-12)


def test_the_learning_rate_scales_the_weights_alone():
    X, y, _ = separable(3)
    one, other = (Perceptron(learning_rate=rate, passes=1000).fit(X, y) for rate in (1, 2**-6))
    np.testing.assert_array_equal(one.path_ * 2**-6, other.path_)
    assert one.errors_per_pass_ == other.errors_per_pass_


@pytest.mark.parametrize("shuffle", [False, True])
def test_xor_never_comes_to_rest(shuffle):
    model = Perceptron(passes=500, shuffle=shuffle).fit(SQUARE, XOR)
    assert not model.converged_
    assert min(model.errors_per_pass_) > 0
    assert model.n_iter_ == 500
    assert model.score(SQUARE, XOR) < 1


def test_a_seed_repeats_the_order_of_rows():
    X, y, _ = separable(1)
    paths = [Perceptron(shuffle=True, random_state=seed, passes=1000).fit(X, y).path_ for seed in (4, 4, 5)]
    np.testing.assert_array_equal(paths[0], paths[1])
    assert paths[0].shape != paths[2].shape or (paths[0] != paths[2]).any()


def test_labels_of_any_kind_come_back_and_the_second_lies_above():
    words = np.where(AND > 0, "yes", "no")
    model = Perceptron().fit(SQUARE, words)
    assert model.classes_.tolist() == ["no", "yes"]
    assert model.predict(SQUARE).tolist() == words.tolist()
    sums = SQUARE @ model.coef_[0] + model.intercept_[0]
    np.testing.assert_array_equal(model.decision_function(SQUARE), sums)
    assert ((sums > 0) == (words == "yes")).all()
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        *(({"learning_rate": wrong}, "learning_rate") for wrong in (0, -1, np.nan, np.inf, "1", None, True)),
        *(({"passes": wrong}, "passes") for wrong in (0, -3, 1.5, "9", None, True)),
    ],
)
def test_a_wrong_argument_is_named(arguments, place):
    with pytest.raises(mt.UserError, match=rf"^Perceptron: {place}: a .*number"):
        Perceptron(**arguments).fit(SQUARE, AND)


def test_two_classes_are_needed():
    with pytest.raises(mt.UserError, match="one class only"):
        Perceptron().fit(SQUARE, [1, 1, 1, 1])
    with pytest.raises(mt.UserError, match=r"3 classes(.|\n)*MLPClassifier"):
        Perceptron().fit(SQUARE, [0, 1, 2, 2])
