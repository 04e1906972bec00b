"""Parquet files become tables of plain columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_toolkit.errors import UserError
from mlp_toolkit.files import UNPACKED_TIMES, check_unpacked, column_names, reading

if TYPE_CHECKING:
    import pandas as pd

VALUE_BYTES = 8
# So much is read of any file, however small: columns of one value shrink to nothing, and are no bomb.
UNPACKED_ALWAYS = 400_000_000
LISTED_BYTES = 16_000_000  # of the different texts of a column, at most; writers seldom list more than a megabyte


def read(raw: bytes, file: Path) -> pd.DataFrame:
    """The rows of a file, of which `readers.normalise` makes numbers and text.

    Args:
        raw: The file's bytes.
        file: Its name.

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
        nested = next((field for field in schema if pa.types.is_nested(field.type)), None)
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
        table = opened.read(use_threads=False)
        check_unpacked(_text_bytes(table), len(raw), file, UNPACKED_ALWAYS)
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


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
