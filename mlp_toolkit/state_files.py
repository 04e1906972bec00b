"""HDF5 files of arrays and a record, with a checksum, and the one before kept beside the newest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.files import atomic
from mlp_toolkit.strangers import existing, opened

Arrays = Mapping[str, list[np.ndarray]]


def before(path: Path) -> Path:
    """Where the file that `path` replaced is kept."""
    return path.with_name(f"{path.stem}.before{path.suffix}")


def write(path: Path, arrays: Arrays, info: Mapping[str, Any]) -> None:
    """Writes lists of arrays and a JSON record. At every moment the new file or the one before is whole."""
    import h5py

    record = json.dumps(info)
    with atomic(path) as temporary:
        with h5py.File(temporary, "w") as file:
            file.attrs["info"] = record
            file.attrs["checksum"] = _checksum(arrays, record)
            for name, values in arrays.items():
                group = file.create_group(name)
                group.attrs["count"] = len(values)
                for index, value in enumerate(values):
                    group.create_dataset(str(index), data=value)
        if path.is_file():
            os.replace(path, before(path))


def read(path: Path) -> tuple[dict[str, list[np.ndarray]], dict[str, Any]]:
    """Reads what `write` wrote.

    Raises:
        UserError: The file is damaged, or not such a file.
    """
    with opened(existing(path)) as file:
        try:
            record = str(file.attrs["info"])
            arrays = {
                name: [group[str(index)][()] for index in range(int(group.attrs["count"]))]
                for name, group in file.items()
            }
            if file.attrs["checksum"] != _checksum(arrays, record):
                raise UserError("damaged: its contents are not those of its checksum", place=str(path))
            return arrays, json.loads(record)
        except (KeyError, ValueError, TypeError, OSError, AttributeError) as error:  # what h5py raises of odd parts
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
