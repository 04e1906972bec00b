"""Signals that end a program: by SIGTERM training ends with its epoch and a checkpoint, by Ctrl-C at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from mlp_toolkit.errors import ToolkitError


class Terminated(ToolkitError):  # noqa: N818  # it is no error, and reads as what it is
    """The program was told to end."""

    exit_code = 128 + signal.SIGTERM


@dataclass
class Signals:
    """What signals have told a program.

    Attributes:
        training: Whether SIGTERM waits for the end of an epoch.
        ending: Whether SIGTERM has come while it was to wait.
        interrupted: Whether Ctrl-C was pressed.
    """

    training: bool = False
    ending: bool = False
    interrupted: bool = False

    def on_interrupt(self, number: int, frame: object) -> None:
        """Takes Ctrl-C."""
        self.interrupted = True
        raise KeyboardInterrupt

    def on_terminate(self, number: int, frame: object) -> None:
        """Takes SIGTERM."""
        if not self.training:
            raise Terminated("ended by SIGTERM")
        self.ending = True


# A library that is used without `listening` hears of no signal, and leaves them to the program it is used in.
_LISTENING: ContextVar[Signals | None] = ContextVar("listening", default=None)


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Takes SIGTERM and Ctrl-C while the block runs, for a program of our own; then all is as it was before.

    Only the main thread of a process can take signals; in others the block runs as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = Signals()
    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, signals.on_terminate),
        signal.SIGINT: signal.signal(signal.SIGINT, signals.on_interrupt),
    }
    token = _LISTENING.set(signals)
    try:
        yield
    finally:
        _LISTENING.reset(token)
        for number, handler in before.items():
            signal.signal(number, handler)


def check_interrupted() -> None:
    """Ends what goes on although Ctrl-C was pressed: Python drops an exception inside a `__del__` or a C callback.

    Raises:
        KeyboardInterrupt: It was pressed before.
    """
    signals = _LISTENING.get()
    if signals is not None and signals.interrupted:
        raise KeyboardInterrupt


@contextlib.contextmanager
def after_the_epoch() -> Iterator[None]:
    """While the block runs, SIGTERM waits until `is_ending` is asked."""
    signals = _LISTENING.get() or Signals()
    signals.training, signals.ending = True, False
    try:
        yield
    finally:
        signals.training = False


def is_ending() -> bool:
    """Whether training is to end with this epoch."""
    signals = _LISTENING.get()
    return signals is not None and signals.ending
