"""A search that is killed again and again, and gone on with, beside one that is not: do they come to the same?

`python tests/programs/kill_search.py 30` kills so often; a second number is the seed of the moments. A third of the
kills comes while a process starts, a third in its trials (half of these while a line of the journal is written), and a
third in the run of the best recipe. It prints what each kill has left, and what differs at the end, if anything does:
then it exits with 1.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd

TRIALS_A_KILL, LEAST_TRIALS = 1.5, 6  # one that is killed in its trials carries out two at most
PATIENCE = 1200.0  # seconds for anything; the machine may be busy
RECIPE = """
task: regression
name: curve
data: {path: rows.csv, target: y, split: {validation: 0.3, test: 0.2}}
model: {hidden: [8], dropout: 0.1}
train: {epochs: 40, batch_size: 16, early_stopping: null}
tune:
  sampler: random
  space:
    train.optimizer.learning_rate: {min: 1.0e-4, max: 1.0e-1, log: true}
    model.activation: {values: [relu, tanh]}
"""


@dataclass
class Usual:
    """An undisturbed search.

    Attributes:
        start: Seconds until its journal is there.
        trial: Bytes of the journal that a trial has.
        run: Seconds for the run of the best recipe.
    """

    start: float
    trial: float
    run: float


class Process:
    """`mlp-toolkit tune` in a process of its own; it goes on with what is there."""

    def __init__(self, recipe: Path, out: Path, trials: int) -> None:
        self.out, self.journal = out, out / "trials.journal"
        there = ["--resume"] if self.journal.exists() else []
        command = [sys.executable, "-m", "mlp_toolkit", "tune", recipe, "--out", out, "--trials", str(trials), *there]
        self.begun, self.told = time.monotonic(), recipe.with_suffix(".log")
        self.known = self.size()
        self.earlier = {name: self.changed(name) for name in ("recipe.yaml", "report.html")}
        with self.told.open("wb") as told:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=told)

    def size(self) -> int:
        """The bytes of the journal."""
        return self.journal.stat().st_size if self.journal.exists() else 0

    def changed(self, name: str) -> int:
        """When a file was written."""
        return (self.out / name).stat().st_mtime_ns if (self.out / name).exists() else 0

    def written(self, name: str) -> bool:
        """Whether this process has written a file."""
        return self.changed(name) != self.earlier[name]

    def until(self, happened: Callable[[], object]) -> bool:
        """Waits for something; whether it happened before the process ended."""
        while not happened():
            if self.process.poll() is not None:
                return False
            if time.monotonic() - self.begun > PATIENCE:
                self.process.kill()
                raise TimeoutError(f"nothing happens\n{self.said()}")
            time.sleep(0.0003)
        return self.process.poll() is None

    def end(self) -> None:
        """Waits for its end, which is to be a good one."""
        if self.process.wait(PATIENCE):
            raise RuntimeError(f"it ended with {self.process.returncode}\n{self.said()}")

    def said(self) -> str:
        """What it has told the user."""
        return self.told.read_text("utf-8")


def undisturbed(recipe: Path, out: Path, trials: int) -> Usual:
    """Searches once, and looks at the clock."""
    own = Process(recipe, out, trials)
    times = []
    for happened in (own.journal.exists, lambda: own.written("recipe.yaml"), (out / "metrics.json").exists):
        assert own.until(happened), own.said()
        times.append(time.monotonic())
    own.end()
    return Usual(times[0] - own.begun, own.size() / trials, times[2] - times[1])


def at_start(own: Process, usual: Usual, random: Random) -> bool:
    """Wherever it may be before its first line of the journal; the machine may be faster now than it was."""
    moment = own.begun + random.uniform(0.0, 1.0) * usual.start
    there = own.until(lambda: time.monotonic() > moment or own.size() > own.known)
    usual.start = min(usual.start, time.monotonic() - own.begun) if own.size() > own.known else usual.start
    return there


def in_a_trial(own: Process, usual: Usual, random: Random) -> bool:
    """Once the journal has grown by two trials or less, and a moment later: between epochs little of it is written."""
    size = own.known + random.uniform(0.0, 2.0) * usual.trial
    if not own.until(lambda: own.size() > size):
        return False
    moment = time.monotonic() + random.choice([0.0, random.uniform(0.0, 0.2)])
    return own.until(lambda: time.monotonic() > moment)


def in_the_journal(own: Process, usual: Usual, random: Random) -> bool:
    """The same, but while Optuna's lock says that a line is being written."""
    return in_a_trial(own, usual, random) and own.until(lambda: os.path.lexists(f"{own.journal}.lock"))


