"""The whole story of a search: trials one after another, then the best recipe trained, and tested once.

Trials follow one another. Those of the same shapes train through one compiled program; side by side in one they would
take as long, for the arithmetic is the same, and none could be ended before the others.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data import dataset
from mlp_toolkit.data.dataset import Dataset
from mlp_toolkit.data.streaming import stream
from mlp_toolkit.errors import UserError, number
from mlp_toolkit.files import atomic
from mlp_toolkit.recipe import catalog, resolving, yaml_text
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.recipe.searching import check_space, space_of
from mlp_toolkit.recipe.spec import Range, Recipe, Tune, Values
from mlp_toolkit.runs import given_rows
from mlp_toolkit.runs.directory import JOURNAL, begun, chosen_directory, locked, told_what_is_left, write_text
from mlp_toolkit.runs.finished import Run, summary
from mlp_toolkit.runs.run import carry_out as run_best
from mlp_toolkit.runs.run import with_rows
from mlp_toolkit.training import progress, warm_start
from mlp_toolkit.training.engine.sharing import cluster
from mlp_toolkit.tuning import pictures, study, trials
from mlp_toolkit.tuning.luck import MOST_ROWS, luck_of

if TYPE_CHECKING:
    import optuna

OUTPUTS = ".trials"  # what each trial says of the rows it has not learnt, until the search is done


@dataclass(frozen=True)
class _Search:
    """A search in its directory."""

    resolved: Resolved
    tune: Tune
    space: Mapping[str, Range | Values]
    metric: str
    data: Dataset
    directory: Path
    place: str
    overrides: Mapping[str, Any]
    recipe: Any

    def with_values(self, values: Mapping[str, Any]) -> Resolved:
        """The recipe with values of a trial, and no search in it."""
        return resolving.load_recipe(self.recipe, {**self.overrides, **values, "tune": None})


def tune(
    recipe: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    data: Any = None,
    trials: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    verbose: Any = "auto",
) -> Run:
    """Searches for better hyperparameters, then trains and tests the best recipe.

    Each trial trains the recipe with other values, and is scored on the rows that it does not learn; the test rows are
    used once, by the best recipe, at the end. Optuna chooses the values, and keeps the trials in the run directory: a
    search that was stopped goes on where it was. What is searched over, and how, the recipe says under `tune:`.

    Args:
        recipe: As `run` takes it; without `tune:` the space of its preset is searched.
        overrides: Values by dotted key that win over the recipe's.
        data: The rows, in place of those that the recipe names, as `run` takes them.
        trials: How many, 1 or more; None takes the recipe's.
        out: The run directory. None takes `runs/NAME-tune` below the current folder, or the first free one after it.
        resume: Go on with a search that was interrupted.
        verbose: auto, 0 (nothing), 1 or 2 (a line for each trial); on standard error.

    Returns:
        The run of the best recipe; `trials.csv` in its directory has a row for each trial.

    Raises:
        UserError: The recipe, its space, the data or the directory is wrong.
        MissingExtra: Optuna is not installed.
    """
    study.load_optuna()
    overrides = dict(overrides or {})
    if trials is not None:
        if not isinstance(trials, int) or isinstance(trials, bool) or trials < 1:
            raise UserError("trials is a whole number, 1 or more", place="tune: trials", found=trials)
        overrides["tune.trials"] = trials
    say = progress.speaker(verbose)
    place = "recipe" if isinstance(recipe, Mapping) else str(recipe)
    resolved, rows = with_rows(recipe, overrides, data, lambda spec: _directory(out, spec.name, resume))
    cluster.check_alone(resolved.spec.train.device, "a search")
    directory = _directory(out, resolved.spec.name, resume)
    if data is not None:
        overrides |= {f"data.{key}": resolved.values["data"][key] for key in ("path", "dataset", "target")}
    if (directory / "metrics.json").is_file():
        say(f"{directory}: this search is complete already")
        return Run(directory)
    with locked(directory), told_what_is_left(directory, directory / "model.h5"), given_rows.kept(rows, directory):
        _carried_out(_begun(resolved, place, directory, overrides, recipe), verbose)
    finished = Run(directory)
    say(summary(finished.metrics))
    return finished


def _directory(out: str | Path | None, name: str, resume: bool) -> Path:
    """The directory of a search: as named, or `runs/NAME-tune`, numbered where that holds one."""
    directory = Path(out) if out is not None else chosen_directory(None, f"{name}-tune", resume)
    if directory.exists() and not directory.is_dir():
        raise UserError("the run directory is a file", place=str(directory))
    there = (directory / JOURNAL).exists()
    if resume and not there:
        raise UserError("there is no search to go on with", place=str(directory))
    if not resume and (there or begun(directory)):
        raise UserError(
            "this folder holds a search or a run already",
            place=str(directory),
            remedy="Go on with a search by --resume, or name another folder by --out.",
        )
    return directory


def _begun(resolved: Resolved, place: str, directory: Path, overrides: Mapping[str, Any], recipe: Any) -> _Search:
    """Reads the rows, and checks that every end of the space is a recipe."""
    usual = catalog.config("search")["usual"]
    tune = resolved.spec.tune or Tune.model_validate({**usual, "space": "auto"})
    space = space_of(resolved.spec, tune)
    without = {key: value for key, value in overrides.items() if key.split(".")[0] != "tune"}
    check_space(space, lambda value: resolving.load_recipe(recipe, {**without, **value, "tune": None}), place)
    if stream.is_streamed(resolved.spec):
        raise UserError(
            "rows that are streamed are not searched over",
            place=place,
            remedy="Search with fewer rows, or say data.stream: false where they fit into memory.",
        )
    metric = catalog.config("search")["metrics"][resolved.spec.task] if tune.metric == "auto" else tune.metric
    data = dataset.load_dataset(resolved.spec, place)
    return _Search(resolved, tune, space, metric, data, directory, place, without, recipe)


def _carried_out(search: _Search, verbose: Any) -> None:
    """Trials until there are enough, or the time is over; then the best recipe."""
    say, directory, spec = progress.speaker(verbose), search.directory, search.resolved.spec
    with _mended(directory):
        opened = study.open_study(directory, search.tune, spec.train.epochs_of(search.data.counts["train"]))
    for remark in search.data.notes:
        say(remark)
    if search.tune.sampler != "grid":
        study.try_first(opened, search.space, {key: _own(search.resolved, key) for key in search.space})
    say(f"searching {', '.join(search.space)} for the best {search.metric}")
    begun_at, wanted = time.monotonic(), search.tune.trials
    while len(study.finished(opened)) < wanted:
        if search.tune.seconds is not None and _spent(opened) >= search.tune.seconds and study.finished(opened):
            say(f"the {search.tune.seconds:g} seconds are over")
            break
        trial = study.next_trial(opened, search.tune, search.space, spec.seed)
        if trial is None:
            say("every trial of the grid was made")
            break
        _try(search, opened, trial)
        _write(search, opened)
        say(_line(search, opened, begun_at))
    best = _best(opened)
    if best is None:
        raise UserError("every trial diverged", place=search.place, remedy="Lower the learning rates of tune.space.")
    added = {"search": _told(search, opened, best)}
    pictures.draw(directory, opened, search.space, search.metric)
    resolved = search.with_values(study.overrides_of(best.params, search.space))
    say(f"trial {best.number} is the best: it is trained, and tested")
    resume = begun(directory)
    run_best(resolved, search.place, directory, resume=resume, verbose=verbose, added=added)
    shutil.rmtree(directory / OUTPUTS, ignore_errors=True)


def _own(resolved: Resolved, key: str) -> Any:
    """The value that a recipe has for a dotted key, a name for what has no more than one; None without any."""
    found: Any = resolved.values
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found["name"] if isinstance(found, dict) and [*found] == ["name"] else found


@contextlib.contextmanager
def _mended(directory: Path) -> Iterator[None]:
    """A process that was killed leaves Optuna's lock, and half a line of the journal; the directory is ours alone."""
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob(f"{JOURNAL}.lock*"):
        left.unlink(missing_ok=True)
    journal = directory / JOURNAL
    if journal.is_file():
        whole = journal.read_bytes()
        if not whole.endswith(b"\n"):
            with atomic(journal) as temporary:
                temporary.write_bytes(whole[: whole.rfind(b"\n") + 1])
    yield


