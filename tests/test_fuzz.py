"""Bad input in bulk: whatever a recipe, a file or a table holds, the end is a result or one clear message.

Also a script: `python tests/test_fuzz.py recipes 10000` prints how many cases ended how; likewise `csv`, `parquet`,
`npz` with a number of cases, and `hostile`, the files and recipes that are large to read.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import fuzz_files
import fuzz_recipes
import pandas as pd
import pytest
from fuzz_bound import Tally

from mlp_toolkit import dataset, draft, images, readers, recipe

# Recipes


def read_recipe(file: Path, overrides: list[str]) -> str:
    """What `show` and `validate` do."""
    resolved = recipe.load(file, dict(recipe.parse_override(text) for text in overrides))
    dataset.check_header(resolved.spec, file.name)
    return recipe.explain(resolved)


def damaged_recipes(folder: Path, cases: int, seed: int, tally: Tally) -> None:
    file = fuzz_recipes.fill(folder)
    for number in range(cases):
        random = Random(f"recipe {seed} {number}")
        file.write_bytes(fuzz_recipes.damaged(random))
        overrides = [fuzz_recipes.override(random) for _ in range(random.choice([0, 0, 0, 0, 1, 2]))]
        tally.case(f"recipe {seed} {number}", functools.partial(read_recipe, file, overrides))


def test_a_damaged_recipe_is_one_or_refused(tmp_path):
    tally = Tally(tmp_path)
    damaged_recipes(tmp_path, 300, 0, tally)
    assert not tally.outside
    assert min(tally.counts["valid"], tally.counts["refused"]) > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzz_recipes.HOSTILE)
def test_a_hostile_recipe_is_refused_soon(tmp_path, name):
    file = fuzz_recipes.fill(tmp_path)
    hostile = fuzz_recipes.HOSTILE[name]
    file.write_bytes(hostile.encode() if isinstance(hostile, str) else hostile)
    tally = Tally(tmp_path)
    assert tally.case(name, lambda: read_recipe(file, [])) == "refused", tally.outside


# Data files


def read_table(file: Path) -> readers.Table:
    table = readers.read(file)
    assert readers.header(file) == list(table.frame.columns)
    for name, column in table.frame.items():
        numbers = column.dtype.kind in "iuf" if hasattr(column.dtype, "kind") else False
        assert numbers or images.among(column) or all(isinstance(v, str) for v in column.dropna()), name
    return table


def write_recipe(file: Path, target: str) -> tuple[str, list[str]]:
    return draft.draft(str(file), [target], None, file.parent)


def load_dataset(file: Path, source: fuzz_files.Source, features: str) -> dataset.Dataset:
    written = file.with_name("fuzzed.yaml")
    target = list(source.target) if len(source.target) > 1 else repr(source.target[0])
    written.write_text(f"task: {source.task}\ndata: {{path: {file.name}, target: {target}{features}}}\n")
    return dataset.load(recipe.load(written).spec)


def drafted_recipe(file: Path, target: str) -> dataset.Dataset:
    """What `init`, then `validate` and the first half of `run` do."""
    text, _ = write_recipe(file, target)
    written = file.with_name("drafted.yaml")
    written.write_text(text, "utf-8")
    return dataset.load(recipe.load(written).spec)


def damaged_files(
    make: Callable[[Random], tuple[str, bytes, fuzz_files.Source]], folder: Path, cases: int, seed: int, tally: Tally
) -> None:
    for number in range(cases):
        kind = make.__name__.removeprefix("damaged_")
        random = Random(f"{kind} {seed} {number}")
        name, raw, source = make(random)
        file = folder / name
        file.write_bytes(raw)
        label = f"{kind} {seed} {number}"
        outcome = tally.case(f"{label} read", functools.partial(read_table, file))
        if outcome == "refused" and random.random() < 0.9:
            continue
        target = random.choice([source.target[0], source.target[0], *source.frame.columns])
        tally.case(f"{label} init", functools.partial(drafted_recipe, file, target))
        tally.case(f"{label} load", functools.partial(load_dataset, file, source, ""))


FILES = {
    "csv": functools.partial(damaged_files, fuzz_files.damaged_csv),
    "parquet": functools.partial(damaged_files, fuzz_files.damaged_parquet),
    "npz": functools.partial(damaged_files, fuzz_files.damaged_npz),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_file_is_read_or_refused(tmp_path, kind):
    tally = Tally(tmp_path)
    FILES[kind](tmp_path, 60, 0, tally)
    assert not tally.outside
    assert min(tally.counts["valid"], tally.counts["refused"]) > 10


def hostile_file(folder: Path, name: str, tally: Tally) -> None:
    file = folder / name
    file.write_bytes(fuzz_files.HOSTILE[name]())
    tally.case(f"{name} header", lambda: readers.header(file))
    tally.case(f"{name} read", lambda: readers.read(file) and None)
    tally.case(f"{name} init", lambda: write_recipe(file, "y") and None)
    source = fuzz_files.Source(name, pd.DataFrame(), ("y",), "binary")
    tally.case(f"{name} load", lambda: load_dataset(file, source, "") and None)
    file.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzz_files.HOSTILE)
def test_a_hostile_file_is_read_or_refused_soon(tmp_path, name):
    tally = Tally(tmp_path)
    hostile_file(tmp_path, name, tally)
    assert not tally.outside


def hostile(folder: Path, _cases: int, _seed: int, tally: Tally) -> None:
    file = fuzz_recipes.fill(folder)
    for name, text in fuzz_recipes.HOSTILE.items():
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        tally.case(name, lambda: read_recipe(file, []))
    for name in fuzz_files.HOSTILE:
        hostile_file(folder, name, tally)


MODES: dict[str, Any] = {"recipes": damaged_recipes, **FILES, "hostile": hostile}


def main(mode: str, cases: str = "1", seed: str = "1") -> int:
    with tempfile.TemporaryDirectory() as folder:
        tally = Tally(Path(folder), guarded=True)
        MODES[mode](Path(folder), int(cases), int(seed), tally)
    print(*tally.outside, tally, sep="\n")
    return int(bool(tally.outside))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
