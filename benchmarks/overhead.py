"""What it costs to judge a run: python benchmarks/overhead.py [NAME …]

Each run is a process of its own, in which the time of what judges it beside its scores is counted: intervals of these,
simple models, what the network looks at and where it fails, what is kept of columns, the page; libraries that it alone
imports are among it. By the clock, and by the processors, which other processes disturb less; of several rounds the
least counts. Then the same with `report: brief` and `baselines: none`.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

import mlp_toolkit as mt
from mlp_toolkit.recipe import catalog

RESULTS = Path(__file__).parent / "results" / "overhead.md"
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
WAYS: dict[str, dict[str, Any]] = {"as it is": {}, "brief": {"report": "brief", "baselines": "none"}}
# What judges a run: functions by the module that calls them.
PARTS = {
    "mlp_toolkit.runs.scoring": ("score_intervals", "note_on_few_rows", "baselines_of"),
    "mlp_toolkit.runs.run": ("knowing_its_rows", "_told"),
    "mlp_toolkit.evaluation.report": ("write_report",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help="one run of the first name, in this process")
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(spent(CASES[asked.names[0]], asked.way)))
        return
    heads = [
        "clock: run without, s",
        "judging, s",
        "adds",
        "brief",
        "processors: run without, s",
        "judging, s",
        "adds",
        "brief",
    ]
    page = [f"| run | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    for name in asked.names or CASES:
        page.append(line(name, asked.rounds))
        print(page[-1], flush=True)
        RESULTS.write_text("\n".join(page) + "\n", "utf-8")


def line(name: str, rounds: int) -> str:
    """A line of the table."""
    found = {way: [in_a_process(name, way) for _ in range(rounds)] for way in WAYS}
    cells = [f"{name} ({ABOUT[name]})"]
    for place in (0, 1):
        without, judging = (min(run[what][place] for run in found["as it is"]) for what in ("without", "judging"))
        brief = min(run["judging"][place] for run in found["brief"])
        cells += [f"{without:.1f}", f"{judging:.1f}", f"{judging / without:+.0%}", f"{brief:.1f}"]
    return f"| {' | '.join(cells)} |"


def in_a_process(name: str, way: str) -> dict[str, tuple[float, float]]:
    """What `spent` gives."""
    command = [sys.executable, __file__, name, "--way", way]
    said = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return json.loads(said.splitlines()[-1])


def spent(case: Case, way: str) -> dict[str, tuple[float, float]]:
    """Seconds of a run, by the clock and by the processors: those that judge it, and the others."""
    warnings.simplefilter("ignore")
    judging = [0.0, 0.0]
    for module, names in PARTS.items():
        for name in names:
            count(importlib.import_module(module), name, judging)
    rows = None
    if case.rows:
        path = catalog.recipes()["adult"].parent / "data" / "adult_train.parquet"
        rows = pd.read_parquet(path).sample(case.rows, random_state=0).reset_index(drop=True)
    begun = clocks()
    with tempfile.TemporaryDirectory() as out:
        mt.run(case.recipe, WAYS[way], data=rows, out=f"{out}/run", verbose=0)
    whole = [end - start for end, start in zip(clocks(), begun, strict=True)]
    return {"without": tuple(a - b for a, b in zip(whole, judging, strict=True)), "judging": tuple(judging)}


def count(module: Any, name: str, judging: list[float]) -> None:
    """Adds the time of a function's calls."""
    called = getattr(module, name)

    @functools.wraps(called)
    def counted(*args: Any, **kwargs: Any) -> Any:
        begun = clocks()
        found = called(*args, **kwargs)
        for place, end in enumerate(clocks()):
            judging[place] += end - begun[place]
        return found

    setattr(module, name, counted)


def clocks() -> tuple[float, float]:
    """Seconds by the clock, and of the processors."""
    return time.perf_counter(), time.process_time()


if __name__ == "__main__":
    main()
