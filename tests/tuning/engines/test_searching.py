"""A search on a Ray cluster ends as one in this process does, though a machine and the process itself are killed."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ray_machines import Machines, until

import mlp_toolkit as mt
from mlp_toolkit.errors import ToolkitError
from mlp_toolkit.recipe.spec import Tune, Values
from mlp_toolkit.tuning import study
from mlp_toolkit.tuning.engines.crew import Lost, Post
from mlp_toolkit.tuning.engines.searching import Asking

RECIPE = """
task: regression
name: curve
data: {path: rows.csv, target: y, split: {validation: 0.3, test: 0.2}}
model: {hidden: [8]}
train: {epochs: 300, batch_size: 16, early_stopping: null}
baselines: none
report: brief
tune:
  trials: 8
  sampler: random
  pruner: none
  space:
    train.optimizer.learning_rate: {min: 1.0e-4, max: 1.0e-1, log: true}
    model.activation: {values: [relu, tanh]}
"""
NAMES = ["trial", "train.optimizer.learning_rate", "model.activation", "rmse", "epochs", "state"]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (160, 3))
    rows = pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=np.sin(3 * x[:, 0]) + x[:, 1])
    rows.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "curve.yaml").write_text(RECIPE)
    return tmp_path / "curve.yaml"


def test_a_trial_that_ends_every_worker_ends_the_search(tmp_path: Path) -> None:
    tune = Tune.model_validate(
        {"trials": 3, "seconds": None, "metric": "auto", "space": "auto", "sampler": "random", "pruner": "none"}
    )
    spec = SimpleNamespace(seed=0)
    search: Any = SimpleNamespace(
        tune=tune, space={"model.hidden": Values(values=[[4], [8]])}, resolved=SimpleNamespace(spec=spec)
    )
    crew: Any = None
    asking = Asking(search, study.open_study(tmp_path, tune, 10), lambda text: None)
    asking.next_trial()
    trial = asking.next_trial()
    assert trial is not None
    assert asking.wanted() == 1
    post, lost = Post(None, trial, set()), Lost("killed by the system: out of memory")
    for further in (False, False, True, False):
        if further:
            asking.hear(crew, post, {1: 0.5})  # an epoch further: it counts anew
        asking.hear(crew, post, lost)
        assert asking.wanted() == 2
        again = asking.next_trial()
        assert again is not None
        assert again.number == trial.number, "before any other"
    with pytest.raises(ToolkitError, match="trial 1 has ended 3 workers") as caught:
        asking.hear(crew, post, lost)
    assert "out of memory" in str(caught.value)


@pytest.mark.slow
def test_a_machine_and_the_process_are_killed_and_nothing_is_lost(recipe: Path, machines: Machines) -> None:
    out = recipe.parent / "far"
    process = machines.program("tune", recipe, "--out", out)
    until(lambda: len([*out.glob(".trials/*/checkpoint.h5")]) == 2, process)  # both machines are in mid-trial
    machines.do("kill")
    said = [process.stderr.readline()]
    while "has lost its worker, and goes on with another" not in said[-1]:
        assert said[-1], "".join(said)
        said.append(process.stderr.readline())
    machines.do("add")
    before = (out / "trials.csv").read_bytes() if (out / "trials.csv").exists() else b""
    until(lambda: (out / "trials.csv").exists() and (out / "trials.csv").read_bytes() != before, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "metrics.json").exists(), "killed too late to test anything"
    kept = pd.read_csv(out / "trials.csv")

    again = machines.program("tune", recipe, "--out", out, "--resume")
    printed, said_again = again.communicate()
    assert (again.returncode, printed) == (0, f"{out}\n"), said_again
    here = mt.tune(recipe, out=recipe.parent / "here", verbose=0)
    one, other = (pd.read_csv(run / "trials.csv") for run in (here.directory, out))
    pd.testing.assert_frame_equal(one[NAMES], other[NAMES], rtol=1e-5)
    finished = other[other["trial"].isin(kept["trial"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(finished, kept)  # seconds included: what was finished is not repeated
    there = mt.load_run(out)
    assert there.metrics["search"]["best_trial"] == here.metrics["search"]["best_trial"]
    assert there.metrics["test"] == pytest.approx(here.metrics["test"], rel=1e-5)
    assert not (out / ".trials").exists()
