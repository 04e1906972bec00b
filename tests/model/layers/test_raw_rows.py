"""The layers of a model file give what plain Python gives."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlp_toolkit.data.columns import encoder as features
from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.kinds import Kinds, infer_kinds
from mlp_toolkit.data.reading import frames
from mlp_toolkit.model import model_file
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.layers import categorical, date, numeric, target
from mlp_toolkit.model.parts.activations import step
from mlp_toolkit.recipe import catalog

ROUNDS = settings(max_examples=60, deadline=None)
FORMATS = catalog.config("features")["date_formats"]
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**99), max_value=2.0**99)
WORDS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=5) | st.sampled_from(
    ["", " ", "a", "a ", "\ta", "1", "1.0", "-2.00", "1.5", "Straße", "日本", "é", "e\u0301", "0 a", "1 a"]
)


def numpy_numbers(values, fill, center, inverse_scale, indicators):
    result = np.zeros((len(values), len(fill) + len(indicators)))
    for i, row in enumerate(values.astype(np.float64)):
        for j, value in enumerate(row):
            result[i, j] = ((value if np.isfinite(value) else fill[j]) - center[j]) * inverse_scale[j]
        for j, column in enumerate(indicators):
            result[i, len(fill) + j] = not np.isfinite(row[column])
    return result


def date_parts(text, format_):
    """By the standard library's calendar; the shipped formats write years with four digits."""
    try:
        moment = datetime.datetime.strptime(text.strip(), format_)
    except ValueError:
        return [np.nan] * 6
    day = moment.toordinal() - datetime.date(1970, 1, 1).toordinal()
    hour = moment.hour + moment.minute / 60 + moment.second / 3600
    return [day + hour / 24, moment.year, moment.month, moment.day, moment.weekday(), hour]


def plain_word(word):
    word = word.strip(" \t\n\r\f\v")
    whole, point, rest = word.partition(".")
    digits = whole.removeprefix("-")
    is_whole = point and rest and not rest.strip("0") and digits and not digits.strip("0123456789")
    return whole if is_whole else word


def text_tensor(rows):
    return tf.constant([[word.encode() for word in row] for row in rows])


@ROUNDS
@given(st.data())
def test_numbers_are_filled_scaled_and_marked(data):
    width = data.draw(st.integers(1, 4))
    cell = FINITE | st.sampled_from([np.nan, np.inf, -np.inf])
    values = np.array(data.draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=6)), "f4")
    fill, center = (data.draw(st.lists(FINITE, min_size=width, max_size=width)) for _ in range(2))
    scale = data.draw(st.lists(st.floats(0, 1e3), min_size=width, max_size=width))
    indicators = data.draw(st.lists(st.integers(0, width - 1), unique=True))
    layer = numeric.Numbers([str(i) for i in range(width)], fill, center, scale, indicators)
    expected = numpy_numbers(values, fill, center, scale, indicators)
    np.testing.assert_allclose(layer(values).numpy(), expected, rtol=1e-6, atol=1e-37)


def test_numbers_of_float32_lose_nothing_by_a_large_mean():
    layer = numeric.Numbers(["x"], [0], [2**24], [1], [])
    assert layer(np.array([[2**24], [2**24 + 2]], "f4")).numpy().tolist() == [[0], [2]]


TEXTS_OF_DATES = (
    st.tuples(st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)), st.sampled_from(FORMATS)).map(
        lambda pair: pair[0].strftime(pair[1].replace("%Y", f"{pair[0].year:04}"))
    )
    | st.sampled_from(
        [
            "2024-02-29",
            "2023-02-29",
            "1900-02-29",
            "2000-02-29",
            "0000-01-01",
            "2023-00-10",
            "2023-13-10",
            "2023-04-31",
            "2023-4-3",
            " 2023-04-03 ",
            "2023-01-01 24:00",
            "2023-01-01 23:60",
            "1969-12-31",
            "31.12.1999",
            "23-01-01",
            "",
            "NA",
            "2023-01-01x",
        ]
    )
    | st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
)


@ROUNDS
@given(st.lists(TEXTS_OF_DATES, min_size=1, max_size=6), st.sampled_from(FORMATS), st.sampled_from(FORMATS))
def test_dates_become_the_numbers_of_the_calendar(texts, first, second):
    layer = date.DateParts(["a", "b"], [first, second])
    expected = [date_parts(text, first) + date_parts(text, second) for text in texts]
    np.testing.assert_array_equal(layer(text_tensor([[t, t] for t in texts])).numpy(), np.array(expected, "f4"))
    plain = parsing.to_text(pd.Series(texts, dtype=object))
    np.testing.assert_array_equal(parsing.date_numbers(plain, first), np.array(expected, "f4")[:, :6])


def test_known_days_have_their_numbers():
    layer = date.DateParts(["a"], ["%Y-%m-%d %H:%M"])
    result = layer(text_tensor([["1970-01-01 00:00"], ["2024-02-29 06:00"], ["2023-02-29 06:00"]])).numpy()
    assert result[0].tolist() == [0, 1970, 1, 1, 3, 0]  # a Thursday
    assert result[1].tolist() == [19782.25, 2024, 2, 29, 3, 6]
    assert np.isnan(result[2]).all()


