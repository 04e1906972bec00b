"""Layers of YAML become one recipe, and every value knows where it came from.

The layers, the later over the earlier: preset `slides` · the task's table · the preset named · the recipes that this
one extends · the recipe · `-o` overrides.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from mlp_toolkit import catalog, spec
from mlp_toolkit.errors import UserError, nearest, shorten

Path_ = tuple[str | int, ...]
# Values that are replaced as a whole: half of one list of layers and half of another is nobody's wish.
WHOLE: frozenset[Path_] = frozenset(
    {
        ("data", "features"),
        ("model", "hidden"),
        ("model", "activation"),
        ("train", "optimizer"),
        ("train", "class_weight"),
    }
)
LARGEST_FILE = 1_000_000
MOST_VALUES = 50_000
DEEPEST = 30


@dataclass(frozen=True)
class Origin:
    """Where a value came from: `table`, `preset`, `recipe`, `override`, `file name` or `data`; and the place."""

    kind: str
    place: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.place})" if self.place else self.kind


@dataclass(frozen=True)
class Layer:
    """One source of values with the place of each of them."""

    kind: str
    name: str
    values: Mapping[str, Any]
    places: Mapping[Path_, tuple[int, int]]

    def place(self, path: Path_) -> str:
        """The place of the value at `path`, or of the nearest value around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                line, column = self.places[path[:end]]
                return f"{self.name}:{line}:{column}"
        return self.name


@dataclass(frozen=True)
class Resolved:
    """A recipe with all values filled in.

    Attributes:
        spec: The checked recipe.
        values: The same as plain Python values, as `recipe.yaml` holds them.
        origins: For every value, by its path, where it came from.
        path: The recipe's own file.
    """

    spec: spec.Recipe
    values: dict[str, Any]
    origins: dict[Path_, Origin]
    path: Path


