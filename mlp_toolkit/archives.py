"""Keras's own `.keras` archives: checked as model files are, then read from the checked copy."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.files import reading
from mlp_toolkit.strangers import check_classes, check_datasets, check_links, check_shadow, datasets, json_of

MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}


def load(path: Path) -> Any:
    """The model of a `.keras` file, with its optimizer's state as Keras restores it.

    Raises:
        UserError: Not such a file, damaged, or it holds something that is refused.
    """
    import h5py

    from mlp_toolkit.startup import keras

    with reading(path):
        raw = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            parts = archive.infolist()
            odd = sorted({part.filename for part in parts} - MEMBERS)
            if odd or len(parts) != len(MEMBERS):
                raise UserError(
                    "refused: the archive holds other files than a model", place=str(path), found=", ".join(odd) or None
                )
            if sum(part.file_size for part in parts) > 2 * len(raw) + 1_000_000:
                raise UserError("refused: the archive unpacks to much more than its own size", place=str(path))
            contents = {part.filename: archive.read(part) for part in parts}
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, OSError) as error:  # what zipfile raises
        raise UserError(f"not a .keras file, or damaged: {shorten(str(error))}", place=str(path)) from None
    config = json_of(contents["config.json"], "model's configuration", path)
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise UserError("the file holds no Keras model", place=str(path))
    check_classes(config, path)
    try:
        with h5py.File(io.BytesIO(contents["model.weights.h5"]), "r") as weights:
            check_links(weights, path)
            check_datasets(weights, path)
            held = sum(int(item.size) for _, item in datasets(weights))
    except (OSError, RuntimeError, KeyError) as error:
        raise UserError(f"damaged: {shorten(str(error))}", place=str(path)) from None
    check_shadow(config, held, None, path)
    with tempfile.TemporaryDirectory() as folder:  # the file at `path` may have changed since it was read
        copy = Path(folder) / "model.keras"
        copy.write_bytes(raw)
        return keras.models.load_model(str(copy), safe_mode=True)
