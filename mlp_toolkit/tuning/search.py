"""The whole story of a search: trials, one after another or on many machines, then the best recipe trained, and tested.

In one process trials follow one another. Those of the same shapes train through one compiled program; side by side in
one they would take as long, for the arithmetic is the same, and none could be ended before the others.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_toolkit.data import dataset
from mlp_toolkit.data.streaming import stream
from mlp_toolkit.errors import UserError
from mlp_toolkit.files import atomic
from mlp_toolkit.recipe import catalog, resolving
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.recipe.searching import check_space, space_of
from mlp_toolkit.recipe.spec import Tune
from mlp_toolkit.runs import given_rows
from mlp_toolkit.runs.directory import JOURNAL, begun, chosen_directory, forget_run, locked, told_what_is_left
from mlp_toolkit.runs.finished import Run, summary
from mlp_toolkit.runs.run import carry_out as run_best
from mlp_toolkit.runs.run import with_rows
from mlp_toolkit.training import progress
from mlp_toolkit.training.engine.sharing.cluster import check_alone
from mlp_toolkit.training.fit_recipe import frequency_of
from mlp_toolkit.tuning import pictures, record, study, trials
from mlp_toolkit.tuning.engines import cluster
from mlp_toolkit.tuning.engines.choice import Engine, engine_of
from mlp_toolkit.tuning.engines.searching import by_ray
from mlp_toolkit.tuning.plan import Search
from mlp_toolkit.tuning.trials import OUT_OF_MEMORY, short_of_memory

if TYPE_CHECKING:
    import optuna


def tune(
    recipe: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    data: Any = None,
    trials: int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    engine: str | Mapping[str, Any] = "local",
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
        resume: Go on with a search that was interrupted, by either engine.
        engine: What carries the trials out: `local`, this process, one after another; or `ray`, the workers of a Ray
            cluster, side by side; or a mapping, `{"name": "ray", "workers": 8, "cpus": 2}`, with `workers` (how many;
            None for as many as the cluster has room for), `cpus` and `gpus` that each takes (1 and 0), and `storage`
            (a folder or URL that all machines reach, for the checkpoints of trials; None takes the run directory).
        verbose: auto, 0 (nothing), 1 or 2 (a line for each trial); on standard error.

    Returns:
        The run of the best recipe; `trials.csv` in its directory has a row for each trial.

    Raises:
        UserError: The recipe, its space, the data or the directory is wrong.
        MissingExtra: Optuna, or for that engine Ray, is not installed.
    """
    study.load_optuna()
    chosen = engine_of(engine)
    if chosen.name == "ray":
        cluster.load_ray()
    overrides = dict(overrides or {})
    if trials is not None:
        if not isinstance(trials, int) or isinstance(trials, bool) or trials < 1:
            raise UserError("trials is a whole number, 1 or more", place="tune: trials", found=trials)
        overrides["tune.trials"] = trials
    say = progress.speaker(verbose)
    place = "recipe" if isinstance(recipe, Mapping) else str(recipe)
    resolved, rows = with_rows(recipe, overrides, data, lambda spec: _directory(out, spec.name, resume))
    check_alone(resolved.spec.train.device, "a search")
    directory = _directory(out, resolved.spec.name, resume)
    if data is not None:
        overrides |= {f"data.{key}": resolved.values["data"][key] for key in ("path", "dataset", "target")}
    if (directory / "metrics.json").is_file():
        say(f"{directory}: this search is complete already")
        record.forget_outputs(directory)  # a kill may have come before
        return Run(directory)
    with locked(directory), told_what_is_left(directory, directory / "model.h5"), given_rows.kept(rows, directory):
        _carried_out(_begun(resolved, place, directory, overrides, recipe), chosen, verbose)
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


def _begun(resolved: Resolved, place: str, directory: Path, overrides: Mapping[str, Any], recipe: Any) -> Search:
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
    return Search(resolved, tune, space, metric, data, directory, place, without, recipe)


