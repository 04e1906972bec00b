"""What is found of planted faults, and what is cried where there are none: python benchmarks/planted.py FOLDER

FOLDER as `quality.py` takes it; of each set 2,000 rows. Planted are rows that stand twice, labels that are wrong,
columns that give the target away, patients and days that tell it, columns that move between training and test rows, and
slices of which the model knows nothing (boosted trees stand in for the network). False alarms are counted where nothing
can be true: with the target shuffled, with rows split by chance, and with losses dealt to the rows by chance. What is
said of sets as they are is listed, to be judged by the reader.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

import mlp_toolkit as mt
from mlp_toolkit.data.columns.encoder import encode
from mlp_toolkit.data.dataset import Dataset, load_dataset
from mlp_toolkit.evaluation import drift, explain
from mlp_toolkit.evaluation.audit import duplicates, suspects

MOST_ROWS, SPLIT = 2_000, {"validation": 0.1, "test": 0.4}
COPIES, MISTAKES, COLUMNS, SLICES, ROUNDS = 30, 20, 6, 4, 30
RESULTS = Path(__file__).parent / "results" / "planted.md"
SECTIONS = {
    "planted": "Planted, and named",
    "cried": "Cried where there is nothing",
    "said": "Said of the sets as they are",
}
PLANTED_ON = (
    "california_housing",
    "concrete",
    "bike_share",
    "gss_wages",
    "adult",
    "bank_marketing",
    "churn",
    "phoneme",
    "credit_approval",
    "nursery",
    "segment",
    "page_blocks",
)


class Table(NamedTuple):
    """A set.

    Attributes:
        task: Of a recipe.
        targets: Names of its columns.
        words: Names of the columns that hold no numbers, whatever they look like.
        frame: Its rows.
    """

    task: str
    targets: list[str]
    words: list[str]
    frame: pd.DataFrame

    @property
    def codes(self) -> np.ndarray:
        """The first target as numbers."""
        own = self.frame[self.targets[0]]
        return own.to_numpy(float) if self.task == "regression" else pd.factorize(own, sort=True)[0].astype(float)

    def like(self, random: np.random.Generator, noise: float) -> np.ndarray:
        """Numbers in much the order of the target."""
        ranks = self.codes.argsort(kind="stable").argsort() / len(self.frame)
        return ranks + noise * random.normal(size=len(ranks))


class Found(NamedTuple):
    """How many of those planted were named, and how many others."""

    named: int
    planted: int
    others: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--sections", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    begun, index = time.perf_counter(), json.loads((asked.folder / "index.json").read_text("utf-8"))
    names = asked.names or [name for name, about in index.items() if "image" not in about["task"]]
    tables = {name: table_of(asked.folder, index[name]) for name in names}
    of_section: dict[str, Callable[[Table], dict[str, Found]]] = {"planted": rates, "cried": alarms}
    for section in asked.sections:
        found: dict[str, dict[str, Found]] = {}
        lines: list[str] = []
        for name in [name for name in (PLANTED_ON if section == "planted" else names) if name in tables]:
            with threadpool_limits(1):
                if section == "said":
                    lines += [f"- {name}: {note}" for note in notes_of(tables[name])]
                else:
                    found[name] = of_section[section](tables[name])
                    print(line(name, found[name]), flush=True)
                    lines = counted(found)
            write(section, lines)
    print(f"{time.perf_counter() - begun:.0f} s")


def write(section: str, lines: list[str]) -> None:
    """Writes a section of the page; the others stay."""
    text = RESULTS.read_text("utf-8") if RESULTS.is_file() else ""
    parts = dict(part.split("\n", 1) for part in text.split("## ")[1:])
    parts |= {SECTIONS[section]: "\n" + "\n".join(lines)}
    there = [f"## {heading}\n\n{parts[heading].strip()}" for heading in SECTIONS.values() if heading in parts]
    RESULTS.write_text("\n\n".join(there) + "\n", "utf-8")


def table_of(folder: Path, about: dict[str, Any]) -> Table:
    """Rows of a set, drawn by chance."""
    frame = pd.read_csv(folder / about["file"], low_memory=False).dropna(subset=about["targets"])
    frame = frame.sample(min(len(frame), MOST_ROWS), random_state=0).reset_index(drop=True)
    return Table(about["task"].removeprefix("multioutput_"), about["targets"], about["categorical"], frame)


def read(table: Table, frame: pd.DataFrame | None = None) -> Dataset:
    """Rows of a set as a recipe reads them; by default its own."""
    frame = table.frame if frame is None else frame
    data = {
        "target": table.targets if len(table.targets) > 1 else table.targets[0],
        "features": dict.fromkeys(table.words, "categorical") or "all",
        "split": SPLIT,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        frame.to_parquet(path)
        return load_dataset(mt.load_recipe({"task": table.task, "data": {"path": str(path), **data}}).spec)


def counted(found: dict[str, dict[str, Found]]) -> list[str]:
    """A table: a line a set, and one for all of them."""
    heads = list(next(iter(found.values())))
    lines = [f"| set | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    every: dict[str, Found] = defaultdict(lambda: Found(0, 0, 0))
    for name, own in found.items():
        every |= {head: Found(*map(sum, zip(every[head], own[head], strict=True))) for head in heads}
        lines.append(line(name, own))
    return [*lines, line("**all**", every)]


def line(name: str, own: dict[str, Found]) -> str:
    """A line of a table."""
    return f"| {name} | {' | '.join(map(cell, own.values()))} |"


def cell(found: Found) -> str:
    """A cell of a table."""
    others = f", {found.others} others" if found.others else ""
    return f"{found.named} of {found.planted}{others}" if found.planted else "–"


# Planted ------------------------------------------------------------------------------------------------------------


def rates(table: Table) -> dict[str, Found]:
    """What is found of each kind of fault."""
    random, data = np.random.default_rng(0), read(table)
    return {
        "rows twice": copies(table, random),
        "wrong labels": mistakes(table, random, suspects(data)),
        "leaks": leaks(table, random),
        "patients": tied(table, random, "patient_id"),
        "days": tied(table, random, "visited"),
        "columns that moved": moved(data, random),
        "slices": failing(table, data, random),
    }


def copies(table: Table, random: np.random.Generator) -> Found:
    """Rows that stand in the data already, beside those that did before."""
    some = table.frame.iloc[random.choice(len(table.frame), COPIES, replace=False)]
    before, after = (twice(read(table, frame)) for frame in (table.frame, pd.concat([table.frame, some])))
    return Found(min(after - before, COPIES), COPIES, max(0, after - before - COPIES))


def twice(data: Dataset) -> int:
    """How many rows stand in the data already, by the audit."""
    told = duplicates(data).get("duplicates", ["0"])[0]
    return int(told.split()[0].replace(",", ""))


def mistakes(table: Table, random: np.random.Generator, before: pd.DataFrame) -> Found:
    """Labels of another class, and numbers that slipped a digit; others are those that were not named before."""
    frame, target = table.frame.copy(), table.targets[0]
    rows = random.choice(len(frame), MISTAKES, replace=False)
    if table.task == "regression":
        frame[target] = frame[target].astype(float)
        frame.loc[rows, target] *= 10
    else:
        classes = frame[target].unique()
        frame.loc[rows, target] = [random.choice(classes[classes != own]) for own in frame.loc[rows, target]]
    named = {*suspects(read(table, frame))["row"].tolist()}
    planted = {*rows.tolist()}
    return Found(len(named & planted), MISTAKES, len(named - planted - {*before["row"].tolist()}))


def leaks(table: Table, random: np.random.Generator) -> Found:
    """Columns that give the target away, each in its own way."""
    codes = table.codes
    if table.task == "regression":
        planted = {"copy": 1.8 * codes + 32, "with_gaps": np.where(random.random(len(codes)) < 0.3, np.nan, -codes)}
    else:
        planted = {
            "words": np.array([f"w{7 * code:g}" for code in codes]),
            "ranks": codes + 0.9 * random.random(len(codes)),
        }
        if len(np.unique(codes)) == 2:
            planted["known_after"] = np.where(codes == 1, random.normal(size=len(codes)), np.nan)
    notes = " ".join(note for note in read(table, table.frame.assign(**planted)).notes if "away" in note)
    return Found(sum(f"'{name}'" in notes for name in planted), len(planted))


def tied(table: Table, random: np.random.Generator, name: str) -> Found:
    """Patients of four rows each that are alike, or days with which the target drifts."""
    frame = table.frame.iloc[np.argsort(table.like(random, 0.1))].reset_index(drop=True)
    if name == "visited":
        frame[name] = (pd.Timestamp("2023-01-01") + pd.to_timedelta(np.arange(len(frame)) // 4, unit="D")).strftime(
            "%Y-%m-%d"
        )
    else:
        frame[name] = random.permutation(len(frame))[np.arange(len(frame)) // 4]
        frame = frame.sample(frac=1, random_state=0).reset_index(drop=True)
    notes = [note for note in read(table, frame).notes if "too good" in note]
    return Found(sum(f"'{name}'" in note for note in notes), 1)


def moved(data: Dataset, random: np.random.Generator) -> Found:
    """Columns of the test rows by 0.6 standard deviations larger, or with an unknown word in three of ten rows."""
    train, test = (data.frame.iloc[data.parts[part]] for part in ("train", "test"))
    numbers, words = data.kinds.of("numeric"), data.kinds.of("categorical")
    before, named, others = seen(data, train), 0, 0
    chosen = random.permutation([*numbers, *words])[:COLUMNS].tolist()
    for name in chosen:
        changed = drift.with_days(test, data.encoding)
        if name in numbers:
            own = data.kinds.numbers(test, name)
            changed[name] = own + 0.6 * np.nanstd(own)
        else:
            changed[name] = np.where(random.random(len(test)) < 0.3, "unknown", test[name].astype(object))
        told = {own.name for own in drift.moves(before, changed) if own.moved}
        named, others = named + (name in told), others + len(told - {name})
    return Found(named, len(chosen), others)


def seen(data: Dataset, rows: pd.DataFrame) -> tuple[drift.Seen, ...]:
    """What a model file would keep of rows."""
    numbers = [*data.kinds.of("numeric"), *data.kinds.of("date")]
    return drift.seen_in(drift.with_days(rows, data.encoding), numbers, data.kinds.of("categorical"))


def failing(table: Table, data: Dataset, random: np.random.Generator) -> Found:
    """Quarters of numbers and commonest words whose rows have the target of any other row."""
    frame, values, outputs = tested(data)
    found, planted = 0, 0
    for name in random.permutation(data.encoding.columns).tolist():
        own = frame[name]
        mask = (own >= own.quantile(0.75) if pd.api.types.is_numeric_dtype(own) else own == own.mode()[0]).to_numpy(
            bool
        )
        if planted == SLICES or not len(own) / 20 < mask.sum() < len(own) / 2:
            continue
        broken = values.copy()
        broken[mask] = values[random.permutation(len(values))[: mask.sum()]]
        model = explain.Model(lambda _: outputs, data.target, data.encoding.columns)
        told = explain.slices(model, frame, broken)["slice"]
        found, planted = found + any(line.startswith((f"{name} is", f"{name} from")) for line in told), planted + 1
    return Found(found, planted)


def tested(data: Dataset) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Test rows with numbers as numbers, what is true of them, and what boosted trees say."""
    x = encode(data.frame, data.encoding)
    train, test = data.parts["train"], data.parts["test"]
    regression = data.target.task == "regression"
    make = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    told = []
    for own in data.values[train].T:
        if len(np.unique(own)) == 1:
            told.append(np.full((len(test), 1), own[0]))
            continue
        trees = make(max_iter=ROUNDS, random_state=0).fit(x[train], own)
        said = trees.predict(x[test])[:, None] if regression else trees.predict_proba(x[test])
        if data.target.task == "multiclass":
            every = np.zeros((len(test), len(data.target.classes)))
            every[:, trees.classes_.astype(int)] = said
            said = every
        elif not regression:
            said = said[:, 1:]
        told.append(said)
    frame = data.frame.iloc[test].reset_index(drop=True)
    frame = frame.assign(**{name: data.kinds.numbers(frame, name) for name in data.kinds.of("numeric")})
    return frame, data.values[test], np.concatenate(told, axis=1)


