"""A kind of column is one file here, one of the same name among the layers, and a line in a dict of each."""

from __future__ import annotations

from pathlib import Path

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
