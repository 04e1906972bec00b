"""Layers of YAML become one recipe, and every value knows where it came from.

The layers, the later over the earlier: preset `slides` · the task's table · the preset named · the recipes that this
one extends · the recipe · `-o` overrides.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from mlp_toolkit import catalog, spec
from mlp_toolkit.errors import UserError, nearest, shorten

Path_ = tuple[str | int, ...]
# Mappings that are replaced as a whole: half of one list of columns and half of another is nobody's wish.
WHOLE: frozenset[Path_] = frozenset({("data", "features"), ("train", "class_weight")})
# A name stands for a mapping here. Naming one drops the settings below it, which belong to the other; settings alone
# keep the name.
NAMED: frozenset[Path_] = frozenset({("model", "activation"), ("train", "optimizer")})
# What belongs to one run, not to a preset that many share.
NOT_IN_PRESETS = ("task", "name", "preset", "extends")
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
    """One source of values with the place of each of them; `key` is the one path that an override sets."""

    kind: str
    name: str
    values: Mapping[str, Any]
    places: Mapping[Path_, tuple[int, int]]
    key: Path_ = ()

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
    if values.get("name") is None:
        values["name"] = file.stem[:100]
        origins[("name",)] = Origin("file name", file.name)
    _table_values(values, origins)
    checked = _check(values, file, [*(layer for layer in base if layer.places), *layers])
    return Resolved(checked, {key: values[key] for key in spec.Recipe.model_fields}, origins, file)


def find(path: str | Path) -> Path:
    """The file of a recipe: a path, or the name of one that ships with the package."""
    file = Path(path)
    shipped = catalog.recipes()
    try:
        if file.is_file():
            return file.resolve()
        if file.exists():
            raise UserError("a recipe is a YAML file, and this is none", place=shorten(str(path)))
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
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 120
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # annotated as None there
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump(dict(values), stream)
    return stream.getvalue()


def explain(resolved: Resolved) -> str:
    """The resolved recipe as YAML, with the origin of every value as a comment beside it."""
    lines: list[tuple[str, str]] = []

    def walk(node: Mapping[Any, Any], path: Path_) -> None:
        for key, value in node.items():
            here = (*path, key)
            indent = "  " * len(path)
            if isinstance(value, Mapping) and value and here not in resolved.origins:
                lines.append((f"{indent}{_inline(key)}:", ""))
                walk(value, here)
            else:
                lines.append((f"{indent}{_inline(key)}: {_inline(value)}", str(resolved.origins.get(here, ""))))

    walk(resolved.values, ())
    task = resolved.spec.task
    for key, entry in catalog.config(f"tables/{task}")["entries"].items():
        if key in ("input_neurons", "output_neurons", "output_activation"):
            lines.append((f"# {key.replace('_', ' ')}: {entry['says']}", f"table ({task})"))
    width = min(48, max(len(text) for text, _ in lines))
    return "".join(f"{text:<{width}}  # {origin}\n" if origin else f"{text}\n" for text, origin in lines)


def _inline(value: Any) -> str:
    """A value as YAML on one line."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    yaml.width = 1_000_000
    yaml.dump(value, stream)
    return stream.getvalue().removesuffix("...\n").strip()


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
    target = Path(_under(file.parent, parent))
    if not _is_file(target):
        raise UserError("the recipe to extend is not there", place=layer.place(("extends",)), found=parent)
    return [*_chain(target, (*below, file)), own]


def _read(file: Path, kind: str) -> Layer:
    shown = _shown(file)
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            raise UserError(f"the file has {size:,} bytes; a recipe has at most {LARGEST_FILE:,}", place=shown)
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8-sig", "replace")
        raise UserError("not UTF-8 text", place=f"{shown}:{_line_column(before)}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read: {getattr(error, 'strerror', error)}", place=shown) from None
    node, places = _parse(text, shown)
    if node is None:
        node = {}
    if not isinstance(node, dict):
        raise UserError("a recipe is a mapping of keys to values", place=f"{shown}:1:1", found=_typed(node))
    return Layer(kind, shown, node, places)


