"""Data larger than memory: row groups of Parquet files, read piece by piece.

Before training, a look at a few stretches decides the kinds of the columns; then all rows are read once, checked and
counted, and the encoding is fitted. In training, row groups come in another order each epoch, and rows are
shuffled in a pool on the way. Nothing here grows with the number of rows.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data import roles
from mlp_toolkit.data.columns import encoder, parsing
from mlp_toolkit.data.columns.kinds import Kinds
from mlp_toolkit.data.leaks.features import leaks_found
from mlp_toolkit.data.pieces import Piece
from mlp_toolkit.data.reading import frames, parquet_files, tables
from mlp_toolkit.data.splitting import PARTS, STREAMED_SHARE, ByGroup, ByTime, Split, groups_of, split_of
from mlp_toolkit.data.streaming import csv_to_parquet
from mlp_toolkit.data.streaming.scan import Scan, as_piece
from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import UserError, listing
from mlp_toolkit.files import reading
from mlp_toolkit.recipe.spec import Recipe

if TYPE_CHECKING:
    import pandas as pd

# Recipes with `stream: auto` stream from this size on. Rows × columns, not this machine's memory, so that the same
# recipe gives the same result everywhere; 100 million values take 2 to 4 GB when they are read at once.
VALUES_THAT_STREAM = 100_000_000
CSV_BYTES_THAT_STREAM = 1_000_000_000

SCRATCH = ".mlp-toolkit-rows-{}.parquet"
PIECE_ROWS = 65_536  # read at a time
LOOKED_AT = 100_000  # rows that decide the kinds of the columns
POOL_BYTES = 64_000_000  # of encoded rows that are shuffled together
ROOM_TAKEN = 0.5  # of the disk's free room, at most, by encoded rows


@dataclass(frozen=True)
class Group:
    """A row group of a Parquet file.

    Attributes:
        file: The file.
        number: The group's number in it.
        rows: Its rows.
        begin: The number of its first row among the rows of its source.
        part: The part its rows belong to; "" where the split decides.
        stamp: The file's size and time of change when the run began.
    """

    file: Path
    number: int
    rows: int
    begin: int
    part: str
    stamp: tuple[int, int]


@dataclass(frozen=True)
class Stream:
    """Rows that are read when they are needed.

    Attributes:
        recipe: What is wanted.
        split: Which part each row is in.
        groups: All row groups.
        kinds: The kind of each column.
        encoding: Fitted to the training rows.
        target: What is predicted.
        counts: Rows of each part.
        class_counts: Training rows of each class; for multilabel those without and with each label; else empty.
        fingerprint: SHA-256 over all files.
        notes: What was inferred, in sentences.
        samples: At most about `SAMPLE_ROWS` rows of `train` and of `validation`.
        spool: The folder in which encoded rows are kept while training; None where there is too little room.
    """

    recipe: Recipe
    split: Split
    groups: tuple[Group, ...]
    kinds: Kinds
    encoding: encoder.Encoding
    target: Target
    counts: dict[str, int]
    class_counts: np.ndarray
    fingerprint: str
    notes: tuple[str, ...]
    samples: dict[str, Piece]
    spool: Path | None

    streamed = True
    folds = None

    def pieces(self, part: str) -> Iterator[Piece]:
        """The rows of a part that its scores are counted from: a sample of the training rows, else all."""
        if part == "train":
            yield self.samples["train"]
        else:
            yield from self._read(part, self.groups)

    def groups_of_rows(self, part: str) -> np.ndarray | None:
        """The number of each row's group, where the split says so; of the training rows, of which samples count, none.

        A part with a file of its own has none.
        """
        if not isinstance(self.split, ByGroup) or part == "train" or any(group.part == part for group in self.groups):
            return None
        import pandas as pd

        columns, named = [self.split.name, *self.recipe.data.targets], []
        for group in self.groups:
            for frame, part_of in _frames(self.recipe, self.split, group, columns) if not group.part else ():
                named.append(frame[self.split.name][part_of == PARTS.index(part)])
        return groups_of(pd.concat(named))

    def encoded_by(self, encoding: encoder.Encoding, note: str) -> Stream:
        """The same rows, encoded in another way, and a note on why."""
        return replace(self, encoding=encoding, notes=(*self.notes, note))

    def order(self, epoch: int) -> list[int]:
        """The order of the row groups in an epoch, counted from 0: depends on it and the recipe's seed alone."""
        order: list[int] = np.random.default_rng([self.recipe.seed, epoch]).permutation(len(self.groups)).tolist()
        return order

    def group(self, number: int) -> Iterator[Piece]:
        """The training rows of a row group."""
        return self._read("train", [self.groups[number]])

    def _read(self, part: str, groups: Sequence[Group]) -> Iterator[Piece]:
        columns = [*self.encoding.columns, *self.recipe.data.targets]
        for group in groups:
            if group.part not in ("", part):
                continue
            for frame, part_of in _frames(self.recipe, self.split, group, columns, piece_rows(self.encoding.width)):
                own = frame[part_of == PARTS.index(part)]
                if len(own):
                    yield as_piece(self.recipe, own, self.target)


