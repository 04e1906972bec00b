"""Seconds an epoch of `mt.fit`, of Keras's own `fit` and of scikit-learn's MLP, side by side: `make bench`.

The same network (64-64, Adam), rows and batch size, accuracy compiled in; the three take turns, round by round, in one
process. Of each the median epoch counts, the first of every call left out, since it holds the compilation; what a
whole call costs, compilation included, stands in a column of its own. Ratios hold better than seconds.
"""

from __future__ import annotations

import statistics
import time
import warnings

import keras
import numpy as np
from sklearn.neural_network import MLPClassifier

import mlp_toolkit as mt

ROUNDS = 3
# Rows, batch size, epochs.
CASES = [(150, 32, 100), (2_000, 32, 40), (20_000, 32, 20), (20_000, 256, 20)]


class Clock(keras.callbacks.Callback):
    """Takes the time of each epoch."""

    def on_train_begin(self, logs=None):
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.started)


def main() -> None:
    print("| rows | batch | epochs | mt.fit s/epoch | Model.fit | MLPClassifier |", end="")
    print(" Model.fit ÷ mt.fit | sklearn ÷ mt.fit | whole call: Model.fit ÷ mt.fit |")
    print("|" + "---|" * 9)
    for rows, batch, epochs in CASES:
        compare(rows, batch, epochs)


def compare(rows: int, batch: int, epochs: int) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, 32)).astype(np.float32)
    y = (x[:, :4].sum(axis=1) + random.normal(0, 0.5, rows) > 0).astype(int)
    warnings.filterwarnings("ignore", message="Stochastic Optimizer")
    ours, plain, sklearn, whole = [], [], [], []
    for _ in range(ROUNDS):
        clock, calls = Clock(), []
        for by_keras in (False, True):
            model = mt.build_mlp("binary", n_features=32, metrics=["accuracy"], seed=0)
            started = time.perf_counter()
            if by_keras:
                model.fit(x, y[:, None], epochs=epochs, batch_size=batch, callbacks=[clock], verbose=0)
            else:
                mt.fit(model, x, y, epochs=epochs, batch_size=batch, callbacks=[clock], verbose=0)
            calls.append(time.perf_counter() - started)
            (plain if by_keras else ours).extend(clock.seconds[1:])
        whole.append(calls[1] / calls[0])
        learner = MLPClassifier((64, 64), batch_size=min(batch, rows), max_iter=1, warm_start=True)
        for _ in range(6):
            started = time.perf_counter()
            learner.fit(x, y)
            sklearn.append(time.perf_counter() - started)
    a, b, c = (statistics.median(seconds) for seconds in (ours, plain, sklearn))
    print(f"| {rows:,} | {batch} | {epochs} | {a:.4f} | {b:.4f} | {c:.4f} | {b / a:.0f} | {c / a:.1f} |", end="")
    print(f" {statistics.median(whole):.1f} |", flush=True)


if __name__ == "__main__":
    main()
