"""Scores equal scikit-learn's where it is called directly, and numpy's where they are a line of arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import UserError
from mlp_toolkit.evaluation.metrics import note_on_one_class, score
from mlp_toolkit.recipe import catalog

RANDOM = np.random.default_rng(3)


def names(task: str) -> list[str]:
    return list(catalog.config(f"tables/{task}")["entries"]["metrics"]["default"])


def test_regression_scores_are_means_over_the_targets() -> None:
    y, p = RANDOM.normal(size=(50, 2)), RANDOM.normal(size=(50, 2))
    squares = (y - p) ** 2
    scores = score(y, p, Target("regression", ("a", "b")), names("regression"))
    assert scores == pytest.approx(
        {
            "rmse": np.sqrt(squares.mean(axis=0)).mean(),
            "mae": np.abs(y - p).mean(),
            "r2": (1 - squares.sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)).mean(),
        }
    )


def test_binary_scores() -> None:
    y, p = RANDOM.integers(0, 2, (80, 1)), RANDOM.uniform(size=(80, 1)).astype(np.float32)
    true, chance, label = y[:, 0], p[:, 0].astype(float), (p[:, 0] >= 0.5).astype(int)
    scores = score(y, p, Target("binary", ("t",), ("no", "yes")), names("binary"))
    hits = [(label[true == k] == k).mean() for k in (0, 1)]
    found, told, both = true.sum(), label.sum(), (true & label).sum()
    assert scores == pytest.approx(
        {
            "accuracy": (true == label).mean(),
            "auc": metrics.roc_auc_score(true, chance),
            "pr_auc": metrics.average_precision_score(true, chance),
            "log_loss": -np.mean(true * np.log(chance) + (1 - true) * np.log(1 - chance)),
            "f1": 2 * both / (found + told),
            "balanced_accuracy": np.mean(hits),
            "brier": np.mean((true - chance) ** 2),
        }
    )


def test_one_half_counts_as_positive() -> None:
    scores = score(np.array([[1], [0]]), np.array([[0.5], [0.4999]]), Target("binary", ("t",), (0, 1)), ["accuracy"])
    assert scores == {"accuracy": 1.0}


def test_areas_are_left_out_where_only_one_class_occurs() -> None:
    scores = score(np.ones((3, 1)), np.array([[0.9], [0.8], [0.1]]), Target("binary", ("t",), (0, 1)), names("binary"))
    assert set(scores) == {"accuracy", "log_loss", "f1", "brier"}


def test_multilabel_scores() -> None:
    y, p = RANDOM.integers(0, 2, (60, 3)), RANDOM.uniform(size=(60, 3))
    label = (p >= 0.5).astype(int)
    both, all_ = (y & label).sum(axis=0), y.sum(axis=0) + label.sum(axis=0)
    scores = score(y, p, Target("multilabel", ("a", "b", "c")), names("multilabel"))
    assert scores == pytest.approx(
        {
            "micro_f1": 2 * both.sum() / all_.sum(),
            "macro_f1": (2 * both / all_).mean(),
            "hamming_loss": (y != label).mean(),
            "subset_accuracy": (y == label).all(axis=1).mean(),
            "macro_auc": np.mean([metrics.roc_auc_score(y[:, i], p[:, i]) for i in range(3)]),
        }
    )


def test_a_label_that_never_varies_has_no_part_in_the_mean_area() -> None:
    y = np.array([[0, 1], [1, 1], [0, 1]])
    p = np.array([[0.2, 0.5], [0.9, 0.5], [0.3, 0.5]])
    assert score(y, p, Target("multilabel", ("a", "b")), ["macro_auc"]) == {"macro_auc": 1.0}


def test_multiclass_scores() -> None:
    y = RANDOM.integers(0, 4, (90, 1))
    p = RANDOM.dirichlet(np.ones(4), 90)
    true, label = y[:, 0], p.argmax(axis=1)
    scores = score(y, p.astype(np.float32), Target("multiclass", ("t",), tuple("abcd")), names("multiclass"))
    recalls = [(label[true == k] == k).mean() for k in range(4)]
    assert scores == pytest.approx(
        {
            "accuracy": (true == label).mean(),
            "log_loss": -np.log(p[np.arange(90), true]).mean(),
            "macro_f1": metrics.f1_score(true, label, average="macro"),
            "balanced_accuracy": np.mean(recalls),
            "macro_auc": np.mean([metrics.roc_auc_score(true == k, p[:, k]) for k in range(4)]),
        },
        rel=1e-5,
    )


def test_multiclass_of_two_classes_has_the_binary_area() -> None:
    y, p = RANDOM.integers(0, 2, (40, 1)), RANDOM.dirichlet(np.ones(2), 40)
    scores = score(y, p, Target("multiclass", ("t",), ("a", "b")), ["macro_auc"])
    assert scores["macro_auc"] == pytest.approx(metrics.roc_auc_score(y[:, 0], p[:, 1]))


def test_a_class_without_rows_leaves_the_area_out_and_counts_in_no_mean_recall() -> None:
    y, p = np.array([[0], [1], [1]]), np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    scores = score(y, p, Target("multiclass", ("t",), ("a", "b", "c")), names("multiclass"))
    assert "macro_auc" not in scores
    assert scores["balanced_accuracy"] == pytest.approx((1 + 0.5) / 2)


def test_only_the_scores_asked_for_are_given() -> None:
    assert set(score(np.zeros((2, 1)), np.ones((2, 1)), Target("regression", ("a",)), ["mae"])) == {"mae"}


def test_one_row_has_no_r2() -> None:
    assert set(score(np.zeros((1, 1)), np.ones((1, 1)), Target("regression", ("a",)), names("regression"))) == {
        "rmse",
        "mae",
    }


def test_predictions_that_are_not_finite_are_an_error_in_plain_words() -> None:
    with pytest.raises(UserError, match="diverged"):
        score(np.zeros((2, 1)), np.full((2, 1), np.nan), Target("regression", ("a",)), ["mae"])


def test_labels_of_which_every_row_is_told_the_same_are_named() -> None:
    target = Target("multilabel", ("often", "never"))
    outputs = np.array([[0.9, 0.1], [0.2, 0.4], [0.7, 0.3]])
    (note,) = note_on_one_class(outputs, target, "test")
    assert "'never'" in note
    assert "'often'" not in note
    assert note_on_one_class(np.array([[0.9, 0.1], [0.2, 0.6]]), target, "test") == []