def load(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Resolved:
    """Reads, layers and checks a recipe.

    Args:
        path: The YAML file, or the name of a recipe that ships with the package.
        overrides: Values by dotted key, for instance `{"train.epochs": 5}`.

    Raises:
        UserError: With file, line and column of everything that is wrong.
    """
    file = find(path)
    chain = _chain(file)
    given = _overrides(overrides or {}, file.parent)
    layers = [*chain, *given]
    task = _lookup(layers, ("task",))
    preset = _lookup(layers, ("preset",))
    base = _shipped_layers(task, preset, layers)
    values, origins = _merge([*base, *layers])
    values.setdefault("name", file.stem)
    origins.setdefault(("name",), Origin("file name", file.name))
    values.setdefault("data", {})
    for key in ("path", "dataset"):
        values["data"].setdefault(key, None)
    _table_values(values, origins)
    checked = _check(values, origins, file, layers)
    return Resolved(checked, values, origins, file)


def find(path: str | Path) -> Path:
    """The file of a recipe: a path, or the name of one that ships with the package."""
    file = Path(path)
    shipped = catalog.recipes()
    try:
        if file.is_file():
            return file.resolve()
        if file.exists():
            raise UserError("a recipe is a YAML file, this is a folder", place=str(path))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read: {error}", place=shorten(str(path))) from None
    name = str(path).removesuffix(".yaml")
    if name in shipped:
        return shipped[name]
    near = nearest(name, shipped)
    raise UserError(
        "no such recipe file",
        place=shorten(str(path)),
        remedy=(f"Did you mean the shipped recipe {near!r}? " if near else "")
        + "`mlp-toolkit recipes` lists those that ship with the package.",
    )


def dump(values: Mapping[str, Any]) -> str:
    """The values as YAML text."""
    stream = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    yaml.dump(dict(values), stream)
    return stream.getvalue()


def parse_override(text: str) -> tuple[str, Any]:
    """`KEY=VALUE` with the value as YAML: `model.hidden=[32,32]` → `("model.hidden", [32, 32])`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError("an override is KEY=VALUE", place="-o", found=text, remedy="Example: -o train.epochs=5")
    node, _ = _parse(value, f"-o {key.strip()}")
    return key.strip(), node


def _chain(file: Path, below: tuple[Path, ...] = ()) -> list[Layer]:
    """The recipe and those it extends, the furthest first."""
    if file in below:
        raise UserError("recipes extend each other in a circle", place=str(below[-1]), found=file.name)
    layer = _read(file, "recipe")
    parent = layer.values.get("extends")
    values = {key: value for key, value in layer.values.items() if key != "extends"}
    own = Layer(layer.kind, layer.name, _rooted(values, file.parent), layer.places)
    if parent is None:
        return [own]
    if not isinstance(parent, str) or not parent:
        raise UserError("extends names another recipe file", place=layer.place(("extends",)), found=parent)
    target = (file.parent / parent).resolve() if "\0" not in parent else file
    if "\0" in parent or not target.is_file():
        raise UserError("the recipe to extend is not there", place=layer.place(("extends",)), found=parent)
    return [*_chain(target, (*below, file)), own]


def _read(file: Path, kind: str) -> Layer:
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            raise UserError(f"the file has {size:,} bytes; a recipe has at most {LARGEST_FILE:,}", place=str(file))
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text: byte {error.start} cannot be read", place=str(file)) from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", place=str(file)) from None
    shown = _shown(file)
    node, places = _parse(text, shown)
    if node is None:
        node = {}
    if not isinstance(node, dict):
        raise UserError("a recipe is a mapping of keys to values", place=f"{shown}:1:1", found=node)
    return Layer(kind, shown, node, places)


def _shown(file: Path) -> str:
    try:
        return str(file.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(file)


def _parse(text: str, name: str) -> tuple[Any, dict[Path_, tuple[int, int]]]:
    """YAML text → plain values, and line and column (from 1) of each."""
    yaml = YAML(typ="rt")
    try:
        node = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise UserError(f"not valid YAML: {shorten(str(error.problem or error.context))}", place=place) from None
    except Exception as error:  # The YAML library lets ValueError, RecursionError and others through on odd input.
        raise UserError(f"not valid YAML: {shorten(str(error))}", place=name) from None
    places: dict[Path_, tuple[int, int]] = {}
    count = 0

    def plain(node: Any, path: Path_) -> Any:
        nonlocal count
        count += 1
        if count > MOST_VALUES or len(path) > DEEPEST:
            raise UserError(f"more than {MOST_VALUES:,} values or {DEEPEST} levels", place=name)
        if isinstance(node, CommentedMap):
            result: dict[Any, Any] = {}
            for key, value in node.items():
                plain_key = _scalar(key, name)
                line, column = node.lc.key(key) if key in (node.lc.data or {}) else (node.lc.line, node.lc.col)
                places[(*path, plain_key)] = (line + 1, column + 1)
                result[plain_key] = plain(value, (*path, plain_key))
            return result
        if isinstance(node, CommentedSeq):
            for index in range(len(node)):
                line, column = node.lc.item(index) if node.lc.data else (node.lc.line, node.lc.col)
                places[(*path, index)] = (line + 1, column + 1)
            return [plain(value, (*path, index)) for index, value in enumerate(node)]
        return _scalar(node, name)

    return plain(node, ()), places


def _scalar(node: Any, name: str) -> Any:
    """Keeps plain text, numbers, booleans and null; anything else becomes text that no check accepts as a number."""
    if node is None or isinstance(node, bool):
        return node
    if type(node).__name__ == "ScalarBoolean":
        return bool(node)
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    if isinstance(node, list | tuple | dict | set):
        raise UserError("a list or mapping cannot be a key, and tags are not used in recipes", place=name)
    return str(node)


def _overrides(overrides: Mapping[str, Any], folder: Path) -> list[Layer]:
    layers = []
    for dotted, value in overrides.items():
        keys = str(dotted).split(".")
        nested: Any = value
        for key in reversed(keys):
            nested = {key: nested}
        layers.append(Layer("override", f"-o {dotted}", _rooted(nested, folder), {}))
    return layers


def _rooted(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Makes the files a layer names relative to the layer's own folder."""
    result = dict(values)

    def root(name: Any) -> Any:
        return str((folder / name).resolve()) if isinstance(name, str) and name and "\0" not in name else name

    if isinstance(result.get("data"), dict):
        data = result["data"] = dict(result["data"])
        for key in ("path", "test_path"):
            if key in data:
                data[key] = root(data[key])
        if isinstance(data.get("split"), dict):
            data["split"] = {key: root(value) for key, value in data["split"].items()}
    if isinstance(result.get("preset"), str) and result["preset"].endswith((".yaml", ".yml")):
        result["preset"] = root(result["preset"])
    return result


def _lookup(layers: Iterable[Layer], path: Path_) -> Any:
    """The last value that the layers give for a path of one key."""
    found = None
    for layer in layers:
        if path[0] in layer.values:
            found = layer.values[str(path[0])]
    return found


def _shipped_layers(task: Any, preset: Any, layers: list[Layer]) -> list[Layer]:
    base = [Layer("preset", "slides", {"preset": "slides", **catalog.config("presets/slides")["values"]}, {})]
    table_of = task if task in spec.TASKS else "regression"  # the wrong task is reported by the check that follows
    table: dict[str, Any] = {}
    for key, entry in catalog.config(f"tables/{table_of}")["entries"].items():
        if "." in key:
            section, name = key.split(".")
            table.setdefault(section, {})[name] = entry["default"]
    table["metrics"] = "auto"
    base.append(Layer("table", str(table_of), table, {}))
    if isinstance(preset, str) and preset != "slides":
        if preset in catalog.names("presets"):
            base.append(Layer("preset", preset, catalog.config(f"presets/{preset}")["values"], {}))
        elif preset.endswith((".yaml", ".yml")):
            file = Path(preset)
            if not file.is_file():
                giver = next(layer for layer in reversed(layers) if "preset" in layer.values)
                raise UserError("the preset file is not there", place=giver.place(("preset",)), found=preset)
            layer = _read(file, "preset")
            nested = layer.values.get("values", layer.values)
            shift: Path_ = ("values",) if "values" in layer.values else ()
            places = {path[len(shift) :]: place for path, place in layer.places.items() if path[: len(shift)] == shift}
            if not isinstance(nested, dict):
                raise UserError("a preset holds a mapping of values", place=layer.name, found=nested)
            base.append(Layer("preset", layer.name, nested, places))
    return base


def _merge(layers: list[Layer]) -> tuple[dict[str, Any], dict[Path_, Origin]]:
    values: dict[str, Any] = {}
    origins: dict[Path_, Origin] = {}

    def put(target: dict[str, Any], source: Mapping[Any, Any], path: Path_, layer: Layer) -> None:
        for key, value in source.items():
            here = (*path, key)
            if value is None and here in {("data",), ("model",), ("train",)}:
                continue  # an empty section says nothing
            if isinstance(value, dict) and here not in WHOLE:
                if not isinstance(target.get(key), dict):
                    target[key] = {}
                    origins.pop(here, None)
                if not value:
                    origins[here] = Origin(layer.kind, layer.place(here))
                put(target[key], value, here, layer)
                continue
            if here == ("train", "optimizer") and isinstance(value, dict) and "name" not in value:
                value = {**target.get(key, {}), **value}  # settings alone keep the optimizer
            for old in [old for old in origins if old[: len(here)] == here]:
                del origins[old]
            target[key] = value
            origins[here] = Origin(layer.kind, layer.place(here))

    for layer in layers:
        put(values, layer.values, (), layer)
    return values, origins


def _table_values(values: dict[str, Any], origins: dict[Path_, Origin]) -> None:
    """`auto` asks the tables; an optimizer's usual settings fill those not given."""
    train = values.get("train")
    if not isinstance(train, dict):
        return
    if train.get("loss") == "auto" and values.get("task") in spec.TASKS:
        train["loss"] = catalog.config(f"tables/{values['task']}")["entries"]["train.loss"]["default"]
        origins[("train", "loss")] = Origin("table", values["task"])
    optimizer = train.get("optimizer")
    if isinstance(optimizer, str):
        optimizer = {"name": optimizer}
    if isinstance(optimizer, dict) and isinstance(optimizer.get("name"), str):
        source = origins.pop(("train", "optimizer"), Origin("recipe", ""))
        settings = usual_settings(optimizer["name"])
        train["optimizer"] = {"name": optimizer["name"], **settings, **optimizer}
        for key in train["optimizer"]:
            origins[("train", "optimizer", key)] = source if key in optimizer else Origin("table", "optimizers")


def usual_settings(name: str) -> dict[str, Any]:
    """The settings that an optimizer of this name has unless the user says otherwise."""
    table = catalog.config("optimizers")
    entry = table["optimizers"].get(name)
    settings: dict[str, Any] = entry["settings"] if entry else table["fallback_settings"]
    return dict(settings)


def _check(values: dict[str, Any], origins: dict[Path_, Origin], file: Path, layers: list[Layer]) -> spec.Recipe:
    problems: list[UserError] = []
    recipe: spec.Recipe | None = None
    try:
        recipe = spec.Recipe.model_validate(values)
        values["train"]["loss"] = spec.loss_name(recipe.task, recipe.train.loss)
        recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"loss": values["train"]["loss"]})})
    except ValidationError as error:
        problems = [_problem(dict(item), values, origins, file, layers) for item in error.errors(include_url=False)]
    except spec.PydanticCustomError as error:
        item = {"loc": ("train", "loss"), "type": error.type, "ctx": error.context, "input": values["train"]["loss"]}
        problems = [_problem(item, values, origins, file, layers)]
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise UserError("\n".join(problem.message() for problem in problems[:8]))
    assert recipe is not None
    return recipe


