"""A recipe's data: rows, split, targets as numbers, weights, fingerprint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlp_toolkit import cells, features, image_files, images, leaks, readers
from mlp_toolkit.errors import UserError, listing, nearest, shorten
from mlp_toolkit.kinds import Kinds, infer_kinds
from mlp_toolkit.spec import Data, Recipe, Split
from mlp_toolkit.splitting import split_rows
from mlp_toolkit.targets import Spread, Target, complete, fit_target, read_targets

if TYPE_CHECKING:
    import pandas as pd


class Piece(NamedTuple):
    """Some rows of a part.

    Attributes:
        frame: Feature columns as read.
        values: (rows, outputs) in the target's units, or class numbers from 0, or 0 and 1 for labels.
        weights: (rows,) of the `sample_weight` column, or None.
        row_numbers: For each row its number in the file it came from, from 0.
    """

    frame: pd.DataFrame
    values: np.ndarray
    weights: np.ndarray | None
    row_numbers: np.ndarray

    def head(self) -> Piece:
        """Its first row."""
        return Piece(
            self.frame[:1],
            self.values[:1],
            None if self.weights is None else self.weights[:1],
            self.row_numbers[:1],
        )


@dataclass(frozen=True)
class Dataset:
    """Rows ready for training.

    Attributes:
        frame: Feature columns of all rows, as read; images as arrays of one size.
        kinds: The kind of each column.
        encoding: Fitted to the training rows.
        target: What is predicted.
        values: (rows, outputs) in the target's units, or class numbers from 0, or 0 and 1 for labels.
        weights: (rows,) of the `sample_weight` column, or None.
        parts: Positions in `frame` of the rows of `train`, `validation` and `test`.
        row_numbers: For each row its number in the file it came from, from 0.
        unlabelled: Feature columns of the rows without a target, which are in no part.
        fingerprint: SHA-256 over all files read.
        notes: What was inferred, in sentences.
    """

    frame: pd.DataFrame
    kinds: Kinds
    encoding: features.Encoding
    target: Target
    values: np.ndarray
    weights: np.ndarray | None
    parts: dict[str, np.ndarray]
    row_numbers: np.ndarray
    unlabelled: pd.DataFrame
    fingerprint: str
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each part."""
        return {part: len(rows) for part, rows in self.parts.items()}

    def pieces(self, part: str) -> Iterator[Piece]:
        """The rows of a part."""
        rows = self.parts[part]
        yield Piece(self.frame.iloc[rows], self.values[rows], self.part_weights(part), self.row_numbers[rows])

    def labels(self, part: str) -> np.ndarray:
        """Encoded targets of a part."""
        return self.target.encode(self.values[self.parts[part]])

    def part_weights(self, part: str) -> np.ndarray | None:
        """Row weights of a part, or None."""
        return None if self.weights is None else self.weights[self.parts[part]]


def check_header(recipe: Recipe, place: str) -> list[str]:
    """Compares the recipe's columns with the header of its data, reading no rows.

    Returns:
        The columns of the data.

    Raises:
        UserError: The file is not there, or a column is not in it.
    """
    data = recipe.data
    columns = readers.header(data.path) if data.path else readers.dataset_header(str(data.dataset))
    source = Path(data.path).name if data.path else str(data.dataset)
    asked: list[tuple[str, str]] = [("data.target", name) for name in data.targets]
    if data.sample_weight:
        asked.append(("data.sample_weight", data.sample_weight))
    if isinstance(data.split, str):
        asked.append(("data.split", data.split))
    if not isinstance(data.features, str):
        asked += [("data.features", name) for name in data.features]
    for key, name in asked:
        if name not in columns:
            raise UserError(f"{key}: no such column in {source}", place=place, found=name, allowed=columns)
    roles: list[tuple[str, str | None]] = [
        *(("target", name) for name in data.targets),
        ("sample_weight", data.sample_weight),
    ]
    roles.append(("split", data.split if isinstance(data.split, str) else None))
    for role, column in roles:
        if column in _named(data.features):
            raise UserError(f"data.features: the column of data.{role} cannot be a feature", place=place, found=column)
        if role != "target" and column in data.targets:
            raise UserError(f"data.{role}: this column is the target", place=place, found=column)
    others = [data.test_path] if data.test_path else []
    if isinstance(data.split, Split):
        others += [share for share in (data.split.validation, data.split.test) if isinstance(share, str)]
    for other in others:
        absent = [name for name in columns if name not in readers.header(other)]
        unused = {data.split} if isinstance(data.split, str) else set()
        if isinstance(data.features, list):
            unused |= {*columns} - {*data.features, *data.targets, data.sample_weight}
        elif isinstance(data.features, dict):
            unused |= {name for name, kind in data.features.items() if kind == "ignore"}
        needed = [name for name in absent if name not in unused]
        if needed:
            raise UserError("lacks columns that the training data has", place=other, found=listing(needed))
    return columns


