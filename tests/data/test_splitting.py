"""Which part each row is in: of a table that is read whole, and of pieces of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlp_toolkit.data.splitting import PARTS, ByColumn, ByShare, hold_out
from mlp_toolkit.errors import UserError

WORDS = ["train", "Validation", "test", "val", "train", "valid"]
FRAME = pd.DataFrame({"part": np.array(WORDS, object)})
ROWS = np.arange(len(WORDS))


def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_column_says_the_same_of_a_table_and_of_its_pieces():
    split = ByColumn("part")
    table = split.of_table(FRAME, ROWS, None)
    assert {part: rows.tolist() for part, rows in table.items()} == {
        "train": [0, 4],
        "validation": [1, 3, 5],
        "test": [2],
    }
    pieces = np.concatenate([split.of_piece(FRAME[begin : begin + 2], random()) for begin in (0, 2, 4)])
    assert [PARTS[number] for number in pieces] == ["train", "validation", "test", "validation", "train", "validation"]


def test_words_of_rows_that_have_a_file_of_their_own_are_not_looked_at():
    frame = pd.DataFrame({"part": np.array(["train", "nonsense"], object)})
    assert ByColumn("part").of_table(frame, np.array([0]), None)["train"].tolist() == [0]
    with pytest.raises(UserError, match="nonsense"):
        ByColumn("part").of_table(frame, np.array([0, 1]), None)


@pytest.mark.parametrize("way", ["table", "piece"])
def test_a_part_comes_from_one_place(way):
    split = ByColumn("part", frozenset({"test"}))
    with pytest.raises(UserError, match="which is meant"):
        split.of_table(FRAME, ROWS, None) if way == "table" else split.of_piece(FRAME, random())


def test_shares_of_a_table_are_exact_and_those_of_pieces_nearly():
    split = ByShare(0.2, 0.3, seed=0)
    frame = pd.DataFrame(index=range(10_000))
    table = split.of_table(frame, np.arange(10_000), None)
    assert {part: len(rows) for part, rows in table.items()} == {"train": 5_000, "test": 3_000, "validation": 2_000}
    assert sorted(np.concatenate([*table.values()])) == [*range(10_000)]
    counts = np.bincount(split.of_piece(frame, random())) / 10_000
    np.testing.assert_allclose(counts, [0.5, 0.2, 0.3], atol=4 * np.sqrt(0.25 / 10_000))


def test_a_part_with_rows_of_its_own_takes_none():
    split = ByShare(0.2, 0.3, seed=0, own_rows=frozenset({"test"}))
    frame = pd.DataFrame(index=range(1_000))
    assert {part: len(rows) for part, rows in split.of_table(frame, np.arange(1_000), None).items()} == {
        "train": 800,
        "validation": 200,
    }
    assert PARTS.index("test") not in split.of_piece(frame, random())


def test_a_class_keeps_a_row_to_train_on():
    classes = np.array([0] * 20 + [1])
    for seed in range(20):
        train, held_out = hold_out(21, 0.5, seed, "validation", strata=None, classes=classes)
        assert 20 in train
        assert sorted([*train, *held_out]) == [*range(21)]