def is_streamed(recipe: Recipe) -> bool:
    """Whether a recipe's data is streamed: as it says, or by its size.

    Raises:
        UserError: It says so of data that cannot be streamed.
    """
    data = recipe.data
    suffix = tables.suffix(Path(data.path)) if data.path else ""
    if data.stream is True and not suffix.endswith(tables.STREAMED):
        raise UserError("data.stream: only Parquet and CSV files are streamed", place=str(data.path or data.dataset))
    if isinstance(data.features, dict) and "image" in data.features.values():
        return False
    if data.stream != "auto" or not suffix.endswith(tables.STREAMED):
        return data.stream is True
    if suffix == ".parquet":
        rows = sum(rows for _, _, rows in tables.row_groups(str(data.path)))
        return rows * len(tables.header(str(data.path))) >= VALUES_THAT_STREAM
    file = Path(str(data.path))
    return file.is_file() and file.stat().st_size >= CSV_BYTES_THAT_STREAM


def open_stream(recipe: Recipe, place: str, scratch: Path) -> Stream:
    """Looks at the data of a recipe, then reads it once: checks it, splits it, fits the encoding.

    Args:
        recipe: The recipe.
        place: Its name in messages.
        scratch: A folder for the Parquet file that a CSV file becomes, until `forget`.

    Raises:
        UserError: With place, cause and remedy for whatever is wrong with the data.
    """
    made = not scratch.exists()
    try:
        return _load(recipe, place, scratch)
    except BaseException as error:
        delete_scratch(scratch)
        if made and scratch.is_dir() and not any(scratch.iterdir()):
            scratch.rmdir()
        if isinstance(error, OSError):
            why = error.strerror or str(error)
            raise UserError(f"the run directory cannot be written: {why}", place=str(scratch)) from None
        raise


def delete_scratch(scratch: Path) -> None:
    """Deletes the Parquet files that CSV files became."""
    for file in scratch.glob(SCRATCH.format("*")):
        file.unlink()


