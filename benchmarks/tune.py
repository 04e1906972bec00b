"""What a search gains, and what its trials cost beside whole runs: python benchmarks/tune.py [FOLDER NAME …]

With a folder, as `quality.py` takes it: each set is searched with 50 trials in the space of its preset, beside the
recipe as it is; `results/tune.md`. The search sees no test rows; rows are split once. A line a set goes to
`results/tune.jsonl` at once, so that a stopped benchmark goes on; the table is made of all lines there are. Without
one: 50 trials of one search, and 50 runs with the same values in the same process, 2,000 rows, 2×64;
`results/tune_runs.md`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import mlp_toolkit as mt

RESULTS = Path(__file__).parent / "results"
RECORD = RESULTS / "tune.jsonl"
SETS = ("concrete", "wine_quality_white", "phoneme", "churn", "segment")
TRIALS, MOST_ROWS = 50, 4_000
SPACE = {
    "train.optimizer.learning_rate": {"min": 1e-4, "max": 1e-2, "log": True},
    "model.dropout": {"min": 0.0, "max": 0.5, "step": 0.1},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("names", nargs="*", default=SETS)
    parser.add_argument("--preset", default="slides")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.folder is None:
        write("tune_runs.md", trials_beside_runs())
        return
    index = json.loads((asked.folder / "index.json").read_text("utf-8"))
    for name in asked.names:
        if (asked.preset, name) in {(one.preset, one.name) for one in recorded()}:
            continue
        one = gained(asked.folder, name, index[name], asked.preset)
        with RECORD.open("a", encoding="utf-8") as file:
            file.write(json.dumps(one._asdict()) + "\n")
        write("tune.md", page(recorded()))


def write(name: str, text: str) -> None:
    (RESULTS / name).write_text(text, "utf-8")
    print(text, flush=True)


class Clock:
    """Seconds that pass, and those that the process computes, since it was made."""

    def __init__(self) -> None:
        self.begun = time.perf_counter(), time.process_time()

    def seconds(self) -> tuple[float, float]:
        return time.perf_counter() - self.begun[0], time.process_time() - self.begun[1]


def trials_beside_runs() -> str:
    random = np.random.default_rng(0)
    x = random.normal(size=(2_000, 32))
    frame = pd.DataFrame(x, columns=[f"x{n}" for n in range(32)]).assign(
        y=(x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(int)
    )
    recipe = {"task": "binary", "data": {"target": "y"}, "train": {"epochs": 20, "early_stopping": None}}
    with tempfile.TemporaryDirectory() as out:
        mt.run(recipe, {"train.epochs": 1}, data=frame, out=f"{out}/first", verbose=0)
        clock = Clock()
        overrides = {"tune.trials": TRIALS, "tune.space": SPACE, "tune.sampler": "random", "tune.pruner": "none"}
        found = mt.tune(recipe, overrides, data=frame, out=f"{out}/tune", verbose=0)
        searched = clock.seconds()
        tried = pd.read_csv(found.directory / "trials.csv")
        clock = Clock()
        for number, line in tried.iterrows():
            own = {key: line[key] for key in SPACE}
            mt.run(recipe, own, data=frame, out=f"{out}/run{number}", verbose=0)
        ran = clock.seconds()
    lines = ["| 2×64, 2,000 rows × 32, 20 epochs | seconds | CPU-seconds |", "|---|--:|--:|"]
    for what, seconds in ((f"a search: {TRIALS} trials, and the run of the best", searched), (f"{TRIALS} runs", ran)):
        lines.append(f"| {what} | {seconds[0]:.1f} | {seconds[1]:.1f} |")
    lines.append("| search ÷ runs | " + " | ".join(f"{a / b:.2f}" for a, b in zip(searched, ran, strict=True)) + " |")
    note = "No trial is pruned. Runs are in the same process as the search: TensorFlow is there, and so are programs."
    return "\n".join([*lines, "", note]) + "\n"


class Gained(NamedTuple):
    """What came of one set."""

    preset: str
    name: str
    rows: int
    search: dict[str, Any]
    validation: tuple[float, float]
    test: tuple[float, float]
    seconds: tuple[float, float]


def recorded() -> list[Gained]:
    """All lines of the record."""
    if not RECORD.exists():
        return []
    return [Gained(**json.loads(line)) for line in RECORD.read_text("utf-8").splitlines()]


def gained(folder: Path, name: str, about: dict[str, Any], preset: str) -> Gained:
    """A set searched, beside the recipe as it is."""
    frame = pd.read_csv(folder / about["file"], low_memory=False).dropna(subset=about["targets"])
    frame = frame.sample(min(len(frame), MOST_ROWS), random_state=0)
    target = about["targets"] if len(about["targets"]) > 1 else about["targets"][0]
    data = {"target": target, "features": dict.fromkeys(about["categorical"], "categorical") or "all"}
    task = about["task"].removeprefix("multioutput_")
    recipe = {"task": task, "preset": preset, "data": data, "baselines": "none", "report": "brief"}
    with tempfile.TemporaryDirectory() as out:
        plain = mt.run(recipe, data=frame, out=f"{out}/plain", verbose=0).metrics
        clock = Clock()
        found = mt.tune(recipe, data=frame, trials=TRIALS, out=f"{out}/tune", verbose=0).metrics
        seconds = clock.seconds()
    search = found["search"]
    metric = search["metric"]
    scores = [(plain[part][metric], found[part][metric]) for part in ("validation", "test")]
    return Gained(preset, name, len(frame), search, scores[0], scores[1], seconds)


def error(metric: str, score: float) -> float:
    """What a score lacks: of an area 1 less it, of others themselves."""
    return 1 - score if metric in ("auc", "macro_auc") else score


def fallen(metric: str, scores: tuple[float, float]) -> float:
    """By what share of the untuned recipe's error the best one's is less."""
    return 1 - error(metric, scores[1]) / error(metric, scores[0])


def page(found: list[Gained]) -> str:
    """The tables, one a preset."""
    presets = dict.fromkeys(one.preset for one in found)
    return "\n".join(table(preset, [one for one in found if one.preset == preset]) for preset in presets)


def table(preset: str, found: list[Gained]) -> str:
    """A table, and what it comes to."""
    lines = [
        "| set | rows | metric | validation, untuned → best (expected) | test, untuned → best | error of the test rows"
        " | seconds | CPU-s | pruned | best values |",
        "|---|--:|---|---|---|--:|--:|--:|--:|---|",
    ]
    lines += [line(one) for one in found]
    better = sum(fallen(one.search["metric"], one.validation) > 0 for one in found)
    change = -np.mean([fallen(one.search["metric"], one.test) for one in found])
    said = (
        f"Preset {preset}, its space, {TRIALS} trials. The best trial's validation score is better than that of the "
        f"untuned recipe on {better} of {len(found)} sets; errors of the test rows change by {change:+.1%} on average "
        "(of an area: of what it lacks to 1). Expected: of the best trial on other rows, its luck taken off."
    )
    return "\n".join([*lines, "", said]) + "\n"


def line(one: Gained) -> str:
    """A line of the table."""
    metric, search = one.search["metric"], one.search
    validation, test = (f"{own[0]:.4g} → {own[1]:.4g}" for own in (one.validation, one.test))
    expected = f" ({search['expected']:.4g})" if search["expected"] is not None else ""
    values = ", ".join(f"{key.split('.')[-1]} {shown(value)}" for key, value in search["values"].items())
    change, pruned = f"{-fallen(metric, one.test):+.1%}", f"{search['pruned']} of {search['trials']}"
    cells = [one.name, f"{one.rows:,}", metric, validation + expected, test, change]
    return f"| {' | '.join([*cells, *(f'{own:.0f}' for own in one.seconds), pruned, values])} |"


def shown(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
