"""Which engine is asked for, and what is said of one that is not there."""

from __future__ import annotations

from typing import Any

import pytest

from mlp_toolkit.errors import UserError
from mlp_toolkit.tuning.engines.choice import Engine, engine_of


def test_an_engine_is_a_name_or_a_mapping() -> None:
    assert engine_of("local") == engine_of({}) == Engine("local", None, 1, 0, None)
    wanted = {"name": "ray", "workers": 8, "cpus": 2, "gpus": 0.5, "storage": "s3://bucket/trials"}
    assert engine_of(wanted) == Engine(**wanted)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("rai", "did you mean 'ray'"),
        ({"name": "ray", "cpu": 2}, "did you mean 'cpus'"),
        ({"name": "ray", "cpus": 0}, "cpus is out of range"),
        ({"name": "ray", "workers": True}, "workers is out of range"),
        ({"name": "ray", "gpus": float("nan")}, "gpus is out of range"),
        ({"name": "ray", "gpus": 1.5}, "gpus is out of range"),
        ({"name": "ray", "gpus": 0.00001}, "gpus is out of range"),
        ({"name": "ray", "storage": ""}, "storage is out of range"),
        ({"workers": 2}, "Leave workers out, or ask for the engine ray"),
    ],
)
def test_others_are_refused(wanted: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        engine_of(wanted)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tune", "iris", "--engine", "rai"], "allowed: local, ray"),
        (["run", "iris", "wine", "--engine", "rai"], "allowed: local, ray"),
        (["tune", "iris", "--storage", "x"], "storage is for workers"),
        (["run", "iris", "--engine", "ray", "--cpus", "0"], "cpus is out of range"),
    ],
)
def test_the_program_says_so(call: Any, arguments: list[str], said: str) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("mlp-toolkit: --engine: ")
