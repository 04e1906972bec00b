"""A run directory → `report.html`, one page that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.errors import UserError, number, shorten
from mlp_toolkit.evaluation.baselines import LEADING, LOWER_IS_BETTER
from mlp_toolkit.evaluation.drawing import BLUE, GREY, dependences, importances, learning
from mlp_toolkit.files import atomic

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    Draw = Callable[[Axes], None]

# Classes of a confusion matrix with counts in it; without; and rows of a table that are shown unfolded.
MOST_COUNTED, MOST_CLASSES, MOST_SHOWN = 20, 60, 12
USUAL_SIZE = (7.0, 3.6)  # of a picture, in inches
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2330; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #d9dde3 }
table { border-collapse: collapse } th, td { padding: .25rem .9rem .25rem 0; text-align: right }
th:first-child, td:first-child { text-align: left } td:not(:first-child) { white-space: nowrap }
thead th { border-bottom: 1px solid #8a8f98 }
img { max-width: 100%; height: auto } pre { background: #f4f5f7; padding: 1rem; overflow-x: auto; font-size: .85rem }
.wide { overflow-x: auto } p, li, h1 { overflow-wrap: anywhere } summary { cursor: pointer; margin: .8rem 0 }
@media (prefers-color-scheme: dark) {
  body { color: #e4e7ec; background: #16191f } pre { background: #22262e } h2 { border-color: #3a404b }
  img { background: #fff; border-radius: .3rem }
}
@media print { body { max-width: none; margin: 0 } h2, img, table { break-inside: avoid } }
@media (max-width: 30rem) { th, td { padding-right: .5rem; font-size: .85rem } }
"""


