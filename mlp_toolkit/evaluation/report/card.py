"""The model card: what a model is, what it was learnt from, how good it is, and where it is not to be trusted."""

from __future__ import annotations

import hashlib
import html
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlp_toolkit.errors import listing, number
from mlp_toolkit.evaluation.report.layout import folded, list_of
from mlp_toolkit.evaluation.report.tested import Tested

USE_FILE = "intended_use.txt"  # in the run directory, by the user
TO_FILL_IN = (
    "To fill in: who is to use it, for which decisions, on which rows, and for what it is not meant. Write it to "
    f"{USE_FILE} in the run directory; mlp-toolkit report RUN puts it here."
)
MOST_LIMITS = 12
CHOICES = ("threshold of ", "calibrated on ")  # how the notes begin that warn of nothing


def model_card(
    directory: Path, record: Mapping[str, Any], tested: Tested, environment: Mapping[str, Any], limits: Sequence[str]
) -> str:
    """The card, folded, as HTML.

    Args:
        directory: The run directory.
        record: What `metrics.json` holds.
        tested: The test rows.
        environment: What `environment.json` holds.
        limits: What is known against the model, as text.
    """
    use = directory / USE_FILE
    parts = {
        "Model": [_model(directory, tested)],
        "Intended use": [use.read_text("utf-8", errors="replace") if use.is_file() else TO_FILL_IN],
        "Data": _data(tested, record, environment),
        "Scores": _scores(record),
        "Limits": limits or ["Nothing is known against it but what the scores say."],
        "Training": _training(directory, tested, record, environment),
    }
    lines = [
        f"<dt>{name}</dt><dd>{list_of(said) if len(said) > 1 else html.escape(said[0])}</dd>"
        for name, said in parts.items()
    ]
    return folded("Model card", f"<dl>{''.join(lines)}</dl>")


def limits_of(record: Mapping[str, Any], slices: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is known against a model: what the run warned of, rows that it predicts badly, columns that moved.

    Args:
        record: What `metrics.json` holds.
        slices: As `explain.slices` gives them.
    """
    said = [f"Worse where {own['slice']}: {number(own['times'])} times the loss of other rows." for own in slices[:5]]
    moved = record.get("moved")
    if moved is not None:
        said.append(
            f"Its test rows are not like its training rows: {listing((own['column'] for own in moved), 8)}."
            if moved
            else "No column of its test rows lies farther from the training rows than chance would have it."
        )
    said.append("Of rows that are unlike those it learnt from its scores say nothing: see mlp-toolkit drift RUN DATA.")
    notes = [note for note in record.get("notes", []) if not note.startswith(CHOICES)]
    return [*said, *notes][:MOST_LIMITS]


def _model(directory: Path, tested: Tested) -> str:
    values = tested.recipe.values["model"]
    members = values["ensemble"]
    said = f"{tested.target.task}; predicts {listing(tested.target.names, 8)}"
    said += f"; {members} networks, whose mean it is," if members > 1 else "; one network"
    said += f" of kind {values['network']}"
    file = directory / "model.h5"
    if file.is_file():
        with file.open("rb") as opened:
            said += f"; model.h5 has SHA-256 {hashlib.file_digest(opened, 'sha256').hexdigest()}"
    return said


def _data(tested: Tested, record: Mapping[str, Any], environment: Mapping[str, Any]) -> list[str]:
    data = tested.recipe.values["data"]
    kinds = Counter(str(kind).split("(")[0] for kind in data["features"].values() if kind != "ignore")
    rows = ", ".join(f"{count:,} {part}" for part, count in record["rows"].items())
    source = Path(data["path"]).name if data["path"] else f"{data['dataset']}, which ships inside a dependency"
    said = [
        f"{source}; SHA-256 {environment['data_sha256']}",
        f"rows: {rows}",
        f"columns: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}",
    ]
    if tested.target.classes:
        said.append(f"classes: {listing(tested.target.classes)}")
    return said


def _scores(record: Mapping[str, Any]) -> list[str]:
    said = []
    for name, score in record["test"].items():
        interval = record.get("test_interval", {}).get(name)
        doubt = f" (95 %: {number(interval[0])} to {number(interval[1])})" if interval else ""
        said.append(f"{name} {number(score)}{doubt}")
    return said


def _training(directory: Path, tested: Tested, record: Mapping[str, Any], environment: Mapping[str, Any]) -> list[str]:
    values, recipe = tested.recipe.values, directory / "recipe.yaml"
    seconds = record["seconds"].get("fit")
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    machine = environment.get("machine", {})
    return [
        f"recipe {values['name']}, preset {values['preset']}, seed {values['seed']}; recipe.yaml has SHA-256 "
        + hashlib.sha256(recipe.read_bytes()).hexdigest(),
        f"{record['epochs']} epochs" + (f" in {seconds:.1f} s" if seconds is not None else ""),
        versions,
        f"{machine.get('system', 'an unknown system')}, {machine.get('cpus', '?')} processors",
    ]