def _carried_out(search: Search, engine: Engine, verbose: Any) -> None:
    """Trials until there are enough, or the time is over; then the best recipe."""
    say, directory, spec = progress.speaker(verbose), search.directory, search.resolved.spec
    with _mended(directory):
        opened = study.open_study(directory, search.tune, spec.train.epochs_of(search.data.counts["train"]))
    _check_same(search, opened)
    for remark in search.data.notes:
        say(remark)
    if search.tune.sampler != "grid":
        study.try_first(opened, search.space, {key: _own(search, key) for key in search.space})
    say(f"searching {', '.join(search.space)} for the best {search.metric}")
    with _free_again(directory, opened):
        if engine.name == "ray":
            by_ray(search, opened, engine, say)
        else:
            _one_by_one(search, opened, say)
    best = record.best_trial(opened)
    if best is None:
        raise _none_is_best(search, opened)
    record.write(search, opened)  # a kill may have come between the journal's last line and this
    added = {"search": record.told_of_search(search, opened, best)}
    pictures.draw(directory, opened, search.space, search.metric)
    resolved = search.with_values(study.overrides_of(best.params, search.space))
    say(f"trial {best.number} is the best: it is trained, and tested")
    if opened.user_attrs.get("run_of") != best.number:  # what is there is of a trial that was the best before others
        forget_run(directory)
        opened.set_user_attr("run_of", best.number)
    run_best(resolved, search.place, directory, resume=begun(directory), verbose=verbose, added=added)
    record.forget_outputs(directory)


def _check_same(search: Search, opened: optuna.Study) -> None:
    """Refuses to go on with a search whose trials would say nothing of this one's; a new one is marked."""
    earlier = opened.user_attrs.get("search")
    if earlier is None:
        opened.set_user_attr("search", search.identity())
    elif lines := search.other_than(earlier):
        raise UserError(
            "the search in this folder is another" + "".join(f"\n{line}" for line in lines),
            place=str(search.directory),
            remedy="Go on with what it was begun with (trials, seconds, sampler and pruner may differ), or name another"
            " folder by --out.",
        )


def _none_is_best(search: Search, opened: optuna.Study) -> UserError:
    """What is said of a search without any score."""
    if any(trial.state.name == "FAIL" for trial in study.finished(opened)):
        remedy = f"Why, {search.directory / 'trials.csv'} says; the others diverged."
        return UserError("no trial has a score, and some have failed", place=search.place, remedy=remedy)
    return UserError("every trial diverged", place=search.place, remedy="Lower the learning rates of tune.space.")


def _own(search: Search, key: str) -> Any:
    """The value that a recipe has for a dotted key, a name for what has no more than one; None without any."""
    spec, numbers = search.resolved.spec, len(search.data.kinds.of("numeric"))
    worked_out = {"model.hidden": spec.model.units, "model.frequency": frequency_of(spec, search.data, numbers)}
    for name, value in spec.train.by_rows(search.data.counts["train"]).items():
        worked_out[f"train.{name}"] = value
    if key in worked_out:
        return worked_out[key]
    found: Any = search.resolved.values
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


@contextlib.contextmanager
def _free_again(directory: Path, opened: optuna.Study) -> Iterator[None]:
    """A search that is refused before its first trial leaves no journal, and its directory free for another."""
    try:
        yield
    except UserError:
        if not any(trial.state.is_finished() or trial.last_step for trial in opened.get_trials(deepcopy=False)):
            for left in directory.glob(f"{JOURNAL}*"):
                left.unlink(missing_ok=True)
        raise


def _one_by_one(search: Search, opened: optuna.Study, say: Callable[[str], None]) -> None:
    """Trials in this process, until there are enough, or the time is over."""
    begun_at, earlier = time.monotonic(), record.searched(opened)
    while len(done := study.finished(opened)) < search.tune.trials:
        seconds = earlier + time.monotonic() - begun_at
        if search.tune.seconds is not None and done and seconds >= search.tune.seconds:
            opened.set_user_attr("seconds", seconds)  # so that they are over for one that goes on with it, too
            say(f"the {search.tune.seconds:g} seconds are over")
            break
        trial = study.next_trial(opened, search.tune, search.space, search.resolved.spec.seed)
        if trial is None:
            say("every trial of the grid was made")
            break
        try:
            _try(search, opened, trial)
        except OUT_OF_MEMORY as error:
            record.fail(search, opened, trial, short_of_memory(error))
        elapsed = time.monotonic() - begun_at
        opened.set_user_attr("seconds", earlier + elapsed)
        say(record.line(search, opened, trial.number, elapsed))


def _try(search: Search, opened: optuna.Study, trial: optuna.Trial) -> None:
    """Carries out one trial, and tells the study."""
    started = time.monotonic()
    recipe = search.with_values(study.overrides_of(trial.params, search.space)).spec
    reported = {*opened.get_trials(deepcopy=False)[trial.number].intermediate_values}
    copy = study.from_the_start(opened, trial.number)

    def report(value: float, epoch: int) -> None:
        copy.report(value, epoch)
        if epoch not in reported:  # of a trial that is trained again after a kill the first epochs are known
            trial.report(value, epoch)

    data, source = trials.rows_of(recipe, search.data, search.space)
    found = trials.carry_out(recipe, data, search.metric, report, copy.should_prune, source=source)
    study.keep_rungs(trial, copy)
    record.tell(search, opened, trial, found, time.monotonic() - started)
