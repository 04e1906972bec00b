"""What the parts of `preset: strong` are worth: python benchmarks/parts.py FOLDER NAME … [--rows 2500]

FOLDER is as `quality.py` takes it. Each part is taken away by a key of the recipe; all variants learn the same rows,
and are tested by the same. A line a fit goes to `results/parts.jsonl` at once, so that a stopped benchmark goes on.
Errors are RMSE, 1 - AUC or the share of wrong classes; the table tells by how much each becomes worse.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from quality import Rows, error_of, positive, split_rows

import mlp_toolkit as mt

RESULTS = Path(__file__).parent / "results"
RECORD = RESULTS / "parts.jsonl"
WITHOUT: dict[str, dict[str, Any]] = {
    "strong": {},
    "frequencies about 0.1, as published": {"model.frequency": 0.1},
    "four members instead of eight": {"model.ensemble": 4},
    "equal shares of best and last epochs": {"train.keep": "best_and_last"},
    "best epochs alone": {"train.keep": "best"},
    "no dropout": {"model.dropout": 0.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--rows", type=int, default=2_500)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    index = json.loads((asked.folder / "index.json").read_text("utf-8"))
    done = {(line["set"], line["variant"]) for line in recorded()}
    for name in asked.names:
        rows = split_rows(asked.folder, index[name], seed=1, most=asked.rows)
        for variant, overrides in WITHOUT.items():
            if (name, variant) not in done:
                error = error_of(rows, predicted(rows, overrides))
                with RECORD.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"set": name, "variant": variant, "error": error}) + "\n")
    told = table()
    (RESULTS / "parts.md").write_text(told, "utf-8")
    print(told)


def predicted(rows: Rows, overrides: dict[str, Any]) -> np.ndarray:
    """What a run of the preset says of the test rows: values, classes, or the chance of the rarer class."""
    recipe: dict[str, Any] = {"task": rows.task, "preset": "strong", "baselines": "none", "report": "brief"}
    features = {name: "categorical" if name in rows.categorical else "numeric" for name in rows.x}
    recipe["data"] = {"target": rows.y.columns[0], "features": features}
    recipe["data"]["split"] = {"validation": "folds", "test": 0.02}
    if rows.task == "binary":
        recipe["data"]["positive"] = positive(rows)
    with tempfile.TemporaryDirectory() as folder:
        table = pd.concat([rows.x, rows.y], axis=1)
        run = mt.run(recipe, overrides, data=table, out=Path(folder) / "run", verbose=0)
        said = run.predict(rows.x_test)
    if rows.task == "binary":
        return said["probability"].to_numpy()[:, None]
    return said["label"].to_numpy() if rows.task == "multiclass" else said.to_numpy()


def recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORD.read_text("utf-8").splitlines()] if RECORD.is_file() else []


def table() -> str:
    """Errors by set, and how much larger they are than those of all parts together: the median of the sets."""
    errors = pd.DataFrame(recorded()).pivot(index="variant", columns="set", values="error").reindex([*WITHOUT])
    worse = (errors / errors.loc["strong"] - 1).median(axis=1)
    lines = ["| | " + " | ".join(errors) + " | error, median |", "|---|" + "--:|" * (errors.shape[1] + 1)]
    for variant, row in errors.iterrows():
        cells = [f"{value:.4g}" for value in row]
        lines.append(f"| {variant} | " + " | ".join(cells) + f" | {worse[variant]:+.1%} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
