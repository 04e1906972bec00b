"""Arrays are checked before training, and a message names the first row that does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlp_toolkit.data.arrays import Output, check_aligned, check_same_order, features_array, targets_array
from mlp_toolkit.errors import UserError

VALUE = Output((1,), "linear", "mean_squared_error")
YES_NO = Output((1,), "sigmoid", "binary_crossentropy", 0, 1)
CLASSES = Output((3,), "softmax", "sparse_categorical_crossentropy", 0, 1)
ONE_HOT = Output((3,), "softmax", "categorical_crossentropy", 0, 1)


@pytest.mark.parametrize(
    "given",
    [
        [[1, 2], [3, 4]],
        np.array([[1, 2], [3, 4]], np.int64),
        pd.DataFrame({"a": [1, 3], "b": [2.0, 4.0]}),
        pd.DataFrame({"a": pd.array([1, 3], "Int64"), "b": [2, 4]}),
        np.array([[1, 2], [3, 4]], object),
    ],
    ids=["lists", "integers", "a data frame", "nullable integers", "objects that are numbers"],
)
def test_features_of_many_kinds_become_float32(given: Any) -> None:
    array = features_array(given, (2,))
    assert array.dtype == np.float32
    assert array.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_truth_values_count_as_0_and_1() -> None:
    assert features_array(np.array([[True, False]]), (2,)).tolist() == [[1.0, 0.0]]


def test_features_come_from_a_parquet_file(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]}).to_parquet(tmp_path / "x.parquet")
    pd.DataFrame({"y": [0, 1]}).to_parquet(tmp_path / "y.parquet")
    assert features_array(tmp_path / "x.parquet", (2,)).tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert targets_array(str(tmp_path / "y.parquet"), 2, YES_NO).tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize(("given", "shape"), [((5,), (1,)), ((5, 8, 8), (8, 8, 1)), ((5, 8, 8, 1), (8, 8, 1))])
def test_a_last_dimension_of_one_may_be_missing(given: tuple[int, ...], shape: tuple[int, ...]) -> None:
    assert features_array(np.zeros(given), shape).shape == (5, *shape)


def test_a_network_that_does_not_say_what_it_takes_gets_any_shape() -> None:
    assert features_array(np.zeros((5, 7, 2)), None).shape == (5, 7, 2)
    assert features_array(np.zeros((5, 7, 2)), (None, 2)).shape == (5, 7, 2)


def test_whole_numbers_stay_whole_for_a_network_that_takes_them() -> None:
    large = np.array([[2**24 + 1]])
    assert features_array(large, (1,), whole_numbers=True)[0, 0] == 2**24 + 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((4, 3)), ["(4, 3)", "(rows, 2)"]),
        (np.zeros((0, 2)), ["no rows"]),
        ([[1, 2], [3]], ["different lengths"]),
        (7, ["not an array"]),
        (None, ["not an array"]),
        (np.array([["a", "b"]]), ["'a'", "numbers only"]),
        (np.zeros((2, 2), complex), ["complex"]),
        (np.array([[1, 2], [3, np.nan]]), ["NaN", "column number 1", "row 1"]),
        (np.array([[1, 2], [1e300, 2]]), ["too large", "column number 0", "row 1"]),
        (pd.DataFrame({"a": [1, 2], "b": [1.0, np.nan]}), ["'b'", "row 1"]),
        (pd.DataFrame({"a": [1, 2], "city": ["x", "y"]}), ["city", "do not hold numbers"]),
        (pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [1, 2]}), ["'a'", "row 1"]),
    ],
)
def test_features_that_do_not_fit_are_refused(given: Any, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        features_array(given, (2,))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_value_in_an_image_is_named_by_its_place() -> None:
    images = np.zeros((3, 2, 2, 1))
    images[2, 0, 1, 0] = np.inf
    with pytest.raises(UserError, match=r"number 0, 1, 0, row 2"):
        features_array(images, (2, 2, 1))


@pytest.mark.parametrize("given", [[0, 1], [[0], [1]], [False, True], pd.Series([0.0, 1.0])])
def test_one_output_takes_targets_with_and_without_a_column(given: Any) -> None:
    array = targets_array(given, 2, YES_NO)
    assert array.dtype == np.float32
    assert array.tolist() == [[0.0], [1.0]]


def test_class_numbers_become_one_column_of_integers() -> None:
    array = targets_array([0.0, 2.0], 2, CLASSES)
    assert array.dtype == np.int32
    assert array.tolist() == [[0], [2]]


def test_class_numbers_of_each_pixel_are_checked_too() -> None:
    pixels = Output((4, 4, 3), "softmax", "sparse_categorical_crossentropy")
    assert targets_array(np.full((2, 4, 4), 2), 2, pixels).shape == (2, 4, 4, 1)
    with pytest.raises(UserError, match="row 1 holds 3"):
        targets_array(np.stack([np.zeros((4, 4)), np.full((4, 4), 3)]), 2, pixels)


def test_an_output_of_one_number_without_a_column_takes_a_column() -> None:
    assert targets_array([[1.5], [2.5]], 2, Output((), "", "mean_squared_error")).shape == (2,)


@pytest.mark.parametrize(
    ("given", "output", "words"),
    [
        ([0, 3], CLASSES, ["from 0 to 2", "row 1 holds 3"]),
        ([0, -1], CLASSES, ["row 1 holds -1"]),
        ([0, 1.7], CLASSES, ["row 1 holds 1.7"]),
        (np.eye(3)[[0, 1]], CLASSES, ["one column per class", "argmax"]),
        ([0, 1], ONE_HOT, ["1 column", "3 outputs", "sparse_categorical_crossentropy"]),
        ([[0.0, 1, 2], [0, 1, 0]], ONE_HOT, ["row 0"]),
        ([1, 2], YES_NO, ["labels 0 and 1", "row 1 holds 2", "subtract 1"]),
        ([-1, 1], YES_NO, ["row 0 holds -1", "(y + 1) / 2"]),
        ([[1, 0], [0, 1]], YES_NO, ["2 columns", "1 output", "y[:, 1]"]),
        ([[1, 2], [3, 4]], VALUE, ["2 columns", "1 output"]),
        ([1, 2, 3], VALUE, ["X has 2 rows, y has 3"]),
        ([1, np.nan], VALUE, ["NaN", "row 1"]),
        ([1, None], VALUE, ["NaN", "row 1"]),
        ([1, 1e300], VALUE, ["too large", "row 1"]),
        (["no", "yes"], YES_NO, ["'no'", "Number the classes"]),
        (None, VALUE, ["not an array"]),
        (np.array(["2024-01-01", "2024-01-02"], "M8[D]"), VALUE, ["datetime64"]),
        ([1.0, -2.1], Output((1,), "relu", "mean_squared_error", 0, None), ["never below 0", "-2.1", "row 1"]),
        ([0.5, 7.0], Output((1,), "", "mean_squared_error", -5, 5), ["between -5 and 5", "7", "row 1"]),
        (np.zeros((2, 4, 5)), Output((4, 4), "", "mean_squared_error"), ["(2, 4, 5)", "(rows, 4, 4)"]),
    ],
)
def test_targets_that_do_not_fit_are_refused(given: Any, output: Output, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        targets_array(given, 2, output)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_targets_on_the_bounds_of_the_output_are_fine() -> None:
    bounded = Output((1,), "", "mean_squared_error", -0.1, 0.7)
    assert targets_array(np.float32([-0.1, 0.7]), 2, bounded).shape == (2, 1)


def test_pandas_objects_must_have_the_same_index() -> None:
    x = pd.DataFrame({"a": [1, 2]}, index=[0, 1])
    with pytest.raises(UserError, match="different indexes"):
        check_aligned(x, pd.Series([1, 2], index=[1, 0]), "y")
    check_aligned(x, pd.Series([1, 2], index=[0, 1]), "y")
    check_aligned(x, np.array([1, 2]), "y")


def test_a_list_of_features_and_a_series_of_targets_go_together() -> None:
    check_aligned([[1], [2]], pd.Series([1, 2], index=[5, 6]), "y")


def test_rows_in_another_order_are_refused_whatever_names_them() -> None:
    x = pd.DataFrame({"a": [1, 2]}, index=["x", 1])
    with pytest.raises(UserError, match="in another order"):
        check_same_order(x, pd.Series([1, 2], index=[1, "x"]), "fit")
    check_same_order(x, pd.Series([1, 2], index=[1, "y"]), "fit")
    check_same_order(x, pd.Series([1, 2], index=["x", 1]), "fit")
