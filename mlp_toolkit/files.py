"""Files that are whole at every moment, and one clear message for what cannot be read."""

from __future__ import annotations

import contextlib
import errno
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mlp_toolkit.errors import UserError, listing, shorten

DATA_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".npz")
MOST_COLUMNS = 20_000  # work on each takes about a fifth of a millisecond, wherever rows are looked at
UNPACKED_ALWAYS = 100_000_000
UNPACKED_TIMES = 50


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` that takes its place when the block ends without an error.

    The bytes are flushed to the disk before, and the folder after: a kill at any moment leaves the old file or the new.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


class WriteError(UserError):
    """A file that cannot be written.

    Args:
        path: The file, or the folder that holds it.
        error: What the system said; where it names a file, that is the one.
        remedy: What to do about it; None says what is right where nothing more is known.
    """

    def __init__(self, path: Path, error: OSError, remedy: str | None = None) -> None:
        self.path, self.error = path, error
        folder = path if path.is_dir() else path.parent
        place = path
        if not folder.is_dir():
            happened = "replaced by a file" if folder.exists() else "removed"
            problem, place = f"the folder was {happened} meanwhile", folder
        else:
            problem = f"cannot be written: {error.strerror or shorten(str(error))}"
            named = error.filename2 or error.filename
            if isinstance(named, str) and Path(named).parent == folder and ".partial" not in named:
                place = Path(named)
        if remedy is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            remedy = "What was there before is whole. Make room and go on with --resume."
        super().__init__(problem, place=str(place), remedy=remedy)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system says of a file that cannot be written into one clear message."""
    try:
        yield
    except OSError as error:
        raise WriteError(path, error) from None


class reading:  # noqa: N801 (used as `with reading(file):`, like a function)
    """Turns what the system and the file libraries raise into one clear message."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise UserError("no such file", place=str(self.file)) from None
        if isinstance(error, IsADirectoryError):
            raise UserError("a folder, not a file", place=str(self.file)) from None
        if isinstance(error, OSError | EOFError):
            raise UserError(f"cannot be read: {shorten(str(error))}", place=str(self.file)) from None
        if isinstance(error, Exception) and not isinstance(error, UserError):  # there is no end to what they raise
            raise UserError(f"damaged or of another kind: {shorten(str(error))}", place=str(self.file)) from None


def column_names(names: list[str], place: object, count: int | None = None) -> list[str]:
    """The names of a file's columns, as they are.

    Args:
        names: The names.
        place: The file, for messages.
        count: How many there will be, where they are not all known yet.

    Raises:
        UserError: There are too many, or one stands twice.
    """
    if (count or len(names)) > MOST_COLUMNS:
        raise UserError(
            f"{count or len(names):,} columns; at most {MOST_COLUMNS:,} are read",
            place=str(place),
            remedy="Is this file the other way round, with rows as columns? Else leave columns out.",
        )
    return unique(names, place)


def check_unpacked(size: int, packed: int, file: Path, always: int = UNPACKED_ALWAYS) -> None:
    """Refuses what unpacks to far more than data does: it may be a small file made to fill the memory.

    Args:
        size: Bytes it unpacks to.
        packed: Bytes of the file.
        file: Its name.
        always: Bytes that any file may come to.

    Raises:
        UserError: It is more than `most_unpacked`.
    """
    if size > most_unpacked(packed, always):
        raise UserError(
            f"unpacks from {packed:,} to more than {most_unpacked(packed, always):,} bytes; it is not read",
            place=str(file),
            remedy="Where the data is in earnest, unpack it first.",
        )


def most_unpacked(packed: int, always: int = UNPACKED_ALWAYS) -> int:
    """Bytes that a packed file may come to: data seldom shrinks to less than a twentieth, a bomb to a thousandth."""
    return max(always, UNPACKED_TIMES * packed)


def unique(names: list[str], place: object) -> list[str]:
    """The names of columns, as they are.

    Raises:
        UserError: One stands twice.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(
            f"column names stand more than once in the header: {listing(twice)}",
            place=str(place),
            remedy="Give each column a name of its own.",
        )
    return names
