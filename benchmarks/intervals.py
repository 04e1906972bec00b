"""How often intervals and sets at 0.9 hold the test rows, on tables of your own: python benchmarks/intervals.py FOLDER

FOLDER as `quality.py` takes it. Each set is split by three seeds; the preset is `slides`, or what --preset says.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import mlp_toolkit as mt

SEEDS, LEVEL, MOST_ROWS = 3, 0.9, 6_000
RESULTS = Path(__file__).parent / "results" / "intervals.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--preset", default="slides")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    index = json.loads((asked.folder / "index.json").read_text("utf-8"))
    lines = [
        "| set | task | held, mean of three splits | least | most | width, or labels in a set |",
        "|---|---|--:|--:|--:|--:|",
    ]
    every = []
    for name, about in index.items():
        task = about["task"].removeprefix("multioutput_")
        if (asked.names and name not in asked.names) or "image" in task:
            continue
        found = [covered(asked.folder / about["file"], about, task, seed, asked.preset) for seed in range(SEEDS)]
        shares = [share for share, _ in found]
        every.append(float(np.mean(shares)))
        width = float(np.mean([width for _, width in found]))
        lines.append(f"| {name} | {task} | {every[-1]:.3f} | {min(shares):.3f} | {max(shares):.3f} | {width:.4g} |")
        print(lines[-1], flush=True)
    inside = sum(0.88 <= share <= 0.92 for share in every)
    lines.append(
        f"\nBetween 0.88 and 0.92 on {inside} of {len(every)} sets; preset {asked.preset}, at most {MOST_ROWS:,} rows."
    )
    print(lines[-1])
    RESULTS.write_text("\n".join(lines) + "\n", "utf-8")


def covered(file: Path, about: dict, task: str, seed: int, preset: str) -> tuple[float, float]:
    """The share of test rows that are held, a mean over targets or labels, and the width or the size of sets."""
    frame = pd.read_csv(file, low_memory=False).dropna(subset=about["targets"])
    frame = frame.sample(min(len(frame), MOST_ROWS), random_state=seed)
    targets = about["targets"]
    target = targets if len(targets) > 1 else targets[0]
    kinds = dict.fromkeys(about["categorical"], "categorical") or "all"
    split = {"test": 0.3} if preset == "strong" else {"validation": 0.25, "test": 0.3}
    recipe = {
        "task": task,
        "seed": seed,
        "preset": preset,
        "data": {"target": target, "features": kinds, "split": split},
    }
    with tempfile.TemporaryDirectory() as out:
        overrides = {"intervals": LEVEL, "baselines": "none", "report": "brief"}
        found = mt.run(recipe, overrides, data=frame, out=f"{out}/run", verbose=0).metrics["intervals"]
    share = found["coverage"]
    held = float(np.mean(list(share.values()))) if isinstance(share, dict) else share
    return held, float(np.mean(list(found["width"].values()))) if "width" in found else found["size"]


if __name__ == "__main__":
    main()
