"""No group is in two parts and no later row is learnt from: in memory, streamed, and in folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import mlp_toolkit as mt
from mlp_toolkit.data import dataset, splitting
from mlp_toolkit.data.streaming import stream
from mlp_toolkit.errors import UserError

PARTS = ("train", "validation", "test")


def table(rows: int, groups: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, rows, rows), unit="D")
    return pd.DataFrame(
        {
            "patient": [f"p{number}" for number in random.integers(0, groups, rows)],
            "day": day.strftime("%d.%m.%Y"),
            "hour": random.integers(0, 50, rows),
            "x": random.normal(size=rows),
            "y": random.normal(size=rows),
        }
    )


def recipe(frame: pd.DataFrame, folder: Path, split: dict[str, Any], **more: Any) -> Any:
    frame.to_parquet(folder / "rows.parquet", row_group_size=40)
    data = {"path": str(folder / "rows.parquet"), "target": "y", "split": split, **more.pop("data", {})}
    return mt.load_recipe({"task": "regression", "name": "it", "data": data, **more}).spec


def parts_of(data: Any, frame: pd.DataFrame, column: str) -> dict[str, Any]:
    return {
        part: frame[column].to_numpy()[np.concatenate([piece.row_numbers for piece in data.pieces(part)])]
        for part in PARTS
    }


TIME = {"validation": 0.2, "test": 0.2, "time": "day"}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(8, 60), st.sampled_from(["never", "always"]))
def test_no_group_is_in_two_parts(tmp_path: Path, seed: int, groups: int, streamed: str) -> None:
    frame = table(200, groups, seed)
    spec = recipe(
        frame,
        tmp_path,
        {"validation": 0.25, "test": 0.25, "group": "patient"},
        data={"stream": streamed == "always"},
        seed=seed,
    )
    try:
        data = stream.open_stream(spec, "it", tmp_path) if streamed == "always" else dataset.load_dataset(spec, "it")
    except UserError:  # of few groups that fall by chance a part may get none
        assume(streamed == "never")
        raise
    found = parts_of(data, frame, "patient")
    assert sum(map(len, found.values())) == 200
    assert not {*found["train"]} & {*found["test"]}
    assert not {*found["train"]} & {*found["validation"]}
    assert not {*found["validation"]} & {*found["test"]}
    assert "patient" not in data.encoding.columns
    groups_of_test = data.groups_of_rows("test")
    assert groups_of_test is not None
    _, expected = np.unique(found["test"].astype(str), return_inverse=True)
    same = [(groups_of_test[:, None] == groups_of_test) == (expected[:, None] == expected)]
    assert np.all(same)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.sampled_from(["day", "hour"]), st.booleans())
def test_no_row_is_learnt_from_that_comes_later(tmp_path: Path, seed: int, column: str, streamed: bool) -> None:
    frame = table(200, 5, seed)
    spec = recipe(frame, tmp_path, {**TIME, "time": column}, data={"stream": streamed}, seed=seed)
    data = stream.open_stream(spec, "it", tmp_path) if streamed else dataset.load_dataset(spec, "it")
    found = parts_of(data, frame, column)
    if column == "day":
        found = {part: pd.to_datetime(pd.Series(own), format="%d.%m.%Y").to_numpy() for part, own in found.items()}
    assert found["train"].max() < found["validation"].min()
    assert found["validation"].max() < found["test"].min()
    assert column not in data.encoding.columns
    if column == "day":
        assert len(found["test"]) == pytest.approx(40, abs=8)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.sampled_from(["group", "time"]), st.booleans())
def test_folds_keep_groups_and_go_forward(tmp_path: Path, seed: int, tie: str, in_folds: bool) -> None:
    frame = table(240, 20, seed)
    column = "patient" if tie == "group" else "day"
    more: dict[str, Any] = {"model": {"ensemble": 3}} if in_folds else {}
    split = {"validation": "folds" if in_folds else 0.2, "test": 0.2, tie: column}
    spec = recipe(frame, tmp_path, split, seed=seed, **more)
    data = dataset.load_dataset(spec, "it")
    values = frame[column] if tie == "group" else pd.to_datetime(frame[column], format="%d.%m.%Y")
    of = values.to_numpy()[data.row_numbers]
    if in_folds and tie == "group":
        assert data.folds is not None
        trained = of[data.parts["train"]]
        assert all(len({*data.folds[trained == one].tolist()}) == 1 for one in np.unique(trained))
        assert {*data.folds.tolist()} == {0, 1, 2}
    if in_folds and tie == "time":
        assert data.folds is None  # members share the latest rows
    for parts in splitting.folds_of(spec, data.values, data.parts, 4, data.ties):
        own = {part: of[rows] for part, rows in parts.items()}
        assert not {*parts["test"].tolist()} & {*data.parts["test"].tolist()}
        if tie == "group":
            assert not {*own["train"]} & {*own["test"]}
            assert not {*own["validation"]} & {*own["test"]}
            assert not {*own["train"]} & {*own["validation"]}
        else:
            assert own["train"].max() < own["validation"].min()
            assert own["validation"].max() < own["test"].min()


def test_of_classes_groups_and_time_work_too(tmp_path: Path) -> None:
    frame = table(300, 30, 0)
    frame["y"] = np.where(frame["x"] > 0, "up", "down")
    for tie in ({"group": "patient"}, {"time": "day"}):
        data = {"target": "y", "split": {"validation": 0.2, "test": 0.2, **tie}}
        cut = {"task": "binary", "data": data, "train": {"epochs": 2}, "baselines": "none"}
        found = mt.run(cut, data=frame, out=tmp_path / next(iter(tie)), verbose=0)
        assert found.metrics["rows"]["test"] == pytest.approx(60, abs=15)
    done = mt.cross_validate(cut, data=frame, folds=3, verbose=0)
    assert len(done.scores) == 3


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"group": "patient", "time": "day"}, "not taken together"),
        ({"group": "patints"}, "no such column"),
        ({"time": "word"}, "neither numbers nor dates"),
        ({"time": "gaps"}, "no time in row 7"),
        ({"time": "y"}, "this column is the target"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, split: dict[str, str], said: str) -> None:
    frame = table(100, 10, 0).assign(word=lambda rows: rows["patient"] + " x", gaps=lambda rows: rows["hour"] * 1.0)
    frame.loc[7, "gaps"] = np.nan
    with pytest.raises(UserError, match=said):
        dataset.load_dataset(recipe(frame, tmp_path, {"validation": 0.2, "test": 0.2, **split}), "it")


def test_a_time_that_features_name_is_learnt_from(tmp_path: Path) -> None:
    frame = table(200, 5, 0)
    spec = recipe(frame, tmp_path, {**TIME, "time": "hour"}, data={"features": ["x", "hour"]})
    assert [*dataset.load_dataset(spec, "it").encoding.columns] == ["hour", "x"]
