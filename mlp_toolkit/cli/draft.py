"""`init`: a data file → a commented recipe."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_toolkit.cli.column_notes import describe, is_code
from mlp_toolkit.cli.options import named_columns
from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.kinds import Kinds, infer_kinds
from mlp_toolkit.data.images import image_files
from mlp_toolkit.data.leaks.ties import Tie, groups_in, times_in
from mlp_toolkit.data.reading import tables
from mlp_toolkit.data.targets import complete
from mlp_toolkit.errors import UserError, listing, shorten
from mlp_toolkit.files import reading
from mlp_toolkit.recipe import catalog, resolving
from mlp_toolkit.recipe.known_names import KINDS
from mlp_toolkit.recipe.yaml_text import inline

if TYPE_CHECKING:
    import pandas as pd

# Whole numbers with at most so many different values are read as classes. So are more, if they run from 0 or 1 without
# a gap and none is far rarer than another, as numbered letters do and counts of things do not.
MOST_CLASSES, MOST_COUNTED_CLASSES, RAREST_CLASS = 10, 50, 0.1
MOST_TIES = 2  # columns that a split by groups, or by time, is proposed for
# What stands in a draft for those who want to change it; the values are the preset's.
USUAL = {
    "data": {"split": ""},
    "model": {"hidden": "", "dropout": "share of neurons left out in each step", "output": ""},
    "train": {
        "optimizer": "",
        "epochs": "at most",
        "batch_size": "rows a step",
        "early_stopping": "",
        "class_weight": "balanced where a class is rare",
    },
}
PROPOSED = {
    "tables": (
        "strong",
        "8 networks, each holding out a fold; slides is one network by the tables as taught, and quicker",
    ),
    "images": ("slides", "the tables as taught"),
}
IMAGES = "  # images: {size: [32, 32], color: rgb}   # auto: own size up to 64 x 64, else 32 x 32; rgb if coloured\n"
AUGMENTATION = """\
  # Training images changed at random help against too few of them; flip only what means the same in a mirror:
  # augmentation: {rotation: 10, width_shift: 0.1, height_shift: 0.1, zoom: 0.1, horizontal_flip: false}
"""


def draft(
    source: str, targets: Sequence[str], task: str | None, folder: Path, header: bool = True
) -> tuple[str, list[str]]:
    """A recipe for a data file.

    Args:
        source: A data file, a folder of images, or a data set that ships inside a dependency.
        targets: The columns to predict; one text with commas stands for several, unless a column is named so.
        task: The task; None infers it from the targets.
        folder: Where the recipe will lie: the path in it is relative to that.
        header: Whether the first line of a CSV file names its columns.

    Returns:
        The recipe's text, and what was inferred.

    Raises:
        UserError: The data cannot be read, or has no such column.
    """
    with reading(Path(source)):
        there = Path(source).exists()
    bundled = not there and source in catalog.config("datasets")["datasets"]
    table = tables.read_dataset(source) if bundled else tables.read_table(source, named=header)
    frame = table.frame
    if not targets:
        columns = [str(name) for name in frame.columns]
        raise UserError("which column is to be predicted?", allowed=columns, remedy="Name it: --target COLUMN.")
    names = named_columns(targets, frame, "the target")
    known = frame[complete(frame, names)].reset_index(drop=True)
    notes = list(table.notes)
    if task is None:
        task, why = _infer_task(known, names)
        notes.append(f"task: {task}, since {why}; say --task for another")
    kinds = infer_kinds(image_files.rooted(frame.drop(columns=names), table.folder, {}))
    notes += kinds.notes
    features, codes = _features(frame, kinds)
    notes += codes
    named = Path(source).resolve() if Path(source).is_dir() else Path(source)
    stem = source if bundled else named.name.split(".")[0]
    where = f"dataset: {source}" if bundled else f"path: {_key(os.path.relpath(source, folder))}"
    where += "" if header else "\n  header: false             # columns are called by their numbers, from 0"
    target = _key(names[0]) if len(names) == 1 else "[" + ", ".join(map(_key, names)) + "]"
    heading = _heading(kinds, [*notes], len(frame))
    ties = [(tie, "group") for tie in groups_in(frame, kinds, names)[:MOST_TIES]]
    ties += [(tie, "time") for tie in times_in(frame, kinds, names)[:MOST_TIES]]
    notes += [f"perhaps data.split.{key}: {tie.column}, {tie.reason}; the draft says how" for tie, key in ties]
    text = _text(task=task, name=stem, where=where, target=target, kinds=kinds, features=features, ties=ties)
    return heading + text, notes


def drafted(source: str, targets: Sequence[str], task: str | None) -> tuple[resolving.Resolved, list[str]]:
    """The recipe that `draft` writes, as it is, and what was inferred."""
    with tempfile.TemporaryDirectory() as folder:
        text, notes = draft(source, targets, task, Path(folder))
        file = Path(folder) / "recipe.yaml"
        file.write_text(text, "utf-8")
        return resolving.load_recipe(file, {"preset": "slides"}), notes


def _features(frame: pd.DataFrame, kinds: Kinds) -> tuple[list[str], list[str]]:
    """A line of the draft for each column, and notes on those that are proposed as codes."""
    lines, codes = [], []
    for name, inferred in kinds.by_column.items():
        code = inferred == "numeric" and is_code(frame[name], name)
        kind = "categorical" if code else inferred
        codes += [name] if code else []
        lines.append((f"    {_key(name)}: {_key(kind)}", describe(frame[name], name, kind, code=code)))
    width = min(48, max((len(line) for line, _ in lines), default=0))
    features = [f"{line:<{width}}  # {shorten(said, 110)}" if said else line for line, said in lines]
    listed = listing(map(repr, codes))
    return features, [f"{listed}: whole numbers that are codes by their names, so categorical"] if codes else []


def _infer_task(frame: pd.DataFrame, names: Sequence[str]) -> tuple[str, str]:
    kinds: list[set[float] | None] = []
    for name in names:
        try:
            kinds.append(set(parsing.to_numbers(frame[name], name).tolist()))
        except UserError:
            kinds.append(None)
    if len(names) > 1:
        if all(values is not None and values <= {0, 1} for values in kinds):
            return "multilabel", "the targets are 0 and 1"
        if any(values is None for values in kinds):
            raise UserError("several targets must all be numbers, or all labels of 0 and 1", found=", ".join(names))
        return "regression", "the targets are numbers"
    values = kinds[0]
    if values is None:
        count = len(set(parsing.to_text(frame[names[0]]).tolist()))
        return ("binary" if count <= 2 else "multiclass"), f"the target holds {count} labels"
    if len(values) <= 2:
        return "binary", "the target holds two values"
    whole = all(value.is_integer() for value in values)
    if whole and (len(values) <= MOST_CLASSES or _counted(frame[names[0]], values)):
        return "multiclass", f"the target holds {len(values)} whole numbers (if they are a quantity: --task regression)"
    return "regression", f"the target holds {len(values):,} different numbers"


def _counted(column: pd.Series[Any], values: set[float]) -> bool:
    """Whether whole numbers count classes: from 0 or 1 on without a gap, none far rarer than another."""
    if len(values) > MOST_COUNTED_CLASSES or min(values) not in (0, 1) or max(values) - min(values) != len(values) - 1:
        return False
    rows = column.value_counts()
    return bool(rows.min() >= max(5, RAREST_CLASS * rows.max()))


def _heading(kinds: Kinds, notes: Sequence[str], rows: int) -> str:
    ignored = kinds.of("ignore")
    counted = ", ".join(f"{len(found)} {k}" for k in KINDS if k != "ignore" and (found := kinds.of(k)))
    remarks = "".join(f"# {shorten(note, 110)}\n" for note in notes)
    return f"""\
