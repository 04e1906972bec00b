"""Several processes, on one machine or many, that train one network: each takes its share of every batch.

TensorFlow joins them when its first operation runs, so a group is joined before a network is built. From then on all
workers do the same in the same order: each sum over them waits for all.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import tf
from mlp_toolkit.training.engine.sharing import cluster
from mlp_toolkit.training.engine.sharing.cluster import Place
from mlp_toolkit.training.engine.sharing.meeting import WorkerLost, meet


@dataclass(frozen=True)
class Group:
    """The workers, as one of them sees them.

    Attributes:
        place: Which of them this process is.
        strategy: TensorFlow's, by which they train; None where there is one worker alone.
    """

    place: Place
    strategy: Any = None

    def any(self, own: bool) -> bool:
        """Whether something holds for at least one worker. All workers ask at the same point."""
        return bool(self._sum(np.array([own], np.int32))[0])

    def from_chief(self, content: bytes) -> bytes:
        """What the chief gives, on all workers."""
        chief = self.place.chief
        size = int(self._sum(np.array([len(content) if chief else 0], np.int64))[0])
        numbers: np.ndarray = np.zeros(-(-size // 4), np.int32)
        if chief:
            numbers[:] = np.frombuffer(content + bytes(-size % 4), np.int32)
        return self._sum(numbers).tobytes()[:size] if size else b""

    def _sum(self, own: np.ndarray) -> np.ndarray:
        if self.strategy is None:
            return own
        with tf.device("/cpu:0"):
            total: np.ndarray = self.strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(own), axis=None).numpy()
        return total


ALONE = Group(Place())
_FORMED: list[Group] = []  # one at most: TensorFlow joins a process to one group, for as long as it lives
_JOINED: ContextVar[Group | None] = ContextVar("joined", default=None)


@contextlib.contextmanager
def joined(place: Place, say: Callable[[str], None] = lambda text: None) -> Iterator[Group]:
    """Joins the group of this process; waits for all that are in it.

    Args:
        place: Which of them this process is.
        say: Tells a person something.

    Raises:
        UserError: TensorFlow was in use before.
        WorkerLost: Another worker ended before the block did.
    """
    group = Group(place) if len(place.addresses) == 1 else _join(place, say)
    token = _JOINED.set(group)
    try:
        yield group
    except tf.errors.OpError as error:
        if len(place.addresses) == 1 or (not isinstance(error, LOST) and "ollective" not in str(error)):
            raise
        raise WorkerLost(
            f"worker {place.number} of {len(place.addresses)} cannot go on: another worker has ended "
            f"({str(error).splitlines()[0].rpartition('aborted by: ')[2][:200]})\n"
            "  What it said last tells why. Start all again with --resume: they go on from the last checkpoint."
        ) from None
    finally:
        _JOINED.reset(token)


LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)


def _join(place: Place, say: Callable[[str], None]) -> Group:
    if not _FORMED:
        meet(place, say)
        try:
            with _ended_by_signals():
                _FORMED.append(Group(place, tf.distribute.MultiWorkerMirroredStrategy()))
        except RuntimeError as error:
            raise UserError(
                f"this process cannot join its group: {str(error).splitlines()[0]}",
                place="train.device: workers",
                remedy="Let mt.run be the first that uses TensorFlow in this process.",
            ) from None
    (group,) = _FORMED
    if group.place != place:
        raise UserError(
            f"{cluster.VARIABLE} has changed since this process joined its group", place="train.device: workers"
        )
    return group


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """While TensorFlow joins the others Python hears of no signal: those that end a program do it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def of_this_process() -> Group:
    """The group that was joined.

    Raises:
        UserError: None was.
    """
    group = _JOINED.get()
    if group is None:
        raise UserError(
            "workers train the recipe of `mlp-toolkit run`, which joins them before TensorFlow starts",
            place="device: workers",
            remedy="Take device: auto, cpu, gpu or all here.",
        )
    return group
