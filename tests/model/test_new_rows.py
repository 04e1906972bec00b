"""Rows for a run's model may come in any form that holds columns by name."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import mlp_toolkit as mt


def forms(frame):
    yield frame
    yield pa.Table.from_pandas(frame, preserve_index=False)
    yield frame.to_dict("list")
    yield frame.to_dict("records")
    yield {name: column.to_numpy() for name, column in frame.items()}


def test_rows_of_any_form_are_predicted_alike(runs, people):
    frame = people.head(5)
    expected = runs["multiclass"].predict(frame)
    for rows in forms(frame):
        pd.testing.assert_frame_equal(runs["multiclass"].predict(rows), expected)
        pd.testing.assert_frame_equal(mt.predict(runs["multiclass"].model, rows), expected)


def test_one_row_may_be_a_series_or_a_mapping(runs, people):
    expected = runs["regression"].predict(people.iloc[[3]])
    pd.testing.assert_frame_equal(runs["regression"].predict(people.iloc[3]), expected)
    row = runs["regression"].predict(people.iloc[3].to_dict())
    pd.testing.assert_frame_equal(row, expected.reset_index(drop=True))


def test_a_file_may_be_given(runs, folder, people):
    expected = runs["binary"].predict(people)
    pd.testing.assert_frame_equal(runs["binary"].predict(folder / "people.csv"), expected)
    assert runs["binary"].evaluate(folder / "people.csv") == runs["binary"].evaluate(people)


@pytest.mark.parametrize("rows", [np.zeros((3, 4)), [1, 2], [], "", 7, None, pd.Series([1.0, 2.0]), {"a": [1], "b": 2}])
def test_rows_without_names_are_one_message(runs, rows):
    with pytest.raises(mt.UserError):
        runs["binary"].predict(rows)


def test_many_words_that_training_did_not_see_are_warned_of(runs, people, caplog):
    with caplog.at_level(logging.WARNING, "mlp_toolkit"):
        runs["regression"].predict(people)
        runs["regression"].evaluate(people)
        assert not caplog.records
        runs["regression"].predict(people.assign(blood=people["blood"].str.lower() + "?"))
        runs["regression"].evaluate(people.assign(city="Atlantis"))
    of_words = [record.message.split(":")[0] for record in caplog.records if record.message.startswith("column")]
    assert of_words == ["column 'blood'", "column 'city'"]
    of_moves = [record.message for record in caplog.records if "not like those that were learnt" in record.message]
    assert ["'blood'" in of_moves[0], "'city'" in of_moves[1]] == [True, True]
    assert "100% of the rows hold words that were not seen in training, such as 'Atlantis'" in caplog.text
