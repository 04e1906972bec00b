"""Standard streams that may be closed or full: what a program says must not end what it does."""

from __future__ import annotations

import io
import os
import sys


class Messages(io.TextIOWrapper):
    """Standard error; what cannot be written there is lost, and nothing else."""

    def write(self, text: str) -> int:
        """Writes what can be written."""
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Does nothing where nothing can be written."""
        try:
            super().flush()
        except OSError:
            return


def open_closed() -> None:
    """Opens those of the three standard streams that are closed, to nowhere.

    Else the next file that is opened would take their numbers, and TensorFlow's messages would be written into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, and so this one
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  # as long as the process


def forgive_errors() -> None:
    """Lets messages to standard error be lost where it is full or nobody reads it."""
    if type(sys.stderr) is io.TextIOWrapper and sys.stderr.fileno() == 2:  # not where a test has put something else
        sys.stderr.flush()
        # Unbuffered: what waits in a buffer would fail again when Python ends.
        raw = open(2, "wb", buffering=0, closefd=False)  # noqa: SIM115  # for as long as the process
        sys.stderr = Messages(raw, sys.stderr.encoding, "backslashreplace", write_through=True)
