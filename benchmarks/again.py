"""What a second training costs, once the first of its kind has been compiled: python benchmarks/again.py

The whole call is timed, from arrays to a fitted estimator, beside scikit-learn's MLP with the same epochs and batches.
Both take turns in one process; the first call of ours is told apart, of the others the median counts. So it is with ten
folds of scikit-learn's cross-validation. Then ten folds of ours, with nothing compiled before, and what memory a
hundred trainings leave behind.
"""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from fit_child import resident
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier

import mlp_toolkit as mt
from mlp_toolkit.model.programs import kept, lent

EPOCHS, BATCH_SIZE, ROUNDS = 20, 32, 9
RESULTS = Path(__file__).parent / "results" / "again.md"


def main() -> None:
    warnings.simplefilter("ignore", ConvergenceWarning)
    mt.MLPClassifier(hidden=[3], epochs=1).fit(*load_iris(return_X_y=True))  # TensorFlow has started
    lines = [
        f"| 2×64, batch {BATCH_SIZE}, {EPOCHS} epochs | first time, s | again, s | scikit-learn, s | again ÷ its |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [compared(name, *rows) for name, rows in cases().items()]
    lines.append(crossed(*load_iris(return_X_y=True)))
    lines.append(ten_folds())
    first, last, megabytes = a_hundred()
    lines.append(
        f"\nA hundred times `build_mlp`, `fit` and `predict` in a process: the third took {first:.3f} s, the hundredth "
        f"{last:.3f} s; memory changed by {megabytes:+.0f} MB after the tenth."
    )
    text = "\n".join(lines)
    print(text)
    RESULTS.write_text(text + "\n", "utf-8")


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Rows by name."""
    random = np.random.default_rng(0)
    made = {}
    for rows in (2_000, 20_000):
        x = random.normal(size=(rows, 32))
        made[f"{rows:,} rows"] = x, (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(int)
    return {"iris, 150 rows": load_iris(return_X_y=True), **made}


def own() -> mt.MLPClassifier:
    return mt.MLPClassifier(epochs=EPOCHS, batch_size=BATCH_SIZE, early_stopping=None)


def scikit() -> MLPClassifier:
    return MLPClassifier((64, 64), max_iter=EPOCHS, batch_size=BATCH_SIZE, tol=0, n_iter_no_change=EPOCHS)


def compared(name: str, x: np.ndarray, y: np.ndarray) -> str:
    """A line of the table."""
    kept.forget()
    lent.forget()
    first = seconds(lambda: own().fit(x, y))
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: own().fit(x, y)))
        theirs.append(seconds(lambda: scikit().fit(x, y)))
    a, b = statistics.median(ours), statistics.median(theirs)
    return f"| {name} | {first:.2f} | {a:.3f} | {b:.3f} | {a / b:.2f} |"


def crossed(x: np.ndarray, y: np.ndarray) -> str:
    """A line of the table: ten folds one after another, with nothing compiled before, and again."""
    kept.forget()
    lent.forget()
    first = seconds(lambda: cross_val_score(own(), x, y, cv=10))
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(seconds(lambda: cross_val_score(own(), x, y, cv=10)))
        theirs.append(seconds(lambda: cross_val_score(scikit(), x, y, cv=10)))
    a, b = statistics.median(ours), statistics.median(theirs)
    cold = f"{first:.2f}, {first / b:.1f} times its"
    return f"| iris, `cross_val_score(cv=10)` | {cold} | {a:.2f} | {b:.2f} | {a / b:.2f} |"


def ten_folds() -> str:
    """A line of the table: a whole cross-validation of 20,000 rows, with nothing compiled before."""
    x, y = cases()["20,000 rows"]
    frame = pd.DataFrame(x, columns=[f"x{number}" for number in range(x.shape[1])]).assign(y=y)
    train = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "early_stopping": None}
    recipe = {"task": "binary", "data": {"target": "y", "split": {"validation": 0.1, "test": 0.001}}, "train": train}
    kept.forget()
    ours = seconds(lambda: mt.cross_validate(recipe, data=frame, folds=10, verbose=0))
    theirs = seconds(lambda: cross_val_score(scikit(), x, y, cv=10))
    return f"| 20,000 rows, `cross_validate(folds=10)` |  | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} |"


def a_hundred() -> tuple[float, float, float]:
    """Seconds of the third and of the hundredth training, and MB that came between the tenth and the last."""
    x = np.random.default_rng(0).normal(size=(1_000, 20)).astype("float32")
    y = (x[:, 0] > 0).astype(int)
    times, before = [], 0.0

    def once(seed: int) -> None:
        model = mt.build_mlp("binary", n_features=20, seed=seed)
        mt.fit(model, x, y, epochs=3, verbose=0)
        mt.predict(model, x)

    for number in range(100):
        times.append(seconds(lambda number=number: once(number)))
        if number == 9:
            before = held()
    return times[2], times[-1], held() - before


def held() -> float:
    """The process's memory in MB, once the system has taken back what is free."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return resident("VmRSS") or 0.0


def seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
