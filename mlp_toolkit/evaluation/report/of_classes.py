"""Pictures of what was said of classes and labels: mistakes, curves of probabilities, and whether these come true."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlp_toolkit.errors import listing, number, shorten
from mlp_toolkit.evaluation.calibration import Fit, reliability
from mlp_toolkit.evaluation.decision import USUAL, goodness
from mlp_toolkit.evaluation.drawing import BLUE, CLASSES, GREY, ORANGE, legend_name
from mlp_toolkit.evaluation.metrics import Sweep, sweep
from mlp_toolkit.evaluation.report.curves import GRID, by_threshold
from mlp_toolkit.evaluation.report.pictures import USUAL_SIZE, beside, drawn
from mlp_toolkit.evaluation.report.tested import Tested

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

# Classes of a confusion matrix with counts in it; without; labels whose shares are drawn.
MOST_COUNTED, MOST_CLASSES, MOST_LABELS = 20, 60, 30
MOST_LETTERS = 24  # of the names below a confusion matrix, for them to lie
# Curves that each have a colour; of more labels so many of the worst have one, and so many others are drawn thin.
MOST_CURVES, WORST, MOST_THIN = 8, 3, 40


class Curve(NamedTuple):
    """A line of a picture: what it is called, its colour, and what each threshold decides."""

    name: str
    color: str
    steps: Sweep


def pictures_of_classes(tested: Tested, record: Mapping[str, Any]) -> str:
    """Mistakes, curves by label or class, thresholds, and reliability of the test rows."""
    task, true, said = tested.target.task, tested.of_each, ""
    pictures = _labels(tested) if task == "multilabel" else _confusion(tested.frame)
    if tested.recipe.spec.report == "brief":
        return beside(pictures)
    found = {name: sweep(*own) for name, *own in zip(tested.names, true.T, tested.outputs.T, strict=True)}
    known = {name: steps for name, steps in found.items() if steps is not None}
    missing = [name for name, steps in found.items() if steps is None]
    if known:
        colored, thin = chosen_curves(known)
        pictures += [_roc(known, colored, thin), _precision_recall(known, colored, thin)]
        if task != "multiclass":
            pictures.append(_thresholds(tested, record, colored, thin))
    if missing:
        said = f"<p>No curve of what is true of no test row, or of all: {html.escape(listing(missing, 12))}.</p>"
    told, text = _reliability(tested, record)
    return beside([*pictures, told]) + said + f"<p>{html.escape(text)}</p>"


def chosen_curves(known: Mapping[str, Sweep]) -> tuple[list[Curve], list[Sweep]]:
    """The curves that have a name and a colour, and those that are drawn thin.

    Up to 8 all have one; of more the three with the smallest area below recall over fall-out.
    """
    if len(known) <= MOST_CURVES:
        return [Curve(name, CLASSES[place], known[name]) for place, name in enumerate(known)], []
    worst = sorted(known, key=lambda name: known[name].auc)[:WORST]
    colors = (ORANGE, CLASSES[2], CLASSES[3])
    others = [steps for name, steps in known.items() if name not in worst]
    return [Curve(name, color, known[name]) for name, color in zip(worst, colors, strict=True)], others[:MOST_THIN]


def _legend(axes: Axes) -> None:
    """A legend above the picture, where it hides nothing."""
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "frameon": False}
    axes.legend(**place, fontsize=7, ncols=2, handlelength=1.4, labelspacing=0.25)


def _named(name: str, score: float) -> str:
    return f"{legend_name(name, 18)}: {number(score)}"


def _plot_mean(axes: Axes, lines: Sequence[tuple[np.ndarray, np.ndarray]], score: float) -> None:
    """The mean of curves that are too many to be told apart."""
    axes.plot(GRID, _mean(GRID, lines), color=BLUE, lw=2, label=_named(f"mean of {len(lines)}", score))


def _roc(known: Mapping[str, Sweep], colored: Sequence[Curve], thin: Sequence[Sweep]) -> str:
    mean = float(np.mean([steps.auc for steps in known.values()]))

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=":")
        for steps in thin:
            axes.plot(*_thinned(steps.fall_out, steps.recall, 60), color=GREY, lw=0.5, alpha=0.5)
        for own in colored:
            axes.plot(
                *_thinned(own.steps.fall_out, own.steps.recall),
                color=own.color,
                lw=1.4,
                label=_named(own.name, own.steps.auc),
            )
        if thin:
            _plot_mean(axes, [(own.fall_out, own.recall) for own in known.values()], mean)
        axes.set(xlabel="share of the others that get it (false positives)", ylabel="share that is found (recall)")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        _legend(axes)

    told = ", ".join(f"{shorten(own.name, 40)} {number(own.steps.auc)}" for own in colored)
    whole = "" if len(known) == 1 else f"; their mean is {number(mean)}"
    says = f"ROC curve{'s' if len(known) > 1 else ''}, area below: {told}{whole}"
    return drawn(draw, says, _titled(known, "ROC", "the area below", mean))


def _precision_recall(known: Mapping[str, Sweep], colored: Sequence[Curve], thin: Sequence[Sweep]) -> str:
    mean = float(np.mean([steps.average_precision for steps in known.values()]))

    def draw(axes: Axes) -> None:
        for steps in thin:
            axes.plot(
                *_thinned(steps.recall, steps.precision, 60), color=GREY, lw=0.5, alpha=0.5, drawstyle="steps-pre"
            )
        for own in colored:
            axes.plot(
                *_thinned(own.steps.recall, own.steps.precision),
                color=own.color,
                lw=1.4,
                drawstyle="steps-pre",
                label=_named(own.name, own.steps.average_precision),
            )
            if len(known) == 1:
                share = float(own.steps.precision[-1])
                axes.axhline(share, color=GREY, lw=1, ls=":", label=_named("by chance", share))
        if thin:
            _plot_mean(axes, [(own.recall, own.precision) for own in known.values()], mean)
        axes.set(xlabel="share that is found (recall)", ylabel="share that is right (precision)")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        _legend(axes)

    told = ", ".join(f"{shorten(own.name, 40)} {number(own.steps.average_precision)}" for own in colored)
    whole = "" if len(known) == 1 else f"; their mean is {number(mean)}"
    says = f"precision over recall, average precision: {told}{whole}"
    return drawn(draw, says, _titled(known, "Precision and recall", "the average precision", mean))


def _titled(known: Mapping[str, Sweep], what: str, score: str, mean: float) -> str:
    """What stands below curves."""
    if len(known) == 1:
        return f"{what} of {shorten(next(iter(known)), 40)!r}: {score} is {number(mean)}."
    others = len(known) - WORST
    drawn_thin = (
        f" The {WORST} worst by the area below ROC; {others} others are thin." if len(known) > MOST_CURVES else ""
    )
    return f"{what}, and {score} of each.{drawn_thin}"


def _thinned(x: np.ndarray, y: np.ndarray, most: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """A line of at most so many points, its ends among them."""
    picked = np.arange(len(x)) if len(x) <= most else np.unique(np.linspace(0, len(x) - 1, most).astype(int))
    return x[picked], y[picked]


def _mean(grid: np.ndarray, lines: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The mean height of several lines."""
    return np.asarray(np.mean([np.interp(grid, *line) for line in lines], axis=0))


