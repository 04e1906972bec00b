"""What each column of a table is for, as a recipe says: target, weights, parts, features; and whether it is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.kinds import Kinds, infer_kinds
from mlp_toolkit.data.images import image_files
from mlp_toolkit.data.reading import frames, tables
from mlp_toolkit.errors import UserError, listing, nearest, shorten
from mlp_toolkit.recipe.spec import Data, Recipe

if TYPE_CHECKING:
    import pandas as pd


def header_of(data: Data) -> list[str]:
    """The columns of a recipe's data; no row is read."""
    return tables.header(data.path, data.header) if data.path else tables.dataset_header(str(data.dataset))


def check_header(recipe: Recipe, place: str) -> list[str]:
    """Compares the recipe's columns with the header of its data, reading no rows.

    Returns:
        The columns of the data.

    Raises:
        UserError: The file is not there, or a column is not in it.
    """
    data = recipe.data
    columns = header_of(data)
    source = Path(data.path).name if data.path else str(data.dataset)
    asked: list[tuple[str, str]] = [("data.target", name) for name in data.targets]
    if data.sample_weight:
        asked.append(("data.sample_weight", data.sample_weight))
    asked += [("data.split", name) for name in data.split_columns]
    if not isinstance(data.features, str):
        asked += [("data.features", name) for name in data.features]
    for key, name in asked:
        if name not in columns:
            raise UserError(f"{key}: no such column in {source}", place=place, found=name, allowed=columns)
    roles: list[tuple[str, str | None]] = [
        *(("target", name) for name in data.targets),
        ("sample_weight", data.sample_weight),
    ]
    time = data.shares.time if data.shares else None
    roles += [("split", name) for name in data.split_columns if name != time or name in data.targets]
    for role, column in roles:
        if column in _named(data.features):
            raise UserError(f"data.features: the column of data.{role} cannot be a feature", place=place, found=column)
        if role != "target" and column in data.targets:
            raise UserError(f"data.{role}: this column is the target", place=place, found=column)
    others = [data.test_path] if data.test_path else []
    if data.shares:
        others += data.shares.files.values()
    for other in others:
        absent = [name for name in columns if name not in tables.header(other, data.header)]
        unused = {*data.split_columns, *unused_columns(data, columns)}
        needed = [name for name in absent if name not in unused]
        if needed:
            raise UserError("lacks columns that the training data has", place=other, found=listing(needed))
    return columns


def unused_columns(data: Data, columns: Sequence[str]) -> set[str]:
    """The columns of a file that a recipe leaves out."""
    unused: set[str] = set()
    if isinstance(data.features, list):
        unused = {*columns} - {*data.features}
    elif isinstance(data.features, dict):
        unused = {name for name, kind in data.features.items() if kind == "ignore"}
    return unused - {*data.no_features}


def _named(asked: Any) -> list[str]:
    return [] if isinstance(asked, str) else [n for n in asked if not isinstance(asked, dict) or asked[n] != "ignore"]


def check_columns(frame: pd.DataFrame, wanted: Sequence[str], what: str) -> None:
    """Checks that a table of new rows has the columns needed.

    Raises:
        UserError: With the nearest name for the first that is absent.
    """
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        columns = [str(name) for name in frame.columns]
        near = nearest(absent[0], columns)
        row = "If the first line of the file is a row: --no-header." if any(map(parsing.is_plain, columns)) else None
        raise UserError(
            f"{what} {listing(map(repr, absent))} {'is' if len(absent) == 1 else 'are'} not in the data",
            allowed=columns,
            remedy=f"Did you mean {shorten(near)!r}?" if near else row,
        )


def part_files(data: Data) -> list[tuple[str, str]]:
    """Parts that have files of their own."""
    files = [("test", data.test_path)] if data.test_path else []
    own = data.shares.files if data.shares else {}
    return files + [(part, file) for part, file in own.items() if part != "test" or not data.test_path]


def rooted(table: tables.Table, data: Data) -> pd.DataFrame:
    """The table with image paths that count from the current folder."""
    given = data.features if isinstance(data.features, dict) else {}
    return image_files.rooted(table.frame, table.folder, given, data.no_features)


def column_kinds(recipe: Recipe, frame: pd.DataFrame) -> Kinds:
    """Kinds of the feature columns; target, weight and split columns are no features."""
    data = recipe.data
    columns = [name for name in frame.columns if name not in data.no_features]
    given: dict[str, str] = {}
    if isinstance(data.features, list):
        columns = [name for name in columns if name in data.features]
    elif isinstance(data.features, dict):
        given = data.features
    kinds = infer_kinds(frames.chosen(frame, columns), given)
    for name in kinds.of("numeric"):
        parsing.check_size(kinds.numbers(frame, name), name, frame.index)
    return kinds


def weights_column(frame: pd.DataFrame, name: str | None) -> np.ndarray | None:
    """The column of row weights as float32; None without a name."""
    if name is None:
        return None
    weights = parsing.to_numbers(frame[name], name)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise UserError(
            f"weights in {name!r} must be numbers of 0 or more; row {frame.index[row]} holds {weights[row]:g}"
        )
    return weights.astype(np.float32)
