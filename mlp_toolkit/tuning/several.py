"""Several recipes: one that fails does not keep the others from being run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlp_toolkit.errors import ToolkitError, UserError
from mlp_toolkit.recipe import resolving
from mlp_toolkit.runs.directory import begun, chosen_directory
from mlp_toolkit.training import progress
from mlp_toolkit.training.engine.sharing.cluster import check_alone
from mlp_toolkit.tuning.engines.choice import Engine
from mlp_toolkit.tuning.engines.recipes import by_ray
from mlp_toolkit.tuning.outcomes import Ended, carried_out


def run_several(
    recipes: Sequence[str],
    overrides: Mapping[str, Any],
    *,
    out: Path | None = None,
    resume: bool = False,
    engine: Engine,
    verbose: Any = "auto",
) -> list[Ended]:
    """Runs recipes: one after another in this process, or side by side on a Ray cluster.

    Args:
        recipes: YAML files, or names of recipes that ship.
        overrides: Values by dotted key that win over those of every recipe.
        out: The folder of the run directories, NAME each; None takes `runs` below the current folder.
        resume: Go on with those that were interrupted; those that are complete stay as they are, others begin.
        engine: What carries them out.
        verbose: As `run` takes it.

    Returns:
        What came of each, in their order; what was wrong is told on standard error at once.

    Raises:
        UserError: Two of them are to be run in one directory.
    """
    say = progress.speaker(verbose)
    ended: dict[str, Ended] = {}
    places: dict[str, Path] = {}
    for recipe in dict.fromkeys(recipes):
        try:
            spec = resolving.load_recipe(recipe, overrides).spec
            check_alone(spec.train.device, "a run of several recipes")
            places[recipe] = _place(out, spec.name, resume)
        except ToolkitError as error:
            ended[recipe] = _told(say, Ended(recipe, None, error.exit_code, str(error)))
    _check_apart(places)
    if engine.name == "ray":
        for one in by_ray(places, overrides, engine, say):
            ended[one.recipe] = _told(say, one)
    else:
        for place, (recipe, directory) in enumerate(places.items(), 1):
            say(f"{place} of {len(places)}: {recipe}")
            ended[recipe] = _told(say, carried_out(recipe, overrides, directory, verbose))
    return [ended[recipe] for recipe in dict.fromkeys(recipes)]


def _place(out: Path | None, name: str, resume: bool) -> Path:
    """The run directory of a recipe; with `resume` the last one, or a new one where there is none."""
    own = (out or Path("runs")) / name
    if out is None:
        return chosen_directory(None, name, resume and own.exists())
    return chosen_directory(own, name, resume and begun(own))


def _check_apart(places: Mapping[str, Path]) -> None:
    for directory, count in Counter(places.values()).items():
        if count > 1:
            same = [recipe for recipe, own in places.items() if own == directory]
            raise UserError(
                f"{count} recipes have one name, and would be run in one directory",
                place=str(directory),
                found=", ".join(same),
                remedy="Give each of them a `name:` of its own.",
            )


def _told(say: Callable[[str], None], ended: Ended) -> Ended:
    if ended.exit_code:
        say(f"{ended.recipe} failed:\n{ended.message}")
    return ended
