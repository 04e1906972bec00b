"""What tests share that is no fixture: a recipe of each task, and a new Python process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

RECIPES = {
    "regression": "task: regression\ndata: {path: people.csv, target: age}\ntrain: {epochs: 4}\n",
    "binary": (
        "task: binary\ndata: {path: people.csv, target: kind, positive: malignant}\n"
        "train: {epochs: 4}\nmodel: {dropout: 0.2}\n"
    ),
    "multilabel": "task: multilabel\ndata: {path: people.csv, target: [big, dark]}\ntrain: {epochs: 4}\n",
    "multiclass": "task: multiclass\ndata: {path: people.csv, target: city}\ntrain: {epochs: 4}\n",
}


def python(code: str, *arguments: object, cwd: Path | None = None) -> str:
    """What a new Python process prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def difference(one, other) -> float:
    """The largest difference between a weight of one model and the same weight of another."""
    return max(np.abs(a.numpy() - b.numpy()).max() for a, b in zip(one.weights, other.weights, strict=True))


def killed_after_a_checkpoint(recipe: Path, overrides: dict[str, Any], out: Path) -> None:
    """Runs a recipe in a process of its own, and kills that once there is a checkpoint, before there is a model."""
    code = "import sys, json, mlp_toolkit as mt\n"
    code += "mt.run(sys.argv[1], json.loads(sys.argv[2]), out=sys.argv[3], verbose=0)\n"
    process = subprocess.Popen([sys.executable, "-c", code, recipe, json.dumps(overrides), out])
    deadline = time.monotonic() + 120
    while not (out / "checkpoint.h5").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "model.h5").exists(), "the process was killed too late to test anything"
