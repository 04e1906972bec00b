"""What pictures share: colours, plain axes, and the curve of learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.errors import UserError, shorten

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#2563a8", "#d9822b", "#8a8f98"
# Of classes, in their order; told apart by the colour-blind as well (Okabe and Ito 2008).
CLASSES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#555555")


def axes_or_new(axes: Axes | None, size: tuple[float, float] = (7, 3.6)) -> Axes:
    """The axes to draw into: those given, or a new figure's, of so many inches.

    Raises:
        UserError: What is given is no axes.
    """
    if axes is None:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(figsize=size, layout="constrained")
    assert axes is not None
    if not hasattr(axes, "spines"):
        raise UserError("the axes of one picture; of several give one, such as axes[0]", place="axes", found=axes)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def legend_name(name: str, limit: int) -> str:
    """A name of at most so many letters as a legend takes it: one that begins with _ would be left out."""
    return shorten(f" {name}" if name.startswith("_") else name, limit)


def _score_of_folds(axes: Axes, history: Mapping[str, Any] | pd.DataFrame, epochs: np.ndarray) -> None:
    """Draws, on an axis of its own, the score by which members of an ensemble are judged, where there is one."""
    name = next((str(name) for name in history if str(name).startswith("val_")), None)
    if name is None:
        return
    score = np.asarray(history[name], float)
    seen = ~np.isnan(score)
    other = axes.twinx()
    other.plot(epochs[seen], score[seen], color=ORANGE, marker=".", ms=3)
    other.set_ylabel(f"{name.removeprefix('val_')} of the rows held out", color=ORANGE)
    other.spines[["top", "left"]].set_visible(False)
    other.spines["right"].set_visible(True)  # without it a tick before a number reads as a minus
    other.patch.set_visible(False)  # the page's own colour shows


def importances(axes: Axes, found: Sequence[Mapping[str, Any]], score: str, most: int = 15) -> None:
    """Draws how much worse a score becomes without each column, with intervals; the most important on top."""
    shown = list(found)[:most][::-1]
    middle = [line["importance"] for line in shown]
    half = [line["high"] - line["importance"] for line in shown]
    axes.barh([shorten(str(line["column"]), 30) for line in shown], middle, xerr=half, color=BLUE, ecolor=GREY)
    axes.set(xlabel=f"{score} is worse by, when shuffled")


def dependences(axes: Axes, grid: Sequence[Any], mean: np.ndarray, names: Sequence[str], column: str) -> None:
    """Draws how the mean prediction of each output changes with a column, numbers as a line and words as bars."""
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in grid)
    for place, own in enumerate(np.asarray(mean, float).T[: len(CLASSES)]):
        label = legend_name(names[place], 14) if place < len(names) else None
        if numeric:
            axes.plot(grid, own, color=CLASSES[place], label=label)
        else:
            at = np.arange(len(grid)) + 0.8 * place / max(1, len(names)) - 0.4
            axes.bar(at, own, 0.8 / max(1, len(names)), align="edge", color=CLASSES[place], label=label)
    if not numeric:
        axes.set_xticks(range(len(grid)), [shorten(str(value), 14) for value in grid], rotation=45, ha="right")
    axes.set(xlabel=column, ylabel="mean prediction")
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)


def learning(axes: Axes, losses: Mapping[str, Any] | pd.DataFrame, best: int | None = None) -> None:
    """Draws the losses by epoch, and a line at the best epoch.

    Args:
        axes: Where to.
        losses: `loss`, and where there were validation rows `val_loss`, one value an epoch; `epoch` counts from 1
            where it is not there.
        best: The best epoch, counted like the others.

    Raises:
        UserError: They are no numbers, or not as many.
    """
    names = [name for name in ("epoch", "loss", "val_loss") if name in losses]
    try:
        values = {name: np.asarray(losses[name], float) for name in names}
    except (TypeError, ValueError):
        raise UserError("a loss is a number for each epoch, and this history holds something else") from None
    if len({curve.shape for curve in values.values()}) > 1 or values["loss"].ndim != 1:
        raise UserError(f"{' and '.join(names)} are not of the same number of epochs")
    epochs = values.get("epoch", np.arange(1, len(values["loss"]) + 1))
    axes.plot(epochs, values["loss"], color=BLUE, label="training")
    if "val_loss" in values:
        seen = ~np.isnan(values["val_loss"])  # the folds of an ensemble are looked at now and then
        axes.plot(epochs[seen], values["val_loss"][seen], color=ORANGE, label="validation")
    else:
        _score_of_folds(axes, losses, epochs)
    if best:
        axes.axvline(best, color=GREY, lw=1, ls=":")
        axes.annotate("best", (best, axes.get_ylim()[1]), xytext=(3, -10), textcoords="offset points", color=GREY)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)  # above, where it hides nothing
