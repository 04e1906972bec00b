"""Real workers end where one process ends, and go on after a kill to the same bits. Minutes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from mlp_toolkit.runs.workers.launching import environment_of, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")]

ROWS = 603  # 392 of training at batches of 40: the last has 32; of 48: 8
RECIPE = """\
task: binary
data: {path: rows.csv, target: y, sample_weight: w, features: [a, b, c, kind]}
train: {epochs: 3, batch_size: 40, class_weight: balanced, early_stopping: null}
baselines: none
report: brief
"""
# What all workers and one process alone are given, one run after another in the same processes.
CASES = {
    "sgd": {"train.optimizer": {"name": "sgd", "learning_rate": 0.1}},
    "adam, normalized, penalized": {"model.batch_norm": True, "model.l2": 0.01, "train.batch_size": 48},
    "labels": {
        "task": "multilabel",
        "data.target": ["p", "q"],
        "data.features": ["a", "b", "c"],
        "train.optimizer": {"name": "momentum", "learning_rate": 0.1},
    },
}
RUNS = """
import json, sys
import mlp_toolkit as mt
recipe, cases, device, out = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]
for number, overrides in enumerate(cases):
    mt.run(recipe, {**overrides, "train.device": device}, out=f"{out}/{number}", verbose=0)
"""
STREAMED = {
    "data.path": "rows.parquet",
    "data.stream": True,
    "train.epochs": 25,
    "train.batch_size": 64,
    "model.dropout": 0.2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Rows as CSV and as Parquet in groups, and a recipe."""
    path = tmp_path_factory.mktemp("workers")
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(ROWS, 3)), columns=["a", "b", "c"])
    rows["kind"] = random.choice(["red", "green", "blue"], ROWS, p=[0.6, 0.3, 0.1])
    rows["w"] = random.uniform(0.5, 2, ROWS)
    rows["y"] = np.where(rows["a"] + rows["b"] * rows["c"] > 0.7, "yes", "no")
    rows["p"], rows["q"] = (rows["a"] > 1).astype(int), (rows["b"] > 0).astype(int)
    rows.to_csv(path / "rows.csv", index=False)
    rows.to_parquet(path / "rows.parquet", row_group_size=100)
    (path / "recipe.yaml").write_text(RECIPE)
    return path


def given(overrides):
    return [part for key, value in overrides.items() for part in ("-o", f"{key}={json.dumps(value)}")]


def launched(folder, out, *options):
    arguments = ["launch", "--workers", "2", "recipe.yaml", *given(STREAMED), "--out", out, *options]
    return subprocess.Popen(
        [sys.executable, "-m", "mlp_toolkit", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def trained(folder):
    """The runs of all cases: alone, and by two workers, each started as a launcher of one's own would."""
    cases = json.dumps([*CASES.values(), {key: value for key, value in STREAMED.items() if key != "model.dropout"}])
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    environments = [dict(os.environ), *(environment_of(number, addresses, str(folder)) for number in range(2))]
    for several in (environments[:1], environments[1:]):
        device, out = ("cpu", "alone") if len(several) == 1 else ("workers", "shared")
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", RUNS, "recipe.yaml", cases, device, out],
                cwd=folder,
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
            )
            for environment in several
        ]
        for process in processes:
            assert (process.wait(), process.stderr.read()) == (0, "")
            process.stderr.close()
    return folder


def apart(one: Path, other: Path) -> float:
    """The largest difference between two runs: weights, state of the optimizer, history, predictions."""
    found = []
    with h5py.File(one / "model.h5") as first, h5py.File(other / "model.h5") as second:

        def compare(name, item):
            if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
                found.append(np.abs(item[()] - second[name][()]).max(initial=0))

        first.visititems(compare)
    assert len(found) > 6
    for table in ("history.csv", "predictions.parquet"):
        read = pd.read_csv if table.endswith("csv") else pd.read_parquet
        values = [read(run / table).select_dtypes("number").to_numpy(float) for run in (one, other)]
        found.append(np.abs(values[0] - values[1]).max())
    return float(max(found))


@pytest.mark.parametrize("case", [*CASES, "streamed"])
def test_two_workers_end_where_one_process_does(trained, case):
    number = [*CASES, "streamed"].index(case)
    assert apart(trained / "alone" / str(number), trained / "shared" / str(number)) < 1e-5


def test_the_chief_alone_writes_and_nothing_else_is_left(trained):
    alone, shared = ({file.name for file in (trained / who / "0").iterdir()} for who in ("alone", "shared"))
    assert shared == alone
    told = [json.loads((trained / who / "0" / "metrics.json").read_text()) for who in ("alone", "shared")]
    assert [each.get("workers") for each in told] == [None, 2]
    assert not list(trained.glob("mlp-toolkit-*"))


def worker_of(launcher: int, number: int) -> int:
    """The process of a worker."""
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if f'"index": {number}' in Path(f"/proc/{child}/environ").read_text():
            return int(child)
    raise AssertionError(f"no worker {number}")


def test_a_killed_worker_ends_the_group_and_all_go_on_to_the_same_bits(folder):
    undisturbed = launched(folder, "undisturbed")
    said, told = undisturbed.communicate(timeout=200)
    assert (undisturbed.returncode, said) == (0, "undisturbed\n"), told
    assert told.count("epoch    1/25") == 1

    killed = launched(folder, "killed")
    end = time.monotonic() + 100
    while not (folder / "killed" / "checkpoint.h5").exists() and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(worker_of(killed.pid, 1), signal.SIGKILL)
    begun = time.monotonic()
    _, told = killed.communicate(timeout=100)
    assert time.monotonic() - begun < 60
    assert killed.returncode == 1
    assert "worker 1 of 2 was killed by SIGKILL, and all others are ended" in told
    assert "--resume" in told
    assert not (folder / "killed" / "model.h5").exists(), "it was killed too late to test anything"

    resumed = launched(folder, "killed", "--resume")
    _, told = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, told
    assert apart(folder / "undisturbed", folder / "killed") == 0


def test_a_worker_with_other_data_is_refused(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "recipe.yaml").write_text(RECIPE)
    pd.read_csv(folder / "rows.csv")[1:].to_csv(other / "rows.csv", index=False)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "mlp_toolkit",
                "run",
                "recipe.yaml",
                "-o",
                "train.device=workers",
                "--out",
                "refused",
            ],
            cwd=place,
            env=environment_of(number, addresses, str(tmp_path)),
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, place in enumerate((folder, other))
    ]
    told = [process.communicate(timeout=100)[1] for process in processes]
    assert [process.returncode for process in processes] == [2, 2]
    assert "another recipe or other data than the chief; it says what differs" in told[0]
    assert "data.fingerprint: was" in told[1]
    assert not (folder / "refused").exists()
