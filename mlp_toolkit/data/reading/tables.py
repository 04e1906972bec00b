"""Files and bundled data sets become tables of raw columns; or their header alone.

A table read here holds numbers as numbers and everything else as text with None where a value is missing. CSV files
give text only: what a column means is decided in `data/columns`, in one place for all kinds of files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlp_toolkit.data.images import image_files
from mlp_toolkit.data.reading import csv_files, frames, npz_files
from mlp_toolkit.data.reading import parquet_files as parquet_tables
from mlp_toolkit.errors import UserError, listing
from mlp_toolkit.files import DATA_SUFFIXES, column_names, reading
from mlp_toolkit.recipe import catalog

if TYPE_CHECKING:
    import pandas as pd

IMAGES = "images"  # the kind of a folder of them
STREAMED = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")  # what can be read piece by piece


@dataclass(frozen=True)
class Table:
    """Rows as they were read.

    Attributes:
        frame: One column of numbers (NaN where missing) or of text (None where missing) for each column of the file.
        fingerprint: SHA-256 of the file's bytes, or of the values of a bundled data set.
        notes: What was inferred on the way.
        folder: Where paths of images in it count from; None where it is a folder of images itself, whose paths are
            complete.
    """

    frame: pd.DataFrame
    fingerprint: str
    notes: tuple[str, ...] = ()
    folder: Path | None = Path()


def header(path: str | Path, named: bool = True) -> list[str]:
    """The column names of a file, without reading its rows.

    Args:
        path: The file, or a folder of Parquet files or of images.
        named: Whether the first line of a CSV file names its columns; else their numbers do, from 0.

    Raises:
        UserError: The file cannot be read, or its names are empty or stand twice.
    """
    file = Path(path)
    kind = suffix(file)
    if kind == IMAGES:
        return ["image"] if image_files.images_in(file).labels is None else ["image", "label"]
    if kind == ".parquet":
        from pyarrow import parquet

        file = parquet_files(file)[0]
        with reading(file):
            schema = parquet.read_schema(file)
            bookkeeping = parquet_tables.index_columns(schema)
            return column_names([str(name) for name in schema.names if name not in bookkeeping], file)
    if kind == ".npz":
        return [name for name, _ in npz_files.npz_columns(file, [])]
    return [name for name in csv_files.layout(file, named).names if not parquet_tables.BOOKKEEPING.fullmatch(name)]


def dataset_header(name: str) -> list[str]:
    """The column names of a data set that ships inside a dependency."""
    return list(catalog.config("datasets")["datasets"][name]["columns"])


def read_table(path: str | Path, without: Collection[str] = (), named: bool = True) -> Table:
    """Reads a CSV, TSV (also gzip), Parquet or NPZ file, or a folder of Parquet files in the order of their names.

    A folder of images gives their paths in the column `image`, and in `label` the names of the folders in it where the
    images lie in those.

    Args:
        path: The file or folder.
        without: Columns of a Parquet file that are not read.
        named: Whether the first line of a CSV file names its columns; else their numbers do, from 0.

    Raises:
        UserError: With file, line and remedy for everything that is wrong with it.
    """
    file = Path(path)
    kind = suffix(file)
    if kind == IMAGES:
        return _images(file)
    if file.is_dir():
        return _folder(file, without)
    with reading(file):
        raw = file.read_bytes()
    fingerprint = hashlib.sha256(raw).hexdigest()
    if not raw:
        raise UserError("the file is empty", place=str(file))
    notes: list[str] = []
    if kind == ".parquet":
        frame = frames.normalise(parquet_tables.read_parquet(raw, file, notes, without))
    elif kind == ".npz":
        frame = frames.normalise(npz_files.read_npz(file, notes))
    else:
        if kind.endswith(".gz"):
            raw = csv_files.unpacked(raw, file)
        frame = csv_files.read_csv(raw, file, notes, named)
        bookkeeping = [name for name in frame.columns if parquet_tables.BOOKKEEPING.fullmatch(name)]
        if bookkeeping:
            notes.append(parquet_tables.left_out(bookkeeping))
            frame = frame.drop(columns=bookkeeping)
    if not len(frame):
        raise UserError("the file has a header but no rows", place=str(file))
    return Table(frame, fingerprint, tuple(notes), file.parent)


def _images(folder: Path) -> Table:
    import pandas as pd

    found = image_files.images_in(folder)
    columns = {"image": [str(path) for path in found.paths]}
    if found.labels is not None:
        columns["label"] = found.labels
    names = "\0".join(path.relative_to(folder).as_posix() for path in found.paths)
    fingerprint = hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()
    return Table(frames.normalise(pd.DataFrame(columns)), fingerprint, tuple(found.notes), None)


def _folder(folder: Path, without: Collection[str]) -> Table:
    files = parquet_files(folder)
    tables = [read_table(file, without) for file in files]
    for file, table in zip(files, tables, strict=True):
        _same_columns(file, list(table.frame.columns), files[0], list(tables[0].frame.columns))
    fingerprint = one_fingerprint([table.fingerprint for table in tables])
    notes = dict.fromkeys(note for table in tables for note in table.notes)
    return Table(frames.together([table.frame for table in tables]), fingerprint, tuple(notes), folder)


def parquet_files(path: str | Path) -> list[Path]:
    """The Parquet file itself, or those of a folder by name."""
    file = Path(path)
    return sorted(file.glob("*.parquet")) if file.is_dir() else [file]


def row_groups(path: str | Path) -> list[tuple[Path, int, int]]:
    """File, number and rows of every row group of a Parquet file, or of a folder of them.

    Raises:
        UserError: A file cannot be read, or has other columns than the first.
    """
    from pyarrow import parquet

    groups: list[tuple[Path, int, int]] = []
    files = parquet_files(path)
    first: list[str] = []
    for file in files:
        with reading(file), parquet.ParquetFile(file, page_checksum_verification=True) as opened:
            schema = opened.schema_arrow
            bookkeeping = parquet_tables.index_columns(schema)
            names = column_names([str(name) for name in schema.names if name not in bookkeeping], file)
            first = first or names
            _same_columns(file, names, files[0], first)
            about = opened.metadata
            groups += [(file, number, about.row_group(number).num_rows) for number in range(opened.num_row_groups)]
    return groups


def read_group(file: Path, number: int, columns: list[str], rows: int) -> Iterator[pd.DataFrame]:
    """A row group in pieces of at most so many rows, each as `Table` promises."""
    from pyarrow import parquet

    with reading(file), parquet.ParquetFile(file, page_checksum_verification=True) as opened:
        # One thread: the others are training.
        for batch in opened.iter_batches(rows, row_groups=[number], columns=columns, use_threads=False):
            frame = batch.to_pandas(split_blocks=True, ignore_metadata=True)
            yield frames.normalise(parquet_tables.with_categories(frame, opened.schema_arrow))


def _same_columns(file: Path, names: list[str], first: Path, expected: list[str]) -> None:
    odd = sorted({*names} ^ {*expected})
    if odd:
        raise UserError(f"has other columns than {first.name}", place=str(file), found=listing(odd))


def one_fingerprint(fingerprints: Sequence[str]) -> str:
    """One for several files; a single one stays as it is."""
    if len(fingerprints) == 1:
        return fingerprints[0]
    return hashlib.sha256("".join(fingerprints).encode()).hexdigest()


def file_fingerprint(file: Path) -> str:
    """SHA-256 of a file of any size."""
    with reading(file), file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_dataset(name: str) -> Table:
    """Reads a data set that ships inside an installed dependency, as `configs/datasets.yaml` lists them."""
    from sklearn import datasets

    frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return Table(frames.normalise(frame), hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest())


def suffix(file: Path) -> str:
    """The kind of a file by its name: one of `DATA_SUFFIXES`; a folder counts as .parquet, or `IMAGES`.

    Raises:
        UserError: It is none of them.
    """
    with reading(file):
        folder, odd = file.is_dir(), file.exists() and not file.is_file()
    if folder:
        if parquet_files(file):
            return ".parquet"
        if image_files.holds_images(file):
            return IMAGES
        raise UserError(
            "a folder with neither .parquet files nor images",
            place=str(file),
            allowed=(*DATA_SUFFIXES, *image_files.SUFFIXES),
        )
    if odd:  # a pipe would be waited for, a device might never end
        raise UserError("neither a file nor a folder", place=str(file))
    name = file.name.lower()
    for known in sorted(DATA_SUFFIXES, key=len, reverse=True):
        if name.endswith(known):
            return known
    raise UserError("unknown kind of file", place=str(file), found=file.suffix or file.name, allowed=DATA_SUFFIXES)