def _load(recipe: Recipe, place: str, scratch: Path) -> Stream:
    roles.check_header(recipe, place)
    groups, fingerprint = _groups(recipe, scratch)
    split = split_of(recipe, [part for part, _ in roles.part_files(recipe.data)], streamed=True)
    if isinstance(split, ByTime):
        split = split.looked_at(_times(recipe, split.name, groups))
    kinds, looked_at = _look(recipe, split, groups)
    used = [name for name, kind in kinds.by_column.items() if kind != "ignore"]
    if not used:
        raise UserError("no feature is left to learn from: every column is ignored", place=place)
    rows = sum(group.rows for group in groups)
    scan = Scan(recipe, split, kinds, rows)
    for group in groups:
        for frame, part_of in _frames(recipe, split, group, [*used, *recipe.data.targets]):
            scan.add(frame, part_of)
    target = scan.target()
    counts = {part: int(scan.counts[part]) for part in PARTS}
    notes = [f"streamed: {rows:,} rows in {len(groups):,} row groups; the kinds of columns by {looked_at:,} of them"]
    if recipe.data.in_folds:
        notes.append(f"streamed rows have no folds: all members are validated on the same {STREAMED_SHARE:.0%} of them")
    notes += parquet_files.index_notes(groups[0].file)
    notes += csv_to_parquet.header_notes(Path(str(recipe.data.path)), recipe.data.header)
    notes += scan.notes(target)
    encoding = scan.fitter.encoding()
    kept = counts["train"] * (encoding.width + target.n_outputs + 1) * 4
    room = shutil.disk_usage(next(folder for folder in (scratch, *scratch.absolute().parents) if folder.is_dir())).free
    roomy = kept < ROOM_TAKEN * room
    where = "are kept in a temporary file" if roomy else "are encoded anew in every epoch, there is too little room for"
    notes.append(f"encoded training rows {where}: {kept / 1e9:.2g} GB")
    samples = {part: scan.sample(part, target) for part in ("train", "validation")}
    notes += leaks_found(samples["train"].frame, kinds, samples["train"].values, recipe.task, target.names)
    return Stream(
        recipe=recipe,
        split=split,
        groups=tuple(groups),
        kinds=kinds,
        encoding=encoding,
        target=target,
        counts=counts,
        class_counts=scan.class_counts(target),
        fingerprint=fingerprint,
        notes=(*notes, *kinds.notes),
        samples=samples,
        spool=scratch if roomy else None,
    )


