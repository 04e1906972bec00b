"""The notebooks as they are stored; `make notebooks` runs them from top to bottom."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from execute import BYTES

import mlp_toolkit as mt

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
README = (FOLDER / "README.md").read_text("utf-8")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parsed(cell):
    """The cell's Python; commands of Jupyter and of the shell are none."""
    return ast.walk(ast.parse("\n".join(line for line in cell.source.split("\n") if line[:1] not in ("%", "!"))))


def outputs(notebook):
    return [output for cell in code(notebook) for output in cell.outputs]


def test_a_notebook_is_stored_as_it_ran_from_top_to_bottom(notebook):
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    assert not [output for output in outputs(notebook) if output.output_type == "error"]


def test_a_notebook_says_nothing_on_standard_error_and_nothing_of_the_machine(notebook):
    assert not [output.text for output in outputs(notebook) if output.get("name") == "stderr"]
    assert not re.search(r"(/tmp/|/home/|/root|/work/|site-packages)", str(outputs(notebook)))


def test_a_notebook_is_small_and_has_pictures(notebook):
    assert len(nbformat.writes(notebook)) <= BYTES
    assert [output for output in outputs(notebook) if "image/png" in output.get("data", {})]


def test_what_a_notebook_claims_is_asserted(notebook):
    claims = [node for cell in code(notebook) for node in parsed(cell) if type(node) is ast.Assert]
    assert len(claims) >= 3


def test_a_notebook_calls_the_public_names_alone(notebook):
    for cell in code(notebook):
        for node in parsed(cell):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mlp_toolkit"):
                assert node.module == "mlp_toolkit.estimators.perceptron"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "mt":
                assert node.attr in mt.__all__


def test_a_notebook_names_recipe_keys_that_there_are(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    check_keys(text)


def check_keys(text):
    from mlp_toolkit.recipe import spec

    parts = {"data": spec.Data, "model": spec.Model, "train": spec.Train}
    for part, key in re.findall(r"`(data|model|train)\.([a-z_0-9]+)\b(?!\.)", text):
        if key == "h5":  # model.h5, the file
            continue
        fields = parts[part].model_fields
        assert key in {*fields, *(field.alias for field in fields.values())}, f"{part}.{key}"


def test_the_map_names_every_notebook_and_keys_that_there_are():
    assert set(re.findall(r"\]\((\d\d_\w+\.ipynb)\)", README)) == {path.name for path in NOTEBOOKS}
    check_keys(README)
