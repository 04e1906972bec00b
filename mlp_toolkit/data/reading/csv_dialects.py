r"""CSV as programs write it that do not follow the common form (RFC 4180), and how it is read.

Excel's first line `sep=;`, lines of remarks that begin with #, line ends of old Macs, `\"` for a quote inside a quoted
field, and blanks before a quoted field.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from mlp_toolkit.errors import UserError

SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
# In the common form a closing quote is followed by a separator or the line's end; `\"` inside a field by anything.
ESCAPED_QUOTE = re.compile(rb'\\"(?![",;\t|\r\n]|\Z)')
BEGINS_OTHERWISE = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*(?:#|sep=)")
BLANK_BEFORE_QUOTE = re.compile(rb'[,;\t|] +"')
SAMPLE_BYTES = 2**24  # so much of a large file is looked at


def before_header(lines: Sequence[bytes]) -> tuple[int, str | None]:
    """How many of the first lines come before the header, and the separator that one of them names.

    Those are blank lines, `sep=;`, and remarks: lines that begin with # and have fewer separators than the next line
    that does not. A header may begin with # as well; it has as many as the rows.
    """
    count, named = 0, None
    first = next(iter(lines), b"").removeprefix(b"\xef\xbb\xbf")
    if said := re.fullmatch(rb"sep=(.)\s*", first):
        count, named = 1, said[1].decode("latin-1")
    header = next((line for line in lines[count:] if line.strip(b"\r\n") and not _begins_with_hash(line)), b"")
    separator = (named or max(SEPARATORS, key=lambda s: header.count(s.encode()))).encode()
    for line in lines[count:]:
        remark = _begins_with_hash(line) and line.count(separator) < header.count(separator)
        if line.strip(b"\r\n") and not remark:
            break
        count += 1
    return count, named


def _begins_with_hash(line: bytes) -> bool:
    return line.removeprefix(b"\xef\xbb\xbf").startswith(b"#")


def without_remarks(raw: bytes, file: Path, notes: list[str]) -> tuple[bytes, str | None]:
    """The bytes with line ends of today and empty lines for all that comes before the header; and the separator named.

    Lines keep their numbers.
    """
    if old_line_ends(raw):
        notes.append("lines end in a carriage return alone, as on old Macs")
        raw = raw.replace(b"\r", b"\n")
    if not BEGINS_OTHERWISE.match(raw):
        return raw, None
    start = raw[:SAMPLE_BYTES].split(b"\n")
    count, separator = before_header(start)
    remarks = sum(map(_begins_with_hash, start[:count]))
    if remarks:
        lines = "a line that begins" if remarks == 1 else f"{remarks} lines that begin"
        notes.append(f"{lines} with # before the header left out")
    if remarks or separator:
        raw = b"\n" * count + raw[sum(len(line) + 1 for line in start[:count]) :]
    return raw, separator


def old_line_ends(raw: bytes) -> bool:
    """Whether lines end in a carriage return alone."""
    return b"\r" in raw and b"\n" not in raw


def has_escapes(raw: bytes) -> bool:
    r"""Whether `\"` stands for a quote inside a quoted field."""
    return b'\\"' in raw and ESCAPED_QUOTE.search(raw) is not None


def has_blanks(raw: bytes) -> bool:
    """Whether blanks stand before quoted fields."""
    return b' "' in raw and BLANK_BEFORE_QUOTE.search(raw) is not None


def without_blanks(text: str, separator: str, escapes: bool) -> str:
    """The same rows, with no blanks before quoted fields; line breaks inside fields count as they did."""
    told = io.StringIO()
    writer = csv.writer(told, delimiter=separator, lineterminator="\n")
    escape = "\\" if escapes else None
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, escapechar=escape)
    writer.writerows(lines)
    return told.getvalue()


def check_streamable(start: bytes, file: Path) -> None:
    """Refuses in a file that is read piece by piece what only a file in memory can be read with.

    Raises:
        UserError: Lines end in a carriage return alone, or blanks stand before quoted fields.
    """
    if old_line_ends(start):
        problem, remedy = "lines end in a carriage return alone", "Convert it: tr '\\r' '\\n'"
    elif has_blanks(start):
        problem, remedy = "blanks stand before a quoted field", 'Write it without them: "a","b"'
    else:
        return
    raise UserError(
        f"{problem}, which is not read piece by piece", place=str(file), remedy=f"{remedy}; or data.stream: false."
    )
