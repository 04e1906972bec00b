"""The run directory, and what can be done with it."""

from __future__ import annotations

import json
import re

import h5py
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from support import RECIPES, killed_after_a_checkpoint, python

import mlp_toolkit as mt
from mlp_toolkit.storage import array_files

FILES = {
    "model.h5",
    "recipe.yaml",
    "metrics.json",
    "explanation.json",
    "history.csv",
    "predictions.parquet",
    "checkpoint.h5",
    "report.html",
    "environment.json",
}
SCORES = {
    "regression": {"rmse", "mae", "r2"},
    "binary": {"accuracy", "auc", "pr_auc", "log_loss", "f1", "balanced_accuracy", "brier"},
    "multilabel": {"micro_f1", "macro_f1", "hamming_loss", "subset_accuracy", "macro_auc"},
    "multiclass": {"accuracy", "log_loss", "macro_f1", "balanced_accuracy", "macro_auc"},
}


@pytest.mark.parametrize("task", RECIPES)
def test_a_run_leaves_every_file_and_no_other(runs, task):
    assert {path.name for path in runs[task].directory.iterdir()} == FILES


@pytest.mark.parametrize("task", RECIPES)
def test_metrics_have_the_names_of_the_task(runs, task):
    record = json.loads((runs[task].directory / "metrics.json").read_text())
    assert record["task"] == task
    for part in ("train", "validation", "test"):
        assert set(record[part]) == SCORES[task]
    assert set(record["rows"]) == {"train", "validation", "test"}
    assert sum(record["rows"].values()) == 240
    assert set(record["seconds"]) == {"fit", "total"}
    assert 1 <= record["best_epoch"] <= record["epochs"] == 4


def test_test_scores_are_those_of_the_predictions_kept(runs):
    kept = pd.read_parquet(runs["regression"].directory / "predictions.parquet")
    scores = runs["regression"].metrics["test"]
    assert scores["rmse"] == pytest.approx(float(np.sqrt(np.mean((kept["target"] - kept["prediction"]) ** 2))))
    kept = pd.read_parquet(runs["binary"].directory / "predictions.parquet")
    positive = (kept["target"] == "malignant").astype(int)
    assert runs["binary"].metrics["test"]["auc"] == pytest.approx(metrics.roc_auc_score(positive, kept["probability"]))
    kept = pd.read_parquet(runs["multiclass"].directory / "predictions.parquet")
    assert runs["multiclass"].metrics["test"]["accuracy"] == pytest.approx(
        (kept["target"] == kept["prediction"]).mean()
    )


def test_predictions_name_the_rows_of_the_file(runs, people):
    kept = pd.read_parquet(runs["regression"].directory / "predictions.parquet")
    np.testing.assert_allclose(kept["target"], people["age"].iloc[kept["row"]])


@pytest.mark.parametrize("task", RECIPES)
def test_predict_has_the_columns_of_the_task(runs, task, people):
    columns = list(runs[task].predict(people.head(5)).columns)
    expected = {
        "regression": ["age"],
        "binary": ["label", "probability"],
        "multilabel": ["big", "dark", "probability_big", "probability_dark"],
        "multiclass": ["label", "probability_Graz", "probability_Linz", "probability_Wien"],
    }
    assert columns == expected[task]


def test_predict_repeats_the_predictions_kept(runs, people):
    for task, column in (("regression", "age"), ("binary", "probability")):
        kept = pd.read_parquet(runs[task].directory / "predictions.parquet")
        again = runs[task].predict(people.iloc[kept["row"]])
        own = "prediction" if task == "regression" else "probability"
        np.testing.assert_allclose(again[column], kept[own], rtol=1e-6)


def test_a_new_process_with_plain_keras_predicts_the_same_from_raw_columns(runs, folder):
    code = """
import sys, mlp_toolkit, keras, pandas as pd, tensorflow as tf
kept = pd.read_parquet(sys.argv[1] + "/predictions.parquet")
raw = pd.read_csv(sys.argv[2], keep_default_na=False, na_values=[""]).iloc[kept["row"]]
model = keras.models.load_model(sys.argv[1] + "/model.h5")
inputs = {}
for name, tensor in model.input.items():
    column = raw[name]
    values = column.fillna("").tolist() if tensor.dtype == "string" else column.astype("float32").tolist()
    inputs[name] = tf.constant(values, tensor.dtype)[:, None]
print(abs(model(inputs).numpy()[:, 0] - kept["probability"]).max())
"""
    assert float(python(code, runs["binary"].directory, folder / "people.csv")) < 1e-6


def test_the_resolved_recipe_repeats_the_run_bit_for_bit(runs, tmp_path):
    first = runs["binary"]
    again = mt.run(first.directory / "recipe.yaml", out=tmp_path / "again", verbose=0)
    assert again.metrics["test"] == first.metrics["test"]
    assert _weights(again.directory / "model.h5") == _weights(first.directory / "model.h5")


def test_history_has_a_row_per_epoch(runs):
    assert runs["binary"].history["epoch"].tolist() == [1, 2, 3, 4]
    assert {"loss", "val_loss"} <= set(runs["binary"].history)