# Where there is nothing ---------------------------------------------------------------------------------------------


def alarms(table: Table) -> dict[str, Found]:
    """What is cried where nothing can be true, of how many that are looked at."""
    random, data = np.random.default_rng(1), read(table)
    shuffled = table.frame[table.targets].sample(frac=1, random_state=0).to_numpy()
    dealt = read(table, table.frame.assign(**dict(zip(table.targets, shuffled.T, strict=True))))
    train, test = (data.frame.iloc[data.parts[part]] for part in ("train", "test"))
    moves = drift.moves(seen(data, train), drift.with_days(test, data.encoding))
    frame, values, outputs = tested(data)
    order = random.permutation(len(values))
    model = explain.Model(lambda _: outputs[order], data.target, data.encoding.columns)
    found = explain.slices(model, frame, values[order], data.encoding.columns[:2])
    used = [*data.encoding.columns, *table.targets]
    columns = len(data.encoding.columns)
    return {
        "rows twice, beside pandas": Found(abs(twice(data) - int(table.frame[used].duplicated().sum())), 1),
        "labels, target shuffled": Found(len(suspects(dealt)), len(table.frame)),
        "leaks, target shuffled": Found(sum("away" in note for note in dealt.notes), columns),
        "patients and days, target shuffled": Found(sum("too good" in note for note in dealt.notes), columns),
        "columns that moved, split by chance": Found(sum(own.moved for own in moves), len(moves)),
        "tables with slices, losses by chance": Found(int(len(found) > 0), 1),
    }


def notes_of(table: Table) -> list[str]:
    """What is said of a set as it is."""
    data = read(table)
    notes = [note for note in data.notes if "away" in note or "too good" in note]
    wrong = len(suspects(data))
    return [*notes, *([f"{wrong} targets look wrong ({wrong / len(table.frame):.1%})"] if wrong else [])]


if __name__ == "__main__":
    main()
