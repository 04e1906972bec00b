"""A cluster of three machines on this one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ray_machines import Machines


@pytest.fixture
def machines() -> Iterator[Machines]:
    own = Machines()
    try:
        yield own
    finally:
        own.end()