def _line_column(before: str) -> str:
    """Line and column, from 1, of the character after this text."""
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def _shown(file: Path) -> str:
    try:
        return str(file.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(file)


def _parse(text: str, name: str) -> tuple[Any, dict[Path_, tuple[int, int]]]:
    """YAML text → plain values, and line and column (from 1) of each."""
    yaml = YAML(typ="rt")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about style, for instance an anchor that is used again
            node = yaml.load(text)
    except ReaderError as error:
        place = f"{name}:{_line_column(text[: error.position])}"
        raise UserError(f"not valid YAML: {shorten(str(error.reason))}", place=place) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise UserError(f"not valid YAML: {shorten(str(error.problem or error.context))}", place=place) from None
    except RecursionError:
        raise UserError(f"more than {DEEPEST} levels", place=name) from None
    except Exception as error:  # The YAML library lets ValueError and others through on odd input.
        raise UserError(f"not valid YAML: {shorten(str(error))}", place=name) from None
    places: dict[Path_, tuple[int, int]] = {(): (1, 1)}
    values = characters = 0

    def shown(path: Path_) -> str:
        line, column = places[path]
        return f"{name}:{line}:{column}"

    def note(path: Path_, around: Path_, position: tuple[int, int] | None) -> None:
        places[path] = (position[0] + 1, position[1] + 1) if position else places[around]

    def plain(node: Any, path: Path_) -> Any:
        nonlocal values, characters
        values += 1
        characters += len(node) if isinstance(node, str) else 0
        # Counted with every alias written out: a few lines of aliases of aliases stand for billions of values.
        if values > MOST_VALUES or characters > LARGEST_FILE or len(path) > DEEPEST:
            limits = f"{MOST_VALUES:,} values, {LARGEST_FILE:,} characters or {DEEPEST} levels"
            raise UserError(f"more than {limits}", place=shown(path))
        if isinstance(node, CommentedMap):
            result: dict[Any, Any] = {}
            positions = node.lc.data or {}
            for key, value in node.items():
                plain_key = plain(key, path) if isinstance(key, str) else _scalar(key, shown(path))
                here = (*path, plain_key)
                note(here, path, tuple(positions[key][:2]) if key in positions else None)
                result[plain_key] = plain(value, here)
            return result
        if isinstance(node, CommentedSeq):
            positions = node.lc.data or {}
            for index in range(len(node)):
                note((*path, index), path, tuple(positions[index][:2]) if index in positions else None)
            return [plain(value, (*path, index)) for index, value in enumerate(node)]
        return _scalar(node, shown(path))

    return plain(node, ()), places


def _scalar(node: Any, place: str) -> Any:
    """Keeps plain text, numbers, booleans and null; anything else becomes text that no check accepts as a number."""
    if node is None or isinstance(node, bool):
        return node
    if type(node).__name__ == "ScalarBoolean":
        return bool(node)
    if isinstance(node, int) and abs(node) >= 2**63:
        raise UserError("a whole number beyond 64 bits", place=place)
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    if isinstance(node, Collection):
        raise UserError("a list or mapping cannot be a key, and tags are not used in recipes", place=place)
    return str(node)


def _overrides(overrides: Mapping[str, Any], folder: Path) -> list[Layer]:
    layers = []
    # Names first: naming an optimizer drops the settings below it, and must not drop those given with it.
    for dotted in sorted(overrides, key=lambda key: not str(key).endswith(".name")):
        keys = tuple(str(dotted).split("."))
        place = f"-o {shorten(str(dotted))}"
        if keys[0] == "extends":
            raise UserError("extends stands in a recipe file, not in an override", place=place)
        nested = _from_python(overrides[dotted], place)
        for key in reversed(keys):
            nested = {key: nested}
        layers.append(Layer("override", place, _rooted(nested, folder), {}, keys))
    return layers


def _from_python(value: Any, place: str, depth: int = 0) -> Any:
    """An override given in Python as a recipe would hold it: paths as text, tuples as lists."""
    if depth > DEEPEST:
        raise UserError(f"more than {DEEPEST} levels", place=place)
    if isinstance(value, dict):
        return {
            _from_python(key, place, depth + 1): _from_python(item, place, depth + 1) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_from_python(item, place, depth + 1) for item in value]
    return str(value) if isinstance(value, Path) else value


def _under(folder: Path, name: str) -> str:
    """The path of a file that a recipe in `folder` names; a name that no file can have stays as it is."""
    try:
        return str((folder / name).resolve())
    except (OSError, ValueError, RuntimeError):
        return name


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # for instance, a name longer than the system's longest
        return False


def _rooted(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Makes the files a layer names relative to the layer's own folder."""
    result = dict(values)

    def root(name: Any) -> Any:
        return _under(folder, name) if isinstance(name, str) and name else name

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
            base.append(Layer("preset", preset, catalog.config(f"presets/{preset}")["values"], {}))
        elif preset.endswith((".yaml", ".yml")):
            base.append(_preset_file(Path(preset), layers))
    return base


def _preset_file(file: Path, layers: list[Layer]) -> Layer:
    if not _is_file(file):
        giver = next(layer for layer in reversed(layers) if "preset" in layer.values)
        raise UserError("the preset file is not there", place=giver.place(("preset",)), found=str(file))
    layer = _read(file, "preset")
    values, places = layer.values, layer.places
    if "values" in values:  # as in the presets that ship, which say their source beside
        values = values["values"]
        places = {path[1:]: place for path, place in places.items() if path[:1] == ("values",)}
    if not isinstance(values, dict):
        raise UserError("a preset holds a mapping of values", place=layer.place(("values",)), found=_typed(values))
    own = Layer("preset", layer.name, _rooted(values, file.parent), places)
    for key in NOT_IN_PRESETS:
        if key in values:
            allowed = [name for name in spec.Recipe.model_fields if name not in NOT_IN_PRESETS]
            raise UserError("a preset is for many recipes", place=own.place((key,)), found=key, allowed=allowed)
    return own


def _merge(layers: list[Layer]) -> tuple[dict[str, Any], dict[Path_, Origin]]:
    values: dict[str, Any] = {}
    origins: dict[Path_, Origin] = {}

    def forget(value: Any, path: Path_) -> None:
        origins.pop(path, None)
        if isinstance(value, dict):
            for key, item in value.items():
                forget(item, (*path, key))

    def put(target: dict[str, Any], source: Mapping[Any, Any], path: Path_, layer: Layer) -> None:
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


def _table_values(values: dict[str, Any], origins: dict[Path_, Origin]) -> None:
    """`auto` asks the tables; an optimizer's usual settings fill those not given."""
    model, train = values.get("model"), values.get("train")
    if isinstance(model, dict) and isinstance(model.get("activation"), dict) and [*model["activation"]] == ["name"]:
        model["activation"] = model["activation"]["name"]
        origins[("model", "activation")] = origins.pop(("model", "activation", "name"))
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


def _check(values: dict[str, Any], file: Path, layers: list[Layer]) -> spec.Recipe:
    problems: list[UserError] = []
    recipe: spec.Recipe | None = None
    try:
        recipe = spec.Recipe.model_validate(values)
        values["train"]["loss"] = spec.loss_name(recipe.task, recipe.train.loss)
        recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"loss": values["train"]["loss"]})})
    except ValidationError as error:
        problems = [_problem(dict(item), values, file, layers) for item in error.errors(include_url=False)]
    except PydanticCustomError as error:
        item = {"loc": ("train", "loss"), "type": error.type, "ctx": error.context, "input": values["train"]["loss"]}
        problems = [_problem(item, values, file, layers)]
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise UserError("\n".join(problem.message() for problem in problems[:8]))
    assert recipe is not None
    return recipe


