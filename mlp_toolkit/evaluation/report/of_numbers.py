"""Pictures of what was said of numbers: near the truth or not, and whether intervals hold it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mlp_toolkit.errors import number, shorten
from mlp_toolkit.evaluation.doubt import wilson
from mlp_toolkit.evaluation.drawing import BLUE, GREY, ORANGE
from mlp_toolkit.evaluation.report.pictures import MOST_POINTS, beside, drawn
from mlp_toolkit.evaluation.report.tested import Tested

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlp_toolkit.evaluation.report.pictures import Draw

MOST_TARGETS, MOST_RESIDUALS = 8, 4
GROUPS, LEAST_IN_A_GROUP = 10, 20


def pictures_of_numbers(tested: Tested) -> str:
    """For each target what was predicted against what is true, how far it is off, and how often intervals hold it."""
    names, spec = tested.target.names, tested.recipe.spec
    pictures = []
    for place, name in enumerate(names[:MOST_TARGETS]):
        true, said = tested.values[:, place], tested.outputs[:, place]
        of, off = f" of {shorten(name, 40)}" if len(names) > 1 else "", said - true
        says = f"predicted against true values{of}; root mean squared error {number(float(np.sqrt(np.mean(off**2))))}"
        draw: Draw = partial(_scatter, true=true, said=said)
        pictures.append(drawn(draw, says, f"Predictions{of}: on the line they are right."))
        if spec.report == "full" and len(names) <= MOST_RESIDUALS:
            says = f"errors against predictions{of}; on average they are {number(float(np.mean(off)))}"
            draw = partial(_residuals, said=said, off=off)
            pictures.append(drawn(draw, says, f"Errors{of}: prediction less truth; the line is their mean in tenths."))
        prefix = f"prediction_{name}" if len(names) > 1 else "prediction"
        if spec.report == "full" and f"{prefix}_lower" in tested.frame:
            low, high = (tested.frame[f"{prefix}_{end}"].to_numpy(float) for end in ("lower", "upper"))
            held, level = (low <= true) & (true <= high), float(spec.intervals or 0)
            says = f"intervals{of} hold {held.mean():.1%} of the test rows, {level:.0%} were asked for"
            title = f"Intervals{of}: the share of test rows inside, by tenths of the predictions, with 95 % intervals."
            pictures.append(drawn(partial(_held, said=said, held=held, level=level), says, title))
    left = len(names) - MOST_TARGETS
    return beside(pictures) + (f"<p>{left} more targets are told of by the table alone.</p>" if left > 0 else "")


def _some(rows: int) -> np.ndarray:
    """Positions of the rows that are drawn."""
    if rows <= MOST_POINTS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))


def _cloud(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    shown = _some(len(x))
    faint = 0.5 if len(shown) < 300 else 0.25
    axes.scatter(x[shown], y[shown], s=10, alpha=faint, color=BLUE, linewidths=0, rasterized=len(shown) > 300)


def _scatter(axes: Axes, true: np.ndarray, said: np.ndarray) -> None:
    _cloud(axes, true, said)
    ends = [min(true.min(), said.min()), max(true.max(), said.max())]
    axes.plot(ends, ends, color=GREY, lw=1)
    axes.set(xlabel="true value", ylabel="prediction")


def _residuals(axes: Axes, said: np.ndarray, off: np.ndarray) -> None:
    _cloud(axes, said, off)
    axes.axhline(0, color=GREY, lw=1)
    groups = _groups(said)
    if len(groups) > 2:
        middle = [float(np.mean(said[rows])) for rows in groups]
        axes.plot(middle, [float(np.mean(off[rows])) for rows in groups], color=ORANGE, lw=1.5)
    axes.set(xlabel="prediction", ylabel="prediction less truth")


def _held(axes: Axes, said: np.ndarray, held: np.ndarray, level: float) -> None:
    groups = _groups(said)
    middle = np.array([said[rows].mean() for rows in groups])
    share = np.array([held[rows].mean() for rows in groups])
    ends = np.array([wilson(int(held[rows].sum()), len(rows)) for rows in groups])
    axes.axhline(level, color=GREY, lw=1, label=f"asked for: {level:.0%}")
    around = np.maximum(np.stack([share - ends[:, 0], ends[:, 1] - share]), 0)
    axes.errorbar(middle, share, yerr=around, fmt="o", ms=4, color=BLUE, ecolor=GREY, elinewidth=1, label="held")
    axes.set(xlabel="prediction", ylabel="share inside", ylim=(min(0.5, ends.min() - 0.02), 1.02))
    axes.legend(frameon=False, loc="lower left")


def _groups(said: np.ndarray) -> list[np.ndarray]:
    """Positions of the rows, in tenths by their predictions; of few rows fewer groups."""
    count = max(1, min(GROUPS, len(said) // LEAST_IN_A_GROUP))
    return [rows for rows in np.array_split(np.argsort(said, kind="stable"), count) if len(rows)]
