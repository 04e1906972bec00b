"""Scores of each target, label and class, against scikit-learn on the predictions that are kept; and their table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    average_precision_score,
    classification_report,
    f1_score,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
)

import mlp_toolkit as mt
from mlp_toolkit.evaluation.report import each_table


def kept(run):
    return pd.read_parquet(run.directory / "predictions.parquet")


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_each_class(runs, task):
    rows = kept(runs[task])
    expected = classification_report(rows["target"], rows["prediction"], output_dict=True, zero_division=0)
    found = runs[task].metrics["by_class"]
    assert set(map(str, rows["target"])) <= set(found)
    for name, scores in found.items():
        ours = {"precision": scores["precision"], "recall": scores["recall"], "f1-score": scores["f1"]}
        if name in expected:
            assert {**ours, "support": scores["rows"]} == pytest.approx(expected[name])


def test_each_of_several_classes_against_the_others(runs):
    rows = kept(runs["multiclass"])
    for name, scores in runs["multiclass"].metrics["by_class"].items():
        true, chance = rows["target"] == name, rows[f"probability_{name}"]
        assert scores["auc"] == pytest.approx(roc_auc_score(true, chance))
        assert scores["pr_auc"] == pytest.approx(average_precision_score(true, chance))


def test_each_label(runs):
    rows = kept(runs["multilabel"])
    found = runs["multilabel"].metrics["by_label"]
    assert list(found) == ["big", "dark"]
    for name, scores in found.items():
        true, chance = rows[f"target_{name}"], rows[f"probability_{name}"]
        assert scores["f1"] == pytest.approx(f1_score(true, chance >= 0.5))
        assert scores["rows"] == true.sum()
        assert scores["auc"] == pytest.approx(roc_auc_score(true, chance))
        assert scores["pr_auc"] == pytest.approx(average_precision_score(true, chance))


def test_each_target_in_its_own_units(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = pd.DataFrame({"price": 90_000 * x[:, 0], "rate": 0.01 * x[:, 1]})
    rows = (pd.DataFrame(x, columns=list("abc")), y)
    run = mt.run({"task": "regression", "train": {"epochs": 3}}, data=rows, out=tmp_path / "r")
    rows = kept(run)
    for name, scores in run.metrics["by_target"].items():
        true, predicted = rows[f"target_{name}"], rows[f"prediction_{name}"]
        assert scores["mae"] == pytest.approx(mean_absolute_error(true, predicted))
        assert scores["rmse"] == pytest.approx(np.sqrt(np.mean((true - predicted) ** 2)))
        assert scores["r2"] == pytest.approx(r2_score(true, predicted))
    assert run.metrics["by_target"]["price"]["mae"] > 1_000 * run.metrics["by_target"]["rate"]["mae"]


def test_a_regression_of_one_target_has_none(runs):
    assert not {"by_target", "by_label", "by_class"} & set(runs["regression"].metrics)


def test_many_classes_are_folded_and_names_are_no_markup():
    scores = {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "rows": 1_234}
    few = each_table({"by_class": {"<b>": scores}})
    assert "<details open>" in few
    assert "&lt;b&gt;" in few
    assert "1,234" in few
    assert "<details>" in each_table({"by_class": {str(number): scores for number in range(30)}})


def test_32_classes_have_a_picture_and_a_page_for_narrow_screens(tmp_path):
    rng = np.random.default_rng(0)
    kinds = rng.permutation(np.arange(640) % 32)
    frame = pd.DataFrame({"a": kinds + rng.normal(size=640), "kind": [f"kind {number}" for number in kinds]})
    recipe = {"task": "multiclass", "data": {"target": "kind"}, "train": {"epochs": 1}, "report": "brief"}
    run = mt.run(recipe, data=frame, out=tmp_path / "r")
    page = run.report_path.read_text("utf-8")
    assert page.count("<img") == 2  # learning, and the confusion matrix
    assert 'name="viewport"' in page
