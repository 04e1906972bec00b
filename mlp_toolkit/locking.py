"""One writer for a run directory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from mlp_toolkit.errors import UserError


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keeps other processes from writing a run directory; the system frees the lock of a process that is killed.

    Raises:
        UserError: Another process is writing it, or it cannot be written.
    """
    file, made = directory / ".lock", not directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            "another process is writing this run",
            place=str(directory),
            remedy="Wait for it, or write to another folder by --out.",
        ) from None
    except OSError as error:
        raise UserError(f"the run directory cannot be written: {error.strerror}", place=str(directory)) from None
    try:
        for left in directory.glob(".*.partial*"):  # of a process that was killed
            left.unlink(missing_ok=True)
        yield
    finally:
        file.unlink(missing_ok=True)
        lock.release()
        if made and not any(directory.iterdir()):
            directory.rmdir()  # nothing came of it
