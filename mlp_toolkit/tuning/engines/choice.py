"""Which engine carries trials and recipes out, and what each of its workers takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from mlp_toolkit.errors import UserError

NAMES = ("local", "ray")


@dataclass(frozen=True)
class Engine:
    """What carries trials and recipes out.

    Attributes:
        name: `local`, this process, one after another; `ray`, the workers of a Ray cluster.
        workers: How many, 1 or more; None for as many as the cluster has room for.
        cpus: What each takes of a machine, 1 or more; TensorFlow uses so many threads there.
        gpus: The same of GPUs: 0; a part of one, 0.0001 to 1, as 0.5 for two workers a GPU; or a whole number.
        storage: A folder or URL that all machines reach, for the checkpoints of trials; None takes the run directory.
    """

    name: str = "local"
    workers: int | None = None
    cpus: int = 1
    gpus: float = 0.0
    storage: str | None = None


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _share(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return False
    return 1e-4 <= value <= 1 or (value >= 0 and value == int(value))  # what Ray can give


ALLOWED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "workers": ("a whole number, 1 or more", lambda value: value is None or _count(value)),
    "cpus": ("a whole number, 1 or more", _count),
    "gpus": ("0, 0.0001 to 1, or a whole number", _share),
    "storage": ("a folder or a URL", lambda value: value is None or (isinstance(value, str) and value != "")),
}


def engine_of(wanted: str | Mapping[str, Any], place: str = "engine") -> Engine:
    """The engine that a name or a mapping asks for.

    Args:
        wanted: The name, or values by the names of `Engine`'s attributes.
        place: Names it in messages.

    Raises:
        UserError: There is none of this name, or it does not take such values.
    """
    values = dict(wanted) if isinstance(wanted, Mapping) else {"name": wanted}
    known = [field.name for field in fields(Engine)]
    for key in values:
        if key not in known:
            raise UserError("unknown key", place=place, found=key, allowed=known)
    name = values.setdefault("name", Engine.name)
    if name not in NAMES:
        raise UserError("unknown engine", place=place, found=name, allowed=NAMES)
    for key, (allowed, fits) in ALLOWED.items():
        if key in values and not fits(values[key]):
            raise UserError(f"{key} is out of range", place=place, found=values[key], allowed=allowed)
    engine = Engine(**values)
    usual = asdict(Engine(name))
    odd = [key for key, value in asdict(engine).items() if value != usual[key]]
    if name == "local" and odd:
        raise UserError(
            f"{odd[0]} is for workers, and the engine local has none",
            place=place,
            found=values[odd[0]],
            remedy=f"Leave {odd[0]} out, or ask for the engine ray.",
        )
    return engine
