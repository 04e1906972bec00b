"""Damaged data files: 200 rows of each shipped table with cells, rows or bytes exchanged, and hostile files."""

from __future__ import annotations

import csv
import datetime
import decimal
import functools
import gzip
import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from mlp_toolkit.data.reading import tables
from mlp_toolkit.recipe import resolving

ROWS = 200
CELLS = [
    *(
        "",
        " ",
        "NA",
        "NaN",
        "nan",
        "NULL",
        "null",
        "-",
        "?",
        "true",
        "FALSE",
        "yes",
        "0",
        "-0",
        "-0.0",
        "1e308",
        "-1e308",
    ),
    *(
        "1e999",
        "-1e999",
        "1e-400",
        "inf",
        "-inf",
        "Infinity",
        "∞",
        "0x10",
        "1_000",
        "1,000",
        "1.000,5",
        "1 000",
        "1.2.3",
    ),
    *(
        "+3",
        " 3 ",
        "3.0",
        "3.",
        ".5",
        "1e5",
        "1E+5",
        "1d5",
        "١٢",
        "１２",
        "9" * 400,
        "0." + "1" * 400,
        "1/2",
        "12%",
        "$5",
    ),
    *("2024-01-01", "2024-13-45", "31.02.2024", "0000-00-00", "9999-12-31", "1/2/3", "2024-01-01T25:00:00", "12:60"),
    *(
        '"',
        '""',
        "'",
        "a\nb",
        "a\r\nb",
        "a,b;c|d\te",
        "\0",
        "\ufeff",
        "\x1b[2J",
        "\u2028",
        "é",
        "\N{PILE OF POO}",
        "a" * 5000,
    ),
    *("=1+1", "<script>", "a.png", "/etc/passwd", "../x.jpg", "\x1a", "\\", "\\N", "#", "None", "[1, 2]", '{"a": 1}'),
]
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-8-sig", "utf-7", "cp037")
SEPARATORS = (",", ";", "\t", "|", " ", ":", "\x1f")
TYPES: dict[str, Callable[[], Any]] = {
    "numbers": lambda: pa.array([1.5, None, float("inf")]),
    "halves": lambda: pa.array([np.float16(1), np.float16(2), None], pa.float16()),
    "beyond": lambda: pa.array([2**63 - 1, -(2**63), None]),
    "unsigned": lambda: pa.array([2**64 - 1, 0, None], pa.uint64()),
    "booleans": lambda: pa.array([True, None, False]),
    "nothing": lambda: pa.nulls(3),
    "texts": lambda: pa.array(["a", None, "\0\ud7ff"]),
    "large texts": lambda: pa.array(["a", None, "b"], pa.large_string()),
    "text views": lambda: pa.array(["a", None, "b" * 40], pa.string_view()),
    "bytes": lambda: pa.array([b"\xff", None, b""]),
    "fixed bytes": lambda: pa.array([b"ab", None, b"\xff\xff"], pa.binary(2)),
    "decimals": lambda: pa.array([decimal.Decimal("1.5"), None, decimal.Decimal("-9.9")]),
    "wide decimals": lambda: pa.array([decimal.Decimal("9" * 70), None, None], pa.decimal256(76)),
    "lists": lambda: pa.array([[1], None, [2, 3]]),
    "fixed lists": lambda: pa.array([[1, 2], None, [2, 3]], pa.list_(pa.int8(), 2)),
    "lists of lists": lambda: pa.array([[[1]], None, [[2], [3]]]),
    "structs": lambda: pa.array([{"a": 1}, None, {"a": 2}]),
    "maps": lambda: pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    "categories": lambda: pa.array(["a", None, "b"]).dictionary_encode(),
    "numbered categories": lambda: pa.array([3, None, 4]).dictionary_encode(),
    "days": lambda: pa.array([datetime.date(1, 1, 1), None, datetime.date(9999, 12, 31)]),
    "days far off": lambda: pa.array([-(2**31), None, 2**31 - 1], pa.date32()),
    "milliseconds far off": lambda: pa.array([-(2**62), None, 2**62], pa.timestamp("ms")),
    "microseconds far off": lambda: pa.array([-(2**62), None, 2**62], pa.timestamp("us")),
    "nanoseconds": lambda: pa.array([-(2**62), None, 2**62], pa.timestamp("ns")),
    "zoned times": lambda: pa.array([0, None, 2**60], pa.timestamp("us", "Europe/Vienna")),
    "times of an unknown zone": lambda: pa.array([0, None, 1], pa.timestamp("us", "Mars/Olympus")),
    "times far off in a zone": lambda: pa.array([-(2**62), None, 2**62], pa.timestamp("ms", "UTC")),
    "times of day": lambda: pa.array([0, None, 1], pa.time64("ns")),
    "durations": lambda: pa.array([0, None, 2**60], pa.duration("ms")),
}


