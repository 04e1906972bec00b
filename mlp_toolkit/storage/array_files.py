"""HDF5 files of arrays and a record, with a checksum, and the one before kept beside the newest."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.files import atomic
from mlp_toolkit.storage.untrusted import hdf5, limits

Arrays = Mapping[str, list[np.ndarray]]


def earlier_file(path: Path) -> Path:
    """Where the file that `path` replaced is kept."""
    return path.with_name(f"{path.stem}.before{path.suffix}")


def write_arrays(path: Path, arrays: Arrays, info: Mapping[str, Any]) -> None:
    """Writes lists of arrays and a JSON record. At every moment the new file or the one before is whole."""
    import h5py

    record = json.dumps(info)
    contents = io.BytesIO()
    # Not straight to the disk: where that is full, HDF5 ends without a word, or with the program.
    with h5py.File(contents, "w") as file:
        file.attrs["info"] = record
        file.attrs["checksum"] = _checksum(arrays, record)
        for name, values in arrays.items():
            group = file.create_group(name)
            group.attrs["count"] = len(values)
            for index, value in enumerate(values):
                group.create_dataset(str(index), data=value)
    with atomic(path) as temporary:
        temporary.write_bytes(contents.getbuffer())
        if path.is_file():
            os.replace(path, earlier_file(path))


def read_arrays(path: Path) -> tuple[dict[str, list[np.ndarray]], dict[str, Any]]:
    """Reads what `write` wrote.

    Raises:
        UserError: The file is damaged, or not such a file.
    """
    file_path = limits.existing(path)
    # Read without the HDF5 library: a damaged file can end the process there.
    file = hdf5.read_hdf5(limits.contents(file_path, sys.maxsize - 1), str(file_path))
    try:
        record = str(file.attributes["info"])
        arrays = {
            name: [group.arrays[str(index)].values() for index in range(int(group.attributes["count"]))]
            for name, group in file.groups.items()
        }
        if file.attributes["checksum"] != _checksum(arrays, record):
            raise UserError("damaged: its contents are not those of its checksum", place=str(path))
        return arrays, json.loads(record)
    except (KeyError, ValueError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"damaged: {shorten(str(error))}", place=str(path)) from None


def _checksum(arrays: Arrays, record: str) -> str:
    digest = hashlib.sha256(record.encode())
    for name, values in sorted(arrays.items()):
        for value in map(np.asarray, values):
            digest.update(f"{name} {value.dtype.str} {value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
