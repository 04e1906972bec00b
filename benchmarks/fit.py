"""Seconds an epoch of `mt.fit`, of Keras's own `fit` and of scikit-learn's MLP, side by side: `make bench`.

The same network (64-64, Adam), rows and batch size; the three take turns in one process, the first round is a warm-up,
and the median of the others counts. Ratios hold better than seconds: machines differ from day to day.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.neural_network import MLPClassifier

import mlp_toolkit as mt

ROUNDS = 5
CASES = [(150, 32), (2_000, 32), (20_000, 32), (20_000, 256)]


def main() -> None:
    print("rows     batch   mt.fit   Model.fit   MLPClassifier   Model.fit / mt.fit")
    for rows, batch in CASES:
        contestants = prepare(rows, batch)
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(ROUNDS + 1):
            for name, run_epoch in contestants.items():
                started = time.perf_counter()
                run_epoch()
                seconds[name].append(time.perf_counter() - started)
        ours, keras, sklearn = (statistics.median(times[1:]) for times in seconds.values())
        print(f"{rows:<8} {batch:<7} {ours:<8.3f} {keras:<11.3f} {sklearn:<15.3f} {keras / ours:.2f}")


def prepare(rows: int, batch: int) -> dict[str, Callable[[], object]]:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 32)).astype(np.float32)
    y = (x[:, :4].sum(axis=1) + random.normal(0, 0.5, rows) > 0).astype(int)
    ours = mt.build_mlp("binary", n_features=32, seed=0)
    plain = mt.build_mlp("binary", n_features=32, seed=0)
    for_sklearn = MLPClassifier((64, 64), batch_size=min(batch, rows), max_iter=1, warm_start=True)
    warnings.filterwarnings("ignore", message="Stochastic Optimizer")
    return {
        "mt.fit": lambda: mt.fit(ours, x, y, epochs=1, batch_size=batch, verbose=0),
        "Model.fit": lambda: plain.fit(x, y[:, None], epochs=1, batch_size=batch, verbose=0),
        "MLPClassifier": lambda: for_sklearn.fit(x, y),
    }


if __name__ == "__main__":
    main()
