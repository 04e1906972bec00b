"""The caution on few rows, against numbers worked out by hand."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mlp_toolkit as mt
from mlp_toolkit.data.targets import Target
from mlp_toolkit.evaluation.few_rows import note_on_few_rows


def wilson(right, rows, z=1.959964):
    """The formula as Wilson gave it."""
    share = right / rows
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return middle - half, middle + half


@pytest.mark.parametrize(("right", "rows"), [(11, 12), (0, 3), (30, 30), (1, 1)])
def test_of_classes_it_is_wilsons_interval(right, rows):
    true = np.arange(rows)[:, None] % 3
    told = np.where(np.arange(rows) < right, true[:, 0], (true[:, 0] + 1) % 3)
    note = note_on_few_rows(true, np.eye(3)[told], Target("multiclass", ("y",), ("a", "b", "c")), 200)[0]
    low, high = wilson(right, rows)
    assert f"{right} of {rows} test rows are right, which leaves open {low:.0%} to {high:.0%}" in note
    assert "validation" not in note


def test_of_labels_a_row_is_right_where_all_are():
    true = np.array([[1, 0], [1, 1], [0, 0]])
    chance = np.array([[0.9, 0.2], [0.9, 0.4], [0.1, 0.6]])
    note = note_on_few_rows(true, chance, Target("multilabel", ("a", "b")), 3)[0]
    assert "1 of 3 test rows are right" in note
    assert "3 rows for validation chose the best epoch" in note


def test_of_numbers_it_is_the_bootstrap_of_scipy():
    true = np.random.default_rng(1).normal(size=(40, 1)) * 5_000
    note = note_on_few_rows(true, np.zeros((40, 1)), Target("regression", ("y",)), 40)[0]
    told = [float(text.replace(",", "")) for text in re.search(r"rmse of ([\d,]+) to ([\d,]+)", note).groups()]
    settings = {"method": "percentile", "vectorized": True, "n_resamples": 20_000, "rng": 5}
    found = stats.bootstrap((true[:, 0] ** 2,), lambda errors, axis: np.sqrt(errors.mean(axis=axis)), **settings)
    assert told == pytest.approx(found.confidence_interval, rel=0.03)


def test_a_run_says_it_where_rows_are_few_and_only_there(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=300), "y": random.normal(size=300)})
    recipe = {"task": "regression", "data": {"target": "y"}, "train": {"epochs": 1}}
    few, many = (mt.run(recipe, data=rows, out=tmp_path / str(len(rows)), verbose=0) for rows in (frame[:19], frame))
    assert [
        note for note in few.metrics["notes"] if re.match("few rows: .* drawn anew, .* 3 rows for validation", note)
    ]
    assert not [note for note in many.metrics["notes"] if note.startswith("few rows")]
