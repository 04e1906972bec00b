"""A run directory that is taken away, replaced or full of the wrong things, and standard streams that are closed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError
from mlp_toolkit.runs import checkpoint, directory

PROGRAM = [sys.executable, "-m", "mlp_toolkit"]


@pytest.fixture
def after_two_epochs(monkeypatch):
    """Does something once the second checkpoint is written; there is one after every epoch."""
    monkeypatch.setattr(checkpoint, "TRAINING_PER_CHECKPOINT", 0)
    write = checkpoint.Checkpoint.write

    def doing(action):
        def written(self, network, state):
            write(self, network, state)
            if state.epochs == 2:
                action()

        monkeypatch.setattr(checkpoint.Checkpoint, "write", written)

    return doing


def replaced(out):
    shutil.rmtree(out)
    out.write_text("mine")


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (shutil.rmtree, ["the folder was removed meanwhile", "What was trained is lost with it"]),
        (replaced, ["the folder was replaced by a file meanwhile", "What was trained is lost with it"]),
        (
            lambda out: (out / "model.h5").mkdir(),
            ["model.h5: cannot be written", "whole: ", "checkpoint.h5", "--resume"],
        ),
        (
            lambda out: (out / "metrics.json").mkdir(),
            ["metrics.json: cannot be written", "The trained model is whole: "],
        ),
    ],
)
def test_a_run_that_can_no_longer_write_says_what_is_left(after_two_epochs, folder, tmp_path, action, words):
    out = tmp_path / "run"
    after_two_epochs(lambda: action(out))
    with pytest.raises(UserError) as caught:
        mt.run(folder / "binary.yaml", out=out, verbose=0)
    assert [word for word in words if word not in str(caught.value)] == []
    if out.is_file():
        assert out.read_text() == "mine"


@pytest.mark.parametrize("name", ["model.h5", "metrics.json"])
def test_once_that_is_mended_resume_writes_what_is_missing(after_two_epochs, folder, runs, tmp_path, name):
    out = tmp_path / "run"
    after_two_epochs((out / name).mkdir)
    with pytest.raises(UserError, match="--resume"):
        mt.run(folder / "binary.yaml", out=out, verbose=0)
    (out / name).rmdir()
    again = mt.run(folder / "binary.yaml", out=out, resume=True, verbose=0)
    assert again.metrics["test"] == runs["binary"].metrics["test"]


@pytest.mark.parametrize("name", [name for name in directory.FILES if name != "recipe.yaml"])
def test_a_folder_in_the_place_of_a_file_is_told_before_training(folder, tmp_path, name):
    (tmp_path / "run" / name).mkdir(parents=True)
    with pytest.raises(UserError, match="a folder stands where the run writes a file"):
        mt.run(folder / "binary.yaml", out=tmp_path / "run", verbose=0)


def test_a_folder_with_the_name_of_a_file_in_the_making_is_left_alone(folder, tmp_path):
    (tmp_path / "run" / ".x.partial").mkdir(parents=True)
    mt.run(folder / "binary.yaml", {"train.epochs": 1}, out=tmp_path / "run", verbose=0)
    assert (tmp_path / "run" / ".x.partial").is_dir()


@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", "2>/dev/full", "2>&1 | true"])
def test_a_run_does_not_need_a_terminal(folder, tmp_path, streams):
    if "full" in streams and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    out = tmp_path / "run"
    command = (
        f'{sys.executable} -m mlp_toolkit run "{folder / "binary.yaml"}" -o train.epochs=1 --out "{out}" {streams}'
    )
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], check=False, timeout=120, cwd=tmp_path)
    assert (out / "metrics.json").is_file()
    assert done.returncode == (1 if "true" in streams else 0)  # the run directory could not be printed, and is there
    assert sorted(path.name for path in out.iterdir() if path.suffix == "") == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_tensorflow_starts_leaves_none_of_its_lines(folder, tmp_path, number, code):
    process = subprocess.Popen(
        [*PROGRAM, "run", str(folder / "binary.yaml"), "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and "libtensorflow" not in _mapped(process.pid):
        time.sleep(0.01)
    time.sleep(0.3)  # its libraries are there: it is writing its first lines
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert said == ("" if code == 130 else "mlp-toolkit: ended by SIGTERM\n")
    assert not (tmp_path / "run").exists()


def _mapped(pid):
    """The libraries of a process."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            return maps.read()
    except OSError:
        pytest.skip("no /proc")