def write_report(directory: Path, record: Mapping[str, Any]) -> Path:
    """Writes `report.html` from the other files of a run directory.

    Args:
        directory: The run directory.
        record: What `metrics.json` holds, or will hold.

    Returns:
        The report's path.

    Raises:
        UserError: A file of the run is not there.
    """
    import pandas as pd

    try:
        history = pd.read_csv(directory / "history.csv")
        predictions = pd.read_parquet(directory / "predictions.parquet")
        recipe = (directory / "recipe.yaml").read_text("utf-8")
        environment = json.loads((directory / "environment.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError("the run lacks a file", place=str(error.filename)) from None
    notes = [line[2:] for line in recipe.splitlines() if line.startswith("# ")][1:] + record.get("notes", [])
    rows, seconds = record["rows"], record["seconds"]
    lead = (
        f"{record['task']}, trained on {rows['train']:,} rows for {record['epochs']} epochs in {seconds['fit']:.1f} s; "
    )
    lead += f"{_choice(directory, record)}; tested once on {rows['test']:,} rows."
    best = record["best_epoch"] if record.get("members", 1) == 1 else None
    learnt = _picture(lambda axes: learning(axes, history, best), "losses by epoch")
    sheet = directory / "augmentation.png"
    parts = [
        f"<p><strong>{html.escape(verdict(directory, record))}</strong></p><p>{html.escape(lead)}</p>",
        "<h2>Scores</h2>" + scores_table(record),
        "<h2>Learning</h2>" + learnt,
        *(
            ["<h2>Augmentation</h2>" + _embedded(sheet.read_bytes(), "png", "training images changed at random")]
            if sheet.is_file()
            else []
        ),
        *(["<h2>Search</h2>" + _search(directory, record["search"])] if "search" in record else []),
        "<h2>Test rows</h2>" + _test_rows(record, predictions),
        *_held(record),
        *_explained(directory, record),
        "<h2>What was inferred and done</h2><ul>" + "".join(f"<li>{html.escape(n)}</li>" for n in notes) + "</ul>",
        "<h2>Recipe and environment</h2>",
        _folded("Recipe, every value", f"<pre>{html.escape(recipe)}</pre>"),
        _folded("Environment", f"<pre>{html.escape(json.dumps(environment, indent=2))}</pre>"),
    ]
    title = html.escape(directory.resolve().name)
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )
    path = directory / "report.html"
    with atomic(path) as temporary:
        temporary.write_text(page, "utf-8")
    return path


def verdict(directory: Path, record: Mapping[str, Any]) -> str:
    """What a run comes to, in three sentences at most: its score, simple models beside it, what it depends on."""
    leading = next((name for name in (LEADING[record["task"]], *record["test"]) if name in record["test"]), "")
    score, interval = record["test"].get(leading), record.get("test_interval", {}).get(leading)
    if score is None:
        return ""
    said = f"{leading} {number(score)} on {record['rows']['test']:,} test rows"
    said += f" (95 %: {number(interval[0])} to {number(interval[1])})." if interval else "."
    others = {name: found[leading] for name, found in record.get("baselines", {}).items() if leading in found}
    if others:
        sign = 1 if leading in LOWER_IS_BETTER else -1
        best = min(others, key=lambda name: sign * others[name])
        won = sign * (others[best] - score) > 0
        said += f" The best of the simple models, {best.replace('_', ' ')}, has {number(others[best])}: "
        near = interval is not None and interval[0] <= others[best] <= interval[1]
        said += "too near to tell apart." if near else "the network is better." if won else "the network is worse."
    file = directory / "explanation.json"
    if file.is_file():
        told = json.loads(file.read_text("utf-8"))
        said += f" It depends most on {told['importance'][0]['column']!r}"
        said += f", and is worst where {told['slices'][0]['slice']}." if told["slices"] else "."
    return said


def _held(record: Mapping[str, Any]) -> list[str]:
    """How often intervals or sets hold the test rows, where there are any."""
    found = record.get("intervals")
    if found is None:
        return []
    share, wide = found["coverage"], found.get("width")
    shares = share if isinstance(share, dict) else {"": share}
    told = ", ".join(f"{name} {held:.1%}".strip() for name, held in shares.items())
    said = f"At {found['level']:.0%} they hold {told} of the test rows. "
    said += f"Sets name {number(found['size'])} labels on average." if wide is None else "They are as wide as "
    said += "" if wide is None else ", ".join(f"{number(own)} ({name})" for name, own in wide.items()) + "."
    note = "This counts on new rows being like these: where later rows differ from earlier ones, they hold less."
    return [f"<h2>Intervals</h2><p>{html.escape(said)}</p><p>{note}</p>"]


def _explained(directory: Path, record: Mapping[str, Any]) -> list[str]:
    """What the model looks at, and where it fails, where that was worked out."""
    file = directory / "explanation.json"
    if not file.is_file():
        return []
    told = json.loads(file.read_text("utf-8"))
    found, score = told["importance"], told["score"]
    height = 1.2 + 0.28 * min(15, len(found))
    names = [*record.get("by_target", record.get("by_label", record.get("by_class", {})))]
    names = names if record["task"] in ("multiclass", "multilabel") or "by_target" in record else [""]
    pictures = [
        _picture(lambda axes: importances(axes, found, score), "importance of columns", (USUAL_SIZE[0], height))
    ]
    for own in told["dependence"]:
        shown = {"grid": own["grid"], "mean": own["mean"], "names": names, "column": own["column"]}
        pictures.append(_picture(partial(dependences, **shown), f"mean prediction by {own['column']}"))
    worse = [
        f"<tr><td>{html.escape(line['slice'])}</td><td>{line['rows']:,}</td><td>{number(line['times'])}</td></tr>"
        for line in told["slices"][:MOST_SHOWN]
    ]
    fails = "<p>No value of a column is predicted worse than the others by more than chance.</p>"
    if worse:
        fails = "<p>Rows that are predicted worse than the others, by more than chance:</p>"
        fails += _table("<th>rows</th><th>times the loss of others</th>", worse)
    rows = f"<p>By {told['rows']:,} rows that it has not learnt.</p>"
    return ["<h2>What it looks at</h2>" + rows + "".join(pictures), "<h2>Where it fails</h2>" + fails]


def _search(directory: Path, found: Mapping[str, Any]) -> str:
    """What a search tried, and how much of its best score is luck."""
    metric, best, expected = found["metric"], found["best"], found["expected"]
    told = f"{found['trials']:,} trials, {found['pruned']:,} of them ended early, in {found['seconds']:.0f} s. "
    told += f"Trial {found['best_trial']} has the best {metric} of rows not learnt, {number(best)}"
    if expected is not None:
        told += f"; as the best of so many it is partly luck: {number(expected)} is to be expected of it on other rows"
    values = ", ".join(f"{key}: {value}" for key, value in found["values"].items())
    pictures = [directory / f"search_{name}.png" for name in ("history", "importances", "parallel")]
    shown = "".join(
        _embedded(file.read_bytes(), "png", file.stem.replace("_", " ")) for file in pictures if file.is_file()
    )
    return f"<p>{html.escape(told)}.</p><p>{html.escape(values)}</p>{shown}"


def _choice(directory: Path, record: Mapping[str, Any]) -> str:
    """What the epoch was chosen by; of several networks each has its own."""
    members, rows = record.get("members", 1), record["rows"]
    if members == 1:
        return f"the best epoch, {record['best_epoch']}, was chosen on {rows['validation']:,} validation rows"
    if not (directory / "out_of_fold.parquet").is_file():
        return f"{members} networks, the best epoch of each chosen on the same {rows['validation']:,} validation rows"
    return (
        f"{members} networks, each of which held out a fold of these rows: the validation scores are those of every "
        "row by the network that held it out"
    )


def scores_table(record: Mapping[str, Any]) -> str:
    """The scores of the three parts, how sure those of the test are, and those of simple models, as an HTML table."""
    intervals, baselines = record.get("test_interval", {}), record.get("baselines", {})
    columns = {part: record[part] for part in ("train", "validation", "test")}
    columns |= {name.replace("_", " "): scores for name, scores in baselines.items()}
    titles = [*list(columns)[:3], *(["95 % of the test"] if intervals else []), *list(columns)[3:]]
    lines = []
    for name in record["test"]:
        cells = [number(scores[name]) if name in scores else "–" for scores in columns.values()]
        if intervals:
            cells.insert(3, " to ".join(map(number, intervals[name])) if name in intervals else "–")
        told = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f"<tr><td>{html.escape(name)}</td>{told}</tr>")
    return _table("".join(f"<th>{title}</th>" for title in titles), lines)


