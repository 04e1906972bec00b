"""Bad input in bulk: whatever a recipe or a file holds, the end is a result or one clear message.

Also a script: `python tests/test_fuzz.py recipes 10000` prints how many cases ended how.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import fuzz_recipes
import pytest
from fuzz_bound import Tally

from mlp_toolkit import dataset, recipe
from mlp_toolkit.errors import UserError


def read_recipe(file: Path, overrides: list[str]) -> str:
    """What `show` and `validate` do."""
    resolved = recipe.load(file, dict(recipe.parse_override(text) for text in overrides))
    dataset.check_header(resolved.spec, file.name)
    return recipe.explain(resolved)


def damaged_recipes(folder: Path, cases: int, seed: int, tally: Tally) -> None:
    file = fuzz_recipes.fill(folder)
    for number in range(cases):
        random = Random(f"recipe {seed} {number}")
        file.write_bytes(fuzz_recipes.damaged(random))
        overrides = [fuzz_recipes.override(random) for _ in range(random.choice([0, 0, 0, 0, 1, 2]))]
        outcome = tally.case(f"recipe {seed} {number}", lambda o=overrides: read_recipe(file, o))
        if outcome == "outside":
            print(file.read_bytes()[:600], overrides, tally.outside[-1], flush=True)


def test_a_damaged_recipe_is_one_or_refused(tmp_path):
    tally = Tally(tmp_path)
    damaged_recipes(tmp_path, 300, 0, tally)
    assert not tally.outside
    assert min(tally.counts["valid"], tally.counts["refused"]) > 20


MODES = {"recipes": damaged_recipes}

if __name__ == "__main__":
    mode, count = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as name:
        total = Tally(Path(name), guarded=True)
        MODES[mode](Path(name), count, int(sys.argv[3]) if len(sys.argv) > 3 else 1, total)
    print(total)
    sys.exit(bool(total.outside))
