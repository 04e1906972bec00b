"""New rows beside those that a model learnt from: columns that moved, and predictions that did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlp_toolkit.data.reading import frames, tables
from mlp_toolkit.errors import UserError, number
from mlp_toolkit.evaluation import drift
from mlp_toolkit.model import prediction
from mlp_toolkit.model.keras_types import Network

PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True)
class Drift:
    """How far new rows lie from those that a model learnt from.

    Attributes:
        rows: How many new rows there are.
        columns: Of each column, the farthest first.
        predictions: Of each prediction, beside those of the test rows; empty where only the model file is at hand.
    """

    rows: int
    columns: tuple[drift.Moved, ...]
    predictions: tuple[drift.Moved, ...]

    @property
    def largest(self) -> float:
        """The largest stability index of a column that moved for more than chance; 0 without any."""
        return max((own.psi for own in self.columns if own.moved), default=0.0)

    def __str__(self) -> str:
        lines = [f"{self.rows:,} new rows; stability index 0 is the same, from 0.25 on it is called large"]
        for own in self.columns:
            said = f"{own.name}: {number(own.psi)}"
            if own.unseen:
                said += f", {own.unseen:.1%} of the rows hold words that were not among the commonest"
            if own.missing:
                said += f", {own.missing:.1%} missing"
            lines.append(f"{said}{'  moved' if own.moved else ''}")
        lines += [
            f"prediction of {own.name}: {number(own.psi)}{'  moved' if own.moved else ''}" for own in self.predictions
        ]
        if self.rows < drift.LEAST_ROWS:
            lines.append(f"fewer than {drift.LEAST_ROWS} rows: what they show may be chance")
        elif not any(own.moved for own in (*self.columns, *self.predictions)):
            lines.append("nothing moved by more than chance")
        return "\n".join(lines)


def drift_of(model: Network, run: Path, table: tables.Table) -> Drift:
    """How far the rows of a file lie from those that a model learnt from.

    Args:
        model: The model.
        run: Its run directory, in which the predictions of the test rows lie, or its file.
        table: The new rows.

    Raises:
        UserError: The model keeps nothing of its rows, as one of an earlier version, or a column is missing.
    """
    target = prediction.target_of(model)
    if not target.seen:
        raise UserError(
            "this model keeps nothing of the rows that it learnt from",
            place=str(run),
            remedy="Train it again with this version; images are not compared.",
        )
    frame = prediction.table_rows(model, table)
    columns = prediction.model_columns(model, frames.normalise(frame))
    found = sorted(
        drift.moves(target.seen, drift.with_days(columns, prediction.encoding_of(model))), key=lambda own: -own.psi
    )
    return Drift(len(frame), tuple(found), tuple(_of_predictions(model, run, columns)))


def _of_predictions(model: Network, run: Path, columns: dict[str, np.ndarray]) -> list[drift.Moved]:
    """Predictions of new rows beside those of the test rows."""
    import pandas as pd

    if not (run / PREDICTIONS).is_file():
        return []
    target = prediction.target_of(model)
    before = pd.read_parquet(run / PREDICTIONS)
    now = prediction.predictions_table(prediction.raw_outputs(model, columns), target)
    several = len(target.names) > 1
    then, today = {}, {}
    for name in target.names:
        own = "label" if target.classes else name
        then[name] = before[f"prediction_{name}" if several else "prediction"].to_numpy()
        today[name] = now[own].to_numpy()
    numbers = list(target.names) if target.task in ("regression", "multilabel") else []
    return drift.moves(drift.seen_in(then, numbers, [name for name in then if name not in numbers]), today)
