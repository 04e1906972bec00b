"""Columns that rows may be split by are recognised by name and values; others are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlp_toolkit.data.columns.kinds import infer_kinds
from mlp_toolkit.data.leaks.ties import groups_in, times_in
from mlp_toolkit.data.reading import frames

RANDOM = np.random.default_rng(0)
ROWS = 600
WHO = RANDOM.integers(0, 150, ROWS)


def found(way: Any, name: str, values: Any) -> bool:
    frame = frames.normalise(pd.DataFrame({name: values, "other": RANDOM.normal(size=ROWS)}))
    return name in [tie.column for tie in way(frame, infer_kinds(frame))]


@pytest.mark.parametrize(
    "name", ["patient_id", "idPatient", "CustomerID", "user", "household number", "device-key", "id"]
)
def test_whole_numbers_that_repeat_under_the_name_of_an_identifier_tie(name: str) -> None:
    assert found(groups_in, name, WHO)


@pytest.mark.parametrize("name", ["age", "customer_age", "members", "width", "video", "number_of_days"])
def test_numbers_of_another_name_do_not(name: str) -> None:
    assert not found(groups_in, name, WHO)


def test_words_tie_where_few_rows_share_one() -> None:
    assert found(groups_in, "plate", [f"W-{who}" for who in WHO])
    assert not found(groups_in, "city", [f"c{who % 30}" for who in WHO])
    assert not found(groups_in, "patient_id", [f"p{row}" for row in range(ROWS)])  # each its own
    assert not found(groups_in, "user_id", WHO % 5)
    assert not found(groups_in, "user_id", WHO + 0.5)


def test_a_tie_says_how_it_repeats() -> None:
    frame = frames.normalise(pd.DataFrame({"user_id": np.repeat(np.arange(200), 3), "x": RANDOM.normal(size=ROWS)}))
    (tie,) = groups_in(frame, infer_kinds(frame))
    assert tie.reason == "200 values, 3 rows each, by its name an identifier"
    assert groups_in(frame, infer_kinds(frame), ["user_id"]) == []


def test_images_that_are_ignored_are_no_ties() -> None:
    frame = pd.DataFrame({"user_id": WHO, "picture": [np.zeros((2, 2), np.uint8)] * ROWS})
    kinds = infer_kinds(frame, {"picture": "ignore"})
    assert [tie.column for tie in groups_in(frame, kinds)] == ["user_id"]


DAYS = pd.date_range("2022-01-01", periods=ROWS).strftime("%Y-%m-%d").to_numpy()


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("seen", DAYS, True),
        ("seen", DAYS[::-1], True),
        ("seen", RANDOM.permutation(DAYS), False),
        ("order_date", RANDOM.permutation(DAYS), True),
        ("birth_date", DAYS, False),
        ("timestamp", np.arange(ROWS) * 60 + 1_700_000_000, True),
        ("timestamp", RANDOM.permutation(ROWS), False),
        ("weight", np.arange(ROWS), False),
        ("date", np.where(np.arange(ROWS) == 5, None, DAYS), False),
        ("date", np.where(np.arange(ROWS) == 5, "?", DAYS), False),
        ("timestamp", np.where(np.arange(ROWS) == 5, "unknown", np.arange(ROWS).astype(str)), False),
    ],
)
def test_times_are_dates_in_order_or_by_name(name: str, values: Any, expected: bool) -> None:
    assert found(times_in, name, values) == expected
