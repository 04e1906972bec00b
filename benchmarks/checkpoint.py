"""What checkpoints cost a run: python benchmarks/checkpoint.py

Recipes of 32 columns with made-up rows, trained in three ways that take turns in one process: without checkpoints, as a
run does it (a checkpoint waits until the run took 40 times as long as all of them), and with one after every epoch. A
share is the time spent in writing checkpoints, as a part of the training. Prints a table and writes it to
`results/checkpoint.md`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mlp_toolkit.data import dataset
from mlp_toolkit.recipe import resolving
from mlp_toolkit.runs import checkpoint
from mlp_toolkit.training import fit_recipe

COLUMNS, ROUNDS = 32, 3
RESULTS = Path(__file__).parent / "results"
USUAL = checkpoint.TRAINING_PER_CHECKPOINT


class Case(NamedTuple):
    name: str
    rows: int
    hidden: list[int]
    batch_size: int
    epochs: int


CASES = [
    Case("2×64, batch 32, 2,000 rows", 2_000, [64, 64], 32, 300),
    Case("2×64, batch 32, 20,000 rows", 20_000, [64, 64], 32, 200),
    Case("3×512, batch 256, 20,000 rows", 20_000, [512] * 3, 256, 20),
]
HEADER = (
    "| network | without, s | as a run does it, s | checkpoints | share | after every epoch, s | checkpoints | share |"
)


class Turn(NamedTuple):
    seconds: float
    written: int
    writing: float


def main() -> None:
    lines = [HEADER, "|---|" + "--:|" * 7]
    for case in CASES:
        with tempfile.TemporaryDirectory() as place:
            turns = measured(case, Path(place))
        without, usual, every = (middle(turns[name]) for name in ("without", "usual", "every"))
        cells = [case.name, f"{without.seconds:.2f}"]
        for turn in (usual, every):
            cells += [f"{turn.seconds:.2f}", f"{turn.written}", f"{100 * turn.writing / turn.seconds:.1f} %"]
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    table = "\n".join(lines) + "\n"
    print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "checkpoint.md").write_text(table)


def measured(case: Case, folder: Path) -> dict[str, list[Turn]]:
    """The turns of each way."""
    random = np.random.default_rng(0)
    x = random.normal(size=(case.rows, COLUMNS)).astype("float32")
    frame = pd.DataFrame(x, columns=[f"x{place}" for place in range(COLUMNS)])
    frame["y"] = (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(int)
    frame.to_parquet(folder / "rows.parquet")
    (folder / "recipe.yaml").write_text("task: binary\ndata: {path: rows.parquet, target: y}\n")
    settings = {"model.hidden": case.hidden, "train.batch_size": case.batch_size, "train.epochs": case.epochs}
    resolved = resolving.load_recipe(folder / "recipe.yaml", settings | {"train.early_stopping": None})
    data = dataset.load_dataset(resolved.spec, "recipe.yaml")
    turns: dict[str, list[Turn]] = {"without": [], "usual": [], "every": []}
    for _ in range(ROUNDS):
        for name, done in turns.items():
            checkpoint.TRAINING_PER_CHECKPOINT = 0 if name == "every" else USUAL
            held = checkpoint.Checkpoint(folder / "checkpoint.h5", resolved, data, lambda state: None)
            watch = Watch(held.write, held.path)
            after = None if name == "without" else watch
            seconds = fit_recipe.train_recipe(resolved.spec, data, after_epoch=after, verbose=0).seconds
            done.append(Turn(seconds, watch.written, watch.seconds))
    return turns


class Watch:
    """Counts what is written, and how long it takes."""

    def __init__(self, write: Callable[..., None], path: Path) -> None:
        self.write, self.path, self.written, self.seconds = write, path, 0, 0.0

    def __call__(self, *arguments: Any) -> None:
        before = self.path.stat().st_mtime_ns if self.path.exists() else 0
        began = time.perf_counter()
        self.write(*arguments)
        self.seconds += time.perf_counter() - began
        self.written += self.path.exists() and self.path.stat().st_mtime_ns != before


def middle(turns: list[Turn]) -> Turn:
    """The turn of median length."""
    return sorted(turns)[statistics.median_low(range(len(turns)))]


if __name__ == "__main__":
    main()
