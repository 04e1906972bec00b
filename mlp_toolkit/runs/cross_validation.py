"""Cross-validation of a recipe: each training row is predicted by a network that has not learnt it.

The folds follow one another, and those of the same shapes train through one compiled program.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data import dataset, splitting
from mlp_toolkit.data.reading import frames
from mlp_toolkit.data.streaming import stream
from mlp_toolkit.errors import UserError, number
from mlp_toolkit.evaluation import drawing, metrics
from mlp_toolkit.files import atomic
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.recipe.spec import Recipe
from mlp_toolkit.runs import given_rows
from mlp_toolkit.runs.directory import chosen_directory, locked, predicted_rows, write_text
from mlp_toolkit.runs.run import with_rows
from mlp_toolkit.training import fit_recipe, progress, warm_start
from mlp_toolkit.training.engine.sharing import cluster

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_FOLDS, MOST_REPEATS, MOST_TICKS = 100, 100, 20
# Scores that may be above 1, and those that may be below 0.
ABOVE_1, BELOW_0 = ("rmse", "mae", "log_loss"), ("r2",)
LEVEL = 0.95
RECORD = "cross_validation.json"  # written last: it says that the others are complete


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation gives.

    Attributes:
        scores: A row for each fold: `repeat`, `fold`, `rows`, `best_epoch`, and the scores by name.
        summary: By score `mean`, `std` (of the folds), `low` and `high`, a 95 % interval of the mean.
        out_of_fold: A row for each row and repeat, with the columns of `predictions.parquet`, `repeat` and `fold`.
        directory: Where the files lie, or None.
    """

    scores: pd.DataFrame
    summary: pd.DataFrame
    out_of_fold: pd.DataFrame
    directory: Path | None = None

    def plot(self, score: str | None = None, *, axes: Axes | None = None) -> Axes:
        """Draws a score of each fold, their mean, and its interval.

        Args:
            score: Which; None takes the first.
            axes: Where to; None makes a figure.

        Raises:
            UserError: There is no such score.
        """
        name = score or str(self.summary.index[0])
        if name not in self.summary.index:
            raise UserError("no such score", place="plot: score", found=name, allowed=list(self.summary.index))
        axes = drawing.axes_or_new(axes)
        mean, low, high = self.summary.loc[[name], ["mean", "low", "high"]].to_numpy(float)[0].tolist()
        folds = np.arange(1, len(self.scores) + 1)
        axes.axhspan(low, high, color=drawing.GREY, alpha=0.2, lw=0, label="95 % of the mean")
        axes.axhline(mean, color=drawing.GREY, lw=1, label="mean")
        axes.scatter(folds, self.scores[name], color=drawing.BLUE, zorder=3, label="a fold")
        axes.set(xlabel="fold", ylabel=name, xticks=folds if len(folds) <= MOST_TICKS else [1, len(folds)])
        axes.legend(frameon=False)
        return axes

    def _repr_html_(self) -> str:
        return str(self.summary.to_html(float_format=number))


def cross_validate(
    recipe: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    data: Any = None,
    folds: int = 5,
    repeats: int = 1,
    out: str | Path | None = None,
    verbose: Any = "auto",
) -> CrossValidation:
    """Trains a recipe on all folds but one, and predicts that one, for each fold.

    The recipe's test rows stay untouched. Each network chooses its best epoch on validation rows of its own, and its
    encoding is fitted to its own training rows, so that nothing about a fold is known to the network that predicts it.

    Args:
        recipe: As `run` takes it.
        overrides: Values by dotted key that win over the recipe's.
        data: The rows, in place of those that the recipe names, as `run` takes them.
        folds: Into how many parts the rows are divided, 2 to 100; of classes each gets a like share.
        repeats: How often, 1 to 100, each time divided anew and from other initial weights.
        out: A folder to write `out_of_fold.parquet`, `scores.csv`, `scores.png` and `cross_validation.json` to; None
            writes none.
        verbose: auto, 0 (nothing), 1 or 2 (a line for each fold); on standard error.

    Returns:
        Scores with their spread, and the predictions.

    Raises:
        UserError: The recipe, the data or the folder is wrong, or there are too few rows.
    """
    for name, given, least, most in (("folds", folds, 2, MOST_FOLDS), ("repeats", repeats, 1, MOST_REPEATS)):
        if not isinstance(given, int) or isinstance(given, bool) or not least <= given <= most:
            allowed = f"a whole number from {least} to {most}"
            raise UserError(
                f"{name} must be a whole number in a range",
                place=f"cross_validate: {name}",
                found=given,
                allowed=allowed,
            )
    place = "recipe" if isinstance(recipe, Mapping) else str(recipe)
    with tempfile.TemporaryDirectory() as scratch:
        resolved, rows = with_rows(recipe, overrides or {}, data, lambda _: Path(scratch))
        cluster.check_alone(resolved.spec.train.device, "a cross-validation")
        with given_rows.kept(rows, Path(scratch)):
            if stream.is_streamed(resolved.spec):
                remedy = "Say data.stream: false where the rows fit into memory."
                raise UserError("rows that are streamed are not cross-validated", place=place, remedy=remedy)
            rows_of_recipe = dataset.load_dataset(resolved.spec, place)
    if out is None:
        return _carried_out(resolved, rows_of_recipe, folds, repeats, verbose)
    directory = chosen_directory(out, resolved.spec.name, False)
    if (directory / RECORD).exists():
        raise UserError(
            "this folder holds a cross-validation already", place=str(directory), remedy="Name another by --out."
        )
    with locked(directory):
        done = _carried_out(resolved, rows_of_recipe, folds, repeats, verbose)
        _write(done, resolved, directory)
    return CrossValidation(done.scores, done.summary, done.out_of_fold, directory)