def _thresholds(tested: Tested, record: Mapping[str, Any], colored: Sequence[Curve], thin: Sequence[Sweep]) -> str:
    """What each threshold would come to on the test rows, and the one that decides."""
    decision, limits = tested.recipe.spec.decision, record.get("thresholds", {})
    cost = decision.metric == "cost"
    metric = "cost of a row" if cost else decision.metric

    def score(steps: Sweep) -> np.ndarray:
        return goodness(steps.counts, decision) * (-1 if cost else 1)

    def draw(axes: Axes) -> None:
        if len(colored) == 1 and not thin:
            (own,) = colored
            axes.plot(
                *_thinned(*by_threshold(own.steps, own.steps.precision)),
                color=GREY,
                lw=1.2,
                ls="--",
                drawstyle="steps-pre",
                label="precision",
            )
            axes.plot(
                *_thinned(*by_threshold(own.steps, own.steps.recall)),
                color=GREY,
                lw=1.2,
                drawstyle="steps-pre",
                label="recall",
            )
            axes.set_ylim(-0.02, 1.02)
            scale = axes.twinx() if cost else axes
            if cost:
                scale.patch.set_visible(False)
                scale.spines[["top", "left"]].set_visible(False)
                scale.set_ylabel(metric, color=BLUE)
            line = _thinned(*by_threshold(own.steps, score(own.steps)))
            scale.plot(*line, color=BLUE, lw=1.6, drawstyle="steps-pre")
            axes.plot([], [], color=BLUE, lw=1.6, label=metric)  # for the legend, whichever the scale
            limit = limits.get(own.name, USUAL)
            axes.axvline(limit, color=ORANGE, lw=1.2, label=f"decides: {limit:.3g}")
        else:
            for steps in thin:
                line = _thinned(*by_threshold(steps, score(steps)), 60)
                axes.plot(*line, color=GREY, lw=0.5, alpha=0.5, drawstyle="steps-pre")
            for own in colored:
                line, limit = by_threshold(own.steps, score(own.steps)), limits.get(own.name, USUAL)
                axes.plot(
                    *_thinned(*line), color=own.color, lw=1.3, drawstyle="steps-pre", label=legend_name(own.name, 18)
                )
                axes.plot(limit, line[1][np.searchsorted(line[0], limit)], "o", ms=5, color=own.color)
            axes.set_ylabel(metric)
        axes.set(xlabel="threshold", xlim=(0, 1))
        _legend(axes)

    told = ", ".join(f"{shorten(own.name, 40)} {limits.get(own.name, USUAL):.3g}" for own in colored)
    whence = "on rows that were held out, not on these" if decision.threshold == "auto" else "by the recipe"
    dots = "; a dot where it is decided" if len(colored) > 1 else ""
    title = f"Thresholds: {metric} of the test rows at each{dots}. What decides was chosen {whence}."
    return drawn(draw, f"{metric} of the test rows by threshold; what decides: {told}", title)


