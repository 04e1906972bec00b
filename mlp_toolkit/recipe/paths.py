"""The files that recipes are, and those that they name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlp_toolkit.errors import UserError, nearest, shorten
from mlp_toolkit.files import DATA_SUFFIXES
from mlp_toolkit.recipe import catalog


def find(path: str | Path) -> Path:
    """The file of a recipe: a path, or the name of one that ships with the package."""
    file = Path(path)
    shipped = catalog.recipes()
    if file.name.lower().endswith(DATA_SUFFIXES):
        raise UserError(
            "this is data, not a recipe",
            place=shorten(str(path)),
            remedy=f"`mlp-toolkit init {shorten(str(path))} --target COLUMN` writes a recipe for it.",
        )
    try:
        if file.is_file():
            return file.resolve()
        if file.exists() and str(path) not in shipped:  # a folder may be called as a shipped recipe: its run, often
            raise UserError("a recipe is a YAML file, and this is none", place=shorten(str(path)))
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read: {error}", place=shorten(str(path))) from None
    name = str(path).removesuffix(".yaml")
    if name in shipped:
        return shipped[name]
    beside = [file.with_suffix(ending) for ending in (".yaml", ".yml") if file.suffix in ("", ".yaml", ".yml")]
    near = next((str(other) for other in beside if is_file(other)), None)
    if near:
        raise UserError("no such recipe file", place=shorten(str(path)), remedy=f"Did you mean {near}?")
    near = nearest(name, shipped)
    raise UserError(
        "no such recipe file",
        place=shorten(str(path)),
        remedy=(f"Did you mean the shipped recipe {near!r}? " if near else "")
        + "`mlp-toolkit recipes` lists those that ship with the package.",
    )


def under(folder: Path, name: str) -> str:
    """The path of a file that a recipe in `folder` names; a name that no file can have stays as it is."""
    try:
        return str((folder / name).resolve())
    except (OSError, ValueError, RuntimeError):
        return name


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # for instance, a name longer than the system's longest
        return False


def rooted(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Makes the files a layer names relative to the layer's own folder."""
    result = dict(values)

    def root(name: Any) -> Any:
        return under(folder, name) if isinstance(name, str) and name else name

    if isinstance(result.get("data"), dict):
        data = result["data"] = dict(result["data"])
        for key in ("path", "test_path"):
            if key in data:
                data[key] = root(data[key])
        if isinstance(data.get("split"), dict):
            data["split"] = dict(data["split"])
            named = {key: data["split"][key] for key in ("validation", "test") if key in data["split"]}
            data["split"] |= {key: root(name) for key, name in named.items() if name != "folds"}
    warm_start = result["model"].get("warm_start") if isinstance(result.get("model"), dict) else None
    if isinstance(warm_start, dict) and "from" in warm_start:
        result["model"] = {**result["model"], "warm_start": {**warm_start, "from": root(warm_start["from"])}}
    if isinstance(result.get("preset"), str) and result["preset"].endswith((".yaml", ".yml")):
        result["preset"] = root(result["preset"])
    return result
