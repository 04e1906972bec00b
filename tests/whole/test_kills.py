"""A run that is killed at random moments, again and again, ends on the bits of one that was left alone.

`python tests/whole/test_kills.py 200` kills two hundred times and prints what it saw. One process imports TensorFlow;
every attempt is a fork of it, so that a kill costs no start-up. Every other kill falls anywhere from the fork on: into
reading, writing the first files, compiling, training. The others wait for the attempt's first checkpoint, so that
there is something to lose, and fall within a few epochs of it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

RECIPE = """
task: binary
data: {path: rows.csv, target: y}
model: {hidden: [16, 16], dropout: 0.2, batch_norm: true}
train: {epochs: EPOCHS, batch_size: 16, early_stopping: null,
  class_weight: balanced, schedule: cosine, optimizer: nadam}
"""
EPOCHS_A_KILL = 5  # more than an attempt gets done on average: one run takes all kills
AFTER_CHECKPOINT = 0.1  # seconds at most


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_leave_no_trace(kills):
    command = [sys.executable, __file__, str(kills)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kills} kills" in done.stdout


def attempt(folder: Path, out: Path) -> None:
    """Begins a run or goes on with it, with a checkpoint after every epoch."""
    import mlp_toolkit as mt
    from mlp_toolkit.runs import checkpoint

    checkpoint.TRAINING_PER_CHECKPOINT = 0
    mt.run(folder / "r.yaml", out=out, resume=(out / "recipe.yaml").exists(), verbose=0)


def forked(folder: Path, out: Path, seconds: float | None, *, trained: bool = False) -> tuple[bool, float]:
    """One attempt, killed after so many seconds: from its begin on, or from its first checkpoint on.

    Returns:
        Whether it ended by itself, and how long it took until the clock began and after.
    """
    began, written = time.monotonic(), modified(out / "checkpoint.h5")
    clock = None if trained else began
    child = os.fork()
    if not child:
        code = 1
        try:
            attempt(folder, out)
            code = 0
        finally:
            os._exit(code)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        now = time.monotonic()
        if ended:
            if status:
                raise SystemExit(f"an attempt failed by itself with the status {status}")
            return True, now - began
        if clock is None and modified(out / "checkpoint.h5") != written:
            clock = now
        if seconds is not None and clock is not None and now - clock > seconds:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False, now - began
        time.sleep(0.002)


def modified(path: Path) -> int:
    """When a file was written, in nanoseconds; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def contents(out: Path) -> dict[str, bytes | list[bytes]]:
    """What must be equal: weights and optimizer of the model file, history, scores, predictions."""
    import h5py

    found: dict[str, bytes | list[bytes]] = {"history.csv": (out / "history.csv").read_bytes()}
    with h5py.File(out / "model.h5") as file:
        arrays: list[bytes] = []
        file.visititems(lambda name, item: arrays.append(item[()].tobytes()) if hasattr(item, "shape") else None)
        found["model.h5"] = arrays
    record = pd.read_json(out / "metrics.json", typ="series")
    found["metrics.json"] = repr(
        [record[key] for key in ("train", "validation", "test", "best_epoch", "epochs")]
    ).encode()
    found["predictions.parquet"] = pd.read_parquet(out / "predictions.parquet").to_csv().encode()
    return found


def main(kills: int) -> None:
    """Kills so many times, run after run, and compares each run that ends with the first, undisturbed one."""
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = np.random.default_rng(0).normal(size=(400, 5))
        frame = pd.DataFrame(rows, columns=list("abcde")).assign(y=(rows[:, 0] * rows[:, 1] > 0).astype(int))
        frame.to_csv(folder / "rows.csv", index=False)
        (folder / "r.yaml").write_text(RECIPE.replace("EPOCHS", str(40 + EPOCHS_A_KILL * kills)))
        import mlp_toolkit.runs.run  # noqa: F401  # TensorFlow, once for all forks

        forked(folder, folder / "whole", None)
        expected = contents(folder / "whole")
        killed = runs = early = 0
        start = 1.0  # seconds to a first checkpoint, learnt as it goes
        while killed < kills:
            runs += 1
            out = folder / f"run_{runs}"
            ended = False
            while not ended:
                trained = killed % 2 == 1
                seconds = chance.uniform(0, AFTER_CHECKPOINT if trained else 1.2 * start) if killed < kills else None
                ended, took = forked(folder, out, seconds, trained=trained)
                start = took if trained and not ended else start
                killed += not ended
                early += not ended and not (out / "checkpoint.h5").exists()
                left = [path.name for path in out.iterdir() if "model" in path.name] if out.exists() else []
                assert ended or left in ([], ["model.h5"]) or all(".partial" in name for name in left), left
            found = contents(out)
            odd = [name for name in expected if found[name] != expected[name]]
            if odd:
                raise SystemExit(f"run {runs}, after {killed} kills: {', '.join(odd)} differ")
        print(
            f"{killed} kills ({early} before the first checkpoint) over {runs} runs: every run ended on the same bits"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]))
