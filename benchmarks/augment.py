"""What augmentation costs in training, beside Keras's two ways: python benchmarks/augment.py

784-100-50-10 learns 10,000 digits of 28 × 28 at batch 32, with rotation by 10°, shifts by 0.1, zoom by 0.1 and shear by
5°; Keras's preprocessing layers leave out the shear. The digits are scikit-learn's 1,797 of 8 × 8, enlarged and
repeated: what they show changes nothing about the time. All take turns, round by round, in one process. Of each the
median epoch counts, the first of every fit apart, as it holds what compiling costs. Prints a table and writes it to
`results/augment.md`.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits

import mlp_toolkit as mt
from mlp_toolkit.model.backend import keras, tf

IMAGES, SIZE, BATCH = 10_000, 28, 32
ROUNDS = 5
OURS = {"rotation": 10, "width_shift": 0.1, "height_shift": 0.1, "shear": 5, "zoom": 0.1}
GENERATOR = {"rotation_range": 10, "width_shift_range": 0.1, "height_shift_range": 0.1, "shear_range": 5}
HEADER = "| 784-100-50-10, batch 32 | images a second | µs an image | times as fast as the first | first epoch, s |"
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    x, y = digits()
    cases = {
        "`ImageDataGenerator.flow` and `model.fit`": lambda: generator(x, y),
        "Keras's `Random…` layers and `model.fit`": lambda: layers(x, y),
        "`mt.fit(…, augmentation=…)`": lambda: ours(x, y, OURS),
        "`mt.fit` without augmentation": lambda: ours(x, y, None),
    }
    first: dict[str, list[float]] = {name: [] for name in cases}
    later: dict[str, list[float]] = {name: [] for name in cases}
    engines = {}
    for _ in range(ROUNDS):
        for name, case in cases.items():
            seconds, engines[name] = case()
            first[name].append(seconds[0])
            later[name].extend(seconds[1:])
    slowest = statistics.median(next(iter(later.values())))
    lines = [HEADER, "|---|---|---|---|---|"]
    for name in cases:
        epoch = statistics.median(later[name])
        cells = [f"{name}{engines[name]}", f"{IMAGES / epoch:,.0f}", f"{epoch / IMAGES * 1e6:.1f}"]
        cells += [f"{slowest / epoch:.1f}", f"{statistics.median(first[name]):.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    table = "\n".join(lines) + "\n"
    print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "augment.md").write_text(table)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images (rows, height, width) from 0 to 1, and the digit of each."""
    small, y = load_digits(return_X_y=True)
    images = ndimage.zoom(small.reshape(-1, 8, 8) / 16, (1, SIZE / 8, SIZE / 8), order=1).astype(np.float32)
    rows = np.arange(IMAGES) % len(y)
    return images[rows], y[rows]


def generator(x: np.ndarray, y: np.ndarray) -> tuple[list[float], str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras calls it deprecated, and it calls deprecated names of scipy
        made = tf.keras.preprocessing.image.ImageDataGenerator(**GENERATOR, zoom_range=0.1)
        return timed(network([]).fit, made.flow(x[..., None], y, batch_size=BATCH), epochs=2, verbose=0)


def layers(x: np.ndarray, y: np.ndarray) -> tuple[list[float], str]:
    random = [
        keras.layers.RandomRotation(10 / 360, fill_mode="nearest"),
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
        keras.layers.RandomZoom((-0.1, 0.1), (-0.1, 0.1), fill_mode="nearest"),
    ]
    return timed(network(random).fit, x[..., None], y, batch_size=BATCH, epochs=2, verbose=0)


def ours(x: np.ndarray, y: np.ndarray, augmentation: dict[str, float] | None) -> tuple[list[float], str]:
    if augmentation is None:
        return timed(mt.fit, plain(), x.reshape(len(x), -1), y, batch_size=BATCH, epochs=20, verbose=0)
    return timed(mt.fit, plain(), x, y, batch_size=BATCH, epochs=20, augmentation=augmentation, verbose=0)


def plain() -> Any:
    return mt.build_mlp("multiclass", n_features=SIZE * SIZE, n_outputs=10, hidden=[100, 50], seed=0)


def network(random: list[Any]) -> Any:
    """The same network for images, behind layers that change them."""
    mlp = plain()
    model = keras.Sequential([keras.layers.Input((SIZE, SIZE, 1)), *random, keras.layers.Flatten(), mlp])
    model.compile(type(mlp.optimizer).from_config(mlp.optimizer.get_config()), mlp.loss, metrics=["accuracy"])
    return model


def timed(fit: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[list[float], str]:
    """The seconds of each epoch, the first from the call on, and the engine where it is told."""
    watch = Watch()
    history = fit(*arguments, callbacks=[watch], **options)
    engine = getattr(history, "engine", "")
    return np.diff(watch.moments).tolist(), f" ({engine})" if engine else ""


class Watch(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.moments = [time.perf_counter()]

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.moments.append(time.perf_counter())


if __name__ == "__main__":
    main()
