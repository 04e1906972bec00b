"""Pictures of a search: scores by trial, what mattered, and which values the good trials had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.errors import shorten
from mlp_toolkit.evaluation.drawing import BLUE, GREY, ORANGE
from mlp_toolkit.files import atomic
from mlp_toolkit.recipe.spec import Range, Values
from mlp_toolkit.tuning import study
from mlp_toolkit.tuning.trials import lower

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILES = {"history": "search_history.png", "importances": "search_importances.png", "parallel": "search_parallel.png"}
LEAST_TRIALS = 4  # with different scores, for the pictures that compare


def draw(directory: Path, opened: optuna.Study, space: Mapping[str, Range | Values], metric: str) -> None:
    """Writes the pictures that the trials allow."""
    told = [trial for trial in study.finished(opened) if trial.value is not None and trial.value < 1e300]
    told = [trial for trial in told if trial.state.name == "COMPLETE"]
    scores = np.array([lower(metric, trial.value) for trial in told])
    _write(directory / FILES["history"], lambda axes: _history(axes, opened, told, scores, metric), 3.6)
    if len({*scores.tolist()}) < LEAST_TRIALS:
        return
    importances = _importances(opened, told)
    if importances:
        height = 1.2 + 0.35 * len(importances)
        _write(directory / FILES["importances"], lambda axes: _bars(axes, importances, metric), height)
    _write(directory / FILES["parallel"], lambda axes: _parallel(axes, told, scores, space, metric), 4.5)


def _write(path: Path, drawn: Any, height: float) -> None:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"text.parse_math": False}):
        figure: Figure = Figure(figsize=(8, height), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        drawn(axes)
        with atomic(path) as temporary:
            figure.savefig(temporary, dpi=110, format="png")


def _history(axes: Axes, opened: optuna.Study, told: list[Any], scores: np.ndarray, metric: str) -> None:
    numbers = [trial.number for trial in told]
    best = np.minimum.accumulate(scores) if lower(metric, 1.0) > 0 else np.maximum.accumulate(scores)
    axes.plot(numbers, scores, "o", ms=4, color=BLUE, label="a trial")
    axes.step(numbers, best, where="post", color=ORANGE, label="best so far")
    pruned = [trial.number for trial in study.finished(opened) if trial.state.name == "PRUNED"]
    if pruned:
        axes.plot(pruned, [axes.get_ylim()[0]] * len(pruned), "|", color=GREY, ms=9, label="pruned")
    axes.set(xlabel="trial", ylabel=f"{metric} of rows not learnt")
    axes.legend(frameon=False)


def _importances(opened: optuna.Study, told: list[Any]) -> dict[str, float]:
    """How much of the scores' spread each key explains; empty where only one was searched over, or none matters."""
    optuna = study.load_optuna()
    if len(told[0].params) < 2:
        return {}
    try:
        found = optuna.importance.get_param_importances(
            opened, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
        )
    except (ValueError, RuntimeError):  # trials that differ in nothing, or scores without any spread
        return {}
    return dict(found)


def _bars(axes: Axes, importances: dict[str, float], metric: str) -> None:
    names = list(importances)[::-1]
    axes.barh(names, [importances[name] for name in names], color=BLUE)
    axes.set(xlabel=f"share of the spread of {metric} that it explains")


def _parallel(
    axes: Axes, told: list[Any], scores: np.ndarray, space: Mapping[str, Range | Values], metric: str
) -> None:
    """A line for each trial through its values; the darker, the better its score."""
    import matplotlib

    keys, places = [key for key in space if all(key in trial.params for trial in told)], []
    for key in keys:
        own = np.array([trial.params[key] for trial in told], float)
        choices = space[key]
        own = np.log(own) if isinstance(choices, Range) and choices.log else own
        places.append((own - own.min()) / max(float(np.ptp(own)), 1e-12))
    rank = np.argsort(np.argsort(scores * -lower(metric, 1.0))) / max(1, len(scores) - 1)
    colors = matplotlib.colormaps["Blues"](0.15 + 0.85 * rank)
    for number in np.argsort(rank):
        axes.plot(range(len(keys)), [own[number] for own in places], color=colors[number], lw=1.2)
    axes.set_xticks(range(len(keys)), keys, rotation=20, ha="right")
    for place, key in enumerate(keys):
        choices = space[key]
        ends = [choices.min, choices.max] if isinstance(choices, Range) else [choices.values[0], choices.values[-1]]
        for height, end, side in ((-0.02, ends[0], "top"), (1.02, ends[1], "bottom")):
            axes.text(place, height, shorten(str(end), 24), ha="center", va=side, fontsize=7, color=GREY)
    axes.set(ylim=(-0.12, 1.12), yticks=[], title=f"darker: a better {metric}")
