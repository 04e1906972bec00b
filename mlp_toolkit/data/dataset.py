"""A recipe's data: rows, split, targets as numbers, weights, fingerprint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data import roles
from mlp_toolkit.data.columns import encoder
from mlp_toolkit.data.columns.kinds import Kinds
from mlp_toolkit.data.images import image_files, pixels
from mlp_toolkit.data.leaks.chance_splits import cautions
from mlp_toolkit.data.leaks.features import leaks_found
from mlp_toolkit.data.pieces import Piece
from mlp_toolkit.data.reading import frames, tables
from mlp_toolkit.data.splitting import Ties, member_folds, split_rows, ties_of
from mlp_toolkit.data.targets import Spread, Target, complete, fit_target, positive_note, read_targets
from mlp_toolkit.data.weights import count_classes
from mlp_toolkit.errors import UserError, listing
from mlp_toolkit.recipe.spec import Recipe

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Dataset:
    """Rows ready for training, in memory.

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
        folds: For each training row the member of an ensemble that holds it out; None where all share validation rows.
        ties: What keeps rows together, or in order, where the split says so.
    """

    frame: pd.DataFrame
    kinds: Kinds
    encoding: encoder.Encoding
    target: Target
    values: np.ndarray
    weights: np.ndarray | None
    parts: dict[str, np.ndarray]
    row_numbers: np.ndarray
    unlabelled: pd.DataFrame
    fingerprint: str
    notes: tuple[str, ...]
    folds: np.ndarray | None = None
    ties: Ties = field(default_factory=Ties)

    streamed = False

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each part."""
        return {part: len(rows) for part, rows in self.parts.items()}

    @property
    def class_counts(self) -> np.ndarray:
        """Training rows of each class; for multilabel, (labels, 2), those without and with each label; else empty."""
        values = self.values[self.parts["train"]]
        if self.target.task == "multilabel":
            return count_classes(values)
        return count_classes(values[:, 0], len(self.target.classes)) if self.target.classes else np.zeros(0, int)

    def pieces(self, part: str) -> Iterator[Piece]:
        """The rows of a part."""
        rows = self.parts[part]
        yield Piece(self.frame.iloc[rows], self.values[rows], self.part_weights(part), self.row_numbers[rows])

    def groups_of_rows(self, part: str) -> np.ndarray | None:
        """The number of each row's group, (rows,), or None."""
        return self.ties.of(self.parts[part]).groups

    def encoded_by(self, encoding: encoder.Encoding, note: str) -> Dataset:
        """The same rows, encoded in another way, and a note on why."""
        return replace(self, encoding=encoding, notes=(*self.notes, note))

    def held_out_by(self, recipe: Recipe) -> Dataset:
        """The same rows in as many folds as a recipe has members."""
        train = self.parts["train"]
        return replace(self, folds=member_folds(recipe, self.values[train], self.ties.of(train)))

    def split_anew(self, recipe: Recipe, parts: dict[str, np.ndarray]) -> Dataset:
        """The same rows in other parts, encoded and scaled by what is the training rows now."""
        train = parts["train"]
        encoding = encoder.fit_encoding(self.frame.iloc[train], self.kinds, self.encoding.image)
        spread = Spread.of(self.values[train], self.values) if recipe.task == "regression" else None
        target = fit_target(recipe, spread, self.target.classes)
        folds = member_folds(recipe, self.values[train], self.ties.of(train)) if self.folds is not None else None
        return replace(self, parts=parts, encoding=encoding, target=target, notes=(), folds=folds)

    def part_weights(self, part: str) -> np.ndarray | None:
        """Row weights of a part, or None."""
        return None if self.weights is None else self.weights[self.parts[part]]


def load_dataset(recipe: Recipe, place: str = "recipe") -> Dataset:
    """Reads the data of a recipe, splits it, and fits the encoding to the training rows.

    Raises:
        UserError: With place, cause and remedy for whatever is wrong with the data.
    """
    columns = roles.check_header(recipe, place)
    data = recipe.data
    unused = roles.unused_columns(data, columns)
    notes: list[str] = []
    bundled = None if data.path else tables.read_dataset(str(data.dataset))
    table = bundled or tables.read_table(str(data.path), unused, data.header)
    notes += table.notes
    sources, fingerprints = [("", roles.rooted(table, data))], [table.fingerprint]
    for part, path in roles.part_files(data):
        other = tables.read_table(path, unused, data.header)
        sources.append((part, roles.rooted(other, data)))
        fingerprints.append(other.fingerprint)
    return prepare(recipe, sources, tables.one_fingerprint(fingerprints), notes, place)


