"""Intervals of scores, beside scikit-learn's scores of weighted rows, and what they hold of many samples.

The caution on few rows, against numbers worked out by hand.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

import mlp_toolkit as mt
from mlp_toolkit.data.targets import Target
from mlp_toolkit.evaluation import doubt, metrics

BINARY = Target("binary", ("y",), ("no", "yes"))
CLASSES = Target("multiclass", ("y",), ("a", "b", "c"))
LABELS = Target("multilabel", ("p", "q", "r"))
NUMBERS = Target("regression", ("u", "v"), (), (0.0, 0.0), (1.0, 1.0))


def rows(target: Target, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    chance = random.random((count, target.n_outputs)).round(1)  # rounded: many rows have the same score
    if target.task == "regression":
        return random.normal(size=(count, 2)) + 1e6, random.normal(size=(count, 2)) + 1e6
    if target.task == "multiclass":
        chance += 0.1
        return random.integers(0, 3, (count, 1)).astype(float), chance / chance.sum(axis=1, keepdims=True)
    return (random.random((count, target.n_outputs)) < 0.4).astype(float), chance


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([BINARY, CLASSES, LABELS, NUMBERS]))
def test_rows_that_count_so_often_give_the_scores_of_rows_that_are_there_so_often(seed: int, target: Target) -> None:
    values, outputs = rows(target, 40, seed)
    counts = np.random.default_rng(seed + 1).integers(0, 4, (3, 40)).astype(float)
    found = doubt.scores_of_samples(values, outputs, target, counts)
    names = metrics.metric_names(target.task)
    quick = doubt.scores_of_samples(values, outputs, target, counts, ["log_loss", "rmse"])
    assert {*names} - {*quick} == {name for name in names if "auc" in name}
    for name, own in quick.items():
        np.testing.assert_array_equal(own, found[name])
    for place, own in enumerate(counts.astype(int)):
        expected = metrics.score(np.repeat(values, own, axis=0), np.repeat(outputs, own, axis=0), target, names)
        for name, score in expected.items():
            assert found[name][place] == pytest.approx(score, rel=1e-6, abs=1e-9), name


def test_areas_are_those_of_scikit_learn_with_weights() -> None:
    random = np.random.default_rng(0)
    true, chance, weights = random.integers(0, 2, 200), random.random(200).round(2), random.random((1, 200))
    auc, precision = doubt.areas(true, chance, weights)
    assert auc[0] == pytest.approx(sk.roc_auc_score(true, chance, sample_weight=weights[0]))
    assert precision[0] == pytest.approx(sk.average_precision_score(true, chance, sample_weight=weights[0]))


def test_intervals_hold_the_score_of_many_rows_about_as_often_as_they_say() -> None:
    """200 samples of one population: of their intervals some 95 % hold the population's score."""
    random, held = np.random.default_rng(0), {"accuracy": 0, "auc": 0, "log_loss": 0}

    def sample(count: int) -> tuple[np.ndarray, np.ndarray]:
        chance = random.beta(1, 1, (count, 1))
        return (random.random((count, 1)) < chance).astype(float), chance

    truth = metrics.score(*sample(400_000), BINARY, list(held))
    for _ in range(200):
        values, outputs = sample(150)
        found = doubt.score_intervals(values, outputs, BINARY, metrics.score(values, outputs, BINARY, list(held)))
        for name, (low, high) in found.items():
            held[name] += low <= truth[name] <= high
    for name, times in held.items():
        assert 0.90 <= times / 200 <= 0.99, name


def test_rows_of_a_group_are_drawn_together() -> None:
    """Twenty copies of each row tell no more than one: the interval stays as wide only if they are drawn together."""
    values, outputs = rows(BINARY, 60, 3)
    scores = metrics.score(values, outputs, BINARY, ["auc"])
    copied = np.repeat(values, 20, axis=0), np.repeat(outputs, 20, axis=0)

    def width(of: dict[str, list[float]]) -> float:
        return of["auc"][1] - of["auc"][0]

    single = width(doubt.score_intervals(values, outputs, BINARY, scores))
    together = width(doubt.score_intervals(*copied, BINARY, scores, np.repeat(np.arange(60), 20)))
    apart = width(doubt.score_intervals(*copied, BINARY, scores))
    assert together == pytest.approx(single, rel=0.15)
    assert apart < single / 3


def test_many_rows_are_cut_and_their_interval_is_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    values, outputs = rows(NUMBERS, 4_000, 0)
    scores = metrics.score(values, outputs, NUMBERS, ["rmse"])
    whole = doubt.score_intervals(values, outputs, NUMBERS, scores)["rmse"]
    monkeypatch.setattr(doubt, "MOST_ROWS", 1_000)
    cut = doubt.score_intervals(values, outputs, NUMBERS, scores)["rmse"]
    assert cut == pytest.approx(whole, abs=0.3 * (whole[1] - whole[0]))


def test_a_perfect_score_of_few_rows_is_in_doubt_and_one_row_says_nothing() -> None:
    right = np.ones((10, 1)), np.full((10, 1), 0.9)
    assert doubt.score_intervals(*right, BINARY, {"accuracy": 1.0})["accuracy"][0] == pytest.approx(0.7225, abs=1e-3)
    assert doubt.score_intervals(right[0][:1], right[1][:1], BINARY, {"accuracy": 1.0}) == {}


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
    note = doubt.note_on_few_rows(true, np.eye(3)[told], Target("multiclass", ("y",), ("a", "b", "c")), 200)[0]
    low, high = wilson(right, rows)
    assert f"{right} of {rows} test rows are right, which leaves open {low:.0%} to {high:.0%}" in note
    assert "validation" not in note


def test_of_labels_a_row_is_right_where_all_are():
    true = np.array([[1, 0], [1, 1], [0, 0]])
    chance = np.array([[0.9, 0.2], [0.9, 0.4], [0.1, 0.6]])
    note = doubt.note_on_few_rows(true, chance, Target("multilabel", ("a", "b")), 3)[0]
    assert "1 of 3 test rows are right" in note
    assert "3 rows for validation chose the best epoch" in note


def test_of_numbers_it_is_the_bootstrap_of_scipy():
    true = np.random.default_rng(1).normal(size=(40, 1)) * 5_000
    note = doubt.note_on_few_rows(true, np.zeros((40, 1)), Target("regression", ("y",)), 40)[0]
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
