"""One competitor trains one case, in a process of its own: what `fit.py` starts.

Imports what the competitor needs, writes `ready`, waits for a line, trains, and writes what it measured as JSON.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fit_cases import Case, data

STEPS_AN_EXECUTION = 32


class Clock:
    """The time since training was called, at the end of each epoch."""

    def __init__(self) -> None:
        self.started, self.ends = time.perf_counter(), []

    def tick(self) -> None:
        self.ends.append(time.perf_counter() - self.started)


def keras_case(case: Case, engine: str) -> Callable[[np.ndarray, np.ndarray], tuple[Clock, str]]:
    """`mt.fit` or Keras's `Model.fit`, on the same compiled model."""
    import keras

    import mlp_toolkit as mt

    fit = mt.fit  # imports what it needs

    class Ticks(keras.callbacks.Callback):
        def __init__(self, clock: Clock) -> None:
            super().__init__()
            self.clock = clock

        def on_epoch_end(self, epoch, logs=None):
            self.clock.tick()

    def train(x: np.ndarray, y: np.ndarray) -> tuple[Clock, str]:
        metrics = [{"regression": "mae", "multilabel": "binary_accuracy"}.get(case.task, "accuracy")]
        model = mt.build_mlp(
            case.task,
            n_features=case.features,
            n_outputs=case.outputs,
            hidden=case.hidden,
            metrics=metrics,
            batch_norm=case.batch_norm,
            dropout=case.dropout,
            seed=0,
        )
        if engine == "keras32":
            model.compile("adam", model.loss, metrics=metrics, steps_per_execution=STEPS_AN_EXECUTION)
        y = y.reshape(len(y), -1)
        clock = Clock()
        settings = {"batch_size": case.batch, "callbacks": [Ticks(clock)], "verbose": 0}
        if engine == "ours":
            history = fit(model, x, y, epochs=case.epochs, **settings)
        else:
            history = model.fit(x, y, epochs=case.sampled, **settings)
        return clock, getattr(history, "engine", "")

    return train


