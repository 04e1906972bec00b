"""The whole story of a recipe, and the only module that knows what a run directory holds."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit import (
    augmentation,
    dataset,
    features,
    fitting,
    interruption,
    metrics,
    pictures,
    prediction,
    progress,
    readers,
    recipe,
    report,
    storage,
    streaming,
    targets,
    tracking,
    warm_start,
)
from mlp_toolkit.checkpoint import Checkpoint
from mlp_toolkit.dataset import Dataset
from mlp_toolkit.errors import UserError
from mlp_toolkit.files import writing
from mlp_toolkit.locking import locked
from mlp_toolkit.recipe import Resolved
from mlp_toolkit.run_files import describe, predictions_file, write_beginning, write_history, write_text
from mlp_toolkit.spec import Recipe
from mlp_toolkit.splitting import PARTS
from mlp_toolkit.streaming import Stream

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

log = logging.getLogger("mlp_toolkit")


def run(
    recipe_file: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    verbose: Any = "auto",
) -> Run:
    """Runs a whole recipe: reads the data, trains, and tests the best epoch once on the test rows.

    Args:
        recipe_file: A YAML file, or the name of a recipe that ships with the package.
        overrides: Values by dotted key that win over the recipe's, for instance `{"train.epochs": 5}`.
        out: The run directory. None takes `runs/NAME` below the current folder, or the first free `runs/NAME-2` …
        resume: Go on with a run that was interrupted, from its last checkpoint.
        verbose: auto, 0 (nothing), 1 (a bar), 2 (lines); on standard error.

    Returns:
        The run, with its scores and its model.

    Raises:
        UserError: The recipe, the data or the directory is wrong.
    """
    say = progress.speaker(verbose)
    resolved = recipe.load(recipe_file, overrides)
    tracking.check(resolved.spec)
    directory = _directory(out, resolved.spec.name, resume)
    if resume and (directory / "metrics.json").is_file():
        say(f"{directory}: this run is complete already")
        return Run(directory)
    with locked(directory):
        _carried_out(resolved, str(recipe_file), directory, resume=resume, verbose=verbose)
    finished = Run(directory)
    say(summary(finished.metrics))
    return finished


def _carried_out(resolved: Resolved, place: str, directory: Path, *, resume: bool, verbose: Any) -> None:
    """What `run` does once the directory is its own."""
    started = time.monotonic()
    say = progress.speaker(verbose)
    spec = resolved.spec
    data: Dataset | Stream = (
        streaming.load(spec, place, directory) if streaming.wanted(spec) else dataset.load(spec, place)
    )
    source = warm_start.read(spec.model.warm_start) if spec.model.warm_start else None
    if source:
        data = warm_start.with_encoding_of(source, data)
    say(describe(spec, data))
    checkpoint = Checkpoint(
        directory / "checkpoint.h5", resolved, data, lambda state: write_history(directory, state.history)
    )
    earlier = checkpoint.read() if resume else None
    layer = fitting.augmentation_of(spec, data)
    with writing(directory):
        write_beginning(directory, resolved, data)
        if layer:
            _contact_sheet(directory, layer, data, spec.seed)
    if layer and 0 < layer.shear < 1:
        say(f"augmentation: shear counts in degrees, as in ImageDataGenerator: {layer.shear:g} is hardly visible")

    with tracking.tracked(resolved, directory) as (callbacks, tell):
        with interruption.after_the_epoch():
            model, state, seconds = fitting.fitted(
                spec,
                data,
                earlier=earlier,
                source=source,
                callbacks=callbacks,
                after_epoch=checkpoint.write,
                verbose=verbose,
            )
        for note in state.notes:
            say(note)
        with writing(directory):
            storage.save(model, directory / "model.h5")
            write_history(directory, state.history)
            scores = _evaluate(directory, model, spec, data)
            wanted = metrics.wanted(spec.task, spec.metrics)
            left_out = [note for part in PARTS for note in metrics.left_out(scores[part], wanted, part)]
            for note in left_out:
                say(note)
            record: dict[str, Any] = {"task": spec.task, **scores}
            record |= {"best_epoch": state.best_epoch, "epochs": state.epochs, "rows": data.counts}
            record |= {"seconds": {"fit": seconds, "total": time.monotonic() - started}, "engine": state.engine}
            record["notes"] = [*state.notes, *left_out]
            report.write(directory, record)
            streaming.forget(directory)
            checkpoint.finished()
            write_text(directory / "metrics.json", json.dumps(record, indent=2) + "\n")  # last: it says "complete"
        tell(record)


def load_run(directory: str | Path) -> Run:
    """Opens a run directory.

    Raises:
        UserError: It is not one, or its run did not finish.
    """
    path = Path(directory)
    if not path.is_dir():
        raise UserError("a file, not a run directory" if path.exists() else "no such run directory", place=str(path))
    if not (path / "metrics.json").is_file():
        unfinished = (path / "recipe.yaml").is_file()
        raise UserError(
            "this run is not complete" if unfinished else "not a run directory",
            place=str(path),
            remedy=f"Go on with it: mlp-toolkit run {path / 'recipe.yaml'} --out {path} --resume"
            if unfinished
            else None,
        )
    return Run(path)


@dataclass(frozen=True)
class Run:
    """What a run left behind.

    Attributes:
        directory: The run directory.
    """

    directory: Path

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """`metrics.json`: scores of `train`, `validation` and `test`, epochs, rows, seconds."""
        loaded: dict[str, Any] = json.loads((self.directory / "metrics.json").read_text("utf-8"))
        return loaded

    @cached_property
    def history(self) -> pd.DataFrame:
        """`history.csv`: a row per epoch."""
        import pandas as pd

        file = self.directory / "history.csv"
        if not file.is_file():
            raise UserError("the run lacks its history", place=str(file))
        return pd.read_csv(file)

    @cached_property
    def model(self) -> Any:
        """The Keras model of the best epoch: raw columns in, predictions in the target's units out."""
        return storage.load(self.directory / "model.h5")

    @property
    def engine(self) -> str:
        """What trained: `xla` or `graph`, both compiled, or `steps`, a call for every batch."""
        return str(self.metrics["engine"])

    @property
    def report_path(self) -> Path:
        """The report, one HTML page."""
        return self.directory / "report.html"

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predictions for raw rows, with the user's own names and labels.

        Args:
            frame: The raw columns by name; others are ignored.
        """
        return predict(self.model, readers.columns(frame))

    def plot_history(self, *, axes: Axes | None = None) -> Axes:
        """Draws the losses by epoch, and the epoch that was chosen; into `axes`, or a new figure."""
        axes = pictures.axes_or_new(axes)
        pictures.learning(axes, self.history, self.metrics["best_epoch"])
        return axes

    def _repr_html_(self) -> str:
        return report.scores_table(self.metrics)


def open_model(path: str | Path) -> Any:
    """The model of a run directory, or of a model file."""
    target = Path(path)
    return load_run(target).model if target.is_dir() else storage.load(target)


def predict(model: Any, frame: pd.DataFrame | Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Predictions for rows as `readers` gives them, or for their columns, with the user's own names and labels."""
    return prediction.table(prediction.outputs(model, frame), prediction.target_of(model))


