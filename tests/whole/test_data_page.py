"""How the cells and the files that people have are read, with values worked out by hand.

`docs/data.md` is written from these cases: python tests/whole/test_data_page.py
"""

from __future__ import annotations

import functools
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.kinds import Kinds, infer_kinds
from mlp_toolkit.data.reading import tables

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
DAY = "date(%Y-%m-%d %H:%M:%S)"
TIMES = 20  # each cell stands so often in its column


class Cells(NamedTuple):
    """A column of a CSV file.

    Attributes:
        what: What is written in it.
        cells: Its cells; they stand in it several times.
        kind: The kind that it is recognised as.
        values: What its cells then are, worked out by hand; None for a missing value.
        says: Words of the note, "" where there is none.
    """

    what: str
    cells: list[str]
    kind: str
    values: list[Any]
    says: str = ""


CELLS = [
    Cells("numbers as programs write them", ["7", "-2.5", "1e3"], "numeric", [7, -2.5, 1000]),
    Cells("the same number in two spellings", ["7.50", "7.5", "8"], "numeric", [7.5, 7.5, 8]),
    Cells("decimal commas", ["1,5", "2,25", "-0,5"], "numeric", [1.5, 2.25, -0.5], "read as 1.5"),
    Cells("points between thousands", ["1.234,5", "12.000,0", "7,25"], "numeric", [1234.5, 12000, 7.25], "as 1234.5"),
    Cells("commas between millions", ["1,234,567", "2,000,000.5"], "numeric", [1234567, 2000000.5], "read as"),
    Cells("a comma that may be either", ["12,000", "3,500", "7"], "categorical", ["12,000", "3,500", "7"], "may be"),
    Cells("blanks between thousands", ["1 234", "12 000", "7"], "numeric", [1234, 12000, 7], "read as 1234"),
    Cells("Swiss thousands", ["1'234", "12'000", "7"], "numeric", [1234, 12000, 7], "read as 1234"),
    Cells("per cent", ["12.5 %", "3%", "100 %"], "numeric", [12.5, 3, 100], "read as 12.5"),
    Cells("dollars", ["$12.50", "$1", "-$3"], "numeric", [12.5, 1, -3], "read as 12.5"),
    Cells("euros", ["€ 5,00", "€ 1.200,00", "€ 7,50"], "numeric", [5, 1200, 7.5], "read as 5"),
    Cells(
        "points between thousands, and as a fraction",
        ["1.234,50", "1.234", "7,25"],
        "categorical",
        ["1.234,50", "1.234", "7,25"],
        "by one rule",
    ),
    Cells("some per cent", ["5 %", "0.05", "7 %"], "categorical", ["5 %", "0.05", "7 %"], "in one unit"),
    Cells("two currencies", ["$5", "€6", "$7"], "categorical", ["$5", "€6", "$7"], "in one unit"),
    Cells("the minus of typesetters", ["−5", "3", "−0.25"], "numeric", [-5, 3, -0.25], "read as -5"),
    Cells("times of day, in hours", ["12:30", "06:15", "23:45"], "numeric", [12.5, 6.25, 23.75], "read as 12.5"),
    Cells("morning and afternoon, in hours", ["1:30 PM", "12:15 AM"], "numeric", [13.5, 0.25], "read as 13.5"),
    Cells("true and false", ["true", "false", "True"], "numeric", [1, 0, 1], "become 1 and 0"),
    Cells("signs for a missing number", ["1", "?", "N/A", "-", "3"], "numeric", [1, None, None, None, 3], "missing"),
    Cells(
        "a few words among numbers",
        [*map(str, range(1, 21)), "refused"],
        "numeric(refused)",
        [*range(1, 21), None],
        "taken for missing",
    ),
    Cells("numbers with a unit", ["12 kg", "5 kg"], "categorical", ["12 kg", "5 kg"], "leave it away"),
    Cells("numbers with two units", ["12 kg", "5 lb"], "categorical", ["12 kg", "5 lb"], "convert them to one"),
    Cells("codes that begin with 0", ["02134", "10001", "02139"], "categorical", ["02134", "10001", "02139"], "zeros"),
    Cells(
        "whole numbers that floats do not tell apart",
        ["1152921504606846977", "1152921504606846978", "1152921504606846979"],
        "categorical",
        ["1152921504606846977", "1152921504606846978", "1152921504606846979"],
        "the same number",
    ),
    Cells("words", ["red", "green", " red "], "categorical", ["red", "green", "red"]),
    Cells("one value alone", ["x", "x"], "ignore", [], "the same value"),
    Cells(
        "dates of the standard",
        ["2024-01-31", "2023-12-05"],
        "date(%Y-%m-%d)",
        ["2024-01-31", "2023-12-05"],
        "read as %Y-%m-%d",
    ),
    Cells(
        "dates and signs for a missing one",
        ["2024-01-31", "?", "2023-12-05", "-"],
        "date(%Y-%m-%d)",
        ["2024-01-31", "", "2023-12-05", ""],
        "read as %Y-%m-%d",
    ),
    Cells("days without a sign between", ["20240131", "20231205"], "numeric", [20240131, 20231205], "2024-01-31"),
    Cells(
        "years of two digits",
        ["31.01.24", "05.12.23"],
        "categorical",
        ["31.01.24", "05.12.23"],
        "write four",
    ),
    Cells(
        "a day and a month that may be exchanged",
        ["01/02/2024", "03/04/2024"],
        "date(%m/%d/%Y)",
        ["01/02/2024", "03/04/2024"],
        "fits all values too",
    ),
    Cells(
        "instants with a zone",
        ["2024-01-31T12:00:00Z", "2024-01-31T23:30:00-02:00"],
        DAY,
        ["2024-01-31 12:00:00", "2024-02-01 01:30:00"],
        "in UTC",
    ),
    Cells(
        "morning and afternoon",
        ["2024-01-31 01:00 PM", "2024-01-31 12:05 AM"],
        DAY,
        ["2024-01-31 13:00:00", "2024-01-31 00:05:00"],
        "dates such as",
    ),
    Cells(
        "months by name",
        ["31 Jan 2024", "5 Dec 2023"],
        DAY,
        ["2024-01-31 00:00:00", "2023-12-05 00:00:00"],
        "dates such as",
    ),
]


