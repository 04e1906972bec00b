"""How often intervals and sets at 0.9 hold the test rows, and how wide they are: python benchmarks/intervals.py FOLDER

FOLDER as `quality.py` takes it. Each set is split by three seeds; of several numbers the first is predicted. Beside
ours stand, for the same networks and the rows that these have not learnt, intervals of one width, and MAPIE's (the
extra `peers`): its split conformal prediction and its residual-normalised one, and for classes its sets. MAPIE has no
rows to go by where members hold out folds. Lines of sets that are not named stay as they are.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import mlp_toolkit as mt
from mlp_toolkit.evaluation.conformal import quantile

SEEDS, LEVEL = 3, 0.9
RESULTS = Path(__file__).parent / "results" / "intervals.md"
TASKS = ("regression", "binary", "multiclass", "multilabel")
WAYS = ("ours", "one width", "MAPIE split", "MAPIE normalised")


class Rows(NamedTuple):
    """Rows of a part with what is said of them.

    Attributes:
        x: (rows, columns) features as numbers; for classes none.
        true: (rows,) values, or class numbers.
        said: (rows,) predictions, or (rows, classes) probabilities.
    """

    x: np.ndarray
    true: np.ndarray
    said: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--preset", default="slides")
    parser.add_argument("--rows", type=int, default=6_000, help="of a set, at most")
    parser.add_argument("--epochs", type=int, help="in place of the preset's")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    index = json.loads((asked.folder / "index.json").read_text("utf-8"))
    preset = asked.preset
    epochs = f", {asked.epochs} epochs at most" if asked.epochs else ""
    head = [
        f"## {preset}: three splits, at most {asked.rows:,} rows{epochs}",
        "",
        f"| set | task | held: ours | least | most | {' | '.join(f'held: {way}' for way in WAYS[1:])} "
        f"| width or labels: ours | {' | '.join(WAYS[1:])} |",
        "|---|---|" + "--:|" * (2 + 2 * len(WAYS)),
    ]
    for name, about in index.items():
        if (asked.names and name not in asked.names) or "image" in about["task"]:
            continue
        frames = [drawn(asked.folder / about["file"], about, seed, asked.rows) for seed in range(SEEDS)]
        runs = [measured(frame, about, seed, preset, asked.epochs) for seed, frame in enumerate(frames)]
        shares = [run["ours"][0] for run in runs]
        own = line(name, about["task"].removeprefix("multioutput_"), means(runs), shares)
        print(own, flush=True)
        lines = {**recorded(preset), name: own}
        found = {task: [told(one) for one in lines.values() if (one.split(" | ")[1] == task)] for task in TASKS}
        write(preset, [*head, *lines.values(), "", *conclusions(found)])


def recorded(preset: str) -> dict[str, str]:
    """The lines of a preset's table by set."""
    text = RESULTS.read_text("utf-8") if RESULTS.is_file() else ""
    section = next((own for own in text.split("## ") if own.startswith(f"{preset}:")), "")
    rows = [row for row in section.splitlines() if row.startswith("| ") and not row.startswith("| set |")]
    return {row.split(" | ")[0].removeprefix("| "): row for row in rows}


def told(row: str) -> dict[str, tuple[float, float]]:
    """What a line of the table says, as `means` gives it."""
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    held, wide = [cells[2], *cells[5:8]], cells[8:]
    return {way: (float(a), float(b)) for way, a, b in zip(WAYS, held, wide, strict=True) if a}


def write(preset: str, page: list[str]) -> None:
    """Writes a preset's section; those of others stay."""
    text = RESULTS.read_text("utf-8") if RESULTS.is_file() else ""
    sections = ["## " + own.strip() for own in text.split("## ")[1:] if not own.startswith(f"{preset}:")]
    RESULTS.write_text("\n\n".join(sorted([*sections, "\n".join(page)])) + "\n", "utf-8")


