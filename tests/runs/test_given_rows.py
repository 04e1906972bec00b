"""Recipes as mappings, and rows given in Python instead of files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt

RECIPE = {"task": "binary", "data": {"target": "kind"}, "train": {"epochs": 2}}


@pytest.fixture(scope="module")
def of_frame(people, tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    return mt.run(RECIPE, data=people.set_index(people.index + 7), out=folder / "run", verbose=0)


def test_a_frame_gives_the_run_that_its_file_gives(of_frame, people, tmp_path):
    people.to_parquet(tmp_path / "people.parquet", index=False)
    for source in ({"data": tmp_path / "people.parquet"}, {"overrides": {"data.path": tmp_path / "people.parquet"}}):
        of_file = mt.run(RECIPE, out=tmp_path / str(len(list(tmp_path.iterdir()))), verbose=0, **source)
        assert of_file.metrics["test"] == of_frame.metrics["test"]
        np.testing.assert_array_equal(of_file.predict(people)["probability"], of_frame.predict(people)["probability"])


def test_the_run_can_be_repeated_where_it_was_moved_to(of_frame, tmp_path):
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("recipe.yaml", "data.parquet"):
        (moved / name).write_bytes((of_frame.directory / name).read_bytes())
    again = mt.run(moved / "recipe.yaml", out=tmp_path / "again", verbose=0)
    assert again.metrics["test"] == of_frame.metrics["test"]


@pytest.mark.parametrize("named", [True, False])
def test_features_and_targets_may_come_apart(people, tmp_path, named):
    X, y = people[["mean radius", "age"]], people["kind"]
    if not named:
        X, y = X.to_numpy(), y.to_numpy()
    recipe = {"task": "binary", "train": {"epochs": 1}}
    run = mt.run(recipe, data=(X, y), out=tmp_path / "run", verbose=0)
    kept = pd.read_parquet(tmp_path / "run" / "data.parquet")
    assert list(kept) == (["mean radius", "age", "kind"] if named else ["x0", "x1", "y"])
    predicted = run.predict(kept)
    assert run.evaluate(kept)["accuracy"] == pytest.approx((predicted["label"] == people["kind"]).mean())


def test_categories_of_numbers_stay_categories(people, tmp_path):
    frame = people[["age", "kind"]].assign(code=pd.Series(np.arange(len(people)) % 3).astype("category"))
    run = mt.run({**RECIPE, "train": {"epochs": 1}}, data=frame, out=tmp_path / "run", verbose=0)
    assert "code: categorical" in (run.directory / "recipe.yaml").read_text()


@pytest.mark.parametrize(
    ("recipe", "data", "says"),
    [
        ({"task": "binary"}, (np.zeros((4, 2)), np.zeros(5)), "X has 4 rows, y has 5"),
        ({"task": "binary"}, (np.zeros(4), np.zeros(4)), r"X has the shape \(4,\)"),
        ({"task": "binary"}, (np.zeros((4, 2)), None), r"y has the shape \(\)"),
        (RECIPE, np.zeros((4, 2)), "columns by name"),
        (RECIPE, {"a": [1, 2]}, "data.target: no such column"),
        (RECIPE, {"a": [1, 2], "kind": [1]}, "not of one length"),
        (RECIPE, pd.DataFrame({"a": [np.zeros((2, 2)), np.ones((2, 2))], "kind": [0, 1]}), "images in memory"),
        ({"task": "binary", "data": {"target": "y"}, "trian": 1}, {"a": [1, 2], "y": [0, 1]}, "did you mean 'train'"),
        ({"task": "binary"}, {"a": [1, 2], "y": [0, 1]}, "data.target is required"),
        (5, None, "or a mapping"),
    ],
)
def test_what_cannot_be_run_is_one_message_and_nothing_is_left(tmp_path, recipe, data, says):
    with pytest.raises(mt.UserError, match=says):
        mt.run(recipe, data=data, out=tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_recipe_may_extend_another(tmp_path):
    (tmp_path / "base.yaml").write_text("task: binary\ndata: {path: rows.csv, target: y}\ntrain: {epochs: 3}\n")
    resolved = mt.load_recipe({"extends": str(tmp_path / "base.yaml"), "seed": 4})
    assert (resolved.spec.train.epochs, resolved.spec.seed) == (3, 4)
    assert resolved.spec.data.path == str(tmp_path / "rows.csv")