def _problem(item: dict[str, Any], values: dict[str, Any], file: Path, layers: list[Layer]) -> UserError:
    """One of pydantic's findings in the words of the recipe."""
    context = item.get("ctx") or {}
    kind, found = item["type"], item["input"]
    path, keys = _walk((*item["loc"], *context.get("at", ())), values)
    if context.get("at"):
        found = _at(values, path)
    place = _place(path, file, layers)
    key = ".".join(shorten(str(part), 40) for part in path) or "the recipe"
    if kind == "extra_forbidden":
        return UserError(f"unknown key {key!r}", place=place, found=path[-1], allowed=keys)
    if kind == "missing":
        return UserError(f"{key} is required", place=place, remedy=_example(path))
    if kind == "refused":
        shown = None if isinstance(found, dict | BaseModel) else _null(found)
        problem = f"{key}: {context['problem']}" if path else str(context["problem"])
        return UserError(
            problem, place=place, found=shown, allowed=context.get("allowed"), remedy=context.get("remedy")
        )
    if kind == "literal_error":
        allowed = [name.strip("'") for name in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return UserError(f"{key} is not one of the allowed values", place=place, found=_null(found), allowed=allowed)
    if kind == "string_pattern_mismatch" and path[-1:] == ("device",):
        return UserError(f"{key}: unknown device", place=place, found=found, allowed=["auto", "cpu", "gpu", "gpu:N"])
    if kind == "shape":
        return UserError(f"{key} has the wrong type", place=place, found=_typed(found), allowed=str(item["msg"]))
    return UserError(f"{key} has a wrong value", place=place, found=_typed(found), allowed=_expected(item))


def _expected(item: dict[str, Any]) -> str:
    """What pydantic expected, as a phrase: "Input should be greater than 0" → "greater than 0"."""
    text = str(item["msg"])
    for start in ("Input should be ", "Input should have ", "Value should have ", "String should have "):
        text = text.removeprefix(start)
    return text.replace("a valid dictionary", "a mapping").replace("a valid ", "a ").replace("integer", "whole number")


def _null(value: Any) -> Any:
    """The value, null by its YAML name."""
    return "null" if value is None else value


def _typed(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    names = {int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return f"{shorten(value)} ({names.get(type(value), type(value).__name__)})"


def _walk(loc: tuple[str | int, ...], values: Any) -> tuple[Path_, list[str]]:
    """Pydantic's location → the recipe's path, without the tags of unions; and the keys allowed where it ends."""
    path: list[str | int] = []
    model: type[BaseModel] | None = spec.Recipe
    keys = list(spec.Recipe.model_fields)
    here = values
    inner: dict[Path_, type[BaseModel]] = {
        ("data",): spec.Data,
        ("model",): spec.Model,
        ("train",): spec.Train,
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
        model = inner.get(tuple(path))
    return tuple(path), keys


def _place(path: Path_, file: Path, layers: list[Layer]) -> str:
    """The place of the value a problem is about: where the last layer that speaks of it does so."""
    for end in range(len(path), 0, -1):
        for layer in reversed(layers):
            if _at(layer.values, path[:end]) is not _ABSENT:
                return layer.place(path[:end])
    return f"{_shown(file)}:1:1"


_ABSENT = object()


def _at(values: Any, path: Path_) -> Any:
    for part in path:
        if isinstance(values, Mapping):
            values = values.get(part, _ABSENT)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return _ABSENT
    return values


def _example(path: Path_) -> str | None:
    examples: dict[Path_, str] = {
        ("task",): "For instance `task: binary`; the tasks are " + ", ".join(spec.TASKS) + ".",
        ("data", "target"): "Under `data:`, for instance `target: price`, the column to predict.",
    }
    return examples.get(path)