def shuffled(
    pieces: Iterator[Sequence[np.ndarray]], pool_rows: int, block_rows: int, random: np.random.Generator
) -> Iterator[tuple[np.ndarray, ...]]:
    """Rows in blocks of one size, the last smaller: a pool is filled, given out by chance, and filled again.

    Args:
        pieces: Arrays with the same rows each: x, y and perhaps weights.
        pool_rows: Rows of the pool; rounded to whole blocks, one at least.
        block_rows: Rows of a block.
        random: Draws the rows.
    """
    space = max(1, pool_rows // block_rows) * block_rows
    pool: tuple[np.ndarray, ...] = ()
    filled = 0

    def given_out() -> Iterator[tuple[np.ndarray, ...]]:
        order = random.permutation(filled)
        for begin in range(0, filled, block_rows):
            yield tuple(np.take(array, order[begin : begin + block_rows], axis=0) for array in pool)

    for arrays in pieces:
        taken = 0
        while taken < len(arrays[0]):
            pool = pool or tuple(np.empty((space, *array.shape[1:]), array.dtype) for array in arrays)
            more = min(space - filled, len(arrays[0]) - taken)
            for place, array in zip(pool, arrays, strict=True):
                place[filled : filled + more] = array[taken : taken + more]
            filled, taken = filled + more, taken + more
            if filled == space:
                yield from given_out()
                filled = 0
    yield from given_out()


def piece_rows(width: int) -> int:
    """How many rows of so many encoded values are read at a time."""
    return max(1, min(PIECE_ROWS, POOL_BYTES // (4 * width)))


def pool_rows(row_bytes: int) -> int:
    """How many rows of so many bytes are shuffled together."""
    return max(1, POOL_BYTES // row_bytes)


def _groups(recipe: Recipe, scratch: Path) -> tuple[list[Group], str]:
    """The row groups of all files of a recipe, and a fingerprint of the files."""
    groups: list[Group] = []
    fingerprints = []
    for number, (part, path) in enumerate([("", str(recipe.data.path)), *roles.part_files(recipe.data)]):
        file = Path(path)
        if not tables.suffix(file).endswith(tables.STREAMED):
            raise UserError("beside streamed data only Parquet and CSV files are read", place=path)
        if tables.suffix(file) != ".parquet":
            file = csv_to_parquet.as_parquet(file, scratch / SCRATCH.format(number), recipe)
            fingerprints.append(csv_to_parquet.fingerprint_of(file))
        else:
            fingerprints += [tables.file_fingerprint(each) for each in tables.parquet_files(file)]
        begin = 0
        for each, group, rows in tables.row_groups(file):
            groups.append(Group(each, group, rows, begin, part, _stamp(each)))
            begin += rows
        if not begin:
            raise UserError("the file has a header but no rows", place=path)
    return groups, tables.one_fingerprint(fingerprints)


def _stamp(file: Path) -> tuple[int, int]:
    with reading(file):
        about = file.stat()
    return about.st_size, about.st_mtime_ns


def _frames(
    recipe: Recipe, split: Split, group: Group, columns: Sequence[str], rows: int = PIECE_ROWS
) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
    """The rows of a group that have a target, named by their number, and for each the position of its part in PARTS."""
    import pandas as pd

    data = recipe.data
    # A part that has a file of its own has no need of the columns that split the others.
    roles = [*([data.sample_weight] if data.sample_weight else []), *([] if group.part else split.columns)]
    needed = list(dict.fromkeys([*columns, *roles]))
    chances = np.random.default_rng([recipe.seed, group.begin, PARTS.index(group.part) + 1 if group.part else 0])
    begin = group.begin
    if _stamp(group.file) != group.stamp:
        raise UserError("the file has changed while the run was reading it", place=str(group.file))
    for frame in tables.read_group(group.file, group.number, needed, rows):
        frame.index = pd.RangeIndex(begin, begin + len(frame))  # messages name a row by its number
        begin += len(frame)
        if group.part:
            part_of = np.full(len(frame), PARTS.index(group.part), np.int8)
        else:
            part_of = split.of_piece(frame, chances)
        known = np.ones(len(frame), bool)
        for name in data.targets:
            known &= parsing.present(frame[name])
        yield (frame, part_of) if known.all() else (frame[known], part_of[known])


def _times(recipe: Recipe, name: str, groups: Sequence[Group]) -> pd.Series[Any]:
    """The column of times of all rows that are to be split: eight bytes a row."""
    import pandas as pd

    columns, found = list(dict.fromkeys([name, *recipe.data.targets])), []
    for group in groups:
        for frame in tables.read_group(group.file, group.number, columns, PIECE_ROWS) if not group.part else ():
            known = np.logical_and.reduce([parsing.present(frame[target]) for target in recipe.data.targets])
            found.append(frame[name][known])
    every: pd.Series[Any] = pd.concat(found)
    return every


def _look(recipe: Recipe, split: Split, groups: Sequence[Group]) -> tuple[Kinds, int]:
    """The kinds of the columns, by stretches of up to eight row groups, and how many rows that were."""
    every = tables.header(groups[0].file)
    own = [group for group in groups if not group.part]
    chosen = [own[index] for index in np.unique(np.linspace(0, len(own) - 1, 8).astype(int))]
    looked = []
    for group in chosen:
        share = LOOKED_AT / len(chosen) / max(1, group.rows)
        for frame, _ in _frames(recipe, split, group, every):  # of every piece the beginning
            looked.append(frame.iloc[: math.ceil(share * len(frame))])
    if not sum(map(len, looked)):
        raise UserError(f"the target {listing(recipe.data.targets)} has no value in {len(chosen)} row groups looked at")
    frame = frames.together(looked)
    source = Path(str(recipe.data.path))
    table = tables.Table(frame, "", folder=source if source.is_dir() else source.parent)
    kinds = roles.column_kinds(recipe, roles.rooted(table, recipe.data))
    for name in kinds.of("image"):
        raise UserError(
            f"column {name!r} holds images: rows with images are not streamed",
            remedy="Say data.stream: false, or leave the column out: features: {" + name + ": ignore}.",
        )
    return csv_to_parquet.with_writings_of(groups[0].file, kinds), len(frame)
