"""The whole story of a recipe: read it, read its rows, build, train, test, write."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_toolkit.data import dataset
from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.data.reading import frames
from mlp_toolkit.data.streaming import stream
from mlp_toolkit.evaluation import drift, report
from mlp_toolkit.files import writing
from mlp_toolkit.recipe import resolving
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.recipe.spec import Recipe
from mlp_toolkit.runs import given_rows, interruption, tracking
from mlp_toolkit.runs.analysis import explaining
from mlp_toolkit.runs.analysis.mistakes import write_mistakes
from mlp_toolkit.runs.checkpoint import Checkpoint, trained_with
from mlp_toolkit.runs.contact_sheet import draw_contact_sheet
from mlp_toolkit.runs.directory import (
    check_free,
    chosen_directory,
    describe,
    locked,
    told_what_is_left,
    write_beginning,
    write_history,
    write_text,
)
from mlp_toolkit.runs.finished import Run, summary
from mlp_toolkit.runs.scoring import knowing_its_rows, scored
from mlp_toolkit.runs.workers import together
from mlp_toolkit.storage import saving
from mlp_toolkit.training import fit_recipe, progress, warm_start
from mlp_toolkit.training.engine.sharing import cluster
from mlp_toolkit.training.engine.sharing.workers import ALONE, Group
from mlp_toolkit.training.first_steps import budget
from mlp_toolkit.training.fit_recipe import Fitted
from mlp_toolkit.training.trainer import Progress

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("mlp_toolkit")


def run(
    recipe: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    data: Any = None,
    out: str | Path | None = None,
    resume: bool = False,
    verbose: Any = "auto",
) -> Run:
    """Runs a whole recipe: reads the data, trains, and tests the best epoch once on the test rows.

    Args:
        recipe: A YAML file, or the name of a recipe that ships with the package; or the recipe itself as a mapping.
        overrides: Values by dotted key that win over the recipe's, for instance `{"train.epochs": 5}`.
        data: The rows, in place of those that the recipe names: a data frame, a mapping of columns, a list of rows, or
            the path of a file; or (X, y), features (rows, columns) and targets (rows,) or (rows, targets). What is no
            file is kept in the run directory as `data.parquet`.
        out: The run directory. None takes `runs/NAME` below the current folder, or the first free `runs/NAME-2` …
        resume: Go on with a run that was interrupted, from its last checkpoint.
        verbose: auto, 0 (nothing), 1 (a bar), 2 (lines); on standard error.

    Returns:
        The run, with its scores and its model.

    Raises:
        UserError: The recipe, the data or the directory is wrong.
    """
    say = progress.speaker(verbose)

    def directory_of(spec: Recipe) -> Path:
        chief = cluster.place_of(spec.train.device).chief
        return chosen_directory(out, spec.name, resume) if chief else together.own_folder()

    resolved, rows = with_rows(recipe, overrides or {}, data, directory_of)
    tracking.check_trackers(resolved.spec)
    directory = directory_of(resolved.spec)
    place = "recipe" if isinstance(recipe, Mapping) else str(recipe)
    with together.joined(resolved.spec, say) as group:
        complete = resume and (directory / "metrics.json").is_file()
        told = together.told_by_chief(group, {"complete": complete, "directory": str(directory)})
        finished = Run(Path(told["directory"]))
        if told["complete"]:
            if group.place.chief:
                say(f"{directory}: this run is complete already")
            return finished
        with locked(directory), told_what_is_left(directory, directory / "model.h5"), given_rows.kept(rows, directory):
            if not group.place.chief:
                _help(resolved, place, directory, group)
                return finished
            check_free(directory)
            several = len(group.place.addresses)
            added = {"workers": several} if several > 1 else {}
            carry_out(resolved, place, directory, resume=resume, verbose=verbose, added=added, group=group)
    say(summary(finished.metrics))
    return finished


def _help(resolved: Resolved, place: str, directory: Path, group: Group) -> None:
    """What a worker that is not the chief does: it trains with the others, and writes nothing that stays."""
    data, source = _read(resolved.spec, place, directory)
    checkpoint = Checkpoint(directory / "checkpoint.h5", resolved, data, lambda _: None)
    earlier = together.begun(group, checkpoint, None)
    with interruption.after_the_epoch():
        fit_recipe.train_recipe(
            resolved.spec,
            data,
            earlier=earlier,
            source=source,
            after_epoch=together.after_epoch(group),
            verbose=0,
        )


def with_rows(
    recipe: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any],
    data: Any,
    directory_of: Callable[[Recipe], Path],
) -> tuple[Resolved, pd.DataFrame | None]:
    """The recipe with all values, and the rows that are given beside it, which are to be kept in the run directory.

    Args:
        recipe: As `run` takes it.
        overrides: Values by dotted key.
        data: As `run` takes it.
        directory_of: Gives the run directory of the recipe.
    """
    if data is None:
        return resolving.load_recipe(recipe, overrides), None
    source: dict[str, Any] = {"data.path": Path(given_rows.FILE).absolute(), "data.dataset": None}
    if isinstance(data, str | Path):
        source["data.path"] = Path(data).absolute()
        return resolving.load_recipe(recipe, {**overrides, **source}), None
    if isinstance(recipe, Mapping):
        section = recipe.get("data")
        target = overrides.get("data.target", section.get("target") if isinstance(section, Mapping) else None)
    else:
        target = resolving.load_recipe(recipe, {**overrides, **source}).spec.data.target
    rows, targets = given_rows.table_of(data, target)
    if targets and target is None:
        source["data.target"] = targets if len(targets) > 1 else targets[0]
    spec = resolving.load_recipe(recipe, {**overrides, **source}).spec
    source["data.path"] = directory_of(spec).absolute() / given_rows.FILE
    return resolving.load_recipe(recipe, {**overrides, **source}), rows


def carry_out(
    resolved: Resolved,
    place: str,
    directory: Path,
    *,
    resume: bool,
    verbose: Any,
    added: Mapping[str, Any] | None = None,
    group: Group = ALONE,
) -> None:
    """What `run` does once the directory is its own.

    Args:
        resolved: The recipe.
        place: Names it in messages.
        directory: The run directory, which no other process writes.
        resume: Go on from the last checkpoint.
        verbose: As `run` takes it.
        added: What else `metrics.json` is to hold.
        group: Those that train together, of which this process is the chief.
    """
    started = time.monotonic()
    say = progress.speaker(verbose)
    data, source = _read(resolved.spec, place, directory)
    stored = trained_with(directory / "checkpoint.h5", budget.free_to_lower(resolved)) if resume else None
    resolved, data, planned = budget.planned(resolved, data, stored)
    spec = resolved.spec
    say("\n".join([describe(spec, data), *planned.notes]))
    if spec.tune is not None:
        say("tune: is for `mlp-toolkit tune`; this run takes the recipe's own values")
    checkpoint = _checkpoint(directory, resolved, data, group)
    earlier = together.begun(group, checkpoint, checkpoint.read() if resume else None)
    layer = fit_recipe.augmentation_of(spec, data)
    with writing(directory):
        write_beginning(directory, resolved, data)
        if layer:
            draw_contact_sheet(directory, layer, data, spec.seed)
    if layer and 0 < layer.shear < 1:
        say(f"augmentation: shear counts in degrees, as in ImageDataGenerator: {layer.shear:g} is hardly visible")

    with tracking.tracked(resolved, directory) as (callbacks, tell):
        with interruption.after_the_epoch():
            done = fit_recipe.train_recipe(
                spec,
                data,
                earlier=earlier,
                source=source,
                callbacks=callbacks,
                after_epoch=checkpoint.write,
                verbose=verbose,
                notes=planned.notes,
                spent=planned.spent,
            )
        done = knowing_its_rows(done, data)
        model, state = done.model, done.state
        for note in state.notes[len(planned.notes) :]:  # those were told before training
            say(note)
        with writing(directory):
            saving.save(model, directory / "model.h5")
            write_history(directory, state.history, data.target)
            with progress.waiting("test rows are scored, simple models tried beside the network", verbose):
                record = _judged(directory, done, spec, data)
            for note in record["notes"][len(state.notes) :]:
                say(note)
            record |= added or {}
            record["seconds"] = {"fit": done.seconds, "total": time.monotonic() - started}
            report.write_report(directory, record)
            stream.delete_scratch(directory)
            checkpoint.finished()
            write_text(directory / "metrics.json", json.dumps(record, indent=2) + "\n")  # last: it says "complete"
        tell(record)


def _checkpoint(directory: Path, resolved: Resolved, data: RecipeData, group: Group) -> Checkpoint:
    """The checkpoint of a run; with it the history so far is written."""

    def beside(state: Progress) -> None:
        write_history(directory, state.history, data.target)

    return Checkpoint(directory / "checkpoint.h5", resolved, data, beside, lambda: together.ending(group))


def _judged(directory: Path, done: Fitted, spec: Recipe, data: RecipeData) -> dict[str, Any]:
    """What `metrics.json` holds, but for the time it took; files beside it hold what the report tells besides."""
    scores, notes = scored(directory, done, spec, data)
    state = done.state
    record = {
        "task": spec.task,
        **scores,
        "best_epoch": state.best_epoch,
        "epochs": state.epochs,
        "members": spec.model.ensemble,
        "rows": data.counts,
        "seconds": {},
        "engine": state.engine,
        "notes": [*state.notes, *notes],
    }
    return record | _told(directory, done, data, record) if spec.report == "full" else record


def _told(directory: Path, done: Fitted, data: RecipeData, record: Mapping[str, Any]) -> dict[str, Any]:
    """What the report tells beside the scores is worked out and kept; what `metrics.json` is to hold of it."""
    frame, values = explaining.rows_of(data, "test")
    told = explaining.explained(done.model, frame, values, brief=True)
    if told:
        told.write(directory)
    write_mistakes(directory, record, data)
    if not done.target.seen:  # images are not compared
        return {}
    columns = drift.with_days(frames.columns_of(frame), data.encoding)
    moved = [own for own in drift.moves(done.target.seen, columns) if own.moved]
    moved.sort(key=lambda own: -own.psi)
    return {"moved": [{"column": own.name, "psi": own.psi} for own in moved]}


def _read(spec: Recipe, place: str, directory: Path) -> tuple[RecipeData, warm_start.Source | None]:
    """The rows of a recipe, and what its warm start takes over; that brings its own encoding of the rows."""
    data = stream.open_stream(spec, place, directory) if stream.is_streamed(spec) else dataset.load_dataset(spec, place)
    if spec.model.warm_start is None:
        return data, None
    source = warm_start.read_source(spec.model.warm_start)
    return warm_start.with_encoding_of(source, data), source
