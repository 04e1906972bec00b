"""The trials of a search on Ray's workers.

Ray's own Tune is not used: it would keep a second record of the trials beside Optuna's journal, and the two differ
after a kill. Here the process that was started asks Optuna and tells it, alone; actors carry out, and a trial whose
worker is gone goes on elsewhere from its checkpoint.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlp_toolkit.errors import ToolkitError
from mlp_toolkit.tuning import record, study
from mlp_toolkit.tuning.engines import cluster
from mlp_toolkit.tuning.engines.checkpoints import Shelf, below, check_url, is_url
from mlp_toolkit.tuning.engines.choice import Engine
from mlp_toolkit.tuning.engines.crew import MOST_FAILURES, MOST_LOSSES, Crew, Lost, Post, as_error
from mlp_toolkit.tuning.engines.worker import Job, Outcome
from mlp_toolkit.tuning.plan import Search

if TYPE_CHECKING:
    import optuna


def by_ray(search: Search, opened: optuna.Study, engine: Engine, say: Callable[[str], None]) -> None:
    """Trials on the machines of a Ray cluster, until there are enough, or the time is over.

    Args:
        search: The search.
        opened: Its study.
        engine: What each worker takes.
        say: Tells the user.
    """
    asking = Asking(search, opened, say)
    if not asking.wanted():
        return
    with cluster.connected(engine, say) as ray, _shelf(search, opened, engine) as (shelf, seen):
        job = Job(search.metric, tuple(search.space), shelf, seen, engine.cpus, cluster.versions())
        crew = Crew.of(ray, engine, job, search.data, say)
        try:
            while crew.at_work or asking.wanted():
                while crew.idle and (trial := asking.next_trial()) is not None:
                    values = study.overrides_of(trial.params, search.space)
                    crew.begin(trial, search.with_values(values), asking.known(trial))
                crew.fill(len(crew.at_work) + asking.wanted())
                for post, event in crew.events():
                    asking.hear(crew, post, event)
        finally:
            crew.dismiss()


@contextlib.contextmanager
def _shelf(search: Search, opened: optuna.Study, engine: Engine) -> Iterator[tuple[Shelf, cluster.Shared | None]]:
    """Where checkpoints lie while the block runs; in a place of their own, where several searches may share one."""
    if engine.storage is None:
        with cluster.shared(search.directory / record.OUTPUTS) as seen:
            yield Shelf(str(seen.folder)), seen
        return
    if "key" not in opened.user_attrs:
        opened.set_user_attr("key", uuid.uuid4().hex[:8])
    place = below(engine.storage, f"{search.directory.resolve().name}-{opened.user_attrs['key']}")
    if is_url(place):
        check_url(place)
        yield Shelf(place), None
        Shelf(place).discard()
        return
    with cluster.shared(Path(place)) as seen:
        yield Shelf(str(seen.folder)), seen


@dataclass
class Asking:
    """Asks Optuna for trials, and tells it what comes of them.

    Attributes:
        search: The search.
        opened: Its study.
        say: Tells the user.
        lost: Trials whose worker is gone.
        busy: Trials that workers are at.
        over: Whether no trial is to begin any more.
        failures: Of each trial, how many workers were lost over it without a further epoch.
        losses: The same, whatever they came to.
        furthered: The trials of which an epoch or the end was heard: where they were, machines are good.
    """

    search: Search
    opened: optuna.Study
    say: Callable[[str], None]
    lost: deque[optuna.Trial] = field(default_factory=deque)
    busy: set[int] = field(default_factory=set)
    over: bool = False
    failures: Counter[int] = field(default_factory=Counter)
    losses: Counter[int] = field(default_factory=Counter)
    furthered: set[int] = field(default_factory=set)
    begun_at: float = field(default_factory=time.monotonic)
    earlier: float = 0.0

    def __post_init__(self) -> None:
        self.earlier = record.searched(self.opened)

    def wanted(self) -> int:
        """How many trials are to begin yet, or to go on."""
        done = len(study.finished(self.opened))
        seconds = self.search.tune.seconds
        if seconds is not None and done and not self.over and self.earlier + self._elapsed() >= seconds:
            self.over = True
            self.opened.set_user_attr("seconds", self.earlier + self._elapsed())
            self.say(f"the {seconds:g} seconds are over")
        return len(self.lost) + (0 if self.over else max(0, self.search.tune.trials - done - len(self.busy)))

    def next_trial(self) -> optuna.Trial | None:
        """The next one, or None."""
        if not self.wanted():
            return None
        if self.lost:
            return self.lost.popleft()
        search = self.search
        trial = study.next_trial(self.opened, search.tune, search.space, search.resolved.spec.seed, self.busy)
        if trial is None:
            self.over = True
            self.say("every trial of the grid was made")
        else:
            self.busy.add(trial.number)
        return trial

    def known(self, trial: optuna.Trial) -> set[int]:
        """The epochs of a trial of which Optuna knows the value."""
        return {*self.opened.get_trials(deepcopy=False)[trial.number].intermediate_values}

    def hear(self, crew: Crew, post: Post, event: dict[int, float] | Outcome | Lost) -> None:
        """Tells Optuna what has come of a trial.

        Raises:
            ToolkitError: A worker refused it, or it ends every worker and no other trial has come further.
        """
        trial = post.trial
        if isinstance(event, Lost):
            self._lost(crew, trial, event)
            return
        self._report(crew, post, event.reports if isinstance(event, Outcome) else event)
        if not isinstance(event, Outcome):
            return
        if event.refused is not None:
            raise as_error(event.refused)
        if event.found is None:
            self._fail(crew, trial, event.failed)
            return
        for remark in event.remarks:
            self.say(f"trial {trial.number}: {remark}")
        record.tell(self.search, self.opened, trial, event.found, event.seconds)
        self.furthered.add(trial.number)
        self._over(crew, trial)

    def _lost(self, crew: Crew, trial: optuna.Trial, event: Lost) -> None:
        """Lets a trial go on elsewhere, or fail where that has come to nothing too often beside others that went on."""
        number = trial.number
        self.failures[number] += 1
        self.losses[number] += 1
        if self.failures[number] < MOST_FAILURES and self.losses[number] < MOST_LOSSES:
            self.say(f"trial {number} has lost its worker, and goes on with another")
            self.lost.append(trial)
            return
        count = f"has ended {self.losses[number]} workers"
        if self.failures[number] >= MOST_FAILURES:
            count = f"has ended {MOST_FAILURES} workers, none of which came an epoch further"
        if not self.furthered - {number}:
            raise ToolkitError(f"trial {number} {count}\n  {event.message}\n  Go on by --resume once that is mended.")
        self._fail(crew, trial, f"{count}: {event.message}")

    def _fail(self, crew: Crew, trial: optuna.Trial, reason: str) -> None:
        """Lets a trial be, and goes on with others."""
        record.fail(self.search, self.opened, trial, reason)
        self._over(crew, trial)

    def _over(self, crew: Crew, trial: optuna.Trial) -> None:
        """Whatever has come of a trial, it is over."""
        self.busy.discard(trial.number)
        self.opened.set_user_attr("seconds", self.earlier + self._elapsed())
        crew.job.shelf.forget(trial.number)
        self.say(record.line(self.search, self.opened, trial.number, self._elapsed(), len(crew.at_work) + 1))

    def _report(self, crew: Crew, post: Post, values: dict[int, float]) -> None:
        for epoch in sorted({*values} - post.known):
            if post.pruned:
                return  # what follows is of the time until the worker heard of it
            post.known.add(epoch)
            post.trial.report(values[epoch], epoch)
            self.failures.pop(post.trial.number, None)
            self.furthered.add(post.trial.number)
            if post.trial.should_prune():
                crew.prune(post)

    def _elapsed(self) -> float:
        return time.monotonic() - self.begun_at
