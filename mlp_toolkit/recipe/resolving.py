"""Layers of YAML become one recipe, and every value knows where it came from.

The layers, the later over the earlier: preset `slides` · the task's table · the preset named · the recipes that this
one extends · the recipe · `-o` overrides.
"""

from __future__ import annotations

import copy
import html
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.recipe import catalog, problems, spec
from mlp_toolkit.recipe.paths import find, is_file, rooted, under
from mlp_toolkit.recipe.yaml_text import (
    KeyPath,
    Layer,
    Origin,
    from_python,
    inline,
    parse,
    read_layer,
    typed,
)

# Mappings that are replaced as a whole: half of one list of columns and half of another is nobody's wish.
WHOLE: frozenset[KeyPath] = frozenset(
    {("data", "features"), ("train", "class_weight"), ("tune", "space"), ("decision", "cost")}
)
# A name stands for a mapping here. Naming one drops the settings below it, which belong to the other; settings alone
# keep the name.
NAMED: frozenset[KeyPath] = frozenset({("model", "activation"), ("train", "optimizer"), ("train", "schedule")})
# What belongs to one run, not to a preset that many share.
NOT_IN_PRESETS = ("task", "name", "preset", "extends")
_BELOW = object()  # of a section: its values follow


@dataclass(frozen=True, repr=False)
class Resolved:
    """A recipe with all values filled in; a notebook shows it as a table.

    Attributes:
        spec: The checked recipe.
        values: The same as plain Python values, as `recipe.yaml` holds them.
        origins: For every value, by its path, where it came from.
        path: The recipe's own file.
    """

    spec: spec.Recipe
    values: dict[str, Any]
    origins: dict[KeyPath, Origin]
    path: Path

    def __repr__(self) -> str:
        return f"<recipe {self.spec.name!r}: {self.spec.task}, preset {self.values['preset']}>"

    def _repr_html_(self) -> str:
        folder = f"{self.path.parent}{os.sep}"  # as a file would name what lies beside it
        lines = []
        for path, value, origin in _explained(self):
            name = "&nbsp;" * 4 * (len(path) - 1) + html.escape(inline(path[-1]))
            said = f"<code>{html.escape(inline(value).replace(folder, ''))}</code>" if value is not _BELOW else ""
            whence = html.escape(origin.replace(folder, ""))
            cells = "".join(f"<td style='text-align:left'>{cell}</td>" for cell in (name, said, whence))
            lines.append(f"<tr>{cells}</tr>")
        head = "".join(f"<th style='text-align:left'>{word}</th>" for word in ("key", "value", "where it comes from"))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def load_recipe(path: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Resolved:
    """Reads, layers and checks a recipe.

    Args:
        path: The YAML file, or the name of a recipe that ships with the package; or the recipe itself as a mapping, in
            which files are named from the current folder.
        overrides: Values by dotted key, for instance `{"train.epochs": 5}`.

    Raises:
        UserError: With file, line and column of everything that is wrong.
    """
    if not isinstance(path, str | Path | Mapping):
        raise UserError(
            "a recipe is the path of a YAML file, the name of one that ships with the package, or a mapping", found=path
        )
    if not isinstance(overrides, Mapping | None):
        example = 'For instance {"train.epochs": 5}.'
        raise UserError("a mapping from dotted keys to values", place="overrides", found=overrides, remedy=example)
    if isinstance(path, Mapping):
        file, own = Path("recipe").absolute(), Layer("recipe", "recipe", from_python(dict(path), "recipe"), {})
    else:
        file = find(path)
        own = read_layer(file, "recipe")
    return _resolved([*_chain(file, own), *_overrides(overrides or {}, file.parent)], file)


def of_arguments(arguments: Mapping[str, tuple[str, Any]], who: str) -> Resolved:
    """The recipe that the arguments of a call make up, for rows that are in memory: there is no file.

    Args:
        arguments: The dotted key and the value that each argument stands for, by the argument's name.
        who: Names what was called, in messages.

    Raises:
        UserError: With the argument of everything that is wrong.
    """
    layers = [_layer("argument", f"{who}: {name}", *given, Path.cwd()) for name, given in arguments.items()]
    return _resolved([*layers, _layer("argument", who, "name", who, Path.cwd())], Path(who), spec.IN_MEMORY)


def _resolved(layers: list[Layer], file: Path, context: str | None = None) -> Resolved:
    task = _lookup(layers, ("task",))
    preset = _lookup(layers, ("preset",))
    base = _shipped_layers(task, preset, layers)
    values, origins = _merge([*base, *layers])
    if values.get("name") is None:
        values["name"] = file.stem[:100]
        origins[("name",)] = Origin("file name", file.name)
    _table_values(values, origins)
    values = _in_order(values, spec.Recipe)
    checked = problems.checked_recipe(values, file, [*(layer for layer in base if layer.places), *layers], context)
    return Resolved(checked, {key: values[key] for key in spec.Recipe.model_fields}, origins, file)


def with_inferred(resolved: Resolved, inferred: Mapping[str, Any], by: str) -> Resolved:
    """The same recipe with values that were inferred.

    Args:
        resolved: The recipe.
        inferred: Values by dotted key, `SECTION.KEY`; they fit its types.
        by: What they were inferred by.
    """
    values, origins, checked = copy.deepcopy(resolved.values), dict(resolved.origins), resolved.spec
    for dotted, value in inferred.items():
        section, key = dotted.split(".")
        values[section][key], origins[section, key] = value, Origin("inferred", by)
        checked = checked.model_copy(update={section: getattr(checked, section).model_copy(update={key: value})})
    return replace(resolved, spec=checked, values=values, origins=origins)


def _in_order(values: dict[str, Any], part: Any) -> dict[str, Any]:
    """The values in the order in which the recipe's types name them; unknown keys last."""
    sections = {"data": spec.Data, "model": spec.Model, "train": spec.Train}
    known = [key for key in part.model_fields if key in values]
    ordered = {key: values[key] for key in [*known, *(key for key in values if key not in known)]}
    if part is spec.Recipe:
        for key, section in sections.items():
            if isinstance(ordered.get(key), dict):
                ordered[key] = _in_order(ordered[key], section)
    return ordered


def explain(resolved: Resolved) -> str:
    """The resolved recipe as YAML, with the origin of every value as a comment beside it."""
    lines: list[tuple[str, str]] = []
    for path, value, origin in _explained(resolved):
        text = f"{'  ' * (len(path) - 1)}{inline(path[-1])}:"
        lines.append((text if value is _BELOW else f"{text} {inline(value)}", origin))
    task = resolved.spec.task
    for key, entry in catalog.config(f"tables/{task}")["entries"].items():
        if key in ("input_neurons", "output_neurons", "output_activation"):
            lines.append((f"# {key.replace('_', ' ')}: {entry['says']}", f"table ({task})"))
    width = min(48, max(len(text) for text, _ in lines))
    return "".join(f"{text:<{width}}  # {origin}\n" if origin else f"{text}\n" for text, origin in lines)


def _explained(resolved: Resolved) -> Iterator[tuple[KeyPath, Any, str]]:
    """Every key in order: its path, its value, and where that comes from; a section's value is `_BELOW`."""

    def walk(node: Mapping[Any, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Any, str]]:
        for key, value in node.items():
            here = (*path, key)
            if isinstance(value, Mapping) and value and here not in resolved.origins:
                yield here, _BELOW, ""
                yield from walk(value, here)
            else:
                yield here, value, str(resolved.origins.get(here, ""))

    return walk(resolved.values, ())


def parse_override(text: str) -> tuple[str, Any]:
    """`KEY=VALUE` with the value as YAML: `model.hidden=[32,32]` → `("model.hidden", [32, 32])`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError("an override is KEY=VALUE", place="-o", found=text, remedy="Example: -o train.epochs=5")
    node, _ = parse(value, f"-o {key.strip()}")
    return key.strip(), node


def _chain(file: Path, layer: Layer, below: tuple[Path, ...] = ()) -> list[Layer]:
    """The recipe and those it extends, the furthest first."""
    if file in below:
        raise UserError("recipes extend each other in a circle", place=str(below[-1]), found=file.name)
    parent = layer.values.get("extends")
    values = {key: value for key, value in layer.values.items() if key != "extends"}
    own = Layer(layer.kind, layer.name, rooted(values, file.parent), layer.places)
    if parent is None:
        return [own]
    if not isinstance(parent, str) or not parent:
        raise UserError("extends names another recipe file", place=layer.place(("extends",)), found=parent)
    target = Path(under(file.parent, parent))
    if not is_file(target):
        raise UserError("the recipe to extend is not there", place=layer.place(("extends",)), found=parent)
    return [*_chain(target, read_layer(target, "recipe"), (*below, file)), own]


def _overrides(overrides: Mapping[str, Any], folder: Path) -> list[Layer]:
    layers = []
    # Names first: naming an optimizer drops the settings below it, and must not drop those given with it.
    for dotted in sorted(overrides, key=lambda key: not str(key).endswith(".name")):
        keys = tuple(str(dotted).split("."))
        place = f"-o {shorten(str(dotted))}"
        if keys[0] == "extends":
            raise UserError("extends stands in a recipe file, not in an override", place=place)
        layers.append(_layer("override", place, str(dotted), overrides[dotted], folder))
    return layers


def _layer(kind: str, place: str, dotted: str, value: Any, folder: Path) -> Layer:
    """One value given in Python."""
    keys = tuple(dotted.split("."))
    nested = from_python(value, place)
    for key in reversed(keys):
        nested = {key: nested}
    return Layer(kind, place, rooted(nested, folder), {}, keys)


def _lookup(layers: Iterable[Layer], path: KeyPath) -> Any:
    """The last value that the layers give for a path of one key."""
    found = None
    for layer in layers:
        if path[0] in layer.values:
            found = layer.values[str(path[0])]
    return found


def _shipped_layers(task: Any, preset: Any, layers: list[Layer]) -> list[Layer]:
    nothing_said = {"preset": "slides", "data": {"path": None, "dataset": None}, "metrics": "auto"}
    base = [
        Layer("preset", "slides", nothing_said, {}),
        Layer("preset", "slides", catalog.config("presets/slides")["values"], {}),
    ]
    table_of = task if task in spec.TASKS else "regression"  # the wrong task is reported by the check that follows
    table: dict[str, Any] = {}
    for key, entry in catalog.config(f"tables/{table_of}")["entries"].items():
        if "." in key:
            section, name = key.split(".")
            table.setdefault(section, {})[name] = entry["default"]
    base.append(Layer("table", str(table_of), table, {}))
    if isinstance(preset, str) and preset != "slides":
        if preset in catalog.names("presets"):
            base.append(Layer("preset", preset, catalog.preset(preset, str(table_of)), {}))
        elif preset.endswith((".yaml", ".yml")):
            base.append(_preset_file(Path(preset), layers))
    return base


def _preset_file(file: Path, layers: list[Layer]) -> Layer:
    if not is_file(file):
        giver = next(layer for layer in reversed(layers) if "preset" in layer.values)
        raise UserError("the preset file is not there", place=giver.place(("preset",)), found=str(file))
    layer = read_layer(file, "preset")
    values, places = layer.values, layer.places
    if "values" in values:  # as in the presets that ship, which say their source beside
        values = values["values"]
        places = {path[1:]: place for path, place in places.items() if path[:1] == ("values",)}
    if not isinstance(values, dict):
        raise UserError("a preset holds a mapping of values", place=layer.place(("values",)), found=typed(values))
    own = Layer("preset", layer.name, rooted(values, file.parent), places)
    for key in NOT_IN_PRESETS:
        if key in values:
            allowed = [name for name in spec.Recipe.model_fields if name not in NOT_IN_PRESETS]
            raise UserError("a preset is for many recipes", place=own.place((key,)), found=key, allowed=allowed)
    return own


def _merge(layers: list[Layer]) -> tuple[dict[str, Any], dict[KeyPath, Origin]]:
    values: dict[str, Any] = {}
    origins: dict[KeyPath, Origin] = {}

    def forget(value: Any, path: KeyPath) -> None:
        origins.pop(path, None)
        if isinstance(value, dict):
            for key, item in value.items():
                forget(item, (*path, key))

    def put(target: dict[str, Any], source: Mapping[Any, Any], path: KeyPath, layer: Layer) -> None:
        for key, given in source.items():
            here = (*path, key)
            value = {"name": given} if here in NAMED and isinstance(given, str) else given
            if value is None and here in {("data",), ("model",), ("train",)}:
                continue  # an empty section says nothing
            whole = here in WHOLE and len(layer.key) <= len(here)  # an override of one key inside keeps the others
            replaces = not isinstance(value, dict) or whole or (here in NAMED and "name" in value)
            if replaces or not isinstance(target.get(key), dict):
                forget(target.pop(key, None), here)
            if not isinstance(value, dict) or whole:
                target[key] = copy.deepcopy(value)  # the shipped values are shared by all recipes
                origins[here] = Origin(layer.kind, layer.place(here))
                continue
            origins.pop(here, None)
            put(target.setdefault(key, {}), value, here, layer)
            if not target[key]:
                origins[here] = Origin(layer.kind, layer.place(here))

    for layer in layers:
        put(values, layer.values, (), layer)
    return values, origins


def _table_values(values: dict[str, Any], origins: dict[KeyPath, Origin]) -> None:
    """`auto` asks the tables; an optimizer's usual settings fill those not given."""
    train = values.get("train")
    for section, key in (("model", "activation"), ("train", "schedule")):
        part = values.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), dict) and [*part[key]] == ["name"]:
            if isinstance(part[key]["name"], dict):
                continue  # no name; the check that follows says so
            part[key] = part[key]["name"]
            origins[section, key] = origins.pop((section, key, "name"))
    for dotted, usual in catalog.config("options")["options"].items():
        section, key = dotted.split(".")
        part = values.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), dict):
            for name, value in usual.items():
                if name not in part[key]:
                    part[key][name] = value
                    origins[section, key, name] = Origin("table", "options")
    if isinstance(tune := values.get("tune"), dict):
        for name, value in catalog.config("search")["usual"].items():
            if name not in tune:
                tune[name] = value
                origins["tune", name] = Origin("table", "search")
    if not isinstance(train, dict):
        return
    if train.get("loss") == "auto" and values.get("task") in spec.TASKS:
        train["loss"] = catalog.config(f"tables/{values['task']}")["entries"]["train.loss"]["default"]
        origins[("train", "loss")] = Origin("table", values["task"])
    optimizer = train.get("optimizer")
    if isinstance(optimizer, dict) and isinstance(optimizer.get("name"), str):
        for key, value in usual_settings(optimizer["name"]).items():
            if key not in optimizer:
                optimizer[key] = value
                origins[("train", "optimizer", key)] = Origin("table", "optimizers")


def usual_settings(name: str) -> dict[str, Any]:
    """The settings that an optimizer of this name has unless the user says otherwise."""
    table = catalog.config("optimizers")
    entry = table["optimizers"].get(name)
    settings: dict[str, Any] = entry["settings"] if entry else table["fallback_settings"]
    return dict(settings)
