"""What trials cost beside whole runs, and what a search gains: python benchmarks/tune.py [FOLDER NAME …]

Without a folder: 20 trials of one search, and 20 runs with the same values in the same process; 2,000 rows, 2×64. With
one, as `quality.py` takes it: each set is searched with 30 trials, beside the recipe as it is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import mlp_toolkit as mt

TRIALS, TRIALS_OF_A_SET, MOST_ROWS = 20, 30, 4_000
SPACE = {
    "train.optimizer.learning_rate": {"min": 1e-4, "max": 1e-2, "log": True},
    "model.dropout": {"min": 0.0, "max": 0.5, "step": 0.1},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.folder is None:
        print(trials_beside_runs())
        return
    index = json.loads((asked.folder / "index.json").read_text("utf-8"))
    for name in asked.names or index:
        print(gained(asked.folder, name, index[name]), flush=True)


def trials_beside_runs() -> str:
    random = np.random.default_rng(0)
    x = random.normal(size=(2_000, 32))
    frame = pd.DataFrame(x, columns=[f"x{n}" for n in range(32)]).assign(
        y=(x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(int)
    )
    recipe = {"task": "binary", "data": {"target": "y"}, "train": {"epochs": 20, "early_stopping": None}}
    with tempfile.TemporaryDirectory() as out:
        mt.run(recipe, {"train.epochs": 1}, data=frame, out=f"{out}/first", verbose=0)
        begun = time.perf_counter()
        overrides = {"tune.trials": TRIALS, "tune.space": SPACE, "tune.sampler": "random", "tune.pruner": "none"}
        found = mt.tune(recipe, overrides, data=frame, out=f"{out}/tune", verbose=0)
        searched = time.perf_counter() - begun
        tried = pd.read_csv(found.directory / "trials.csv")
        begun = time.perf_counter()
        for number, line in tried.iterrows():
            own = {key: line[key] for key in SPACE}
            mt.run(recipe, own, data=frame, out=f"{out}/run{number}", verbose=0)
        ran = time.perf_counter() - begun
    return (
        f"{TRIALS} trials, with the last run: {searched:.1f} s; {TRIALS} runs: {ran:.1f} s; {searched / ran:.2f} of it"
    )


def gained(folder: Path, name: str, about: dict) -> str:
    frame = pd.read_csv(folder / about["file"], low_memory=False).dropna(subset=about["targets"])
    frame = frame.sample(min(len(frame), MOST_ROWS), random_state=0)
    target = about["targets"] if len(about["targets"]) > 1 else about["targets"][0]
    data = {"target": target, "features": dict.fromkeys(about["categorical"], "categorical") or "all"}
    recipe = {"task": about["task"].removeprefix("multioutput_"), "data": data, "baselines": "none", "report": "brief"}
    with tempfile.TemporaryDirectory() as out:
        plain = mt.run(recipe, data=frame, out=f"{out}/plain", verbose=0).metrics
        begun = time.perf_counter()
        found = mt.tune(recipe, data=frame, trials=TRIALS_OF_A_SET, out=f"{out}/tune", verbose=0).metrics
    metric, search = found["search"]["metric"], found["search"]
    said = f"{name}: {metric} of validation {plain['validation'][metric]:.4g} -> {search['best']:.4g}"
    said += f" (expected {search['expected']:.4g})" if search["expected"] is not None else ""
    said += f", of test {plain['test'][metric]:.4g} -> {found['test'][metric]:.4g}"
    return f"{said}; {search['pruned']} of {search['trials']} pruned, {time.perf_counter() - begun:.0f} s"


if __name__ == "__main__":
    main()
