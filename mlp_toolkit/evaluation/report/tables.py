"""Scores as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlp_toolkit.errors import number
from mlp_toolkit.evaluation.report.layout import folded, table

MOST_SHOWN = 12  # rows of a table that are shown unfolded


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
        lines.append([name, *cells])
    return table(["score", *titles], lines)


def each_table(record: Mapping[str, Any]) -> str:
    """The test scores of each target, label or class as an HTML table that can be folded; empty without any."""
    found = next((key for key in ("by_target", "by_label", "by_class") if key in record), None)
    if found is None:
        return ""
    each: dict[str, dict[str, float]] = record[found]
    names = list(dict.fromkeys(name for scores in each.values() for name in scores))
    rows = [
        [what, *(number(scores[name]) if name in scores else "–" for name in names)] for what, scores in each.items()
    ]
    title = f"Scores {found.replace('_', ' ')}: {len(each)}"
    return folded(title, table([found.removeprefix("by_"), *names], rows), shown=len(each) <= MOST_SHOWN)
