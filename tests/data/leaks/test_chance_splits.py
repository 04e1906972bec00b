"""Rows of one patient, or one week, on both sides of a split by chance are told of; rows that know nothing are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlp_toolkit.data import dataset
from mlp_toolkit.data.leaks import chance_splits
from mlp_toolkit.data.leaks.chance_splits import known
from mlp_toolkit.recipe import resolving

ROWS = 1_200


def table(seed: int, of_patient: float, drift: float) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    who = random.integers(0, 250, ROWS)
    y = of_patient * random.normal(size=250)[who] + drift * np.linspace(-1, 1, ROWS) + random.normal(size=ROWS)
    days = pd.date_range("2021-01-01", periods=ROWS, freq="12h").strftime("%Y-%m-%d %H:%M:%S")
    return pd.DataFrame({"patient_id": who, "seen_on": days, "x": random.normal(size=ROWS), "y": y})


def said(frame: pd.DataFrame, folder: Path, task: str = "regression", **data: Any) -> list[str]:
    frame.to_csv(folder / "rows.csv", index=False)
    recipe = {"task": task, "preset": "slides", "data": {"path": str(folder / "rows.csv"), "target": "y", **data}}
    notes = dataset.load_dataset(resolving.load_recipe(recipe).spec).notes
    return [note for note in notes if "too good" in note]


def test_patients_on_both_sides_are_told_of_with_how_much_they_tell(tmp_path: Path) -> None:
    (note,) = said(table(0, 1.5, 0), tmp_path)
    assert "'patient_id'" in note
    assert "data.split.group: patient_id" in note
    share = int(note.split("alone explains ")[1].split("%")[0])
    assert 40 < share < 75  # of 1.5² + 1 the patients' part is 69 %, less what four rows do not know of it
    assert said(table(0, 1.5, 0), tmp_path, split={"validation": 0.2, "test": 0.2, "group": "patient_id"}) == []


def test_classes_of_patients_count_too(tmp_path: Path) -> None:
    frame = table(1, 2.5, 0)
    for labels in (2, 3):
        classes = frame.assign(y=np.array(list("abc"))[np.digitize(frame["y"], [0, 1.5][: labels - 1])])
        (note,) = said(classes, tmp_path, "binary" if labels == 2 else "multiclass")
        assert "data.split.group: patient_id" in note


def test_of_many_classes_the_commonest_tell_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table(1, 2.5, 0)
    frame["y"] = np.where(np.arange(ROWS) % 30 == 0, "odd", np.where(frame["y"] > 0, "high", "low"))
    monkeypatch.setattr(chance_splits, "MOST_CLASSES", 2)
    (note,) = said(frame, tmp_path, "multiclass")
    assert "data.split.group: patient_id" in note
    monkeypatch.setattr(chance_splits, "_numbers", None)  # without patients and days targets are not even looked at
    assert said(frame[["x", "y"]], tmp_path, "multiclass") == []


def test_a_target_that_drifts_is_told_of(tmp_path: Path) -> None:
    (note,) = said(table(2, 0, 2), tmp_path)
    assert "drifts with 'seen_on'" in note
    assert "data.split.time: seen_on" in note
    assert said(table(2, 0, 2), tmp_path, split={"validation": 0.2, "test": 0.2, "time": "seen_on"}) == []


def test_where_neither_tells_anything_nothing_is_said(tmp_path: Path) -> None:
    assert [note for seed in range(6) for note in said(table(10 + seed, 0, 0), tmp_path)] == []


def test_a_birthday_and_a_number_that_predicts_are_no_ties(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    born = np.sort(random.integers(0, 9_000, ROWS))
    frame = pd.DataFrame({"birth_date": pd.Timestamp("1970-01-01") + pd.to_timedelta(born, unit="D")})
    frame["age"] = 60 - born // 365
    assert said(frame.assign(y=frame["age"] + random.normal(size=ROWS)), tmp_path) == []


def test_what_groups_tell_by_hand() -> None:
    codes, y = np.array([0, 0, 1, 1, 2, 0, 1, 3]), np.array([[4.0], [4.0], [0.0], [0.0], [2.0], [3.0], [0.0], [9.0]])
    found = known(codes, y, {"train": np.arange(5), "test": np.arange(5, 8)})
    assert (found.rows, found.share) == (2, pytest.approx(2 / 3))  # no row of group 3 was learnt
    # Means of 2 rows and the mean of all, 2: (4 + 4 + 2) / 3 and 2 / 3, in place of 2.
    off, usual = (3 - 10 / 3) ** 2 + (0 - 2 / 3) ** 2, (3 - 2) ** 2 + (0 - 2) ** 2
    assert found.explained == pytest.approx(1 - off / usual)
