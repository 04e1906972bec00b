"""The house: each folder's map lists what is in it, and nothing grows beyond what one can see at a glance."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import mlp_toolkit

ROOT = Path(mlp_toolkit.__file__).parent
FOLDERS = sorted(file.parent for file in ROOT.rglob("__init__.py") if file.parent != ROOT)
MOST_AT_THE_TOP, MOST_IN_A_FOLDER, MOST_LINES, MOST_LINES_OF_A_FUNCTION = 14, 12, 400, 60

NO_ROOMS = ("__pycache__", "configs", "recipes", "shipped", "__init__.py", "__main__.py", "py.typed")


def entries(folder: Path) -> set[str]:
    return {entry.stem for entry in folder.iterdir() if entry.name not in ("__pycache__", "__init__.py")}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_the_map_of_a_room_lists_what_is_in_it(folder):
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
    assert text.split("\n")[0].endswith("?"), "a room answers one question"
    assert re.findall(r"^(\w+): .+\.$", text, flags=re.M) != []
    listed = re.findall(r"^(\w+): ", text, flags=re.M)
    assert len(listed) == len({*listed})
    assert {*listed} == entries(folder)


def test_a_folder_shows_its_story_at_a_glance():
    at_the_top = [entry for entry in ROOT.iterdir() if entry.name not in NO_ROOMS]
    assert len(at_the_top) <= MOST_AT_THE_TOP
    assert {str(folder): len(entries(folder)) for folder in FOLDERS if len(entries(folder)) > MOST_IN_A_FOLDER} == {}


def test_files_and_functions_are_short():
    long = {}
    for file in ROOT.rglob("*.py"):
        text = file.read_text("utf-8")
        if len(text.splitlines()) > MOST_LINES:
            long[str(file)] = len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                said = len((ast.get_docstring(node, clean=False) or "").splitlines())
                lines = node.end_lineno - node.lineno + 1 - said
                if lines > MOST_LINES_OF_A_FUNCTION:
                    long[f"{file}: {node.name}"] = lines
    assert long == {}
