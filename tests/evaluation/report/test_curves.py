"""Curves of probabilities, against scikit-learn."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from mlp_toolkit.evaluation import decision
from mlp_toolkit.evaluation.calibration import Fit
from mlp_toolkit.evaluation.metrics import sweep
from mlp_toolkit.evaluation.report import curves
from mlp_toolkit.recipe.spec import Decision


@pytest.fixture(scope="module", params=[7, 60, 900])
def rows(request) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities; many of these are equal."""
    random = np.random.default_rng(request.param)
    chance = np.round(random.beta(0.7, 1.5, request.param), 2)
    true = (random.random(request.param) < chance).astype(int)
    true[:2] = 0, 1
    return true, chance


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


def test_reliability_is_scikit_learns_with_wilsons_intervals(rows):
    true, chance = rows
    found = curves.reliability(true, chance)
    bins = max(1, min(10, len(true) // 10))
    share, mean = calibration_curve(true, chance, n_bins=bins, strategy="quantile")
    np.testing.assert_allclose(found.share, share)
    np.testing.assert_allclose(found.chance, mean)
    assert found.rows.sum() == len(true)
    error = sum(abs(s - m) * n for s, m, n in zip(share, mean, found.rows, strict=True)) / len(true)
    assert found.error == pytest.approx(error)
    z = NormalDist().inv_cdf(0.975)
    middle = (found.share + z**2 / (2 * found.rows)) / (1 + z**2 / found.rows)
    half = z * np.sqrt(found.share * (1 - found.share) / found.rows + z**2 / (4 * found.rows**2))
    half /= 1 + z**2 / found.rows
    np.testing.assert_allclose(found.low, middle - half, atol=1e-9)
    np.testing.assert_allclose(found.high, middle + half, atol=1e-9)


def test_right_probabilities_are_off_by_what_chance_would_have():
    random, errors = np.random.default_rng(0), []
    for _ in range(60):
        chance = random.random(400)
        found = curves.reliability((random.random(400) < chance).astype(float), chance)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(found.by_chance, rel=0.1)


@pytest.mark.parametrize("softmax", [False, True])
def test_a_correction_is_undone(softmax):
    random = np.random.default_rng(0)
    p = random.dirichlet([0.5, 1, 2], 200) if softmax else random.random((200, 3))
    p = np.clip(p, 1e-4, 1 - 1e-4)
    p = p / p.sum(axis=1, keepdims=True) if softmax else p
    fitted = Fit(1.7, [0.3, -0.5, 0.1], 0, 0)
    np.testing.assert_allclose(fitted.undone(fitted.applied(p, softmax=softmax), softmax=softmax), p, atol=1e-5)