@ROUNDS
@given(st.data())
def test_words_become_ones_in_their_own_columns(data):
    known = st.lists(WORDS.map(plain_word), max_size=5, unique=True)
    vocabularies = data.draw(st.lists(known, min_size=1, max_size=3).filter(any))
    rows = data.draw(st.lists(st.tuples(*[WORDS] * len(vocabularies)), min_size=1, max_size=6))
    expected = [
        [float(plain_word(word) == value) for word, values in zip(row, vocabularies, strict=True) for value in values]
        for row in rows
    ]
    layer = categorical.OneHot([str(i) for i in range(len(vocabularies))], vocabularies)
    np.testing.assert_array_equal(layer(text_tensor(rows)).numpy(), expected)


def test_an_unseen_word_gives_zeros_even_when_another_column_knows_it():
    layer = categorical.OneHot(["a", "b"], [["x"], ["y"]])
    assert layer(text_tensor([["x", "y"], ["y", "x"], ["1 y", ""]])).numpy().tolist() == [[1, 1], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    "layer",
    [
        numeric.Numbers(["a", "b"], [1.0, 2.0], [0.0, 1.0], [1.0, 0.5], [1]),
        date.DateParts(["a", "b"], ["%Y-%m-%d", "%d.%m.%Y %H:%M"]),
        categorical.OneHot(["a", "b"], [["", "x"], ["y"]]),
        target.Target("regression", ["a", "b"], (), [1.0, 2.0], [3.0, 4.0]),
        target.Target("binary", ["a"], ["no", "yes"]),
    ],
)
def test_a_layer_comes_back_from_its_configuration(layer):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert again.name == layer.name
    text = isinstance(layer, date.DateParts | categorical.OneHot)
    inputs = text_tensor([["x", "y"]]) if text else tf.constant([[1.0, np.nan]])
    np.testing.assert_array_equal(again(inputs), layer(inputs))
    assert (
        again.compute_output_spec(keras.KerasTensor((None, 2), "string" if text else "float32")).shape[1:]
        == (layer(inputs).shape[1:])
    )


def test_the_target_layer_undoes_the_scaling_and_leaves_probabilities():
    assert target.Target("regression", ["a"], (), [10.0], [2.0])(tf.constant([[1.0], [-1.0]])).numpy().tolist() == [
        [12],
        [8],
    ]
    assert target.Target("binary", ["a"], [0, 1])(tf.constant([[0.25]])).numpy().tolist() == [[0.25]]


def test_the_step_is_one_from_zero_on():
    assert step(tf.constant([-1.0, 0.0, 2.0])).numpy().tolist() == [0, 1, 1]


def test_raw_rows_of_all_kinds_pass_through_the_encoder():
    frame = pd.DataFrame(
        {
            "odd name": ["red", "blue", None, "red"],
            "number": ["1", None, "3", "5"],
            "day": ["2024-02-29", "2024-03-01", None, "2024-03-02"],
        }
    )
    encoding = features.fit_encoding(frame, infer_kinds(frame))
    fresh = pd.DataFrame({"odd name": ["green", "", "red"], "number": [3, None, 5], "day": [None, None, "2024-02-29"]})
    encoder = model_file.build_encoder(encoding)
    inputs = {name: tf.constant(values) for name, values in features.model_inputs(fresh, encoding).items()}
    encoded = encoder(inputs).numpy()
    assert encoded.shape == (3, encoding.width)
    values = np.array([[3, *[np.nan] * 6], [np.nan] * 7, [5, *date_parts("2024-02-29", "%Y-%m-%d")]], "f4")
    numbers = numpy_numbers(
        values,
        encoding.scaling.fill,
        encoding.scaling.center,
        encoding.scaling.inverse_scale,
        encoding.scaling.indicators,
    )
    np.testing.assert_allclose(encoded[:, :-3], numbers, rtol=1e-5, atol=1e-6)
    assert encoded[:, -3:].tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]  # "", blue, red


CELLS = {
    "number": st.none() | st.integers(-(10**9), 10**9) | st.floats(-1e30, 1e30, allow_nan=False),
    "word": st.none() | st.sampled_from(["red", " red", "blue", "3", "3.0", 3, "NA", "", "of old\t"]),
    "day": st.none() | st.dates().map(str) | st.sampled_from([" 2024-03-01 ", "2024-03-01 12:30:00", "NA"]),
}


TINY = [{"number": number, "word": None, "day": None} for number in (0, 4e-17)]


@example(seen=TINY, fresh=[{"number": 5e21, "word": None, "day": None}])  # beyond float32 once it is scaled
@given(
    seen=st.lists(st.fixed_dictionaries(CELLS), min_size=2, max_size=8),
    fresh=st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=8),
)
def test_training_rows_are_encoded_to_the_bit_as_the_model_file_encodes(seen, fresh):
    kinds = Kinds({"number": "numeric", "word": "categorical", "day": "date(%Y-%m-%d)"})
    encoding = features.fit_encoding(frames.normalise(pd.DataFrame(seen)), kinds)
    frame = frames.normalise(pd.DataFrame(fresh))
    inputs = {name: tf.constant(values) for name, values in features.model_inputs(frame, encoding).items()}
    np.testing.assert_array_equal(features.encode(frame, encoding), model_file.build_encoder(encoding)(inputs).numpy())
