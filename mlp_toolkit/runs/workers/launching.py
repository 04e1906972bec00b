"""The processes of a group on this machine: started together, and ended together."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from mlp_toolkit.errors import ToolkitError, UserError
from mlp_toolkit.recipe.spec import Recipe
from mlp_toolkit.training.engine.sharing.cluster import VARIABLE

PROGRAM = (sys.executable, "-m", "mlp_toolkit", "run")
MOST = 256
LAST_LINES = 20  # kept of what a worker says, for the case that it fails
LOOKED_EVERY = 0.05  # seconds
TO_AGREE = 10.0  # seconds in which all workers meet a fault that one has met: the chief's message is enough then
TO_FOLLOW = 3.0  # seconds that workers have to end after one has failed, or after Ctrl-C; then they are killed
TO_FINISH = 30.0  # seconds that they have to end their epoch, and to write a checkpoint


class GroupEnded(ToolkitError):  # noqa: N818  # it reads as what it is
    """A worker died, and all others with it."""


class Fault(GroupEnded):
    """The user's recipe or data are wrong: a worker that is not the chief has said so."""

    exit_code = UserError.exit_code


def check(spec: Recipe, workers: int) -> None:
    """Refuses what so many workers cannot share.

    Raises:
        UserError: There are too few or too many, or the batch cannot be parted.
    """
    if not 2 <= workers <= MOST:
        raise UserError(
            "workers share the rows of each batch", place="--workers", found=workers, allowed=f"2 to {MOST}"
        )
    size = spec.train.batch_size
    if size != "auto" and size % workers:
        raise UserError(
            f"a batch of {size} rows cannot be parted equally among {workers} workers",
            place="train.batch_size",
            remedy=f"Take a batch size that {workers} divides: -o train.batch_size={-(-size // workers) * workers}.",
        )


def launch(arguments: Sequence[str], workers: int, again: str) -> int:
    """Runs `mlp-toolkit run` in so many processes that train one network, and shows what the chief says.

    Each takes its share of the machine's processors; none takes a GPU.

    Args:
        arguments: Of `run`.
        workers: How many, 2 or more.
        again: The command that goes on with the run after a stop.

    Returns:
        0, or the exit code of the chief, which has said why.

    Raises:
        GroupEnded: Another worker died.
        KeyboardInterrupt: Ctrl-C was pressed; all have ended.
    """
    with _group(arguments, workers) as group:
        try:
            return _outcome(group, again)
        except KeyboardInterrupt:
            _end(group, signal.SIGINT, TO_FOLLOW)
            raise
        except GroupEnded:
            _end(group, signal.SIGTERM, TO_FOLLOW)
            raise


class _Worker:
    """A process, and the last lines that it said."""

    def __init__(self, number: int, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.number = number
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=None if number == 0 else subprocess.DEVNULL,
            stderr=None if number == 0 else subprocess.PIPE,
            start_new_session=True,  # Ctrl-C comes to the launcher, which ends them one by one
        )
        self.said: collections.deque[str] = collections.deque(maxlen=LAST_LINES)
        self.listener: threading.Thread | None = None
        if self.process.stderr is not None:
            self.listener = threading.Thread(target=self._listen, args=(self.process.stderr,), daemon=True)
            self.listener.start()

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self.said.append(line.decode(errors="backslashreplace").rstrip())

    def ended(self) -> None:
        """Waits until it is gone, and all that it said is there."""
        self.process.wait()
        if self.listener is not None:
            self.listener.join(TO_FOLLOW)

    def last_words(self) -> str:
        """What it said last, with its number before each line; once it has ended."""
        self.ended()
        return "".join(f"\nworker {self.number}: {line}" for line in self.said)


@contextlib.contextmanager
def _group(arguments: Sequence[str], workers: int) -> Iterator[list[_Worker]]:
    """The processes; whatever happens, none outlives the block."""
    group: list[_Worker] = []
    with tempfile.TemporaryDirectory(prefix="mlp-toolkit-launch-") as scratch:
        try:
            addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
            for number in range(workers):
                group.append(_Worker(number, arguments, environment_of(number, addresses, scratch)))
            yield group
        finally:
            _end(group, signal.SIGTERM, TO_FINISH)


def environment_of(number: int, addresses: list[str], scratch: str) -> dict[str, str]:
    """Of a worker: its place in the group, its share of the processors, and no GPU, which several cannot share."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = str(max(1, processors // len(addresses)))
    own = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
    return {
        "TF_CPP_MIN_LOG_LEVEL": "3",  # of a worker that is lost TensorFlow says what the error says, too
        **os.environ,
        VARIABLE: json.dumps(own),
        "TF_NUM_INTRAOP_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        "CUDA_VISIBLE_DEVICES": "-1",
        "TMPDIR": scratch,  # what a worker that is killed leaves there goes with it
    }


def free_ports(number: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _outcome(group: list[_Worker], again: str) -> int:
    """Waits until all have ended well, or one has not."""
    chief, failed = group[0], None
    while failed is None and any(worker.process.poll() is None for worker in group):
        failed = next((worker for worker in group if worker.process.poll()), None)
        time.sleep(LOOKED_EVERY)
    failed = failed or next((worker for worker in group if worker.process.poll()), None)
    if failed is None:
        return 0
    code: int = failed.process.returncode
    if code == UserError.exit_code:
        _until(lambda: chief.process.poll() is not None, TO_AGREE)
        if chief.process.poll() == code:
            return code
        raise Fault(f"worker {failed.number} has met a fault, and all are ended{failed.last_words()}")
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    raise GroupEnded(
        f"worker {failed.number} of {len(group)} {how}, and all others are ended{failed.last_words()}\n"
        f"  Go on from the last checkpoint: {again}"
    )


def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Waits for something to be so, not longer than so many seconds."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(LOOKED_EVERY)


def _end(group: list[_Worker], told_by: signal.Signals, seconds: float) -> None:
    """Ends those that still run: by a signal, and after so many seconds by force."""
    for worker in group:
        if worker.process.poll() is None:
            worker.process.send_signal(told_by)
    _until(lambda: all(worker.process.poll() is not None for worker in group), seconds)
    for worker in group:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.ended()
