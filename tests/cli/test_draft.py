"""`init`: what a drafted recipe says of the columns, and what it leaves to the preset."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlp_toolkit.cli.draft import draft
from mlp_toolkit.data import dataset
from mlp_toolkit.recipe import resolving


@pytest.fixture
def write(tmp_path):
    def of(target="y", task=None, **columns):
        path = tmp_path / "rows.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        text, notes = draft(str(path), [target], task, tmp_path)
        recipe = tmp_path / "r.yaml"
        recipe.write_text(text, "utf-8")
        return text, notes, recipe

    return of


def line_of(text, column):
    return next(line for line in text.splitlines() if line.startswith(f"    {column}: "))


def test_a_draft_pins_nothing_that_the_preset_decides(write):
    """`-o preset=strong` on a draft is the preset on its own."""
    rng = np.random.default_rng(0)
    _, _, recipe = write(x=rng.normal(size=80), y=rng.normal(size=80))
    drafted = resolving.load_recipe(recipe, {"preset": "strong"}).values
    bare = {"task": "regression", "preset": "strong", "data": {"path": "rows.csv", "target": "y"}}
    alone = resolving.load_recipe(bare).values
    assert drafted["model"] == alone["model"]
    assert drafted["train"] == alone["train"]


def test_what_is_commented_out_is_what_the_preset_has(write):
    """With every # of the sections taken away the recipe resolves to the same values."""
    rng = np.random.default_rng(0)
    text, _, recipe = write(x=rng.normal(size=80), y=rng.integers(0, 2, 80))
    before = resolving.load_recipe(recipe).values
    recipe.write_text(text.replace("\n  # ", "\n  "), "utf-8")
    assert text.count("\n  # ") >= 6
    assert resolving.load_recipe(recipe).values == before


def test_each_column_says_what_it_holds(write):
    count = 200
    rng = np.random.default_rng(0)
    ages = rng.integers(20, 60, count)
    ages[:2] = 20, 60
    text, _, _ = write(
        age=ages,
        city=[None if row % 4 == 0 else ["Graz", "Linz", "Wien"][row % 3] for row in range(count)],
        member=rng.permutation(np.repeat([0, 1], [150, 50])),
        customer_id=rng.permutation(count * 7)[:count],
        rooms=rng.integers(1, 6, count),
        y=rng.normal(size=count),
    )
    assert f"{len(set(ages))} whole numbers, 20 to 60" in line_of(text, "age")
    assert "3 values: " in line_of(text, "city")
    assert "25 % missing" in line_of(text, "city")
    assert "0 and 1; 25 % are 1" in line_of(text, "member")
    assert "an identifier? then ignore" in line_of(text, '"customer_id"' if '"customer_id"' in text else "customer_id")
    assert "categorical if they are codes" in line_of(text, "rooms")


@pytest.mark.parametrize("name", ["zip", "storeType", "product_code", "weekday"])
def test_whole_numbers_with_the_name_of_a_code_are_proposed_as_categories(write, name):
    rng = np.random.default_rng(0)
    text, notes, _ = write(**{name: rng.integers(0, 7, 100)}, y=rng.normal(size=100))
    assert f"{name}: categorical" in text.replace('"', "")
    assert any("codes by their names" in note for note in notes)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("discount", range(7)),
        ("typewriter", range(7)),
        ("zip", [number + 0.5 for number in range(7)]),
        ("code", range(150)),
    ],
)
def test_other_numbers_stay_numbers(write, name, values):
    column = np.resize(np.array(values), 300)
    text, _, _ = write(**{name: np.random.default_rng(0).permutation(column)}, y=np.arange(300) / 7)
    assert f"{name}: numeric" in text


def test_a_value_far_outside_is_pointed_at(write):
    values = np.random.default_rng(0).normal(size=400)
    values[7] = 99_999.0
    text, _, _ = write(x=values, y=np.arange(400) / 7)
    assert "far outside" in line_of(text, "x")


def test_letters_as_numbers_from_0_to_25_are_classes(write):
    labels = np.repeat(np.arange(26), 30)
    _, notes, recipe = write(x=np.random.default_rng(0).normal(size=780), y=labels)
    assert resolving.load_recipe(recipe).spec.task == "multiclass"
    assert any("26 whole numbers (if they are a quantity: --task regression)" in note for note in notes)


def test_counts_are_no_classes(write):
    """Counts become rare as they grow, and leave gaps."""
    rng = np.random.default_rng(0)
    for counts in (rng.poisson(6, 780), rng.permutation(780) % 30 * 2, rng.permutation(780) % 200):
        _, _, recipe = write(x=rng.normal(size=780), y=counts)
        assert resolving.load_recipe(recipe).spec.task == "regression"


def test_splits_that_rows_may_call_for_are_proposed_and_not_taken(write):
    rng = np.random.default_rng(0)
    days = pd.date_range("2022-01-01", periods=300).strftime("%Y-%m-%d")
    text, notes, recipe = write(
        user_id=rng.integers(0, 60, 300), day=days, x=rng.normal(size=300), y=rng.normal(size=300)
    )
    assert resolving.load_recipe(recipe).spec.data.split_columns == []
    assert sum("perhaps data.split." in note for note in notes) == 2
    by_group, by_time = (
        next(line for line in text.splitlines() if line.startswith("  # split: ") and tie in line.replace('"', ""))
        for tie in ("group: user_id", "time: day")
    )
    recipe.write_text(text.replace(by_time, by_time.replace("# ", "")), "utf-8")
    assert resolving.load_recipe(recipe).spec.data.shares.time == "day"
    ignored = text.replace("    user_id: numeric", "    user_id: ignore").replace(
        '    "user_id": numeric', "    user_id: ignore"
    )
    recipe.write_text(ignored.replace(by_group, by_group.replace("# ", "")), "utf-8")
    spec = resolving.load_recipe(recipe).spec
    assert spec.data.shares.group == "user_id"
    dataset.load_dataset(spec)
    plain, _, _ = write(x=rng.normal(size=300), y=rng.normal(size=300))
    assert "rows be later" not in plain
    assert "rows have others" not in plain
