"""What a column is taken for, and the encoding fitted to it."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_toolkit.data.columns import encoder, parsing
from mlp_toolkit.data.columns.categorical import Categorical
from mlp_toolkit.data.columns.kinds import infer_kinds
from mlp_toolkit.data.columns.numeric import Numeric
from mlp_toolkit.data.reading import frames
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe import catalog

ROUNDS = settings(max_examples=100, deadline=None)


def kind_of(values, asked=None):
    kinds = infer_kinds(pd.DataFrame({"x": values}), {"x": asked} if asked else None)
    return kinds.by_column["x"], " ".join(kinds.notes)


def fitted(frame, asked=None):
    return encoder.fit_encoding(frame, infer_kinds(frame, asked))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", "-3e2"], "numeric"),
        (["1", None, " 2 "], "numeric"),
        (["1", "NA", "2"], "numeric"),
        ([1, 2, 4], "numeric"),
        ([1.5, np.nan, 2.5], "numeric"),
        (["true", "false", "true"], "numeric"),
        (["TRUE", "False", None], "numeric"),
        (["yes", "no", "yes"], "categorical"),
        (["red", "blue", None], "categorical"),
        (["1_000", "2_000", "3"], "categorical"),
        (["0x10", "1", "2"], "categorical"),
        (["2024-02-29", "2023-01-01", None], "date(%Y-%m-%d)"),
        (["2024-02-29 10:30", "2023-01-01 00:00", "2023-01-01 00:00"], "date(%Y-%m-%d %H:%M)"),
        (["31.12.2024", "1.2.2023", "1.2.2023"], "date(%d.%m.%Y)"),
        (["12/31/2024", "01/02/2023", "01/02/2023"], "date(%m/%d/%Y)"),
        (["31/12/2024", "01/02/2023", "01/02/2023"], "date(%d/%m/%Y)"),
        (["2023-02-29", "2023-02-30", "2023-02-30"], "categorical"),
        (["7", "7", "7"], "ignore"),
        ([7, 7, 7], "ignore"),
        (["same", "same", "same"], "ignore"),
        ([None, None, None], "ignore"),
        ([np.nan, np.nan, np.nan], "ignore"),
        (["", "NA", " "], "ignore"),
        (["7", None, "7"], "numeric"),
        (["word", None, "word"], "categorical"),
    ],
)
def test_a_column_is_taken_for(values, kind):
    assert kind_of(values)[0] == kind


@pytest.mark.parametrize("dtype", np.typecodes["AllInteger"])
def test_whole_numbers_of_every_size_are_numbers(dtype):
    assert kind_of(np.arange(60).astype(dtype) % 7)[0] == "numeric"


def test_what_is_ignored_or_guessed_is_said():
    assert "no values" in kind_of([None, None])[1]
    assert "same value '7'" in kind_of(["7", "7"])[1]
    assert "counts the rows" in kind_of(range(100, 160))[1]
    assert "counts the rows" in kind_of([str(i) for i in range(60)])[1]
    assert "text or an identifier" in kind_of([f"user {i}" for i in range(60)])[1]
    assert "%d/%m/%Y" in kind_of(["01/02/2023", "03/04/2024"])[1]
    assert kind_of(["1", "2"])[1] == ""


def test_numbers_that_go_up_by_one_are_a_feature_when_rows_are_few_or_shuffled():
    assert kind_of(range(20))[0] == "numeric"
    assert kind_of([*range(30, 60), *range(30)])[0] == "numeric"


def test_one_word_among_numbers_is_named_and_stands_for_a_missing_value():
    kind, note = kind_of([*map(str, range(20)), "broken"])
    assert kind == "numeric(broken)"
    assert "'broken' (1 row)" in note


def test_many_words_few_numbers_or_a_comma_make_a_column_categorical():
    numbers = [str(number) for number in range(20)]
    for values in ([*numbers, *"abcdefg"], ["1", "2", "3", "4", "x"] * 10, [*numbers, "a, b"], [*numbers, *["no"] * 5]):
        assert kind_of(values)[0] == "categorical"


def test_many_values_are_text_only_when_most_are_different():
    assert kind_of([f"city {i % 40}" for i in range(200)])[0] == "categorical"
    assert kind_of([f"city {i}" for i in range(25)])[0] == "categorical"


def test_the_recipe_has_the_last_word():
    assert kind_of([1, 2, 3], "categorical")[0] == "categorical"
    assert kind_of(["7", "7"], "numeric")[0] == "numeric"
    assert kind_of(["a", "b"], "ignore")[0] == "ignore"
    assert kind_of(["01/02/2023"], "date(%d/%m/%Y)")[0] == "date(%d/%m/%Y)"
    assert kind_of(["2023-02-01", "2023-02-02"], "date")[0] == "date(%Y-%m-%d)"
    with pytest.raises(UserError, match="no known format"):
        kind_of(["spring", "summer"], "date")
    with pytest.raises(UserError, match="row 1 holds 'two'"):
        fitted(pd.DataFrame({"x": ["1", "two"]}), {"x": "numeric"})


@pytest.mark.parametrize("values", [[1.0, np.inf], ["1", "-inf"], ["1", "1e39"], [1.0, -1e300]])
def test_infinity_and_numbers_beyond_float32_are_refused_with_their_row(values):
    with pytest.raises(UserError, match="row 1"):
        kind_of(values)
    encoding = fitted(pd.DataFrame({"x": [1.0, 2.0]}))
    with pytest.raises(UserError, match="row 1"):
        encoder.model_inputs(pd.DataFrame({"x": values}), encoding)


def test_numbers_are_filled_with_the_median_and_marked_where_missing():
    encoding = fitted(pd.DataFrame({"a": ["1", None, "2", "9"], "b": [1.0, 2.0, 3.0, 4.0]}))
    assert encoding.parts == (Numeric(("a", "b")),)
    assert encoding.scaling.fill == (2, 2.5)
    assert encoding.scaling.indicators == (0,)
    assert encoding.width == 3
    assert encoding.scaling.center == (3.5, 2.5)
    np.testing.assert_allclose(encoding.scaling.inverse_scale, [1 / np.std([1, 2, 2, 9]), 1 / np.std([1, 2, 3, 4])])


@pytest.mark.parametrize("scale", [1e-20, 1e-13, 1, 1e15, 1e30])
def test_a_column_is_scaled_whatever_its_unit(scale):
    encoding = fitted(pd.DataFrame({"x": np.array([1.0, 2.0, 3.0, 6.0]) * scale}))
    np.testing.assert_allclose(encoding.scaling.inverse_scale, 1 / (scale * np.std([1, 2, 3, 6])), rtol=1e-6)


def test_a_column_that_is_constant_in_training_is_silenced():
    assert fitted(pd.DataFrame({"x": [0.1] * 1000}), {"x": "numeric"}).scaling.inverse_scale == (0,)


def test_a_missing_category_is_a_value_of_its_own_and_blanks_do_not_count():
    encoding = fitted(pd.DataFrame({"x": [" red", "red ", None, "blue", "NA"]}))
    assert encoding.parts == (Categorical((("x", ("", "blue", "red")),)),)


def test_a_category_is_the_same_as_number_and_as_text():
    for values in ([3, 4], [3.0, 4.0], ["3", "4.0"], [" 3.00", "4"]):
        assert fitted(pd.DataFrame({"x": values}), {"x": "categorical"}).parts == (Categorical((("x", ("3", "4")),)),)


def test_of_too_many_categories_the_most_frequent_stay():
    most = catalog.config("features")["categories_at_most"]
    values = [f"often {i}" for i in range(most)] * 2 + [f"once {i}" for i in range(10)]
    ((_, known),) = fitted(pd.DataFrame({"x": values}), {"x": "categorical"}).parts[0].vocabularies
    assert set(known) == {f"often {i}" for i in range(most)}


def test_model_inputs_are_named_columns_of_one_value_a_row():
    frame = pd.DataFrame({"n": ["1", "NA", "true"], "w": ["a", None, " b "], "other": [0, 0, 0]})
    inputs = encoder.model_inputs(frame, fitted(frame, {"n": "numeric"}))
    assert list(inputs) == ["n", "w"]
    assert inputs["n"].dtype == np.float64
    np.testing.assert_array_equal(inputs["n"], [[1], [np.nan], [1]])
    assert inputs["w"].tolist() == [["a"], [""], ["b"]]


def test_a_column_that_is_not_there_is_named_with_its_neighbour():
    encoding = fitted(pd.DataFrame({"height": [1.0, 2.0], "weight": [3.0, 5.0]}))
    with pytest.raises(UserError, match="'height' is perhaps 'Height'"):
        encoder.model_inputs(pd.DataFrame({"Height": [1.0], "weight": [3.0]}), encoding)


def test_a_word_in_a_number_column_is_named_with_its_row():
    encoding = fitted(pd.DataFrame({"x": [1.0, 2.0]}))
    with pytest.raises(UserError, match="row 7 holds 'three'"):
        encoder.model_inputs(pd.DataFrame({"x": ["1", "three"]}, index=[5, 7]), encoding)


@ROUNDS
@given(
    st.lists(
        st.none()
        | st.floats(allow_nan=False).map(repr)
        | st.integers().map(str)
        | st.sampled_from(["", " ", "NA", "null", "true", "FALSE", " 7 ", "1e5", "+3"]),
        max_size=10,
    )
)
def test_texts_become_the_numbers_that_python_reads(values):
    def expected(value):
        text = (value or "").strip()
        if text in ("", "NA", "null"):
            return math.nan
        return {"true": 1.0, "FALSE": 0.0}[text] if text in ("true", "FALSE") else float(text)

    column = pd.Series(values, dtype=object)
    np.testing.assert_array_equal(parsing.to_numbers(column, "x"), [expected(value) for value in values])


@ROUNDS
@given(st.lists(st.none() | st.text(max_size=6), max_size=10))
def test_text_is_stripped_of_ascii_blanks_and_empty_where_missing(values):
    missing = catalog.config("features")["missing_values"]
    stripped = [(value or "").strip(" \t\n\r\f\v") for value in values]
    result = parsing.to_text(pd.Series(values, dtype=object)).tolist()
    for text, plain in zip(result, stripped, strict=True):
        number = plain.lstrip("-").replace(".", "", 1)
        if "." in plain and number.isascii() and number.isdigit():
            assert float(text) == float(plain)
        else:
            assert text == ("" if plain in missing else plain)


@ROUNDS
@given(
    st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)),
    st.sampled_from(catalog.config("features")["date_formats"]),
)
def test_every_format_reads_what_it_writes(moment, format_):
    text = format_
    for code, value in {"%Y": f"{moment.year:04}", "%m": moment.month, "%d": moment.day}.items():
        text = text.replace(code, str(value))
    for code, value in {"%H": moment.hour, "%M": moment.minute, "%S": moment.second}.items():
        text = text.replace(code, f"{value:02}")
    kept = moment.replace(
        microsecond=0,
        second=moment.second if "%S" in format_ else 0,
        minute=moment.minute if "%M" in format_ else 0,
        hour=moment.hour if "%H" in format_ else 0,
    )
    assert parsing.parse_date(text, format_) == kept


@pytest.mark.parametrize("format_", catalog.config("features")["date_formats"])
def test_dates_are_read_in_the_form_of_training_and_as_timestamps(format_):
    moment = datetime.datetime(2024, 2, 29, 15, 30, 20)
    own = moment.strftime(format_)
    stamps = pd.Series([moment, None], dtype="datetime64[s]", name="when")
    column = frames.normalise(pd.DataFrame({"when": stamps}))["when"]
    assert parsing.to_dates(column, "when", format_).tolist() == [own, ""]
    given = pd.Series([f" {own} ", "2024-02-29 15:30:20", "2024-02-29T15:30:20", "NA"])
    assert parsing.to_dates(given, "when", format_).tolist() == [own] * 3 + [""]


@pytest.mark.parametrize("odd", ["soon", "2024-02-30", "29/02/2024", "2024"])
def test_what_is_no_date_is_an_error_that_names_the_row(odd):
    column = pd.Series(["2024-02-29", None, odd], index=[5, 6, 7])
    with pytest.raises(UserError, match=rf"column 'when' holds dates of the form %Y-%m-%d, but row 7 holds '{odd}'"):
        parsing.to_dates(column, "when", "%Y-%m-%d")
