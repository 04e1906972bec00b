"""Curves by threshold, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from mlp_toolkit.evaluation import decision
from mlp_toolkit.evaluation.metrics import sweep
from mlp_toolkit.evaluation.report import curves
from mlp_toolkit.recipe.spec import Decision


def test_the_curves_are_scikit_learns(rows):
    true, chance = rows
    steps = sweep(true, chance)
    fall_out, recall, thresholds = metrics.roc_curve(true, chance, drop_intermediate=False)
    np.testing.assert_allclose(steps.fall_out, fall_out)
    np.testing.assert_allclose(steps.recall, recall)
    np.testing.assert_allclose(steps.thresholds[1:], thresholds[1:])
    assert steps.auc == pytest.approx(metrics.roc_auc_score(true, chance))
    assert steps.average_precision == pytest.approx(metrics.average_precision_score(true, chance))
    precision, recall, _ = metrics.precision_recall_curve(true, chance)
    np.testing.assert_allclose(steps.precision[1:], precision[:-1][::-1][: len(steps.precision) - 1])
    np.testing.assert_allclose(steps.recall[1:], recall[:-1][::-1][: len(steps.recall) - 1])


def test_no_curve_where_a_label_is_always_or_never_there():
    assert sweep(np.zeros(9), np.linspace(0, 1, 9)) is None
    assert sweep(np.ones(9), np.linspace(0, 1, 9)) is None


@pytest.mark.parametrize(
    ("name", "score"), [("f1", metrics.f1_score), ("balanced_accuracy", metrics.balanced_accuracy_score)]
)
def test_a_line_by_threshold_is_the_score_of_what_that_decides(rows, name, score):
    true, chance = rows
    steps = sweep(true, chance)
    wanted = Decision(threshold=0.5, metric=name, cost=None)
    x, y = curves.by_threshold(steps, decision.goodness(steps.counts, wanted))
    assert (x[0], x[-1]) == (0, 1)
    assert (np.diff(x) >= 0).all()
    for limit in (0.003, 0.1, 0.5, 0.505, 0.97, *chance[:5]):
        drawn = y[np.searchsorted(x, limit)]  # where a step before a point is drawn up to it
        kwargs = {"zero_division": 0} if name == "f1" else {}
        assert drawn == pytest.approx(score(true, chance >= limit, **kwargs))
