"""What a run left behind: its scores, history and model, opened from the run directory."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data import roles, targets
from mlp_toolkit.data.reading import frames
from mlp_toolkit.errors import UserError, number
from mlp_toolkit.evaluation import drawing, metrics, report
from mlp_toolkit.evaluation.baselines import LEADING
from mlp_toolkit.model import prediction
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.storage import loading
from mlp_toolkit.training import progress

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from mlp_toolkit.runs.analysis.explaining import Explanation

log = logging.getLogger("mlp_toolkit")


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
    def model(self) -> Network:
        """The Keras model of the best epoch: raw columns in, predictions in the target's units out."""
        return loading.load(self.directory / "model.h5")

    @property
    def engine(self) -> str:
        """What trained: `xla` or `graph`, both compiled, or `steps`, a call for every batch."""
        return str(self.metrics["engine"])

    @property
    def report_path(self) -> Path:
        """The report, one HTML page."""
        return self.directory / "report.html"

    def predict(self, rows: Any) -> pd.DataFrame:
        """Predictions for raw rows, with the user's own names and labels.

        Args:
            rows: The raw columns by name; others are ignored. A data frame (of pandas, polars, Arrow, …); a mapping of
                columns to lists, or of one row to values; a list of such rows; a Series of one row; or a file of any
                kind that recipes read. Images are paths that count from the current folder, arrays, or images of
                Pillow's; a model of images alone takes an array of them.

        Returns:
            A row for each row, under its label in the frame's index.

        Raises:
            UserError: A column is missing, or holds something else than in training.
        """
        predicted: pd.DataFrame = prediction.predict(self.model, rows)
        return predicted

    def evaluate(self, rows: Any) -> dict[str, float]:
        """Scores on labelled raw rows, by the names that `metrics.json` has; rows without a target are left out.

        Args:
            rows: As `predict` takes them, and the targets.

        Raises:
            UserError: A column is missing, or a label is none of the model's classes.
        """
        import pandas as pd

        frame = prediction.raw_rows(self.model, rows, "evaluate")
        wanted = {*prediction.encoding_of(self.model).columns, *prediction.target_of(self.model).names}
        return evaluate_rows(self.model, pd.DataFrame(frames.columns_of(frame, wanted)))

    def explain(self, rows: Any = None) -> Explanation:
        """What the model looks at, and where it fails: shuffled columns, dependence, slices.

        Args:
            rows: Labelled raw rows that it has not learnt, as `evaluate` takes them; None takes the run's test rows,
                for which its data are read anew.

        Raises:
            UserError: The data have changed, a column is missing, or the model takes images.
        """
        from mlp_toolkit.runs.analysis import explaining

        found = explaining.test_rows(self.directory) if rows is None else explaining.labelled_rows(self.model, rows)
        told = explaining.explained(self.model, *found)
        assert told is not None
        return told

    def contributions(self, row: Any, label: Any = None) -> pd.DataFrame:
        """What each column adds to the prediction of one row (Shapley values, beside 50 of the test rows).

        Args:
            row: As `predict` takes it.
            label: The target, label or class that is told of; None takes the first, of several classes the likeliest.

        Returns:
            A row for each column, the largest first: `column`, `value`, `contribution`, `error` (its standard error; 0
            where it is exact, up to 8 columns).

        Raises:
            UserError: It is not one row, there is no such label, or the data of the run have changed.
        """
        from mlp_toolkit.runs.analysis import explaining

        background, _ = explaining.test_rows(self.directory)
        return explaining.contributions_of(self.model, row, background, label)

    def report(self) -> Path:
        """(Re)writes the report, and gives its path; a notebook shows it."""
        path = report.write_report(self.directory, self.metrics)
        if progress.in_notebook():
            notebook: Any = importlib.import_module("IPython.display")
            notebook.display(notebook.HTML(report.framed(path.read_text("utf-8"))))
        return path

    def plot_history(self, *, axes: Axes | None = None) -> Axes:
        """Draws the losses by epoch, and the epoch that was chosen; into `axes`, or a new figure."""
        axes = drawing.axes_or_new(axes)
        best = self.metrics["best_epoch"] if self.metrics.get("members", 1) == 1 else None
        drawing.learning(axes, self.history, best)
        return axes

    def _repr_html_(self) -> str:
        return report.scores_table(self.metrics)


def open_model(path: str | Path) -> Network:
    """The model of a run directory, or of a model file."""
    target = Path(path)
    return load_run(target).model if target.is_dir() else loading.load(target)


def predict_rows(
    model: Network, frame: pd.DataFrame | Mapping[str, np.ndarray], index: pd.Index[Any] | None = None
) -> pd.DataFrame:
    """Predictions for rows as `tables` gives them, or for their columns, with the user's own names and labels."""
    return prediction.predictions_table(prediction.outputs_of_new(model, frame), prediction.target_of(model), index)


def evaluate_rows(model: Network, frame: pd.DataFrame) -> dict[str, float]:
    """Scores of a model on labelled raw rows; rows without a target are left out.

    Raises:
        UserError: A column is missing, or a label is not one of the model's classes.
    """
    target = prediction.target_of(model)
    roles.check_columns(frame, target.names, "the target")
    known = targets.complete(frame, target.names)
    frame = frame[known].reset_index(drop=True)
    values = targets.known_values(frame, target)
    names = metrics.metric_names(target.task)
    outputs = prediction.outputs_of_new(model, frame)
    scores = metrics.score(values, outputs, target, names)
    missing = metrics.notes_on_missing(scores, names, "labelled")
    for note in [*missing, *metrics.note_on_one_class(outputs, target, "labelled")]:
        log.warning("%s", note)
    return scores


def summary(record: Mapping[str, Any]) -> str:
    """The test scores and how long it took, for a person."""
    scores = "  ".join(_with_doubt(name, value, record) for name, value in record["test"].items())
    best, every, seconds = record["best_epoch"], record["epochs"], record["seconds"]["total"]
    members = record.get("members", 1)
    if members > 1:
        return f"{members} networks, {every} epochs, {seconds:.1f} s\ntest: {scores}{_beside(record)}"
    return f"best epoch {best} of {every}, {seconds:.1f} s\ntest: {scores}{_beside(record)}"


def _with_doubt(name: str, value: float, record: Mapping[str, Any]) -> str:
    """A score, and from where to where it may lie."""
    interval = record.get("test_interval", {}).get(name)
    return f"{name} {number(value)}" + (f" ({number(interval[0])} to {number(interval[1])})" if interval else "")


def _beside(record: Mapping[str, Any]) -> str:
    """What simple models reach, by the score that is looked at first."""
    leading = LEADING[record["task"]]
    found = {name: scores[leading] for name, scores in record.get("baselines", {}).items() if leading in scores}
    said = ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in found.items())
    return f"\nbeside it, {leading}: {said}" if said else ""