def _try(search: _Search, opened: optuna.Study, trial: optuna.Trial) -> None:
    """Carries out one trial, and tells the study."""
    optuna = study.load_optuna()
    started = time.monotonic()
    recipe = search.with_values(study.overrides_of(trial.params, search.space)).spec
    reported = {*opened.get_trials(deepcopy=False)[trial.number].intermediate_values}

    def report(value: float, epoch: int) -> None:
        if epoch not in reported:  # of a trial that goes on after a kill the first epochs are known
            trial.report(value, epoch)

    found = trials.carry_out(recipe, _rows_of(search, recipe), search.metric, report, trial.should_prune)
    for name, value in (
        ("scores", found.scores),
        ("epochs", found.epochs),
        ("best_epoch", found.best_epoch),
        ("seconds", time.monotonic() - started),
    ):
        trial.set_user_attr(name, value)
    if found.pruned:
        opened.tell(trial.number, state=optuna.trial.TrialState.PRUNED)
        return
    if len(found.outputs):
        _keep_outputs(search.directory, trial.number, found.outputs)
    opened.tell(trial.number, min(found.value, 1e300))  # a journal holds no infinity


def _rows_of(search: _Search, recipe: Recipe) -> Any:
    """The rows as this trial takes them."""
    data = search.data
    if any(key in search.space for key in trials.OF_ROWS):
        data = replace(data.split_anew(recipe, data.parts), notes=data.notes)
    if recipe.model.warm_start is None:
        return data
    return warm_start.with_encoding_of(warm_start.read_source(recipe.model.warm_start), data)


