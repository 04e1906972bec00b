"""Model files changed at random are refused in plain words, or they predict; see `mutated_models.py`."""

from __future__ import annotations

from collections import Counter

import mutated_models
import pytest
from mutated_models import FINE, REFUSED, SECONDS, failures, outcomes


def test_files_changed_at_random_are_refused_or_predict():
    found = outcomes(0, 40)
    assert not failures(found)
    kinds = Counter(outcome for outcome, _ in found.values())
    assert kinds[REFUSED] > 20
    assert kinds[FINE] > 5
    assert max(seconds for _, seconds in found.values()) < SECONDS


@pytest.mark.slow
@pytest.mark.parametrize("first", [100_000, 100_500, 101_000, 101_500])
def test_two_thousand_more_are_too(first):
    assert not failures(outcomes(first, 500))


def test_a_process_that_cannot_start_says_why(tmp_path, monkeypatch):
    broken = tmp_path / "broken.py"
    broken.write_text("raise ImportError('no such thing')")
    monkeypatch.setattr(mutated_models, "__file__", str(broken))
    with pytest.raises(RuntimeError, match="no such thing"):
        mutated_models.watched(tmp_path, [1, 2])