def test_errors_of_each_epoch_are_in_the_targets_units(runs):
    metrics, history = runs["regression"].metrics, runs["regression"].history
    best = history.iloc[metrics["best_epoch"] - 1]
    assert best["val_rmse"] == pytest.approx(metrics["validation"]["rmse"], rel=1e-4)
    assert best["val_mae"] == pytest.approx(metrics["validation"]["mae"], rel=1e-4)


def test_environment_holds_versions_seed_and_fingerprint(runs, folder):
    import hashlib

    found = json.loads((runs["binary"].directory / "environment.json").read_text())
    assert found["seed"] == 0
    assert found["data_sha256"] == hashlib.sha256((folder / "people.csv").read_bytes()).hexdigest()
    assert {"tensorflow", "keras", "mlp-toolkit", "python"} <= set(found["versions"])


@pytest.mark.parametrize("task", RECIPES)
def test_the_report_needs_no_network(runs, task):
    page = runs[task].report_path.read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "data:image/svg+xml;base64," in page
    for name in SCORES[task]:
        assert f"<td>{name}</td>" in page


def test_a_folder_that_holds_a_run_is_not_written_over(runs, folder):
    with pytest.raises(mt.UserError, match="holds a run already"):
        mt.run(folder / "binary.yaml", out=runs["binary"].directory, verbose=0)


def test_run_directories_are_numbered_where_a_name_is_taken(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = mt.run(folder / "regression.yaml", {"train.epochs": 1}, verbose=0)
    second = mt.run(folder / "regression.yaml", {"train.epochs": 1}, verbose=0)
    assert [str(run.directory) for run in (first, second)] == ["runs/regression", "runs/regression-2"]


def test_load_run_opens_a_finished_run_and_refuses_others(runs, tmp_path):
    assert mt.load_run(runs["binary"].directory).metrics == runs["binary"].metrics
    with pytest.raises(mt.UserError, match="not a run directory"):
        mt.load_run(tmp_path)


def test_a_killed_run_resumes_to_the_same_bits(folder, tmp_path):
    """SIGKILL in the middle of training; the schedule watches the validation loss, dropout draws random numbers."""
    overrides = {"train.epochs": 40, "train.schedule": "reduce_on_plateau", "train.early_stopping": None}
    whole = mt.run(folder / "binary.yaml", overrides, out=tmp_path / "whole", verbose=0)
    out = tmp_path / "killed"
    killed_after_a_checkpoint(folder / "binary.yaml", overrides, out)
    assert (out / "checkpoint.h5").exists()
    assert (out / ".lock").exists(), "the lock of a process that was killed stays, and holds nobody up"
    resumed = mt.run(folder / "binary.yaml", overrides, out=out, resume=True, verbose=0)
    assert _weights(resumed.directory / "model.h5") == _weights(whole.directory / "model.h5")
    assert resumed.history.equals(whole.history)
    assert resumed.metrics["test"] == whole.metrics["test"]


def test_a_changed_recipe_is_not_resumed(folder, tmp_path):
    run = mt.run(folder / "binary.yaml", {"train.epochs": 1}, out=tmp_path / "run", verbose=0)
    (run.directory / "metrics.json").unlink()
    with pytest.raises(mt.UserError, match="has changed"):
        mt.run(folder / "binary.yaml", {"train.epochs": 2}, out=run.directory, resume=True, verbose=0)


def test_a_checkpoint_of_another_version_is_refused(folder, tmp_path):
    run = mt.run(folder / "binary.yaml", {"train.epochs": 1}, out=tmp_path / "run", verbose=0)
    (run.directory / "metrics.json").unlink()
    path = run.directory / "checkpoint.h5"
    arrays, info = array_files.read_arrays(path)
    array_files.write_arrays(path, {**arrays, "now": arrays["now"][:-1]}, info)
    with pytest.raises(mt.UserError, match="another network than this recipe builds now"):
        mt.run(folder / "binary.yaml", {"train.epochs": 1}, out=run.directory, resume=True, verbose=0)


def test_a_target_that_cannot_be_learnt_leaves_nothing_behind(folder, tmp_path):
    with pytest.raises(mt.UserError):
        mt.run(folder / "binary.yaml", {"data.target": "city"}, out=tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def _weights(path):
    found = {}
    with h5py.File(path) as file:
        file["model_weights"].visititems(
            lambda name, item: found.update({name: item[()].tobytes()}) if isinstance(item, h5py.Dataset) else None
        )
    return found


def test_the_recipe_of_a_run_with_listed_features_repeats_and_resumes_it(tmp_path):
    settings = {"train.epochs": 2, "model.hidden": [4], "data.features": ["mean radius", "mean area"]}
    first = mt.run("breast_cancer", settings, out=tmp_path / "first", verbose=0)
    again = mt.run(tmp_path / "first" / "recipe.yaml", out=tmp_path / "again", verbose=0)
    assert again.metrics["test"] == first.metrics["test"]
    (tmp_path / "first" / "metrics.json").unlink()
    gone_on = mt.run(tmp_path / "first" / "recipe.yaml", out=tmp_path / "first", resume=True, verbose=0)
    assert gone_on.metrics["test"] == first.metrics["test"]