def drawn(file: Path, about: dict[str, Any], seed: int, most: int) -> pd.DataFrame:
    """Rows of a set, each with its part; of several numbers the first is the target."""
    frame = pd.read_csv(file, low_memory=False).dropna(subset=about["targets"])
    if "regression" in about["task"]:
        frame = frame.drop(columns=about["targets"][1:])
    frame = frame.sample(min(len(frame), most), random_state=seed).reset_index(drop=True)
    part = np.random.default_rng(seed).permutation(len(frame)) / len(frame)
    return frame.assign(part_of_row=np.select([part < 0.3, part < 0.3 + 0.175], ["test", "validation"], "train"))


def measured(
    frame: pd.DataFrame, about: dict[str, Any], seed: int, preset: str, epochs: int | None
) -> dict[str, tuple[float, float]]:
    """Of each way the share of test rows that are held, and the mean width, or how many labels are in a set."""
    task = about["task"].removeprefix("multioutput_")
    targets = about["targets"][:1] if task == "regression" else about["targets"]
    kinds = dict.fromkeys(about["categorical"], "categorical") or "all"
    folds = preset == "strong"
    data = {"target": targets if len(targets) > 1 else targets[0], "features": kinds}
    given = frame
    if folds:  # rows beside the test's are in folds
        data["split"] = {"test": 0.3}
        given = frame.drop(columns="part_of_row")
    else:
        data["split"] = "part_of_row"
    recipe = {"task": task, "seed": seed, "preset": preset, "data": data, "intervals": LEVEL}
    overrides = {"baselines": "none", "report": "brief"} | ({"train.epochs": epochs} if epochs else {})
    with tempfile.TemporaryDirectory() as out:
        run = mt.run(recipe, overrides, data=given, out=f"{out}/run", verbose=0)
        found = {"ours": summary(run.metrics["intervals"])}
        if task == "multilabel":
            return found
        tested = pd.read_parquet(run.directory / "predictions.parquet")
        known = (
            pd.read_parquet(run.directory / "out_of_fold.parquet")
            if folds
            else predicted(run, frame[frame["part_of_row"] == "validation"], targets[0])
        )
    held_out, test = (rows_of(frame, about, part) for part in (known, tested))
    if task == "regression":
        width = quantile(np.abs(held_out.true - held_out.said), LEVEL)
        found["one width"] = float((np.abs(test.true - test.said) <= width).mean()), 2 * width
    if not folds and importlib.util.find_spec("mapie"):
        found |= by_mapie(held_out, test, task)
    return found


def summary(found: dict[str, Any]) -> tuple[float, float]:
    """Share and width, a mean over labels."""
    share = found["coverage"]
    held = float(np.mean(list(share.values()))) if isinstance(share, dict) else share
    return held, float(np.mean(list(found["width"].values()))) if "width" in found else found["size"]


def predicted(run: Any, rows: pd.DataFrame, target: str) -> pd.DataFrame:
    """Rows with what a run says of them, as `predictions.parquet` has it."""
    said = run.predict(rows).rename(columns={target: "prediction", "label": "prediction"})
    return said.assign(row=rows.index, target=rows[target])


def rows_of(frame: pd.DataFrame, about: dict[str, Any], known: pd.DataFrame) -> Rows:
    """A table of predictions as arrays."""
    if "regression" in about["task"]:
        features = frame.drop(columns=[about["targets"][0], "part_of_row"])
        numbers = features.apply(lambda own: own if pd.api.types.is_numeric_dtype(own) else pd.factorize(own)[0])
        x = numbers.fillna(numbers.median()).to_numpy(float)[known["row"]]
        return Rows(x, known["target"].to_numpy(float), known["prediction"].to_numpy(float))
    chances = known.filter(like="probability").to_numpy(float)
    chances = np.column_stack([1 - chances, chances]) if chances.shape[1] == 1 else chances
    names = [name.removeprefix("probability_") for name in known.columns if name.startswith("probability_")]
    if not names:  # of two classes the probability is that of the positive one
        labels = known["target"].astype(str)
        positive = known.loc[known["probability"].idxmax(), "prediction"]
        return Rows(chances[:, :0], (labels == str(positive)).to_numpy(int), chances)
    return Rows(chances[:, :0], known["target"].astype(str).map({name: at for at, name in enumerate(names)}), chances)


