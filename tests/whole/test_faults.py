"""What happens when a disk is full, a file is damaged, or someone ends the program: nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import filelock
import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt
from mlp_toolkit.data.streaming import stream as streaming
from mlp_toolkit.files import writing
from mlp_toolkit.recipe import resolving
from mlp_toolkit.runs import checkpoint, interruption
from mlp_toolkit.runs import run as runs_module
from mlp_toolkit.storage import array_files
from mlp_toolkit.training import trainer


@pytest.fixture
def always(monkeypatch):
    """A checkpoint after every epoch."""
    monkeypatch.setattr(checkpoint, "TRAINING_PER_CHECKPOINT", 0)


def stopped(path, out, after, monkeypatch, **options):
    """A run that ends after so many epochs."""
    write = checkpoint.Checkpoint.write

    def stopping(self, network, state):
        write(self, network, state)
        if state.epochs == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.Checkpoint, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            mt.run(path, options, out=out, verbose=0)


def equal(one, other):
    pd.testing.assert_frame_equal(one.history, other.history)
    assert one.metrics["test"] == other.metrics["test"]
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("damage", ["a flipped bit", "half of it", "nothing"])
def test_a_damaged_checkpoint_is_told_and_the_one_before_used(
    always, folder, runs, tmp_path, monkeypatch, caplog, damage
):
    stopped(folder / "binary.yaml", tmp_path / "run", 3, monkeypatch)
    file = tmp_path / "run" / "checkpoint.h5"
    raw = bytearray(file.read_bytes())
    arrays, _ = array_files.read_arrays(file)
    spot = bytes(raw).index(max(arrays["now"], key=np.size).tobytes())  # a weight, not the unused space of the file
    raw[spot + 5] ^= 16
    file.write_bytes({"a flipped bit": raw, "half of it": raw[: len(raw) // 2], "nothing": b""}[damage])
    again = mt.run(folder / "binary.yaml", out=tmp_path / "run", resume=True, verbose=0)
    assert "The checkpoint before it is used" in caplog.text
    equal(again, runs["binary"])


def test_two_damaged_checkpoints_are_one_message(always, folder, tmp_path, monkeypatch):
    stopped(folder / "binary.yaml", tmp_path / "run", 2, monkeypatch)
    for name in ("checkpoint.h5", "checkpoint.before.h5"):
        (tmp_path / "run" / name).write_bytes(b"nothing")
    with pytest.raises(mt.UserError, match=r"checkpoint\.before\.h5"):
        mt.run(folder / "binary.yaml", out=tmp_path / "run", resume=True, verbose=0)


def test_a_kill_between_the_two_checkpoints_leaves_the_older(always, folder, runs, tmp_path, monkeypatch):
    stopped(folder / "binary.yaml", tmp_path / "run", 2, monkeypatch)
    (tmp_path / "run" / "checkpoint.h5").unlink()
    equal(mt.run(folder / "binary.yaml", out=tmp_path / "run", resume=True, verbose=0), runs["binary"])


def test_what_differs_is_shown(always, folder, tmp_path, monkeypatch):
    stopped(folder / "binary.yaml", tmp_path / "run", 1, monkeypatch)
    with pytest.raises(mt.UserError) as caught:
        mt.run(
            folder / "binary.yaml",
            {"train.batch_size": 16, "model.dropout": 0.3},
            out=tmp_path / "run",
            resume=True,
            verbose=0,
        )
    assert "train.batch_size: was 32, is 16" in str(caught.value)
    assert "model.dropout: was 0.2, is 0.3" in str(caught.value)
    assert "epochs" not in str(caught.value)


def test_a_changed_file_of_data_is_shown(always, folder, tmp_path, monkeypatch):
    for name in ("people.csv", "binary.yaml"):
        shutil.copy(folder / name, tmp_path)
    stopped(tmp_path / "binary.yaml", tmp_path / "run", 1, monkeypatch)
    with (tmp_path / "people.csv").open("a") as file:
        file.write((tmp_path / "people.csv").read_text().splitlines()[-1] + "\n")
    with pytest.raises(mt.UserError, match=r"data\.fingerprint: was"):
        mt.run(tmp_path / "binary.yaml", out=tmp_path / "run", resume=True, verbose=0)


def test_a_second_run_into_the_same_folder_is_refused(folder, tmp_path):
    (tmp_path / "run").mkdir()
    with filelock.FileLock(tmp_path / "run" / ".lock"), pytest.raises(mt.UserError, match="another process is writing"):
        mt.run(folder / "binary.yaml", out=tmp_path / "run", verbose=0)


def test_nothing_is_left_of_a_run_that_could_not_begin(folder, tmp_path):
    with pytest.raises(mt.UserError):
        mt.run(folder / "binary.yaml", {"data.features": {"mean area": "date"}}, out=tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def test_what_a_killed_process_left_is_swept_away(folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".checkpoint.12345.partial.h5").write_bytes(b"half")
    mt.run(folder / "multiclass.yaml", {"train.epochs": 1}, out=tmp_path / "run", verbose=0)
    assert not [path.name for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]


def test_a_full_disk_is_one_message_and_the_checkpoint_before_stays_whole(always, folder, runs, tmp_path, monkeypatch):
    """A limit on the size of files, as a disk with so much room: the system refuses to write on."""
    stopped(folder / "binary.yaml", tmp_path / "run", 2, monkeypatch)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal_before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = (tmp_path / "run" / "checkpoint.h5").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, before[1]))
    try:
        with pytest.raises(mt.UserError, match="cannot be written"):
            mt.run(folder / "binary.yaml", out=tmp_path / "run", resume=True, verbose=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, signal_before)
    equal(mt.run(folder / "binary.yaml", out=tmp_path / "run", resume=True, verbose=0), runs["binary"])


def test_the_message_of_a_full_disk_says_what_to_do():
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        pytest.raises(mt.UserError, match=r"No space left on device\n  .*Make room and go on with --resume"),
        writing(Path("checkpoint.h5")),
    ):
        raise full


def test_a_folder_that_cannot_be_written_is_one_message(folder):
    with pytest.raises(mt.UserError, match="the run directory cannot be written"):
        mt.run(folder / "binary.yaml", out="/proc/run", verbose=0)


def test_data_that_changes_under_a_streamed_run_ends_it(folder, tmp_path, people):
    people.to_parquet(tmp_path / "people.parquet", row_group_size=50)
    (tmp_path / "r.yaml").write_text("task: binary\ndata: {path: people.parquet, target: kind, stream: true}\n")
    data = streaming.open_stream(resolving.load_recipe(tmp_path / "r.yaml").spec, "r.yaml", tmp_path)
    assert list(data.group(0))
    people.iloc[::-1].to_parquet(tmp_path / "people.parquet", row_group_size=50)
    with pytest.raises(mt.UserError, match="has changed while the run was reading it"):
        list(data.group(0))


def test_out_of_memory_says_what_was_asked_for_and_what_to_lower(call, monkeypatch, folder, tmp_path):
    def asking(*_, **__):
        return np.empty((10**9, 10**9))

    monkeypatch.setattr(runs_module, "run", asking)
    code, _, err = call("run", folder / "binary.yaml", "--out", tmp_path / "run")
    assert code == 1
    assert "out of memory: Unable to allocate" in err
    assert "batch_size" in err
    assert "Traceback" not in err


def test_a_clock_that_goes_backwards_does_no_harm(folder, runs, tmp_path, monkeypatch):
    now = iter(range(10**9, 0, -1000))
    monkeypatch.setattr("time.time", lambda: float(next(now)))
    equal(mt.run(folder / "binary.yaml", out=tmp_path / "run", verbose=0), runs["binary"])


def test_sigterm_ends_with_the_epoch_and_a_checkpoint(folder, tmp_path):
    options = ["-o", "train.epochs=400", "-o", "train.early_stopping=null"]
    begin = [sys.executable, "-m", "mlp_toolkit", "run", folder / "binary.yaml", *options, "--out", tmp_path / "run"]
    process = subprocess.Popen(begin, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("epoch"):
            break
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143
    assert "go on with it by --resume" in err
    assert "Traceback" not in err
    _, info = array_files.read_arrays(tmp_path / "run" / "checkpoint.h5")
    assert f"after epoch {info['epochs']}" in err
    assert len(pd.read_csv(tmp_path / "run" / "history.csv")) == info["epochs"] < 400


class Dropping:
    """Ctrl-C while an object is taken away: Python says so, and goes on."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_that_python_drops_ends_training_after_the_epoch(folder, tmp_path):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with interruption.listening():
        dropping = Dropping()
        del dropping
        with pytest.raises(KeyboardInterrupt):
            mt.run(folder / "binary.yaml", {"train.epochs": 1_000}, out=tmp_path / "run", verbose=0)
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert not (tmp_path / "run" / "model.h5").exists()


