"""`--json`: what a command found as one JSON document on standard output, for scripts; messages go elsewhere."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

Json = Annotated[
    bool, typer.Option("--json", help="Prints one JSON document, for scripts, in place of lines for people.")
]


def print_json(found: Any) -> None:
    """Prints a result as one document; numbers that are not finite become null.

    Args:
        found: What a file of the run directory holds, or a result of the package: its fields by name, of a table a
            mapping for each row, or one by the rows' names where they have some.
    """
    print(json.dumps(plain(found), indent=2, allow_nan=False))


def print_result(found: Any, *, as_json: bool) -> None:
    """Prints a result for a script, or as it shows itself to a person."""
    if as_json:
        print_json(found)
    else:
        print(found)


def plain(value: Any) -> Any:
    """The same as JSON knows it."""
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        names = list(map(str, value.columns))
        rows = [dict(zip(names, row, strict=True)) for row in value.itertuples(index=False, name=None)]
        numbered = isinstance(value.index, pd.RangeIndex) or not len(value)
        return plain(rows if numbered else dict(zip(value.index, rows, strict=True)))
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):  # a named tuple
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def read_json(file: Path) -> Any:
    """What a file of a run directory holds."""
    return json.loads(file.read_text("utf-8"))