def _table(head: str, rows: list[str]) -> str:
    """A table that scrolls by itself where the page is narrow."""
    body = f"<thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="wide"><table>{body}</table></div>'


def _folded(title: str, inner: str, *, shown: bool = False) -> str:
    return f"<details{' open' if shown else ''}><summary>{html.escape(title)}</summary>{inner}</details>"


def _test_rows(record: Mapping[str, Any], predictions: pd.DataFrame) -> str:
    """Pictures of the test rows' predictions, and the scores of each target, label or class."""
    pictures = "".join(_picture(draw, says, size) for draw, says, size in _test_pictures(record["task"], predictions))
    return pictures + each_table(record)


def each_table(record: Mapping[str, Any]) -> str:
    """The test scores of each target, label or class as an HTML table that can be folded; empty without any."""
    found = next((key for key in ("by_target", "by_label", "by_class") if key in record), None)
    if found is None:
        return ""
    each: dict[str, dict[str, float]] = record[found]
    names = list(dict.fromkeys(name for scores in each.values() for name in scores))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    rows = []
    for what, scores in each.items():
        cells = "".join(f"<td>{number(scores[name]) if name in scores else '–'}</td>" for name in names)
        rows.append(f"<tr><td>{html.escape(what)}</td>{cells}</tr>")
    title = f"Scores {found.replace('_', ' ')}: {len(each)}"
    return _folded(title, _table(head, rows), shown=len(each) <= MOST_SHOWN)