def _keep_outputs(directory: Path, trial: int, outputs: np.ndarray) -> None:
    (directory / OUTPUTS).mkdir(exist_ok=True)
    with atomic(directory / OUTPUTS / f"{trial}.npy") as temporary, temporary.open("wb") as file:
        np.save(file, outputs[_looked_at(len(outputs))].astype(np.float32))


def _looked_at(rows: int) -> np.ndarray:
    """The rows by which it is told how much of the best score is luck."""
    if rows <= MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))


def _spent(opened: optuna.Study) -> float:
    return float(sum(trial.user_attrs.get("seconds", 0.0) for trial in study.finished(opened)))


def _best(opened: optuna.Study) -> Any:
    """The best trial that ended of itself; None where all diverged."""
    told = [trial for trial in study.finished(opened) if trial.value is not None and trial.value < 1e300]
    told = [trial for trial in told if trial.user_attrs.get("scores") and trial.state.name == "COMPLETE"]
    return min(told, key=lambda trial: (trial.value, trial.number), default=None)


def _line(search: _Search, opened: optuna.Study, begun_at: float) -> str:
    """What came of the last trial, the best so far, and the time left."""
    done = study.finished(opened)
    last, best, metric = done[-1], _best(opened), search.metric
    told = "pruned" if last.state.name == "PRUNED" else _score(last, metric)
    line = f"trial {last.number}, {len(done)} of {search.tune.trials}: {told}"
    line += f" after {last.user_attrs['epochs']} epochs"
    if best is not None:
        line += f"; best {_score(best, metric)}, trial {best.number}"
    left = (search.tune.trials - len(done)) * _spent(opened) / len(done)
    if search.tune.seconds is not None:
        left = min(left, max(0.0, search.tune.seconds - _spent(opened)))
    return f"{line}; {time.monotonic() - begun_at:.0f} s, about {left:.0f} s left"


def _score(trial: Any, metric: str) -> str:
    found = trial.user_attrs.get("scores", {}).get(metric)
    return f"{metric} {number(found)}" if found is not None else "diverged"


def _told(search: _Search, opened: optuna.Study, best: Any) -> dict[str, Any]:
    """What `metrics.json` says of the search."""
    values = trials.known_values(search.data)
    values = values[_looked_at(len(values))]
    kept = [search.directory / OUTPUTS / f"{trial.number}.npy" for trial in study.finished(opened)]
    outputs = [np.load(file, allow_pickle=False) for file in kept if file.is_file()]
    score = best.user_attrs["scores"][search.metric]
    luck = luck_of(values, outputs, search.data.target, search.metric, score)
    done = study.finished(opened)
    return {
        "trials": len(done),
        "pruned": sum(trial.state.name == "PRUNED" for trial in done),
        "metric": search.metric,
        "best_trial": best.number,
        "best": score,
        "expected": luck.expected if luck else None,
        "values": study.overrides_of(best.params, search.space),
        "seconds": _spent(opened),
    }


def _write(search: _Search, opened: optuna.Study) -> None:
    """`trials.csv`, and `best.yaml`, the best recipe so far: what there is if the search goes no further."""
    import pandas as pd

    lines = []
    for trial in study.finished(opened):
        about = trial.user_attrs
        lines.append(
            {
                "trial": trial.number,
                "state": "pruned" if trial.state.name == "PRUNED" else "complete",
                **about.get("scores", {}),
                **study.overrides_of(trial.params, search.space),
                **{name: about.get(name) for name in ("epochs", "best_epoch", "seconds")},
            }
        )
    write_text(search.directory / "trials.csv", pd.DataFrame(lines).to_csv(index=False))
    best = _best(opened)
    if best is not None:
        resolved = search.with_values(study.overrides_of(best.params, search.space))
        note = f"# The best recipe of {len(lines)} trials: {_score(best, search.metric)}\n"
        write_text(search.directory / "best.yaml", note + yaml_text.dump(resolved.values))
