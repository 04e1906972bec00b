"""Seconds for training: fewer members, then fewer epochs, told before training and kept by a run that goes on."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import yaml

import mlp_toolkit as mt
from mlp_toolkit.data.dataset import load_dataset
from mlp_toolkit.recipe import resolving
from mlp_toolkit.runs.checkpoint import Checkpoint
from mlp_toolkit.training.first_steps import budget
from mlp_toolkit.training.first_steps.budget import Pace

TARGET = {"target": "kind", "positive": "malignant"}
SMALL = {"preset": "strong", "model.hidden": [4], "baselines": "none", "report": "brief"}


@pytest.fixture
def paced(monkeypatch):
    """Says how long training takes, in place of a clock."""

    def says(**pace):
        monkeypatch.setattr(budget, "pace_of", lambda spec, data: Pace(**pace))

    return says


def of_people(folder):
    return {"task": "binary", "data": {"path": str(folder / "people.csv"), **TARGET}}


@pytest.fixture
def planned(folder):
    """What is lowered for a recipe of strong, and the sentence on it."""

    def of(seconds, may=budget.OPEN, **more):
        keys = {key.replace("__", "."): value for key, value in more.items()}
        recipe = resolving.load_recipe(of_people(folder), {**SMALL, "train.seconds": seconds, **keys}).spec
        found = budget.within_seconds(recipe, load_dataset(recipe), may)
        return found.lowered, *found.notes

    return of


def test_members_are_lowered_before_epochs(planned, paced):
    paced(epoch=1.0, judging=20.0, compiling=5.0)  # 8 members: 128 + 20 s; 4: half of that, compiled anew
    assert planned(160) == ({},)
    lowered, said = planned(85)
    assert lowered == {"model.ensemble": 4}
    assert said == "8 networks and 128 epochs would take about 148 s, train.seconds allows 85: model.ensemble: 4"
    # 95 % of 40 s, less 5 s of compiling, are 33 s: of the 74 that 4 members take.
    assert planned(40)[0] == {"model.ensemble": 4, "train.epochs": math.floor(128 * 33 / 74)}
    assert planned(11)[0] == {"model.ensemble": 4, "train.epochs": 9}
    assert planned(9) == ({},), "to compile anew would take what is left"


def test_what_a_recipe_gives_is_not_lowered(planned, paced):
    paced(epoch=1.0, judging=0.0, compiling=5.0)
    assert planned(40, ["model.ensemble"])[0] == {"model.ensemble": 4}
    assert planned(70, ["train.epochs"])[0] == {"train.epochs": 61}
    assert planned(40, train__epochs=100)[0] == {"model.ensemble": 4}


def test_an_estimator_plans_too_and_says_so(paced):
    paced(epoch=1.0, judging=20.0, compiling=5.0)
    x = np.random.default_rng(0).normal(size=(120, 2))
    estimator = mt.MLPRegressor(preset="strong", hidden=[4], epochs=2, seconds=20, random_state=0).fit(x, x[:, 0])
    assert (
        "8 networks and 2 epochs would take about 22 s, train.seconds allows 20: model.ensemble: 4" in estimator.notes_
    )
    assert "ensemble: 4" in estimator.recipe_
    assert estimator.n_iter_ == 2
    with pytest.raises(mt.UserError, match="seconds"):
        mt.MLPRegressor(seconds=0).fit(x, x[:, 0])


def trained(folder, out, resume=False, **more):
    keys = {key.replace("__", "."): value for key, value in more.items()}
    return mt.run(of_people(folder), {**SMALL, **keys}, out=out, resume=resume, verbose=0)


@pytest.mark.slow
def test_what_is_measured_changes_nothing_of_a_training_that_fits(folder, tmp_path):
    runs = [trained(folder, tmp_path / str(s), train__epochs=3, train__seconds=s) for s in (None, 1_000)]
    for one, other in zip(*(run.model.weights for run in runs), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert runs[0].metrics["notes"] == runs[1].metrics["notes"]


def test_a_budget_that_is_over_at_once_is_measured_by_the_clock(folder, tmp_path):
    run = trained(folder, tmp_path / "run", train__seconds=0.01)
    assert (run.metrics["members"], run.metrics["epochs"]) == (8, 1)
    assert run.metrics["notes"][0] == "the 0.01 seconds for training were over after epoch 1 of 128"


def test_a_run_that_goes_on_keeps_what_it_began_with(folder, tmp_path, paced, monkeypatch):
    paced(epoch=100.0, judging=0.0, compiling=0.0)  # so long that the clock itself ends nothing
    whole = trained(folder, tmp_path / "whole", train__seconds=5_030)
    assert (whole.metrics["members"], whole.metrics["epochs"]) == (4, 95)
    assert "model.ensemble: 4, train.epochs: 95" in whole.metrics["notes"][0]
    assert sorted(pd.read_parquet(whole.directory / "out_of_fold.parquet")["fold"].unique()) == [0, 1, 2, 3]
    kept = yaml.safe_load((whole.directory / "recipe.yaml").read_text("utf-8"))
    assert (kept["model"]["ensemble"], kept["train"]["epochs"]) == (4, 95)
    write = Checkpoint.write

    def stopped(self, network, state):
        write(self, network, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            trained(folder, tmp_path / "stopped", train__seconds=5_030)
    paced(epoch=1.0, judging=0.0, compiling=0.0)  # eight would fit now
    resumed = trained(folder, tmp_path / "stopped", resume=True, train__seconds=5_030)
    assert resumed.metrics["notes"] == whole.metrics["notes"]
    for ours, theirs in zip(resumed.model.weights, whole.model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
