"""Files and bundled data sets become tables of raw columns; or their header alone.

A table read here holds numbers as numbers and everything else as text with None where a value is missing. CSV files
give text only: what a column means is decided in `features`, in one place for all kinds of files.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_toolkit import catalog, csv_files, image_files, images, npz_files, parquet_tables
from mlp_toolkit.errors import UserError, listing, shorten
from mlp_toolkit.files import MOST_COLUMNS, column_names, reading, unique

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".npz")
FEW_ROWS = 64  # of a frame to predict for: work on each of its columns costs more than work on its values
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


def header(path: str | Path) -> list[str]:
    """The column names of a file, without reading its rows.

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
            return column_names([str(name) for name in parquet.read_schema(file).names], file)
    if kind == ".npz":
        return [name for name, _ in npz_files.columns(file, [])]
    return csv_files.layout(file).names


def dataset_header(name: str) -> list[str]:
    """The column names of a data set that ships inside a dependency."""
    return list(catalog.config("datasets")["datasets"][name]["columns"])


def read(path: str | Path) -> Table:
    """Reads a CSV, TSV (also gzip), Parquet or NPZ file, or a folder of Parquet files in the order of their names.

    A folder of images gives their paths in the column `image`, and in `label` the names of the folders in it where the
    images lie in those.

    Raises:
        UserError: With file, line and remedy for everything that is wrong with it.
    """
    file = Path(path)
    kind = suffix(file)
    if kind == IMAGES:
        return _images(file)
    if file.is_dir():
        return _folder(file)
    with reading(file):
        raw = file.read_bytes()
    fingerprint = hashlib.sha256(raw).hexdigest()
    if not raw:
        raise UserError("the file is empty", place=str(file))
    notes: list[str] = []
    if kind == ".parquet":
        frame = normalise(parquet_tables.read(raw, file))
    elif kind == ".npz":
        frame = normalise(npz_files.read(file, notes))
    else:
        if kind.endswith(".gz"):
            raw = csv_files.unpacked(raw, file)
        frame = csv_files.read(raw, file, notes)
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
    return Table(normalise(pd.DataFrame(columns)), fingerprint, tuple(found.notes), None)


def _folder(folder: Path) -> Table:
    import pandas as pd

    files = parquet_files(folder)
    tables = [read(file) for file in files]
    for file, table in zip(files, tables, strict=True):
        _same_columns(file, list(table.frame.columns), files[0], list(tables[0].frame.columns))
    together = pd.concat([table.frame for table in tables], ignore_index=True)
    return Table(normalise(together), one_fingerprint([table.fingerprint for table in tables]), folder=folder)


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
            names = column_names([str(name) for name in opened.schema_arrow.names], file)
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
            yield normalise(batch.to_pandas(split_blocks=True, ignore_metadata=True))


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
    return Table(normalise(frame), hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest())


def normalise(frame: pd.DataFrame) -> pd.DataFrame:
    """Any data frame → columns of numbers or of text, as `Table` promises; columns of images stay as they are.

    Booleans become 0 and 1, dates become ISO text, categories become text.

    Raises:
        UserError: A column's name stands twice, or a column holds lists, mappings or other objects.
    """
    import pandas as pd

    return pd.DataFrame(columns(frame), copy=False)


def columns(frame: pd.DataFrame, wanted: Collection[str] | None = None) -> dict[str, Any]:
    """The columns that `normalise` gives, as arrays: a data frame takes longer to assemble than a row to predict.

    Args:
        frame: The data frame.
        wanted: The columns to look at; all by default.

    Raises:
        UserError: As `normalise` does.
    """
    import numpy as np
    import pandas as pd

    names = list(map(str, frame.columns.tolist()))
    places = [place for place, name in enumerate(names) if wanted is None or name in wanted]
    unique([names[place] for place in places], "the data frame")
    if len(frame) > FEW_ROWS or len(names) > MOST_COLUMNS:
        return {names[place]: _column(frame.iloc[:, place], names[place]) for place in places}
    # pandas takes 9 µs to hand out one column, not ten times that for all values, and half of it for those of one row.
    kinds = frame.dtypes.tolist()
    mixed = any(isinstance(kind, pd.StringDtype) for kind in kinds)  # a row of numbers alone would take one type
    values = frame.iloc[0].to_numpy(object)[None] if mixed and len(frame) == 1 else frame.to_numpy(object)
    texts = _none_where_missing(values)
    arrays: dict[str, Any] = {}
    for index in places:
        name, kind = names[index], kinds[index]
        if _counted_with(kind):
            arrays[name] = values[:, index].astype(kind)
        elif isinstance(kind, pd.StringDtype):
            arrays[name] = texts[:, index]
        elif kind == np.dtype(object):
            arrays[name] = _objects(values[:, index], name)
        else:
            arrays[name] = _column(frame.iloc[:, index], name)
    return arrays


