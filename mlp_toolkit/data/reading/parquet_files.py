"""Parquet files become tables of plain columns."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_toolkit.errors import UserError, listing
from mlp_toolkit.files import UNPACKED_TIMES, check_unpacked, column_names, reading

if TYPE_CHECKING:
    import pandas as pd

VALUE_BYTES = 8
# What pandas calls the names of rows where it writes them among the columns.
BOOKKEEPING = re.compile(r"Unnamed: \d+|__index_level_\d+__")
# So much is read of any file, however small: columns of one value shrink to nothing, and are no bomb.
UNPACKED_ALWAYS = 400_000_000
LISTED_BYTES = 16_000_000  # of the different texts of a column, at most; writers seldom list more than a megabyte


def read_parquet(raw: bytes, file: Path, notes: list[str], without: Collection[str] = ()) -> pd.DataFrame:
    """The rows of a file, of which `frames.normalise` makes numbers and text.

    Args:
        raw: The file's bytes.
        file: Its name.
        notes: Takes what is left out.
        without: Columns that nobody asks for: they are not read, whatever they hold.

    Raises:
        UserError: It is damaged, or holds lists or mappings, or far more than its size lets expect.
    """
    import pyarrow as pa
    from pyarrow import parquet

    with reading(file):
        # One thread: where a damaged file ends the reading early, others may go on, and end the process when it exits.
        opened = parquet.ParquetFile(
            pa.BufferReader(raw), read_dictionary=[], pre_buffer=False, page_checksum_verification=True
        )
        about, schema = opened.metadata, opened.schema_arrow
        column_names([str(name) for name in schema.names], file)
        nested = next((field for field in schema if pa.types.is_nested(field.type) and field.name not in without), None)
        if nested is not None:
            raise UserError(
                f"column {nested.name!r} holds values of type {nested.type}; numbers, text, booleans and "
                "dates are read",
                place=str(file),
                remedy="Split it into plain columns, or drop it.",
            )
        values = about.num_rows * len(schema.names)
        check_unpacked(values * VALUE_BYTES, len(raw), file, UNPACKED_ALWAYS)
        repeated = _perhaps_repeated(about, schema, len(raw))
        opened = parquet.ParquetFile(
            pa.BufferReader(raw), read_dictionary=repeated, pre_buffer=False, page_checksum_verification=True
        )
        notes += index_notes(file, schema)
        bookkeeping = index_columns(schema)
        kept = [name for name in schema.names if name not in bookkeeping and name not in without]
        table = opened.read(kept, use_threads=False)
        check_unpacked(_text_bytes(table), len(raw), file, UNPACKED_ALWAYS)
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return with_categories(frame, schema)


def with_categories(frame: pd.DataFrame, schema: Any) -> pd.DataFrame:
    """The rows of a file with the columns as categories that were categories of numbers in pandas.

    Parquet keeps the numbers alone; that they were categories stands in what pandas says of the columns.
    """
    import pyarrow as pa

    for about in _of_pandas(schema, "columns"):
        name = about.get("field_name") if isinstance(about, dict) and about.get("pandas_type") == "categorical" else ""
        kind = schema.field(name).type if isinstance(name, str) and name in frame else None
        if kind is not None and not pa.types.is_dictionary(kind):
            # Gaps have made floats of whole numbers.
            own = frame[name].astype("Int64") if pa.types.is_integer(kind) else frame[name]
            frame[name] = own.astype("category")
    return frame


def _of_pandas(schema: Any, key: str) -> list[Any]:
    """What pandas says in a file of its own; nothing where it did not write it, or its words are damaged."""
    try:
        listed = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get(key, [])
    except (ValueError, AttributeError):
        return []
    return listed if isinstance(listed, list) else []


def index_columns(schema: Any) -> list[str]:
    """The columns in which pandas keeps the names of rows: bookkeeping, and no features."""
    listed = _of_pandas(schema, "index_columns")
    named = [name for name in listed if isinstance(name, str) and name in schema.names]
    return [*named, *(name for name in schema.names if name not in named and BOOKKEEPING.fullmatch(name))]


def index_notes(file: Path, schema: Any = None) -> list[str]:
    """What there is to say of such columns of a file, or nothing."""
    from pyarrow import parquet

    names = index_columns(parquet.read_schema(file) if schema is None else schema)
    return [left_out(names)] if names else []


def left_out(names: list[str]) -> str:
    """What there is to say of columns that name the rows."""
    return f"left out: {listing(map(repr, names))}, in which pandas keeps the names of the rows"


def _perhaps_repeated(about: Any, schema: Any, packed: int) -> list[str]:
    """Columns of text, where texts may stand in the file once that stand in many rows.

    Read as they are, they would all be written out. What a single column takes is not asked for: where the answer is
    damaged, Arrow ends the process.
    """
    import pyarrow as pa

    kinds = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string)
    texts = [field.name for field in schema if any(check(field.type) for check in kinds)]
    taken = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
    plain = 4 * about.num_rows * len(schema.names) + LISTED_BYTES * len(texts)
    return texts if taken < plain or taken > UNPACKED_TIMES * packed else []


def _text_bytes(table: Any) -> int:
    """Bytes of the texts of which each different one is held once, if they were written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    total = 0
    for column in table.columns:
        kind = column.type
        if pa.types.is_dictionary(kind) and (
            pa.types.is_string(kind.value_type) or pa.types.is_binary(kind.value_type)
        ):
            for chunk in column.chunks:
                lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
                total += pc.sum(lengths.cast(pa.int64())).as_py() or 0
    return total
