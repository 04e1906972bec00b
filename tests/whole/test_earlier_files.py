"""Files of version 0.1.0, from before its modules moved into folders: they load, predict and go on as they did then.

They lie in `earlier_files/`, with what that version predicted from them. Other processors add in another order, hence
the tolerances.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt

EARLIER = Path(__file__).parent / "earlier_files"


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("task", ["binary", "multilabel", "multiclass"])
def test_model_files_of_recipes_predict_as_before(task, call, tmp_path):
    code, _, error = call("predict", EARLIER / f"{task}.h5", EARLIER / "rows.csv", "-O", tmp_path / "found.csv")
    assert code == 0, error
    same(pd.read_csv(tmp_path / "found.csv"), pd.read_csv(EARLIER / f"{task}_predictions.csv"))


def test_a_run_directory_opens_and_predicts_as_before():
    run = mt.load_run(EARLIER / "finished")
    assert run.metrics["rows"] == {"train": 156, "validation": 36, "test": 48}
    same(run.predict(pd.read_csv(EARLIER / "rows.csv")), pd.read_csv(EARLIER / "regression_predictions.csv"))


def test_a_model_file_of_images_predicts_as_before(call, tmp_path):
    code, _, error = call("predict", EARLIER / "images.h5", EARLIER / "images.npz", "-O", tmp_path / "found.csv")
    assert code == 0, error
    same(pd.read_csv(tmp_path / "found.csv"), pd.read_csv(EARLIER / "images_predictions.csv"))


def test_a_network_predicts_and_trains_on_as_before():
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    model = mt.load(EARLIER / "iris.h5")
    expected = np.loadtxt(EARLIER / "iris_predictions.csv", delimiter=",")
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, atol=1e-5)
    losses = mt.fit(model, X, y, epochs=2, seed=1, verbose=0).history["loss"]
    np.testing.assert_allclose(losses, json.loads((EARLIER / "iris_next_losses.json").read_text()), rtol=1e-3)


def test_a_run_that_was_stopped_goes_on_to_the_same_end(tmp_path):
    folder = shutil.copytree(EARLIER / "stopped", tmp_path / "stopped")
    features = ["mean radius", "mean texture", "mean area", "mean smoothness"]
    settings = {"train.epochs": 6, "train.early_stopping": None, "model.hidden": [6], "data.features": features}
    with pytest.raises(mt.UserError, match=r"data.classes: was \[0, 1\], is \[1, 0\]"):  # the later one was positive
        mt.run("breast_cancer", settings, out=folder, resume=True, verbose=0)
    run = mt.run("breast_cancer", settings | {"data.positive": 1}, out=folder, resume=True, verbose=0)
    history = pd.read_csv(EARLIER / "stopped_history.csv")
    pd.testing.assert_frame_equal(run.history, history, rtol=1e-3, atol=1e-4)
    metrics = json.loads((EARLIER / "stopped_metrics.json").read_text())
    assert run.metrics["best_epoch"] == metrics["best_epoch"]
    assert run.metrics["test"] == pytest.approx(metrics["test"], abs=0.02)
