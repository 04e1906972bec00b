"""A search: what it finds, and what it refuses."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from searches import SPACE, recipe

import mlp_toolkit as mt
from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import MissingExtra, UserError
from mlp_toolkit.model.backend import tf
from mlp_toolkit.recipe import catalog
from mlp_toolkit.recipe.spec import Tune
from mlp_toolkit.tuning import luck, record, study, trials


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (160, 3))
    return pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=np.sin(3 * x[:, 0]) + x[:, 1])


@pytest.fixture(scope="module")
def searched(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return mt.tune(recipe(), data=rows, out=tmp_path_factory.mktemp("found") / "run", verbose=0)


def test_the_best_trial_is_trained_again_and_tested(searched: Any, tmp_path: Path) -> None:
    tried = pd.read_csv(searched.directory / "trials.csv")
    found = searched.metrics["search"]
    assert len(tried) == 6
    complete = tried[tried["state"] == "complete"]
    assert found["best_trial"] == complete["trial"][complete["rmse"].idxmin()]
    assert searched.metrics["validation"]["rmse"] == pytest.approx(found["best"])
    resolved = mt.load_recipe(searched.directory / "recipe.yaml")
    assert resolved.values["tune"] is None
    assert resolved.spec.train.optimizer.learning_rate == found["values"]["train.optimizer.learning_rate"]
    again = mt.run(searched.directory / "recipe.yaml", out=tmp_path / "again", verbose=0)
    assert again.metrics["test"] == searched.metrics["test"]
    assert {"search_history.png", "best.yaml"} <= {file.name for file in searched.directory.iterdir()}
    assert "Search" in searched.report_path.read_text()


def test_the_seconds_that_have_passed_are_kept_for_the_other_engine(searched: Any, tmp_path: Path) -> None:
    tune = Tune.model_validate({**catalog.config("search")["usual"], "space": "auto"})
    tried = pd.read_csv(searched.directory / "trials.csv")
    opened = study.open_study(searched.directory, tune, 6)
    assert opened.user_attrs["seconds"] >= tried["seconds"].sum() > 0
    assert record.searched(opened) == opened.user_attrs["seconds"]
    earlier = study.open_study(tmp_path, tune, 6)
    trial = earlier.ask()
    trial.set_user_attr("seconds", 30.0)
    earlier.tell(trial, 1.0)
    assert record.searched(earlier) == 30, "of a journal that holds the seconds of trials alone"


def stopped(recipe: dict[str, Any], rows: pd.DataFrame, folder: Path) -> Path:
    """The directory of a search that ended in its first trial."""

    class Stopped(BaseException):
        pass

    def stop(*_: Any, **__: Any) -> None:
        raise Stopped

    out = folder / "run"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trials, "carry_out", stop)
        with pytest.raises(Stopped):
            mt.tune(recipe, data=rows, out=out, verbose=0)
    return out


def test_another_search_is_not_gone_on_with(rows: pd.DataFrame, tmp_path: Path) -> None:
    out = stopped(recipe(2), rows, tmp_path)
    rate = "train.optimizer.learning_rate"
    for overrides, told in (
        ({"train.batch_size": 32}, "train.batch_size: was 16, is 32"),
        ({"data.split.test": 0.3}, "data.split.test: was 0.2, is 0.3"),
        ({"tune.metric": "mae"}, "tune.metric: was rmse, is mae"),
        ({"tune.space": {**SPACE, "model.activation": {"values": ["tanh", "relu"]}}}, "tune.space.model.activation"),
        ({"tune.space": {"model.activation": SPACE["model.activation"]}}, f"tune.space.{rate}"),
    ):
        with pytest.raises(UserError) as refused:
            mt.tune(recipe(2), overrides, data=rows, out=out, resume=True, verbose=0)
        assert told in str(refused.value)
        assert len(str(refused.value).split("\n")) == 3  # what differs, and nothing else
    with pytest.raises(UserError, match=r"data\.fingerprint: was "):
        mt.tune(recipe(2), data=rows[::-1], out=out, resume=True, verbose=0)
    assert mt.tune(recipe(2), data=rows, out=out, resume=True, verbose=0).metrics["search"]["trials"] == 6


def test_a_search_that_goes_on_may_try_more_and_search_over_more(rows: pd.DataFrame, tmp_path: Path) -> None:
    out = stopped(recipe(2, trials=1), rows, tmp_path)
    more = {"tune.space": {**SPACE, "train.batch_size": {"values": [16, 32]}}, "model.activation": "tanh"}
    found = mt.tune(recipe(2, trials=2), more, data=rows, out=out, resume=True, verbose=0)
    assert found.metrics["search"]["trials"] == 2


def test_the_recipe_itself_is_tried_first(searched: Any) -> None:
    first = pd.read_csv(searched.directory / "trials.csv").iloc[0]
    assert (first["train.optimizer.learning_rate"], first["model.activation"]) == (0.001, "relu")


@pytest.mark.parametrize(
    ("preset", "own"),
    [
        ("slides", {"train.optimizer.learning_rate": 0.001, "train.batch_size": 32, "model.hidden": "[64, 64]"}),
        ("strong", {"train.optimizer.learning_rate": 0.2, "model.frequency": 8, "model.hidden": "[128, 128, 128]"}),
    ],
)
def test_what_a_preset_leaves_open_is_tried_first_too(
    rows: pd.DataFrame, tmp_path: Path, preset: str, own: dict[str, Any]
) -> None:
    short = {"task": "regression", "preset": preset, "data": {"target": "y"}, "train": {"epochs": 1}}
    few = {"model": {"ensemble": 2}} if preset == "strong" else {}
    quick = {"baselines": "none", "report": "brief"}
    found = mt.tune({**short, **few, **quick}, data=rows, trials=1, out=tmp_path / "run", verbose=0)
    first = pd.read_csv(found.directory / "trials.csv").iloc[0]
    assert {key: first[key] for key in own} == own


def test_members_with_folds_are_searched_over(rows: pd.DataFrame, tmp_path: Path) -> None:
    space = {"train.optimizer.learning_rate": {"min": 0.05, "max": 0.3, "log": True}, "model.ensemble": {"values": [2]}}
    strong = {"task": "regression", "preset": "strong", "data": {"target": "y"}, "baselines": "none"}
    overrides = {"train.epochs": 3, "model.hidden": [8], "model.ensemble": 2, "tune.trials": 2, "tune.space": space}
    found = mt.tune(strong, overrides, data=rows, out=tmp_path / "run", verbose=0)
    assert found.metrics["search"]["best"] == pytest.approx(found.metrics["validation"]["rmse"])


def test_trials_of_a_warm_start_begin_where_the_best_recipe_does(
    searched: Any, rows: pd.DataFrame, tmp_path: Path
) -> None:
    space = {"train.optimizer.learning_rate": {"min": 1e-6, "max": 1e-5}}
    model = {"hidden": [8], "warm_start": {"from": str(searched.directory / "model.h5")}}
    wanted = {**recipe(trials=2, space=space), "model": model}
    found = mt.tune(wanted, data=rows, out=tmp_path / "run", verbose=0)
    assert found.metrics["search"]["best"] == pytest.approx(found.metrics["validation"]["rmse"])


def test_a_grid_is_gone_through_once(rows: pd.DataFrame, tmp_path: Path) -> None:
    space = {"model.dropout": {"min": 0.0, "max": 0.2, "step": 0.2}, "model.hidden": {"values": [[4], [8]]}}
    found = mt.tune(
        recipe(sampler="grid", pruner="none", trials=20, space=space), data=rows, out=tmp_path / "run", verbose=0
    )
    tried = pd.read_csv(found.directory / "trials.csv")
    assert sorted(zip(tried["model.dropout"], tried["model.hidden"], strict=True)) == [
        (0.0, "[4]"),
        (0.0, "[8]"),
        (0.2, "[4]"),
        (0.2, "[8]"),
    ]


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"model.dropuot": {"min": 0.0, "max": 0.5}}, "unknown key"),
        ({"model.dropout": {"min": 0.0, "max": 1.5}}, "model.dropout has a wrong value"),
        ({"model.activation": {"values": ["relu", "rleu"]}}, "rleu"),
        ({"train.device": {"values": ["cpu"]}}, "does not change"),
    ],
)
def test_a_space_that_no_recipe_may_have_is_refused(
    space: dict[str, Any], said: str, rows: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        mt.tune(recipe(space=space), data=rows, out=tmp_path / "run", verbose=0)
    assert f"tune.space.{next(iter(space))}" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_taken_is_refused(searched: Any, rows: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds a search or a run already"):
        mt.tune(recipe(), data=rows, out=searched.directory, verbose=0)
    with pytest.raises(UserError, match="no search to go on with"):
        mt.tune(recipe(), data=rows, out=tmp_path / "none", resume=True, verbose=0)
    assert mt.tune(recipe(), data=rows, out=searched.directory, resume=True, verbose=0).metrics == searched.metrics


def test_without_optuna_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtra, match=r"mlp-toolkit\[tune\]"):
        study.load_optuna()


def test_the_best_of_many_equal_trials_was_lucky() -> None:
    """Forty trials that know nothing: the best of them has an AUC above one half, and no more is expected of it."""
    random = np.random.default_rng(0)
    true = random.integers(0, 2, (150, 1)).astype(float)
    outputs = [random.random((150, 1)) for _ in range(40)]
    target = Target("binary", ("y",), ("n", "y"))
    from sklearn.metrics import roc_auc_score

    best = max(roc_auc_score(true, own) for own in outputs)
    found = luck.luck_of(true, outputs, target, "auc", best)
    assert found is not None
    assert best > 0.58
    assert found.expected == pytest.approx(0.5, abs=0.05)
    sure = luck.luck_of(true, [true * 0.5 + 0.2 * random.random((150, 1))], target, "auc", 1.0)
    assert sure is not None
    assert sure.expected == pytest.approx(1.0)


def test_a_trial_that_is_out_of_memory_fails_and_the_others_are_what_they_were(
    searched: Any, rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out, calls = trials.carry_out, itertools.count()

    def short(*arguments: Any, **more: Any) -> trials.Tried:
        if next(calls) == 2:
            raise tf.errors.ResourceExhaustedError(None, None, "failed to allocate 9 GB\nand where")
        return carry_out(*arguments, **more)

    monkeypatch.setattr(trials, "carry_out", short)
    found = mt.tune(recipe(pruner="none"), data=rows, out=tmp_path / "run", verbose=0)
    tried = pd.read_csv(found.directory / "trials.csv")
    assert tried["state"][2] == "failed"
    assert tried["reason"][2] == "out of memory: failed to allocate 9 GB"
    assert found.metrics["search"]["failed"] == 1
    assert "1 failed" in found.report_path.read_text()
    names = [*SPACE]
    whole = pd.read_csv(searched.directory / "trials.csv")
    pd.testing.assert_frame_equal(tried[names], whole[names])


def test_a_search_without_any_score_says_why(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(trials, "carry_out", short)
    with pytest.raises(UserError, match="no trial has a score, and some have failed") as caught:
        mt.tune(recipe(trials=2), data=rows, out=tmp_path / "run", verbose=0)
    assert "trials.csv" in str(caught.value)
    assert [*pd.read_csv(tmp_path / "run" / "trials.csv")["reason"]] == ["out of memory: no size is known"] * 2
