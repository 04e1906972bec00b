"""Texts of one column are numbers by one rule, whether they come at once or piece by piece."""

from __future__ import annotations

import random

import pytest

from mlp_toolkit.data.columns import writings
from mlp_toolkit.data.columns.writings import clash, number_of

PAIRS = [
    ("1.234", "1.234,5"),
    ("1.234", "1,5"),
    ("1,234.5", "1,5"),
    ("1,234.5", "1.234,5"),
    ("12:30", "7"),
    ("5 %", "0.05"),
    ("$5", "€5"),
]
APART = [("0.234", "1,5"), ("0", "5 %"), ("0.00", "5 %"), ("1,234.5", "17.25"), ("99:99", "7"), ("-", "5 %")]


@pytest.mark.parametrize("pair", PAIRS + APART)
def test_pieces_clash_as_the_whole_does(pair: tuple[str, str]) -> None:
    for one, other in (pair, pair[::-1]):
        seen: dict[str, str] = {}
        assert clash([one], seen) is None
        told = clash(["-", other], seen)
        assert (told is not None) == (clash([one, other]) is not None) == (pair in PAIRS)
        assert told is None or (repr(one) in told and repr(other) in told)


def test_many_different_texts_of_few_shapes_are_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cents = random.Random(0).sample(range(10**9), 50_000)
    texts = [f"${number / 100:,.2f}" for number in cents]
    looked_at: list[str] = []
    monkeypatch.setattr(writings, "number_of", lambda text: looked_at.append(text) or number_of(text))
    assert clash(texts) is None
    assert len(looked_at) < 1_000
    assert "'€7'" in (clash([*texts, "€7"]) or "")
