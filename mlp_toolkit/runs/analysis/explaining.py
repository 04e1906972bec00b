"""What a run's model looks at, and where it fails: worked out, shown, and kept as `explanation.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data import dataset, roles, targets
from mlp_toolkit.data.columns.encoder import Encoding
from mlp_toolkit.data.columns.numeric import Numeric
from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.data.reading import frames
from mlp_toolkit.data.streaming import stream
from mlp_toolkit.errors import UserError, number
from mlp_toolkit.evaluation import drawing, explain
from mlp_toolkit.evaluation.baselines import leading_score
from mlp_toolkit.model import prediction
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.recipe import resolving
from mlp_toolkit.runs.directory import write_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FILE = "explanation.json"
SHOWN, PAIRED = 3, 2  # columns whose dependence is shown; whose pairs are looked at for slices
# What an explanation in a report may cost: rows that are predicted, of wide tables and of large networks fewer, but not
# so few that it says nothing. A core predicts 1e10 weights times rows in a second.
MOST_PREDICTED, WEIGHTS_TIMES_ROWS, LEAST_ROWS, MOST_COLUMNS = 1.3e5, 3e10, 100, 40


@dataclass(frozen=True)
class Explanation:
    """What a model looks at, and where it fails, by rows that it has not learnt.

    Attributes:
        score: What the importance is counted in.
        rows: How many were looked at.
        importance: As `evaluation.explain.importance` gives it: how much worse the score becomes without a column.
        dependence: Of the most important columns, how predictions change with them.
        slices: Where it fails, the worst first; empty where nothing is worse than chance.
    """

    score: str
    rows: int
    importance: pd.DataFrame
    dependence: tuple[explain.Dependence, ...]
    slices: pd.DataFrame

    def plot(self, *, axes: Axes | None = None) -> Axes:
        """Draws how much worse the score becomes without each column; into `axes`, or a new figure."""
        axes = drawing.axes_or_new(axes)
        names = list(map(str, self.importance.columns))
        found = [dict(zip(names, line, strict=True)) for line in self.importance.to_numpy()]
        drawing.importances(axes, found, self.score)
        return axes

    def __str__(self) -> str:
        lines = [f"without a column {self.score} is worse by so much ({self.rows:,} rows, 95 % interval):"]
        for found in self.importance.head(20).to_dict("records"):
            told = f"{number(found['importance'])} ({number(found['low'])} to {number(found['high'])})"
            lines.append(f"  {found['column']}: {told}")
        if len(self.slices):
            lines.append("rows that are predicted worse than the others, by more than chance:")
            for found in self.slices.head(10).to_dict("records"):
                lines.append(f"  {found['slice']}: {found['rows']:,} rows, loss {number(found['times'])} times as high")
        else:
            lines.append("no value of a column is predicted worse than the others by more than chance")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return str(self.importance.to_html(float_format=number)) + str(self.slices.to_html(float_format=number))

    def write(self, directory: Path) -> None:
        """Keeps it in a run directory, for its report."""
        told = {
            "score": self.score,
            "rows": self.rows,
            "importance": self.importance.to_dict("records"),
            "dependence": [
                {"column": own.column, "grid": own.grid.tolist(), "mean": own.mean.tolist()} for own in self.dependence
            ],
            "slices": self.slices.to_dict("records"),
        }
        write_text(directory / FILE, json.dumps(told, indent=1, default=str) + "\n")


def explained(model: Network, frame: pd.DataFrame, values: np.ndarray, *, brief: bool = False) -> Explanation | None:
    """Explains a model file's model by labelled raw rows that it has not learnt.

    Args:
        model: The model.
        frame: Raw rows.
        values: (rows, outputs) what is true of them.
        brief: So few rows are looked at that it takes a second or two; None where they would be too few.

    Raises:
        UserError: It takes images.
    """
    encoding, target = prediction.encoding_of(model), prediction.target_of(model)
    if encoding.image is not None:
        if brief:
            return None
        raise UserError("what a model looks at is told of columns; this one takes images", place="explain")
    columns = list(encoding.columns)
    most = _affordable(model, len(columns)) if brief else explain.MOST_ROWS
    if not most or (brief and (len(frame) < explain.LEAST_ROWS or len(columns) > MOST_COLUMNS)):
        return None
    picked = np.random.default_rng(0).permutation(len(frame))[: explain.MOST_ROWS]
    frame, values = frame.iloc[picked], values[picked]
    frame = _with_numbers(frame[columns].reset_index(drop=True), encoding)

    def outputs(rows: pd.DataFrame) -> np.ndarray:
        return prediction.raw_outputs(model, frames.columns_of(rows), encoding)

    asked = explain.Model(outputs, target, columns)
    some, known = frame[:most], values[:most]
    importance = explain.importance(asked, some, known)
    first = importance["column"].tolist()
    return Explanation(
        leading_score(known, target),
        len(some),
        importance,
        tuple(explain.dependence(asked, some, name) for name in first[:SHOWN]),
        explain.slices(asked, frame, values, first[:PAIRED]),
    )


def _affordable(model: Network, columns: int) -> int:
    """How many rows a report looks at; 0 where too few would take too long."""
    times = columns * explain.REPEATS + SHOWN * explain.GRID  # each row is predicted
    rows = min(explain.MOST_ROWS, MOST_PREDICTED / times, WEIGHTS_TIMES_ROWS / (max(1, model.count_params()) * times))
    return max(LEAST_ROWS, int(rows)) if rows >= LEAST_ROWS / 2 else 0


def _with_numbers(frame: pd.DataFrame, encoding: Encoding) -> pd.DataFrame:
    """The same with numbers in numeric columns that a file writes as texts, so that they have quarters and a scale."""
    names = [name for part in encoding.parts if isinstance(part, Numeric) for name in part.names]
    numbers = [own for part in encoding.parts if isinstance(part, Numeric) for own in part.raw_numbers(frame)]
    return frames.with_columns(frame, dict(zip(names, numbers, strict=True)))


def test_rows(directory: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The test rows of a run, and what is true of them; its data are read anew.

    Raises:
        UserError: They have changed, or are not there any more.
    """
    resolved = resolving.load_recipe(directory / "recipe.yaml")
    place = str(directory / "recipe.yaml")
    data: RecipeData
    if stream.is_streamed(resolved.spec):
        data = stream.open_stream(resolved.spec, place, directory)
    else:
        data = dataset.load_dataset(resolved.spec, place)
    known = json.loads((directory / "environment.json").read_text("utf-8"))["data_sha256"]
    if known != data.fingerprint:
        raise UserError(
            "the data of this run have changed since",
            place=str(directory),
            remedy="Name labelled rows: mlp-toolkit explain RUN DATA.",
        )
    return rows_of(data, "test")


