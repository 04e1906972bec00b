"""Hostile model files: refused in plain words, in seconds, with nothing run; and what Keras does with the same files.

`PYTHONPATH=tests/programs python tests/storage/untrusted/test_attacks.py` writes the table of docs/safe_files.md anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
from attacks import ATTACKS, bases

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError

PAGE = Path(__file__).parents[3] / "docs" / "safe_files.md"
BEGIN, END = "<!-- attacks -->", "<!-- /attacks -->"
SECONDS, KIB = 10, 600_000  # for each file, at most
KERAS_SECONDS, KERAS_MEMORY = 30, 12 * 2**30
IDS = [f"{number} {attack.title} {attack.suffix}" for number, attack in enumerate(ATTACKS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("attacks")
    bases(path)
    return path


def made(attack, folder, target):
    """The hostile file, and the marker that its payload would create."""
    path, marker = target / f"model{attack.suffix}", target / "marker"
    shutil.copy(folder / f"base{attack.suffix}", path)
    attack.make(path, marker)
    return path, marker


def said(error, path):
    """The first line of what we say, without the path. Sizes of files differ between versions of HDF5."""
    text = str(error).splitlines()[0].replace(f"{path}: ", "")
    text = re.sub(r"\badam_\d+", "adam", text)  # Keras numbers what it names
    return re.sub(r"it has [\d,]+ of [\d,]+ bytes", "it has fewer bytes than it says", text)


def test_the_files_that_the_attacks_change_are_harmless(folder):
    for name in ("base.h5", "base.keras"):
        assert mt.load(folder / name).compiled
        assert mt.inspect(folder / name)["refused"] == []


@pytest.mark.parametrize("attack", ATTACKS, ids=IDS)
def test_a_hostile_file_is_refused(attack, folder, tmp_path, call):
    path, marker = made(attack, folder, tmp_path)
    (tmp_path / "rows.csv").write_text("x\n1\n")
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(UserError) as refused:
        mt.load(path)
    assert time.monotonic() - begun < SECONDS
    for arguments in (["predict", path, tmp_path / "rows.csv", "-O", tmp_path / "p.csv"], ["inspect", path]):
        begun = time.monotonic()
        code, out, err = call(*arguments)
        assert time.monotonic() - begun < SECONDS
        # `inspect` builds nothing, and may so describe a file that `load` refuses.
        assert code == 2 or arguments[0] == "inspect", err
        assert "Traceback" not in err
        if code == 2:
            assert err.startswith(f"mlp-toolkit: {path}: ")
            assert not out
    assert str(path) in str(refused.value)
    assert not marker.exists()
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted({path.name, "rows.csv"})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < KIB
    assert f"| {said(refused.value, path)} |" in PAGE.read_text("utf-8"), (
        "write the page anew: see the first lines of this file"
    )


def test_an_endless_file_and_a_pipe_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    (tmp_path / "zero.h5").symlink_to("/dev/zero")
    for name in ("pipe.h5", "zero.h5"):
        with pytest.raises(UserError, match="no such file"):
            mt.load(tmp_path / name)


def test_the_bound_on_a_files_size_can_be_raised(folder):
    size = (folder / "base.h5").stat().st_size
    with pytest.raises(UserError, match=r"largest="):
        mt.load(folder / "base.h5", largest=size - 1)
    assert mt.load(folder / "base.h5", largest=size).name == "base"


def test_the_file_is_read_once(folder, tmp_path, monkeypatch):
    """What is checked is what is built, though another takes the file's place in between."""
    for suffix in (".h5", ".keras"):
        path = tmp_path / f"model{suffix}"
        shutil.copy(folder / f"base{suffix}", path)
        opened = []
        original = Path.open

        def once(self, *args, path=path, opened=opened, original=original, **kwargs):
            file = original(self, *args, **kwargs)
            if self == path:
                opened.append(self)
                path.unlink()  # whoever opens it again fails
            return file

        monkeypatch.setattr(Path, "open", once)
        assert mt.load(path).name == "base"
        assert len(opened) == 1
        monkeypatch.undo()


def test_the_page_has_a_row_for_every_attack():
    rows = PAGE.read_text("utf-8").split(BEGIN)[1].split(END)[0].strip().splitlines()[2:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [
        f"{attack.title} ({attack.suffix})" for attack in ATTACKS
    ]


@pytest.mark.slow
def test_keras_still_does_what_the_page_says():
    rows = PAGE.read_text("utf-8").split(BEGIN)[1].split(END)[0].strip().splitlines()[2:]
    assert [row.split(" | ")[2] for row in rows] == what_keras_does()


def what_keras_does():
    """A word or two for each attack."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bases(folder)
        for number, attack in enumerate(ATTACKS):
            (folder / str(number)).mkdir()
            made(attack, folder, folder / str(number))
        waiting = [number for number, attack in enumerate(ATTACKS) if not attack.keras]
        while waiting:  # one process does it all, unless a file ends it
            subprocess.run(
                [sys.executable, __file__, "keras", name, json.dumps(waiting)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
                capture_output=not os.environ.get("WHY"),
                check=False,
            )
            results = folder / "results"
            found |= dict(json.loads(line) for line in results.read_text().splitlines()) if results.exists() else {}
            done = [number for number in waiting if number in found]
            if len(done) < len(waiting):
                found[waiting[len(done)]] = "crashes"
            waiting = waiting[len(done) + 1 :]
    return [attack.keras or found[number] for number, attack in enumerate(ATTACKS)]


def keras_alone(folder, numbers):
    """What `keras.models.load_model` does with files, one after the other; run in a process of its own."""
    import keras

    resource.setrlimit(resource.RLIMIT_AS, (KERAS_MEMORY, KERAS_MEMORY))
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError()))
    for number in numbers:
        place = folder / str(number)
        before = keras.config.epsilon()
        signal.alarm(KERAS_SECONDS)
        try:
            keras.models.load_model(place / f"model{ATTACKS[number].suffix}")
            word = "loads"
        except TimeoutError:
            word = "takes more than half a minute"
        except MemoryError:
            word = "runs out of memory"
        except Exception as error:
            word = "refuses"
            if os.environ.get("WHY"):
                print(ATTACKS[number].title, ATTACKS[number].suffix, type(error).__name__, str(error)[:300], flush=True)
        signal.alarm(0)
        if (place / "marker").exists() or keras.config.epsilon() is not before:
            word = "**runs it**"
            keras.config.set_epsilon(1e-7)
        with (folder / "results").open("a") as file:
            file.write(json.dumps([number, word]) + "\n")


def table():
    lines = ["| attack | CVE | Keras 3.15 | mlp_toolkit |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bases(folder)
        for attack, keras_does in zip(ATTACKS, what_keras_does(), strict=True):
            path, _ = made(attack, folder, folder)
            try:
                mt.load(path)
                ours = "LOADS"
            except UserError as error:
                ours = said(error, path)
            path.unlink()
            lines.append(f"| {attack.title} ({attack.suffix}) | {attack.cve} | {keras_does} | {ours} |")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["keras"]:
        with contextlib.suppress(KeyboardInterrupt):
            keras_alone(Path(sys.argv[2]), json.loads(sys.argv[3]))
    else:
        new = f"{BEGIN}\n{table()}\n{END}"
        PAGE.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: new, PAGE.read_text("utf-8"), flags=re.S), "utf-8")
