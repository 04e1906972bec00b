"""What came of a recipe that was run as one of several."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp_toolkit.errors import ToolkitError, UserError, number
from mlp_toolkit.recipe import catalog
from mlp_toolkit.runs.directory import begun
from mlp_toolkit.runs.finished import Run
from mlp_toolkit.runs.interruption import Terminated
from mlp_toolkit.runs.run import run


@dataclass(frozen=True)
class Ended:
    """What came of a recipe.

    Attributes:
        recipe: As it was named.
        directory: Its run directory; None where it has none.
        exit_code: 0 done; 2 the recipe or its data is wrong; 1 anything else.
        message: What was wrong.
        score: Of the test rows, for the table.
    """

    recipe: str
    directory: Path | None
    exit_code: int = 0
    message: str = ""
    score: str = ""


def carried_out(recipe: str, overrides: Mapping[str, Any], directory: Path, verbose: Any) -> Ended:
    """Runs a recipe in a directory that is its own, from its last checkpoint on where it has begun.

    Raises:
        Terminated: The program is to end; whatever else happens is told of in what is returned.
    """
    try:
        finished = run(recipe, overrides, out=directory, resume=begun(directory), verbose=verbose)
    except Terminated:
        raise
    except ToolkitError as error:
        return Ended(recipe, _if_there(directory), error.exit_code, str(error))
    except Exception:  # a fault of ours, or of the machine; others may be spared
        return Ended(recipe, _if_there(directory), 1, traceback.format_exc())
    return Ended(recipe, directory, score=_score(finished))


def _if_there(directory: Path) -> Path | None:
    return directory if directory.is_dir() else None


def _score(finished: Run) -> str:
    """The score of the test rows by which a search would choose."""
    test, task = finished.metrics["test"], finished.metrics["task"]
    name = catalog.config("search")["metrics"][task]
    value = test.get(name, math.nan)
    return f"{name} {number(value)}" if math.isfinite(value) else ""


def exit_code_of(ended: Sequence[Ended]) -> int:
    """How a program ends: 0 all are done, 2 a recipe is at fault, 1 anything else."""
    codes = {one.exit_code for one in ended}
    return UserError.exit_code if UserError.exit_code in codes else int(codes != {0})


def table(ended: Sequence[Ended]) -> str:
    """What came of each recipe, a line each."""
    rows = [("recipe", "outcome", "test", "run directory")]
    for one in ended:
        outcome = {0: "done", UserError.exit_code: "wrong"}.get(one.exit_code, "failed")
        rows.append((one.recipe, outcome, one.score, str(one.directory or "")))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
