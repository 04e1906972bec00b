"""What the README says holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlp_toolkit.cli import main
from mlp_toolkit.recipe import catalog, resolving, spec

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def block(name):
    return README.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]


def rows(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines() if "|" in line]


def test_the_python_blocks_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) >= 3
    for code in blocks:
        exec(compile(code, "README.md", "exec"), {})


def test_the_yaml_blocks_are_recipes(tmp_path):
    for text in re.findall(r"```yaml\n(.*?)```", README, re.S):
        (tmp_path / "recipe.yaml").write_text(text)
        assert resolving.load_recipe(tmp_path / "recipe.yaml")


def test_every_command_of_the_program_is_named():
    for command in main.app.registered_commands:
        name = command.name or command.callback.__name__
        assert re.search(rf"`{name} ", README) or f"`{name}`" in README, name


@pytest.mark.parametrize("task", spec.TASKS)
def test_the_tables_are_what_show_resolves(task, tmp_path):
    target = "[Weight, Waist]" if task == "multilabel" else "Weight"
    (tmp_path / "recipe.yaml").write_text(f"task: {task}\ndata: {{dataset: linnerud, target: {target}}}\n")
    shown = resolving.explain(resolving.load_recipe(tmp_path / "recipe.yaml"))
    values = resolving.load_recipe(tmp_path / "recipe.yaml").values
    head, _, *lines = rows(block("tables"))
    column = head.index(task)
    compared = 0
    for line in lines:
        said = line[column]
        key = line[0].strip("`")
        if "." in key:
            found = values
            for part in key.split("."):
                found = found[part]
            assert said == str(found), key
            compared += 1
    assert compared >= 7
    assert "output activation" in shown


def test_the_benchmark_holds_the_main_cases_and_its_link_leads_somewhere(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from fit_cases import CASES

    head, _, *lines = rows(block("bench"))
    assert [line[0] for line in lines] == [case.name for case in CASES if case.main]
    assert all(len(line) == len(head) for line in lines)
    for cell in (cell for line in lines for cell in line[1:] if cell):
        assert float(cell.replace(",", "")) > 0
    assert "`make bench`" in README
    for path in re.findall(r"\]\((benchmarks/[^)]+)\)", README):
        assert (ROOT / path).is_file(), path


def test_the_scores_are_those_of_the_recipes_comments():
    lines = rows(block("scores"))[2:]
    assert {line[0] for line in lines} == set(catalog.recipes())
    for name, _, scores in lines:
        comment = catalog.recipes()[name].read_text().split("task:")[0]
        for score in re.findall(r"-?\d+\.\d+", scores):
            assert score in comment, (name, score)


def test_the_table_of_streaming_holds_what_the_benchmark_writes():
    written = rows((ROOT / "benchmarks" / "results" / "stream.md").read_text())
    shown = rows(block("stream"))
    assert shown[0] == written[0]
    assert [line[:2] for line in shown] == [line[:2] for line in written]  # the figures are another machine's each time
