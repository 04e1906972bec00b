"""Which worker of a group this process is, by the variable TF_CONFIG that launchers set.

`{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}`: the same on all but for the task.
Launchers may call the first worker `chief`, as Kubernetes' TFJob does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlp_toolkit.errors import UserError

VARIABLE = "TF_CONFIG"
WORKERS = "workers"  # `train.device` of a network that a group of workers trains
KINDS = ("chief", "worker")
EXAMPLE = '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'


class Place(NamedTuple):
    """A process among those that train one network.

    Attributes:
        number: Its own, from 0: the chief's.
        addresses: `host:port` of each, in their order.
    """

    number: int = 0
    addresses: tuple[str, ...] = ("",)

    @property
    def chief(self) -> bool:
        """Whether this process writes the run directory."""
        return self.number == 0


def place_of(device: str, environment: Mapping[str, str] | None = None) -> Place:
    """The place of this process: alone, unless the recipe's device is `workers`.

    Args:
        device: `train.device`.
        environment: Holds TF_CONFIG; None takes this process's own.

    Raises:
        UserError: TF_CONFIG is not set, or says something else than a place among workers.
    """
    if device != WORKERS:
        return Place()
    text = (os.environ if environment is None else environment).get(VARIABLE)
    if not text:
        raise UserError(
            f"a process learns from the variable {VARIABLE} which worker it is, and it is not set",
            place="train.device: workers",
            remedy="On one machine: mlp-toolkit launch --workers N RECIPE. Launchers of several machines set it.",
        )
    try:
        said = json.loads(text)
    except ValueError:
        raise _wrong("is not JSON", text) from None
    return _place_in(said)


def check_alone(device: str, what: str) -> None:
    """Refuses workers where several networks are trained.

    Raises:
        UserError: The recipe asks for workers.
    """
    if device == WORKERS:
        raise UserError(
            f"workers train one network together, and {what} trains several",
            place="train.device",
            found=device,
            remedy="Say -o train.device=auto.",
        )


def _place_in(said: Any) -> Place:
    cluster, task = (said.get(key) if isinstance(said, dict) else None for key in ("cluster", "task"))
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _wrong("names no cluster and no task", said)
    others = sorted(set(cluster) - {*KINDS, "evaluator"})
    if others or task.get("type") not in KINDS:
        raise _wrong(f"names a task of a kind that takes no part: {(others or [task.get('type')])[0]!r}", said)
    addresses: list[str] = []
    begin = {}
    for kind in KINDS:
        own = cluster.get(kind, [])
        if not isinstance(own, list) or not all(isinstance(address, str) and ":" in address for address in own):
            raise _wrong(f"is to list each {kind} as host:port", own)
        begin[kind] = len(addresses), len(own)
        addresses += own
    if len({*addresses}) < len(addresses):
        raise _wrong("names an address twice", addresses)
    index, (first, number) = task.get("index"), begin[task["type"]]
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < number:
        raise _wrong(f"has {number} tasks of the kind {task['type']}, counted from 0", index)
    return Place(first + index, tuple(addresses))


def _wrong(problem: str, found: Any) -> UserError:
    return UserError(f"{VARIABLE} {problem}", place="train.device: workers", found=found, remedy=f"As in {EXAMPLE}.")
