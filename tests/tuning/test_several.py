"""Several recipes in one command: each is run, whatever comes of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

GOOD = "task: regression\nname: {name}\ndata: {{dataset: diabetes, target: target}}\nbaselines: none\nreport: brief\n"


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a", "c"):
        (tmp_path / f"{name}.yaml").write_text(GOOD.format(name=name))
    (tmp_path / "b.yaml").write_text(GOOD.format(name="b").replace("target: target", "target: nothing"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_that_is_wrong_does_not_stop_the_others(call: Any, recipes: Path) -> None:
    command = ["run", "a.yaml", "b.yaml", "none.yaml", "c.yaml", "-o", "train.epochs=1"]
    code, out, err = call(*command)
    assert code == 2
    rows = [line.split() for line in out.splitlines()[1:]]
    assert [row[:2] for row in rows] == [
        ["a.yaml", "done"],
        ["b.yaml", "wrong"],
        ["none.yaml", "wrong"],
        ["c.yaml", "done"],
    ]
    assert "data.target: no such column" in err
    for row in (rows[0], rows[3]):
        score = json.loads(Path(row[-1], "metrics.json").read_text())["test"]["rmse"]
        assert float(row[3]) == pytest.approx(score, rel=1e-3)
    (recipes / "b.yaml").write_text(GOOD.format(name="b"))
    before = Path("runs/a/metrics.json").read_bytes()
    code, out, _ = call("run", "a.yaml", "b.yaml", "-o", "train.epochs=1", "--resume")
    assert code == 0
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["runs/a", "runs/b"]
    assert Path("runs/a/metrics.json").read_bytes() == before, "what is complete is not repeated"
    code, out, _ = call("run", "a.yaml", "none.yaml", "-o", "train.epochs=1", "--resume", "--json")
    assert code == 2
    told = json.loads(out)
    assert [(one["recipe"], one["directory"], one["exit_code"]) for one in told] == [
        ("a.yaml", "runs/a", 0),
        ("none.yaml", None, 2),
    ]


def test_two_of_one_name_have_no_directory_of_their_own(call: Any, recipes: Path) -> None:
    (recipes / "c.yaml").write_text(GOOD.format(name="a"))
    code, out, err = call("run", "a.yaml", "c.yaml", "--out", "found")
    assert (code, out) == (2, "")
    assert "a.yaml, c.yaml" in err
    assert not Path("found").exists()


def test_a_network_of_workers_is_not_one_of_several(call: Any, recipes: Path) -> None:
    code, out, err = call("run", "a.yaml", "c.yaml", "-o", "train.device=workers")
    assert code == 2
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["wrong", "wrong"]
    assert err.count("workers train one network together") == 2
    assert not Path("runs").exists()


def test_a_fault_of_ours_is_told_apart_from_a_wrong_recipe(
    call: Any, recipes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlp_toolkit.tuning import outcomes

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("somewhere")

    monkeypatch.setattr(outcomes, "run", broken)
    code, out, err = call("run", "a.yaml", "c.yaml")
    assert code == 1
    assert [line.split()[1] for line in out.splitlines()[1:]] == ["failed", "failed"]
    assert err.count("ZeroDivisionError: somewhere") == 2