def sklearn_case(case: Case) -> Callable[[np.ndarray, np.ndarray], tuple[Clock, str]]:
    """scikit-learn's MLP of the same size; it prints a line at the end of an epoch, by which its epochs are timed."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    class Lines(io.TextIOBase):
        def __init__(self, clock: Clock) -> None:
            self.clock = clock

        def write(self, text: str) -> int:
            if text.startswith("Iteration"):
                self.clock.tick()
            return len(text)

    def train(x: np.ndarray, y: np.ndarray) -> tuple[Clock, str]:
        warnings.filterwarnings("ignore", message="Stochastic Optimizer")  # that it could have gone on
        kind = MLPRegressor if case.task == "regression" else MLPClassifier
        learner = kind(
            hidden_layer_sizes=case.hidden,
            alpha=0,
            batch_size=min(case.batch, len(x)),
            max_iter=case.sampled,
            tol=0,
            n_iter_no_change=case.sampled + 1,
            random_state=0,
            verbose=True,
        )
        clock = Clock()
        with contextlib.redirect_stdout(Lines(clock)):
            learner.fit(x, y)
        return clock, ""

    return train


def torch_case(case: Case) -> Callable[[np.ndarray, np.ndarray], tuple[Clock, str]]:
    """The loop that PyTorch's users write: shuffled rows, batch by batch, `nn.Sequential` and Adam.

    On small batches two threads can be slower than one: it gets the number that was quicker in a short trial.
    """
    import torch
    from torch import nn

    several = case.task == "multiclass"
    loss_of = {"regression": nn.MSELoss, "multiclass": nn.CrossEntropyLoss}.get(case.task, nn.BCEWithLogitsLoss)()

    def build() -> tuple[Any, Any]:
        layers: list[Any] = []
        for before, units in itertools.pairwise((case.features, *case.hidden)):
            layers.append(nn.Linear(before, units, bias=not case.batch_norm))
            layers += [nn.BatchNorm1d(units)] * case.batch_norm + [nn.ReLU()]
            layers += [nn.Dropout(case.dropout)] * bool(case.dropout)
        model = nn.Sequential(*layers, nn.Linear(case.hidden[-1], case.outputs))
        return model, torch.optim.Adam(model.parameters())

    def epoch(model: Any, optimizer: Any, inputs: Any, targets: Any) -> tuple[float, float]:
        loss_sum, score_sum = torch.zeros(()), torch.zeros(())
        for index in torch.randperm(len(inputs)).split(case.batch):
            batch, target = inputs.index_select(0, index), targets.index_select(0, index)
            optimizer.zero_grad()
            output = model(batch)
            loss = loss_of(output, target)
            loss.backward()
            optimizer.step()
            with torch.no_grad():  # Keras keeps the loss and a metric, too
                loss_sum += loss * len(index)
                if case.task == "regression":
                    score_sum += (output - target).abs().sum()
                else:
                    score_sum += (output.argmax(1) == target if several else (output > 0) == (target > 0.5)).sum()
        return loss_sum.item(), score_sum.item()

    def seconds(threads: int, inputs: Any, targets: Any) -> float:
        torch.set_num_threads(threads)
        model, optimizer = build()
        epoch(model, optimizer, inputs, targets)
        started = time.perf_counter()
        epoch(model, optimizer, inputs, targets)
        return time.perf_counter() - started

    build()[1].zero_grad()  # Adam imports much of what it needs only now

    def train(x: np.ndarray, y: np.ndarray) -> tuple[Clock, str]:
        torch.manual_seed(0)
        inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
        targets = targets.long() if several else targets.reshape(len(y), -1)
        few = slice(0, 20 * case.batch)
        choices = (1, torch.get_num_threads())
        torch.set_num_threads(min(choices, key=lambda threads: seconds(threads, inputs[few], targets[few])))
        clock = Clock()
        model, optimizer = build()
        for _ in range(case.sampled):
            epoch(model, optimizer, inputs, targets)
            clock.tick()
        return clock, f"threads: {torch.get_num_threads()}"

    return train


COMPETITORS: dict[str, Callable[[Case], Callable[[np.ndarray, np.ndarray], tuple[Clock, str]]]] = {
    "ours": lambda case: keras_case(case, "ours"),
    "keras": lambda case: keras_case(case, "keras"),
    "keras32": lambda case: keras_case(case, "keras32"),
    "sklearn": sklearn_case,
    "torch": torch_case,
}


def matmul_rate() -> float:
    """float32 operations a second of TensorFlow's matrix product, 1024 × 1024 × 1024."""
    import tensorflow as tf

    size = 1024
    a, b = tf.random.normal((size, size)), tf.random.normal((size, size))
    seconds = []
    for _ in range(30):
        started = time.perf_counter()
        tf.matmul(a, b).numpy()
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / statistics.median(seconds[5:])


def resident(field: str) -> int | None:
    """MB of `VmRSS` (held now) or `VmHWM` (held at most); None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith(field)), None)


def main() -> None:
    given = json.loads(sys.argv[2])
    case = Case(**{**given, "hidden": tuple(given["hidden"])})
    train = COMPETITORS[sys.argv[1]](case)
    if case.iris:
        import sklearn.datasets  # noqa: F401  # an import, which is not to be counted as the training's memory
    print("ready", flush=True)
    sys.stdin.readline()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here, not from the imports
    held = resident("VmRSS")
    x, y = data(case)
    clock, engine = train(x, y)
    whole = time.perf_counter() - clock.started
    peak = resident("VmHWM")
    result = {
        "first": clock.ends[0],
        "epochs": np.diff(clock.ends).tolist(),
        "whole": whole,
        "memory": None if held is None or peak is None else peak - held,
        "engine": engine,
        "rate": matmul_rate() if sys.argv[1] == "ours" else None,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
