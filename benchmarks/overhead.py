"""What it costs to judge a run: python benchmarks/overhead.py [NAME …]

Each run is a process of its own, three times, and the least counts: as it is; with `report: brief` and
`baselines: none`; and with nothing that judges it beside its scores, not even their intervals and a page. Told are the
clock, and the time of the processors, which other processes disturb less.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

import mlp_toolkit as mt
from mlp_toolkit.recipe import catalog

ROUNDS = 3
RESULTS = Path(__file__).parent / "results" / "overhead.md"
BRIEF = {"report": "brief", "baselines": "none"}
STRONG = {"task": "binary", "name": "strong", "preset": "strong", "data": {"target": "income"}}


class Case(NamedTuple):
    """A run.

    Attributes:
        recipe: The name of one that ships with the package, or the recipe itself.
        rows: How many rows of `adult` it is given; None: those that it names.
    """

    recipe: str | dict[str, Any]
    rows: int | None = None


CASES = {
    "breast_cancer": Case("breast_cancer"),
    "adult": Case("adult"),
    "yeast": Case("yeast"),
    "bike_share": Case("bike_share"),
    "digits_known": Case("digits_known"),
    "strong": Case(STRONG, 2_500),
}
ABOUT = {
    "breast_cancer": "binary, 569 rows",
    "adult": "binary, 48,842 rows",
    "yeast": "14 labels, 2,417 rows",
    "bike_share": "regression, 8,645 rows",
    "digits_known": "2,000 images",
    "strong": "eight networks, 2,500 rows",
}
WAYS: dict[str, dict[str, Any]] = {"nothing": BRIEF, "brief": BRIEF, "as it is": {}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*CASES, []], default=[])
    parser.add_argument("--way", choices=WAYS, help="one run of the first name, in this process")
    asked = parser.parse_args()
    if asked.way:
        carry_out(CASES[asked.names[0]], asked.way)
        return
    heads = ["clock, s: nothing", "brief", "as it is", "adds, s", "adds", "processors, s: nothing", "brief", "as it is"]
    page = [f"| run | {' | '.join([*heads, 'adds'])} |", "|---|" + "--:|" * (len(heads) + 1)]
    for name in asked.names or CASES:
        page.append(line(name))
        print(page[-1], flush=True)
        RESULTS.write_text("\n".join(page) + "\n", "utf-8")


def line(name: str) -> str:
    """A line of the table."""
    least: dict[str, tuple[float, float]] = {}
    for _ in range(ROUNDS):
        for way in WAYS:
            spent = seconds(name, way)
            least[way] = tuple(map(min, least.get(way, spent), spent))
    cells = [f"{name} ({ABOUT[name]})"]
    for place in (0, 1):
        nothing, brief, whole = (least[way][place] for way in WAYS)
        added = [f"{whole - nothing:.1f}"] if place == 0 else []
        cells += [*(f"{own:.1f}" for own in (nothing, brief, whole)), *added, f"{whole / nothing - 1:+.0%}"]
    return f"| {' | '.join(cells)} |"


def seconds(name: str, way: str) -> tuple[float, float]:
    """How long a run in a process of its own takes by the clock, and by the processors."""
    begun = time.perf_counter()
    child = subprocess.Popen([sys.executable, __file__, name, "--way", way], stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    spent = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{name}, {way}: ended with {child.returncode}")
    return spent, used.ru_utime + used.ru_stime


def carry_out(case: Case, way: str) -> None:
    """One run."""
    warnings.simplefilter("ignore")
    if way == "nothing":  # what no key of a recipe leaves out
        leave_out("mlp_toolkit.runs.scoring", "score_intervals", lambda *_: {})
        leave_out("mlp_toolkit.runs.run", "knowing_its_rows", lambda done, _: done)
        leave_out("mlp_toolkit.evaluation.report", "write_report", lambda *_: None)
    rows = None
    if case.rows:
        path = catalog.recipes()["adult"].parent / "data" / "adult_train.parquet"
        rows = pd.read_parquet(path).sample(case.rows, random_state=0).reset_index(drop=True)
    with tempfile.TemporaryDirectory() as out:
        mt.run(case.recipe, WAYS[way], data=rows, out=f"{out}/run", verbose=0)


def leave_out(module: str, name: str, instead: Callable[..., Any]) -> None:
    """Puts something else in the place of a function, in this process."""
    found = importlib.import_module(module)
    assert hasattr(found, name)
    setattr(found, name, instead)


if __name__ == "__main__":
    main()
