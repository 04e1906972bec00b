"""What `validate` sees in the first rows of a target: nothing that reading all rows would not refuse."""

from __future__ import annotations

import pandas as pd
import pytest

from mlp_toolkit.data.reading.first_rows import check_first_rows
from mlp_toolkit.data.reading.tables import read_table
from mlp_toolkit.data.targets import complete, read_targets
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe.resolving import load_recipe

ROWS = 40


def recipe_of(task, path, target):
    return load_recipe({"task": task, "data": {"path": str(path), "target": target}}).spec


def written(folder, form, **columns):
    frame = pd.DataFrame({"x": range(ROWS), **columns})
    path = folder / f"rows.{form}"
    if form == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep=";" if form == "csv" else "\t")
    return path


def refused(call):
    try:
        call()
    except UserError:
        return True
    return False


WRONG = [
    ("regression", ["cheap", "dear"], "predicts numbers, but the target holds text"),
    ("regression", ["1", "2", "many"], "holds text"),
    ("binary", ["a", "b", "c", "d"], "'a', 'b', 'c'"),
    ("binary", [1, 2, 3], "two classes"),
    ("multilabel", [0, 1, 2], "labels of 0 and 1"),
    ("multilabel", ["yes", "no"], "labels of 0 and 1"),
]


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet"])
@pytest.mark.parametrize(("task", "values", "words"), WRONG)
def test_a_target_that_the_task_cannot_have(tmp_path, form, task, values, words):
    column = pd.Series(values).repeat(ROWS)[:: len(values)].to_numpy()
    path = written(tmp_path, form, y=column, z=[0, 1] * (ROWS // 2))
    recipe = recipe_of(task, path, ["y", "z"] if task == "multilabel" else "y")
    with pytest.raises(UserError, match=words) as caught:
        check_first_rows(recipe, "r.yaml")
    assert "r.yaml" in str(caught.value)
    assert refused(lambda: read_targets(recipe, read_table(path).frame))


RIGHT = [
    ("regression", [1.5, None, 3]),
    ("regression", ["1,5", "", "2,5"]),
    ("regression", [True, False]),
    ("binary", ["a", None, "b"]),
    ("binary", [1.0, 2]),
    ("binary", ["1", " 1.0", "2"]),
    ("multiclass", ["a", "b", "7"]),
    ("multilabel", [True, False]),
    ("multilabel", [0, 1, None]),
]


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet"])
@pytest.mark.parametrize(("task", "values"), RIGHT)
def test_a_target_that_can_be_read_is_not_refused(tmp_path, form, task, values):
    column = (values * ROWS)[:ROWS]
    path = written(tmp_path, form, y=column, z=[0, 1] * (ROWS // 2))
    recipe = recipe_of(task, path, ["y", "z"] if task == "multilabel" else "y")
    check_first_rows(recipe, "r.yaml")
    frame = read_table(path).frame
    frame = frame[complete(frame, recipe.data.targets)].reset_index(drop=True)
    read_targets(recipe, frame)


def test_the_line_is_the_one_an_editor_shows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('\n\nx,y\n1,2\n"two\nlines",3\n1,wide\n')
    with pytest.raises(UserError, match=r"rows.csv, line 7: y is 'wide'"):
        check_first_rows(recipe_of("regression", path, "y"), "r.yaml")


def test_only_the_beginning_of_a_large_file_is_read(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("x,y\n" + "1,2\n" * 100_000 + "1,wide\n")
    check_first_rows(recipe_of("regression", path, "y"), "r.yaml")


def test_a_quote_inside_a_field_moves_no_cell(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('x,y,z\n"say \\"hi, you\\"",1,2\n"b",3,4\n')
    check_first_rows(recipe_of("regression", path, "y"), "r.yaml")
    assert read_table(path).frame["y"].tolist() == ["1", "3"]