def _counted_with(kind: Any) -> bool:
    """Files may hold numbers in another byte order or of a width that pandas does not count with."""
    import numpy as np

    return isinstance(kind, np.dtype) and kind.kind in "iuf" and kind.isnative and kind.itemsize in (1, 4, 8)


def _none_where_missing(values: Any) -> Any:
    import numpy as np

    return np.where(_missing(values), np.array(None, object), values)


def _missing(values: Any) -> Any:
    import pandas as pd

    try:
        return pd.isna(values)
    except ArithmeticError:
        raise UserError("a decimal NaN that signals stands in a column, which cannot even be compared") from None


def _column(column: pd.Series[Any], name: str) -> Any:
    """A column → numbers, or text and None."""
    import numpy as np
    import pandas as pd

    if _counted_with(column.dtype):
        return column.to_numpy()
    if isinstance(column.dtype, pd.StringDtype):
        return _none_where_missing(column.to_numpy(object))
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)  # not the categories' own type: whole numbers have no place for a gap
    kind = column.dtype
    if pd.api.types.is_datetime64_any_dtype(kind):
        try:
            stamps = column.dt.tz_localize(None) if getattr(kind, "tz", None) is not None else column
            text = stamps.dt.strftime("%Y-%m-%d %H:%M:%S").astype(object)
        except (ValueError, NotImplementedError, OverflowError) as error:
            raise UserError(f"column {name!r} holds times that no calendar has: {shorten(error)}") from None
        return text.where(column.notna(), None).to_numpy(object)
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):  # booleans, too
        return column.to_numpy(np.float64, na_value=np.nan)
    return _objects(column.to_numpy(object), name)


def _objects(values: Any, name: str) -> Any:
    """A column of Python objects → text or None; numbers where all are numbers."""
    import datetime
    import decimal

    import numpy as np

    present = ~_missing(values)
    kinds = {type(value) for value in values[present]}
    number = (bool, int, float, decimal.Decimal, np.bool_, np.number)
    if kinds and all(issubclass(kind, number) for kind in kinds):
        return np.array([_float(v) if p else np.nan for v, p in zip(values, present, strict=True)])
    if kinds and all(issubclass(kind, datetime.date) for kind in kinds):
        return np.array([str(v) if p else None for v, p in zip(values, present, strict=True)], object)
    if any(not issubclass(kind, str) for kind in kinds) and all(map(images.is_cell, values[present])):
        return images.with_texts(values, present)
    odd = [kind for kind in kinds if not issubclass(kind, str | bytes | bool | int | float | np.generic)]
    if odd:
        raise UserError(
            f"column {name!r} holds values of type {odd[0].__name__}; numbers, text, booleans and dates are read",
            remedy="Split it into plain columns, or drop it.",
        )
    text = np.empty(len(values), object)
    for i, (value, there) in enumerate(zip(values, present, strict=True)):
        text[i] = (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)) if there else None
    return text


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:  # of whole numbers of hundreds of digits; what is too large is said by `cells.check_size`
        return math.inf if number > 0 else -math.inf


def suffix(file: Path) -> str:
    """The kind of a file by its name: one of `SUFFIXES`; a folder counts as .parquet, or `IMAGES`.

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
            allowed=(*SUFFIXES, *image_files.SUFFIXES),
        )
    if odd:  # a pipe would be waited for, a device might never end
        raise UserError("neither a file nor a folder", place=str(file))
    name = file.name.lower()
    for known in sorted(SUFFIXES, key=len, reverse=True):
        if name.endswith(known):
            return known
    raise UserError("unknown kind of file", place=str(file), found=file.suffix or file.name, allowed=SUFFIXES)