class File(NamedTuple):
    """A CSV file: what it is, its text, its columns as read, words of the note, and whether it has a header."""

    what: str
    text: str
    columns: dict[str, list[str | None]]
    says: str = ""
    header: bool = True


FILES = [
    File("semicolons", "a;b\n1,5;x\n2,5;y\n", {"a": ["1,5", "2,5"], "b": ["x", "y"]}, "separator: semicolon"),
    File("Excel's first line", "sep=;\na;b\n1;2\n", {"a": ["1"], "b": ["2"]}, "by the first line"),
    File("remarks", "# made by X\na,b\n1,2\n", {"a": ["1"], "b": ["2"]}, "left out"),
    File("lines of old Macs", "a,b\r1,2\r3,4\r", {"a": ["1", "3"], "b": ["2", "4"]}, "carriage return"),
    File("a backslash before a quote", 'a,b\n"say \\"hi\\" twice",2\n', {"a": ['say "hi" twice'], "b": ["2"]}, "quote"),
    File("a blank before a quote", 'a,b\n"u, v", "w"\n', {"a": ["u, v"], "b": ["w"]}),
    File("a line break in quotes", 'a,b\n"u\nv",2\n', {"a": ["u\nv"], "b": ["2"]}),
    File("empty cells", "a,b\n,2\nNA,3\n", {"a": [None, None], "b": ["2", "3"]}),
    File("the names of rows that pandas wrote", ",a\n0,5\n1,6\n", {"a": ["5", "6"]}, "Unnamed: 0"),
    File("no header", "5.1,x\n4.9,y\n", {"0": ["5.1", "4.9"], "1": ["x", "y"]}, header=False),
    File("no header, and nobody says so", "5.1,x\n4.9,y\n", {"5.1": ["4.9"], "x": ["y"]}, "data.header: false"),
]


