"""What becomes of the other workers where one is lost, without Ray."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlp_toolkit.errors import ToolkitError
from mlp_toolkit.tuning.engines import cluster
from mlp_toolkit.tuning.engines import crew as crew_file
from mlp_toolkit.tuning.engines.choice import Engine
from mlp_toolkit.tuning.engines.crew import MOST_FAILURES, Crew, Lost, Post


class Gone(Exception):
    """What Ray raises of a worker that is gone."""


class Failed(Exception):
    """What Ray raises of an exception in a worker."""

    cause, ip = RuntimeError("the GPU has fallen off the bus"), "10.0.0.7"


class FakeRay:
    """All that is asked of it has come, and is what the asked name says; what is `gone` raises."""

    def __init__(self) -> None:
        names = ("RayError", "RayActorError", "ObjectLostError", "NodeDiedError", "OutOfMemoryError")
        self.exceptions = SimpleNamespace(**dict.fromkeys((*names, "WorkerCrashedError"), Gone), RayTaskError=Failed)
        self.killed: list[Any] = []
        self.kill = self.killed.append
        self.started = 0

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 2.0}}]

    def remote(self, **_: Any) -> Any:
        def start(*_: Any) -> Any:
            self.started += 1
            return SimpleNamespace(ready=SimpleNamespace(remote=lambda: f"gone {self.started}"))

        return lambda kind: SimpleNamespace(remote=start)

    def wait(self, refs: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return refs[:1], refs[1:]

    def get(self, ref: str) -> Any:
        if ref.startswith("gone"):
            raise Gone("the machine is gone")
        if ref.startswith("failed"):
            raise Failed("the way to it, line by line")


@pytest.fixture
def crew() -> Any:
    job: Any = None
    return Crew(FakeRay(), Engine("ray"), job, None, lambda text: None)


def test_a_lost_trial_is_not_given_to_idle_workers_that_may_be_gone_with_its_own(crew: Any) -> None:
    crew.idle = ["idle 1", "idle 2"]
    post = Post("lost", SimpleNamespace(number=0), set())  # type: ignore[arg-type]  # all that is asked of a trial is its number
    crew.at_work = {"gone": post}
    assert crew.events() == [(post, Lost("the machine is gone"))]
    assert crew.idle == []
    assert crew.ray.killed == ["lost", "idle 1", "idle 2"]


@pytest.mark.parametrize("others", [True, False])
def test_workers_that_do_not_start_end_the_search_where_there_are_no_others(crew: Any, others: bool) -> None:
    crew.idle = ["idle"] if others else []
    crew.starting = {f"gone {number}": "worker" for number in range(MOST_FAILURES)}
    for _ in range(MOST_FAILURES - 1):
        assert crew.events() == []
    if others:
        assert crew.events() == []
        assert crew.idle == ["idle"]
    else:
        with pytest.raises(ToolkitError, match="end as soon as they start"):
            crew.events()


def test_a_machine_that_fails_is_as_good_as_one_that_is_gone(crew: Any) -> None:
    post = Post("lost", SimpleNamespace(number=0), set())  # type: ignore[arg-type]  # as above
    crew.at_work = {"failed": post}
    assert crew.events() == [(post, Lost("RuntimeError on 10.0.0.7: the GPU has fallen off the bus"))]
    assert crew.ray.killed == ["lost"]


def test_beside_workers_that_are_well_others_that_end_at_once_are_started_now_and_then_only(
    crew: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, now = list[str](), [1000.0]
    crew.say, crew.at_work = said.append, {"busy": None}
    monkeypatch.setattr(crew_file, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for _ in range(20):
        crew.fill(2)
        if crew.starting:
            crew.events()
    assert crew.ray.started == MOST_FAILURES
    assert len(said) == 1
    assert "workers end as soon as they start: the machine is gone" in said[0]
    now[0] += cluster.SILENCE
    crew.fill(2)
    assert crew.ray.started == MOST_FAILURES + 1
    crew.at_work.clear()
    with pytest.raises(ToolkitError, match="end as soon as they start"):
        crew.events()