class Source(NamedTuple):
    """Some rows of a shipped table, and what a recipe predicts from them."""

    name: str
    frame: pd.DataFrame
    target: tuple[str, ...]
    task: str


@functools.cache
def sources() -> tuple[Source, ...]:
    """The tables of the shipped recipes, images aside."""
    found = []
    for name in ("adult", "bike_share", "credit_default", "nursery", "yeast", "iris", "linnerud", "diabetes"):
        spec = resolving.load_recipe(name).spec
        data = spec.data
        table = tables.read_table(data.path) if data.path else tables.read_dataset(str(data.dataset))
        rows = table.frame.sample(min(ROWS, len(table.frame)), random_state=0).reset_index(drop=True)
        columns = [*rows.columns[:30], *(column for column in data.targets if column not in rows.columns[:30])]
        found.append(Source(name, rows[columns], tuple(data.targets), spec.task))
    return tuple(found)


def damaged_csv(random: Random) -> tuple[str, bytes, Source]:
    """A name, the bytes of a CSV file with some things wrong, and the table it comes from."""
    source = random.choice(sources())
    header = [str(name) for name in source.frame.columns]
    rows = [["" if pd.isna(value) else str(value) for value in row] for row in source.frame.to_numpy(object)]
    rows = rows[: random.choice([0, 1, 2, 5, ROWS, ROWS, ROWS])]
    for _ in range(min(random.randint(0, 6), random.randint(0, 6))):
        _one_cell(header, rows, random)
    suffix = random.choice([".csv", ".csv", ".csv", ".tsv", ".csv.gz", ".tsv.gz"])
    usual = "\t" if suffix.startswith(".tsv") else ","
    stream = io.StringIO()
    quoting = random.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    separator = random.choice([usual, usual, usual, *SEPARATORS])
    ends = random.choice(["\n", "\n", "\r\n", "\r"])
    csv.writer(stream, delimiter=separator, quoting=quoting, lineterminator=ends).writerows([header, *rows])
    encoding = random.choice(["utf-8"] * 8 + [*ENCODINGS])
    raw = stream.getvalue().encode(encoding, "replace")
    for _ in range(random.choice([0, 0, 0, 1, 2, 5])):
        raw = damaged_bytes(raw, random)
    if random.random() < 0.03:
        raw = random.randbytes(random.randint(0, 2000))
    if suffix.endswith(".gz"):
        raw = gzip.compress(raw, 1)
        if random.random() < 0.3:
            raw = damaged_bytes(raw, random)
    return f"a{suffix}", raw, source


def _one_cell(header: list[str], rows: list[list[str]], random: Random) -> None:
    column = random.randrange(len(header))
    row = random.choice(rows) if rows else header
    match random.randrange(11):
        case 0 | 1 | 2:
            if column < len(row):
                row[column] = random.choice(CELLS)
        case 3:
            value = random.choice(CELLS)
            for other in rows:
                if column < len(other):
                    other[column] = value
        case 4:
            header[column] = random.choice([*CELLS, header[column - 1], header[column].upper()])
        case 5:
            del row[-1:]
        case 6:
            row.extend([random.choice(CELLS)] * random.choice([1, 1, 100]))
        case 7:
            rows.insert(random.randint(0, len(rows)), random.choice([[], [""], row[:], header[:]]))
        case 8:
            for number, other in enumerate(rows):
                if column < len(other):
                    other[column] = f"{random.choice(CELLS)}{number}"
        case 9:
            for other in [header, *rows]:
                del other[max(1, column) :]
        case _:
            values = [random.choice(CELLS) for _ in range(random.choice([2, 5]))]
            for other in rows:
                if column < len(other):
                    other[column] = random.choice(values)


def damaged_bytes(raw: bytes, random: Random) -> bytes:
    """Bytes flipped, cut out, put in or exchanged."""
    begin = random.choice([random.randint(0, len(raw)), max(0, len(raw) - random.randint(0, 200))])
    end = min(len(raw), begin + random.choice([1, 1, 4, 100]))
    match random.randrange(7):
        case 0 | 1:
            return raw[:begin] + bytes(byte ^ (1 << random.randrange(8)) for byte in raw[begin:end]) + raw[end:]
        case 2:
            return raw[:begin] + raw[end:]
        case 3:
            return (
                raw[:begin]
                + random.choice([b'"', b"\0", b"\r", b"\n", b"\xff", b",", b"\xef\xbb\xbf", b'"""'])
                + raw[begin:]
            )
        case 4:
            return raw[:begin]
        case 5:
            return raw[:begin] + random.randbytes(end - begin) + raw[end:]
        case _:
            other = random.randint(0, len(raw))
            return raw[:begin] + raw[other : other + 50] + raw[begin:]


