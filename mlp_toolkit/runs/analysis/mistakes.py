"""The test images that a run predicts worst, kept as `mistakes.json` for its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.data.columns import encoder
from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.evaluation.report import mistakes
from mlp_toolkit.evaluation.report.tested import read_tested
from mlp_toolkit.runs.directory import write_text


def write_mistakes(directory: Path, record: Mapping[str, Any], data: RecipeData) -> None:
    """Keeps the images that are predicted worst; does nothing where no column holds images.

    Args:
        directory: The run directory, in which the test rows' predictions lie.
        record: What its `metrics.json` will hold.
        data: The run's rows.
    """
    image = data.encoding.image
    if image is None:
        return
    tested = read_tested(directory, record)
    worst = mistakes.worst_rows(tested)
    found: dict[int, dict[str, Any]] = {}
    begin = 0
    for piece in data.pieces("test"):
        own = worst[(begin <= worst) & (worst < begin + len(piece.frame))]
        if len(own):
            encoded = encoder.encode(piece.frame.iloc[own - begin].reset_index(drop=True), data.encoding)
            levels = encoded[:, data.encoding.image_begin :].reshape(-1, image.height, image.width, image.channels)
            for position, shown in zip(own.tolist(), np.asarray(levels), strict=True):
                found[position] = mistakes.told_of(tested, position, shown)
        begin += len(piece.frame)
    write_text(directory / mistakes.FILE, json.dumps([found[position] for position in worst.tolist()]) + "\n")
