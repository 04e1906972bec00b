"""Model files changed at random are refused in plain words, or they predict; see `mutated_models.py`."""

from __future__ import annotations

from collections import Counter

import pytest
from mutated_models import FINE, REFUSED, SECONDS, failures, outcomes


def test_files_changed_at_random_are_refused_or_predict():
    found = outcomes(0, 60)
    assert not failures(found)
    kinds = Counter(outcome for outcome, _ in found.values())
    assert kinds[REFUSED] > 30
    assert kinds[FINE] > 5
    assert max(seconds for _, seconds in found.values()) < SECONDS


@pytest.mark.slow
def test_two_thousand_more_are_too():
    assert not failures(outcomes(100_000, 2_000))