def damaged_parquet(random: Random) -> tuple[str, bytes, Source]:
    """A Parquet file: of odd types, or of a shipped table with bytes exchanged, or with the end of another file."""
    source = random.choice(sources())
    kind = random.random()
    if kind < 0.3:
        chosen = random.sample([*TYPES], random.randint(1, 4))
        arrays = [TYPES[name]() for name in chosen]
        names = chosen if random.random() < 0.9 else [chosen[0]] * len(chosen)
        table = pa.Table.from_arrays(arrays, names)
        table = pa.concat_tables([table] * 40).append_column("y", pa.array([0, 1, 1] * 40))
        source = Source("odd types", table.select(["y"]).to_pandas(), ("y",), "binary")
    elif kind < 0.6:  # damage then hits the description of the columns
        source = Source("small", pd.DataFrame({"x": [1.0, 2.0] * 10, "y": ["a", "b"] * 10}), ("y",), "binary")
        table = pa.Table.from_pandas(source.frame, preserve_index=False)
    else:
        table = pa.Table.from_pandas(source.frame, preserve_index=False)
    raw = _parquet(table, random)
    choice = random.random()
    if choice < 0.1:
        other = _parquet(pa.Table.from_pandas(random.choice(sources()).frame, preserve_index=False), random)
        length = struct.unpack("<I", other[-8:-4])[0]
        raw = raw[: random.randint(4, len(raw))] + other[-8 - length :]
    elif choice < 0.7:
        for _ in range(random.choice([1, 1, 3, 20])):
            raw = damaged_bytes(raw, random)
    return "a.parquet", raw, source


def _parquet(table: Any, random: Random) -> bytes:
    stream = io.BytesIO()
    options = {
        "compression": random.choice(["none", "snappy", "gzip", "zstd"]),
        "use_dictionary": random.choice([True, False]),
        "row_group_size": random.choice([None, 7]),
        "data_page_version": random.choice(["1.0", "2.0"]),
        "store_schema": random.choice([True, False]),
    }
    try:
        parquet.write_table(table, stream, **options)
    except pa.ArrowNotImplementedError:  # older versions do not write every type
        return _parquet(table.select(["y"]), random)
    return stream.getvalue()


def damaged_npz(random: Random) -> tuple[str, bytes, Source]:
    """An NPZ file of odd arrays, or with bytes exchanged."""
    rows = random.choice([1, 5, 60])
    numbers = np.random.default_rng(random.randrange(2**32))
    odd: list[Callable[[], Any]] = [
        lambda: numbers.normal(size=rows),
        lambda: numbers.normal(size=(rows, 3)),
        lambda: numbers.integers(0, 255, (rows, 4, 4), np.uint8),
        lambda: numbers.normal(size=(rows, 2, 2, 2)),
        lambda: np.array(5),
        lambda: np.array(["a", "b"] * rows)[:rows],
        lambda: np.array([b"a", b"\xff"] * rows)[:rows],
        lambda: np.array([None, {}, []] * rows, object)[:rows],
        lambda: np.zeros(rows, [("a", "i4"), ("b", "O")]),
        lambda: np.zeros(rows, [("a", "i4"), ("b", "f8", (2,))]),
        lambda: np.zeros(rows, complex),
        lambda: np.full(rows, np.inf),
        lambda: np.full(rows, 1e308),
        lambda: np.zeros(rows, "M8[as]"),
        lambda: np.full(rows, 2**62, "M8[D]"),
        lambda: np.full(rows, "NaT", "M8"),
        lambda: np.zeros(rows, "m8[s]"),
        lambda: np.zeros(rows, ">f4"),
        lambda: np.zeros(rows, np.longdouble),
        lambda: np.zeros(rows, "V3"),
        lambda: np.zeros((rows, 0)),
        lambda: np.zeros((0, 3)),
        lambda: np.zeros(rows, bool),
        lambda: np.zeros((rows, 3000), np.int8),
    ]
    arrays = {f"x{number}": random.choice(odd)() for number in range(random.randint(0, 3))}
    arrays["y"] = numbers.integers(0, 2, rows)
    source = Source("arrays", pd.DataFrame({"y": arrays["y"]}), ("y",), "binary")
    stream = io.BytesIO()
    random.choice([np.savez, np.savez_compressed])(stream, allow_pickle=True, **arrays)
    if random.random() < 0.2:
        with warnings.catch_warnings(), zipfile.ZipFile(stream, "a") as archive:
            warnings.simplefilter("ignore")  # of names that stand twice
            names = ["note.txt", "x0.npy", "../../out.npy", "y.npy", "folder/", ".npy", "a\0b.npy"]
            archive.writestr(random.choice(names), random.choice([b"", b"text", b"\x93NUMPY", npy("(3,)", "<f8", b"")]))
    raw = stream.getvalue()
    for _ in range(random.choice([0, 0, 1, 1, 3, 20])):
        raw = damaged_bytes(raw, random)
    return "a.npz", raw, source


