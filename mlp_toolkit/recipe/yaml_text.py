"""YAML text → plain values with the place of each, and back; no meaning is given to them here."""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import SafeRepresenter

from mlp_toolkit.errors import UserError, shorten

KeyPath = tuple[str | int, ...]
LARGEST_FILE = 500_000
MOST_VALUES = 50_000
DEEPEST = 30


@dataclass(frozen=True)
class Origin:
    """Where a value came from: `table`, `preset`, `recipe`, `override`, `file name`, `data`, `inferred`; its place."""

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
    places: Mapping[KeyPath, tuple[int, int]]
    key: KeyPath = ()

    def place(self, path: KeyPath) -> str:
        """The place of the value at `path`, or of the nearest value around it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                line, column = self.places[path[:end]]
                return f"{self.name}:{line}:{column}"
        return self.name


class _TooMuchError(MarkedYAMLError):
    """More values or levels than a recipe has."""


class _CountingComposer(Composer):
    """Stops at too many values while they are read, not after: a megabyte of them takes half a minute."""

    counted = level = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.counted += 1
        self.level += 1
        if self.counted > MOST_VALUES or self.level > DEEPEST + 1:
            raise _TooMuchError(problem=_limits(), problem_mark=self.parser.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self.level -= 1
        return node


def _limits() -> str:
    return f"more than {MOST_VALUES:,} values, {LARGEST_FILE:,} characters or {DEEPEST} levels"


def read_layer(file: Path, kind: str) -> Layer:
    """Reads a YAML file that holds a mapping.

    Raises:
        UserError: It cannot be read, is too large, is not YAML, or holds something else.
    """
    name = shown(file)
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            raise UserError(f"the file has {size:,} bytes; a recipe has at most {LARGEST_FILE:,}", place=name)
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8-sig", "replace")
        raise UserError("not UTF-8 text", place=f"{name}:{_line_column(before)}") from None
    except UserError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read: {getattr(error, 'strerror', error)}", place=name) from None
    node, places = parse(text, name)
    if node is None:
        node = {}
    if not isinstance(node, dict):
        raise UserError("a recipe is a mapping of keys to values", place=f"{name}:1:1", found=typed(node))
    return Layer(kind, name, node, places)


def parse(text: str, name: str) -> tuple[Any, dict[KeyPath, tuple[int, int]]]:
    """YAML text → plain values, and line and column (from 1) of each."""
    yaml = YAML(typ="rt")
    yaml.Composer = _CountingComposer
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
        problem = shorten(str(error.problem or error.context))
        said = problem if isinstance(error, _TooMuchError) else f"not valid YAML: {problem}"
        raise UserError(said, place=place) from None
    except RecursionError:
        raise UserError(f"more than {DEEPEST} levels", place=name) from None
    except Exception as error:  # The YAML library lets ValueError and others through on odd input.
        raise UserError(f"not valid YAML: {shorten(str(error))}", place=name) from None
    places: dict[KeyPath, tuple[int, int]] = {(): (1, 1)}
    values = characters = 0

    def where(path: KeyPath) -> str:
        line, column = places[path]
        return f"{name}:{line}:{column}"

    def note(path: KeyPath, around: KeyPath, position: tuple[int, int] | None) -> None:
        places[path] = (position[0] + 1, position[1] + 1) if position else places[around]

    def plain(node: Any, path: KeyPath) -> Any:
        nonlocal values, characters
        values += 1
        characters += len(node) if isinstance(node, str) else 0
        # Counted with every alias written out: a few lines of aliases of aliases stand for billions of values.
        if values > MOST_VALUES or characters > LARGEST_FILE or len(path) > DEEPEST:
            raise UserError(_limits(), place=where(path))
        if isinstance(node, CommentedMap):
            result: dict[Any, Any] = {}
            positions = node.lc.data or {}
            for key, value in node.items():
                plain_key = plain(key, path) if isinstance(key, str) else _scalar(key, where(path))
                here = (*path, plain_key)
                note(here, path, tuple(positions[key][:2]) if key in positions else None)
                result[plain_key] = plain(value, here)
            return result
        if isinstance(node, CommentedSeq):
            positions = node.lc.data or {}
            for index in range(len(node)):
                note((*path, index), path, tuple(positions[index][:2]) if index in positions else None)
            return [plain(value, (*path, index)) for index, value in enumerate(node)]
        return _scalar(node, where(path))

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


def from_python(value: Any, place: str, depth: int = 0) -> Any:
    """An override given in Python as a recipe would hold it: paths as text, tuples as lists."""
    if depth > DEEPEST:
        raise UserError(f"more than {DEEPEST} levels", place=place)
    if isinstance(value, dict):
        return {from_python(key, place, depth + 1): from_python(item, place, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [from_python(item, place, depth + 1) for item in value]
    return str(value) if isinstance(value, Path) else value


def _line_column(before: str) -> str:
    """Line and column, from 1, of the character after this text."""
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def shown(file: Path) -> str:
    """A file's path as messages show it: from the current folder where it lies below that."""
    try:
        return str(file.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(file)


def typed(value: Any) -> str:
    """A value with its type in plain words, for messages."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    names = {int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return f"{shorten(value)} ({names.get(type(value), type(value).__name__)})"


class _Representer(SafeRepresenter):
    """Quotes the words that readers of YAML 1.1, most others, take for true and false."""

    def represent_str(self, data: str) -> Any:
        """A text as a node."""
        quoted = data.lower() in ("yes", "no", "on", "off", "y", "n")
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="'" if quoted else None)


_Representer.add_representer(str, _Representer.represent_str)


def dump(values: Mapping[str, Any]) -> str:
    """The values as YAML text."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 120
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # annotated as None there
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump(dict(values), stream)
    return stream.getvalue()


def inline(value: Any) -> str:
    """A value as YAML on one line."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    yaml.width = 1_000_000
    yaml.dump(value, stream)
    return stream.getvalue().removesuffix("...\n").strip()
