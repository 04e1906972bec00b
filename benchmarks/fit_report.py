"""What `fit.py` measured, as tables, as a picture, and as the README's block."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

NAMES = {
    "ours": "mt.fit",
    "keras": "Model.fit",
    "keras32": "Model.fit, 32 steps an execution",
    "sklearn": "scikit-learn",
    "torch": "PyTorch",
}
TITLES = {
    "rows": "Rows, batch 32",
    "batch 256": "Rows, batch 256",
    "networks": "Networks",
    "tasks": "Tasks",
    "layers": "More layers",
    "shortest": "The shortest",
}
# Okabe and Ito's colours, which people who see few colours can tell apart, too.
COLOURS = {"ours": "#0072B2", "keras": "#D55E00", "keras32": "#E69F00", "sklearn": "#009E73", "torch": "#CC79A7"}
MARKERS = {"ours": "o", "keras": "s", "keras32": "D", "sklearn": "^", "torch": "v"}

Line = dict[str, Any]


def write(results: dict[str, Any], folder: Path) -> None:
    """Writes fit.json, fit.md and fit.png."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fit.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (folder / "fit.md").write_text(tables(results), "utf-8")
    picture(results, folder / "fit.png")


def write_readme(results: dict[str, Any], readme: Path) -> None:
    """Replaces what stands between the README's bench markers."""
    text = readme.read_text("utf-8")
    before, rest = text.split("<!-- bench -->\n")
    _, after = rest.split("<!-- /bench -->")
    readme.write_text(f"{before}<!-- bench -->\n{main_rows(results)}<!-- /bench -->{after}", "utf-8")


def main_rows(results: dict[str, Any]) -> str:
    """The README's table: a few cases, `mt.fit` in seconds and the others as multiples of it."""
    head = ["case", "mt.fit s/epoch", "Model.fit ÷ mt.fit", "the same in 32s ÷ mt.fit", "sklearn ÷ mt.fit"]
    head += ["PyTorch ÷ mt.fit", "epochs of the whole call", "whole call: Model.fit ÷ mt.fit"]
    rows = [
        [
            case["name"],
            _seconds(_of(case, "ours", "epoch")),
            *(_ratio(case, name, "epoch") for name in ("keras", "keras32", "sklearn", "torch")),
            str(case["epochs"]),
            _ratio(case, "keras", "whole"),
        ]
        for case in results["cases"]
        if case["main"]
    ]
    return _table(head, rows)


def tables(results: dict[str, Any]) -> str:
    """All that was measured, in Markdown."""
    cases = results["cases"]
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    ratios = ["case", *(f"{NAMES[name]} ÷ mt.fit" for name in NAMES if name != "ours"), "mt.fit ÷ limit"]
    failed = f" Failed, so that cells are empty: {'; '.join(results['failed'])}." if results["failed"] else ""
    rate = statistics.median(case["rate"] for case in cases) / 1e9
    return f"""# Training side by side

{results["date"]}; {results["processor"]}, {results["cores"]} cores; {versions}.
Products of 1024 × 1024 matrices of float32 went at {rate:.0f} GFLOP/s; the run took {results["minutes"]:.0f} minutes.

`make bench` measures it anew; how, says [benchmarks/fit.py](../fit.py). 2×64 is two hidden layers of 64. The rows are
random numbers in 32 columns, the target is binary where nothing else is said. A time with ≈ is reckoned from fewer
epochs.{failed}

![Time an epoch, time of the whole call, memory](fit.png)

## Seconds an epoch

The engine is what `mt.fit` chose. The limit is what the matrix products alone would take.

{_table(["case", "engine", *NAMES.values(), "limit"], [_epochs(case) for case in cases])}
## Ratios of the seconds an epoch

{_table(ratios, [_ratios(case) for case in cases])}
## Seconds from the call to the end of the first epoch

{_every(cases, lambda case, name: _seconds(_of(case, name, "first")))}
## Seconds of the whole call

{_whole(cases)}
## Peak memory in MB, beyond what the imports hold

{_every(cases, lambda case, name: _megabytes(_of(case, name, "memory")))}"""


def _epochs(case: Line) -> list[str]:
    times = [_seconds(_of(case, name, "epoch")) for name in NAMES]
    return [case["name"], _of(case, "ours", "engine") or "", *times, _seconds(case["limit"])]


def _ratios(case: Line) -> list[str]:
    ratios = [_ratio(case, name, "epoch") for name in NAMES if name != "ours"]
    return [case["name"], *ratios, _short(_of(case, "ours", "epoch") / case["limit"])]


def _whole(cases: Sequence[Line]) -> str:
    def cell(case: Line, name: str) -> str:
        return "≈ " * bool(_of(case, name, "reckoned")) + _seconds(_of(case, name, "whole"))

    rows = [
        [case["name"], str(case["epochs"]), *(cell(case, name) for name in NAMES), _ratio(case, "keras", "whole")]
        for case in cases
    ]
    return _table(["case", "epochs", *NAMES.values(), "Model.fit ÷ mt.fit"], rows)


