"""What `decision: {threshold: auto}` gains over 0.5 on test rows: python benchmarks/thresholds.py FOLDER [NAME …]

FOLDER as `quality.py` takes it. Each set is split by five seeds; threshold and network know the training and validation
rows alone. Both decisions are of the same network's probabilities. Scores are F1, a mean over labels, and the cost of a
row and label where a missed one costs five times a false one.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score

import mlp_toolkit as mt

SEEDS, COST = 5, {"false_positive": 1, "false_negative": 5}
DECISIONS: dict[str, dict[str, Any]] = {
    "f1": {"threshold": "auto", "metric": "f1"},
    "cost": {"threshold": "auto", "metric": "cost", "cost": COST},
}
SETS = ("abalone19", "credit_default", "yeast_ml")
RESULTS = Path(__file__).parent / "results" / "thresholds.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=SETS)
    parser.add_argument("--preset", default="slides")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    index = json.loads((asked.folder / "index.json").read_text("utf-8"))
    page = [
        "| set | by | at 0.5 | auto | gain | better, worse, same of 5 | thresholds |",
        "|---|---|--:|--:|--:|--:|---|",
    ]
    for name in asked.names:
        about = index[name]
        frame = pd.read_csv(asked.folder / about["file"], low_memory=False).dropna(subset=about["targets"])
        for metric in DECISIONS:
            pairs = [measured(frame, about, seed, metric, asked.preset) for seed in range(SEEDS)]
            page.append(line(name, metric, pairs))
            print(page[-1], flush=True)
            note = (
                f"\nPreset {asked.preset}; five splits: 20 % validation, 30 % test. F1: higher is better; cost: lower."
            )
            RESULTS.write_text("\n".join([*page, note]) + "\n", "utf-8")


def measured(
    frame: pd.DataFrame, about: dict[str, Any], seed: int, metric: str, preset: str
) -> tuple[float, float, list[float]]:
    """Score at 0.5, score at the thresholds that were chosen, and these."""
    targets = about["targets"]
    data = {
        "target": targets if len(targets) > 1 else targets[0],
        "features": dict.fromkeys(about["categorical"], "categorical") or "all",
        "split": {"test": 0.3} if preset == "strong" else {"validation": 0.2, "test": 0.3},
    }
    recipe = {"task": about["task"], "seed": seed, "preset": preset, "data": data, "decision": DECISIONS[metric]}
    with tempfile.TemporaryDirectory() as out:
        overrides = {"baselines": "none", "report": "brief"}
        run = mt.run(recipe, overrides, data=frame, out=f"{out}/run", verbose=0)
        kept, limits = pd.read_parquet(run.directory / "predictions.parquet"), run.metrics["thresholds"]
    if about["task"] == "binary":
        (positive,) = limits
        true = (kept["target"].astype(str) == positive).to_numpy()[:, None]
    else:
        true = np.stack([kept[f"target_{name}"].to_numpy() > 0 for name in limits], axis=1)
    chance = kept.filter(like="probability").to_numpy()
    usual, chosen = (score(true, chance >= at, metric) for at in (0.5, np.array(list(limits.values()))))
    return usual, chosen, list(limits.values())


def score(true: np.ndarray, told: np.ndarray, metric: str) -> float:
    """F1, a mean over labels; or the cost of a row and label."""
    if metric == "f1":
        return float(np.mean([f1_score(own, said, zero_division=0) for own, said in zip(true.T, told.T, strict=True)]))
    return float(np.mean(COST["false_positive"] * (told & ~true) + COST["false_negative"] * (true & ~told)))


def line(name: str, metric: str, pairs: list[tuple[float, float, list[float]]]) -> str:
    """A line of the table."""
    usual, chosen = (np.array([pair[place] for pair in pairs]) for place in (0, 1))
    gains = (chosen - usual) * (1 if metric == "f1" else -1)
    limits = np.concatenate([pair[2] for pair in pairs])
    told = f"{(gains > 0).sum()}, {(gains < 0).sum()}, {(gains == 0).sum()}"
    by = "F1" if metric == "f1" else "cost 1:5"
    spread = f"{limits.min():.2f} to {limits.max():.2f}"
    return f"| {name} | {by} | {usual.mean():.3f} | {chosen.mean():.3f} | {gains.mean():+.3f} | {told} | {spread} |"


if __name__ == "__main__":
    main()
