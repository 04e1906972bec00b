"""CSV files become tables of text; or their header alone."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, cast

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.reading import csv_dialects
from mlp_toolkit.data.reading.csv_dialects import SEPARATORS
from mlp_toolkit.errors import UserError, listing, shorten
from mlp_toolkit.files import check_unpacked, column_names, most_unpacked, reading
from mlp_toolkit.recipe import catalog

if TYPE_CHECKING:
    import pandas as pd


ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK\x03\x04": "a zip archive or an Excel workbook"}


# A header is looked for in the first so many bytes, then in all of these, with the lines before it.
FIRST_BYTES, HEADER_BYTES = 2**16, 10_000_000


class Layout(NamedTuple):
    """What a CSV file begins with.

    Attributes:
        names: The columns; where the file has no header, their numbers from 0.
        separator: What stands between two cells.
        before: Lines before the header, or before the first row: empty ones, remarks, and `sep=;`.
    """

    names: list[str]
    separator: str
    before: int


def opened(file: Path) -> IO[bytes]:
    """The bytes of a file, unpacked where it is gzip."""
    return cast(IO[bytes], gzip.open(file, "rb") if file.name.lower().endswith(".gz") else file.open("rb"))


def unpacked(raw: bytes, file: Path) -> bytes:
    """The content of a gzip file.

    Raises:
        UserError: It is damaged, or holds far more than its size lets expect.
    """
    with reading(file), gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
        content = stream.read(most_unpacked(len(raw)) + 1)
    check_unpacked(len(content), len(raw), file)
    return content


def layout(file: Path, header: bool = True) -> Layout:
    """The column names of a CSV file, and its separator.

    Args:
        file: Its name.
        header: Whether the first line names the columns.

    Raises:
        UserError: The header cannot be read.
    """
    with reading(file), opened(file) as stream:
        start = stream.read(FIRST_BYTES)
        first, before, separator = _first_lines(start)
        if len(start) == FIRST_BYTES and (not first or first.startswith(b"#")):  # which may be a remark
            start += stream.read(HEADER_BYTES - FIRST_BYTES)
            first, before, separator = _first_lines(start)
        if len(start) == HEADER_BYTES and not first:
            raise UserError(f"no header ends within the first {HEADER_BYTES:,} bytes", place=str(file))
    return Layout(*_csv_header(_decode(first or start, file), file, separator, header), before)


def _first_lines(start: bytes) -> tuple[bytes, int, str | None]:
    """The header's lines, none where it goes on; how many lines come before it; and the separator that they name."""
    if csv_dialects.old_line_ends(start):
        start = start.replace(b"\r", b"\n")
    lines = start.splitlines(keepends=True)
    before, separator = csv_dialects.before_header(lines)
    quotes = 0
    for end, line in enumerate(lines[before:], before + 1):
        quotes += line.count(b'"')
        if quotes % 2 == 0 and line.endswith(b"\n"):  # a quoted name may hold a line break
            return b"".join(lines[before:end]), before, separator
    return b"", before, separator


def _decode(raw: bytes, file: Path) -> str:
    """UTF-8 text, or an error that says where it is not."""
    for start, what in ENCODINGS.items():
        if raw.startswith(start):
            raise UserError(f"this is {what}, not UTF-8 text", place=str(file), remedy="Save it as CSV in UTF-8.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"not UTF-8 text: byte 0x{raw[error.start]:02x} cannot be read",
            place=f"{file}:{line}",
            remedy="The file may be in Latin-1 or Windows-1252; convert it: iconv -f WINDOWS-1252 -t UTF-8",
        ) from None
    if "\0" in text[:100_000]:
        raise UserError("this is not a text file: it holds zero bytes", place=str(file))
    return text


def _csv_header(text: str, file: Path, separator: str | None, header: bool) -> tuple[list[str], str]:
    """The names in the first line, or its cells' numbers; and the separator that the file names, or the likeliest."""
    first = text.lstrip("\r\n")
    line = first.split("\n", 1)[0]
    if not line.strip():
        raise UserError("the file is empty", place=str(file))
    usual = "\t" if ".tsv" in file.name.lower() else ","
    bare = re.sub(r'"[^"]*"', "", first[:HEADER_BYTES]).split("\n", 1)[0]  # a quoted name may hold a line break
    separator = separator or (usual if usual in bare else max(SEPARATORS, key=lambda s: (bare.count(s), s == usual)))
    try:
        names = next(csv.reader(io.StringIO(first), delimiter=separator, strict=True, skipinitialspace=True), [])
    except csv.Error as error:
        raise UserError(f"the header cannot be read: {shorten(error)}", place=f"{file}:1") from None
    if not header:
        return column_names([str(number) for number in range(len(names))], f"{file}:1"), separator
    names = [name.strip() for name in names]
    if len(names) > 1 and not names[0]:
        names[0] = "Unnamed: 0"  # as pandas calls the column in which it has written the names of the rows
    empty = [index + 1 for index, name in enumerate(names) if not name]
    if empty:
        raise UserError(
            f"the header has no name in column {listing(empty)}",
            place=f"{file}:1",
            remedy="Name each column in the first line; an index column can be named `row`.",
        )
    return column_names(names, f"{file}:1"), separator