def prepare(
    recipe: Recipe, sources: list[tuple[str, pd.DataFrame]], fingerprint: str, notes: list[str], place: str
) -> Dataset:
    """What `load` does with tables that are read.

    Args:
        recipe: The recipe; where its rows come from does not matter here.
        sources: Tables as `tables` gives them, each with the part that all its rows are for, or "" for a table to be
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
        notes.append(positive_note(recipe, classes))
    elif recipe.task == "multiclass":
        notes.append(f"{len(classes)} classes: {listing(map(repr, classes), 12)}")

    weights = roles.weights_column(frame, data.sample_weight)
    parts = split_rows(recipe, frame, given_part, values, notes)
    if weights is not None and not weights[parts["train"]].any():
        raise UserError(f"all weights in {data.sample_weight!r} are 0 among the training rows")
    labelled = Labelled(Piece(frame, values, weights, row_numbers), classes, parts, every, unlabelled, fingerprint)
    return assemble(recipe, labelled, notes, place)


@dataclass(frozen=True)
class Labelled:
    """Rows of which it is known what they are for, and what they are to teach.

    Attributes:
        rows: Those that have a target; columns of targets, weights and parts may be among those of the features.
        classes: Labels in the order of the class numbers; none for regression and multilabel.
        parts: Positions of the rows of `train`, `validation` and `test`; the latter two may be empty.
        every: All rows as read, with and without a target.
        unlabelled: Those without.
        fingerprint: SHA-256 over all of them, but not over the image files that they name.
    """

    rows: Piece
    classes: tuple[Any, ...]
    parts: dict[str, np.ndarray]
    every: pd.DataFrame
    unlabelled: pd.DataFrame
    fingerprint: str = ""


def assemble(recipe: Recipe, labelled: Labelled, notes: list[str], place: str) -> Dataset:
    """What `prepare` does once it is known which rows are for what.

    Args:
        recipe: The recipe.
        labelled: The rows.
        notes: What was inferred so far; more is added.
        place: Names the recipe in messages.

    Raises:
        UserError: A column cannot be read as the recipe says, or none is left.
    """
    data, parts, (frame, values, weights, row_numbers) = recipe.data, labelled.parts, labelled.rows
    kinds = roles.column_kinds(recipe, frame)
    notes += kinds.notes
    used = [name for name, kind in kinds.by_column.items() if kind != "ignore"]
    if not used:
        raise UserError("no feature is left to learn from: every column is ignored", place=place)
    rows = compared = frames.chosen(frame, used)
    image, fingerprint = None, labelled.fingerprint
    if name := pixels.one_column(kinds.of("image")):
        size, color = data.images.size, data.images.color
        image, levels, seen = pixels.fit_images(rows[name], name, size=size, color=color, train=parts["train"])
        notes += seen
        fingerprint = image_files.fingerprint(fingerprint, labelled.every[name])
        compared = frames.with_columns(rows, {name: pixels.digests(levels)})
        rows = frames.with_columns(rows, {name: pixels.as_cells(levels)})
    encoding = encoder.fit_encoding(rows.iloc[parts["train"]], kinds, image)
    _note_twins(compared, parts, notes)
    train = parts["train"]
    notes += leaks_found(rows.iloc[train], kinds, values[train], recipe.task, data.targets)
    notes += cautions(recipe, frame, kinds, values, parts)
    spread = Spread.of(values[parts["train"]], values) if recipe.task == "regression" else None
    target = fit_target(recipe, spread, labelled.classes)
    ties = ties_of(recipe, frame)
    return Dataset(
        frame=rows.reset_index(drop=True),
        kinds=kinds,
        encoding=encoding,
        target=target,
        values=values,
        weights=weights,
        parts=parts,
        row_numbers=row_numbers,
        unlabelled=frames.chosen(labelled.unlabelled, used),
        fingerprint=fingerprint,
        notes=tuple(notes),
        folds=member_folds(recipe, values[train], ties.of(train))
        if data.in_folds and not len(parts["validation"])
        else None,
        ties=ties,
    )


def _stack(sources: list[tuple[str, pd.DataFrame]]) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    import pandas as pd

    columns = list(sources[0][1].columns)
    given = np.concatenate([np.full(len(frame), part, object) for part, frame in sources])
    numbers = np.concatenate([np.arange(len(frame)) for _, frame in sources])
    if len(sources) == 1:
        return sources[0][1], given, numbers
    stacked = [
        pd.DataFrame(
            {name: frame[name] if name in frame else pd.Series([None] * len(frame), dtype=object) for name in columns}
        )
        for _, frame in sources
    ]
    return frames.together(stacked), given, numbers


def _note_twins(frame: pd.DataFrame, parts: dict[str, np.ndarray], notes: list[str]) -> None:
    """Says how many test rows stand among the training rows too: they make a score look better than it is."""
    import pandas as pd

    if not len(parts["test"]):
        return
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    twins = int(np.isin(hashes[parts["test"]], hashes[parts["train"]]).sum())
    if twins:
        notes.append(f"{twins:,} of {len(parts['test']):,} test rows have the same features as a training row")