def npy(shape: str, kind: str, data: bytes) -> bytes:
    """An array's file with a header that says whatever is wished."""
    text = f"{{'descr': {kind if kind.startswith('[') else repr(kind)}, 'fortran_order': False, 'shape': {shape}, }}"
    raw = text.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + data


def _npz(**arrays: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, raw in arrays.items():
            archive.writestr(f"{name}.npy", raw)
    return stream.getvalue()


def _gzip(*pieces: tuple[bytes, int]) -> bytes:
    """Packed, without holding it unpacked: pieces with how often each is repeated."""
    stream = io.BytesIO()
    with gzip.open(stream, "wb", 1) as packed:
        for piece, times in pieces:
            block = piece * max(1, 2**20 // len(piece))
            whole, rest = divmod(len(piece) * times, len(block))
            for _ in range(whole):
                packed.write(block)
            packed.write(block[:rest])
    return stream.getvalue()


def _columns(count: int, rows: int = 2, suffix: str = "") -> bytes:
    header = ",".join([*(f"c{number}" for number in range(count - 1)), "y"])
    body = "\n".join(",".join(["1"] * (count - 1) + [str(row % 2)]) for row in range(rows))
    return f"{header}\n{body}\n{suffix}".encode()


def _wide_parquet(count: int) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(pa.table({f"c{number}": [0, 1] for number in range(count)}), stream)
    return stream.getvalue()


def _long_parquet(column: Any, times: int, groups: int = 1) -> bytes:
    """One block of rows many times over: a small file."""
    stream = io.BytesIO()
    table = pa.table({"x": column, "y": column})
    with parquet.ParquetWriter(stream, table.schema, compression="zstd", dictionary_pagesize_limit=2**30) as writer:
        for _ in range(groups):
            writer.write_table(pa.concat_tables([table] * times), row_group_size=2**30)
    return stream.getvalue()


def _repeated(text: str, times: int) -> Any:
    return pa.DictionaryArray.from_arrays(np.zeros(times, np.int32), [text])


def _nested_zip() -> bytes:
    return _npz(x=gzip.compress(b"\0" * 10_000_000))


# Files that are small, or soon made, and large to read.
HOSTILE: dict[str, Callable[[], bytes]] = {
    "10,000 columns.csv": lambda: _columns(10_000, 40),
    "100,000 columns.csv": lambda: _columns(100_000),
    "a million columns.csv": lambda: _columns(1_000_000),
    "two million separators.csv": lambda: b"," * 2_000_000,
    "a cell of 10 MB.csv": lambda: b"x,y\n" + b"a" * 10_000_000 + b",1\n2,0\n" * 50,
    "a name of 10 MB.csv": lambda: b"a" * 10_000_000 + b",y\n1,0\n2,1\n",
    "a line of 50 MB.csv": lambda: b"a" * 50_000_000,
    "a quote at the beginning.csv": lambda: b'"x,y\n' + b"1,2\n" * 2_000_000,
    "a quote in the middle.csv": lambda: b"x,y\n" + b"1,2\n" * 1_000_000 + b'1,"2\n' + b"1,2\n" * 1_000_000,
    "quotes.csv": lambda: b"x,y\n" + b'"' * 10_000_000,
    "blank lines.csv": lambda: b"\n" * 20_000_000 + b"x,y\n1,2\n",
    "rows of nothing.csv": lambda: b"x,y\n" + b",\n" * 3_000_000,
    "separators.csv": lambda: b"x,y\n1,2\n" + b"," * 10_000_000,
    "carriage returns.csv": lambda: b"x,y\r" + b"1,2\r" * 1_000_000,
    "digits.csv": lambda: b"x,y\n" + b"9" * 5_000_000 + b",1\n3,0\n" * 20,
    "zeros.csv": lambda: b"\0" * 20_000_000,
    "zeros at the end.csv": lambda: b"x,y\n" + b"1,2\n" * 50_000 + b"\0" * 100_000,
    "half a million words.csv": lambda: b"x,y\n" + b"".join(b"w%d,%d\n" % (n, n % 2) for n in range(500_000)),
    "dates that are none.csv": lambda: b"x,y\n" + b"".join(b"2024-01-%d,%d\n" % (n, n % 2) for n in range(200_000)),
    "a bomb of one line.csv.gz": lambda: _gzip((b"a", 3 * 2**30)),
    "a bomb of blank lines.csv.gz": lambda: _gzip((b"\n", 3 * 2**30)),
    "a bomb of rows.csv.gz": lambda: _gzip((b"x,y\n", 1), (b"1,2\n3,4\n", 2**28)),
    "a bomb of cells.csv.gz": lambda: _gzip((b"x,y\n", 1), (b"12,34\n", 2**23)),
    "a bomb of quotes.csv.gz": lambda: _gzip((b'"x,y\n', 1), (b"1,2\n", 2**28)),
    "packed twice.csv.gz": lambda: gzip.compress(gzip.compress(b"x,y\n1,2\n")),
    "many members.csv.gz": lambda: gzip.compress(b"x,y\n1,2\n2,3\n") + gzip.compress(b"") * 100_000,
    "20,000 columns.parquet": lambda: _wide_parquet(20_000),
    "a million zeros.parquet": lambda: _long_parquet(pa.array([0.0] * 1000), 1000),
    "200 million zeros.parquet": lambda: _long_parquet(pa.array(np.zeros(1_000_000)), 10, 10),
    "200 million gaps.parquet": lambda: _long_parquet(pa.nulls(1_000_000), 10, 10),
    "a long text a thousand times.parquet": lambda: _long_parquet(_repeated("a" * 2_000_000, 1000), 1),
    "a text a million times.parquet": lambda: _long_parquet(_repeated("a" * 900, 1_000_000), 1),
    "a deep list.parquet": lambda: _long_parquet(pa.array([[[[[[[[0] * 1000]]]]]]]), 1000),
    "a bomb.npz": lambda: _npz(x=npy("(400000000,)", "<f8", b"\0" * 2**20 * 3), y=npy("(400000000,)", "<f8", b"")),
    "3 GB of zeros.npz": lambda: _big_npz(),
    "huge shape.npz": lambda: _npz(x=npy("(10000000000000,)", "<f8", b"\0" * 80)),
    "shape beyond all.npz": lambda: _npz(x=npy(f"({10**400},)", "<f8", b"\0" * 80)),
    "negative shape.npz": lambda: _npz(x=npy("(-5,)", "<f8", b"\0" * 80)),
    "huge shape of nothing.npz": lambda: _npz(x=npy("(3, 1000000000)", "|S0", b"")),
    "no rows of many.npz": lambda: _npz(x=npy("(0, 1000000000)", "<f8", b"")),
    "a billion rows of nothing.npz": lambda: _npz(x=npy("(1000000000, 0)", "<f8", b"")),
    "a billion images of nothing.npz": lambda: _npz(x=npy("(1000000000, 0, 5)", "|u1", b"")),
    "a million columns.npz": lambda: _npz(x=npy("(2, 1000000)", "|i1", b"\0\1" * 1_000_000)),
    "odd header.npz": lambda: _npz(x=npy("(" * 3000, "<f8", b"")),
    "a call in the header.npz": lambda: _npz(x=npy("__import__('os').system('touch pwned')", "<f8", b"")),
    "deep types.npz": lambda: _npz(x=npy("(1,)", "[('a', " * 60 + "'<f8'" + ")]" * 60, b"\0" * 8)),
    "pickles.npz": lambda: _npz(x=npy("(1,)", "|O", b"cos\nsystem\n(S'touch pwned'\ntR.")),
    "no array.npz": lambda: _npz_of("note.txt"),
    "a file in a file.npz": _nested_zip,
}  # fmt: skip  # as a table, several to a line


def _big_npz() -> bytes:
    stream = io.BytesIO()
    block = b"\0" * 2**20
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as member:
            member.write(npy(f"({3 * 2**27},)", "<f8", b""))
            for _ in range(3 * 2**10):
                member.write(block)
    return stream.getvalue()


def _npz_of(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, "text")
    return stream.getvalue()
