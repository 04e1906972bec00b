"""One worker, without Ray: a trial goes on where the one before it was killed, and ends as if there were no kill."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt
from mlp_toolkit.data import dataset
from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import tf
from mlp_toolkit.runs import checkpoint
from mlp_toolkit.tuning.engines import cluster
from mlp_toolkit.tuning.engines.checkpoints import COPIES, Shelf, below, check_url, shown
from mlp_toolkit.tuning.engines.worker import Job, Worker


class Killed(BaseException):
    """What ends a worker here."""


class KilledInEpoch5(Worker):
    """Does not come further."""

    def _report(self, value: float, epoch: int) -> None:
        super()._report(value, epoch)
        if epoch == 5:
            raise Killed


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("rows")
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 3))
    pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=x[:, 0] * x[:, 1]).to_csv(folder / "rows.csv", index=False)
    recipe = {
        "task": "regression",
        "data": {"path": str(folder / "rows.csv"), "target": "y"},
        "model": {"hidden": [8], "dropout": 0.1},
        "train": {"epochs": 8, "early_stopping": None},
    }
    resolved = mt.load_recipe(recipe)
    return resolved, dataset.load_dataset(resolved.spec)


def job_of(place: str) -> Job:
    return Job("rmse", (), Shelf(place), None, 1, cluster.versions())


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_trial_goes_on_from_its_checkpoint(
    given: Any, tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "TRAINING_PER_CHECKPOINT", 0)  # one after each epoch
    resolved, data = given
    whole = Worker(job_of(str(tmp_path / "whole")), data).carry_out(0, resolved)
    job = job_of(f"{scheme}{tmp_path / 'shared'}")
    with pytest.raises(Killed):
        KilledInEpoch5(job, data).carry_out(3, resolved)
    second = Worker(job, data).carry_out(3, resolved)
    assert whole.found is not None
    assert second.found is not None
    assert [*whole.reports] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [*second.reports] == [5, 6, 7, 8]
    np.testing.assert_array_equal(second.found.outputs, whole.found.outputs)
    assert second.found.scores == whole.found.scores
    assert {file.name for file in tmp_path.glob("shared/3/*")} >= ({*COPIES} if scheme else {"checkpoint.h5"})
    job.shelf.forget(3)
    assert not (tmp_path / "shared" / "3").exists()


@pytest.fixture
def killed_at_a_url(given: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trial with checkpoints at a URL, whose worker was killed in epoch 5; its recipe, rows and job."""
    monkeypatch.setattr(checkpoint, "TRAINING_PER_CHECKPOINT", 0)
    resolved, data = given
    job = job_of(f"file://{tmp_path}")
    with pytest.raises(Killed):
        KilledInEpoch5(job, data).carry_out(0, resolved)
    return resolved, data, job


def test_of_two_copies_at_a_url_the_one_before_counts_where_the_last_is_half(
    killed_at_a_url: Any, tmp_path: Path
) -> None:
    resolved, data, job = killed_at_a_url
    newest = max(tmp_path.glob("0/*"), key=lambda file: file.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:1000])  # as a machine leaves it that dies while it sends
    assert [*Worker(job, data).carry_out(0, resolved).reports] == [4, 5, 6, 7, 8]


def test_a_trial_whose_checkpoints_are_damaged_begins_anew_but_none_goes_on_with_anothers(
    killed_at_a_url: Any, tmp_path: Path
) -> None:
    resolved, data, job = killed_at_a_url
    another = replace(resolved, values={**resolved.values, "seed": 99})
    refused = Worker(job, data).carry_out(0, another).refused
    assert refused is not None
    assert "has changed" in refused.message
    for copy in tmp_path.glob("0/*"):
        copy.write_bytes(copy.read_bytes()[:1000])
    outcome = Worker(job, data).carry_out(0, resolved)
    assert [*outcome.reports] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert "begun anew" in "".join(outcome.remarks)


def test_a_checkpoint_that_is_not_sent_ends_no_trial(
    given: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "TRAINING_PER_CHECKPOINT", 0)
    resolved, data = given
    (tmp_path / "0").write_text("in the way of the folder")
    outcome = Worker(job_of(f"file://{tmp_path}"), data).carry_out(0, resolved)
    assert outcome.found is not None
    assert outcome.found.epochs == 8
    (remark,) = outcome.remarks
    assert "checkpoints cannot be kept here" in remark


@pytest.mark.parametrize("kind", [MemoryError, partial(tf.errors.ResourceExhaustedError, None, None)])
def test_a_trial_that_is_out_of_memory_says_so(given: Any, tmp_path: Path, kind: Any) -> None:
    class Full(Worker):
        def _report(self, value: float, epoch: int) -> None:
            raise kind("failed to allocate 9 GB\nand where")

    resolved, data = given
    outcome = Full(job_of(str(tmp_path)), data).carry_out(7, resolved)
    assert (outcome.found, outcome.refused) == (None, None)
    assert outcome.failed == "out of memory: failed to allocate 9 GB"


def test_a_url_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UserError, match="no place for checkpoints") as caught:
        check_url("nowhere://name:secret@bucket/trials?token=secret")
    assert "secret" not in str(caught.value)
    assert "nowhere://bucket/trials" in str(caught.value)


def test_a_url_that_cannot_be_written_to_is_refused_and_keys_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="checkpoints cannot be kept here"):
        check_url(f"file://{tmp_path}/file/trials")
    place = below("s3://name:key@bucket/trials/?region=eu-north-1", "run-1")
    assert place == "s3://name:key@bucket/trials/run-1?region=eu-north-1"
    assert shown(place) == "s3://bucket/trials/run-1"


def test_a_trial_is_told_to_end_and_what_is_wrong_comes_back_as_a_value(given: Any, tmp_path: Path) -> None:
    resolved, data = given

    class ToldToEnd(Worker):
        def _report(self, value: float, epoch: int) -> None:
            super()._report(value, epoch)
            assert self.news(0, epoch - 1) == {epoch: value}
            if epoch == 2:
                self.prune(1)  # another
            if epoch == 3:
                self.prune(0)

    outcome = ToldToEnd(job_of(str(tmp_path)), data).carry_out(0, resolved)
    assert outcome.found is not None
    assert (outcome.found.pruned, outcome.found.epochs) == (True, 3)
    wanting = replace(resolved, spec=resolved.spec.model_copy(update={"intervals": 0.999}))
    refused = Worker(job_of(str(tmp_path)), data).carry_out(1, wanting)
    assert refused.found is None
    assert refused.refused is not None
    assert refused.refused.exit_code == 2
    assert "intervals" in refused.refused.message
    elsewhere = replace(job_of(str(tmp_path)), versions={**cluster.versions(), "numpy": "1.0"})
    told = Worker(elsewhere, data).ready()
    assert told is not None
    assert "numpy" in told.message
