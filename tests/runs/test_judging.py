"""Thresholds, intervals and baselines of a run: in the model file, in predictions, in metrics.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError
from mlp_toolkit.evaluation import explain
from mlp_toolkit.runs.analysis import explaining

QUICK = {"train.epochs": 4, "baselines": "none"}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=(700, 3))
    rare = np.where(x[:, 0] + random.normal(size=700) > 1.6, "ill", "well")
    sizes = np.array(["small", "middle", "large"])[np.digitize(x[:, 1] + 0.3 * random.normal(size=700), [-0.5, 0.5])]
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(state=rare, size=sizes, price=1_000 + 50 * x[:, 2])
    frame["price"] += 10 * random.normal(size=700)
    return frame.assign(old=(x[:, 0] > 1).astype(int), far=(x[:, 1] > 0).astype(int))


def ran(table: pd.DataFrame, out: Path, task: str, target: Any, **overrides: Any) -> Any:
    data = {"target": target, "features": ["a", "b", "c"], "split": {"validation": 0.3, "test": 0.3}}
    given = {**QUICK, **{key.replace("__", "."): value for key, value in overrides.items()}}
    return mt.run({"task": task, "data": data}, given, data=table, out=out / task, verbose=0)


def test_a_threshold_stands_in_the_file_and_decides_everywhere(table: pd.DataFrame, tmp_path: Path) -> None:
    run = ran(table, tmp_path, "binary", "state", decision__threshold="auto")
    limit = run.metrics["thresholds"]["ill"]
    assert limit < 0.4  # few are ill
    model = mt.load(run.directory / "model.h5")
    predicted = mt.predict(model, table)
    assert (predicted["label"] == np.where(predicted["probability"] >= limit, "ill", "well")).all()
    scores = run.evaluate(table)
    assert scores["f1"] == pytest.approx(sk.f1_score(table["state"] == "ill", predicted["label"] == "ill"))
    tested = pd.read_parquet(run.directory / "predictions.parquet")
    assert (tested["prediction"] == np.where(tested["probability"] >= limit, "ill", "well")).all()
    assert run.metrics["test"]["f1"] == pytest.approx(
        sk.f1_score(tested["target"] == "ill", tested["prediction"] == "ill")
    )
    assert any("threshold of 'ill'" in note for note in run.metrics["notes"])
    fixed = ran(table, tmp_path / "fixed", "binary", "state", decision__threshold=0.2)
    assert fixed.metrics["thresholds"] == {"ill": 0.2}


def test_each_label_has_a_threshold(table: pd.DataFrame, tmp_path: Path) -> None:
    run = ran(table, tmp_path, "multilabel", ["old", "far"], decision__threshold="auto")
    limits, predicted = run.metrics["thresholds"], run.predict(table)
    for name, limit in limits.items():
        assert (predicted[name] == (predicted[f"probability_{name}"] >= limit).astype(int)).all()


@pytest.mark.parametrize(
    ("task", "target"),
    [("regression", "price"), ("binary", "state"), ("multiclass", "size"), ("multilabel", ["old", "far"])],
)
def test_intervals_hold_test_rows_and_come_with_predictions(
    table: pd.DataFrame, tmp_path: Path, task: str, target: Any
) -> None:
    run = ran(table, tmp_path, task, target, intervals=0.9)
    found = run.metrics["intervals"]
    covered = found["coverage"]
    shares = list(covered.values()) if isinstance(covered, dict) else [covered]
    assert found["level"] == 0.9
    assert all(0.84 <= share <= 1 for share in shares)
    predicted = run.predict(table)
    if task == "regression":
        above, below = predicted["price_upper"] - predicted["price"], predicted["price"] - predicted["price_lower"]
        assert np.allclose(above, below)
        inside = predicted["price_lower"].le(table["price"]) & table["price"].le(predicted["price_upper"])
        assert inside.mean() > 0.84
    else:
        assert predicted["set"].str.len().gt(0).any()
    if task == "multiclass":
        held = [label in chosen.split("|") for label, chosen in zip(table["size"], predicted["set"], strict=True)]
        assert np.mean(held) > 0.84
    tested = pd.read_parquet(run.directory / "predictions.parquet")
    if task == "regression":
        wide = tested["prediction_upper"] - tested["prediction_lower"]
        assert wide.mean() == pytest.approx(found["width"]["price"])
        inside = tested["prediction_lower"].le(tested["target"]) & tested["target"].le(tested["prediction_upper"])
        assert inside.mean() == pytest.approx(covered["price"])
    else:
        assert "set" in tested


def test_folds_give_intervals_and_thresholds_too(table: pd.DataFrame, tmp_path: Path) -> None:
    data = {"target": "state", "features": ["a", "b", "c"], "split": {"validation": "folds", "test": 0.3}}
    cut = {"task": "binary", "data": data, "model": {"ensemble": 3}, "intervals": 0.8}
    run = mt.run(cut, {**QUICK, "decision.threshold": "auto"}, data=table, out=tmp_path / "r", verbose=0)
    assert 0.72 <= run.metrics["intervals"]["coverage"] <= 1
    out_of_fold = pd.read_parquet(run.directory / "out_of_fold.parquet")
    chosen = out_of_fold["probability"] >= run.metrics["thresholds"]["ill"]
    assert (out_of_fold["prediction"] == np.where(chosen, "ill", "well")).all()


def test_dear_things_get_wide_intervals_by_folds_and_out_of_the_file(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    level = np.repeat([1.0, 2.0, 3.0, 4.0], 175)
    frame = pd.DataFrame({"level": level, "price": 100 * level + 10 * level**2 * random.normal(size=700)})
    data = {"target": "price", "split": {"validation": "folds", "test": 0.3}}
    recipe = {"task": "regression", "data": data, "model": {"ensemble": 3}, "intervals": 0.9}
    run = mt.run(recipe, {**QUICK, "train.epochs": 30}, data=frame, out=tmp_path / "r", verbose=0)
    predicted = mt.predict(mt.load(run.directory / "model.h5"), frame)
    wide = (predicted["price_upper"] - predicted["price_lower"]).groupby(level).mean()
    assert wide[4.0] > 2 * wide[1.0]
    inside = predicted["price_lower"].le(frame["price"]) & frame["price"].le(predicted["price_upper"])
    assert 0.85 < inside.mean() < 0.95
    narrow, widest = run.metrics["intervals"]["narrow_and_wide"]["price"]
    assert narrow < run.metrics["intervals"]["width"]["price"] < widest


def test_too_few_rows_for_an_interval_are_told_before_training(table: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="need 99 rows"):
        ran(table[:120], tmp_path, "regression", "price", intervals=0.99)


def test_baselines_are_scikit_learns_on_the_same_rows(table: pd.DataFrame, tmp_path: Path) -> None:
    run = ran(table, tmp_path, "binary", "state", baselines="auto")
    found = run.metrics["baselines"]
    assert [*found] == ["dummy", "linear", "boosted_trees"]
    assert found["dummy"]["auc"] == 0.5
    tested = pd.read_parquet(run.directory / "predictions.parquet")["row"].to_numpy()
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from mlp_toolkit.data import dataset

    spec = mt.load_recipe(run.directory / "recipe.yaml").spec
    parts = dataset.load_dataset(spec).parts
    assert parts["test"].tolist() == tested.tolist()
    x = table[["a", "b", "c"]].to_numpy()
    scaled = StandardScaler().fit(x[parts["train"]])
    model = LogisticRegression(max_iter=200).fit(
        scaled.transform(x[parts["train"]]), table["state"].iloc[parts["train"]] == "ill"
    )
    chance = model.predict_proba(scaled.transform(x[tested]))[:, 1]
    assert found["linear"]["auc"] == pytest.approx(
        sk.roc_auc_score(table["state"].iloc[tested] == "ill", chance), abs=1e-3
    )
    assert found["boosted_trees"]["auc"] > 0.6
    low, high = run.metrics["test_interval"]["auc"]
    assert low < run.metrics["test"]["auc"] < high
    # Four epochs of a network do not beat a linear model on linear data, and the run says so.
    assert any("a linear model does" in note and "preset: strong" in note for note in run.metrics["notes"])


@pytest.mark.parametrize(
    ("task", "target"), [("regression", ["price", "a2"]), ("multiclass", "size"), ("multilabel", ["old", "far"])]
)
def test_baselines_of_every_task(table: pd.DataFrame, tmp_path: Path, task: str, target: Any) -> None:
    run = ran(table.assign(a2=table["a"] * 2), tmp_path, task, target, baselines="auto")
    leading = {"regression": "r2", "multiclass": "accuracy", "multilabel": "macro_auc"}[task]
    found = run.metrics["baselines"]
    assert found["linear"][leading] > found["dummy"][leading] + 0.2
    assert found["boosted_trees"][leading] > found["dummy"][leading] + 0.2


def test_runs_are_compared_on_the_rows_that_all_tested(table: pd.DataFrame, tmp_path: Path) -> None:
    good = ran(table, tmp_path / "good", "binary", "state", train__epochs=30)
    poor = ran(table, tmp_path / "poor", "binary", "state", train__epochs=1, train__optimizer__learning_rate=1e-6)
    other = ran(table, tmp_path / "other", "regression", "price")
    found = mt.compare([good.directory, poor.directory])
    assert found.rows == good.metrics["rows"]["test"]
    named = found.differences.set_index("score")
    for name in ("auc", "log_loss", "f1"):
        apart = poor.metrics["test"][name] - good.metrics["test"][name]
        assert named["difference"][name] == pytest.approx(apart, abs=1e-6)
        assert named["low"][name] <= apart <= named["high"][name]
    assert "more than chance" in str(found)
    same = mt.compare([good.directory, good.directory])
    assert (same.differences[["difference", "low", "high"]] == 0).all(axis=None)
    with pytest.raises(UserError, match="something else"):
        mt.compare([good.directory, other.directory])
    with pytest.raises(UserError, match="two runs or more"):
        mt.compare([good.directory])


def test_a_run_says_what_it_looks_at_and_where_it_fails(table: pd.DataFrame, tmp_path: Path) -> None:
    table = table.rename(columns={"b": "self"})  # a name that pandas' own functions have for themselves
    run = ran(table, tmp_path, "regression", "price", train__epochs=40, data__features=["a", "self", "c"])
    told = run.explain()
    assert told.importance["column"][0] == "c"  # the price is 50 times c
    assert told.rows == run.metrics["rows"]["test"]
    page = run.report_path.read_text()
    assert "What it looks at" in page
    assert "Where it fails" in page
    given = run.contributions(table.iloc[[5]]).set_index("column")
    assert given["contribution"].abs().idxmax() == "c"
    predicted = run.predict(table.iloc[[5]])["price"].iloc[0]
    assert given["contribution"].sum() == pytest.approx(predicted - 1_000, abs=25)  # 50 rows' mean is about 1,000
    assert run.explain(table[:200]).rows == 200
    brief = ran(table, tmp_path / "brief", "regression", "price", report="brief", data__features=["a", "self", "c"])
    assert "What it looks at" not in brief.report_path.read_text()
    with pytest.raises(UserError, match="one row"):
        run.contributions(table[:2])


def test_a_report_looks_at_so_many_rows_as_it_can_afford(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ran(table, tmp_path, "regression", "price")
    frame, values = explaining.test_rows(run.directory)
    looked_at, of_slices = [], []
    monkeypatch.setattr(explain, "slices", lambda _, rows, *__: of_slices.append(len(rows)) or pd.DataFrame())
    each = 3 * explain.REPEATS + explaining.SHOWN * explain.GRID  # of three columns
    for affordable in (len(frame), 150, 60, 40):
        monkeypatch.setattr(explaining, "MOST_PREDICTED", affordable * each)
        told = explaining.explained(run.model, frame, values, brief=True)
        looked_at.append(told and told.rows)
    assert looked_at == [len(frame), 150, 100, None]  # fewer than 100 say too little; fewer than 50 are none
    assert {*of_slices} == {len(frame)}


def test_a_budget_of_seconds_ends_training_with_its_epoch(table: pd.DataFrame, tmp_path: Path) -> None:
    patience = {"train__epochs": 100_000, "train__early_stopping": None, "train__seconds": 0.5}
    run = ran(table, tmp_path, "regression", "price", **patience)
    assert 1 <= run.metrics["epochs"] < 100_000
    assert run.metrics["seconds"]["fit"] < 60
    assert any("seconds for training were over after epoch" in note for note in run.metrics["notes"])
