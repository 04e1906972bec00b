"""A kind of column is one file here, one of the same name among the layers, and a line in a dict of each."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import mlp_toolkit
from mlp_toolkit.data.columns import kinds
from mlp_toolkit.model.layers import encoding
from mlp_toolkit.recipe import known_names

ROOT = Path(mlp_toolkit.__file__).parent
KINDS = [kind for kind in known_names.KINDS if kind != "ignore"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_both_files_and_is_in_every_dict(kind):
    assert (ROOT / "data" / "columns" / f"{kind}.py").is_file()
    assert (ROOT / "model" / "layers" / f"{kind}.py").is_file()
    assert kind in kinds.RECOGNISE
    assert kind in encoding.KINDS
    assert kind in kinds.BEGIN or kind == "image"  # images are fitted where they are read


def test_no_dict_has_a_kind_that_recipes_do_not_know():
    assert {*kinds.RECOGNISE, *kinds.BEGIN, *encoding.KINDS} == {*KINDS}


def test_kinds_are_encoded_in_the_order_of_their_layers():
    assert [kind for kind in encoding.KINDS if kind in kinds.BEGIN] == [*kinds.BEGIN]


@pytest.mark.parametrize(
    ("beside", "texts", "told"),
    [
        ("15,2", ["1.234", "999", "12.500"], True),
        ("1.234,5", ["1.234", "2.345", "3.456"], True),
        ("15.2", ["1.234", "999", "12.500"], False),
        ("15,2", ["0.234", "1.234", "2.345"], False),
        ("15,2", ["1.23", "1.234", "2.345"], False),
        ("15,2", ["1234", "999", "12"], False),
    ],
)
def test_points_that_may_stand_between_thousands_are_told_where_the_table_has_decimal_commas(beside, texts, told):
    frame = pd.DataFrame({"price": texts, "amount": [beside, beside.replace("2", "3"), None]})
    found = kinds.infer_kinds(frame)
    assert found.by_column == {"price": "numeric", "amount": "numeric"}
    about_price = [note for note in found.notes if note.startswith("price: ")]
    assert len(about_price) == told
    assert not told or (f"'{texts[0]}' are read as fractions" in about_price[0] and repr(beside) in about_price[0])
