"""What prediction costs, beside Keras's own `model.predict`: python benchmarks/predict.py

One raw row end to end, data frame in and data frame out, through the run of a recipe that is trained here first; and a
million encoded rows through 64-64, array in and array out. All take turns, round by round, in one process, the first
round left out; of each the median counts. Ratios hold better than seconds.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

import mlp_toolkit as mt
from mlp_toolkit.model.backend import tf
from mlp_toolkit.recipe import catalog

ROWS = 1_000_000
BATCH_SIZES = (1024, 8192, 65_536, 262_144)


def main() -> None:
    adult = pd.read_parquet(catalog.recipes()["adult"].parent / "data" / "adult_test.parquet")
    print("| one raw row | run.predict | model.predict | ÷ |")
    print("|---|---|---|---|")
    for name, frame in {"adult": adult, "breast_cancer": load_breast_cancer(as_frame=True).frame}.items():
        one_row(name, frame)
    print(
        "\n| encoded rows | mt.predict |",
        *(f"model.predict({size:,}) |" for size in BATCH_SIZES),
        "best ÷ mt.predict |",
    )
    print("|---|---|" + "---|" * (len(BATCH_SIZES) + 1))
    many_rows()


def one_row(name: str, frame: pd.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = mt.run(name, {"train.epochs": 1}, out=Path(folder) / name, verbose=0)
        inputs = run.model.input
    row = frame.iloc[:1].reset_index(drop=True)
    encoded = {
        k: tf.constant(row[k].to_numpy(object if t.dtype == "string" else "float32")[:, None])
        for k, t in inputs.items()
    }
    calls = {"ours": lambda: run.predict(row), "keras": lambda: run.model.predict(encoded, verbose=0)}
    ours, keras = medians(calls, rounds=10, repeats=20).values()
    print(
        f"| {name}, {len(inputs)} columns | {ours * 1e3:.2f} ms | {keras * 1e3:.1f} ms | {keras / ours:.0f} |",
        flush=True,
    )


def many_rows() -> None:
    model = mt.build_mlp("binary", n_features=32, seed=0)
    x = np.random.default_rng(0).normal(size=(ROWS, 32)).astype(np.float32)
    calls: dict[Any, Callable[[], Any]] = {"ours": lambda: mt.predict(model, x)}
    for size in BATCH_SIZES:
        calls[size] = lambda size=size: model.predict(x, batch_size=size, verbose=0)
    ours, *keras = medians(calls, rounds=9).values()
    print(
        f"| {ROWS:,} × 32 | {ours:.2f} s |", *(f"{seconds:.2f} s |" for seconds in keras), f"{min(keras) / ours:.1f} |"
    )


def medians(calls: dict[Any, Callable[[], Any]], rounds: int, repeats: int = 1) -> dict[Any, float]:
    seconds: dict[Any, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            for _ in range(repeats):
                started = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken[repeats:]) for name, taken in seconds.items()}


if __name__ == "__main__":
    main()
