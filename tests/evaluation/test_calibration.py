"""How far probabilities are from right, against scikit-learn and by hand."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from mlp_toolkit.evaluation.calibration import Fit, reliability


def test_reliability_is_scikit_learns_with_wilsons_intervals(rows):
    true, chance = rows
    found = reliability(true[:, None], chance[:, None], "binary")
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
        chance = random.random((400, 1))
        found = reliability((random.random((400, 1)) < chance).astype(float), chance, "binary")
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


def test_the_calibration_error_by_hand():
    chance = np.repeat([0.31, 0.33, 0.9, 0.92], 10)[:, None]  # four groups of ten rows
    values = np.repeat([[0.0], [1.0], [1.0], [1.0]], 10, axis=0)
    by_hand = (0.31 + (1 - 0.33) + (1 - 0.9) + (1 - 0.92)) / 4
    assert reliability(values, chance, "binary").error == pytest.approx(by_hand)
    likeliest = np.repeat([[0], [1], [2], [2]], 10, axis=0)  # each is right where values are 1
    of_three = np.where(likeliest == np.arange(3), chance, (1 - chance) / 2.5)
    of_three[:10, 1] = 0.30  # less than the likeliest, however near
    classes = np.where(values == 1, likeliest, 2).astype(float)
    assert reliability(classes, of_three, "multiclass").error == pytest.approx(by_hand)
    labels = np.concatenate([values, 1 - values], axis=1), np.concatenate([chance, 1 - chance], axis=1)
    assert reliability(*labels, "multilabel").rows.sum() == 80
