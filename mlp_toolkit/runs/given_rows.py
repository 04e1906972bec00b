"""Rows that are given in Python are kept in the run directory: then the run can be repeated, and gone on with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data.reading import frames, in_memory
from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.files import atomic, writing
from mlp_toolkit.runs.directory import JOURNAL, begun

if TYPE_CHECKING:
    import pandas as pd

FILE = "data.parquet"


@contextlib.contextmanager
def kept(frame: pd.DataFrame | None, directory: Path) -> Iterator[None]:
    """Keeps rows in a run directory, unless nothing comes of the run; the file of the same rows is the same."""
    path = directory / FILE
    if frame is not None:
        with writing(path), atomic(path) as temporary:
            frame.to_parquet(temporary, index=False)
    try:
        yield
    finally:
        if frame is not None and not begun(directory) and not (directory / JOURNAL).exists():
            path.unlink(missing_ok=True)


def table_of(data: Any, target: Any) -> tuple[pd.DataFrame, list[str]]:
    """Rows given to `run` as a table.

    Args:
        data: Rows as `in_memory.frame_of` takes them, or (X, y): features, (rows, columns), and targets, (rows,) or
            (rows, targets), as arrays or data frames.
        target: The names of the targets in the recipe, or None.

    Returns:
        The table, and the names of y's columns in it where y came by itself.

    Raises:
        UserError: They are something else, or do not fit together.
    """
    targets: list[str] = []
    if isinstance(data, tuple) and len(data) == 2:
        frame, targets = _joined(*data, target)
    else:
        frame = in_memory.frame_of(data, "run: data")
    frame = frames.normalise(frame)
    odd = [name for name in frame if frame[name].dtype == object and not frame[name].map(_is_text).all()]
    if odd:
        raise UserError(
            f"column {odd[0]!r} holds images in memory, which are not kept beside a run",
            place="run: data",
            remedy="Give the paths of image files in that column, a folder of images, or an NPZ file.",
        )
    return frame, targets


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _joined(X: Any, y: Any, target: Any) -> tuple[pd.DataFrame, list[str]]:
    """Features and targets side by side."""
    import pandas as pd

    features = X if hasattr(X, "columns") else _named(X, "x", None)
    wanted = [target] if isinstance(target, str) else target
    named = list(getattr(y, "columns", [getattr(y, "name", None)]))
    wanted = wanted or (named if all(isinstance(name, str) for name in named) else None)
    targets = _named(y, "y", wanted)
    if len(features) != len(targets):
        raise UserError(f"X has {len(features):,} rows, y has {len(targets):,}", place="run: data")
    both = sorted({*map(str, features.columns)} & {*targets.columns})
    if both:
        raise UserError("a feature is called as a target", place="run: data", found=both[0])
    return pd.concat([features.reset_index(drop=True), targets], axis=1), list(targets.columns)


def _named(values: Any, letter: str, names: list[str] | None) -> pd.DataFrame:
    import pandas as pd

    array = np.asarray(values)
    if array.ndim == 1 and letter == "y":
        array = array[:, None]
    if array.ndim != 2 or not array.size:
        allowed = "(rows, columns)" if letter == "x" else "(rows,) or (rows, targets)"
        title = "X" if letter == "x" else "y"
        raise UserError(f"{title} has the shape {array.shape}", place="run: data", allowed=allowed)
    many = array.shape[1] > 1 or letter == "x"
    names = names or ([f"{letter}{number}" for number in range(array.shape[1])] if many else [letter])
    if len(names) != array.shape[1]:
        raise UserError(f"y has {array.shape[1]} columns", place="run: data", found=shorten(names))
    return pd.DataFrame(array, columns=names).infer_objects()
