"""A search on a Ray cluster ends as one in this process does, though a machine and the process itself are killed."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ray_machines import Machines, until

import mlp_toolkit as mt

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
