"""Signals that end a program: by SIGTERM training ends with its epoch and a checkpoint, by Ctrl-C at once."""

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
    """Whether training goes on, whether it is to end, and whether Ctrl-C was pressed."""

    training = False
    wanted = False
    interrupted = False


def install() -> None:
    """Takes SIGTERM and Ctrl-C from now on; for a program of our own, not for a library."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _told)
        signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: object) -> None:
    _State.interrupted = True
    raise KeyboardInterrupt


def check() -> None:
    """Ends what goes on although Ctrl-C was pressed: Python drops an exception inside a `__del__` or a C callback.

    Raises:
        KeyboardInterrupt: It was pressed before.
    """
    if _State.interrupted:
        raise KeyboardInterrupt


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