def rows_of(data: RecipeData, part: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of a part, those of its first pieces, and what is true of them."""
    import pandas as pd

    pieces, rows = [], 0
    for piece in data.pieces(part):
        pieces.append(piece)
        rows += len(piece.values)
        if rows >= 10 * explain.MOST_ROWS:
            break
    frame = pd.concat([piece.frame for piece in pieces], ignore_index=True)
    return frame, np.concatenate([piece.values for piece in pieces])


def labelled_rows(model: Network, rows: Any) -> tuple[pd.DataFrame, np.ndarray]:
    """New rows, and what is true of them; those without a target are left out.

    Raises:
        UserError: A column is missing, or a label is none of the model's classes.
    """
    target = prediction.target_of(model)
    frame = frames.normalise(prediction.raw_rows(model, rows, "explain"))
    roles.check_columns(frame, target.names, "the target")
    frame = frame[targets.complete(frame, target.names)].reset_index(drop=True)
    return frame, targets.known_values(frame, target)


def contributions_of(model: Network, row: Any, background: pd.DataFrame, label: Any = None) -> pd.DataFrame:
    """What each column adds to the prediction of one row.

    Args:
        model: A model file's model.
        row: One raw row, as `Run.predict` takes it.
        background: Raw rows that it is compared with.
        label: The target, label or class whose prediction is told of; None takes the first, of classes the likeliest.

    Raises:
        UserError: It is not one row, or there is no such label.
    """
    target, encoding = prediction.target_of(model), prediction.encoding_of(model)
    frame = frames.normalise(prediction.raw_rows(model, row, "contributions: row"))
    if len(frame) != 1:
        raise UserError("one row is explained at a time", place="contributions", found=f"{len(frame)} rows")

    def outputs(rows: pd.DataFrame) -> np.ndarray:
        return prediction.raw_outputs(model, frames.columns_of(rows), encoding)

    names = list(map(str, target.classes if target.task == "multiclass" else target.names))
    if target.task == "binary":
        names = [str(target.classes[1])]
    if label is None:
        place = int(outputs(frame)[0].argmax()) if target.task == "multiclass" else 0
    elif str(label) in names:
        place = names.index(str(label))
    else:
        raise UserError("no such label", place="contributions: label", found=label, allowed=names)
    asked = explain.Model(outputs, target, list(encoding.columns))
    return explain.contributions(asked, frame, background, place)
