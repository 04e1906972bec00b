"""One worker of a search: it has the rows, imports Keras once, and carries out trials one after another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp_toolkit.data.dataset import Dataset
from mlp_toolkit.errors import ToolkitError, UserError
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.runs.checkpoint import Checkpoint
from mlp_toolkit.storage import array_files
from mlp_toolkit.training.trainer import Progress
from mlp_toolkit.tuning import trials
from mlp_toolkit.tuning.engines import cluster
from mlp_toolkit.tuning.engines.checkpoints import Shelf
from mlp_toolkit.tuning.trials import Tried

CALLS_AT_ONCE = 3  # of a worker: a trial, a question for its news, and the word that it may end
GATHERED = 0.2  # seconds for which news is gathered; so late, at most, is a trial told to end
WAITS = 5.0  # seconds for news, at most


@dataclass(frozen=True)
class Job:
    """What the workers of a search have in common.

    Attributes:
        metric: The score that counts.
        searched: The keys that differ between trials.
        shelf: Where checkpoints lie.
        shared: The folder of it that all machines are to see; None where it is a URL.
        cpus: Processors of each worker.
        versions: Those of the machine that asks for trials.
    """

    metric: str
    searched: tuple[str, ...]
    shelf: Shelf
    shared: cluster.Shared | None
    cpus: int
    versions: dict[str, str]


@dataclass(frozen=True)
class Refused:
    """An error of ours, as it goes from machine to machine.

    Attributes:
        message: What the user is told.
        exit_code: How a program ends with it.
    """

    message: str
    exit_code: int


@dataclass(frozen=True)
class Outcome:
    """What a worker gives back.

    Attributes:
        found: What came of the trial; None where training was refused, or has failed.
        reports: All values by epoch, the lower the better.
        seconds: How long it took this worker.
        refused: What was refused; it would be for every trial.
        failed: Why this trial cannot be carried out.
        remarks: What the user is to know of it.
    """

    found: Tried | None
    reports: dict[int, float]
    seconds: float
    refused: Refused | None = None
    failed: str = ""
    remarks: tuple[str, ...] = ()


class Worker:
    """Carries out trials; `news` and `prune` are called while it does.

    Args:
        job: What all workers have in common.
        data: Rows, as fit for the recipe that is searched from.
    """

    def __init__(self, job: Job, data: Dataset) -> None:
        self.job, self.data = job, data
        self.told = threading.Condition()
        self.trial: int | None = None
        self.pruned = False
        self.reports: dict[int, float] = {}

    def ready(self) -> Refused | None:
        """Gets ready for trials; why this machine is not fit for them, or None."""
        cluster.use_threads(self.job.cpus)
        try:
            cluster.check_versions(self.job.versions)
            if self.job.shared is not None:
                remedy = "Name a folder that all machines of the cluster see, or a URL: --storage."
                cluster.check_shared(self.job.shared, remedy)
        except ToolkitError as error:
            return Refused(str(error), error.exit_code)
        return None

    def carry_out(self, trial: int, resolved: Resolved) -> Outcome:
        """Trains and scores a trial, from its checkpoint on where there is one."""
        started, remarks = time.monotonic(), list[str]()
        with self.told:
            self.trial, self.pruned, self.reports = trial, False, {}
        try:
            data, source = trials.rows_of(resolved.spec, self.data, self.job.searched)
            with self.job.shelf.checkpoint(trial, resolved, data, remarks.append) as checkpoint:
                found = trials.carry_out(
                    resolved.spec,
                    data,
                    self.job.metric,
                    self._report,
                    lambda: self.pruned,
                    source=source,
                    earlier=_earlier(checkpoint, remarks.append),
                    after_epoch=checkpoint.write,
                )
        except ToolkitError as error:
            return Outcome(None, self.reports, time.monotonic() - started, Refused(str(error), error.exit_code))
        except trials.OUT_OF_MEMORY as error:
            return Outcome(None, self.reports, time.monotonic() - started, failed=trials.short_of_memory(error))
        finally:
            with self.told:
                self.trial = None
                self.told.notify_all()
        return Outcome(found, self.reports, time.monotonic() - started, remarks=(*dict.fromkeys(remarks),))

    def _report(self, value: float, epoch: int) -> None:
        with self.told:
            self.reports[epoch] = value
            self.told.notify_all()

    def news(self, trial: int, known: int) -> dict[int, float]:
        """The values of epochs after one that is known, once there are any; none where the trial is over."""
        with self.told:
            self.told.wait_for(lambda: self.trial != trial or any(epoch > known for epoch in self.reports), WAITS)
        time.sleep(GATHERED)
        with self.told:
            return {epoch: value for epoch, value in self.reports.items() if self.trial == trial and epoch > known}

    def prune(self, trial: int) -> None:
        """Lets a trial end with its epoch."""
        with self.told:
            self.pruned = self.pruned or self.trial == trial


def _earlier(checkpoint: Checkpoint, remark: Callable[[str], None]) -> tuple[Progress, list[Any]] | None:
    """Where a trial that lost its worker had come to; None where that cannot be read, for it can begin anew.

    Raises:
        UserError: The checkpoint is another recipe's, or of other rows.
    """
    try:
        return checkpoint.read()
    except UserError as error:
        if checkpoint.source is not None and _whole(checkpoint.source):
            raise
        remark(f"{error}\n  It has begun anew.")
        return None


def _whole(file: Path) -> bool:
    try:
        array_files.read_arrays(file)
    except UserError:
        return False
    return True
