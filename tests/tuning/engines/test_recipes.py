"""Whole recipes on a Ray cluster: one is wrong, and the machine of another is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray_machines import Machines, until

import mlp_toolkit as mt

RECIPE = (
    "task: regression\ndata: {{dataset: diabetes, target: {target}}}\nmodel: {{hidden: [16]}}\n"
    "train: {{epochs: {epochs}, early_stopping: null}}\nbaselines: none\nreport: brief\n"
)


@pytest.mark.slow
def test_recipes_side_by_side(tmp_path: Path, machines: Machines) -> None:
    files = [tmp_path / f"{name}.yaml" for name in ("long", "wrong", "other")]
    files[0].write_text(RECIPE.format(target="target", epochs=1000))
    files[1].write_text(RECIPE.format(target="nothing", epochs=2))
    files[2].write_text(RECIPE.format(target="target", epochs=1000))
    out = tmp_path / "runs"
    process = machines.program("run", *files, "--out", out)
    until(lambda: len([*out.glob("*/checkpoint.h5")]) == 2, process)
    assert not [*out.glob("*/metrics.json")], "too late to test anything"
    machines.do("kill")
    printed, said = process.communicate(timeout=180)
    assert process.returncode == 2, said
    outcomes = {line.split()[0]: line.split()[1:] for line in printed.splitlines()[1:]}
    assert [outcomes[str(file)][0] for file in files] == ["done", "wrong", "done"]
    assert "data.target: no such column" in said
    here = mt.run(files[0], out=tmp_path / "here", verbose=0)
    for name in ("long", "other"):
        assert mt.load_run(out / name).metrics["test"] == pytest.approx(here.metrics["test"], rel=1e-4)
