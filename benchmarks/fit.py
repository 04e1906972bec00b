"""Training side by side: `mt.fit`, Keras's own `fit`, scikit-learn's MLP and a PyTorch loop. `make bench`.

    python benchmarks/fit.py            measures everything; about 20 minutes on 2 cores
    python benchmarks/fit.py --quick    three small cases in 2 minutes, into build/
    python benchmarks/fit.py --readme   puts the main rows of the last full run into the README

The full run writes `results/fit.md` (the tables), `results/fit.png` (the picture) and `results/fit.json` (what both are
made of). PyTorch is an extra, `bench`; without it its columns are empty.

Method. Every competitor trains the same network on the same rows with the same batch size and Adam, and keeps the loss
and one metric. Each turn is a process of its own, so that nobody profits from or suffers under another, and memory can
be told apart. The processes of a round start together, wait until all have imported what they need, and then train one
after the other, in another order each round, so that a machine that slows down slows everybody down.

- Time an epoch: the median of all epochs but the first of each turn.
- First epoch: from the call of fit to the end of its first epoch, compilation included. The median of the rounds.
- Whole call: so many epochs as the case says, compilation included. `mt.fit` trains them all; where the others were
  given fewer, because they would take too long, the missing ones are added at their median time, and the number has a
  `≈`. The median of the rounds.
- Memory: the largest resident set of the process, less what it held after its imports; data, network and whatever the
  libraries load only when they train are in it. The median of the rounds.
- Limit: the operations that an epoch's matrix products need (`fit_cases.flops`), at the rate of a product of
  1024 × 1024 matrices of float32 in TensorFlow, measured after each turn of `mt.fit`.

scikit-learn has neither BatchNormalization nor Dropout: those cells are empty. It gets no L2 penalty and does not stop
early. PyTorch gets the number of threads that is quicker in a short trial before its turn.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fit_report
from fit_cases import CASES, QUICK, Case, flops

HERE = Path(__file__).parent
COMPETITORS = {"ours": "mt.fit", "keras": "Model.fit", "keras32": "in 32s", "sklearn": "sklearn", "torch": "PyTorch"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three small cases, into build/")
    parser.add_argument("--readme", action="store_true", help="put the main rows of the last full run into the README")
    options = parser.parse_args()
    if options.readme:
        results = json.loads((HERE / "results/fit.json").read_text("utf-8"))
        fit_report.write_readme(results, HERE.parent / "README.md")
        return
    folder = HERE.parent / "build" if options.quick else HERE / "results"
    results = run(QUICK if options.quick else CASES)
    fit_report.write(results, folder)
    print(f"Written: {', '.join(str(folder / f'fit.{kind}') for kind in ('md', 'png', 'json'))}")
    if results["failed"]:
        raise SystemExit(f"Failed: {'; '.join(results['failed'])}")


def run(cases: Sequence[Case], competitors: Sequence[str] = tuple(COMPETITORS)) -> dict[str, Any]:
    """Measures the cases: what `fit_report` makes tables and a picture of."""
    if "torch" in competitors and importlib.util.find_spec("torch") is None:
        print('PyTorch is not installed, its columns stay empty. To fill them: pip install "mlp-toolkit[bench]"')
        competitors = [name for name in competitors if name != "torch"]
    started = time.monotonic()
    lines, failed = [], []
    for number, case in enumerate(cases, 1):
        print(f"[{number}/{len(cases)}] {case.name}: {case.epochs} epochs", flush=True)
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in competitors}
        if case.batch_norm or case.dropout:
            turns.pop("sklearn", None)
        for index in range(case.rounds):
            done = round_of(case, list(turns), index)
            for name in list(turns):
                if name in done:
                    turns[name].append(done[name])
                else:  # what the others cost is worth knowing all the same
                    failed.append(f"{COMPETITORS[name]} ({case.name})")
                    del turns[name]
            said = ", ".join(f"{COMPETITORS[name]} {summary(case, turns[name])['epoch']:.4f}" for name in turns)
            minutes, seconds = divmod(int(time.monotonic() - started), 60)
            print(f"    round {index + 1} of {case.rounds}, {minutes}:{seconds:02} min: s/epoch {said}", flush=True)
        if "ours" in turns:
            lines.append(line(case, turns))
    packages = ["tensorflow", "keras", "scikit-learn", *["torch"] * ("torch" in competitors)]
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "versions": {"Python": platform.python_version()} | {name: version(name) for name in packages},
        "minutes": round((time.monotonic() - started) / 60, 1),
        "failed": failed,
        "cases": lines,
    }


def round_of(case: Case, competitors: list[str], index: int) -> dict[str, dict[str, Any]]:
    """One turn of each competitor; those that fail are missing."""
    described = json.dumps(dataclasses.asdict(case))
    shift = index % len(competitors)
    order = competitors[shift:] + competitors[:shift]
    processes: dict[str, subprocess.Popen[str]] = {}
    # TensorFlow's start-up messages are shown only where something failed.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as messages:
        try:
            for name in order:
                processes[name] = subprocess.Popen(
                    [sys.executable, str(HERE / "fit_child.py"), name, described],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=messages,
                    text=True,
                    encoding="utf-8",
                )
            ready = [name for name in order if processes[name].stdout.readline()]
            turns = {}
            for name in ready:
                processes[name].stdin.write("go\n")
                processes[name].stdin.flush()
                if answer := processes[name].stdout.readline():
                    turns[name] = json.loads(answer)
                processes[name].wait()
            if len(turns) < len(order):
                messages.seek(0)
                print(messages.read()[-5000:], file=sys.stderr)
            return turns
        finally:
            for process in processes.values():
                process.kill()
                process.communicate()


def summary(case: Case, turns: list[dict[str, Any]]) -> dict[str, Any]:
    """The medians of a competitor's turns."""
    epoch = statistics.median(seconds for turn in turns for seconds in turn["epochs"])
    missing = [case.epochs - 1 - len(turn["epochs"]) for turn in turns]
    memory = [turn["memory"] for turn in turns if turn["memory"] is not None]
    return {
        "epoch": epoch,
        "first": statistics.median(turn["first"] for turn in turns),
        "whole": statistics.median(
            turn["whole"] + more * statistics.median(turn["epochs"]) for turn, more in zip(turns, missing, strict=True)
        ),
        "reckoned": any(missing),
        "memory": statistics.median(memory) if memory else None,
        "engine": turns[-1]["engine"],
    }


def line(case: Case, turns: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What a line of the tables says."""
    rates = [turn["rate"] for turn in turns["ours"]]
    return {
        "name": case.name,
        "group": case.group,
        "main": case.main,
        "epochs": case.epochs,
        "flops": flops(case),
        "rate": statistics.median(rates),
        "limit": flops(case) / statistics.median(rates),
        "measured": {name: summary(case, turn) for name, turn in turns.items()},
    }


def processor() -> str:
    """The processor's name, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [row.split(":", 1)[1].strip() for row in lines if row.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
