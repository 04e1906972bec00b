"""What several networks in one program cost, beside the same number one after another: python benchmarks/members.py

An epoch of K members is timed for three networks, then whole calls, compiling included: K members at once, K networks
of ours one after another through a program that is kept, and Keras's `fit(steps_per_execution=32)`, of which one is
timed and taken K times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

import mlp_toolkit as mt
from mlp_toolkit.model.programs import kept

MEMBERS = (1, 2, 4, 8, 16)
ROWS, FEATURES, EPOCHS = 20_000, 32, 12
RESULTS = Path(__file__).parent / "results" / "members.md"


class Case(NamedTuple):
    """A network, and the rows of a step."""

    hidden: list[int]
    batch_size: int


CASES = {
    "2 × 64, batch 32": Case([64, 64], 32),
    "3 × 128, batch 256": Case([128] * 3, 256),
    "3 × 256, batch 256": Case([256] * 3, 256),
}


def main() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, FEATURES)).astype("float32")
    y = (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(int)
    mt.fit(mt.build_mlp("binary", n_features=FEATURES), x[:64], y[:64], epochs=1, verbose=0)  # TensorFlow has started
    lines = [
        f"| {ROWS:,} rows × {FEATURES}, K networks | K | an epoch, s | ÷ one network's | CPU-s of an epoch | "
        f"{EPOCHS} epochs, whole call, s | one after another, s | Keras, s |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, case in CASES.items():
        theirs = seconds(lambda case=case: keras_fit(case, x, y))
        alone = 0.0
        for count in MEMBERS:
            kept.forget()
            clock = Clock()
            whole = seconds(lambda case=case, count=count, clock=clock: ours(case, count, (x, y), clock=clock))
            alone = alone or clock.epoch()
            kept.forget()
            in_turn = seconds(lambda case=case, count=count: [ours(case, 1, (x, y), seed) for seed in range(count)])
            lines.append(
                f"| {name} | {count} | {clock.epoch():.3f} | {clock.epoch() / alone:.1f} | {clock.work():.3f} | "
                f"{whole:.1f} | {in_turn:.1f} | {theirs * count:.1f} |"
            )
            print(lines[-1], flush=True)
    RESULTS.write_text("\n".join(lines) + "\n", "utf-8")


class Clock(keras.callbacks.Callback):
    """Seconds by the clock, and of the processor, at the end of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []
        self.worked: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.ends.append(time.perf_counter())
        self.worked.append(time.process_time())

    def epoch(self) -> float:
        """Of an epoch but the first, the median."""
        return float(np.median(np.diff(self.ends)))

    def work(self) -> float:
        """The same of the processor."""
        return float(np.median(np.diff(self.worked)))


def ours(
    case: Case, members: int, rows: tuple[np.ndarray, np.ndarray], seed: int = 0, clock: Clock | None = None
) -> None:
    """Trains one network, or several at once."""
    model = mt.build_mlp("binary", n_features=FEATURES, hidden=case.hidden, ensemble=members, seed=seed, metrics=[])
    watched = [clock] if clock else []
    mt.fit(model, *rows, epochs=EPOCHS, batch_size=case.batch_size, callbacks=watched, verbose=0)


def keras_fit(case: Case, x: np.ndarray, y: np.ndarray) -> None:
    model = mt.build_mlp("binary", n_features=FEATURES, hidden=case.hidden, seed=0, metrics=[])
    model.compile(keras.optimizers.Adam(), "binary_crossentropy", steps_per_execution=32)
    model.fit(x, y, epochs=EPOCHS, batch_size=case.batch_size, verbose=0)


def seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
