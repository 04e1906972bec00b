"""Bad input in bulk: whatever a recipe, a file or a table holds, the end is a result or one clear message.

A script: `python tests/programs/fuzz_all.py recipes 10000` prints how many cases ended how; likewise `csv`, `parquet`,
`npz`, `rows` and `arguments` with a number of cases, and `hostile`, the files and recipes that are large to read.
"""

from __future__ import annotations

import faulthandler
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import fuzz_files
import fuzz_recipes
import fuzz_rows
import numpy as np
import pandas as pd
import pytest
from fuzz_bound import Tally
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlp_toolkit as mt
from mlp_toolkit.cli import draft
from mlp_toolkit.data import dataset, roles
from mlp_toolkit.data.images import pixels
from mlp_toolkit.data.reading import tables
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe import resolving

SEED = os.environ.get("SEED", "0")

# Recipes


def read_recipe(file: Path, overrides: list[str]) -> str:
    """What `show` and `validate` do."""
    resolved = resolving.load_recipe(file, dict(resolving.parse_override(text) for text in overrides))
    roles.check_header(resolved.spec, file.name)
    return resolving.explain(resolved)


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
    tally.within(10)


@settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random=st.randoms(use_true_random=False))
def test_of_a_damaged_recipe_outside_the_bound_the_smallest_is_found(tmp_path_factory, random):
    folder = tmp_path_factory.mktemp("recipes")
    file = fuzz_recipes.fill(folder)
    file.write_bytes(fuzz_recipes.damaged(random))
    tally = Tally(folder)
    tally.case("recipe", functools.partial(read_recipe, file, []))
    tally.within()


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzz_recipes.HOSTILE)
def test_a_hostile_recipe_is_refused_soon(tmp_path, name):
    file = fuzz_recipes.fill(tmp_path)
    hostile = fuzz_recipes.HOSTILE[name]
    file.write_bytes(hostile.encode() if isinstance(hostile, str) else hostile)
    tally = Tally(tmp_path)
    assert tally.case(name, lambda: read_recipe(file, [])) == "refused", tally.outside


# Data files


def read_table(file: Path) -> tables.Table:
    table = tables.read_table(file)
    assert tables.header(file) == list(table.frame.columns)
    for name, column in table.frame.items():
        numbers = column.dtype.kind in "iuf" if hasattr(column.dtype, "kind") else False
        assert numbers or pixels.among(column) or all(isinstance(v, str) for v in column.dropna()), name
    return table


def write_recipe(file: Path, target: str) -> tuple[str, list[str]]:
    return draft.draft(str(file), [target], None, file.parent)


def load_dataset(file: Path, source: fuzz_files.Source, features: str) -> dataset.Dataset:
    written = file.with_name("fuzzed.yaml")
    target = list(source.target) if len(source.target) > 1 else repr(source.target[0])
    written.write_text(f"task: {source.task}\ndata: {{path: {file.name}, target: {target}{features}}}\n")
    return dataset.load_dataset(resolving.load_recipe(written).spec)


def drafted_recipe(file: Path, target: str) -> dataset.Dataset:
    """What `init`, then `validate` and the first half of `run` do."""
    text, _ = write_recipe(file, target)
    written = file.with_name("drafted.yaml")
    written.write_text(text, "utf-8")
    return dataset.load_dataset(resolving.load_recipe(written).spec)


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
    tally.within(10)


# Made and refused at once; of these the default suite looks at each.
QUICK = {name for name in fuzz_files.HOSTILE if name.endswith(".npz")} - {"3 GB of zeros.npz", "a bomb.npz"}
QUICK |= {"a million columns.csv", "a name of 10 MB.csv", "a quote at the beginning.csv", "a deep list.parquet"}
QUICK |= {"packed twice.csv.gz", "a text a million times.parquet", "a long text a thousand times.parquet"}


def hostile_file(folder: Path, name: str, tally: Tally) -> None:
    file = folder / name
    file.write_bytes(fuzz_files.HOSTILE[name]())
    tally.case(f"{name} header", lambda: tables.header(file))
    tally.case(f"{name} read", lambda: tables.read_table(file) and None)
    tally.case(f"{name} init", lambda: write_recipe(file, "y") and None)
    source = fuzz_files.Source(name, pd.DataFrame(), ("y",), "binary")
    tally.case(f"{name} load", lambda: load_dataset(file, source, "") and None)
    file.unlink()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in fuzz_files.HOSTILE]
)
def test_a_hostile_file_is_read_or_refused_soon(tmp_path, name):
    tally = Tally(tmp_path)
    hostile_file(tmp_path, name, tally)
    tally.within()


# Rows to predict for


def predicted(run: Any, rows: Any) -> None:
    """Predictions are finite, and as many as there are rows."""
    table = run.predict(rows) if isinstance(rows, pd.DataFrame) else mt.predict(run.model, rows)
    columns = list(rows.values()) if isinstance(rows, dict) else None  # a mapping of columns has its rows in each
    assert len(table) == (len(rows) if columns is None else len(columns[0]))
    numbers = table.select_dtypes("number").to_numpy(float)
    assert np.isfinite(numbers).all()
    assert run.metrics["task"] == "regression" or ((numbers >= 0) & (numbers <= 1)).all()


def test_odd_rows_are_predicted_for_or_refused(runs, people, tmp_path):
    tally = Tally(tmp_path)
    for number in range(int(os.environ.get("ROWS", "300"))):
        random = Random(f"rows {SEED} {number}")
        task = random.choice([*runs])
        rows = fuzz_rows.damaged(people, random)
        tally.case(f"rows {SEED} {number} {task}", functools.partial(predicted, runs[task], rows))
    print(tally)
    tally.within(50)