def in_the_run(own: Process, usual: Usual, random: Random) -> bool:
    """A while after the run of the best recipe has begun, before or as soon as its report is there."""
    if not own.until(lambda: own.written("recipe.yaml")):
        return False
    moment = time.monotonic() + random.uniform(0.0, 1.0) * usual.run
    return own.until(lambda: time.monotonic() > moment or own.written("report.html"))


def moments(kills: int, random: Random) -> list[Callable[[Process, Usual, Random], bool]]:
    """When to kill: starts, trials and lines of the journal in any order, and then the run."""
    runs = max(1, kills // 3)
    before = [(in_a_trial, at_start, in_the_journal, at_start)[place % 4] for place in range(kills - runs)]
    random.shuffle(before)
    return [*before, *[in_the_run] * runs]


def left(out: Path) -> str:
    """What a kill has left."""
    journal = out / "trials.journal"
    if not journal.exists():
        return "no journal"
    found = [f"{len(pd.read_csv(out / 'trials.csv')) if (out / 'trials.csv').exists() else 0} trials"]
    found += ["half a line"] if journal.read_bytes()[-1:] not in (b"", b"\n") else []
    found += ["a lock"] if os.path.lexists(f"{journal}.lock") else []
    found += [name for name in ("recipe.yaml", "checkpoint.h5", "model.h5", "report.html") if (out / name).exists()]
    return ", ".join(found)


def without_times(told: Any) -> Any:
    """What a JSON document says, but for seconds."""
    if isinstance(told, dict):
        return {key: without_times(value) for key, value in told.items() if key != "seconds"}
    return told


def differences(one: Path, other: Path, trials: int) -> list[str]:
    """What differs between two searches, but for the time that they took."""
    found = []
    tables = [pd.read_csv(folder / "trials.csv").drop(columns="seconds") for folder in (one, other)]
    if [*tables[1]["trial"]] != [*range(trials)]:
        found.append(f"trials: {[*tables[1]['trial']]}")
    if not tables[0].equals(tables[1]):
        found.append(f"trials.csv:\n{tables[0].compare(tables[1]) if len(tables[0]) == len(tables[1]) else tables[1]}")
    for name in ("best.yaml", "recipe.yaml", "history.csv"):
        if (one / name).read_bytes() != (other / name).read_bytes():
            found.append(name)
    told = [without_times(json.loads((folder / "metrics.json").read_text("utf-8"))) for folder in (one, other)]
    found += [f"metrics.json: {key}" for key in {**told[0], **told[1]} if told[0].get(key) != told[1].get(key)]
    rows = [pd.read_parquet(folder / "predictions.parquet") for folder in (one, other)]
    if not rows[0].equals(rows[1]):
        found.append("predictions.parquet")
    names = [{file.name for file in folder.iterdir()} for folder in (one, other)]
    if names[0] != names[1]:
        found.append(f"files: {sorted(names[0] ^ names[1])}")
    return found


def killed(folder: Path, kills: int, seed: int = 0, say: Callable[[str], None] = print) -> list[str]:
    """Kills a search so often, and says what differs from an undisturbed one; a folder gets both."""
    random = Random(seed)
    x = np.random.default_rng(0).uniform(-1, 1, (160, 3))
    rows = pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=np.sin(3 * x[:, 0]) + x[:, 1])
    rows.to_csv(folder / "rows.csv", index=False)
    recipe, trials = folder / "curve.yaml", max(LEAST_TRIALS, round(kills * TRIALS_A_KILL))
    recipe.write_text(RECIPE)
    usual = undisturbed(recipe, folder / "undisturbed", trials)
    say(f"undisturbed: {trials} trials, {usual.start:.1f} s to start, {usual.run:.1f} s for the run of the best")
    out = folder / "killed"
    for number, moment in enumerate(moments(kills, random), 1):
        own = Process(recipe, out, trials)
        if not moment(own, usual, random):
            own.end()
            return [f"the search was over before kill {number} of {kills}"]
        own.process.send_signal(signal.SIGKILL)
        own.process.wait()
        seconds = time.monotonic() - own.begun
        say(f"kill {number}, {moment.__name__.replace('_', ' ')}, after {seconds:.2f} s: {left(out)}")
    Process(recipe, out, trials).end()
    return differences(folder / "undisturbed", out, trials)


def main() -> None:
    kills, seed = (*map(int, sys.argv[1:3]), *(30, 0)[len(sys.argv[1:3]) :])
    with tempfile.TemporaryDirectory() as folder:
        found = killed(Path(folder), kills, seed)
    print("\n".join(found) or f"{kills} kills, and nothing differs")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
