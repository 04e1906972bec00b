"""The images that are predicted worst, small, with what is true of them and what was said."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.errors import listing, number, shorten
from mlp_toolkit.evaluation.explain import row_losses
from mlp_toolkit.evaluation.report.pictures import embedded
from mlp_toolkit.evaluation.report.tested import Tested

FILE = "mistakes.json"  # in the run directory: the page is written again without the images' files
MOST, LARGEST = 12, 80  # images, and pixels along the longer side of each


def worst_rows(tested: Tested) -> np.ndarray:
    """Positions of at most 12 test rows, the worst first; of classes and labels only those that are wrong."""
    losses = row_losses(tested.values, tested.outputs, tested.target)
    order = np.argsort(-losses, kind="stable")
    if tested.target.task != "regression":
        wrong = (tested.target.decided(tested.outputs) != tested.values).any(axis=1)
        order = order[wrong[order]]
    return order[:MOST]


def told_of(tested: Tested, position: int, image: np.ndarray) -> dict[str, Any]:
    """What is kept of a row.

    Args:
        tested: The test rows.
        position: Of the row among them.
        image: (height, width, 1 or 3) levels from 0 to 1.
    """
    target, values, outputs = tested.target, tested.values[position], tested.outputs[position]
    if target.task == "regression":
        true, said = (listing(map(number, own)) for own in (values, outputs))
        chance = None
    elif target.task == "multilabel":
        decided = target.decided(outputs[None])[0]
        true, said = (
            listing(name for name, there in zip(target.names, own, strict=True) if there) or "none"
            for own in (values, decided)
        )
        chance = None
    else:
        place = int(target.decided(outputs[None])[0, 0])
        true, said = str(target.classes[int(values[0])]), str(target.classes[place])
        chance = float(outputs[place] if target.task == "multiclass" else outputs[0] if place else 1 - outputs[0])
    row = int(tested.frame["row"].iloc[position])
    return {"row": row, "true": true, "predicted": said, "probability": chance, "png": _png(image)}


def _png(image: np.ndarray) -> str:
    from PIL import Image

    levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    picture = Image.fromarray(levels[..., 0] if levels.shape[-1] == 1 else levels)
    picture.thumbnail((LARGEST, LARGEST))  # never larger than it was
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def mistakes_of(directory: Path) -> str:
    """The images of a run that are predicted worst, as HTML; empty where none are kept."""
    file = directory / FILE
    if not file.is_file():
        return ""
    figures = []
    for own in json.loads(file.read_text("utf-8"))[:MOST]:
        chance = "" if own["probability"] is None else f" ({own['probability']:.0%})"
        said = f"{shorten(own['true'], 60)}, predicted {shorten(own['predicted'], 60)}{chance}"
        picture = embedded(base64.b64decode(own["png"]), "png", f"row {own['row']}: {said}")
        figures.append(f"<figure>{picture}<figcaption>row {own['row']}: {html.escape(said)}</figcaption></figure>")
    if not figures:
        return "<p>No image of the test rows is predicted wrongly.</p>"
    return f'<p>The worst first: what is true, and what was said.</p><div class="mistakes">{"".join(figures)}</div>'