def read_csv(raw: bytes, file: Path, notes: list[str], header: bool = True) -> pd.DataFrame:
    """The rows of a CSV file as text, None where missing.

    Args:
        raw: Its bytes.
        file: Its name.
        notes: Takes what was inferred.
        header: Whether the first line names the columns; else they are called by their numbers from 0.

    Raises:
        UserError: With the line and the remedy.
    """
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    raw, named = csv_dialects.without_remarks(raw, file, notes)
    names, separator = _csv_header(_decode(raw, file), file, named, header)
    escapes = csv_dialects.has_escapes(raw)
    if escapes:
        notes.append(r"\" inside quoted fields is taken for a quote")
    if csv_dialects.has_blanks(raw):
        raw, escapes = csv_dialects.without_blanks(_decode(raw, file), separator, escapes).encode(), False
    whole = memoryview(raw)  # a copy of all the bytes, or their text, would take as much memory again
    body = whole[re.match(rb"(?:\xef\xbb\xbf)?[\r\n]*", raw).end() :]  # type: ignore[union-attr]  # matches nothing, too
    if not raw.endswith(b"\n"):
        body = memoryview(bytes(body) + b"\n")
    usual = "\t" if ".tsv" in file.name.lower() else ","
    if separator != usual:
        by = "first line" if named else "header"
        notes.append(f"separator: {SEPARATORS.get(separator, repr(separator))}, by the {by}")
    notes += header_notes(names, separator) if header else []
    missing = catalog.config("features")["missing_values"]
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(body),
            # One block for the whole file: no row may be longer than a block.
            read_options=arrow_csv.ReadOptions(
                column_names=names,
                skip_rows_after_names=int(header),
                use_threads=False,
                block_size=min(len(body) + 1, 2**31 - 1),
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=separator, newlines_in_values=b'"' in raw, escape_char="\\" if escapes else False
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, null_values=missing, strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            raise UserError("the file has a header but no rows", place=str(file)) from None
        raise _ragged(_decode(raw, file), separator, len(names), file, str(error)) from None
    if raw.count(b'"') % 2 and not escapes:
        _find_open_quote(io.StringIO(_decode(raw, file)), separator, file)
    frame: pd.DataFrame = table.to_pandas(split_blocks=True)
    return frame


def header_notes(names: Sequence[str], separator: str) -> list[str]:
    """What there is to say of names of columns that are numbers for the most part, as in a row, or nothing."""
    if 2 * sum(map(parsing.is_plain, names)) < len(names):
        return []
    return [
        f"the first line, {shorten(separator.join(names), 60)}, is taken for the names of the columns; "
        "if it is a row, say data.header: false (init and predict: --no-header)"
    ]


def check_closed(file: Path, separator: str) -> None:
    """Refuses a file of any size in which a quoted field never ends: it would swallow the rows after it without a word.

    Raises:
        UserError: With the line that the field begins in.
    """
    with reading(file), opened(file) as stream:
        quotes = sum(block.count(b'"') for block in iter(lambda: stream.read(2**24), b""))
    if quotes % 2:
        with reading(file), opened(file) as stream:
            _find_open_quote(io.TextIOWrapper(stream, "utf-8-sig", newline=""), separator, file)


def _find_open_quote(lines: Iterable[str], separator: str, file: Path) -> None:
    reader, line = csv.reader(lines, delimiter=separator, strict=True), 1
    try:
        for _ in reader:
            line = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error) or "field larger" in str(error):
            raise UserError("a double quote opens a field here and is never closed", place=f"{file}:{line}") from None


def _ragged(text: str, separator: str, width: int, file: Path, reason: str) -> UserError:
    """The first row that has not as many fields as the header."""
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        for row in reader:
            if row and len(row) != width:
                return UserError(
                    f"the row ending here has {len(row)} fields, the header names {width} columns",
                    place=f"{file}:{reader.line_num}",
                    found=separator.join(row),
                    remedy="A field that holds the separator or a line break must stand in double quotes.",
                )
    except csv.Error as error:
        return UserError(f"cannot be read as CSV: {shorten(error)}", place=f"{file}:{reader.line_num}")
    return UserError(f"cannot be read as CSV: {shorten(reason)}", place=str(file))
