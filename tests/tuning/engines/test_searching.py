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
from mlp_toolkit.tuning.engines.checkpoints import Shelf
from mlp_toolkit.tuning.engines.crew import MOST_FAILURES, MOST_LOSSES, Lost, Post
from mlp_toolkit.tuning.engines.searching import Asking
from mlp_toolkit.tuning.engines.worker import Outcome

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


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    """A search for three trials, of which two are at work; Ray's part is played."""
    tune = Tune.model_validate(
        {"trials": 3, "seconds": None, "metric": "auto", "space": "auto", "sampler": "random", "pruner": "none"}
    )
    search: Any = SimpleNamespace(
        tune=tune,
        space={"model.hidden": Values(values=[[4], [8]])},
        resolved=SimpleNamespace(spec=SimpleNamespace(seed=0)),
        directory=tmp_path,
        metric="rmse",
    )
    asking = Asking(search, study.open_study(tmp_path, tune, 10), lambda text: None)
    assert [asking.next_trial().number for _ in range(2)] == [0, 1]  # type: ignore[union-attr]  # there are some
    assert asking.wanted() == 1
    return asking


@pytest.fixture
def crew(tmp_path: Path) -> Any:
    return SimpleNamespace(job=SimpleNamespace(shelf=Shelf(str(tmp_path / "shelf"))), at_work={})


def post_of(asking: Asking, number: int) -> Post:
    """A worker at a trial."""
    search, others = asking.search, {0, 1} - {number}
    trial = study.next_trial(asking.opened, search.tune, search.space, 0, others)
    assert trial is not None
    assert trial.number == number
    return Post(None, trial, set())


LOST = Lost("killed by the system: out of memory")


def lose(asking: Asking, crew: Any, post: Post) -> None:
    """Its worker is lost, and it is the next to begin."""
    asking.hear(crew, post, LOST)
    assert asking.wanted() == 2
    again = asking.next_trial()
    assert again is not None
    assert again.number == post.trial.number, "before any other"


def test_a_trial_that_ends_every_worker_ends_the_search_where_no_other_comes_further(asking: Asking, crew: Any) -> None:
    post = post_of(asking, 1)
    for further in (False, False, True, False):
        if further:
            asking.hear(crew, post, {1: 0.5})  # an epoch further: it counts anew
        lose(asking, crew, post)
    with pytest.raises(
        ToolkitError, match="trial 1 has ended 3 workers, none of which came an epoch further"
    ) as caught:
        asking.hear(crew, post, LOST)
    assert "out of memory" in str(caught.value)
    assert study.finished(asking.opened) == [], "it can go on by --resume"


def test_a_trial_that_is_out_of_memory_fails_at_once(asking: Asking, crew: Any, tmp_path: Path) -> None:
    asking.hear(crew, post_of(asking, 1), Outcome(None, {}, 1.0, failed="out of memory: 9 GB"))
    (row,) = pd.read_csv(tmp_path / "trials.csv").to_dict("records")
    assert (row["trial"], row["state"], row["reason"]) == (1, "failed", "out of memory: 9 GB")
    assert asking.wanted() == 1


@pytest.mark.parametrize(("further", "losses"), [(False, MOST_FAILURES), (True, MOST_LOSSES)])
def test_beside_others_that_come_further_a_trial_fails_that_ends_its_workers_and_the_search_goes_on(
    asking: Asking, crew: Any, tmp_path: Path, further: bool, losses: int
) -> None:
    asking.hear(crew, post_of(asking, 0), {1: 0.5})
    (tmp_path / "shelf" / "1").mkdir(parents=True)
    post = post_of(asking, 1)
    for epoch in range(1, losses):
        lose(asking, crew, post)
        if further:
            asking.hear(crew, post, {epoch: 0.5})
    asking.hear(crew, post, LOST)
    (row,) = pd.read_csv(tmp_path / "trials.csv").to_dict("records")
    assert (row["trial"], row["state"]) == (1, "failed")
    assert f"{losses} workers" in row["reason"]
    assert "out of memory" in row["reason"]
    assert not (tmp_path / "shelf" / "1").exists()
    assert asking.wanted() == 1
    third = asking.next_trial()
    assert third is not None
    assert third.number == 2
    assert asking.wanted() == 0
    again = Asking(asking.search, asking.opened, lambda text: None)  # the process is killed, and another goes on
    assert [again.next_trial().number for _ in range(2)] == [0, 2]  # type: ignore[union-attr]  # as above
    assert again.wanted() == 0


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