def test_columns_that_a_model_does_not_take_are_not_looked_at(runs, people):
    odd = people.assign(extra=[[1, {}]] * len(people), another=1 + 2j)
    expected = runs["binary"].predict(people)
    pd.testing.assert_frame_equal(mt.predict(runs["binary"].model, odd), expected)
    twice = pd.concat([odd, odd[["extra"]]], axis=1)
    pd.testing.assert_frame_equal(mt.predict(runs["binary"].model, twice), expected)


def test_a_text_that_utf_8_cannot_hold_is_a_value_not_seen_before(runs, people):
    unseen, half = (people.head(3).assign(blood=pd.Series([text] * 3, dtype=object)) for text in ("?", "\ud800"))
    pd.testing.assert_frame_equal(runs["binary"].predict(half), runs["binary"].predict(unseen))


@pytest.mark.slow
@pytest.mark.parametrize("make", [fuzz_rows.wide, fuzz_rows.long])
def test_a_million_of_anything_is_predicted_for_or_refused_soon(runs, people, tmp_path, make):
    rows = make(people)
    tally = Tally(tmp_path)
    for run in runs.values():
        run.predict(people.head(70))
        tally.case(make.__name__, functools.partial(mt.predict, run.model, rows))
    tally.within()


# The command line

WORDS = [
    *("run", "validate", "show", "init", "evaluate", "predict", "inspect", "lr-find", "report", "recipes", "tune", "serve"),
    *("-o", "-o", "--out", "--resume", "-O", "--target", "--task", "--help", "-h", "--", "-", "--unknown", "--out=", "-x"),
    *("train.epochs=1", "train.epochs=0", "=", "a=b", "model.hidden=[", "train.optimizer=[]", "name=..", "name=a/b", "seed=x"),
    *("iris", "iri", "binary.yaml", "people.csv", "runs/binary", "runs/binary/model.h5", "runs/none", "out.csv", "out.txt"),
    *(".", "..", "", " ", "/", "/dev/null", "/proc/self/mem", "\N{PILE OF POO}", "a" * 5000, "no/such/folder/x.csv", "~", "*"),
    *("kind", "kind,age", "age", "binary", "regression", "nothing", "1", "-1", "%s", "{}", "\ud800", "people.csv.yaml"),
]  # fmt: skip  # as a table, several to a line
TRAINS = ("run", "lr-find", "tune", "serve")


def arguments(random: Random) -> list[str]:
    """A command and up to five words, most of them of no use; what trains is asked for nothing that it could do."""
    forms = [
        ["init", "people.csv", "--target", random.choice(["kind", "age", "no", "kind,age"]), "-O"],
        ["predict", "runs/binary", "people.csv", "-O"],
        ["predict", "runs/binary", "people.csv", "-O", "out.csv"],
        ["evaluate", "runs/binary"],
        ["evaluate", "runs/binary", "people.csv"],
        ["validate", "binary.yaml", "-o"],
        ["validate", "binary.yaml"],
        ["show", "binary.yaml"],
        ["inspect", "runs/binary"],
        ["report", "runs/binary"],
        ["recipes"],
    ]
    words = random.choice(forms)[:] if random.random() < 0.5 else [random.choice(WORDS)]
    words += [random.choice(WORDS) for _ in range(min(random.randint(0, 4), random.randint(0, 2)))]
    if random.random() < 0.2:
        words[random.randrange(len(words))] = random.choice(WORDS)
    if set(words) & set(TRAINS):
        words = [word for word in words if word not in ("iris", "binary.yaml")]
    return words


def test_odd_arguments_end_with_a_result_or_one_message(runs, folder, people, tmp_path, call, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    for name in ("people.csv", "binary.yaml"):
        shutil.copy(folder / name, work / name)
    shutil.copytree(runs["binary"].directory, work / "runs" / "binary")
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path))
    tally = Tally(tmp_path)

    def called(words: list[str]) -> None:
        code, out, err = call(*words)
        assert code in (0, 2)
        assert "Traceback" not in out + err
        if code:
            raise UserError(err)

    for number in range(int(os.environ.get("ARGUMENTS", "120"))):
        words = arguments(Random(f"arguments {SEED} {number}"))
        tally.case(" ".join(words), functools.partial(called, words))
    print(tally)
    tally.within(10)
    assert [path.name for path in tmp_path.iterdir()] == ["work"]
    assert not [path for path in work.rglob("*") if "partial" in path.name]


def hostile(folder: Path, _cases: int, _seed: int, tally: Tally) -> None:
    file = fuzz_recipes.fill(folder)
    for name, text in fuzz_recipes.HOSTILE.items():
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        tally.case(name, lambda: read_recipe(file, []))
    for name in fuzz_files.HOSTILE:
        hostile_file(folder, name, tally)


MODES: dict[str, Any] = {"recipes": damaged_recipes, **FILES, "hostile": hostile}


def main(mode: str, cases: str = "1", seed: str = "1") -> int:
    if mode in ("rows", "arguments"):  # these need trained models, which fixtures make
        environment = {**os.environ, mode.upper(): cases, "SEED": seed}
        command = [sys.executable, "-m", "pytest", __file__, "-k", f"odd_{mode}", "-s", "--timeout=0"]
        return subprocess.run(command, env=environment, check=False).returncode
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as folder:
        tally = Tally(Path(folder), guarded=True)
        MODES[mode](Path(folder), int(cases), int(seed), tally)
    print(*tally.outside, tally, sep="\n")
    return int(bool(tally.outside))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
