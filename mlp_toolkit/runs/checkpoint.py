"""`checkpoint.h5`: what a run needs to go on after a stop, and whose run it is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.data.columns.encoder import Encoding
from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.files import writing
from mlp_toolkit.recipe import catalog
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.runs import interruption
from mlp_toolkit.storage import array_files
from mlp_toolkit.training import trainer
from mlp_toolkit.training.engine.variables import snapshot

log = logging.getLogger("mlp_toolkit")

# A checkpoint waits until the run took this many times as long as all checkpoints, another like the last one included:
# they cost 2.5 % of it, once it has run for a second or two. The first is written after the first epoch.
TRAINING_PER_CHECKPOINT = 40
# What counts once a network is trained: another may be asked for on the way.
AFTER_TRAINING = ("decision", "intervals", "baselines", "report", "metrics", "tune")


class Checkpoint:
    """`checkpoint.h5`: what training depends on, and whose training it is.

    Args:
        path: Of the file.
        resolved: The recipe.
        data: Its rows.
        beside: Writes whatever else is to be there when a checkpoint is.
        ending: Whether training is to end with an epoch.

    Attributes:
        source: The file that was read, or None.
    """

    def __init__(
        self,
        path: Path,
        resolved: Resolved,
        data: RecipeData,
        beside: Callable[[trainer.Progress], None],
        ending: Callable[[], bool] = interruption.is_ending,
    ) -> None:
        self.path, self.beside, self.ending = path, beside, ending
        self.source: Path | None = None
        told = identity_of(resolved, data)
        told["train"] = {**resolved.values["train"], **resolved.spec.train.by_rows(data.counts["train"])}
        told["data"] |= {"stream": data.streamed, "encoded": _digest(data.encoding)}
        self.identity: dict[str, Any] = json.loads(json.dumps(told, default=str))
        self.begun, self.cost, self.spent = time.monotonic(), 0.0, 0.0

    def write(self, network: Any, state: trainer.Progress) -> None:
        """Writes the state after an epoch, unless that would cost too much of the run's time.

        Raises:
            Terminated: The program was told to end; the state is written.
            KeyboardInterrupt: Ctrl-C was pressed, and has not ended the program yet.
        """
        interruption.check_interrupted()
        now, ending = time.monotonic(), self.ending()
        waited = now - self.begun >= TRAINING_PER_CHECKPOINT * (self.spent + self.cost)
        if self.spent and not waited and not ending:
            return
        info = {"identity": self.identity, "epochs": state.epochs, "best_epoch": state.best_epoch}
        info |= {"best_value": state.best_value, "history": state.history, "notes": state.notes}
        info["members"] = state.members
        arrays = {"now": snapshot(network), "best": [np.asarray(value) for value in state.best]}
        for epoch, values in state.snapshots.items():
            arrays[f"epoch {epoch}"] = [np.asarray(value) for value in values]
        with writing(self.path):
            array_files.write_arrays(self.path, arrays, info)
            self.beside(state)
        self.cost = time.monotonic() - now
        self.spent += self.cost
        if ending:
            raise interruption.Terminated(f"ended by SIGTERM after epoch {state.epochs}; go on with it by --resume")

    def finished(self) -> None:
        """Takes away what only an unfinished run needs: the checkpoint before the last."""
        array_files.earlier_file(self.path).unlink(missing_ok=True)

    def read(self) -> tuple[trainer.Progress, list[np.ndarray]] | None:
        """The stored progress and the values of all variables; None where the run stopped before its first.

        Raises:
            UserError: The recipe or the data is another than the interrupted run's, or no checkpoint is whole.
        """
        self.source = _newest(self.path)
        if self.source is None:
            return None
        arrays, info = array_files.read_arrays(self.source)
        stored, own = _comparable(_with_later_keys(info["identity"]), self.identity)
        if stored != own:
            raise UserError(
                "the recipe or its data has changed since this run was interrupted: it cannot be gone on with\n"
                + "\n".join(differences(stored, own)),
                place=str(self.path),
                remedy=f"Run {self.path.with_name('recipe.yaml')} to go on as begun, or start anew with another --out.",
            )
        return _progress(arrays, info)


def _newest(path: Path) -> Path | None:
    """The newest checkpoint of a run that is whole."""
    older = array_files.earlier_file(path)
    if path.is_file():
        try:
            array_files.read_arrays(path)
            return path
        except UserError as error:
            if not older.is_file():
                raise
            log.warning("%s\nThe checkpoint before it is used.", error)
    return older if older.is_file() else None


def identity_of(resolved: Resolved, data: RecipeData) -> dict[str, Any]:
    """What a training depends on: the recipe's values by section, and which rows there are."""
    told = {key: value for key, value in resolved.values.items() if key not in ("name", *AFTER_TRAINING)}
    told["data"] = {
        "fingerprint": data.fingerprint,
        "target": resolved.spec.data.targets,
        "split": resolved.values["data"]["split"],
        "classes": list(data.target.classes),
        "sample_weight": resolved.spec.data.sample_weight,
        "kinds": dict(data.kinds.by_column),
    }
    return told


