"""Runs beside each other: how far their test scores lie apart, and whether that is more than chance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import UserError, number
from mlp_toolkit.evaluation import metrics
from mlp_toolkit.evaluation.doubt import LEVEL, drawn_scores, looked_at
from mlp_toolkit.evaluation.report.tested import read_tested
from mlp_toolkit.runs.finished import load_run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """Test scores of several runs on the rows that all of them tested.

    Attributes:
        rows: How many these are.
        scores: A row for each score, a column for each run.
        differences: A row for each score and each run but the first: `score`, `run`, `difference` from the first, and
            `low` and `high`, the 95 % interval of it: where 0 is not inside it is more than chance.
    """

    rows: int
    scores: pd.DataFrame
    differences: pd.DataFrame

    def __str__(self) -> str:
        lines = [f"{self.rows:,} test rows that all have in common; differences from {self.scores.columns[0]}"]
        for name, line in self.scores.iterrows():
            lines.append(f"{name}: " + ", ".join(f"{run} {number(value)}" for run, value in line.items()))
            for found in self.differences[self.differences["score"] == name].to_dict("records"):
                sure = "" if found["low"] <= 0 <= found["high"] else "  more than chance"
                apart = f"{number(found['difference'])} ({number(found['low'])} to {number(found['high'])})"
                lines.append(f"  {found['run']}: {apart}{sure}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        told = self.differences.to_html(index=False, float_format=number)
        return str(self.scores.to_html(float_format=number)) + str(told)


@dataclass(frozen=True)
class _Tested:
    """What a run said of its test rows."""

    name: str
    fingerprint: str
    target: Target
    rows: np.ndarray
    values: np.ndarray
    outputs: np.ndarray


def compare(runs: Sequence[str | Path]) -> Comparison:
    """Compares runs on the test rows that all of them have in common, row by row.

    The same rows are drawn anew for all runs (a paired bootstrap, 1,000 samples), so that what is hard about a row for
    each of them does not count as a difference.

    Args:
        runs: Two run directories or more, of the same data and target.

    Returns:
        Scores, and their differences from the first run with intervals.

    Raises:
        UserError: One is no run directory, or they are not of the same data and target.
    """
    import pandas as pd

    if isinstance(runs, str | Path) or len(runs) < 2:
        raise UserError("two runs or more are compared", place="compare", found=runs, allowed="run directories")
    tested = [_tested(Path(run)) for run in runs]
    if len({own.name for own in tested}) < len(tested):  # folders of one name in several places
        tested = [
            replace(own, name=f"{place}: {run}") for place, (own, run) in enumerate(zip(tested, runs, strict=True), 1)
        ]
    first = tested[0]
    for other, run in zip(tested[1:], runs[1:], strict=True):
        if (other.target.task, other.target.names) != (first.target.task, first.target.names):
            raise UserError(
                "this run predicts something else than the first",
                place=str(run),
                found=_what(other.target),
                allowed=_what(first.target),
            )
        if other.fingerprint != first.fingerprint:
            raise UserError(
                "this run is of other data than the first", place=str(run), remedy="Evaluate both on the same file."
            )
    common = sorted(set.intersection(*({*own.rows.tolist()} for own in tested)))
    if len(common) < 2:
        raise UserError("the runs have not two test rows in common", remedy="Take the same seed and the same shares.")
    names = metrics.metric_names(first.target.task)
    scores, drawn = {}, []
    for own in tested:
        place = {row: number for number, row in enumerate(own.rows.tolist())}
        picked = np.array([place[row] for row in common])
        values, outputs = own.values[picked], own.outputs[picked]
        scores[own.name] = metrics.score(values, outputs, own.target, names)
        some = looked_at(len(values))
        drawn.append(drawn_scores(values[some], outputs[some], own.target))
    lines = []
    for own, of_samples in zip(tested[1:], drawn[1:], strict=True):
        for name in names:
            if name not in scores[own.name] or name not in scores[first.name]:
                continue
            apart = (of_samples[name] - drawn[0][name])[np.isfinite(of_samples[name] - drawn[0][name])]
            difference = scores[own.name][name] - scores[first.name][name]
            narrower = np.sqrt(len(looked_at(len(common))) / len(common))
            low, high = difference + narrower * (np.quantile(apart, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - apart.mean())
            lines.append({"score": name, "run": own.name, "difference": difference, "low": low, "high": high})
    return Comparison(len(common), pd.DataFrame(scores).reindex(names).dropna(how="all"), pd.DataFrame(lines))


def _tested(directory: Path) -> _Tested:
    """Reads what a run left of its test rows; no model is opened."""
    tested = read_tested(directory, load_run(directory).metrics)
    environment = directory / "environment.json"
    if not environment.is_file():
        raise UserError("the run lacks a file", place=str(environment))
    fingerprint = json.loads(environment.read_text("utf-8"))["data_sha256"]
    rows = tested.frame["row"].to_numpy()
    return _Tested(directory.resolve().name, fingerprint, tested.target, rows, tested.values, tested.outputs)


def _what(target: Target) -> str:
    return f"{target.task} of {', '.join(target.names)}"
