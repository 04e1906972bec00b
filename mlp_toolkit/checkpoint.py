"""`checkpoint.h5`: what a run needs to go on after a stop, and whose run it is."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit import storage, training
from mlp_toolkit.dataset import Dataset
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe import Resolved
from mlp_toolkit.state import snapshot
from mlp_toolkit.streaming import Stream

# A checkpoint waits until training took this many times as long as the last checkpoint did: it costs 3 % at most.
TRAINING_PER_CHECKPOINT = 33


class Checkpoint:
    """`checkpoint.h5`: what training depends on, and whose training it is.

    Args:
        path: Of the file.
        resolved: The recipe.
        data: Its rows.
        beside: Writes whatever else is to be there when a checkpoint is.
    """

    def __init__(
        self, path: Path, resolved: Resolved, data: Dataset | Stream, beside: Callable[[training.Progress], None]
    ) -> None:
        self.path, self.beside = path, beside
        told = {key: value for key, value in resolved.values.items() if key not in ("name", "metrics")}
        told["data"] = {"fingerprint": data.fingerprint, "target": resolved.spec.data.targets}
        told["data"]["split"] = str(resolved.values["data"]["split"])
        told["data"]["classes"] = list(data.target.classes)
        told["data"]["sample_weight"] = resolved.spec.data.sample_weight
        told["data"]["stream"] = isinstance(data, Stream)
        told["data"]["kinds"] = dict(data.kinds.by_column)
        told["data"]["encoding"] = repr(data.encoding)
        self.identity = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
        self.last, self.cost = time.monotonic(), 0.0

    def write(self, network: Any, state: training.Progress) -> None:
        """Writes the state after an epoch, unless the last one is too recent for what writing costs."""
        now = time.monotonic()
        if now - self.last < TRAINING_PER_CHECKPOINT * self.cost:
            return
        info = {"identity": self.identity, "epochs": state.epochs, "best_epoch": state.best_epoch}
        info |= {"best_value": state.best_value, "history": state.history}
        storage.write_state(
            self.path, {"now": snapshot(network), "best": [np.asarray(value) for value in state.best]}, info
        )
        self.beside(state)
        self.last = time.monotonic()
        self.cost = self.last - now

    def read(self) -> tuple[training.Progress, list[np.ndarray]] | None:
        """The stored progress and the values of all variables; None where the run stopped before its first.

        Raises:
            UserError: The recipe or the data is another than the interrupted run's.
        """
        if not self.path.is_file():
            return None
        arrays, info = storage.read_state(self.path)
        if info["identity"] != self.identity:
            raise UserError(
                "the recipe or its data has changed since this run was interrupted: it cannot be gone on with",
                place=str(self.path),
                remedy=f"Run {self.path.with_name('recipe.yaml')} to go on as begun, or start anew with another --out.",
            )
        state = training.Progress(
            info["epochs"], info["best_epoch"], info["best_value"], arrays["best"], dict(info["history"])
        )
        return state, arrays["now"]


def replay(callback: Any, network: Any, history: Mapping[str, list[float]]) -> None:
    """Brings a callback into the state it had: it sees the past epochs' logs again."""
    callback.set_model(network)
    callback.on_train_begin()
    epochs = len(next(iter(history.values()), []))
    for epoch in range(epochs):
        callback.on_epoch_end(epoch, {name: values[epoch] for name, values in history.items()})
    callback.on_train_begin = lambda logs=None: None  # the state stays as it is when training begins
