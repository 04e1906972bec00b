"""Where the checkpoints of trials lie, so that another machine goes on where one was lost: a folder, or a URL."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.runs.checkpoint import Checkpoint
from mlp_toolkit.storage import array_files
from mlp_toolkit.training.trainer import Progress

FILE = "checkpoint.h5"
COPIES = ("checkpoint-0.h5", "checkpoint-1.h5")  # at a URL: the older gives way, so that one is always whole


def is_url(place: str) -> bool:
    """Whether a place is a URL, not a folder."""
    return "://" in place


def below(place: str, name: str) -> str:
    """A place below another; what a URL says after `?` stays at its end."""
    if not is_url(place):
        return str(Path(place) / name)
    parts = urlsplit(place)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))


@dataclass(frozen=True)
class Shelf:
    """The checkpoints of a search's trials.

    Attributes:
        place: A folder that all machines see, or a URL.
    """

    place: str

    @contextmanager
    def checkpoint(
        self, trial: int, resolved: Resolved, data: RecipeData, remark: Callable[[str], None]
    ) -> Iterator[Checkpoint]:
        """The checkpoint of a trial, for the process that carries it out; `remark` is told of what is not sent."""
        if not is_url(self.place):
            folder = Path(self.place) / str(trial)
            folder.mkdir(parents=True, exist_ok=True)
            yield Checkpoint(folder / FILE, resolved, data, lambda state: None)
            return
        with tempfile.TemporaryDirectory(prefix="mlp-toolkit-") as scratch:
            remote = _Remote(self.place, trial)
            path = Path(scratch) / FILE
            remote.fetch(path)

            def send(state: Progress) -> None:
                try:
                    remote.send(path)
                except UserError as error:  # the trial itself is well; the next checkpoint may come through
                    remark(str(error))

            yield Checkpoint(path, resolved, data, send)

    def forget(self, trial: int) -> None:
        """Deletes the checkpoints of a trial."""
        if is_url(self.place):
            _Remote(self.place, trial).delete()
        else:
            shutil.rmtree(Path(self.place) / str(trial), ignore_errors=True)

    def discard(self) -> None:
        """Deletes what a URL holds of this search; a folder is its maker's."""
        if is_url(self.place):
            _Remote(self.place).delete()


def check_url(place: str) -> None:
    """Refuses a URL that cannot be written to, before anything is trained.

    Raises:
        UserError: With what the file system said.
    """
    with tempfile.NamedTemporaryFile() as nothing:
        remote = _Remote(place, "trial")
        remote.send(Path(nothing.name))
        remote.delete()


@contextmanager
def _reaching(place: str) -> Iterator[None]:
    """Says which place it was that could not be reached.

    Raises:
        UserError: With what the file system said.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        raise UserError(f"checkpoints cannot be kept here: {_why(error, place)}", place=shown(place)) from None


def shown(place: str) -> str:
    """A URL as it may be shown: without keys."""
    parts = urlsplit(place)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def _why(error: Exception, place: str) -> str:
    """What a file system says of a URL, without keys."""
    return shorten(str(error).replace(place, shown(place)), 300)


class _Remote:
    """The two copies of a trial's checkpoint at a URL."""

    def __init__(self, place: str, trial: int | str = "") -> None:
        self.place = place
        self.files, root = file_system(place)
        self.folder, self.next = f"{root.rstrip('/')}/{trial}".rstrip("/"), 0

    def fetch(self, path: Path) -> None:
        """Brings what is there: the newer as the checkpoint, the older as the one before."""
        from pyarrow import fs

        paths = [f"{self.folder}/{name}" for name in COPIES]
        with _reaching(self.place):
            there = [found for found in self.files.get_file_info(paths) if found.type == fs.FileType.File]
            there.sort(key=lambda found: (found.mtime_ns or 0, found.path), reverse=True)
            for found, target in zip(there, (path, array_files.earlier_file(path)), strict=False):
                with self.files.open_input_stream(found.path) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
        if there:
            self.next = 1 - paths.index(there[0].path)

    def send(self, path: Path) -> None:
        """Takes the place of the older."""
        target = f"{self.folder}/{COPIES[self.next]}"
        with _reaching(self.place):
            self.files.create_dir(self.folder, recursive=True)
            with path.open("rb") as source, self.files.open_output_stream(target) as file:
                shutil.copyfileobj(source, file)
        self.next = 1 - self.next

    def delete(self) -> None:
        """Deletes what is there, if it can be reached."""
        from pyarrow import fs

        with suppress(OSError):
            if self.files.get_file_info(self.folder).type != fs.FileType.NotFound:
                self.files.delete_dir(self.folder)


def file_system(place: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it: pyarrow's own (s3, gs, abfss, hdfs, file), else fsspec's.

    Raises:
        UserError: Neither knows it.
    """
    from pyarrow import fs

    try:
        found: tuple[Any, str] = fs.FileSystem.from_uri(place)
        return found
    except (OSError, ValueError) as error:
        reason = _why(error, place)
    try:
        fsspec = importlib.import_module("fsspec")
        files, path = fsspec.url_to_fs(place)
        return fs.PyFileSystem(fs.FSSpecHandler(files)), path
    except (ImportError, OSError, ValueError):
        raise UserError(
            f"no place for checkpoints: {reason}",
            place="storage",
            found=shown(place),
            remedy="Name a folder, or a URL of s3, gs, abfss or hdfs, or of an fsspec package that is installed.",
        ) from None