def test_two_processes_give_the_same_bits(folder, runs, tmp_path):
    code = "import sys, mlp_toolkit as mt; mt.run(sys.argv[1], out=sys.argv[2], verbose=0)"
    subprocess.run([sys.executable, "-c", code, folder / "binary.yaml", tmp_path / "other"], check=True)
    equal(mt.load_run(tmp_path / "other"), runs["binary"])
    said = json.loads((tmp_path / "other" / "environment.json").read_text())["repeats"]
    assert "same bits" in said


def test_progress_goes_through_a_checkpoint_whole(tmp_path):
    arrays = {"now": [np.arange(3.0), np.array(7, np.int64)], "best": [np.ones((2, 2), np.float32)]}
    state = trainer.Progress(epochs=2, notes=["a", "b"])
    array_files.write_arrays(tmp_path / "s.h5", arrays, {"notes": state.notes, "best_value": float("inf")})
    read, info = array_files.read_arrays(tmp_path / "s.h5")
    assert info == {"notes": ["a", "b"], "best_value": float("inf")}
    for name, values in arrays.items():
        for a, b in zip(values, read[name], strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


@pytest.mark.parametrize("stream", ["true", "false"])
def test_a_row_group_with_a_wrong_checksum_is_one_message(folder, tmp_path, people, stream):
    people.to_parquet(tmp_path / "people.parquet", row_group_size=100, write_page_checksum=True, compression="none")
    raw = bytearray((tmp_path / "people.parquet").read_bytes())
    place = raw.rindex(people["age"].dropna().iloc[-1].tobytes())  # a value of the last row group
    raw[place] ^= 1
    (tmp_path / "people.parquet").write_bytes(raw)
    recipe_file = tmp_path / "r.yaml"
    recipe_file.write_text(f"task: binary\ndata: {{path: people.parquet, target: kind, stream: {stream}}}\n")
    with pytest.raises(mt.UserError, match=r"people\.parquet.*(?s:.*)checksum"):
        mt.run(recipe_file, out=tmp_path / "run", verbose=0)
    assert not list((tmp_path / "run").glob("model*"))
