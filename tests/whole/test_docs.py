"""What the pages in docs/ say holds: recipes are read, Python runs, links lead somewhere."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mlp_toolkit.data import roles
from mlp_toolkit.recipe import resolving

DOCS = Path(__file__).parents[2] / "docs"
PATTERNS = runpy.run_path(str(DOCS / "gather.py"))["PAGES"]
PAGES = sorted(DOCS.glob("*.md"))
BASE = {"task": "multiclass", "data": {"dataset": "digits", "target": "target"}}


def blocks(language):
    return [
        pytest.param(text, id=f"{page.stem}_{number}")
        for page in PAGES
        if page.stem != "traps"  # its own test runs it, in order
        for number, text in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.S), 1)
    ]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_recipe_on_a_page_is_one(text, tmp_path):
    values = {**BASE, **YAML(typ="safe").load(text)}
    (tmp_path / "data").symlink_to(DOCS.parent / "recipes" / "data")
    with (tmp_path / "recipe.yaml").open("w") as file:
        YAML().dump(values, file)
    assert roles.check_header(resolving.load_recipe(tmp_path / "recipe.yaml").spec, "recipe.yaml")


@pytest.mark.parametrize("code", blocks("python"))
def test_python_on_a_page_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "page.md", "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for path in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text("utf-8")):
        assert (page.parent / path).exists(), path


def test_the_index_names_every_page():
    index = (DOCS / "README.md").read_text("utf-8")
    assert all(f"({page.name})" in index for page in PAGES if page.name != "README.md")


def test_the_site_lists_every_page():
    root = DOCS.parent
    listed = re.findall(r": (\S+\.(?:md|ipynb))$", (root / "mkdocs.yml").read_text("utf-8"), re.M)
    assert sorted(listed) == sorted(str(page.relative_to(root)) for name in PATTERNS for page in root.glob(name))


def test_the_table_of_augmentation_is_the_one_the_benchmark_wrote():
    shown = (DOCS / "images.md").read_text("utf-8").split("<!-- augment -->")[1].split("<!-- /augment -->")[0]
    written = (DOCS.parent / "benchmarks" / "results" / "augment.md").read_text("utf-8")
    assert [line.split("|")[1] for line in shown.strip().splitlines()] == [
        line.split("|")[1] for line in written.strip().splitlines() if line.startswith("|")
    ]
