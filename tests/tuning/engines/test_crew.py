"""What becomes of the other workers where one is lost, without Ray."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlp_toolkit.errors import ToolkitError
from mlp_toolkit.tuning.engines.choice import Engine
from mlp_toolkit.tuning.engines.crew import MOST_FAILURES, Crew, Lost, Post


class Gone(Exception):
    """What Ray raises of a worker that is gone."""


class FakeRay:
    """All that is asked of it has come, and is what the asked name says; what is `gone` raises."""

    def __init__(self) -> None:
        names = ("RayError", "RayActorError", "ObjectLostError", "NodeDiedError")
        self.exceptions = SimpleNamespace(**dict.fromkeys((*names, "OutOfMemoryError", "WorkerCrashedError"), Gone))
        self.killed: list[Any] = []
        self.kill = self.killed.append

    def wait(self, refs: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return refs[:1], refs[1:]

    def get(self, ref: str) -> Any:
        if ref.startswith("gone"):
            raise Gone("the machine is gone")


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
