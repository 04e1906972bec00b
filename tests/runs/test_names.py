"""Names are data: targets, labels and classes may be called as our own columns are, or look like markup."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt

TARGETS = ["label", "probability", "prediction", "row", "target_row", "$x^$", "probability_label"]
CLASSES = ["$1_$2", "[red]", "a|b", '"q"', "label", "<b>"]
ROWS = 80


def run_of(frame, folder, task, target):
    frame.to_parquet(folder / "table.parquet", index=False)
    data = {"path": "table.parquet", "target": target, "split": {"validation": 0.2, "test": 0.25}}
    (folder / "recipe.yaml").write_text(json.dumps({"task": task, "data": data, "train": {"epochs": 1}}))
    return mt.run(folder / "recipe.yaml", out=folder / "run", verbose=0)


def table(**columns):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"x": rng.normal(size=ROWS), "z": rng.normal(size=ROWS)}).assign(**columns)


def kept(run):
    return pd.read_parquet(run.directory / "predictions.parquet")


def test_targets_may_be_called_as_columns_of_predictions(tmp_path):
    frame = table(**{name: np.arange(ROWS) * place for place, name in enumerate(TARGETS, 1)})
    run = run_of(frame, tmp_path, "regression", TARGETS)
    rows = kept(run)
    assert list(rows) == ["row", *(f"target_{name}" for name in TARGETS), *(f"prediction_{name}" for name in TARGETS)]
    tested = frame.iloc[rows["row"]]
    predicted = run.predict(tested)
    assert list(predicted) == TARGETS
    for name in TARGETS:
        np.testing.assert_array_equal(rows[f"target_{name}"], tested[name])
        np.testing.assert_allclose(rows[f"prediction_{name}"], predicted[name], rtol=1e-6)
    assert "Test rows" in run.report_path.read_text()


@pytest.mark.parametrize("target", TARGETS[:3])
def test_one_target_may_be_called_as_a_column_of_predictions(target, tmp_path):
    run = run_of(table(**{target: np.arange(ROWS) * 2.0}), tmp_path, "regression", target)
    assert list(kept(run)) == ["row", "target", "prediction"]


@pytest.mark.parametrize(("task", "classes"), [("multiclass", CLASSES), ("binary", CLASSES[:2])])
def test_classes_may_look_like_markup(task, classes, tmp_path):
    run = run_of(table(probability=np.resize(classes, ROWS)), tmp_path, task, "probability")
    rows = kept(run)
    assert set(rows["target"]) == set(classes)
    chances = {"probability"} if task == "binary" else {f"probability_{label}" for label in classes}
    assert set(rows) == {"row", "target", "prediction", *chances}
    assert set(run.predict(table())) == {"label", *chances}


def test_a_label_is_not_called_as_the_probability_of_another(tmp_path):
    frame = table(spam=np.arange(ROWS) % 2, probability_spam=np.arange(ROWS) % 2)
    with pytest.raises(mt.UserError, match="'probability_spam' of predictions would be a label and the probability"):
        run_of(frame, tmp_path, "multilabel", ["spam", "probability_spam"])


def test_a_slash_in_a_name_lets_no_library_speak(tmp_path, capfd):
    frame = table(**{"a/b": np.arange(ROWS) * 0.5, "y/n": np.arange(ROWS) % 2})
    run = run_of(frame, tmp_path, "binary", "y/n")
    again = mt.load(run.directory / "model.h5")
    assert list(mt.predict(again, frame.head(2))) == ["label", "probability"]
    assert capfd.readouterr() == ("", "")