def _reliability(tested: Tested, record: Mapping[str, Any]) -> tuple[str, str]:
    """How often probabilities came true, before and after they were put right, and a sentence about it."""
    task, fitted, before = tested.target.task, record.get("calibration"), None
    softmax, after = task == "multiclass", reliability(tested.values, tested.outputs, task)
    if fitted is not None:
        fit = Fit(fitted["slope"], fitted["offset"], np.nan, np.nan)
        before = reliability(tested.values, fit.undone(tested.outputs, softmax=softmax), task)

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=":")
        if before is not None:
            axes.plot(before.chance, before.share, "o-", ms=3, lw=1, color=ORANGE, label="as the network said")
        around = np.maximum(np.stack([after.share - after.low, after.high - after.share]), 0)
        label = "put right" if before is not None else None
        axes.errorbar(
            after.chance,
            after.share,
            yerr=around,
            fmt="o-",
            ms=4,
            lw=1.2,
            color=BLUE,
            ecolor=GREY,
            elinewidth=1,
            label=label,
        )
        what = "probability of the likeliest class" if softmax else "predicted probability"
        axes.set(xlabel=what, ylabel="share that was right" if softmax else "share that came true")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        if before is not None:
            _legend(axes)

    said = f"expected calibration error of the test rows {number(after.error)}"
    if errors := record.get("calibration_error"):  # of steps, too, which cannot be undone
        said += f", {number(errors['before'])} before probabilities were put right"
    elif before is not None:
        said += f", {number(before.error)} before probabilities were put right"
    by_chance = f"; of so many rows right probabilities would show about {number(after.by_chance)} by chance"
    title = "Reliability: on the line probabilities come true; with 95 % intervals."
    whole = said[0].upper() + said[1:] + by_chance + "."
    return drawn(draw, f"how often probabilities came true; {said}", title), whole


def _confusion(frame: pd.DataFrame) -> list[str]:
    """The confusion matrix, unless there are too many classes for one."""
    import pandas as pd

    table = pd.crosstab(frame["target"], frame["prediction"])
    labels = sorted({*table.index, *table.columns})
    if len(labels) > MOST_CLASSES:
        return []
    counts = table.reindex(index=labels, columns=labels, fill_value=0).to_numpy()
    side = max(USUAL_SIZE[1], 1.2 + (0.36 if len(labels) <= MOST_COUNTED else 0.16) * len(labels))
    size = max(side, USUAL_SIZE[0] * 0.8), side
    right = float(np.trace(counts) / max(1, counts.sum()))
    says = f"confusion matrix of {len(labels)} classes; {right:.1%} of the test rows lie on its diagonal"
    title = "Confusion: each row is a true class; the stronger the colour, the larger the share of it."
    return [drawn(partial(_matrix, counts=counts, labels=labels), says, title, size)]


def _matrix(axes: Axes, counts: np.ndarray, labels: Sequence[Any]) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts if len(labels) <= MOST_COUNTED else counts[:0]):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{count:,}" if count else "·", ha="center", va="center", fontsize=8, color=color)
    ticks, small = range(len(labels)), 8 if len(labels) <= MOST_COUNTED else 6
    names = [shorten(str(label), 18) for label in labels]
    upright = len(labels) > 4 or len("".join(names)) > MOST_LETTERS
    axes.set_xticks(ticks, names, rotation=90 if upright else 0, fontsize=small)
    axes.set_yticks(ticks, names, fontsize=small)
    axes.set(xlabel="predicted", ylabel="true")


def _labels(tested: Tested) -> list[str]:
    """How often each label is true, and how often it is predicted; of many those that differ most."""
    several = len(tested.target.names) > 1
    true = tested.values.mean(axis=0)
    said = [tested.frame[f"prediction_{name}" if several else "prediction"].mean() for name in tested.target.names]
    found = np.array(said, float)
    shown = np.sort(np.argsort(-np.abs(found - true), kind="stable")[:MOST_LABELS])

    def draw(axes: Axes) -> None:
        places = np.arange(len(shown))
        axes.barh(places + 0.2, true[shown], 0.4, color=GREY, label="true")
        axes.barh(places - 0.2, found[shown], 0.4, color=BLUE, label="predicted")
        axes.set_yticks(places, [shorten(tested.target.names[place], 24) for place in shown])
        axes.invert_yaxis()
        axes.set(xlabel="share of test rows")
        _legend(axes)

    most = int(np.abs(found - true).argmax())
    says = f"shares of labels; the largest difference is that of {tested.target.names[most]}: "
    says += f"true {true[most]:.1%}, predicted {found[most]:.1%}"
    left = len(found) - len(shown)
    title = "Labels: how often they are true, and how often they are predicted"
    title += f"; the {len(shown)} that differ most." if left else "."
    return [drawn(draw, says, title, (USUAL_SIZE[0], max(USUAL_SIZE[1], 1 + 0.26 * len(shown))))]
