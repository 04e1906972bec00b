"""The processes of a group start together and end together; and what workers cannot train is refused before."""

from __future__ import annotations

import json
import os
import socket
import sys
import time

import numpy as np
import pytest

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import tf
from mlp_toolkit.recipe import resolving
from mlp_toolkit.runs.workers import launching

# Stands for `mlp-toolkit run`: says who it is, and ends as its argument says, the chief's way first.
PRETENDING = """
import json, os, pathlib, signal, sys, time
number = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
folder, *ways = sys.argv[1:]
pathlib.Path(folder, f"{number}.json").write_text(json.dumps({**os.environ, "pid": os.getpid()}))
print(f"worker {number} has a word to say", file=sys.stderr)
way = ways[number]
if way == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if way == "waits":
    time.sleep(60)
sys.exit(int(way))
"""


@pytest.fixture
def launched(monkeypatch, tmp_path):
    """Launches processes that end as is said; gives what `launch` returns, and what each process saw."""
    monkeypatch.setattr(launching, "PROGRAM", (sys.executable, "-c", PRETENDING))
    monkeypatch.setattr(launching, "TO_AGREE", 2.0)

    def launch(*ways):
        return launching.launch([str(tmp_path), *ways], len(ways), "AGAIN")

    return launch


def seen(folder, number):
    return json.loads((folder / f"{number}.json").read_text())


def has_ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_workers_are_told_their_places_and_share_the_processors(launched, tmp_path, capfd):
    assert launched("0", "0", "0") == 0
    told = [json.loads(seen(tmp_path, number)["TF_CONFIG"]) for number in range(3)]
    assert [each["task"] for each in told] == [{"type": "worker", "index": number} for number in range(3)]
    assert told[0]["cluster"] == told[1]["cluster"] == told[2]["cluster"]
    assert len({*told[0]["cluster"]["worker"]}) == 3
    processors = len(os.sched_getaffinity(0))
    assert seen(tmp_path, 1)["TF_NUM_INTRAOP_THREADS"] == str(max(1, processors // 3))
    assert capfd.readouterr().err == "worker 0 has a word to say\n"


@pytest.mark.parametrize("ways", [("waits", "killed"), ("killed", "waits"), ("waits", "waits", "killed")])
def test_a_killed_worker_ends_all(launched, tmp_path, ways):
    begun = time.monotonic()
    with pytest.raises(launching.GroupEnded, match="was killed by SIGKILL, and all others are ended") as ended:
        launched(*ways)
    assert f"worker {ways.index('killed')} of {len(ways)}" in str(ended.value)
    assert "Go on from the last checkpoint: AGAIN" in str(ended.value)
    assert ended.value.exit_code == 1
    assert time.monotonic() - begun < 20
    for number in range(len(ways)):
        assert not (tmp_path / f"{number}.json").exists() or has_ended(seen(tmp_path, number)["pid"])


def test_another_end_is_told_with_the_last_words(launched):
    with pytest.raises(launching.GroupEnded, match="ended with exit code 1") as ended:
        launched("waits", "1")
    assert "worker 1: worker 1 has a word to say" in str(ended.value)


def test_a_fault_of_the_recipe_is_said_once(launched, capfd):
    assert launched("2", "2") == 2  # the chief has said it
    with pytest.raises(launching.Fault, match="worker 1: worker 1 has a word to say") as ended:
        launched("waits", "2")
    assert ended.value.exit_code == 2
    assert capfd.readouterr().err == "worker 0 has a word to say\n" * 2


def test_ctrl_c_ends_all(launched, tmp_path, monkeypatch):
    def pressed(seconds):
        if not interrupted and all((tmp_path / f"{number}.json").exists() for number in range(2)):
            interrupted.append(True)
            raise KeyboardInterrupt
        wait(seconds)

    interrupted, wait = [], time.sleep
    monkeypatch.setattr(launching.time, "sleep", pressed)
    with pytest.raises(KeyboardInterrupt):
        launched("waits", "waits")
    assert all(has_ended(seen(tmp_path, number)["pid"]) for number in range(2))


IRIS = {"task": "multiclass", "data": {"dataset": "iris", "target": "target"}, "train": {"device": "workers"}}


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"model.ensemble": 2}, "train.device: is not available for several members"),
        ({"model.network": "realmlp"}, "train.device: is not available for several members"),
        ({"train.optimizer.clipnorm": 1.0}, "train.optimizer.clipnorm: is not available for several workers"),
        ({"train.optimizer.global_clipnorm": 1.0}, "global_clipnorm: is not available for several workers"),
        ({"train.optimizer.clipvalue": 1.0}, "clipvalue: is not available for several workers"),
        ({"train.precision": "mixed_float16"}, "train.precision: is not available for several workers"),
        ({"model.pretrain": {}}, "model.pretrain: is not available for several workers"),
    ],
)
def test_what_workers_would_train_otherwise_is_refused(overrides, says):
    with pytest.raises(UserError, match=says):
        resolving.load_recipe(IRIS, overrides)


