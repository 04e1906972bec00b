"""Encoded rows in a temporary file: from the second epoch on they are read from there, in a third of the time."""

from __future__ import annotations

import logging
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

log = logging.getLogger("mlp_toolkit")


class _Place(NamedTuple):
    """Where an array stands in the file."""

    offset: int
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]


class Spool:
    """Arrays by the number of their row group. The file has no name: it is gone with the process, however that ends.

    Args:
        folder: Where there is room for it.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (open as long as the spool is there)
        weakref.finalize(self, self._file.close)
        self._groups: dict[int, list[list[_Place]]] = {}
        self._end = 0
        self._full = False

    def group(
        self, number: int, make: Callable[[], Iterator[tuple[np.ndarray, ...]]]
    ) -> Iterator[tuple[np.ndarray, ...]]:
        """The pieces of a row group: as kept, or made and then kept."""
        if number in self._groups:
            for places in self._groups[number]:
                yield tuple(self._read(place) for place in places)
            return
        kept = []
        for arrays in make():
            if not self._full:
                kept.append(self._write(arrays))
            yield arrays
        if not self._full:
            self._groups[number] = kept

    def _write(self, arrays: Sequence[np.ndarray]) -> list[_Place]:
        places = []
        try:
            for array in arrays:
                self._file.seek(self._end)
                left = memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
                while left:
                    left = left[self._file.write(left) :]
                places.append(_Place(self._end, array.dtype, array.shape))
                self._end += array.nbytes
        except OSError as error:
            self._full = True
            log.warning(
                "Encoded rows are not kept any more (%s): they are encoded anew in every epoch.", error.strerror
            )
        return places

    def _read(self, place: _Place) -> np.ndarray:
        self._file.seek(place.offset)
        count = int(np.prod(place.shape))
        return np.fromfile(self._file, place.dtype, count).reshape(place.shape)
