"""Class weights and sample weights become the weight of each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from mlp_toolkit.data.weights import check_sample_weight, class_weights, count_classes, row_weights
from mlp_toolkit.errors import UserError

Y = np.array([0, 0, 0, 1, 1, 2])
LABELS = np.array([[1, 0], [1, 0], [0, 0], [1, 1]], np.float32)


def weigh(y: np.ndarray, classes: list[Any], class_weight: Any, own: np.ndarray | None) -> np.ndarray | None:
    counts = count_classes(y, len(classes))
    return row_weights(y, class_weights(counts, classes, class_weight), own)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    weights = weigh(Y, [0, 1, 2], "balanced", None)
    assert weights is not None
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", Y), rtol=1e-6)


def test_class_and_sample_weights_multiply() -> None:
    weights = weigh(Y, ["a", "b", "c"], {"a": 1, "b": 2, "c": 4}, np.array([1, 0, 3, 1, 0.5, 1]))
    assert weights is not None
    assert weights.tolist() == [1, 0, 3, 2, 1, 4]


def test_the_users_sample_weights_are_left_alone() -> None:
    own = np.ones(6, np.float32)
    weigh(Y, [0, 1, 2], {0: 2.0, 1: 2.0, 2: 2.0}, own)
    assert own.tolist() == [1.0] * 6


def test_without_weights_there_are_none() -> None:
    assert weigh(Y, [0, 1, 2], None, None) is None
    assert check_sample_weight(None, 6) is None


@pytest.mark.parametrize(
    "class_weight",
    [
        "balance",
        5,
        [1, 2, 3],
        {0: 1, 1: 1},
        {0: 1, 1: 1, 2: 1, 3: 1},
        {"0": 1, "1": 1, "2": 1},
        {0: 1, 1: 1, 2: -1},
        {0: 1, 1: 1, 2: float("nan")},
        {0: 0, 1: 0, 2: 0},
        {0: 1, 1: 1, 2: "heavy"},
        {0: 1, 1: 1, 2: None},
    ],
    ids=str,
)
def test_class_weights_that_do_not_fit_are_refused(class_weight: Any) -> None:
    with pytest.raises(UserError, match="class"):
        weigh(Y, [0, 1, 2], class_weight, None)


def test_a_class_without_rows_has_no_balanced_weight() -> None:
    with pytest.raises(UserError, match="'c'"):
        weigh(np.array([0, 1]), ["a", "b", "c"], "balanced", None)


def test_weights_that_cancel_each_other_out_are_refused() -> None:
    with pytest.raises(UserError, match="0 for every row"):
        weigh(np.array([0, 1]), [0, 1], {0: 0, 1: 1}, np.array([1, 0]))


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_sample_weights_may_be_a_column(shape: tuple[int, ...]) -> None:
    weights = check_sample_weight(np.arange(6).reshape(shape), 6)
    assert weights is not None
    assert weights.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.ones(5), r"\(5,\)"),
        (np.ones((2, 3)), r"\(2, 3\)"),
        ([1, 1, 1, -1, 1, 1], "row 3"),
        ([1, np.nan, 1, 1, 1, 1], "row 1"),
        (np.zeros(6), "all sample weights are zero"),
        (["a"] * 6, "one number"),
        ([None] * 6, "row 0"),
    ],
)
def test_sample_weights_that_do_not_fit_are_refused(weights: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_sample_weight(weights, 6)


def test_the_weight_of_a_label_is_that_of_the_rows_that_have_it() -> None:
    weights = weigh(LABELS, ["a", "b"], {"a": 3, "b": 5}, np.array([1, 2, 1, 1]))
    assert weights is not None
    assert weights.tolist() == [[3, 1], [6, 2], [1, 1], [3, 5]]


def test_balanced_labels_are_balanced_one_by_one() -> None:
    weights = weigh(LABELS, ["a", "b"], "balanced", None)
    assert weights is not None
    for label in range(2):
        np.testing.assert_allclose(weights[:, label], compute_sample_weight("balanced", LABELS[:, label]), rtol=1e-6)


def test_a_label_that_no_training_row_has_is_named() -> None:
    with pytest.raises(UserError, match=r"the value 1 of the label 'b'"):
        weigh(LABELS * [1, 0], ["a", "b"], "balanced", None)


def test_a_class_without_training_rows_is_named_whatever_weight_it_is_given() -> None:
    with pytest.raises(UserError, match="'c'"):
        weigh(np.array([0, 1]), ["a", "b", "c"], {"a": 1, "b": 1, "c": 9}, None)
