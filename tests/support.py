"""What tests share that is no fixture: a recipe of each task, and a new Python process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
