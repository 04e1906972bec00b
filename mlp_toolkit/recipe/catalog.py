"""What ships with the package: `configs/` and `recipes/`. No other module knows where they lie."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML

Kind = Literal["configs", "recipes"]


@cache
def root(kind: Kind) -> Path:
    """The folder of `configs` or `recipes`: inside the installed package, else in the repository."""
    package = Path(str(files("mlp_toolkit")))
    inside = package / "shipped" / kind
    return inside if inside.is_dir() else package.parent / kind


@cache
def config(name: str) -> dict[str, Any]:
    """A file of `configs/` by its path without the ending, for instance `tables/binary`."""
    yaml = YAML(typ="safe", pure=True)
    loaded: dict[str, Any] = yaml.load((root("configs") / f"{name}.yaml").read_text("utf-8"))
    return loaded


@cache
def preset(name: str, task: str) -> dict[str, Any]:
    """The values of a preset, by section: those for all tasks, and over them those for one."""
    found = config(f"presets/{name}")
    return _over(found["values"], found.get("tasks", {}).get(task, {}))


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Mappings one over the other, at any depth."""
    both = {key: _over(below[key], above[key]) for key in above if isinstance(below.get(key), dict)}
    return {**below, **above, **both}


@cache
def names(folder: str) -> tuple[str, ...]:
    """The files of one folder of `configs/`, without the ending, in alphabetical order."""
    return tuple(sorted(path.stem for path in (root("configs") / folder).glob("*.yaml")))


def recipes() -> dict[str, Path]:
    """The recipes that ship with the package, by name."""
    return {path.stem: path for path in sorted(root("recipes").glob("*.yaml"))}
