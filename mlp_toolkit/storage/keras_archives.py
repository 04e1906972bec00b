"""Keras's own `.keras` archives: taken apart and checked in memory, then put together anew from what was checked."""

from __future__ import annotations

import io
import json
import stat
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.storage.untrusted import allow_list, hdf5, limits

if TYPE_CHECKING:
    import h5py

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


MOST_ENTRIES = 1_000  # three, and what looks like one among the weights


class Parts(NamedTuple):
    """What an archive holds.

    Attributes:
        config: The model's configuration.
        text: The same as it stands in the archive.
        metadata: Which Keras wrote it, and when.
        weights: The weights.
    """

    config: dict[str, Any]
    text: bytes
    metadata: Any
    weights: hdf5.Group


def read_archive(raw: bytes, path: Path) -> Parts:
    """The parts of a `.keras` file.

    Raises:
        UserError: Not such a file, damaged, or it holds something that is refused.
    """
    members = _members(raw, path)
    config = limits.json_of(members[CONFIG], "model's configuration", path)
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise UserError("the file holds no Keras model", place=str(path))
    metadata = limits.json_of(members[METADATA], "metadata", path)
    return Parts(config, members[CONFIG], metadata, hdf5.read_hdf5(members[WEIGHTS], str(path)))


def _members(raw: bytes, path: Path) -> dict[str, bytes]:
    """The files in an archive, which are three by their names, and plain ones."""
    place, known = str(path), {CONFIG, METADATA, WEIGHTS}
    if raw.count(b"PK\x01\x02") > MOST_ENTRIES:  # zipfile would make an object of each
        raise UserError("refused: the archive holds other files than a model", place=place)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            parts = archive.infolist()
            names = sorted(part.filename for part in parts)
            odd = sorted({*names} - known)
            if odd:
                raise UserError(
                    "refused: the archive holds other files than a model", place=place, found=", ".join(odd)
                )
            if names != sorted(known):
                raise UserError("refused: the archive holds a file of a model twice, or not at all", place=place)
            if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
                raise UserError("refused: the archive is compressed in another way than Keras does", place=place)
            if any(stat.S_ISLNK(part.external_attr >> 16) or part.flag_bits & 1 for part in parts):
                raise UserError("refused: a file in the archive is a link, or encrypted", place=place)
            if sum(part.file_size for part in parts) > 2 * len(raw) + 1_000_000:
                raise UserError("refused: the archive unpacks to much more than its own size", place=place)
            return {part.filename: _unpacked(archive, part, place) for part in parts}
    except UserError:
        raise
    except Exception as error:  # there is no end to what zipfile and its decompressors raise over damaged bytes
        raise UserError(f"not a .keras file, or damaged: {shorten(str(error))}", place=place) from None


def _unpacked(archive: zipfile.ZipFile, part: zipfile.ZipInfo, place: str) -> bytes:
    """One file, of the declared size; zipfile compares its checksum."""
    with archive.open(part) as file:
        data = file.read(part.file_size)
        if len(data) != part.file_size or file.read(1):
            raise UserError("refused: a file in the archive has another size than declared", place=place)
    return data


def load_archive(raw: bytes, path: Path) -> Any:
    """The model of a `.keras` file, with its optimizer's state as Keras restores it.

    Args:
        raw: The file.
        path: Names it in messages; it is not read again.

    Raises:
        UserError: Not such a file, damaged, or it holds something that is refused.
    """
    from mlp_toolkit.model.backend import keras
    from mlp_toolkit.storage.untrusted import rebuilding

    parts = read_archive(raw, path)
    allow_list.check_classes(parts.config, str(path))
    limits.check_size(parts.config, path, linear=False)
    limits.check_finite(parts.weights.walk(), path)
    held = sum(array.size for _, array in parts.weights.walk())
    rebuilding.check_rebuilds(parts.config, held, None, path)
    with rebuilding.rebuilding(path), tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.keras"
        with zipfile.ZipFile(copy, "w") as archive:
            archive.writestr(CONFIG, json.dumps(allow_list.pinned(parts.config)))
            archive.writestr(METADATA, b"{}")
            archive.writestr(WEIGHTS, _rewritten(parts.weights))
        with warnings.catch_warnings():
            # Keras says so of an optimizer that was saved before its first step, too.
            warnings.filterwarnings("ignore", message="Skipping variable loading for optimizer")
            model = keras.models.load_model(str(copy), safe_mode=True)
        _check_optimizer(model, parts.weights)
    return model


def _check_optimizer(model: Any, weights: hdf5.Group) -> None:
    """Keras leaves out a state that does not fit, with no more than a warning."""
    saved = [array for name, array in weights.walk() if name.startswith("optimizer/vars/")]
    used = any(array.shape for array in saved)  # before its first step an optimizer has single numbers only
    if used and getattr(model, "optimizer", None) and len(saved) != len(model.optimizer.variables):
        raise UserError(
            f"the optimizer's state has {len(saved)} parts, {model.optimizer.name} needs "
            f"{len(model.optimizer.variables)}"
        )


def _rewritten(group: hdf5.Group) -> bytes:
    """An HDF5 file of the same contents. The HDF5 library itself reads no stranger's bytes."""
    import h5py

    def fill(target: h5py.Group, source: hdf5.Group) -> None:
        for name, value in source.attributes.items():
            if isinstance(value, str):
                target.attrs[name] = value
        for name, array in source.arrays.items():
            target.create_dataset(name, data=array.values())
        for name, inner in source.groups.items():
            fill(target.create_group(name), inner)

    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        fill(file, group)
    return held.getvalue()
