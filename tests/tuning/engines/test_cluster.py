"""Ray that is not there, clusters that are not joined, and machines that are not fit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import mlp_toolkit as mt
from mlp_toolkit.errors import MissingExtra, UserError
from mlp_toolkit.tuning.engines import cluster


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