class Given:
    """What was said already, as an estimator for MAPIE: it stands in the last columns of X."""

    def __init__(self, outputs: int, classes: np.ndarray | None = None) -> None:
        self.outputs, self.classes_, self.fitted_ = outputs, classes, True
        self._estimator_type = "regressor" if classes is None else "classifier"

    def fit(self, x: np.ndarray, y: np.ndarray) -> Given:
        """Nothing."""
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Values, or the likeliest class."""
        return x[:, -1] if self.classes_ is None else x.argmax(axis=1)

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Probabilities."""
        return x / x.sum(axis=1, keepdims=True)


def by_mapie(held_out: Rows, test: Rows, task: str) -> dict[str, tuple[float, float]]:
    """MAPIE's intervals or sets for what a network says."""
    from mapie.classification import SplitConformalClassifier
    from mapie.regression import SplitConformalRegressor

    found = {}
    if task == "regression":
        before, after = (np.column_stack([rows.x, rows.said]) for rows in (held_out, test))
        for way, score in (("MAPIE split", "absolute"), ("MAPIE normalised", "residual_normalized")):
            mapie = SplitConformalRegressor(Given(1), confidence_level=LEVEL, conformity_score=score, prefit=True)
            ends = mapie.conformalize(before, held_out.true).predict_interval(after)[1][:, :, 0]
            inside = (ends[:, 0] <= test.true) & (test.true <= ends[:, 1])
            found[way] = float(inside.mean()), float((ends[:, 1] - ends[:, 0]).mean())
        return found
    given = Given(held_out.said.shape[1], np.arange(held_out.said.shape[1]))
    mapie = SplitConformalClassifier(given, confidence_level=LEVEL, conformity_score="lac", prefit=True)
    sets = mapie.conformalize(held_out.said, np.asarray(held_out.true)).predict_set(test.said)[1][:, :, 0]
    inside = sets[np.arange(len(sets)), np.asarray(test.true)]
    return {"MAPIE split": (float(inside.mean()), float(sets.sum(axis=1).mean()))}


def means(runs: list[dict[str, tuple[float, float]]]) -> dict[str, tuple[float, float]]:
    """Over the splits."""
    of_way = defaultdict(list)
    for run in runs:
        for way, pair in run.items():
            of_way[way].append(pair)
    return {way: tuple(np.mean(pairs, axis=0).tolist()) for way, pairs in of_way.items()}


def line(name: str, task: str, found: dict[str, tuple[float, float]], shares: list[float]) -> str:
    """A line of the table."""
    held = [f"{found[way][0]:.3f}" if way in found else "" for way in WAYS]
    wide = [f"{found[way][1]:.4g}" if way in found else "" for way in WAYS]
    cells = [name, task, held[0], f"{min(shares):.3f}", f"{max(shares):.3f}", *held[1:], *wide]
    return f"| {' | '.join(cells)} |"


def conclusions(found: dict[str, list[dict[str, tuple[float, float]]]]) -> list[str]:
    """Of the lines of each task: how many sets are held as asked, and how wide ours are beside others."""
    every = [own for lines in found.values() for own in lines]
    counts = [
        f"{sum(0.88 <= own['ours'][0] <= 0.92 for own in lines)} of {len(lines)} {task}"
        for task, lines in found.items()
        if lines
    ]
    said = [f"Between 0.88 and 0.92: {', '.join(counts)} sets."]
    for way in WAYS[1:]:
        ratios = [own["ours"][1] / own[way][1] for own in every if way in own]
        if ratios:
            apart = np.mean([own["ours"][0] - own[way][0] for own in every if way in own])
            said.append(
                f"Beside {way}: {100 * (np.median(ratios) - 1):+.1f} % wide (the median of {len(ratios)} sets), "
                f"{100 * apart:+.2f} points held."
            )
    return said


if __name__ == "__main__":
    main()
