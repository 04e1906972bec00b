"""Whole recipes on a Ray cluster: one is wrong, the machine of another is killed, or none is large enough."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ray_machines import Machines, until

import mlp_toolkit as mt
from mlp_toolkit.tuning.engines import cluster
from mlp_toolkit.tuning.engines.choice import Engine
from mlp_toolkit.tuning.engines.recipes import by_ray
from mlp_toolkit.tuning.outcomes import Ended

RECIPE = (
    "task: regression\ndata: {{dataset: diabetes, target: {target}}}\nmodel: {{hidden: [16]}}\n"
    "train: {{epochs: {epochs}, early_stopping: null}}\nbaselines: none\nreport: brief\n"
)


def test_recipes_that_wait_for_a_larger_machine_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's part is played: nothing comes, then the recipe has ended."""
    waits, said = iter([[], ["recipe"]]), list[str]()
    ray = SimpleNamespace(
        is_initialized=lambda: True,
        nodes=lambda: [{"Alive": True, "Resources": {"CPU": 4.0}}],
        remote=lambda **_: lambda function: SimpleNamespace(remote=lambda *_, **__: "recipe"),
        wait=lambda refs, **_: (next(waits), []),
        get=lambda ref: Ended("iris", None, score="accuracy 1"),
        exceptions=SimpleNamespace(RayError=RuntimeError),
    )
    monkeypatch.setattr(cluster, "load_ray", lambda: ray)
    (ended,) = by_ray({"iris": tmp_path / "iris"}, {}, Engine("ray", cpus=8), said.append)
    assert ended.score == "accuracy 1"
    assert "8 CPUs and 0 GPUs" in said[0]
    assert said[1].startswith("iris: accuracy 1")


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