def _every(cases: Sequence[Line], cell: Callable[[Line, str], str]) -> str:
    return _table(["case", *NAMES.values()], [[case["name"], *(cell(case, name) for name in NAMES)] for case in cases])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    aligned = ["---", *["--:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, aligned, *rows])


def _of(case: Line, name: str, what: str) -> Any:
    """A value; None where the competitor did not take part."""
    return case["measured"].get(name, {}).get(what)


def _ratio(case: Line, name: str, what: str) -> str:
    value = _of(case, name, what)
    return "" if value is None else _short(value / _of(case, "ours", what))


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}"


def _seconds(value: float | None) -> str:
    """Three significant digits, never as a power of ten."""
    return "" if value is None else np.format_float_positional(value, 3, fractional=False, trim="-")


def _megabytes(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def picture(results: dict[str, Any], path: Path) -> None:
    """A line a case, a mark a competitor: time an epoch, time of the whole call, memory."""
    from matplotlib.figure import Figure

    cases = results["cases"]
    places, titles, y = [], [], 0.0
    for group, members in groupby(cases, key=lambda case: case["group"]):
        titles.append((y, TITLES.get(group, group)))
        y += 1
        for _ in members:
            places.append(y)
            y += 1
        y += 0.35
    figure = Figure(figsize=(16, 2.4 + 0.36 * y), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.15, h_pad=0.1)
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(1.35, 1, 1))
    panels = [
        ("epoch", "Seconds an epoch\nmedian of all but the first"),
        ("whole", "Seconds of the whole call\ncompilation included"),
        ("memory", "Peak memory in MB\nbeyond what the imports hold"),
    ]
    for axis, (what, title) in zip(axes, panels, strict=True):
        _panel(axis, cases, places, what)
        axis.set_title(title.split("\n")[0] + "\n", fontsize=13, fontweight="bold", loc="left")
        axis.text(0, 1.008, title.split("\n")[1], transform=axis.transAxes, fontsize=9.5, color="#555555", va="bottom")
    first = axes[0]
    first.set_yticks(places, [case["name"] for case in cases], fontsize=10)
    first.set_ylim(y - 0.4, -0.6)
    for top, title in titles:
        # In the margin, right-aligned with the names below it.
        first.text(
            -0.012,
            top + 0.05,
            title,
            transform=first.get_yaxis_transform(),
            ha="right",
            va="center",
            fontsize=10,
            fontweight="bold",
            color="#333333",
        )
    for case, place in zip(cases, places, strict=True):
        _beside(axes[0], place, f"{_ratio(case, 'keras', 'epoch')}×")
        _beside(axes[1], place, f"{_ratio(case, 'keras', 'whole')}×  ({case['epochs']} epochs)")
    for axis in axes[:2]:
        _beside(axis, titles[0][0], "Model.fit ÷ mt.fit")
    handles, labels = first.get_legend_handles_labels()
    handles, labels = handles[1:] + handles[:1], labels[1:] + labels[:1]  # the limit last
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=11)
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    figure.supxlabel(
        f"{results['date']}; {results['processor']}, {results['cores']} cores; {versions}", fontsize=9, color="#555555"
    )
    figure.savefig(path, dpi=130, facecolor="white")


def _panel(axis: Any, cases: Sequence[Line], places: Sequence[float], what: str) -> None:
    if what == "epoch":
        limits = [case["limit"] for case in cases]
        axis.scatter(limits, places, marker="|", s=130, color="#777777", linewidths=2, label="arithmetic limit")
    for case, place in zip(cases, places, strict=True):
        values = [value for name in NAMES if (value := _shown(case, name, what))]
        if values:
            axis.plot([min(values), max(values)], [place, place], color="#D8D8D8", linewidth=3, zorder=1)
    for name, title in NAMES.items():
        known = [(value, y) for case, y in zip(cases, places, strict=True) if (value := _shown(case, name, what))]
        if known:
            # Ours is larger and below, so that others in the same place are seen.
            axis.scatter(
                *zip(*known, strict=True),
                marker=MARKERS[name],
                color=COLOURS[name],
                label=title,
                s=120 if name == "ours" else 50,
                edgecolor="white",
                linewidth=0.8,
                zorder=3 if name == "ours" else 4,
            )
    axis.set_xscale("log")
    axis.grid(axis="x", color="#E6E6E6", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", which="both", top=False, labelsize=10)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _shown(case: Line, name: str, what: str) -> float | None:
    value = _of(case, name, what)
    return max(value, 1) if what == "memory" and value is not None else value  # 0 MB has no logarithm


def _beside(axis: Any, place: float, text: str) -> None:
    axis.text(1, place, text, transform=axis.get_yaxis_transform(), va="center", fontsize=10, color="#444444")
