"""What workers tell each other: before the first epoch whose run it is and where it stands, after each whether to end.

The chief alone reads and writes the run directory, which the others need not see.
"""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe.spec import Recipe
from mlp_toolkit.runs import interruption
from mlp_toolkit.runs.checkpoint import Checkpoint, differences, progress_in
from mlp_toolkit.training.engine.sharing import cluster, workers
from mlp_toolkit.training.engine.sharing.workers import Group
from mlp_toolkit.training.trainer import Progress

Earlier = tuple[Progress, list[np.ndarray]] | None


@functools.cache
def own_folder() -> Path:
    """Where a worker that is not the chief keeps what it needs while it trains; a name that nobody foresees."""
    return Path(tempfile.mkdtemp(prefix="mlp-toolkit-worker-"))


@contextlib.contextmanager
def joined(spec: Recipe, say: Callable[[str], None]) -> Iterator[Group]:
    """The group that carries out a recipe: of one, but for `train.device: workers`. All end together.

    Args:
        spec: The recipe.
        say: Tells a person something.
    """
    place = cluster.place_of(spec.train.device)
    if len(place.addresses) > 1 and place.chief:
        say(f"{len(place.addresses)} workers: waiting for {', '.join(place.addresses[1:])}")
    try:
        with workers.joined(place, say) as group:
            yield group
            group.any(False)  # until all are here
    finally:
        if not place.chief:
            shutil.rmtree(own_folder(), ignore_errors=True)
            own_folder.cache_clear()


def told_by_chief(group: Group, told: dict[str, Any]) -> dict[str, Any]:
    """What the chief says, on all workers."""
    said: dict[str, Any] = json.loads(group.from_chief(json.dumps(told).encode()))
    return said


def begun(group: Group, checkpoint: Checkpoint, earlier: Earlier) -> Earlier:
    """Where the training stands: as the chief has read it.

    Args:
        group: The workers.
        checkpoint: Knows whose training it is.
        earlier: What the chief has read from it; None on the others.

    Raises:
        UserError: A worker has another recipe, or other data.
    """
    if group.strategy is None:
        return earlier
    own = _comparable(checkpoint)
    chiefs = told_by_chief(group, own)
    if group.any(own != chiefs):
        raise UserError(
            "this worker has another recipe or other data than the chief" + _lines(chiefs, own)
            if own != chiefs
            else "a worker has another recipe or other data than the chief; it says what differs",
            place="train.device: workers",
            remedy="Start all workers with the same recipe, and give all the same files.",
        )
    content = group.from_chief(checkpoint.source.read_bytes() if checkpoint.source else b"")
    if group.place.chief or not content:
        return earlier
    checkpoint.path.parent.mkdir(exist_ok=True)
    checkpoint.path.write_bytes(content)
    return progress_in(checkpoint.path)


def ending(group: Group) -> bool:
    """Whether training ends with this epoch since a worker was told to end."""
    return group.any(interruption.is_ending())


def after_epoch(group: Group) -> Callable[[Any, Progress], None]:
    """What a worker that is not the chief does after each epoch."""

    def end(network: Any, state: Progress) -> None:
        interruption.check_interrupted()
        if ending(group):
            raise interruption.Terminated(f"ended by SIGTERM after epoch {state.epochs}, with all workers")

    return end


def _comparable(checkpoint: Checkpoint) -> dict[str, Any]:
    """Whose training it is; not how the encoding's numbers came out, whose last digits differ between processors."""
    data = {key: value for key, value in checkpoint.identity["data"].items() if key != "encoded"}
    return {**checkpoint.identity, "data": data}


def _lines(chiefs: dict[str, Any], own: dict[str, Any]) -> str:
    return "".join(f"\n{line}" for line in differences(chiefs, own))
