"""A run directory → `report.html`, one page that needs nothing else."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mlp_toolkit.errors import UserError, number
from mlp_toolkit.evaluation.baselines import LEADING, LOWER_IS_BETTER
from mlp_toolkit.evaluation.drawing import dependences, importances, learning
from mlp_toolkit.evaluation.report.card import limits_of, model_card
from mlp_toolkit.evaluation.report.layout import folded, list_of, table, whole_page
from mlp_toolkit.evaluation.report.mistakes import mistakes_of
from mlp_toolkit.evaluation.report.of_classes import pictures_of_classes
from mlp_toolkit.evaluation.report.of_numbers import pictures_of_numbers
from mlp_toolkit.evaluation.report.pictures import USUAL_SIZE, beside, drawn, embedded
from mlp_toolkit.evaluation.report.tables import MOST_SHOWN, each_table, scores_table
from mlp_toolkit.evaluation.report.tested import read_tested
from mlp_toolkit.files import atomic


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
        recipe = (directory / "recipe.yaml").read_text("utf-8")
        environment = json.loads((directory / "environment.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError("the run lacks a file", place=str(error.filename)) from None
    tested, told = read_tested(directory, record), _explanation(directory)
    notes = [line[2:] for line in recipe.splitlines() if line.startswith("# ")][1:] + record.get("notes", [])
    best = record["best_epoch"] if record.get("members", 1) == 1 else None
    learnt = drawn(lambda axes: learning(axes, history, best), "losses by epoch", "Losses by epoch.")
    pictures = (
        pictures_of_numbers(tested) if tested.target.task == "regression" else pictures_of_classes(tested, record)
    )
    sheet, mistakes = directory / "augmentation.png", mistakes_of(directory)
    parts = [
        f"<p><strong>{html.escape(verdict(directory, record))}</strong></p>",
        f"<p>{html.escape(_lead(directory, record))}</p>",
        "<h2>Scores</h2>" + scores_table(record),
        "<h2>Learning</h2>" + beside([learnt]),
        *(
            ["<h2>Augmentation</h2>" + embedded(sheet.read_bytes(), "png", "training images changed at random")]
            if sheet.is_file()
            else []
        ),
        *(["<h2>Search</h2>" + _search(directory, record["search"])] if "search" in record else []),
        "<h2>Test rows</h2>" + pictures + each_table(record),
        *_held(record),
        *(["<h2>Worst mistakes</h2>" + mistakes] if mistakes else []),
        *_explained(told, record),
        "<h2>What was inferred and done</h2>" + list_of(notes),
        "<h2>Model card, recipe and environment</h2>",
        model_card(directory, record, tested, environment, limits_of(record, told["slices"] if told else [])),
        folded("Recipe, every value", f"<pre>{html.escape(recipe)}</pre>"),
        folded("Environment", f"<pre>{html.escape(json.dumps(environment, indent=2))}</pre>"),
    ]
    path = directory / "report.html"
    with atomic(path) as temporary:
        temporary.write_text(whole_page(directory.resolve().name, parts), "utf-8")
    return path


def _lead(directory: Path, record: Mapping[str, Any]) -> str:
    """What was trained on what, in a sentence."""
    rows, seconds = record["rows"], record["seconds"]
    said = (
        f"{record['task']}, trained on {rows['train']:,} rows for {record['epochs']} epochs in {seconds['fit']:.1f} s; "
    )
    return said + f"{_choice(directory, record)}; tested once on {rows['test']:,} rows."


def _explanation(directory: Path) -> dict[str, Any] | None:
    """What the model looks at, where that was worked out."""
    file = directory / "explanation.json"
    found: dict[str, Any] | None = json.loads(file.read_text("utf-8")) if file.is_file() else None
    return found


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
    if told := _explanation(directory):
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


def _explained(told: Mapping[str, Any] | None, record: Mapping[str, Any]) -> list[str]:
    """What the model looks at, and where it fails, where that was worked out."""
    if told is None:
        return []
    found, score = told["importance"], told["score"]
    height = 1.2 + 0.24 * min(15, len(found))
    names = [*record.get("by_target", record.get("by_label", record.get("by_class", {})))]
    names = names if record["task"] in ("multiclass", "multilabel") or "by_target" in record else [""]
    title = "What the score loses when a column is shuffled, with 95 % intervals."
    first = f"importance of columns; the most important is {found[0]['column']}, {number(found[0]['importance'])}"
    pictures = [drawn(lambda axes: importances(axes, found, score), first, title, (USUAL_SIZE[0], height))]
    for own in told["dependence"]:
        shown = {"grid": own["grid"], "mean": own["mean"], "names": names, "column": own["column"]}
        title = f"Mean prediction when every row has this {own['column']}."
        pictures.append(drawn(partial(dependences, **shown), f"mean prediction by {own['column']}", title))
    worse = [[line["slice"], f"{line['rows']:,}", number(line["times"])] for line in told["slices"][:MOST_SHOWN]]
    fails = "<p>No value of a column is predicted worse than the others by more than chance.</p>"
    if worse:
        fails = "<p>Rows that are predicted worse than the others, by more than chance:</p>"
        fails += table(["rows where", "rows", "times the loss of others"], worse)
    rows = f"<p>By {told['rows']:,} rows that it has not learnt.</p>"
    return ["<h2>What it looks at</h2>" + rows + beside(pictures), "<h2>Where it fails</h2>" + fails]


def _search(directory: Path, found: Mapping[str, Any]) -> str:
    """What a search tried, and how much of its best score is luck."""
    metric, best, expected = found["metric"], found["best"], found["expected"]
    failed = f", {found['failed']:,} failed" if found.get("failed") else ""
    told = f"{found['trials']:,} trials, {found['pruned']:,} of them ended early{failed}, in {found['seconds']:.0f} s. "
    told += f"Trial {found['best_trial']} has the best {metric} of rows not learnt, {number(best)}"
    if expected is not None:
        told += f"; as the best of so many it is partly luck: {number(expected)} is to be expected of it on other rows"
    values = ", ".join(f"{key}: {value}" for key, value in found["values"].items())
    pictures = [directory / f"search_{name}.png" for name in ("history", "importances", "parallel")]
    shown = "".join(
        embedded(file.read_bytes(), "png", file.stem.replace("_", " ")) for file in pictures if file.is_file()
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
