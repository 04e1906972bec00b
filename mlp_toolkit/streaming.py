"""Data larger than memory: row groups of Parquet files, read piece by piece.

Before training, a look at a few stretches decides the kinds of the columns; then all rows are read once, checked and
counted, and the encoding is fitted. In training, row groups come in another order each epoch, and rows are
shuffled in a pool on the way. Nothing here grows with the number of rows.
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlp_toolkit import csv_files, dataset, features, readers
from mlp_toolkit.dataset import Piece
from mlp_toolkit.errors import UserError, listing
from mlp_toolkit.spec import Recipe, Split
from mlp_toolkit.splitting import PARTS, split_by_column
from mlp_toolkit.targets import Spread, Target, check_varied, fit_target, known_values, quantities, read_targets
from mlp_toolkit.targets import zeros_and_ones as label_values

if TYPE_CHECKING:
    import pandas as pd

# Recipes with `stream: auto` stream from this size on. Rows × columns, not this machine's memory, so that the same
# recipe gives the same result everywhere; 100 million values take 2 to 4 GB when they are read at once.
VALUES_THAT_STREAM = 100_000_000
CSV_BYTES_THAT_STREAM = 1_000_000_000

SCRATCH = ".mlp-toolkit-rows-{}.parquet"
PIECE_ROWS = 65_536  # read at a time
LOOKED_AT = 100_000  # rows that decide the kinds of the columns
SAMPLE_ROWS = 200_000  # drawn for medians, for the scores of the training rows and for validation after each epoch
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
    """

    file: Path
    number: int
    rows: int
    begin: int
    part: str


@dataclass(frozen=True)
class Stream:
    """Rows that are read when they are needed.

    Attributes:
        kinds: The kind of each column.
        encoding: Fitted to the training rows.
        target: What is predicted.
        counts: Rows of each part.
        class_counts: Training rows of each class; empty for regression and multilabel.
        fingerprint: SHA-256 over all files.
        notes: What was inferred, in sentences.
        samples: At most about `SAMPLE_ROWS` rows of `train` and of `validation`.
        spool: The folder in which encoded rows are kept while training; None where there is too little room.
    """

    recipe: Recipe
    groups: tuple[Group, ...]
    kinds: features.Kinds
    encoding: features.Encoding
    target: Target
    counts: dict[str, int]
    class_counts: np.ndarray
    fingerprint: str
    notes: tuple[str, ...]
    samples: dict[str, Piece]
    spool: Path | None

    def pieces(self, part: str) -> Iterator[Piece]:
        """The rows of a part that its scores are counted from: a sample of the training rows, else all."""
        if part == "train":
            yield self.samples["train"]
        else:
            yield from self._read(part, self.groups)

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
            for frame, part_of in _frames(self.recipe, group, columns, piece_rows(self.encoding.width)):
                own = frame[part_of == PARTS.index(part)]
                if len(own):
                    yield _piece(self.recipe, own, self.target)


def wanted(recipe: Recipe) -> bool:
    """Whether a recipe's data is streamed: as it says, or by its size.

    Raises:
        UserError: It says so of data that cannot be streamed.
    """
    data = recipe.data
    suffix = readers.suffix(Path(data.path)) if data.path else ""
    if data.stream is True and not suffix.endswith(readers.STREAMED):
        raise UserError("data.stream: only Parquet and CSV files are streamed", place=str(data.path or data.dataset))
    if data.stream != "auto" or not suffix.endswith(readers.STREAMED):
        return data.stream is True
    if suffix == ".parquet":
        rows = sum(rows for _, _, rows in readers.row_groups(str(data.path)))
        return rows * len(readers.header(str(data.path))) >= VALUES_THAT_STREAM
    file = Path(str(data.path))
    return file.is_file() and file.stat().st_size >= CSV_BYTES_THAT_STREAM


def load(recipe: Recipe, place: str, scratch: Path) -> Stream:
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
        forget(scratch)
        if made and scratch.is_dir() and not any(scratch.iterdir()):
            scratch.rmdir()
        if isinstance(error, OSError):
            why = error.strerror or str(error)
            raise UserError(f"the run directory cannot be written: {why}", place=str(scratch)) from None
        raise


