"""Features that give the target away are named; those that only seem to are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlp_toolkit.data import dataset
from mlp_toolkit.data.columns.kinds import infer_kinds
from mlp_toolkit.data.leaks.features import leaks_found
from mlp_toolkit.data.reading import frames
from mlp_toolkit.recipe import catalog, resolving

RANDOM = np.random.default_rng(0)
ROWS = 3_000
YES = RANDOM.integers(0, 2, ROWS)
KIND = RANDOM.integers(0, 3, ROWS)
NOISE, OTHER = RANDOM.normal(size=(2, ROWS))


def found(column: Any, target: np.ndarray, task: str = "binary") -> list[str]:
    frame = frames.normalise(pd.DataFrame({"x": column, "noise": OTHER[: len(column)]}))
    return leaks_found(frame, infer_kinds(frame), target.reshape(len(target), -1), task, ["y"])


def words(numbers: np.ndarray, texts: str) -> np.ndarray:
    return np.array(list(texts), object)[numbers]


@pytest.mark.parametrize(
    ("column", "target", "task", "how"),
    [
        (NOISE * -3 + 2, NOISE, "regression", "correlation"),
        (np.where(RANDOM.uniform(size=ROWS) < 0.3, np.nan, NOISE), NOISE, "regression", "correlation"),
        (words(YES, "nj"), YES, "binary", "each of its values"),
        (words(KIND, "abc"), KIND, "multiclass", "each of its values"),
        (words(KIND * 2 + YES, "abcdef"), KIND, "multiclass", "each of its values"),
        (np.where(YES, RANDOM.choice([1, 5], ROWS), RANDOM.choice([3, 7], ROWS)), YES, "binary", "each of its values"),
        (np.where(YES, RANDOM.normal(size=ROWS), np.nan), YES, "binary", "whether it has a value"),
        (np.where(YES, "2024-05-01", None), YES, "binary", "one class"),
        (YES * 1.5 + RANDOM.uniform(size=ROWS), YES, "binary", "a threshold"),
        (KIND * -1.5 + RANDOM.uniform(size=ROWS), KIND, "multiclass", "a threshold"),
    ],
)
def test_a_leak_is_named(column: Any, target: np.ndarray, task: str, how: str) -> None:
    (note,) = found(column, target, task)
    assert note.startswith("'x' gives the target 'y' away")
    assert how in note
    assert "data.features: {x: ignore}" in note


def test_a_leak_is_seen_in_a_file_sorted_by_its_target() -> None:
    order = np.argsort(YES, kind="stable")
    assert found(words(YES, "nj")[order], YES[order])
    assert found((YES * 1.5 + RANDOM.uniform(size=ROWS))[order], YES[order])


def test_one_row_that_contradicts_is_enough() -> None:
    for column in (YES * 1.5, words(YES, "nj")):
        contradicted = YES.copy()
        contradicted[1] = 1 - contradicted[1]  # not among the rows of the first look
        assert found(column, YES)
        assert not found(column, contradicted)


@pytest.mark.parametrize(
    ("column", "target", "task"),
    [
        (NOISE + RANDOM.normal(size=ROWS) * 0.05, NOISE, "regression"),  # correlated at 0.999
        ([f"id {number}" for number in range(ROWS)], YES, "binary"),
        (RANDOM.permutation(ROWS), YES, "binary"),
        (np.arange(ROWS) // 2, YES[np.arange(ROWS) // 2], "binary"),  # of a group of two rows: its number
        (words(YES, "nj")[:20], YES[:20], "binary"),  # few rows
        (np.where(np.arange(ROWS) == 7, 5.0, NOISE), np.arange(ROWS) == 7, "binary"),  # a class of one row
        (words((np.arange(ROWS) == 7).astype(int), "ab"), np.arange(ROWS) == 7, "binary"),
        (np.where(YES, RANDOM.normal(size=ROWS), np.nan), KIND, "multiclass"),
    ],
)
def test_what_only_seems_to_be_one_is_not(column: Any, target: np.ndarray, task: str) -> None:
    assert found(column, target.astype(float), task) == []


def test_random_tables_have_none() -> None:
    for rows in (30, 60, 200):
        for seed in range(30):
            random = np.random.default_rng([rows, seed])
            frame = pd.DataFrame(random.integers(0, 3, (rows, 10)), columns=[f"c{i}" for i in range(10)])
            frame["rare"] = random.uniform(size=rows) < 0.05
            values = (random.uniform(size=(rows, 1)) < random.choice([0.05, 0.5])).astype(float)
            frame = frames.normalise(frame)
            assert leaks_found(frame, infer_kinds(frame), values, "binary", ["y"]) == []


def test_features_that_leak_in_one_way_share_a_sentence() -> None:
    frame = frames.normalise(pd.DataFrame({f"c{i}": NOISE * (i + 1) for i in range(3)}))
    (note,) = leaks_found(frame, infer_kinds(frame), NOISE[:, None], "regression", ["y"])
    assert note.startswith("'c0', 'c1', 'c2' give the target 'y' away")
    assert "{c0: ignore, c1: ignore, c2: ignore}" in note


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine", "nursery", "linnerud", "bike_share"])
def test_the_recipes_that_ship_have_none(name: str) -> None:
    notes = dataset.load_dataset(resolving.load_recipe(catalog.recipes()[name]).spec).notes
    assert not [note for note in notes if "away" in note]