def _named(asked: Any) -> list[str]:
    return [] if isinstance(asked, str) else [n for n in asked if not isinstance(asked, dict) or asked[n] != "ignore"]


def load(recipe: Recipe, place: str = "recipe") -> Dataset:
    """Reads the data of a recipe, splits it, and fits the encoding to the training rows.

    Raises:
        UserError: With place, cause and remedy for whatever is wrong with the data.
    """
    check_header(recipe, place)
    data = recipe.data
    notes: list[str] = []
    table = readers.read(data.path) if data.path else readers.read_dataset(str(data.dataset))
    notes += table.notes
    sources, fingerprints = [("", rooted(table, data))], [table.fingerprint]
    for part, path in part_files(data):
        other = readers.read(path)
        sources.append((part, rooted(other, data)))
        fingerprints.append(other.fingerprint)
    return prepare(recipe, sources, readers.one_fingerprint(fingerprints), notes, place)


def prepare(
    recipe: Recipe, sources: list[tuple[str, pd.DataFrame]], fingerprint: str, notes: list[str], place: str
) -> Dataset:
    """What `load` does with tables that are read.

    Args:
        recipe: The recipe; where its rows come from does not matter here.
        sources: Tables as `readers` gives them, each with the part that all its rows are for, or "" for a table to be
            split as the recipe says.
        fingerprint: SHA-256 over all of them, but not over the image files that they name.
        notes: What was inferred so far; more is added.
        place: Names the recipe in messages.

    Raises:
        UserError: As `load` says.
    """
    data = recipe.data
    frame, given_part, row_numbers = _stack(sources)
    every = frame
    known = complete(frame, data.targets)
    unlabelled = frame[~known]
    if not known.all():
        notes.append(f"{int((~known).sum()):,} of {len(frame):,} rows have no target and are left out")
        frame, given_part, row_numbers = frame[known], given_part[known], row_numbers[known]
    frame = frame.set_axis(row_numbers, axis=0)  # messages name a row by its number in its file
    values, classes = read_targets(recipe, frame)
    if recipe.task == "binary":
        notes.append(f"positive class: {shorten(repr(classes[1]))} (negative: {shorten(repr(classes[0]))})")
    elif recipe.task == "multiclass":
        notes.append(f"{len(classes)} classes: {listing(map(repr, classes), 12)}")

    weights = row_weights(frame, data.sample_weight)
    parts = split_rows(recipe, frame, given_part, values, notes)
    if weights is not None and not weights[parts["train"]].any():
        raise UserError(f"all weights in {data.sample_weight!r} are 0 among the training rows")
    rows = Piece(frame, values, weights, row_numbers)
    return assemble(
        recipe,
        rows,
        classes,
        parts,
        every=every,
        unlabelled=unlabelled,
        fingerprint=fingerprint,
        notes=notes,
        place=place,
    )


def assemble(
    recipe: Recipe,
    labelled: Piece,
    classes: tuple[Any, ...],
    parts: dict[str, np.ndarray],
    *,
    every: pd.DataFrame,
    unlabelled: pd.DataFrame,
    fingerprint: str,
    notes: list[str],
    place: str,
) -> Dataset:
    """What `prepare` does once it is known which rows are for what, and what they are to teach.

    Args:
        recipe: The recipe.
        labelled: The rows that have a target; columns of targets, weights and parts may be among those of the features.
        classes: Labels in the order of the class numbers; none for regression and multilabel.
        parts: Positions of the rows of `train`, `validation` and `test`; the latter two may be empty.
        every: All rows as read, with and without a target.
        unlabelled: Those without.
        fingerprint: SHA-256 over all of them, but not over the image files that they name.
        notes: What was inferred so far; more is added.
        place: Names the recipe in messages.

    Raises:
        UserError: A column cannot be read as the recipe says, or none is left.
    """
    data, (frame, values, weights, row_numbers) = recipe.data, labelled
    kinds = column_kinds(recipe, frame)
    notes += kinds.notes
    used = [name for name, kind in kinds.by_column.items() if kind != "ignore"]
    if not used:
        raise UserError("no feature is left to learn from: every column is ignored", place=place)
    rows = compared = frame[used]
    image = None
    if name := images.one_column(kinds.of("image")):
        wanted = data.images
        image, levels, seen = images.fit(rows[name], name, size=wanted.size, color=wanted.color, train=parts["train"])
        notes += seen
        fingerprint = image_files.fingerprint(fingerprint, every[name])
        compared = rows.assign(**{name: images.digests(levels)})
        rows = rows.assign(**{name: images.as_cells(levels)})
    encoding = features.fit_encoding(rows.iloc[parts["train"]], kinds, image)
    _note_twins(compared, parts, notes)
    train = parts["train"]
    notes += leaks.found(rows.iloc[train], kinds, values[train], recipe.task, data.targets)
    spread = Spread.of(values[parts["train"]], values) if recipe.task == "regression" else None
    target = fit_target(recipe, spread, classes)
    return Dataset(
        frame=rows.reset_index(drop=True),
        kinds=kinds,
        encoding=encoding,
        target=target,
        values=values,
        weights=weights,
        parts=parts,
        row_numbers=row_numbers,
        unlabelled=unlabelled[used],
        fingerprint=fingerprint,
        notes=tuple(notes),
    )


