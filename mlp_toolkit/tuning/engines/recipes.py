"""Whole recipes as Ray's tasks: each in a run directory of its own, in a folder that all machines see."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlp_toolkit.errors import ToolkitError, shorten
from mlp_toolkit.tuning.engines import cluster
from mlp_toolkit.tuning.engines.choice import Engine
from mlp_toolkit.tuning.outcomes import Ended, carried_out

RETRIES = 3  # of a recipe whose worker is gone; Ray looks for another


def by_ray(
    places: Mapping[str, Path], overrides: Mapping[str, Any], engine: Engine, say: Callable[[str], None]
) -> Iterator[Ended]:
    """Runs recipes side by side.

    Args:
        places: The run directory of each recipe, its own.
        overrides: Values by dotted key.
        engine: What each takes of a machine, and how many run at once.
        say: Tells the user.

    Yields:
        What came of each, as they end.
    """
    if not places:
        return
    with contextlib.ExitStack() as stack:
        ray = stack.enter_context(cluster.connected(engine, say))
        folders = {directory.parent for directory in places.values()}
        seen = {folder: stack.enter_context(cluster.shared(folder)) for folder in folders}
        task = ray.remote(**cluster.options_of(engine), max_retries=RETRIES)(_on_a_machine)
        waiting, running = [*places], dict[Any, str]()
        while waiting or running:
            while waiting and len(running) < (engine.workers or len(places)):
                recipe = waiting.pop(0)
                file = str(Path(recipe).absolute()) if Path(recipe).is_file() else recipe
                given = {"versions": cluster.versions(), "cpus": engine.cpus, "seen": seen[places[recipe].parent]}
                ref = task.remote(file, dict(overrides), directory=places[recipe].absolute(), **given)
                running[ref] = recipe
            done = ray.wait([*running], num_returns=1, timeout=cluster.SILENCE)[0]
            if not done and not cluster.room_for(ray, engine):
                say(f"{len(running)} recipes wait: each takes {cluster.taken(engine)}, and none has so many")
            for ref in done:
                recipe = running.pop(ref)
                directory = places[recipe] if places[recipe].is_dir() else None
                try:
                    ended = replace(ray.get(ref), recipe=recipe, directory=directory)
                except ray.exceptions.RayError as error:
                    ended = Ended(recipe, directory, 1, f"its workers were lost: {shorten(str(error), 1000)}")
                say(f"{recipe}: {ended.score or 'not done'}; {len(waiting) + len(running)} left")
                yield ended


def _on_a_machine(
    recipe: str,
    overrides: dict[str, Any],
    *,
    directory: Path,
    seen: cluster.Shared,
    versions: dict[str, str],
    cpus: int,
) -> Ended:
    """Runs a recipe on a machine of the cluster; where one was lost over it, from its last checkpoint on."""
    try:
        cluster.check_shared(seen, "Run in a folder that all machines of the cluster see: --out.")
        cluster.check_versions(versions)
    except ToolkitError as error:
        return Ended(recipe, directory, error.exit_code, str(error))
    cluster.use_threads(cpus)
    return carried_out(recipe, overrides, directory, 0)
