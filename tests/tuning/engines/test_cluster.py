"""Ray that is not there, clusters that are not joined, and machines that are not fit."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mlp_toolkit as mt
from mlp_toolkit.errors import MissingExtra, UserError
from mlp_toolkit.tuning.engines import cluster
from mlp_toolkit.tuning.engines.choice import Engine


@pytest.mark.parametrize("command", [["tune", "iris"], ["run", "iris", "wine"]])
def test_without_ray_it_is_told_what_to_install(call: Any, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    code, out, err = call(*command, "--engine", "ray")
    assert (code, out) == (2, "")
    assert 'pip install "mlp-toolkit[ray]"' in err
    with pytest.raises(MissingExtra):
        mt.tune("iris", engine="ray")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("RAY_AUTH_MODE", "disabled", "with authentication by token only"),
        ("RAY_ADDRESS", "ray://head:10001", "Ray's remote clients"),
        ("RAY_ADDRESS", "127.0.0.1:1", "no Ray cluster could be joined"),
    ],
)
def test_clusters_that_are_not_joined(
    variable: str, value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=said) as caught:
        mt.tune("iris", engine="ray", out=tmp_path / "run", verbose=0)
    assert variable in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_machine_that_sees_another_folder_of_that_name_is_told_apart(tmp_path: Path) -> None:
    with cluster.shared(tmp_path / "runs") as found:
        cluster.check_shared(found, "Name another.")
        (found.folder / found.sign).unlink()
        with pytest.raises(UserError, match="does not see this folder"):
            cluster.check_shared(found, "Name another.")
    assert not (tmp_path / "runs").exists()


def test_a_machine_with_another_keras_is_refused() -> None:
    cluster.check_versions(cluster.versions())
    with pytest.raises(UserError, match="another version of keras"):
        cluster.check_versions({**cluster.versions(), "keras": "3.0.0"})


@pytest.mark.parametrize(
    ("cpus", "gpus", "room"),
    [(1, 0.0, 12), (3, 0.0, 3), (1, 0.1, 8), (1, 1.0, 2), (2, 0.5, 4), (1, 2.0, 1), (9, 0.0, 0)],
)
def test_room_is_counted_machine_by_machine(cpus: int, gpus: float, room: int) -> None:
    has = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0}]
    nodes = [*({"Alive": True, "Resources": own} for own in has), {"Alive": False, "Resources": {"CPU": 99.0}}]
    ray = SimpleNamespace(nodes=lambda: nodes)
    assert cluster.room_for(ray, Engine("ray", cpus=cpus, gpus=gpus)) == room


def test_a_tenth_of_a_gpu_is_there_ten_times() -> None:
    ray = SimpleNamespace(nodes=lambda: [{"Alive": True, "Resources": {"CPU": 99.0, "GPU": 1.0}}])
    assert cluster.room_for(ray, Engine("ray", gpus=0.1)) == 10


def test_a_worker_that_takes_no_gpu_sees_none() -> None:
    hidden = {"env_vars": {"CUDA_VISIBLE_DEVICES": "-1"}}
    assert cluster.options_of(Engine("ray")) == {"num_cpus": 1, "num_gpus": 0.0, "runtime_env": hidden}
    assert cluster.options_of(Engine("ray", gpus=0.5)) == {"num_cpus": 1, "num_gpus": 0.5}


def test_what_this_machine_has_not_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    ray = SimpleNamespace(
        is_initialized=lambda: False,
        init=lambda **_: None,
        nodes=lambda: [{"Alive": True, "Resources": {"CPU": 2.0}}],
        cluster_resources=lambda: {"CPU": 2.0},
        shutdown=lambda: ended.append("ended"),
        exceptions=SimpleNamespace(RayError=RuntimeError),
    )
    monkeypatch.setattr(cluster, "load_ray", lambda: ray)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(UserError, match="3 CPUs and 0 GPUs"), cluster.connected(Engine("ray", cpus=3), print):
        pass
    with cluster.connected(Engine("ray", cpus=2), print):
        assert len(ended) == 1
    assert len(ended) == 2