@pytest.mark.parametrize(
    ("workers", "batch_size", "says"),
    [(1, 32, "2 to 256"), (257, 32, "2 to 256"), (3, 32, "batch_size=33"), (2, 31, "cannot be parted equally")],
)
def test_the_number_of_workers_is_checked_before_any_starts(workers, batch_size, says):
    spec = resolving.load_recipe(IRIS, {"train.batch_size": batch_size}).spec
    with pytest.raises(UserError, match=says):
        launching.check(spec, workers)


def test_without_tf_config_the_command_line_says_how(call, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    code, out, err = call("run", "iris", "-o", "train.device=workers")
    assert (code, out) == (2, "")
    assert "mlp-toolkit launch --workers N RECIPE" in err
    assert len(err.strip().splitlines()) == 2


def test_launch_refuses_before_it_starts_anything(call, monkeypatch):
    monkeypatch.setattr(launching, "launch", lambda *_: pytest.fail("started"))
    code, _, err = call("launch", "--workers", "2", "iris", "-o", "train.epochs=-1")
    assert code == 2
    assert "train.epochs" in err
    code, _, err = call("launch", "--workers", "3", "iris", "-o", "train.batch_size=32")
    assert code == 2
    assert "train.batch_size=33" in err
    code, _, err = call("launch", "iris")
    assert code == 2
    assert "--workers" in err


def test_launch_hands_on_what_it_was_given(call, monkeypatch):
    given = []
    monkeypatch.setattr(launching, "launch", lambda *arguments: given.append(arguments) or 0)
    code, *_ = call("launch", "--workers", "2", "iris", "-o", "train.epochs=3", "--out", "my runs/x", "--resume")
    ((arguments, workers, again),) = given
    assert (code, workers) == (0, 2)
    options = ["-o", "train.epochs=3", "-o", "train.device=workers", "--out", "my runs/x", "--resume"]
    assert arguments == ["iris", *options]
    assert again == "mlp-toolkit launch --workers 2 iris -o train.epochs=3 --out 'my runs/x' --resume"


def test_a_process_that_uses_tensorflow_already_joins_no_group(monkeypatch, tmp_path):
    tf.zeros(1)
    one, other = launching.free_ports(2)
    addresses = [f"127.0.0.1:{one}", f"127.0.0.1:{other}"]
    monkeypatch.setenv("TF_CONFIG", launching.environment_of(0, addresses, "")["TF_CONFIG"])
    with socket.create_server(("", other)), pytest.raises(UserError, match="cannot join its group") as refused:
        mt.run(IRIS, out=tmp_path / "run", verbose=0)
    assert "Let mt.run be the first that uses TensorFlow" in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_what_trains_several_networks_refuses_workers(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UserError, match="a cross-validation trains several"):
        mt.cross_validate(IRIS, folds=2)
    with pytest.raises(UserError, match="a search trains several"):
        mt.tune(IRIS, trials=1)
    with pytest.raises(UserError, match="workers train the recipe of `mlp-toolkit run`"):
        mt.fit(mt.build_mlp("binary", n_features=2), np.eye(2), [0, 1], device="workers", verbose=0)
