"""Predictions: the same whether rows come one by one or by the thousand, and always those of the model as it is now."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mlp_toolkit as mt
from mlp_toolkit.data.columns import encoder
from mlp_toolkit.data.columns.categorical import Categorical
from mlp_toolkit.data.columns.numeric import Numeric
from mlp_toolkit.data.columns.scaling import Scaling
from mlp_toolkit.data.reading import frames
from mlp_toolkit.errors import UserError
from mlp_toolkit.model import prediction

ROUNDS = settings(max_examples=60, deadline=None)

# Cells of each kind of column, and the type that the column is given; None leaves it to pandas.
words = st.none() | st.sampled_from(["", " a", "a ", "NA", "3", " 3.0", "-0", "nan", "ü", "True"]) | st.text(max_size=3)
KINDS = {
    "whole": (st.integers(-(2**63), 2**63 - 1), "int64"),
    "small": (st.integers(0, 255), "uint8"),
    "short": (st.integers(-99, 99), "int16"),
    "number": (st.floats(), "float64"),
    "single": (st.floats(width=32), "float32"),
    "foreign": (st.floats(), ">f8"),
    "truth": (st.booleans(), "bool"),
    "gappy": (st.none() | st.integers(-9, 9), "Int64"),
    "maybe": (st.none() | st.booleans(), "boolean"),
    "text": (words, None),
    "string": (words, "string"),
    "category": (words, "category"),
    "sizes": (st.none() | st.integers(1, 3), "category"),
    "object": (words, object),
    "mixture": (st.sampled_from([None, 3, 3.0, "3", "3.0", True, np.nan, pd.NA, b"3", 0.0, -0.0]), object),
    "numbers": (st.none() | st.integers(-3, 3) | st.floats(allow_infinity=False), object),
    "day": (st.none() | st.dates(), object),
    "moment": (st.none() | st.datetimes(pd.Timestamp("1900-01-01"), pd.Timestamp("2200-01-01")), "datetime64[us]"),
}


@st.composite
def some_frames(draw):
    """A few rows of a few columns of any kind."""
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=6, unique=True))
    rows = draw(st.integers(1, 3))
    columns = {}
    for kind in kinds:
        cells, dtype = KINDS[kind]
        columns[kind] = pd.Series(draw(st.lists(cells, min_size=rows, max_size=rows)), dtype=dtype)
    return pd.DataFrame(columns)


def many(frame):
    """The same rows again and again, more than are read the short way."""
    return pd.concat([frame] * (frames.FEW_ROWS + 1), ignore_index=True)


def outcome(call):
    try:
        return call()
    except UserError as error:
        return error.problem


# Numbers that float64 cannot hold, and numbers that are equal and not written alike.
LARGE = pd.DataFrame({"whole": [2**62 + 1, 10**16], "number": [0.5, 1e16], "small": pd.Series([1, 1], dtype="uint8")})


def of_all_kinds(test):
    for known in (LARGE, LARGE.head(1), LARGE.tail(1).assign(text="10000000000000000")):
        test = example(known)(test)
    return ROUNDS(given(some_frames())(test))


@of_all_kinds
def test_a_few_rows_are_read_as_many_are(frame):
    few, all_rows = (outcome(lambda rows=rows: frames.columns_of(rows)) for rows in (frame, many(frame)))
    if isinstance(few, str):
        assert few == all_rows
        return
    assert list(few) == list(all_rows)
    for name, values in few.items():
        assert values.dtype == all_rows[name].dtype, name
        assert list(map(repr, values)) == list(map(repr, all_rows[name][: len(frame)])), name


@of_all_kinds
def test_a_few_rows_are_encoded_as_many_are(frame):
    few, all_rows = (outcome(lambda rows=rows: frames.columns_of(rows)) for rows in (frame, many(frame)))
    if isinstance(few, str):
        return
    numeric = [name for name in few if few[name].dtype != object or name in ("text", "object")]
    for numbers in ([], numeric):
        words = Categorical(tuple((name, ()) for name in few if name not in numbers))
        count = len(numbers)
        scaling = Scaling((0.0,) * count, (0.0,) * count, (1.0,) * count)
        encoding = encoder.Encoding((*([Numeric(tuple(numbers))] if numbers else []), words), scaling)
        a, b, c = (
            outcome(lambda table=table, encoding=encoding: encoder.model_inputs(table, encoding))
            for table in (few, all_rows, frames.normalise(many(frame)))
        )
        if isinstance(a, str):
            assert [type(b), type(c)] == [str, str]
            continue
        for name, values in a.items():
            assert values.dtype == b[name].dtype == c[name].dtype
            np.testing.assert_array_equal(values, b[name][: len(frame)], name)
            np.testing.assert_array_equal(values, c[name][: len(frame)], name)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["1", "three"], "row 1 holds 'three'"),
        ([1.0, np.inf], "row 1"),
        ([1.0, 1e308], "beyond 3e[+]38"),
        ([1, [2]], "values of type list"),
        ([1, 2j], "values of type complex"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_of_few_and_of_many(runs, people, column, message):
    frame = people.iloc[:2].reset_index(drop=True)
    frame["mean area"] = column
    for rows in (frame, many(frame)):
        with pytest.raises(UserError, match=message):
            runs["binary"].predict(rows)


def test_a_column_that_is_missing_or_stands_twice_is_named(runs, people):
    with pytest.raises(UserError, match=r"(?s)1 of the model's .* 'mean area' is perhaps 'Mean area'"):
        runs["binary"].predict(people.rename(columns={"mean area": "Mean area"}).head(1))
    with pytest.raises(UserError, match="more than once"):
        runs["binary"].predict(people.head(1)[[*people.columns, "blood"]])


@pytest.mark.parametrize("task", ["regression", "binary", "multilabel", "multiclass"])
def test_a_table_is_that_of_its_rows_one_by_one(runs, people, task):
    run = runs[task]
    one_by_one = pd.concat([run.predict(people.iloc[[row]]) for row in range(len(people))], ignore_index=True)
    for rows in (1, 2, 3, 1000, 8193):
        places = np.arange(rows) % len(people)
        table = run.predict(people.iloc[places])
        expected = one_by_one.iloc[places].set_axis(people.index[places])
        pd.testing.assert_frame_equal(table, expected, rtol=1e-6, atol=1e-6)


def test_no_rows_give_an_empty_table(runs, people):
    assert list(runs["binary"].predict(people.head(0)).columns) == ["label", "probability"]


@pytest.mark.parametrize("rows", [1, 2, 3, 1000, 8193])
def test_predict_gives_what_keras_gives(rows, monkeypatch):
    x = np.random.default_rng(0).normal(size=(rows, 5)).astype(np.float32)
    model = mt.build_mlp("multiclass", n_features=5, n_outputs=3, hidden=[8], batch_norm=True, dropout=0.5, seed=0)
    expected = model.predict(x, verbose=0)
    for most in (prediction.CHUNK_ROWS[1], 1000, 7):
        monkeypatch.setattr(prediction, "CHUNK_ROWS", (1, most))
        found = mt.predict(model, x)
        assert found.shape == (rows, 3)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_predict_gives_what_the_weights_say():
    model = mt.build_mlp("regression", n_features=3, hidden=[4], seed=1)
    a, b, c, d = model.get_weights()
    x = np.random.default_rng(1).normal(size=(50, 3))
    np.testing.assert_allclose(mt.predict(model, x), np.maximum(x @ a + b, 0) @ c + d, atol=1e-5)


def test_what_fit_takes_predict_takes(tmp_path):
    model = mt.build_mlp("binary", n_features=2, seed=0)
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]}, index=[7, 8, 9])
    frame.to_parquet(tmp_path / "rows.parquet", index=False)
    expected = model.predict(frame.to_numpy(np.float32), verbose=0)
    for given_rows in (frame, frame.to_numpy(), frame.to_numpy().tolist(), tmp_path / "rows.parquet"):
        np.testing.assert_allclose(mt.predict(model, given_rows), expected, atol=1e-6)
    one = mt.build_mlp("binary", n_features=1, seed=0)
    assert mt.predict(one, np.arange(4)).shape == (4, 1)
    assert mt.predict(one, frame["a"]).shape == (3, 1)


def test_images_texts_of_numbers_and_models_of_any_form_are_predicted_for():
    images = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3)])
    assert mt.predict(images, np.zeros((3, 8, 8))).shape == (3, 6, 6, 2)
    numbers = keras.Input((None,), dtype="int32")
    tokens = keras.Model(numbers, numbers % 1000)
    found = mt.predict(tokens, np.array([[2**25 + 1, 2**25]]))  # float32 would hold them as one
    np.testing.assert_array_equal(found, [[(2**25 + 1) % 1000, 2**25 % 1000]])
    assert mt.predict(tokens, np.zeros((2, 5), int)).shape == (2, 5)
    inputs = keras.Input((2,), name="only")
    mapped = keras.Model({"only": inputs}, {"out": keras.layers.Dense(3)(inputs)})
    assert mt.predict(mapped, np.ones((4, 2))).shape == (4, 3)


class Double(keras.Model):
    """Does not say what it takes or gives before it is called."""

    def __init__(self, outputs=1):
        super().__init__()
        self.layer, self.times = keras.layers.Dense(1, kernel_initializer="ones"), outputs

    def call(self, x):
        return [2 * self.layer(x)] * self.times


@pytest.mark.parametrize("eagerly", [False, True])
def test_a_model_that_is_not_built_yet_is_predicted_for(eagerly):
    model = Double()
    model.compile(run_eagerly=eagerly)
    np.testing.assert_array_equal(mt.predict(model, [[1, 2], [3, 4]]), [[6], [14]])
    np.testing.assert_array_equal(mt.predict(model, [[1, 2]]), [[6]])


def test_models_of_another_form_are_refused(runs):
    a, b = keras.Input((1,)), keras.Input((1,))
    with pytest.raises(UserError, match=r"one input.*\n.*2 inputs"):
        mt.predict(keras.Model([a, b], keras.layers.Add()([a, b])), [[1]])
    with pytest.raises(UserError, match=r"one output.*\n.*2 outputs"):
        mt.predict(keras.Model(a, [keras.layers.Dense(1)(a)] * 2), [[1]])
    with pytest.raises(UserError, match="2 outputs"):
        mt.predict(Double(2), [[1]])
    with pytest.raises(UserError, match=r"run\.model"):
        mt.predict(runs["binary"], [[1]])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((9, 4)), r"shape \(9, 4\); the network takes \(rows, 3\)"),
        (np.zeros((0, 3)), "X has no rows"),
        (np.array(3.0), "not an array of rows"),
        ([[1, 2, 3], [1]], "different lengths"),
        ([["a", "b", "c"]], "holds text"),
        (pd.DataFrame({"a": [1], "b": ["x"], "c": [2]}), "columns b do not hold numbers"),
    ],
)
def test_what_fit_refuses_predict_refuses(x, message):
    with pytest.raises(UserError, match=message):
        mt.predict(mt.build_mlp("binary", n_features=3), x)


def test_values_that_are_not_finite_are_counted_in_all_rows(monkeypatch):
    monkeypatch.setattr(prediction, "CHUNK_ROWS", (1, 10))
    x = np.zeros((100, 3))
    x[57, 2], x[90, 0] = np.nan, np.inf
    with pytest.raises(UserError, match=r"X holds NaN.* 2 in all; the first is in column number 2, row 57"):
        mt.predict(mt.build_mlp("binary", n_features=3), x)


def test_predictions_follow_the_weights():
    x, y = np.random.default_rng(0).normal(size=(64, 2)), np.arange(64) % 2
    model = mt.build_mlp("binary", n_features=2, seed=0)
    before = mt.predict(model, x)
    mt.fit(model, x, y, epochs=3, verbose=0)
    after = mt.predict(model, x)
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, model.predict(x, verbose=0), atol=1e-6)


def test_predictions_follow_layers_added_and_taken_away():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    assert mt.predict(model, [[2]]) == 2
    model.add(keras.layers.Rescaling(10.0))
    assert mt.predict(model, [[2]]) == 20
    model.pop()
    model.add(keras.layers.Rescaling(-1.0))
    assert mt.predict(model, [[2]]) == -2


@pytest.mark.parametrize("kind", ["network", "eager network", "run"])
def test_a_model_that_is_done_with_is_freed(runs, people, kind):
    if kind != "run":
        model = mt.build_mlp("binary", n_features=2)
        model.run_eagerly = kind == "eager network"
        mt.predict(model, np.zeros((5, 2)))
    else:
        model = mt.load(runs["binary"].directory / "model.h5")
        mt.predict(model, people.head())
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


def test_the_model_of_a_run_takes_raw_rows(runs, folder, people):
    run = runs["multiclass"]
    expected = run.predict(people)
    pd.testing.assert_frame_equal(mt.predict(run.model, people), expected)
    pd.testing.assert_frame_equal(mt.predict(run.model, folder / "people.csv"), expected)
    with pytest.raises(UserError, match="raw rows are needed, columns by name"):
        mt.predict(run.model, people.to_numpy())


def test_a_network_takes_no_raw_rows(people):
    with pytest.raises(UserError, match="written by `mlp-toolkit run`"):
        prediction.raw_outputs(mt.build_mlp("binary", n_features=2), people)
