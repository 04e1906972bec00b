"""Faults that were planted are found, and clean data are left in peace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt
from mlp_toolkit.data import dataset
from mlp_toolkit.evaluation.audit import Audit, audit


def clean(rows: int = 800, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 4))
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"]).assign(place=random.choice(["north", "south"], rows))
    frame["kind"] = np.where(x[:, 0] + x[:, 1] + 0.2 * random.normal(size=rows) > 0, "good", "bad")
    return frame


def audited(frame: pd.DataFrame, folder: Path, task: str = "binary", target: str = "kind", **data: Any) -> Audit:
    frame.to_parquet(folder / "rows.parquet")
    recipe = {"task": task, "data": {"path": str(folder / "rows.parquet"), "target": target, **data}}
    return audit(dataset.load_dataset(mt.load_recipe(recipe).spec))


def test_clean_data_are_left_in_peace(tmp_path: Path) -> None:
    found = audited(clean(), tmp_path)
    assert [*found.findings] == ["notes"]  # which class is the positive one
    assert len(found.suspects) <= 4  # of 800 rows, some of which lie on the border


def test_labels_that_were_swapped_are_named(tmp_path: Path) -> None:
    frame = clean(1_500)
    sure = np.flatnonzero(np.abs(frame["a"] + frame["b"]) > 1.5)
    swapped = np.random.default_rng(1).choice(sure, 20, replace=False)
    frame.loc[swapped, "kind"] = np.where(frame.loc[swapped, "kind"] == "good", "bad", "good")
    named = audited(frame, tmp_path).suspects["row"].tolist()
    assert len({*named} & {*swapped.tolist()}) >= 9
    assert len({*named} - {*swapped.tolist()}) <= 5


def test_a_class_of_few_rows_hides_no_wrong_label(tmp_path: Path) -> None:
    frame = clean(1_500)
    wrong = int((frame["a"] + frame["b"]).argmax())
    frame.loc[wrong, "kind"] = "bad"
    frame.loc[frame.index[:3].difference([wrong]), "kind"] = "odd"
    found = audited(frame, tmp_path, "multiclass").suspects
    assert wrong in found["row"].tolist()
    assert "odd" not in {*found["target"]} | {*found["expected"]}


def test_dates_that_stand_once_each_are_no_identifiers(tmp_path: Path) -> None:
    days = pd.date_range("2021-01-01", periods=800).strftime("%Y-%m-%d")
    frame = clean().assign(seen=days, number=np.random.default_rng(0).permutation(800))
    (said,) = audited(frame, tmp_path).findings["identifiers"]
    assert said.startswith("'number':")


def test_a_target_that_slipped_a_digit_is_named(tmp_path: Path) -> None:
    frame = clean().assign(price=lambda rows: 100 + 10 * rows["a"])
    frame.loc[17, "price"] *= 10
    found = audited(frame.drop(columns="kind"), tmp_path, "regression", "price").suspects
    assert found["row"].tolist() == [17]


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        (lambda rows: rows.assign(number=np.random.default_rng(0).permutation(1_500)[:800]), "identifiers", "'number'"),
        (lambda rows: rows.assign(name=[f"n{i}" for i in range(len(rows))]), "notes", "name: ignored"),
        (lambda rows: pd.concat([rows, rows[:30]]), "duplicates", "30 rows"),
        (
            lambda rows: pd.concat([rows, rows[:9].assign(kind="bad")]),
            "contradictions",
            "another target",
        ),
        (lambda rows: rows.assign(a=rows["a"].where(rows.index % 2 == 0)), "missing", "'a' has no value in 50%"),
        (lambda rows: rows.assign(c=rows["c"].where(rows.index != 3, 1e4)), "odd values", "'c': 1 far"),
        (lambda rows: rows.assign(kind=np.where(rows.index < 20, "good", "bad")), "classes", "'good'"),
        (lambda rows: rows.assign(copy=(rows["kind"] == "good") * 1.0), "notes", "copy"),
        (lambda rows: rows.assign(same="one"), "notes", "the same value"),
    ],
)
def test_what_was_planted_is_found(tmp_path: Path, change: Any, kind: str, said: str) -> None:
    found = audited(change(clean()), tmp_path)
    assert said in " ".join(found.findings[kind])


def test_columns_that_change_with_time_are_named_where_the_latest_rows_are_the_test(tmp_path: Path) -> None:
    frame = clean(1_000).assign(day=np.arange(1_000))
    frame["c"] += frame["day"] / 300
    found = audited(frame, tmp_path, split={"time": "day", "validation": 0.2, "test": 0.2})
    assert "'c' is not alike" in " ".join(found.findings["split"])


def test_the_command_says_it(tmp_path: Path) -> None:
    pd.concat([clean(), clean()[:30]]).to_csv(tmp_path / "rows.csv", index=False)
    command = [sys.executable, "-m", "mlp_toolkit", "audit", str(tmp_path / "rows.csv"), "--target", "kind"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "30 rows stand in the data already" in told
    wrong = subprocess.run([*command[:-1], "knid"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, "kind" in wrong.stderr) == (2, True)
