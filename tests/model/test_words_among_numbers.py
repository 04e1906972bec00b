"""A few words in a column of numbers: named with their count, missing values in training, file and predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError

RECIPE = {"task": "regression", "data": {"target": "y"}, "train": {"epochs": 3}}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300).round(3)
    frame = pd.DataFrame({"x": x.astype(str), "z": rng.normal(size=300), "y": 2 * x})
    frame.loc[[5, 60, 200], "x"] = "tbd"
    frame.loc[7, "x"] = "see note"
    return frame


@pytest.fixture(scope="module")
def run(rows, tmp_path_factory):
    return mt.run(RECIPE, out=tmp_path_factory.mktemp("words") / "run", data=rows)


def test_the_words_and_their_rows_are_told(run):
    kept = (run.directory / "recipe.yaml").read_text("utf-8")
    note = next(line for line in kept.splitlines() if line.startswith("# x: "))
    assert "'tbd' (3 rows)" in note
    assert "'see note' (1 row)" in note
    assert "\n    x: numeric(tbd, see note)\n" in kept  # so that the run repeats


def test_the_words_predict_as_missing_values_do(run, rows, tmp_path):
    blank = rows.assign(x=rows["x"].replace({"tbd": None, "see note": None}))
    pd.testing.assert_frame_equal(run.predict(rows), run.predict(blank))
    mt.save(run.model, tmp_path / "model.h5")
    again = mt.load(tmp_path / "model.h5")
    pd.testing.assert_frame_equal(mt.predict(again, rows), run.predict(blank))


def test_another_word_is_refused_as_before(run, rows):
    with pytest.raises(UserError, match="row 3 holds 'lost'"):
        run.predict(rows.assign(x=rows["x"].where(rows.index != 3, "lost")))


def test_a_recipe_can_name_them_itself(rows, tmp_path):
    said = {**RECIPE, "data": {"target": "y", "features": {"x": "numeric(tbd, see note)"}}}
    run = mt.run(said, out=tmp_path / "run", data=rows)
    assert "# x: " not in (run.directory / "recipe.yaml").read_text("utf-8")
    with pytest.raises(UserError, match="holds 'see note'"):
        mt.run(
            {**RECIPE, "data": {"target": "y", "features": {"x": "numeric(tbd)"}}},
            out=tmp_path / "other",
            data=rows,
        )


@pytest.mark.parametrize("kind", ["numeric()", "numeric( )", "numeric(a,,b)", "numeric(a", "categorical(a)"])
def test_what_is_no_list_of_words_is_refused(kind):
    with pytest.raises(UserError, match="unknown kind of column"):
        mt.load_recipe({**RECIPE, "data": {"path": "rows.csv", "target": "y", "features": {"x": kind}}})


def test_an_estimator_takes_them_so_too(rows):
    estimator = mt.MLPRegressor(epochs=2, random_state=0).fit(rows[["x", "z"]], rows["y"])
    blank = rows.assign(x=rows["x"].replace({"tbd": None, "see note": None}))
    np.testing.assert_array_equal(estimator.predict(rows[["x", "z"]]), estimator.predict(blank[["x", "z"]]))
