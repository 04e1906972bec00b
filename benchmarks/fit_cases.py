"""What is measured: networks, rows and tasks, their data, and the arithmetic an epoch of each costs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

FEATURES = 32
OUTPUTS = {"regression": 1, "binary": 1, "multilabel": 5, "multiclass": 5}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the table.

    Attributes:
        group: The cases it is read with.
        hidden: Neurons of each hidden layer.
        batch: Rows of a step.
        rows: How many rows an epoch goes over.
        epochs: Epochs of the whole call. `mt.fit` always trains them all: its choice of engine depends on them.
        sampled: Epochs that the others train, 2 or more; where it is fewer, their whole call is reckoned from these.
        rounds: How often everybody takes a turn.
        task: regression, binary, multilabel or multiclass.
        batch_norm: BatchNormalization before each hidden activation.
        dropout: Share of hidden outputs dropped.
        iris: The 150 flowers in place of random numbers.
        main: Stands in the README.
    """

    group: str
    hidden: tuple[int, ...] = (64, 64)
    batch: int = 32
    rows: int = 20_000
    epochs: int = 20
    sampled: int = 20
    rounds: int = 2
    task: str = "binary"
    batch_norm: bool = False
    dropout: float = 0.0
    iris: bool = False
    main: bool = False

    @property
    def features(self) -> int:
        return 4 if self.iris else FEATURES

    @property
    def outputs(self) -> int:
        return 3 if self.iris else OUTPUTS[self.task]

    @property
    def network(self) -> str:
        """`2×64`: two hidden layers of 64."""
        return f"{len(self.hidden)}×{self.hidden[0]}"

    @property
    def name(self) -> str:
        if self.iris:
            return f"iris: {self.network}, batch {self.batch}, {self.rows} rows"
        extras = [] if self.task == "binary" else [self.task]
        extras += ["BatchNorm"] * self.batch_norm + [f"Dropout {self.dropout}"] * bool(self.dropout)
        return ", ".join([self.network, f"batch {self.batch}", f"{self.rows:,} rows", *extras])


# Epochs are what a run of that size takes in earnest, or fewer; sampled epochs keep `make bench` under 25 minutes.
ALL_SIZES = [
    Case(group="rows", batch=32, rows=150, epochs=100, sampled=30, rounds=3, main=True),
    Case(group="rows", batch=32, rows=2_000, epochs=40, sampled=20, rounds=3, main=True),
    Case(group="rows", batch=32, rows=20_000, epochs=20, sampled=5, rounds=3, main=True),
    Case(group="rows", batch=32, rows=500_000, epochs=10, sampled=2, rounds=2, main=True),
    Case(group="batch 256", batch=256, rows=150, epochs=100, sampled=30),
    Case(group="batch 256", batch=256, rows=2_000, epochs=40, sampled=20),
    Case(group="batch 256", batch=256, rows=20_000, epochs=20, sampled=10, rounds=3, main=True),
    Case(group="batch 256", batch=256, rows=500_000, epochs=10, sampled=3, main=True),
]
CASES = [
    *ALL_SIZES,
    Case(group="networks", hidden=(10,), sampled=4),
    Case(group="networks", hidden=(100,) * 5, sampled=4, main=True),
    Case(group="networks", hidden=(512,) * 3, batch=256, sampled=4, main=True),
    Case(group="tasks", task="regression", sampled=4),
    Case(group="tasks", task="multilabel", sampled=4),
    Case(group="tasks", task="multiclass", sampled=4),
    Case(group="layers", batch_norm=True, sampled=4),
    Case(group="layers", dropout=0.2, sampled=4),
    Case(group="layers", batch_norm=True, dropout=0.2, sampled=4, main=True),
    Case(group="shortest", rows=150, task="multiclass", iris=True, rounds=3, main=True),
]
QUICK = [
    Case(group="rows", rows=2_000, epochs=40, sampled=5, rounds=1, main=True),
    Case(group="layers", rows=2_000, epochs=40, sampled=5, rounds=1, batch_norm=True, dropout=0.2, main=True),
    Case(group="shortest", rows=150, task="multiclass", iris=True, rounds=1, main=True),
]


def data(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """x (rows, features) and y (rows,), or (rows, outputs) for several labels: something that can be learnt."""
    if case.iris:
        from sklearn.datasets import load_iris

        x, y = load_iris(return_X_y=True)
        return x.astype(np.float32), y.astype(np.int32)
    random = np.random.default_rng(0)
    # float32 from the start: a float64 copy would stand in everybody's peak memory.
    x = random.standard_normal((case.rows, FEATURES), dtype=np.float32)
    signal = x[:, :5] + 0.5 * random.standard_normal((case.rows, 5), dtype=np.float32)
    if case.task == "multiclass":
        return x, signal.argmax(axis=1).astype(np.int32)
    if case.task == "multilabel":
        return x, (signal > 0).astype(np.float32)
    total = signal.sum(axis=1)
    return x, total if case.task == "regression" else (total > 0).astype(np.float32)


def flops(case: Case) -> int:
    """Multiplications and additions that the matrix products of one epoch need.

    Two a weight and row going forward, two for the gradient of the weight, two for the gradient of the layer's input;
    the first layer's input has no use for a gradient.
    """
    sizes = (case.features, *case.hidden, case.outputs)
    weights = [a * b for a, b in itertools.pairwise(sizes)]
    return case.rows * (6 * sum(weights) - 2 * weights[0])