# {rows:,} rows; {counted or "no"} features{f", {len(ignored)} ignored" if ignored else ""}.
{remarks}# Check it: mlp-toolkit validate FILE.   Every value: mlp-toolkit show FILE.   Go: mlp-toolkit run FILE
"""


def _text(
    *,
    task: str,
    name: str,
    where: str,
    target: str,
    kinds: Kinds,
    features: Sequence[str],
    ties: Sequence[tuple[Tie, str]],
) -> str:
    target_of_any = ["y", "z"] if task == "multilabel" else "y"
    preset, why = PROPOSED["images" if kinds.of("image") else "tables"]
    rows = {"path": "rows.csv", "target": target_of_any}
    resolved = resolving.load_recipe({"task": task, "preset": preset, "data": rows})
    usual = {section: _usual(task, section, resolved.values[section]) for section in USUAL}
    return f"""\
task: {task}
name: {_key(name)}
preset: {preset:<20}# {why}
seed: 0
data:
  {where}
  target: {target}
  features:                 # numeric | categorical | date(FORMAT) | image | ignore
{chr(10).join(features)}
{IMAGES if kinds.of("image") else ""}{usual["data"]}{_proposed(ties, resolved.values["data"]["split"])}
# Below stands what the preset decides. Take away a # to decide it yourself.
model:
{usual["model"]}train:
{usual["train"]}{AUGMENTATION if kinds.of("image") else ""}"""


def _usual(task: str, section: str, values: Mapping[str, Any]) -> str:
    """The preset's values of a section, each as a comment."""
    lines = []
    for key, says in USUAL[section].items():
        if key == "output" and task == "regression":
            lines.append("  # output: positive         # where targets cannot be negative; or bounded(LOW, HIGH)\n")
        elif key != "output" and not (key == "class_weight" and task == "regression"):
            line = f"  # {key}: {_flow(values[key])}"
            lines.append(f"{line:<28} # {says}\n" if says else f"{line}\n")
    return "".join(lines)


def _proposed(ties: Sequence[tuple[Tie, str]], split: Mapping[str, Any]) -> str:
    """Splits that rows may call for, each as a comment with its reason; none is taken unasked."""
    lines = []
    for tie, key in ties:
        name = _key(tie.column)
        if key == "group":
            lines.append(
                f"  # {name}: {tie.reason}.\n"
                f"  # Will new rows have others? Then keep those of one together, with {name}: ignore above:\n"
            )
        else:
            lines.append(f"  # {name}: {tie.reason}.\n  # Will new rows be later? Then test by the latest:\n")
        shares = {name: share for name, share in split.items() if share is not None}
        lines.append(f"  # split: {_flow({**shares, key: tie.column})}\n")
    return "".join(lines)


def _flow(value: Any) -> str:
    """A value as YAML on one line; a mapping's name comes first."""
    if not isinstance(value, dict):
        return inline(value)
    keys = sorted(value, key="name".__ne__)
    return "{" + ", ".join(f"{key}: {inline(value[key])}" for key in keys) + "}"


def _key(text: str) -> str:
    """A text as a plain or quoted YAML scalar on one line."""
    plain = text.replace("_", "").replace(" ", "")
    safe = plain.isascii() and plain.isalnum() and not plain[0].isdigit() and text == text.strip()
    if safe and text.lower() not in ("yes", "no", "on", "off", "true", "false", "null", "y", "n", "none"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
