"""The workers of a search, as the process that asks for trials sees them: starting, idle, at work, or gone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlp_toolkit.data.dataset import Dataset
from mlp_toolkit.errors import ToolkitError, UserError, shorten
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.tuning.engines import cluster
from mlp_toolkit.tuning.engines.choice import Engine
from mlp_toolkit.tuning.engines.worker import CALLS_AT_ONCE, Job, Outcome, Refused, Worker

if TYPE_CHECKING:
    import optuna

LOOKED_AFTER = 5.0  # seconds, until it is looked anew how many machines there are
MOST_FAILURES = 3  # of workers that start, or of one trial, without anything done in between
MOST_LOSSES = 10  # of the workers of one trial, though each comes further


@dataclass(eq=False)
class Post:
    """A worker and the trial that it is at.

    Attributes:
        worker: Ray's handle.
        trial: Optuna's trial.
        known: The epochs of which Optuna knows the value.
        pruned: Whether the worker was told to end it.
    """

    worker: Any
    trial: optuna.Trial
    known: set[int]
    pruned: bool = False


@dataclass
class Lost:
    """What is left of a worker that is gone.

    Attributes:
        message: What Ray says of it.
    """

    message: str


@dataclass
class Crew:
    """The workers of a search.

    Attributes:
        ray: Ray, connected.
        engine: What each worker takes.
        job: What all of them have in common.
        rows: Ray's reference to the rows.
        say: Tells the user.
    """

    ray: Any
    engine: Engine
    job: Job
    rows: Any
    say: Callable[[str], None]
    starting: dict[Any, Any] = field(default_factory=dict)
    idle: list[Any] = field(default_factory=list)
    at_work: dict[Any, Post] = field(default_factory=dict)
    asked: dict[Any, Post] = field(default_factory=dict)
    failures: int = 0
    room: int = 1
    looked: float = 0.0
    again_at: float = 0.0
    quiet_since: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, ray: Any, engine: Engine, job: Job, data: Dataset, say: Callable[[str], None]) -> Crew:
        """A crew without workers yet, and the rows where all machines can fetch them."""
        return cls(ray, engine, job, ray.put(data), say)

    def fill(self, most: int) -> None:
        """Starts workers, as many as the cluster has room for, or as are asked for; those beyond wait for machines.

        Args:
            most: No more than these have anything to do.
        """
        if time.monotonic() - self.looked > LOOKED_AFTER:
            self.looked, self.room = time.monotonic(), max(1, cluster.room_for(self.ray, self.engine))
        wanted = min(self.engine.workers or self.room, most)
        if time.monotonic() < self.again_at and (self.idle or self.at_work):
            wanted = 0
        options = {**cluster.options_of(self.engine), "max_concurrency": CALLS_AT_ONCE}
        while len(self.starting) + len(self.idle) + len(self.at_work) < wanted:
            worker = self.ray.remote(**options)(Worker).remote(self.job, self.rows)
            self.starting[worker.ready.remote()] = worker
        if self.idle or self.at_work:
            self.quiet_since = time.monotonic()
        elif time.monotonic() - self.quiet_since > cluster.SILENCE:
            self.quiet_since = time.monotonic()
            taken = cluster.taken(self.engine)
            self.say(f"no worker has started for {cluster.SILENCE:g} s: each takes {taken}, and none has them free")

    def begin(self, trial: optuna.Trial, resolved: Resolved, known: set[int]) -> None:
        """Gives a trial to an idle worker."""
        post = Post(self.idle.pop(), trial, known)
        self.at_work[post.worker.carry_out.remote(trial.number, resolved)] = post
        self._ask(post)

    def _ask(self, post: Post) -> None:
        self.asked[post.worker.news.remote(post.trial.number, max(post.known, default=0))] = post

    def prune(self, post: Post) -> None:
        """Lets a trial end with its epoch."""
        post.pruned = True
        post.worker.prune.remote(post.trial.number)

    def events(self) -> list[tuple[Post, dict[int, float] | Outcome | Lost]]:
        """What has happened, once something has, or after a second: values of epochs, ends of trials, losses.

        Raises:
            UserError: A machine is not fit for this search.
            ToolkitError: Workers end as soon as they start, and there are no others.
        """
        waited, _ = self.ray.wait([*self.starting, *self.at_work, *self.asked], num_returns=1, timeout=1.0)
        found: list[tuple[Post, dict[int, float] | Outcome | Lost]] = []
        for ref in waited:
            if ref in self.starting:
                self._started(ref)
            elif ref in self.at_work:
                found.append(self._ended(ref))
            else:
                post = self.asked.pop(ref)
                if post not in self.at_work.values():
                    continue  # its trial has told all
                with contextlib.suppress(self.ray.exceptions.RayError):  # of a worker that is gone its trial tells
                    found.append((post, self.ray.get(ref)))
                    self._ask(post)
        return found

    def _started(self, ref: Any) -> None:
        worker = self.starting.pop(ref)
        try:
            told = self.ray.get(ref)
        except self._losses() as error:
            self.failures += 1
            if self.failures >= MOST_FAILURES:
                said = f"workers end as soon as they start: {_why(error)}"
                if not (self.idle or self.at_work):
                    raise ToolkitError(said) from None
                self.again_at = time.monotonic() + cluster.SILENCE
                self.say(f"{said}\nThe others go on; it is tried again in {cluster.SILENCE:g} s")
            return
        if isinstance(told, Refused):
            raise as_error(told)
        self.failures = 0
        self.idle.append(worker)

    def _ended(self, ref: Any) -> tuple[Post, Outcome | Lost]:
        post = self.at_work.pop(ref)
        try:
            outcome = self.ray.get(ref)
        except self._losses() as error:
            for worker in (post.worker, *self.idle):  # it may be there still; the idle ones may be gone with it
                self.ray.kill(worker)
            self.idle.clear()
            self.looked = 0.0
            return post, Lost(_why(error))
        self.idle.append(post.worker)
        return post, outcome

    def _losses(self) -> tuple[type[Exception], ...]:
        """What Ray raises where a worker or its machine is gone, or where it fails, as a damaged GPU does."""
        of = self.ray.exceptions
        gone = of.RayActorError, of.ObjectLostError, of.NodeDiedError, of.OutOfMemoryError, of.WorkerCrashedError
        return *gone, of.RayTaskError

    def dismiss(self) -> None:
        """Ends all workers."""
        workers = [*self.starting.values(), *self.idle, *(post.worker for post in self.at_work.values())]
        for worker in workers:
            self.ray.kill(worker)


def _why(error: Exception) -> str:
    """What Ray says of a loss; of an exception in a worker what that says, without the way to it."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception):
        return shorten(f"{type(cause).__name__} on {getattr(error, 'ip', 'a machine')}: {cause}", 1000)
    return shorten(str(error), 1000)


def as_error(refused: Refused) -> ToolkitError:
    """What was refused on another machine, as an error here."""
    if refused.exit_code == UserError.exit_code:
        return UserError(refused.message)
    error = ToolkitError(refused.message)
    error.exit_code = refused.exit_code
    return error
