"""Cross-validation: nobody is predicted by a network that knows them, and scores are what scikit-learn makes of it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError
from mlp_toolkit.training import fit_recipe


def frame_of(loader):
    return loader(as_frame=True).frame


def recipe_of(task, **settings):
    return {"task": task, "data": {"target": "target"}, "train": {"epochs": 4}, **settings}


@pytest.fixture(scope="module")
def iris():
    return mt.cross_validate(recipe_of("multiclass"), data=frame_of(load_iris), folds=4, repeats=2, verbose=0)


def test_each_row_that_is_not_for_the_test_is_predicted_once_a_repeat(iris, tmp_path):
    tested = pd.read_parquet(
        mt.run(recipe_of("multiclass"), data=frame_of(load_iris), out=tmp_path / "run", verbose=0).directory
        / "predictions.parquet"
    )["row"]
    for _, rows in iris.out_of_fold.groupby("repeat"):
        assert sorted(rows["row"]) == sorted({*range(150)} - {*tested})
    counts = iris.out_of_fold.groupby(["repeat", "fold", "target"]).size()
    assert counts.min() >= counts.max() - 1  # of each class a like share
    first, second = (rows.set_index("row")["fold"] for _, rows in iris.out_of_fold.groupby("repeat"))
    assert (first != second).any()


def test_scores_are_those_that_scikit_learn_makes_of_the_predictions(iris):
    for line in iris.scores.to_dict("records"):
        rows = iris.out_of_fold[lambda r, at=line: (r["repeat"] == at["repeat"]) & (r["fold"] == at["fold"])]
        assert line["rows"] == len(rows)
        assert line["accuracy"] == pytest.approx(metrics.accuracy_score(rows["target"], rows["prediction"]))
        chances = rows[[f"probability_{label}" for label in (0, 1, 2)]]
        assert line["log_loss"] == pytest.approx(metrics.log_loss(rows["target"], chances), rel=1e-5)


def test_the_interval_is_students_corrected_for_shared_rows(iris):
    values = iris.scores["log_loss"].to_numpy()
    half = 2.364624 * values.std(ddof=1) * np.sqrt(1 / 8 + 1 / 3)  # t of 7 degrees; a quarter is held, three teach
    found = iris.summary.loc["log_loss"]
    assert found["mean"] == pytest.approx(values.mean())
    assert found["high"] - found["mean"] == pytest.approx(half, rel=0.01)
    assert iris.summary["high"].drop("log_loss").max() <= 1


@pytest.fixture
def taught(monkeypatch):
    """The rows of each training, in their order."""
    seen, train = [], fit_recipe.train_recipe

    def watched(spec, data, **options):
        seen.append(data)
        return train(spec, data, **options)

    monkeypatch.setattr(fit_recipe, "train_recipe", watched)
    return seen


def numbers_of(data):
    """The numbers of the rows of each part."""
    return {part: {*data.row_numbers[rows].tolist()} for part, rows in data.parts.items()}


def test_no_network_has_learnt_what_it_predicts(taught):
    frame = frame_of(load_diabetes)
    done = mt.cross_validate(recipe_of("regression"), data=frame, folds=3, verbose=0)
    for fold, data in enumerate(taught, 1):
        parts = numbers_of(data)
        predicted = {*done.out_of_fold["row"][done.out_of_fold["fold"] == fold]}
        assert predicted == parts["test"]
        assert not predicted & (parts["train"] | parts["validation"])
        assert not parts["train"] & parts["validation"]
        learnt = frame["target"].iloc[sorted(parts["train"])]  # by which alone the target is scaled
        assert data.target.offset[0] == pytest.approx(learnt.mean())
    errors = done.out_of_fold["target"] - done.out_of_fold["prediction"]
    assert np.sqrt(np.average(done.scores["rmse"] ** 2, weights=done.scores["rows"])) == pytest.approx(
        np.sqrt((errors**2).mean())
    )


def test_a_fold_is_the_network_that_trains_alone_on_its_rows(taught, tmp_path):
    frame, recipe = frame_of(load_breast_cancer), recipe_of("binary", seed=3)
    done = mt.cross_validate(recipe, data=frame, folds=3, verbose=0)
    for fold, data in enumerate(taught[:3], 1):
        part = pd.Series("", index=frame.index)
        for name, rows in numbers_of(data).items():
            part[list(rows)] = name
        alone = frame.assign(part=part)[part != ""]
        own = {**recipe, "data": {"target": "target", "split": "part"}}
        run = mt.run(own, data=alone, out=tmp_path / str(fold), verbose=0)
        held = done.out_of_fold[done.out_of_fold["fold"] == fold].set_index("row")
        chance = run.predict(frame.loc[held.index])["probability"]
        np.testing.assert_allclose(chance, held["probability"], atol=2e-5)


def test_the_command_writes_what_it_says(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers.yaml").write_text(
        "task: multiclass\ndata: {dataset: iris, target: target}\ntrain: {epochs: 2}"
    )
    code, out, err = call("cross-validate", "flowers.yaml", "--folds", "3", "-o", "train.epochs=2")
    assert code == 0
    assert out.splitlines()[-1] == "runs/flowers-folds"
    assert [f"fold {fold} of 3: accuracy" in err for fold in (1, 2, 3)] == [True] * 3
    record = json.loads((tmp_path / "runs/flowers-folds/cross_validation.json").read_text())
    scores = pd.read_csv(tmp_path / "runs/flowers-folds/scores.csv")
    assert record["summary"]["accuracy"]["mean"] == pytest.approx(scores["accuracy"].mean())
    assert out.startswith(f"accuracy {scores['accuracy'].mean():.6g}  std ")
    assert len(pd.read_parquet(tmp_path / "runs/flowers-folds/out_of_fold.parquet")) == 120
    assert (tmp_path / "runs/flowers-folds/scores.png").read_bytes().startswith(b"\x89PNG")
    assert (
        call("cross-validate", "flowers.yaml", "--folds", "2", "-o", "train.epochs=1")[1].splitlines()[-1]
        == "runs/flowers-folds-2"
    )
    code, _, err = call("cross-validate", "flowers.yaml", "--out", "runs/flowers-folds")
    assert (code, "holds a cross-validation already" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"folds": 1}, "from 2 to 100"),
        ({"repeats": True}, "from 1 to 100"),
        ({"folds": 60}, "fewer than the 60 folds"),
        ({"overrides": {"data.target": "nothing"}}, "no such column"),
    ],
)
def test_what_cannot_be_is_said(arguments, told):
    recipe = {"task": "multiclass", "data": {"dataset": "iris", "target": "target"}}
    with pytest.raises(UserError, match=told):
        mt.cross_validate(recipe, verbose=0, **arguments)


def test_the_picture_is_of_any_score(iris):
    axes = iris.plot("macro_f1")
    assert axes.get_ylabel() == "macro_f1"
    np.testing.assert_allclose(axes.collections[-1].get_offsets()[:, 1], iris.scores["macro_f1"])
    with pytest.raises(UserError, match="no such score"):
        iris.plot("beauty")
