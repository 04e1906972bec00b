"""An epoch of `mt.fit` beside a loop for this one network, written by hand: python benchmarks/by_hand.py

Both train 2 × 64 relu neurons on 20,000 rows of 32 numbers in batches of 32 by Adam, in the same order of rows,
compiled by XLA. The loop by hand knows no layer, metric, callback or best epoch: it holds weights and moments as
tensors, and gives back the mean loss. Weights after three epochs are compared first. Then all take turns, and the
medians of an epoch count; beside them what `mt.fit` takes with the metrics and the validation of a usual training.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from members import Clock

import mlp_toolkit as mt
from mlp_toolkit.training.engine.rows import row_order

ROWS, FEATURES, HIDDEN, BATCH_SIZE = 20_000, 32, [64, 64], 32
RATE, BETA_1, BETA_2, EPSILON = 0.001, 0.9, 0.999, 1e-7
EPOCHS, ROUNDS = 20, 5
RESULTS = Path(__file__).parent / "results" / "by_hand.md"


def main() -> None:
    x, y = rows()
    check(x, y)
    trained: dict[str, Callable[[], tuple[float, float]]] = {
        "by hand": lambda: by_hand(x, y),
        "`mt.fit`, loss alone": lambda: ours(x, y, metrics=[]),
        "`mt.fit`, accuracy and AUC, too": lambda: ours(x, y),
        "`mt.fit`, and 2,000 rows to validate on": lambda: ours(x, y, validation_data=(x[:2_000], y[:2_000])),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in trained}
    for _ in range(ROUNDS):
        for name, once in trained.items():
            found[name].append(once())
    lines = [
        f"| an epoch of 2×64, batch {BATCH_SIZE}, {ROWS:,} rows × {FEATURES} | ms | ÷ by hand | ms of the processor | "
        "÷ by hand |",
        "|---|--:|--:|--:|--:|",
    ]
    hand = [statistics.median(column) for column in zip(*found["by hand"], strict=True)]
    for name, times in found.items():
        wall, work = (statistics.median(column) for column in zip(*times, strict=True))
        lines.append(f"| {name} | {1e3 * wall:.1f} | {wall / hand[0]:.2f} | {1e3 * work:.1f} | {work / hand[1]:.2f} |")
    text = "\n".join(lines)
    print(text)
    RESULTS.write_text(text + "\n", "utf-8")


def rows() -> tuple[np.ndarray, np.ndarray]:
    """x (rows, features) and y (rows,) of 0 and 1."""
    x = np.random.default_rng(0).normal(size=(ROWS, FEATURES)).astype("float32")
    return x, (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype("float32")


def check(x: np.ndarray, y: np.ndarray) -> None:
    """Both come to the same weights in three epochs."""
    model, weights = built([]), initial()
    mt.fit(model, x, y, epochs=3, batch_size=BATCH_SIZE, verbose=0)
    for number in epochs(x, y, weights):
        if number == 3:
            break
    apart = max(np.abs(a - b).max() for a, b in zip(model.get_weights(), map(np.asarray, weights), strict=True))
    assert apart < 1e-4, f"the weights lie {apart:.2g} apart"


def built(metrics: Any = None) -> Any:
    return mt.build_mlp("binary", n_features=FEATURES, hidden=HIDDEN, seed=0, metrics=metrics)


def initial() -> list[Any]:
    return [tf.constant(weight) for weight in built([]).get_weights()]


def ours(x: np.ndarray, y: np.ndarray, metrics: Any = None, **options: Any) -> tuple[float, float]:
    """Seconds of an epoch, by the clock and of the processor."""
    clock = Clock()
    mt.fit(built(metrics), x, y, epochs=EPOCHS, batch_size=BATCH_SIZE, callbacks=[clock], verbose=0, **options)
    return clock.epoch(), clock.work()


def by_hand(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The same of the loop by hand."""
    clock = Clock()
    for number in epochs(x, y, initial()):
        clock.on_epoch_end(number)
        if number == EPOCHS:
            return clock.epoch(), clock.work()
    raise AssertionError("epochs never end")


def epochs(x: np.ndarray, y: np.ndarray, weights: list[Any]) -> Iterator[int]:
    """Trains on and on; gives the number of epochs done. The weights in the list become those after each one."""
    first, second = ([tf.zeros_like(weight) for weight in weights] for _ in range(2))
    all_x, all_y, steps, number = tf.constant(x), tf.constant(y[:, None]), tf.constant(0.0), 0
    while True:
        order = row_order(ROWS, 0, number)
        in_turn = tf.gather(all_x, order), tf.gather(all_y, order)
        weights[:], first, second, steps, loss = epoch(in_turn, (weights, first, second), steps)
        float(loss)  # it is waited for
        number += 1
        yield number


@tf.function(jit_compile=True, autograph=False)
def epoch(rows: tuple[Any, Any], state: tuple[list[Any], list[Any], list[Any]], steps: Any) -> Any:
    """An epoch: weights, both moments, the number of steps and the mean loss after it."""
    x, y = rows

    def step(index: Any, total: Any, steps: Any, state: Any) -> Any:
        weights, first, second = state
        begin = index * BATCH_SIZE
        batch = tf.slice(x, [begin, 0], [BATCH_SIZE, FEATURES])
        loss, gradients = gradient(batch, tf.slice(y, [begin, 0], [BATCH_SIZE, 1]), weights)
        steps += 1
        rate = RATE * tf.sqrt(1 - BETA_2**steps) / (1 - BETA_1**steps)
        first = [m + (g - m) * (1 - BETA_1) for m, g in zip(first, gradients, strict=True)]
        second = [v + (g * g - v) * (1 - BETA_2) for v, g in zip(second, gradients, strict=True)]
        moved = [w - m * rate / (tf.sqrt(v) + EPSILON) for w, m, v in zip(weights, first, second, strict=True)]
        return index + 1, total + loss, steps, (moved, first, second)

    batches = ROWS // BATCH_SIZE
    begin = (tf.constant(0), tf.constant(0.0), steps, state)
    _, total, steps, state = tf.while_loop(lambda index, *_: index < batches, step, begin)
    return *state, steps, total / batches


def gradient(x: Any, y: Any, weights: list[Any]) -> tuple[Any, list[Any]]:
    """The mean loss of a batch, and its gradient for each weight."""
    w1, b1, w2, b2, w3, b3 = weights
    h1 = tf.nn.relu(x @ w1 + b1)
    h2 = tf.nn.relu(h1 @ w2 + b2)
    p = tf.sigmoid(h2 @ w3 + b3)
    kept = tf.clip_by_value(p, EPSILON, 1 - EPSILON)  # as Keras does
    loss = -tf.reduce_mean(y * tf.math.log(kept) + (1 - y) * tf.math.log(1 - kept))
    d3 = (p - y) / BATCH_SIZE
    d2 = tf.where(h2 > 0, d3 @ tf.transpose(w3), 0.0)
    d1 = tf.where(h1 > 0, d2 @ tf.transpose(w2), 0.0)
    layers = ((x, d1), (h1, d2), (h2, d3))
    return loss, [part for into, out in layers for part in (tf.transpose(into) @ out, tf.reduce_sum(out, axis=0))]


if __name__ == "__main__":
    keras.utils.disable_interactive_logging()
    main()
