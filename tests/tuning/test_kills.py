"""A search that is killed anywhere ends as one that is not; most kills are exceptions here that nothing catches."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kill_search
import numpy as np
import pandas as pd
import pytest
import searches

import mlp_toolkit as mt
from mlp_toolkit.recipe.spec import Tune
from mlp_toolkit.runs import checkpoint
from mlp_toolkit.tuning import pictures, record, search, study

EPOCHS = 9
LINES = 12  # of the journal that a process writes before it dies


class Killed(BaseException):
    """Nothing is done about it."""


def recipe(**tune: Any) -> dict[str, Any]:
    return {**searches.recipe(EPOCHS, **tune), "report": "brief"}


@pytest.fixture(scope="module", autouse=True)
def no_pictures() -> Iterator[None]:
    """They take longer than the trials."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pictures, "draw", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random, file = np.random.default_rng(0), tmp_path_factory.mktemp("rows") / "rows.csv"
    x = random.uniform(-1, 1, (160, 3))
    pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=np.sin(3 * x[:, 0]) + x[:, 1]).to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def undisturbed(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    mt.tune(recipe(), data=rows, out=out, verbose=0)
    return out


def told(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The trials and scores of a search, but for the time that they took."""
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    del metrics["seconds"], metrics["search"]["seconds"]
    return pd.read_csv(folder / "trials.csv").drop(columns="seconds"), metrics


def check_same(one: Path, other: Path) -> None:
    (trials, metrics), (own_trials, own_metrics) = told(one), told(other)
    pd.testing.assert_frame_equal(trials, own_trials)
    assert metrics == own_metrics
    assert (one / "best.yaml").read_text() == (other / "best.yaml").read_text()
    assert {file.name for file in one.iterdir()} == {file.name for file in other.iterdir()}


def test_kills_at_lines_of_the_journal(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a line, within it, and after it, in turn; trials are pruned, and the sampler looks at those before."""
    monkeypatch.setattr(study, "RANDOM_TRIALS", 3)
    wanted = recipe(trials=6, sampler="tpe", pruner="hyperband")
    mt.tune(wanted, data=rows, out=tmp_path / "whole", verbose=0)
    assert "pruned" in [*told(tmp_path / "whole")[0]["state"]], "nothing to test"
    backend = study.load_optuna().storages.journal.JournalFileBackend
    append, lines, kills = backend.append_logs, Counter[int](), 0

    def dying(self: Any, logs: list[dict[str, Any]]) -> None:
        lines[kills] += 1
        if lines[kills] < LINES or kills % 3 == 2:
            append(self, logs)
        elif kills % 3 == 1:
            with Path(self._file_path).open("ab") as journal:
                journal.write(json.dumps(logs[0]).encode()[:20])
        if lines[kills] == LINES:
            raise Killed

    monkeypatch.setattr(backend, "append_logs", dying)
    out, done = tmp_path / "killed", False
    while not done and kills < 100:
        try:
            mt.tune(wanted, data=rows, out=out, resume=(out / "trials.journal").exists(), verbose=0)
            done = True
        except Killed:
            kills += 1
    assert kills > 5
    check_same(tmp_path / "whole", out)


@pytest.fixture
def killed_runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Runs of the best recipe die after so many checkpoints as the list's one number says."""
    left, write = [1], checkpoint.Checkpoint.write

    def dying(self: checkpoint.Checkpoint, network: Any, state: Any) -> None:
        write(self, network, state)
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    monkeypatch.setattr(checkpoint, "TRAINING_PER_CHECKPOINT", 0)  # one after each epoch
    monkeypatch.setattr(checkpoint.Checkpoint, "write", dying)
    return left


def test_another_best_trial_after_a_kill_of_its_run_has_a_run_of_its_own(
    rows: Path, undisturbed: Path, tmp_path: Path, killed_runs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as patched:  # a trial takes four ticks; the time is over at the fifth
        patched.setattr(search, "time", SimpleNamespace(monotonic=itertools.count().__next__))
        with pytest.raises(Killed):
            mt.tune(recipe(seconds=4.5), data=rows, out=out, verbose=0)
    assert (out / "checkpoint.h5").exists()
    tune = Tune.model_validate({**recipe(seconds=4.5)["tune"], "metric": "auto", "pruner": "none"})
    assert study.open_study(out, tune, EPOCHS).user_attrs["seconds"] >= 4.5, "over for one that goes on, too"
    assert len(pd.read_csv(out / "trials.csv")) == 1
    assert told(undisturbed)[1]["search"]["best_trial"] != 0, "nothing to test"
    (out / "model.h5").write_bytes(b"of the trial that was the best")
    (out / "tensorboard").mkdir()
    killed_runs[0] = 3
    with pytest.raises(Killed):
        mt.tune(recipe(), data=rows, out=out, resume=True, verbose=0)
    assert not (out / "model.h5").exists()
    assert not (out / "tensorboard").exists()
    killed_runs[0] = 100
    mt.tune(recipe(), data=rows, out=out, resume=True, verbose=0)
    assert 100 - killed_runs[0] == EPOCHS - 3, "the run of the best goes on where it was"
    check_same(undisturbed, out)


def test_a_kill_before_the_last_trial_is_in_the_table(
    rows: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, out = record.write, tmp_path / "run"

    def dying(plan: Any, opened: Any) -> None:
        if len(study.finished(opened)) == 6:
            raise Killed
        write(plan, opened)

    with monkeypatch.context() as patched:
        patched.setattr(record, "write", dying)
        with pytest.raises(Killed):
            mt.tune(recipe(), data=rows, out=out, verbose=0)
    mt.tune(recipe(), data=rows, out=out, resume=True, verbose=0)
    check_same(undisturbed, out)


@pytest.mark.slow
def test_processes_are_killed_in_trials_in_the_journal_at_the_start_and_in_the_run(tmp_path: Path) -> None:
    assert kill_search.killed(tmp_path, 4) == []
