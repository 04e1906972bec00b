"""Importance, dependence, contributions and slices, beside scikit-learn, brute force, and faults that were planted."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import partial_dependence, permutation_importance

from mlp_toolkit.data.targets import Target
from mlp_toolkit.evaluation import explain

NUMBER = Target("regression", ("y",), (), (0.0,), (1.0,))
YES = Target("binary", ("y",), ("no", "yes"))


def formula(frame: pd.DataFrame) -> np.ndarray:
    x = frame[["a", "b", "c"]].to_numpy(float)
    return (3 * x[:, 0] + x[:, 0] * x[:, 1] + np.where(frame["w"] == "up", 2.0, 0.0) + 0 * x[:, 2])[:, None]


MODEL = explain.Model(formula, NUMBER, ["a", "b", "c", "w"])


class AsEstimator(RegressorMixin, BaseEstimator):
    def fit(self, x: Any, y: Any = None) -> AsEstimator:
        self.fitted_ = True
        return self

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        return formula(frame)[:, 0]


def drawn(rows: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(rows, 3)), columns=["a", "b", "c"])
    frame["w"] = np.where(random.random(rows) < 0.5, "up", "down")
    return frame, formula(frame) + random.normal(size=(rows, 1))


def test_importance_is_that_of_scikit_learn() -> None:
    frame, values = drawn(1_500)
    found = explain.importance(MODEL, frame, values).set_index("column")
    theirs = permutation_importance(
        AsEstimator().fit(frame),
        frame,
        values[:, 0],
        scoring="neg_root_mean_squared_error",
        n_repeats=30,
        random_state=1,
    )
    for name, mean in zip(frame.columns, theirs.importances_mean, strict=True):
        assert found["importance"][name] == pytest.approx(mean, abs=0.1)
        assert found["low"][name] - 0.05 <= mean <= found["high"][name] + 0.05
    assert found.loc["c", ["importance", "low", "high"]].tolist() == [0, 0, 0]
    assert found.index[0] == "a"


def test_dependence_is_that_of_scikit_learn() -> None:
    frame, _ = drawn(300)
    found = explain.dependence(MODEL, frame, "a")
    theirs = partial_dependence(
        AsEstimator().fit(frame),
        frame,
        ["a"],
        method="brute",
        custom_values={"a": found.grid},
        categorical_features=["w"],
    )
    assert np.allclose(found.mean[:, 0], theirs["average"][0])
    assert found.curves.shape == (len(found.grid), 50, 1)
    words = explain.dependence(MODEL, frame, "w")
    means = dict(zip(words.grid, words.mean[:, 0], strict=True))
    assert means["up"] - means["down"] == pytest.approx(2)


def test_contributions_are_shapley_values_by_brute_force() -> None:
    frame, _ = drawn(40)
    row, background = frame.iloc[:1], frame.iloc[1:]
    found = explain.contributions(MODEL, row, background).set_index("column")
    mean = np.zeros(4)
    names = ["a", "b", "c", "w"]
    for order in itertools.permutations(range(4)):
        other = background.copy()
        for place in order:
            before = formula(other).mean()
            other[names[place]] = row[names[place]].iloc[0]
            mean[place] += (formula(other).mean() - before) / 24
    assert found["contribution"][names].to_numpy() == pytest.approx(mean)
    assert (found["error"] == 0).all()
    assert found["contribution"].sum() == pytest.approx(formula(row)[0, 0] - formula(background).mean())


def test_of_many_columns_contributions_are_drawn_with_their_error() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(60, 12)), columns=[f"x{place}" for place in range(12)])
    weights = np.arange(12.0)
    model = explain.Model(lambda rows: (rows.to_numpy(float) @ weights)[:, None], NUMBER, list(frame.columns))
    found = explain.contributions(model, frame.iloc[:1], frame.iloc[10:]).set_index("column")
    expected = weights * (frame.iloc[0] - frame.iloc[10:].mean())
    apart = np.abs(found["contribution"] - expected.reindex(found.index))
    assert (apart <= 4 * found["error"] + 1e-9).all()
    assert found["error"]["x11"] > 0


def test_a_planted_slice_is_found_and_clean_data_give_hardly_any() -> None:
    found_in, cried = 0, 0
    for seed in range(10):
        random = np.random.default_rng(seed)
        frame, values = drawn(1_000, seed)
        cried += len(explain.slices(MODEL, frame, values, ["a", "b"]))
        odd = (frame["w"] == "up").to_numpy() & (frame["b"] > 0.7).to_numpy()
        broken = values + np.where(odd[:, None], random.normal(0, 3, values.shape), 0)
        told = explain.slices(MODEL, frame, broken, ["b", "w"])
        found_in += bool(len(told)) and "w is up" in told["slice"][0] and "b from 0." in told["slice"][0]
    assert found_in >= 9
    assert cried <= 3


def test_slices_without_spread_are_no_findings_and_hide_none() -> None:
    frame = pd.DataFrame({"place": np.repeat(["a", "b", "c", "d"], 50)})
    values = np.repeat([0.0, 0.0, 0.0, 5.0], 50)[:, None] + np.where(frame.index >= 150, frame.index % 7, 0)[:, None]
    model = explain.Model(lambda rows: np.zeros((len(rows), 1)), NUMBER, ["place"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert explain.slices(model, frame, values)["slice"].tolist() == ["place is d"]
        assert explain.slices(model, frame, np.ones((200, 1))).empty


def test_a_value_that_most_rows_have_stands_for_itself() -> None:
    random = np.random.default_rng(0)
    gain = np.where(np.arange(1_000) % 10 == 0, random.uniform(1_000, 9_000, 1_000), 0.0)
    frame = pd.DataFrame({"gain": gain, "place": np.where(np.arange(1_000) < 500, "a", "b")})
    model = explain.Model(lambda rows: rows[["gain"]].to_numpy(float), NUMBER, ["gain", "place"])
    grid = explain.dependence(model, frame, "gain").grid
    assert grid[0] == 0
    inside = np.quantile(gain[gain > 0], np.linspace(0, 1, 19))
    assert np.allclose(grid[1:], inside)
    values = gain[:, None] + random.normal(0, np.where(gain > 0, 0.1, 1.0))[:, None]
    told = explain.slices(model, frame, values, ["gain", "place"])
    # All rows of either place have the same share of zeros; a pair of them says nothing that the zeros do not.
    assert "gain is 0" in told["slice"].tolist()
    values = gain[:, None] + random.normal(0, np.where(gain > 0, 1.0, 0.1))[:, None]
    told = explain.slices(model, frame.assign(place=np.where(gain > 0, "up", "down")), values, ["gain", "place"])
    assert told["slice"][0] == "place is up"
    assert not told["slice"].str.contains(" and ").any()


def test_slices_of_classes_count_the_cross_entropy() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"place": random.choice(["here", "there"], 800)})
    chance = np.full((800, 1), 0.9)
    values = (random.random((800, 1)) < np.where(frame["place"] == "here", 0.9, 0.4).reshape(-1, 1)).astype(float)
    model = explain.Model(lambda rows: chance[: len(rows)], YES, ["place"])
    told = explain.slices(model, frame, values)
    assert told["slice"].tolist() == ["place is there"]
    losses = explain.row_losses(values, chance, YES)
    assert losses == pytest.approx(np.where(values[:, 0] == 1, -np.log(0.9), -np.log(0.1)))
