"""CSV files whose first line is a row: against pandas without a header, and against the same file with one."""

from __future__ import annotations

import json
import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris

import mlp_toolkit as mt
from mlp_toolkit.data.reading.tables import header, read_table
from mlp_toolkit.data.streaming import csv_to_parquet
from mlp_toolkit.errors import UserError

CELL = st.text(string.ascii_letters + string.digits + ' ",;.-\n', max_size=6).map(lambda text: f"x{text}x")


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    """A folder with the rows in a file with names, and in one without."""
    folder = tmp_path_factory.mktemp("iris")
    loaded = load_iris(as_frame=True)
    frame = loaded.frame.assign(target=loaded.target_names[loaded.target])
    frame.to_csv(folder / "named.csv", index=False)
    frame.to_csv(folder / "rows.csv", index=False, header=False)
    return folder


@given(st.integers(2, 4).flatmap(lambda width: st.lists(st.tuples(*[CELL] * width), min_size=1, max_size=5)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_line_is_a_row(tmp_path, rows):
    path = tmp_path / "rows.csv"
    pd.DataFrame(rows).to_csv(path, index=False, header=False)
    frame = read_table(path, named=False).frame
    assert frame.columns.tolist() == header(path, named=False) == list(map(str, range(len(rows[0]))))
    assert frame.to_numpy().tolist() == list(map(list, rows))
    assert next(iter(csv_to_parquet._blocks(path, header=False))).to_numpy().tolist() == list(map(list, rows))


def test_remarks_and_a_separator_before_the_first_row(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("sep=;\n# a remark\n\n1;a\n2;b\n")
    assert read_table(path, named=False).frame.to_dict("list") == {"0": ["1", "2"], "1": ["a", "b"]}


def test_it_trains_and_predicts_as_with_names(iris, tmp_path, call):
    assert call("init", iris / "rows.csv", "--target", "4", "--no-header", "-O", tmp_path / "r.yaml")[0] == 0
    named = {"task": "multiclass", "data": {"path": str(iris / "named.csv"), "target": "target"}}
    shorter = {"train.epochs": 2, "preset": "slides"}
    runs = [
        mt.run(recipe, shorter, out=tmp_path / str(recipe)[-5:-1], verbose=0) for recipe in (tmp_path / "r.yaml", named)
    ]
    assert runs[0].metrics["test"] == runs[1].metrics["test"]
    code, _, _ = call("predict", runs[0].directory, iris / "rows.csv", "-O", tmp_path / "p.csv", "--no-header")
    assert code == 0
    expected = runs[1].predict(iris / "named.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "p.csv"), expected, check_dtype=False, atol=1e-6)
    pd.testing.assert_frame_equal(runs[0].predict(pd.read_csv(iris / "rows.csv", header=None)), expected)
    scores = [
        call("evaluate", run.directory, iris / name, *more)[1]
        for run, name, more in zip(runs, ("rows.csv", "named.csv"), (["--no-header"], []), strict=True)
    ]
    assert scores[0] == scores[1]
    assert "--no-header" in call("predict", runs[0].directory, iris / "rows.csv", "-O", tmp_path / "q.csv")[2]
    again = mt.run(runs[0].directory / "recipe.yaml", out=tmp_path / "again", verbose=0)
    assert again.metrics["test"] == runs[0].metrics["test"]


def test_numbers_name_columns_in_a_recipe(iris):
    data = {"path": str(iris / "rows.csv"), "header": False, "target": 4, "features": {0: "numeric", 1: "ignore"}}
    columns = mt.load_recipe({"task": "multiclass", "data": data}).spec.data
    assert (columns.target, columns.features) == ("4", {"0": "numeric", "1": "ignore"})
    with pytest.raises(UserError, match=r"data\.target"):
        mt.load_recipe({"task": "multiclass", "data": data | {"header": True}})


def test_the_column_of_the_parts_is_called_by_its_number(iris, tmp_path):
    rows = pd.read_csv(iris / "rows.csv", header=None)
    parts = np.resize(["train", "train", "validation", "test"], len(rows))
    rows.assign(part=parts).to_csv(tmp_path / "rows.csv", header=False, index=False)
    data = {"path": str(tmp_path / "rows.csv"), "header": False, "target": 4, "split": 5}
    run = mt.run({"task": "multiclass", "data": data, "train": {"epochs": 1}}, out=tmp_path / "run", verbose=0)
    assert run.metrics["rows"] == {part: int((parts == part).sum()) for part in ("train", "validation", "test")}


def test_only_csv_files_have_none(tmp_path):
    data = {"path": str(tmp_path / "rows.parquet"), "header": False, "target": "4"}
    with pytest.raises(UserError, match="only a CSV file may have no header"):
        mt.load_recipe({"task": "multiclass", "data": data})


@pytest.mark.parametrize(("first", "warned"), [("5.1,3.5,setosa", True), ("1,2,3", True), ("a,b,setosa", False)])
def test_a_first_line_of_numbers_is_remarked_on(tmp_path, first, warned):
    path = tmp_path / "rows.csv"
    path.write_text(f"{first}\n4.9,3.0,setosa\n")
    notes = " ".join(read_table(path).notes)
    assert ("data.header: false" in notes) == warned
    assert np.array_equal(read_table(path).frame.columns, first.split(","))


def test_init_says_how_where_the_target_is_a_number(iris, call):
    code, _, said = call("init", iris / "rows.csv", "--target", "4", "-O", iris / "never.yaml")
    assert (code, "--no-header" in said) == (2, True)


def test_streamed_as_in_memory(iris, tmp_path):
    data = {"path": str(iris / "rows.csv"), "header": False, "target": 4, "stream": True}
    recipe = {"task": "multiclass", "data": data, "train": {"epochs": 1}}
    run = mt.run(recipe, out=tmp_path / "run", verbose=0)
    rows = json.loads((run.directory / "metrics.json").read_text())["rows"]
    assert sum(rows.values()) == 150
