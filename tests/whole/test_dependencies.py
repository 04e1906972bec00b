"""The oldest versions that are tested are the oldest that pyproject.toml allows."""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def test_the_oldest_versions_tested_are_the_oldest_allowed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    allowed = {item.name: str(item.specifier) for item in map(Requirement, project["dependencies"])}
    lines = (ROOT / "constraints-oldest.txt").read_text().splitlines()
    tested = {item.name: str(item.specifier) for item in map(Requirement, lines[1:])}
    assert {name: oldest.replace("==", ">=") for name, oldest in tested.items()} == allowed
