"""CSV files larger than memory: read once, block by block, and kept as Parquet."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data import roles
from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.kinds import Kinds
from mlp_toolkit.data.columns.numeric import gaps_of
from mlp_toolkit.data.reading import csv_dialects, csv_files, tables
from mlp_toolkit.errors import UserError, listing, shorten
from mlp_toolkit.files import atomic, reading
from mlp_toolkit.recipe import catalog
from mlp_toolkit.recipe.spec import Recipe

if TYPE_CHECKING:
    import pandas as pd

BLOCK_BYTES = 32_000_000
GROUP_ROWS = 131_072
FINGERPRINT = b"mlp_toolkit.sha256"
WRITINGS = b"mlp_toolkit.writings"  # what the numbers were called and said before they were stored as numbers


def as_parquet(file: Path, target: Path, recipe: Recipe) -> Path:
    """Writes a CSV file's rows to a Parquet file, unless that holds them already; columns of numbers as numbers.

    Args:
        file: A CSV or TSV file, perhaps gzip.
        target: The Parquet file.
        recipe: Says what the columns are, where it does; else the first block does.

    Raises:
        UserError: The file is damaged, or a column of numbers holds something else further on.
    """
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    fingerprint = tables.file_fingerprint(file)
    if target.is_file() and fingerprint_of(target) == fingerprint:  # a recipe goes on in its run directory as it is
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    begin, kinds, numeric, writer = 0, Kinds({}), dict[str, tuple[str, ...]](), None
    seen: dict[str, dict[str, str]] = defaultdict(dict)  # how the numbers of each column are written so far
    with atomic(target) as temporary:
        try:
            for frame in _blocks(file, recipe.data.header):
                frame.index = pd.RangeIndex(begin, begin + len(frame))
                if not begin:
                    kinds = roles.column_kinds(recipe, frame)
                    numeric = _numbers(recipe, kinds)
                begin += len(frame)
                block = pa.table({name: _stored(frame[name], name, numeric.get(name), seen[name]) for name in frame})
                if writer is None:
                    about = {FINGERPRINT: fingerprint.encode(), WRITINGS: json.dumps(_writings(kinds)).encode()}
                    schema = block.schema.with_metadata(about)
                    writer = parquet.ParquetWriter(temporary, schema, write_page_checksum=True)
                writer.write_table(block, row_group_size=GROUP_ROWS)
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise UserError("the file has a header but no rows", place=str(file))
    return target


def fingerprint_of(file: Path) -> str:
    """SHA-256 of the CSV file that a Parquet file was made from; "" where it was not."""
    from pyarrow import parquet

    with reading(file):
        held: bytes = (parquet.read_schema(file).metadata or {}).get(FINGERPRINT, b"")
    return held.decode()


def header_notes(file: Path, header: bool) -> list[str]:
    """What there is to say of a CSV file's first line, or nothing; of a Parquet file nothing."""
    if tables.suffix(file) == ".parquet" or not header:
        return []
    names, separator, _ = csv_files.layout(file)
    return csv_files.header_notes(names, separator)


def with_writings_of(file: Path, kinds: Kinds) -> Kinds:
    """Kinds of columns with what a CSV file's numbers were written like; words for missing ones are known later too.

    Args:
        file: A Parquet file; where it was not made from CSV, the kinds stay.
        kinds: Of its columns, in which there are numbers only by now.
    """
    from pyarrow import parquet

    with reading(file):
        held: dict[str, list[str]] = json.loads((parquet.read_schema(file).metadata or {}).get(WRITINGS, b"{}"))
    told = {name: said for name, said in held.items() if kinds.by_column.get(name) == "numeric"}
    return Kinds(
        kinds.by_column | {name: kind for name, (kind, _) in told.items()},
        [*kinds.notes, *(note for _, note in told.values() if note)],
    )


def _writings(kinds: Kinds) -> dict[str, list[str]]:
    """The kind of each column of numbers of which there is something to say, and the note."""
    found: dict[str, list[str]] = {}
    for name in kinds.of("numeric"):
        kind, gaps = kinds.by_column[name], gaps_of(kinds.by_column[name])
        note = next((note for note in kinds.notes if note.startswith(f"{name}: ")), "")
        if gaps:  # without counts, which are those of the first rows here
            note = (
                f"{name}: numbers; {listing(map(repr, gaps))} taken for missing, as features: {{{name}: {kind}}} says"
            )
        if gaps or note:
            found[name] = [kind, note]
    return found


def _blocks(file: Path, header: bool = True) -> Any:
    """The rows as text, None where missing, some megabytes at a time."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    names, separator, before = csv_files.layout(file, header)
    with reading(file), csv_files.opened(file) as stream:
        start = stream.read(csv_dialects.SAMPLE_BYTES)
    csv_dialects.check_streamable(start, file)
    escapes = csv_dialects.has_escapes(start)
    if not escapes:
        csv_files.check_closed(file, separator)
    missing = catalog.config("features")["missing_values"]
    try:
        with arrow_csv.open_csv(
            file,
            read_options=arrow_csv.ReadOptions(
                column_names=names, skip_rows_after_names=before + header, use_threads=False, block_size=BLOCK_BYTES
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=separator, newlines_in_values=True, escape_char="\\" if escapes else False
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, null_values=missing, strings_can_be_null=True
            ),
        ) as opened:
            for batch in opened:
                if batch.num_rows:
                    yield batch.to_pandas().astype(object)
    except (pa.ArrowInvalid, OSError, EOFError) as error:
        raise UserError(f"cannot be read as CSV: {shorten(str(error))}", place=str(file)) from None


def _numbers(recipe: Recipe, kinds: Kinds) -> dict[str, tuple[str, ...]]:
    """The columns that are stored as numbers, and the words in each that stand for missing values."""
    numeric = {name: gaps_of(kinds.by_column[name]) for name in kinds.of("numeric")}
    others = [*(recipe.data.targets if recipe.task == "regression" else ()), recipe.data.sample_weight]
    return numeric | {name: () for name in others if name}


def _stored(column: pd.Series[Any], name: str, gaps: tuple[str, ...] | None, seen: dict[str, str]) -> Any:
    import pyarrow as pa

    if gaps is not None:
        return pa.array(parsing.to_numbers(column, name, gaps, seen).astype(np.float64))
    return pa.array(column.to_numpy(object), pa.string(), from_pandas=True)