@functools.cache
def read(text: str, header: bool = True) -> tables.Table:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(text.encode())
        return tables.read_table(path, named=header)


def looked_at(cells: list[str]) -> tuple[pd.DataFrame, Kinds]:
    frame = read(pd.DataFrame({"x": cells * TIMES, "y": 1}).to_csv(index=False)).frame
    return frame, infer_kinds(frame[["x"]])


@pytest.mark.parametrize("case", CELLS, ids=lambda case: case.what)
def test_cells_are_read_as_by_hand(case: Cells) -> None:
    frame, kinds = looked_at(case.cells)
    column, kind = frame["x"][: len(case.values)], kinds.by_column["x"]
    assert kind == case.kind
    if kind.startswith("numeric"):
        values = kinds.numbers(frame, "x")[: len(case.values)]
        np.testing.assert_allclose(values, np.array(case.values, float), rtol=1e-12)
    elif kind.startswith("date"):
        assert parsing.to_dates(column, "x", kind[5:-1]).tolist() == case.values
    else:
        assert parsing.to_text(column).tolist() == case.values
    assert (case.says in kinds.notes[0]) if case.says else kinds.notes == []


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.what)
def test_files_are_read_as_by_hand(case: File) -> None:
    table = read(case.text, case.header)
    columns = table.frame.to_dict("list")
    assert {name: [None if pd.isna(v) else v for v in values] for name, values in columns.items()} == case.columns
    assert (case.says in " ".join(table.notes)) if case.says else table.notes == ()


def test_the_page_is_what_these_cases_gave() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew: python tests/whole/test_data_page.py"


def cell(text: object) -> str:
    """A text inside a table of Markdown."""
    shown = str(text).replace("|", "\\|").replace("\n", "⏎").replace("\r", "⏎")
    return f"`{shown}`" if shown else ""


def page() -> str:
    """`docs/data.md`."""
    rows, files = ["| in the column | for instance | kind | then | what a run says |", "|---|---|---|---|---|"], []
    for case in CELLS:
        notes = looked_at(case.cells)[1].notes
        said = notes[0].removeprefix("x: ").replace("|", "\\|") if notes else ""
        shown = case.cells if len(case.cells) < 6 else [*case.cells[:2], "…", case.cells[-1]]
        values = case.values if len(case.values) < 6 else [*case.values[:2], "…", case.values[-1]]
        then = " ".join(cell("missing" if value is None else value) for value in values)
        rows.append(f"| {case.what} | {' '.join(map(cell, shown))} | {cell(case.kind)} | {then} | {said} |")
    for file in FILES:
        table = read(file.text, file.header)
        columns = " ".join(
            cell(f"{name}: {', '.join(value or 'missing' for value in values)}")
            for name, values in file.columns.items()
        )
        said = "; ".join(table.notes).replace("|", "\\|")
        files.append(f"| {file.what} | {cell(file.text.rstrip())} | {columns} | {said} |")
    return "\n".join(
        [
            "# How data are read",
            "",
            "What stands in the cells and files that people have, what it becomes, and what a run says of it. Each "
            "line is a case of `tests/whole/test_data_page.py`, which compares it with values worked out by hand, and "
            "writes this page.",
            "",
            "## Cells",
            "",
            "A column is of a kind where all of its cells agree on it. The kind is printed, and stands in the run's "
            "`recipe.yaml`; rows to predict for are read by the same rule. `data.features` says another: `features: "
            "{zip: categorical, day: date(%d/%m/%Y), weight: numeric(refused), note: ignore}`; the words in brackets "
            "stand for missing numbers.",
            "",
            *rows,
            "",
            "## Files",
            "",
            "⏎ is the end of a line.",
            "",
            "| file | for instance | columns | what a run says |",
            "|---|---|---|---|",
            *files,
            "",
            "Parquet, NPZ, folders of images and data frames bring their types with them: categories stay categories, "
            "masked values are missing, instants with zones become UTC, and an index that pandas keeps in the file is "
            "left out. A data frame's index names the rows of the predictions.",
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"{len(CELLS) + len(FILES)} cases -> {PAGE.name}", file=sys.stderr)