def _picture(draw: Draw, says: str, size: tuple[float, float] = USUAL_SIZE) -> str:
    """A picture, and what it says to those who do not see it."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    stream = io.BytesIO()
    with matplotlib.rc_context({"text.parse_math": False}):  # names of columns and classes are no formulas
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})
    return _embedded(stream.getvalue(), "svg+xml", says)


def _embedded(picture: bytes, kind: str, says: str) -> str:
    return f'<img alt="{html.escape(says)}" src="data:image/{kind};base64,{base64.b64encode(picture).decode()}">'


def _test_pictures(task: str, predictions: pd.DataFrame) -> list[tuple[Draw, str, tuple[float, float]]]:
    """What draws each picture, what it says, and its size in inches."""
    targets = [name for name in predictions if str(name) == "target" or str(name).startswith("target_")]
    if task == "regression":
        suffixes = [str(name).removeprefix("target") for name in targets]
        return [
            (partial(_scatter, predictions=predictions, suffix=suffix), f"predicted against true {suffix}", USUAL_SIZE)
            for suffix in suffixes[:8]
        ]
    if task == "multilabel":
        return [
            (partial(_labels, predictions=predictions, targets=list(map(str, targets))), "shares of labels", USUAL_SIZE)
        ]
    pictures: list[tuple[Draw, str, tuple[float, float]]] = []
    classes = len({*predictions["target"], *predictions["prediction"]})
    if classes <= MOST_CLASSES:
        side = max(USUAL_SIZE[1], 1.2 + (0.36 if classes <= MOST_COUNTED else 0.16) * classes)
        size = max(side, 0.7 * USUAL_SIZE[0]), side
        pictures.append((partial(_confusion, predictions=predictions), "confusion matrix", size))
    if task == "binary":
        pictures.append((partial(_reliability, predictions=predictions), "probabilities against shares", USUAL_SIZE))
    return pictures


def _scatter(axes: Axes, predictions: pd.DataFrame, suffix: str) -> None:
    true, predicted = predictions[f"target{suffix}"], predictions[f"prediction{suffix}"]
    axes.scatter(true, predicted, s=8, alpha=0.4, color=BLUE, linewidths=0)
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    axes.plot(ends, ends, color=GREY, lw=1)
    axes.set(xlabel="true value", ylabel="prediction", title=suffix.removeprefix("_"))


def _confusion(axes: Axes, predictions: pd.DataFrame) -> None:
    import pandas as pd

    table = pd.crosstab(predictions["target"], predictions["prediction"])
    labels = sorted({*table.index, *table.columns})
    counts = table.reindex(index=labels, columns=labels, fill_value=0).to_numpy()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts if len(labels) <= MOST_COUNTED else counts[:0]):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{count:,}" if count else "·", ha="center", va="center", fontsize=8, color=color)
    ticks, small = range(len(labels)), 8 if len(labels) <= MOST_COUNTED else 6
    names = [shorten(str(label), 18) for label in labels]
    axes.set_xticks(ticks, names, rotation=90 if len(labels) > 4 else 0, fontsize=small)
    axes.set_yticks(ticks, names, fontsize=small)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title("rows; darker: a larger share of the true class", fontsize=9, color=GREY)


def _reliability(axes: Axes, predictions: pd.DataFrame) -> None:
    """How often rows with a predicted probability were positive, in ten groups of equal size."""
    import pandas as pd

    chance = predictions["probability"]
    # The positive label is the one that the rows above one half were given.
    positive = predictions.loc[chance >= 0.5, "prediction"]
    if positive.empty:
        positive = pd.Series(sorted(set(predictions["target"]) - set(predictions["prediction"])))
    true = (predictions["target"] == positive.iloc[0]) if len(positive) else chance * 0
    groups = pd.qcut(chance, 10, duplicates="drop")
    seen = pd.DataFrame({"chance": chance, "true": true.astype(float)}).groupby(groups, observed=True).mean()
    axes.plot([0, 1], [0, 1], color=GREY, lw=1)
    axes.plot(seen["chance"], seen["true"], "o-", color=BLUE)
    axes.set(xlabel="predicted probability", ylabel="share that was positive", xlim=(0, 1), ylim=(0, 1))


def _labels(axes: Axes, predictions: pd.DataFrame, targets: list[str]) -> None:
    names = [name.removeprefix("target_") for name in targets]
    true = [predictions[f"target_{name}"].mean() for name in names]
    found = [predictions[f"prediction_{name}"].mean() for name in names]
    places = np.arange(len(names))
    axes.bar(places - 0.2, true, 0.4, color=GREY, label="true")
    axes.bar(places + 0.2, found, 0.4, color=BLUE, label="predicted")
    axes.set_xticks(places, names, rotation=45, ha="right")
    axes.set(ylabel="share of test rows")
    axes.legend(frameon=False)
