"""SIGTERM, by which schedulers end a program: training ends with its epoch and a checkpoint; all else at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

from mlp_toolkit.errors import ToolkitError


class Terminated(ToolkitError):  # noqa: N818  # it is no error, and reads as what it is
    """The program was told to end."""

    exit_code = 128 + signal.SIGTERM


class _State:
    """Whether training goes on, and whether it is to end."""

    training = False
    wanted = False


def install() -> None:
    """Takes SIGTERM from now on; for a program of our own, not for a library."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _told)


def _told(number: int, frame: object) -> None:
    if not _State.training:
        raise Terminated("ended by SIGTERM")
    _State.wanted = True


@contextlib.contextmanager
def after_the_epoch() -> Iterator[None]:
    """While the block runs, SIGTERM waits for `wanted` to be asked."""
    _State.training, _State.wanted = True, False
    try:
        yield
    finally:
        _State.training = False


def wanted() -> bool:
    """Whether training is to end."""
    return _State.wanted