def _carried_out(resolved: Resolved, data: dataset.Dataset, folds: int, repeats: int, verbose: Any) -> CrossValidation:
    import pandas as pd

    spec, say = resolved.spec, progress.speaker(verbose)
    for note in data.notes:
        say(note)
    names = metrics.metric_names(spec.task, spec.metrics)
    scores, predicted, sizes = [], [], []
    source = warm_start.read_source(spec.model.warm_start) if spec.model.warm_start else None
    for repeat, fold, own, recipe in _folds(spec, data, folds, repeats):
        prepared: Any = warm_start.with_encoding_of(source, own) if source else own
        done = fit_recipe.train_recipe(recipe, prepared, source=source, verbose=0)
        if done.state.diverged() and not done.state.best:
            raise UserError("training diverged in its first epoch", place=f"fold {fold}")
        (piece,) = own.pieces("test")
        outputs = done.outputs(frames.columns_of(piece.frame))
        found = metrics.score(piece.values, outputs, done.target, names)
        about = {"repeat": repeat, "fold": fold, "rows": len(piece.frame), "best_epoch": done.state.best_epoch}
        scores.append({**about, **found})
        sizes.append(own.counts)
        part = predicted_rows(piece, outputs, done.target)
        predicted.append(part.assign(repeat=repeat, fold=fold))
        told = "  ".join(f"{name} {number(value)}" for name, value in found.items())
        say(f"fold {fold} of {folds}{f', repeat {repeat} of {repeats}' if repeats > 1 else ''}: {told}")
    frame = pd.DataFrame(scores)
    rows = pd.concat(predicted, ignore_index=True).sort_values(["repeat", "row"], ignore_index=True)
    return CrossValidation(frame, _summary(frame, names, sizes), rows)


def _folds(
    spec: Recipe, data: dataset.Dataset, folds: int, repeats: int
) -> Iterator[tuple[int, int, dataset.Dataset, Recipe]]:
    """Repeat and fold, counted from 1, the rows, and the recipe, whose seed is another in each repeat."""
    for repeat in range(repeats):
        recipe = spec.model_copy(update={"seed": spec.seed + repeat})
        divided = splitting.folds_of(recipe, data.values, data.parts, folds, data.ties)
        for fold, parts in enumerate(divided, 1):
            yield repeat + 1, fold, data.split_anew(recipe, parts), recipe


def _summary(scores: pd.DataFrame, names: list[str], sizes: list[dict[str, int]]) -> pd.DataFrame:
    """Mean and spread of each score.

    Folds share training rows, so that their scores differ less than those of new data would: the interval is Student's
    with the variance corrected by (1 / folds + test rows / training rows) (C. Nadeau and Y. Bengio, 2003).
    """
    import pandas as pd
    from scipy import stats

    ratio = float(np.mean([size["test"] / (size["train"] + size["validation"]) for size in sizes]))
    lines = {}
    for name in names:
        values = scores[name].dropna().to_numpy() if name in scores else np.zeros(0)
        if not len(values):
            continue
        mean, deviation = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else math.nan
        half = stats.t.ppf((1 + LEVEL) / 2, max(len(values) - 1, 1)) * deviation * math.sqrt(1 / len(values) + ratio)
        low = mean - half if name in BELOW_0 else max(0.0, mean - half)
        high = mean + half if name in ABOVE_1 else min(1.0, mean + half)
        lines[name] = {"mean": mean, "std": deviation, "low": low, "high": high}
    return pd.DataFrame.from_dict(lines, orient="index")


def _write(done: CrossValidation, resolved: Resolved, directory: Path) -> None:
    import matplotlib.figure

    record = {
        "task": resolved.spec.task,
        "summary": done.summary.to_dict("index"),
        "scores": done.scores.to_dict("records"),
        "recipe": resolved.values,
    }
    figure = matplotlib.figure.Figure(figsize=(7, 3.6), layout="constrained")
    done.plot(axes=figure.subplots())
    with atomic(directory / "scores.png") as temporary:
        figure.savefig(temporary, dpi=120, format="png")
    with atomic(directory / "out_of_fold.parquet") as temporary:
        done.out_of_fold.to_parquet(temporary, index=False)
    write_text(directory / "scores.csv", done.scores.to_csv(index=False))
    write_text(directory / RECORD, json.dumps(record, indent=2, default=str) + "\n")
