"""Whether the first rows of a target fit the task: `validate` says so at once, before all rows are read.

Only what reading all rows would refuse as well is refused here.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.reading import csv_dialects, csv_files, tables
from mlp_toolkit.errors import UserError, listing, shorten
from mlp_toolkit.files import reading
from mlp_toolkit.recipe import catalog
from mlp_toolkit.recipe.spec import Recipe

# So much of a CSV file, and so many rows of a Parquet file, are looked at.
BYTES, ROWS = 100_000, 500


def check_first_rows(recipe: Recipe, place: str) -> None:
    """Looks at the first targets of a CSV or Parquet file.

    Args:
        recipe: The recipe; its columns are known to be in its data.
        place: Names the recipe in messages.

    Raises:
        UserError: A target is text in a regression, a binary target has more than two classes, or a label is neither 0
            nor 1.
    """
    file = Path(recipe.data.path or "")
    kind = tables.suffix(file) if recipe.data.path else ""
    if kind not in (".csv", ".tsv", ".parquet"):
        return
    rows = (
        _of_parquet(file, recipe.data.targets)
        if kind == ".parquet"
        else _of_csv(file, recipe.data.targets, recipe.data.header)
    )
    rules = catalog.config("features")
    gaps = {*rules["missing_values"], *rules["missing_numbers"]}
    seen: dict[str, str] = {}
    for row, texts in rows:
        for name, text in zip(recipe.data.targets, texts, strict=True):
            if text in gaps:
                continue
            wrong = _wrong(recipe.task, text, seen)
            if wrong:
                problem, remedy = wrong
                where = f"{file.name}, {row}: {name} is {shorten(text, 40)!r}"
                raise UserError(problem, place=place, found=where, remedy=remedy)


def _wrong(task: str, text: str, seen: dict[str, str]) -> tuple[str, str] | None:
    """What is wrong with a target, and the remedy; `seen` collects the classes of a binary one."""
    number, words = parsing.to_number(text), catalog.config("features")["boolean_words"]
    if task == "regression" and number is None and text not in words:
        return "task: regression predicts numbers, but the target holds text", (
            "For labels take task: binary (two classes) or multiclass."
        )
    if task == "binary":
        seen.setdefault(re.sub(parsing.WHOLE_NUMBER, r"\1", text), text)
        if len(seen) > 2:
            return f"task: binary has two classes, but the target has more: {listing(map(repr, seen.values()))}", (
                "Take task: multiclass, or task: regression where the target is a quantity."
            )
    if task == "multilabel" and number not in (0, 1) and text not in words:
        return "task: multilabel has labels of 0 and 1 (or true and false)", (
            "One column with several classes is task: multiclass, numbers are task: regression."
        )
    return None


def _of_csv(file: Path, targets: list[str], header: bool) -> Iterator[tuple[str, list[str]]]:
    """Where each row stands, and its targets as text."""
    layout = csv_files.layout(file, header)
    with reading(file), csv_files.opened(file) as stream:
        start = stream.read(BYTES)
    whole, _, _ = start.rpartition(b"\n") if len(start) == BYTES else (start, b"", b"")
    if csv_dialects.old_line_ends(whole):
        whole = whole.replace(b"\r", b"\n")
    text = b"".join(whole.splitlines(keepends=True)[layout.before :]).decode("utf-8-sig", errors="replace")
    escape = "\\" if csv_dialects.has_escapes(whole) else None
    settings: dict[str, Any] = {"delimiter": layout.separator, "skipinitialspace": True, "escapechar": escape}
    lines = csv.reader(io.StringIO(text, newline=""), **settings)
    places = [layout.names.index(name) for name in targets]
    if header:
        next(lines, None)
    for cells in lines:
        if len(cells) == len(layout.names):
            yield f"line {layout.before + lines.line_num}", [cells[place].strip(parsing.BLANK) for place in places]


def _of_parquet(file: Path, targets: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Where each row stands, and its targets as text; gaps are empty."""
    from pyarrow import parquet

    first = tables.parquet_files(file)[0]
    with reading(first), parquet.ParquetFile(first) as opened:
        batches = list(itertools.islice(opened.iter_batches(ROWS, columns=targets), 1))
    columns = [batches[0].column(name).to_pylist() for name in targets] if batches else []
    for row, values in enumerate(zip(*columns, strict=True)):
        yield f"row {row}", ["" if value is None else str(value).strip() for value in values]
