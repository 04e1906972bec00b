"""Intervals and sets hold new rows as often as asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlp_toolkit.data.targets import Target
from mlp_toolkit.evaluation import conformal

LEVEL = 0.9


def test_the_quantile_is_the_one_of_the_definition() -> None:
    errors = np.arange(1.0, 20.0)  # 19 rows: (19 + 1) · 0.9 = 18, the 18th smallest
    assert conformal.quantile(errors, LEVEL) == 18
    assert conformal.quantile(errors[:8], LEVEL) == np.inf  # 9 · 0.9 is above 8: too few rows


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass", "multilabel"])
def test_new_rows_are_held_as_often_as_asked(task: str) -> None:
    random, held = np.random.default_rng(1), []
    classes = {"binary": ("n", "y"), "multiclass": ("a", "b", "c")}.get(task, ())
    target = Target(task, ("u", "v") if task in ("regression", "multilabel") else ("u",), classes)

    def drawn(rows: int) -> tuple[np.ndarray, np.ndarray]:
        if task == "regression":
            truth = random.normal(size=(rows, 2))
            return truth, truth + random.standard_t(3, size=(rows, 2)) * [1, 10]
        if task == "multiclass":
            p = random.dirichlet([0.7, 0.7, 0.7], rows)
            return (p.cumsum(axis=1) < random.random((rows, 1))).sum(axis=1)[:, None].astype(float), p
        p = random.beta(0.8, 0.8, (rows, target.n_outputs))
        return (random.random(p.shape) < p).astype(float), p

    for _ in range(60):
        known = conformal.with_widths(target, *drawn(300), LEVEL)
        of = conformal.coverage(*drawn(300), known)["coverage"]
        held.append(np.mean(list(of.values())) if isinstance(of, dict) else of)
    assert LEVEL - 0.01 < np.mean(held) < LEVEL + 0.02


def test_sets_name_the_likeliest_class_and_labels_that_may_be_there() -> None:
    sure = Target("multiclass", ("y",), ("a", "b", "c"), level=LEVEL, widths=(0.95,))
    p = np.array([[0.5, 0.3, 0.2], [0.02, 0.96, 0.02]])
    assert conformal.columns(p, sure)["set"].tolist() == ["a", "b"]
    unsure = replace(sure, widths=(0.25,))
    assert conformal.columns(p, unsure)["set"].tolist() == ["a|b", "b"]
    barred = replace(unsure, classes=("a|b", "b", "c"))
    assert conformal.columns(p, barred)["set"].tolist() == [r"a\|b|b", "b"]
    labels = Target("multilabel", ("p", "q"), level=LEVEL, widths=(0.3, 0.1))
    assert conformal.columns(np.array([[0.4, 0.05], [0.2, 0.2]]), labels)["set"].tolist() == ["p", "q"]


def test_an_interval_lies_around_its_prediction() -> None:
    target = Target("regression", ("price",), (), (0.0,), (1.0,), level=LEVEL, widths=(2.5,))
    found = conformal.columns(np.array([[10.0], [-1.0]]), target)
    assert found["price_lower"].tolist() == [7.5, -3.5]
    assert found["price_upper"].tolist() == [12.5, 1.5]


def of_price(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Dear things are predicted worse: the error's size is a tenth of the prediction."""
    random = np.random.default_rng(seed)
    said = random.lognormal(3, 1, (rows, 1))
    return said * (1 + 0.1 * random.normal(size=(rows, 1))), said


PRICE = Target("regression", ("price",), (), (0.0,), (1.0,))


def test_where_errors_grow_with_the_prediction_intervals_do_and_hold_as_often() -> None:
    held, of_cheap, of_dear, ratios = [], [], [], []
    for seed in range(30):
        values, said = of_price(600, seed)
        known = conformal.with_widths(PRICE, values, said, LEVEL)
        new, of_new = of_price(2_000, 1_000 + seed)
        half = conformal.half_widths(of_new, known)[:, 0]
        inside = np.abs(new - of_new)[:, 0] <= half
        held.append(inside.mean())
        cheap, dear = (np.argsort(of_new[:, 0])[part] for part in (slice(400), slice(-400, None)))
        assert half[dear].mean() > 4 * half[cheap].mean()
        of_cheap.append(inside[cheap].mean())
        of_dear.append(inside[dear].mean())
        ratios.append(half.mean() / conformal.quantile(np.abs(values - said)[:, 0], LEVEL))
        told = conformal.coverage(new, of_new, known)
        assert told["coverage"]["price"] == pytest.approx(inside.mean())
        assert told["width"]["price"] == pytest.approx(2 * half.mean())
        assert told["narrow_and_wide"]["price"] == pytest.approx(2 * np.quantile(half, [0.05, 0.95]))
    assert LEVEL - 0.01 < np.mean(held) < LEVEL + 0.01
    assert 0.85 < np.mean(of_cheap) < 0.99
    assert 0.78 < np.mean(of_dear) < 0.95  # of one width half as many
    assert np.mean(ratios) < 0.95


def test_where_errors_do_not_depend_on_the_prediction_the_width_is_one() -> None:
    one = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        said = random.normal(size=(500, 1))
        known = conformal.with_widths(PRICE, said + random.normal(size=said.shape), said, LEVEL)
        half = conformal.half_widths(said, known)
        assert half.max() < 1.6 * half.min()
        one += not known.sizes
    assert one >= 8
    few = conformal.with_widths(PRICE, *of_price(150, 0), LEVEL)
    assert few.sizes == ()
    level = conformal.with_widths(PRICE, np.ones((500, 1)), np.ones((500, 1)), LEVEL)
    assert conformal.half_widths(np.ones((3, 1)), level).tolist() == [[0.0]] * 3


def test_where_a_single_row_is_off_the_width_is_one() -> None:
    said = np.arange(400.0)[:, None]
    known = conformal.with_widths(PRICE, np.where(said == 7, 8.0, said), said, LEVEL)
    assert known.sizes == ()
    assert conformal.half_widths(said, known).tolist() == [[0.0]] * 400


def test_predictions_of_few_different_values_have_sizes_too() -> None:
    random = np.random.default_rng(0)
    said = random.integers(0, 2, (600, 1)).astype(float)  # most quantiles are the same
    known = conformal.with_widths(PRICE, said + (0.1 + said) * random.normal(size=said.shape), said, LEVEL)
    low, high = conformal.half_widths(np.array([[0.0], [1.0]]), known)[:, 0]
    assert high > 3 * low > 0


def test_the_mean_of_members_is_off_by_less_than_each() -> None:
    wide, fitting = [], []
    for seed in range(8):
        random = np.random.default_rng(seed)
        truth = 50 * random.normal(size=(2_000, 1))
        members = truth + random.normal(size=(2_000, 1)) + 0.5 * random.normal(size=(2_000, 8))
        single, mean = members[:, :1], members.mean(axis=1, keepdims=True)
        for apart, held in ((None, wide), (np.array([members.var(axis=1).mean()]), fitting)):
            known = conformal.with_widths(PRICE, truth, single, LEVEL, apart)
            held.append(conformal.coverage(truth, mean, known)["coverage"]["price"])
    assert np.mean(wide) > 0.92
    assert np.mean(fitting) == pytest.approx(LEVEL, abs=0.008)
    assert conformal.of_the_mean(np.array([0.0, 1.0]), np.array([1.0, 9.0])).tolist() == [1.0, conformal.LEAST_FACTOR]