def trained_with(path: Path, keys: Sequence[str]) -> dict[str, Any] | None:
    """The values that a stopped run trained with, by dotted key; None where it stopped before its first checkpoint.

    Nothing is read for no keys.
    """
    source = _newest(path) if keys else None
    if source is None:
        return None
    identity = array_files.read_arrays(source)[1]["identity"]
    return {f"{section}.{key}": identity[section][key] for section, key in (dotted.split(".") for dotted in keys)}


def progress_in(path: Path) -> tuple[trainer.Progress, list[np.ndarray]]:
    """The progress and the values of all variables in a checkpoint, whosever it is."""
    return _progress(*array_files.read_arrays(path))


def _progress(arrays: dict[str, list[np.ndarray]], info: dict[str, Any]) -> tuple[trainer.Progress, list[np.ndarray]]:
    state = trainer.Progress(
        info["epochs"],
        info["best_epoch"],
        info["best_value"],
        arrays["best"],
        [(value, epoch) for value, epoch in info.get("members", [])],
        {int(name[6:]): values for name, values in arrays.items() if name.startswith("epoch ")},
        info["history"],
        notes=info["notes"],
    )
    return state, arrays["now"]


def _digest(encoding: Encoding) -> str:
    """SHA-256 over the values of an encoding; how its classes are made does not count."""
    values = {part.kind: dataclasses.asdict(part) for part in encoding.parts}
    if not values.get("numeric", {"gaps": True})["gaps"]:  # checkpoints of earlier versions know of none
        del values["numeric"]["gaps"]
    plain = json.dumps({"parts": values, "scaling": dataclasses.asdict(encoding.scaling)}, sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def _with_later_keys(stored: dict[str, Any]) -> dict[str, Any]:
    """What an earlier version stored, with the defaults of the keys that it did not know."""
    defaults = catalog.preset("slides", str(stored.get("task")))
    filled = {key: {**defaults[key], **stored[key]} for key in ("model", "train") if isinstance(stored.get(key), dict)}
    data = stored.get("data", {})
    if isinstance(data.get("split"), dict):
        filled["data"] = {**data, "split": {**defaults["data"]["split"], **data["split"]}}
    return {**stored, **filled}


def _comparable(stored: dict[str, Any], own: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two identities without what does not count.

    Columns that are ignored are not always listed: a recipe that lists its features does not name them, the resolved
    recipe does. Version 0.1 kept a digest of how the encoding's classes print. What it was fitted to is compared in any
    case: the data by its fingerprint, the split, the kinds of the columns.
    """
    left_out = {"encoding", "encoded"} if "encoding" in stored.get("data", {}) else set()

    def counting(identity: dict[str, Any]) -> dict[str, Any]:
        data = {key: value for key, value in identity.get("data", {}).items() if key not in left_out}
        kinds = {name: kind for name, kind in data.get("kinds", {}).items() if kind != "ignore"}
        rest = {key: value for key, value in identity.items() if key not in AFTER_TRAINING}
        return {**rest, "data": {**data, "kinds": kinds}}

    return counting(stored), counting(own)


def differences(old: Any, new: Any, key: str = "") -> list[str]:
    """What was and what is, a line for each value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for name in {**old, **new}
            if old.get(name) != new.get(name)
            for line in differences(old.get(name), new.get(name), f"{key}.{name}" if key else str(name))
        ]
    return [f"  {key}: was {shorten(old, 60)}, is {shorten(new, 60)}"]
