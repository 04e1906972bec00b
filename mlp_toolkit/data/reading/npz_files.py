"""NPZ files become columns: each array of one dimension, each column of a matrix, each stack of images."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_toolkit.data.images import pixels
from mlp_toolkit.errors import UserError
from mlp_toolkit.files import check_unpacked, column_names, reading

if TYPE_CHECKING:
    import pandas as pd


def npz_columns(file: Path, notes: list[str]) -> list[tuple[str, Any]]:
    """Columns of an NPZ file.

    An array of one dimension is a column; so are images, (rows, height, width) or (rows, height, width, 1 or 3).
    Others give one column for each value of a row. Arrays of Python objects are not read: that would run code.

    Args:
        file: The file.
        notes: Takes what was inferred.

    Raises:
        UserError: The file is damaged, holds something else, or unpacks to more than it could hold in earnest.
    """
    import numpy as np

    with reading(file):
        raw = file.read_bytes()
        with zipfile.ZipFile(io.BytesIO(raw)) as members:
            check_unpacked(sum(member.file_size for member in members.infolist()), len(raw), file)
        with np.lib.npyio.NpzFile(io.BytesIO(raw), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    if not arrays:
        raise UserError("the file holds no arrays", place=str(file))
    other = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
    if other:
        raise UserError("the file holds something else than arrays", place=str(file), found=other[0])
    lengths = {name: array.shape[0] if array.ndim else None for name, array in arrays.items()}
    if len(set(lengths.values())) > 1 or None in lengths.values():
        raise UserError("the arrays differ in their number of rows", place=str(file), found=lengths)
    found: list[tuple[str, Any]] = []
    for name, array in arrays.items():
        if array.ndim > 1 and not array.nbytes:  # its shape may be of any size
            raise UserError("an array without values", place=str(file), found=f"{name}: {array.shape}")
        if array.ndim == 1:
            found.append((name, array))
            continue
        if array.dtype.kind in "iufb" and (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3))):
            found.append((name, pixels.as_cells(array)))
            continue
        width = math.prod(array.shape[1:])
        column_names([], file, len(found) + width)
        if array.ndim > 2:
            notes.append(
                f"{name}: {array.shape} are no images, (rows, height, width) or (rows, height, width, 1 or 3); "
                f"read as {width:,} plain columns"
            )
        for index in np.ndindex(*array.shape[1:]):
            found.append((f"{name}_" + "_".join(map(str, index)), array[(slice(None), *index)]))
    column_names([name for name, _ in found], file)
    return found


def read_npz(file: Path, notes: list[str]) -> pd.DataFrame:
    """The columns as a data frame, of which `frames.normalise` makes numbers and text."""
    import pandas as pd

    found = npz_columns(file, notes)
    with reading(file):
        return pd.DataFrame(
            {name: array if array.dtype.kind in "iufM" else array.astype(object) for name, array in found}, copy=False
        )
