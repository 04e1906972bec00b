"""Shares of networks and of a linear model, chosen by rows held out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mlp_toolkit.training.engine.blend.blending import shares
from mlp_toolkit.training.engine.blend.keeping import ends_of_waves

HALVES = np.array([0.5, 0.5, 0.0])


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_the_best_of_a_fine_grid(seed):
    random = np.random.default_rng(seed)
    y, weights = random.normal(size=(60, 2)), random.uniform(0.5, 2, 60)
    said = [y + random.normal(0, spread, size=y.shape) for spread in random.uniform(0.2, 2, 3)]
    found = shares(y, said, weights, HALVES, 0.05)

    def blamed(share):
        def error(own):
            mixed = sum(a * b for a, b in zip(own, said, strict=True))
            return np.average(((mixed - y) ** 2).sum(axis=1), weights=weights)

        apart = np.array(share) - [0.5, 0.5, 0]
        return error(share) / error([0.5, 0.5, 0]) + 0.05 * (apart**2).sum()

    grid = [(a, b, 1 - a - b) for a, b in itertools.product(np.linspace(0, 1, 51), repeat=2) if a + b <= 1]
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    assert blamed(found) <= min(map(blamed, grid)) + 1e-3


def test_a_linear_model_that_is_right_takes_nearly_all():
    random = np.random.default_rng(0)
    y = random.normal(size=(200, 1))
    noise = random.normal(size=y.shape)
    assert shares(y, [y + noise, y + noise, y], np.ones(200), HALVES, 0.03)[2] > 0.9
    assert shares(y, [y, y, y + noise], np.ones(200), HALVES, 0.03) == pytest.approx([0.5, 0.5, 0])


def test_the_waves_of_a_training_end_where_the_rate_is_0():
    from mlp_toolkit.model.members.optimizer import LogCosine

    rate = LogCosine(1.0, 15_000)
    assert ends_of_waves(15_000) == [1_000, 3_000, 7_000]
    assert all(float(rate(epoch)) < 1e-5 for epoch in ends_of_waves(15_000))
    assert ends_of_waves(1) == []
    assert ends_of_waves(3) == [1]
