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
        known = replace(target, level=LEVEL, widths=conformal.widths(*drawn(300), target, LEVEL))
        of = conformal.coverage(*drawn(300), known)["coverage"]
        held.append(np.mean(list(of.values())) if isinstance(of, dict) else of)
    assert LEVEL - 0.01 < np.mean(held) < LEVEL + 0.02


def test_sets_name_the_likeliest_class_and_labels_that_may_be_there() -> None:
    sure = Target("multiclass", ("y",), ("a", "b", "c"), level=LEVEL, widths=(0.95,))
    p = np.array([[0.5, 0.3, 0.2], [0.02, 0.96, 0.02]])
    assert conformal.columns(p, sure)["set"].tolist() == ["a", "b"]
    unsure = replace(sure, widths=(0.25,))
    assert conformal.columns(p, unsure)["set"].tolist() == ["a|b", "b"]
    labels = Target("multilabel", ("p", "q"), level=LEVEL, widths=(0.3, 0.1))
    assert conformal.columns(np.array([[0.4, 0.05], [0.2, 0.2]]), labels)["set"].tolist() == ["p", "q"]


def test_an_interval_lies_around_its_prediction() -> None:
    target = Target("regression", ("price",), (), (0.0,), (1.0,), level=LEVEL, widths=(2.5,))
    found = conformal.columns(np.array([[10.0], [-1.0]]), target)
    assert found["price_lower"].tolist() == [7.5, -3.5]
    assert found["price_upper"].tolist() == [12.5, 1.5]
