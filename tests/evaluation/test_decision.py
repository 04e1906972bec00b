"""The threshold of a label, beside trying every one, and on rows that it was not chosen by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mlp_toolkit.evaluation import decision
from mlp_toolkit.recipe.spec import Cost, Decision

SCORES = {"f1": sk.f1_score, "balanced_accuracy": sk.balanced_accuracy_score, "mcc": sk.matthews_corrcoef}


def by(metric: str) -> Decision:
    cost = Cost(false_positive=1.0, false_negative=5.0) if metric == "cost" else None
    return Decision(threshold="auto", metric=metric, cost=cost)  # type: ignore[arg-type]  # one of the four


def drawn(rows: int, seed: int, share: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    true = (random.random(rows) < share).astype(int)
    return true, 1 / (1 + np.exp(-(random.normal(size=rows) + 2 * true - 3)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([*SCORES, "cost"]))
def test_no_threshold_decides_its_rows_better(seed: int, metric: str) -> None:
    true, chance = drawn(30, seed)
    if len(np.unique(true)) < 2:
        return

    def score(cut: float) -> float:
        told = (chance >= cut).astype(int)
        if metric == "cost":
            return -float(np.mean(np.where(true == 1, 5.0 * (told == 0), 1.0 * (told == 1))))
        return float(SCORES[metric](true, told))

    every = [0.0, 1.1, *chance, *np.nextafter(chance, 2)]
    assert score(decision.best_cut(true, chance, by(metric))) == pytest.approx(max(map(score, every)))


@pytest.mark.parametrize("metric", ["f1", "balanced_accuracy", "mcc", "cost"])
def test_rows_never_seen_are_decided_better_than_at_one_half(metric: str) -> None:
    better = []
    for seed in range(5):
        found = decision.choose(*drawn(600, seed, 0.1), by(metric), seed)
        assert found is not None
        true, chance = drawn(20_000, 100 + seed, 0.1)
        of = [decision.goodness(decision._counts(true, chance >= cut), by(metric)) for cut in (found.threshold, 0.5)]
        better.append(of[0] - of[1])
        told = found.score if metric != "cost" else -found.score
        assert told == pytest.approx(float(of[0]), abs=0.12)  # what it says of itself is about what comes
    assert np.mean(better) > 0.01


def test_where_few_rows_have_the_label_nothing_is_chosen() -> None:
    true = np.zeros(200, int)
    true[:4] = 1
    assert decision.choose(true, np.linspace(0, 1, 200), by("f1"), 0) is None
    assert "too few to choose by" in decision.note(None, by("f1"), "rare")


def test_without_a_word_from_the_rows_costs_decide() -> None:
    """Probabilities that say nothing: at 1 to 5 each row above 1/6 is told to have the label."""
    random = np.random.default_rng(0)
    found = decision.choose((random.random(400) < 0.3).astype(int), np.full(400, 0.3), by("cost"), 0)
    assert found is not None
    assert not found.chosen
    assert found.threshold == pytest.approx(1 / 6)


def test_where_the_rule_is_worse_than_one_half_it_is_not_taken() -> None:
    """Costs of 1 to 5 call for 1/6, but rows between 1/6 and 0.5 never have this label."""
    chance, true = np.repeat([0.05, 0.3, 0.9], [300, 60, 6]), np.repeat([0, 0, 1], [300, 60, 6])
    found = decision.choose(true, chance, by("cost"), 0)
    assert found is not None
    assert found.threshold > 0.3
    right = (np.random.default_rng(0).random(366) < chance).astype(int)
    kept = decision.choose(right, chance, by("cost"), 0)
    assert kept is not None
    assert 0.05 < kept.threshold <= 0.3