def rooted(table: readers.Table, data: Data) -> pd.DataFrame:
    """The table with image paths that count from the current folder."""
    given = data.features if isinstance(data.features, dict) else {}
    others = [*data.targets, data.sample_weight, data.split if isinstance(data.split, str) else None]
    return image_files.rooted(table.frame, table.folder, given, others)


def part_files(data: Data) -> list[tuple[str, str]]:
    """Parts that have files of their own."""
    files = [("test", data.test_path)] if data.test_path else []
    if isinstance(data.split, Split):
        if isinstance(data.split.validation, str):
            files.append(("validation", data.split.validation))
        if isinstance(data.split.test, str) and not data.test_path:
            files.append(("test", data.split.test))
    return files


def _stack(sources: list[tuple[str, pd.DataFrame]]) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    import pandas as pd

    columns = list(sources[0][1].columns)
    given = np.concatenate([np.full(len(frame), part, object) for part, frame in sources])
    numbers = np.concatenate([np.arange(len(frame)) for _, frame in sources])
    if len(sources) == 1:
        return sources[0][1], given, numbers
    stacked = {}
    for name in columns:
        pieces = [
            frame[name] if name in frame else pd.Series([None] * len(frame), dtype=object) for _, frame in sources
        ]
        stacked[name] = pd.concat(pieces, ignore_index=True)
    return readers.normalise(pd.DataFrame(stacked)), given, numbers


def row_weights(frame: pd.DataFrame, name: str | None) -> np.ndarray | None:
    """The column of row weights as float32; None without a name."""
    if name is None:
        return None
    weights = cells.to_numbers(frame[name], name)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise UserError(
            f"weights in {name!r} must be numbers of 0 or more; row {frame.index[row]} holds {weights[row]:g}"
        )
    return weights.astype(np.float32)


def column_kinds(recipe: Recipe, frame: pd.DataFrame) -> Kinds:
    """Kinds of the feature columns; target, weight and split columns are no features."""
    data = recipe.data
    taken = {*data.targets, data.sample_weight, data.split if isinstance(data.split, str) else None}
    columns = [name for name in frame.columns if name not in taken]
    given: dict[str, str] = {}
    if isinstance(data.features, list):
        columns = [name for name in columns if name in data.features]
    elif isinstance(data.features, dict):
        given = data.features
    kinds = infer_kinds(frame[columns], given)
    for name in kinds.of("numeric"):
        cells.check_size(cells.to_numbers(frame[name], name), name, frame.index)
    return kinds


def _note_twins(frame: pd.DataFrame, parts: dict[str, np.ndarray], notes: list[str]) -> None:
    """Says how many test rows stand among the training rows too: they make a score look better than it is."""
    import pandas as pd

    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    twins = int(np.isin(hashes[parts["test"]], hashes[parts["train"]]).sum())
    if twins:
        notes.append(f"{twins:,} of {len(parts['test']):,} test rows have the same features as a training row")


def table_columns(frame: pd.DataFrame, wanted: Sequence[str], what: str) -> None:
    """Checks that a table of new rows has the columns needed.

    Raises:
        UserError: With the nearest name for the first that is absent.
    """
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        near = nearest(absent[0], frame.columns)
        raise UserError(
            f"{what} {listing(map(repr, absent))} not in the data",
            allowed=[str(name) for name in frame.columns],
            remedy=f"Did you mean {shorten(near)!r}?" if near else None,
        )