def evaluate(model: Any, frame: pd.DataFrame) -> dict[str, float]:
    """Scores of a model on labelled raw rows; rows without a target are left out.

    Raises:
        UserError: A column is missing, or a label is not one of the model's classes.
    """
    target = prediction.target_of(model)
    dataset.table_columns(frame, target.names, "the target")
    known = targets.complete(frame, target.names)
    frame = frame[known].reset_index(drop=True)
    values = targets.known_values(frame, target)
    names = metrics.wanted(target.task)
    scores = metrics.score(values, prediction.outputs(model, frame), target, names)
    for note in metrics.left_out(scores, names, "labelled"):
        log.warning("%s", note)
    return scores


def summary(record: Mapping[str, Any]) -> str:
    """The test scores and how long it took, for a person."""
    scores = "  ".join(f"{name} {value:.4g}" for name, value in record["test"].items())
    best, every, seconds = record["best_epoch"], record["epochs"], record["seconds"]["total"]
    return f"best epoch {best} of {every}, {seconds:.1f} s\ntest: {scores}"


def _directory(out: str | Path | None, name: str, resume: bool) -> Path:
    """The run directory: as named, or `runs/NAME`, numbered where that holds a run."""
    if out is not None:
        chosen = Path(out)
        if chosen.exists() and not chosen.is_dir():
            raise UserError("the run directory is a file", place=str(chosen))
        if not resume and (chosen / "recipe.yaml").exists():
            raise UserError(
                "this folder holds a run already",
                place=str(chosen),
                remedy="Go on with it by --resume, or name another folder by --out.",
            )
        if resume and not (chosen / "recipe.yaml").exists():
            raise UserError("there is no run to go on with", place=str(chosen))
        return chosen
    base = Path("runs") / name
    taken = [base] if base.exists() else []
    while taken and (following := Path("runs") / f"{name}-{len(taken) + 1}").exists():
        taken.append(following)
    if not resume:
        return Path("runs") / f"{name}-{len(taken) + 1}" if taken else base
    if not taken:
        raise UserError("there is no run to go on with", place=str(base))
    return taken[-1]


def _contact_sheet(directory: Path, layer: Any, data: Dataset | Stream, seed: int) -> None:
    """`augmentation.png`: training images as they are, and as the network will see them."""
    image, begin = data.encoding.image, data.encoding.image_begin
    assert image is not None
    frame = next(data.pieces("train")).frame[: augmentation.SHEET_IMAGES]
    pixels = features.encode(frame, data.encoding)[:, begin:]
    images = pixels.reshape(-1, image.height, image.width, image.channels)
    augmentation.contact_sheet(images, layer, directory / "augmentation.png", seed)


def _evaluate(directory: Path, model: Any, spec: Recipe, data: Dataset | Stream) -> dict[str, dict[str, float]]:
    """Scores of the three parts by the model file's own predictions; the test rows' predictions are kept."""
    names = metrics.wanted(spec.task, spec.metrics)
    scores = {}
    for part in PARTS:
        known, predicted = [], []
        with contextlib.ExitStack() as stack:
            write = stack.enter_context(predictions_file(directory, data.target)) if part == "test" else None
            for piece in data.pieces(part):
                outputs = prediction.outputs(model, piece.frame, data.encoding)
                known.append(piece.values)
                predicted.append(outputs)
                if write:
                    write(piece, outputs)
        scores[part] = metrics.score(np.concatenate(known), np.concatenate(predicted), data.target, names)
    return scores