def _problem(
    item: dict[str, Any], values: dict[str, Any], origins: dict[Path_, Origin], file: Path, layers: list[Layer]
) -> UserError:
    """One of pydantic's findings in the words of the recipe."""
    path, model = _walk(item["loc"], values)
    place = _place(path, origins, file, layers)
    key = ".".join(str(part) for part in path) or "the recipe"
    context = item.get("ctx") or {}
    kind, found = item["type"], item["input"]
    if kind == "extra_forbidden":
        return UserError(f"unknown key {shorten(str(path[-1]))!r}", place=place, found=path[-1], allowed=model)
    if kind == "missing":
        return UserError(f"{key} is required", place=place, remedy=_example(path))
    if kind == "refused":
        scalar = found if not isinstance(found, dict | BaseModel) else None
        allowed = context.get("allowed")
        problem = f"{key}: {context['problem']}" if path else str(context["problem"])
        return UserError(problem, place=place, found=scalar, allowed=allowed, remedy=context.get("remedy"))
    if kind == "literal_error":
        allowed = [name.strip("'") for name in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return UserError(f"{key} is not one of the allowed values", place=place, found=found, allowed=allowed)
    if kind == "string_pattern_mismatch" and path[-1:] == ("device",):
        return UserError(f"{key}: unknown device", place=place, found=found, allowed=["auto", "cpu", "gpu", "gpu:N"])
    if kind == "shape":
        return UserError(f"{key} has the wrong type", place=place, found=found, allowed=str(item["msg"]))
    return UserError(f"{key} has a wrong value", place=place, found=_typed(found), allowed=_expected(item))


def _expected(item: dict[str, Any]) -> str:
    """What pydantic expected, as a phrase: "Input should be greater than 0" → "greater than 0"."""
    text = str(item["msg"])
    for start in ("Input should be ", "Input should have ", "Value should have ", "String should have "):
        text = text.removeprefix(start)
    return text.replace("a valid dictionary", "a mapping").replace("a valid ", "a ").replace("integer", "whole number")


def _typed(value: Any) -> str:
    names = {bool: "true/false", int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return f"{shorten(value)} ({names.get(type(value), 'nothing' if value is None else type(value).__name__)})"


def _walk(loc: tuple[str | int, ...], values: Any) -> tuple[Path_, list[str]]:
    """Pydantic's location → the recipe's path, without the tags of unions; and the keys allowed where it ends."""
    path: list[str | int] = []
    model: type[BaseModel] | None = spec.Recipe
    keys = list(spec.Recipe.model_fields)
    here = values
    parts = {"data": spec.Data, "model": spec.Model, "train": spec.Train}
    inner: dict[Path_, type[BaseModel]] = {
        ("data", "split"): spec.Split,
        ("model", "hidden"): spec.Layers,
        ("model", "activation"): spec.Activation,
        ("train", "optimizer"): spec.Optimizer,
        ("train", "early_stopping"): spec.EarlyStopping,
    }
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        tags = ("text", "number", "list", "mapping", "[key]")
        if isinstance(part, str) and part in tags and not (isinstance(here, dict) and part in here):
            continue
        known = (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        )
        if not known and not last:
            continue
        if model is not None:
            keys = [*model.model_fields, *(["extends"] if model is spec.Recipe else [])]
        path.append(part)
        here = here[part] if known else None
        model = parts.get(str(part)) if len(path) == 1 else inner.get(tuple(path))
    return tuple(path), keys


def _place(path: Path_, origins: dict[Path_, Origin], file: Path, layers: list[Layer]) -> str:
    """The place of the value a problem is about: where the last layer that speaks of it does so."""
    for end in range(len(path), 0, -1):
        for layer in reversed(layers):
            here: Any = layer.values
            for part in path[:end]:
                here = here.get(part, _ABSENT) if isinstance(here, dict) else _index(here, part)
                if here is _ABSENT:
                    break
            if here is not _ABSENT:
                return layer.place(path[:end])
        if path[:end] in origins and origins[path[:end]].kind == "preset":
            return origins[path[:end]].place
    return f"{_shown(file)}:1:1"


_ABSENT = object()


def _index(node: Any, part: Any) -> Any:
    return node[part] if isinstance(node, list) and isinstance(part, int) and part < len(node) else _ABSENT


def _example(path: Path_) -> str | None:
    examples = {
        ("task",): "For instance `task: binary`; the tasks are " + ", ".join(spec.TASKS) + ".",
        ("data", "target"): "Under `data:`, for instance `target: price`, the column to predict.",
    }
    return examples.get(path)  # type: ignore[call-overload,no-any-return]  # a tuple of str and int as a key