def forget(scratch: Path) -> None:
    """Deletes the Parquet files that CSV files became."""
    for file in scratch.glob(SCRATCH.format("*")):
        file.unlink()


def _load(recipe: Recipe, place: str, scratch: Path) -> Stream:
    dataset.check_header(recipe, place)
    groups, fingerprint = _groups(recipe, scratch)
    kinds, looked_at = _look(recipe, groups)
    used = [name for name, kind in kinds.by_column.items() if kind != "ignore"]
    if not used:
        raise UserError("no feature is left to learn from: every column is ignored", place=place)
    rows = sum(group.rows for group in groups)
    scan = _Scan(recipe, kinds, rows)
    for group in groups:
        for frame, part_of in _frames(recipe, group, [*used, *recipe.data.targets]):
            scan.add(frame, part_of)
    target = scan.target()
    counts = {part: int(scan.counts[part]) for part in PARTS}
    notes = [f"streamed: {rows:,} rows in {len(groups):,} row groups; the kinds of columns by {looked_at:,} of them"]
    notes += scan.notes(target)
    encoding = scan.fitter.encoding()
    kept = counts["train"] * (encoding.width + target.n_outputs + 1) * 4
    room = shutil.disk_usage(next(folder for folder in (scratch, *scratch.absolute().parents) if folder.is_dir())).free
    roomy = kept < ROOM_TAKEN * room
    where = "are kept in a temporary file" if roomy else "are encoded anew in every epoch, there is too little room for"
    notes.append(f"encoded training rows {where}: {kept / 1e9:.2g} GB")
    return Stream(
        recipe=recipe,
        groups=tuple(groups),
        kinds=kinds,
        encoding=encoding,
        target=target,
        counts=counts,
        class_counts=scan.class_counts(target),
        fingerprint=fingerprint,
        notes=(*notes, *kinds.notes),
        samples={part: scan.sample(part, target) for part in ("train", "validation")},
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
    for number, (part, path) in enumerate([("", str(recipe.data.path)), *dataset.part_files(recipe.data)]):
        file = Path(path)
        if not readers.suffix(file).endswith(readers.STREAMED):
            raise UserError("beside streamed data only Parquet and CSV files are read", place=path)
        if readers.suffix(file) != ".parquet":
            file = csv_files.as_parquet(file, scratch / SCRATCH.format(number), recipe)
            fingerprints.append(csv_files.fingerprint_of(file))
        else:
            fingerprints += [readers.file_fingerprint(each) for each in readers.parquet_files(file)]
        begin = 0
        for each, group, rows in readers.row_groups(file):
            groups.append(Group(each, group, rows, begin, part))
            begin += rows
        if not begin:
            raise UserError("the file has a header but no rows", place=path)
    if len(fingerprints) == 1:
        return groups, fingerprints[0]
    return groups, hashlib.sha256("".join(fingerprints).encode()).hexdigest()


def _frames(
    recipe: Recipe, group: Group, columns: Sequence[str], rows: int = PIECE_ROWS
) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
    """The rows of a group that have a target, named by their number, and for each the position of its part in PARTS."""
    import pandas as pd

    data = recipe.data
    split = data.split
    roles = [data.sample_weight, split if isinstance(split, str) else None]
    present = set(readers.header(group.file))
    needed = dict.fromkeys([*columns, *(name for name in roles if name is not None)])
    chances = np.random.default_rng([recipe.seed, group.begin, PARTS.index(group.part) + 1 if group.part else 0])
    begin = group.begin
    for frame in readers.read_group(group.file, group.number, [name for name in needed if name in present], rows):
        frame.index = pd.RangeIndex(begin, begin + len(frame))  # messages name a row by its number
        begin += len(frame)
        part_of = np.full(len(frame), PARTS.index(group.part) if group.part else 0, np.int8)
        if not group.part and isinstance(split, Split):
            test = 0.0 if data.test_path or isinstance(split.test, str) else split.test
            validation = 0.0 if isinstance(split.validation, str) else split.validation
            drawn = chances.random(len(frame))
            part_of[drawn < test + validation] = PARTS.index("validation")
            part_of[drawn < test] = PARTS.index("test")
        elif not group.part:
            for part, places in split_by_column(frame[str(split)], np.arange(len(frame)), str(split)).items():
                if part == "test" and data.test_path and len(places):
                    raise UserError(
                        f"test rows come from data.test_path and from the split column {split!r}: which is meant?"
                    )
                part_of[places] = PARTS.index(part)
        known = np.ones(len(frame), bool)
        for name in data.targets:
            known &= features.present(frame[name])
        yield (frame, part_of) if known.all() else (frame[known], part_of[known])


def _piece(recipe: Recipe, frame: pd.DataFrame, target: Target) -> Piece:
    weights = dataset.row_weights(frame, recipe.data.sample_weight)
    return Piece(frame, known_values(frame, target), weights, frame.index.to_numpy())


def _look(recipe: Recipe, groups: Sequence[Group]) -> tuple[features.Kinds, int]:
    """The kinds of the columns, by stretches of up to eight row groups, and how many rows that were."""
    import pandas as pd

    every = readers.header(groups[0].file)
    own = [group for group in groups if not group.part]
    chosen = [own[index] for index in np.unique(np.linspace(0, len(own) - 1, 8).astype(int))]
    looked = []
    for group in chosen:
        share = LOOKED_AT / len(chosen) / max(1, group.rows)
        for frame, _ in _frames(recipe, group, every):  # of every piece the beginning
            looked.append(frame.iloc[: math.ceil(share * len(frame))])
    if not sum(map(len, looked)):
        raise UserError(f"the target {listing(recipe.data.targets)} has no value in {len(chosen)} row groups looked at")
    frame = readers.normalise(pd.concat(looked, ignore_index=True))
    return dataset.column_kinds(recipe, frame), len(frame)


@dataclass
class _Scan:
    """What one pass over all rows finds out."""

    recipe: Recipe
    kinds: features.Kinds
    rows: int
    counts: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)  # texts of the class column, all rows
    train_labels: Counter[str] = field(default_factory=Counter)
    # Each sampled row with the number that it was drawn by: a sample that grows too large is thinned by half.
    drawn: dict[str, list[tuple[pd.DataFrame, np.ndarray]]] = field(
        default_factory=lambda: {"train": [], "validation": []}
    )
    kept: dict[str, float] = field(default_factory=lambda: {"train": 1.0, "validation": 1.0})
    heavy: bool = False  # whether some training row has a weight above 0

    def __post_init__(self) -> None:
        split = self.recipe.data.split
        train = 1.0  # where the recipe does not say the share beforehand: the most it can be
        if isinstance(split, Split) and isinstance(split.validation, float) and isinstance(split.test, float):
            train = 1 - split.validation - split.test
        self.share = min(1.0, SAMPLE_ROWS / (self.rows * train))
        self.fitter = features.Fitter(self.kinds, self.share, self.recipe.seed)
        self.random = np.random.default_rng([self.recipe.seed, 1])
        self.spread = _Moments(len(self.recipe.data.targets))

    def add(self, frame: pd.DataFrame, part_of: np.ndarray) -> None:
        """Takes in rows with targets, and the part of each."""
        data = self.recipe.data
        train = part_of == PARTS.index("train")
        self.counts.update(dict(zip(PARTS, np.bincount(part_of, minlength=len(PARTS)).tolist(), strict=True)))
        for name in self.kinds.of("numeric"):
            features.check_size(features.to_numbers(frame[name], name), name, frame.index)
        self.fitter.add(frame[train])
        if self.recipe.task in ("regression", "multilabel"):
            read = quantities if self.recipe.task == "regression" else label_values
            self.spread.add(read(frame, data.targets), train)
        else:
            texts = features.to_text(frame[data.targets[0]])
            self.labels.update(texts.tolist())
            self.train_labels.update(texts[train].tolist())
            if len(self.labels) > SAMPLE_ROWS:
                raise UserError(f"the target {data.targets[0]!r} has more than {SAMPLE_ROWS:,} different values")
        weights = dataset.row_weights(frame, data.sample_weight)
        self.heavy |= weights is None or bool(weights[train].any())
        for part, drawn in self.drawn.items():
            own = frame[part_of == PARTS.index(part)]
            by = self.random.random(len(own))
            drawn.append((own[by < self.kept[part]], by[by < self.kept[part]]))
            while sum(len(by) for _, by in drawn) > SAMPLE_ROWS:
                self.kept[part] /= 2
                drawn[:] = [(rows[by < self.kept[part]], by[by < self.kept[part]]) for rows, by in drawn]

    def target(self) -> Target:
        """What is predicted; refuses data that nothing can be learnt from."""
        recipe, data = self.recipe, self.recipe.data
        for part in PARTS:
            if not self.counts[part]:
                raise UserError(f"no row is left for {part}", remedy="Give other shares under data.split.")
        if not self.heavy:
            raise UserError(f"all weights in {data.sample_weight!r} are 0 among the training rows")
        if recipe.task in ("regression", "multilabel"):
            spread = self.spread.spread()
            check_varied(data.targets, spread.low, spread.high)
            return fit_target(recipe, spread if recipe.task == "regression" else None, ())
        import pandas as pd

        _, classes = read_targets(recipe, pd.DataFrame({data.targets[0]: list(self.labels)}, dtype=object))
        target = fit_target(recipe, None, classes)
        absent = int((self.class_counts(target) == 0).sum())
        if absent:
            raise UserError(f"{absent} of {len(classes)} classes have no row to train on; they have too few rows")
        return target

    def class_counts(self, target: Target) -> np.ndarray:
        """Training rows of each class."""
        import pandas as pd

        if not target.classes:
            return np.zeros(0, int)
        texts = list(self.train_labels)
        numbers = known_values(pd.DataFrame({target.names[0]: texts}, dtype=object), target)[:, 0]
        return np.bincount(numbers, weights=[self.train_labels[text] for text in texts], minlength=len(target.classes))

    def notes(self, target: Target) -> list[str]:
        """What is worth saying about the pass."""
        notes = []
        known = sum(self.counts.values())
        if known < self.rows:
            notes.append(f"{self.rows - known:,} of {self.rows:,} rows have no target and are left out")
        if isinstance(self.recipe.data.split, Split):
            notes.append("each row falls to its part by chance: the parts hold their shares roughly, not exactly")
        sizes = {part: sum(len(by) for _, by in drawn) for part, drawn in self.drawn.items()}
        if self.share < 1:
            notes.append(f"medians: by a sample of about {self.share * self.counts['train']:,.0f} training rows")
        if sizes["train"] < self.counts["train"]:
            notes.append(f"scores of the training rows: by a sample of {sizes['train']:,} of them")
        if sizes["validation"] < self.counts["validation"]:
            notes.append(f"validation after each epoch: by a sample of {sizes['validation']:,} validation rows")
        if target.task == "binary":
            notes.append(f"positive class: {target.classes[1]!r} (negative: {target.classes[0]!r})")
        return notes

    def sample(self, part: str, target: Target) -> Piece:
        """The rows drawn from a part."""
        import pandas as pd

        frame = pd.concat([rows for rows, _ in self.drawn[part]])
        return _piece(self.recipe, readers.normalise(frame).set_axis(frame.index), target)


class _Moments:
    """Mean, deviation, least and greatest of targets that come piece by piece."""

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean, self.squares = np.zeros(width), np.zeros(width)
        self.low, self.high = np.full(width, np.inf), np.full(width, -np.inf)

    def add(self, values: np.ndarray, train: np.ndarray) -> None:
        """Takes in (rows, targets) values; mean and deviation are of those where `train` is true."""
        if len(values):
            self.low, self.high = np.minimum(self.low, values.min(axis=0)), np.maximum(self.high, values.max(axis=0))
        own = values[train]
        if len(own):
            apart, before = own.mean(axis=0) - self.mean, self.count
            self.count += len(own)
            self.squares += own.var(axis=0) * len(own) + apart**2 * before * len(own) / self.count
            self.mean = self.mean + apart * len(own) / self.count

    def spread(self) -> Spread:
        """What all rows so far spread like."""
        return Spread(self.mean, np.sqrt(self.squares / max(1, self.count)), self.low, self.high)
