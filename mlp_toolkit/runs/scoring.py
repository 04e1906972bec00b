"""A trained model is scored on the three parts of its rows; what it says of the test rows is kept."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.data.reading import frames
from mlp_toolkit.data.splitting import PARTS
from mlp_toolkit.evaluation import calibration, conformal, drift, metrics
from mlp_toolkit.evaluation.baselines import baselines_of
from mlp_toolkit.evaluation.doubt import note_on_few_rows, score_intervals
from mlp_toolkit.model import prediction
from mlp_toolkit.recipe.spec import Recipe
from mlp_toolkit.runs.directory import predictions_file, write_out_of_fold
from mlp_toolkit.training.fit_recipe import Fitted


def knowing_its_rows(done: Fitted, data: RecipeData) -> Fitted:
    """The same with what is kept of the training rows' columns, so that its file can tell what has moved since."""
    columns: dict[str, Any] = {}
    pieces = [frames.columns_of(piece.frame) for piece in data.pieces("train")]
    numbers, words = [*data.kinds.of("numeric"), *data.kinds.of("date")], data.kinds.of("categorical")
    for name in [*numbers, *words]:
        columns[name] = np.concatenate([piece[name] for piece in pieces])
    seen = drift.seen_in(drift.with_days(columns, data.encoding), numbers, words)
    return replace(done, target=replace(done.target, seen=seen))


def scored(directory: Path, done: Fitted, spec: Recipe, data: RecipeData) -> tuple[dict[str, Any], list[str]]:
    """Scores of the three parts by the model file's own predictions, and notes; the test rows' predictions are kept.

    Of the test rows how far the scores may lie from those of many rows, those of each target, label or class, and what
    simple models reach. Where members hold out folds, the validation scores are those of what they say of their own
    folds.
    """
    names, target = metrics.metric_names(spec.task, spec.metrics), done.target
    held_out = done.out_of_fold
    scores: dict[str, Any] = {}
    notes: list[str] = []
    values = outputs = np.zeros(0)
    for part in PARTS:
        if part == "validation" and held_out is not None:
            (piece,) = data.pieces("train")
            write_out_of_fold(directory, piece, held_out, data, target)
            values, outputs = piece.values, held_out
        else:
            values, outputs = _predicted(directory, done, data, part)
        scores[part] = metrics.score(values, outputs, target, names)
        notes += metrics.notes_on_missing(scores[part], names, part)
    chosen_by = data.counts["validation"] if held_out is None else len(held_out)
    notes += metrics.note_on_one_class(outputs, target, "test")
    notes += note_on_few_rows(values, outputs, target, chosen_by)
    scores["test_interval"] = score_intervals(values, outputs, target, scores["test"], data.groups_of_rows("test"))
    scores |= metrics.scores_of_each(values, outputs, target)
    if target.thresholds:
        labels = [str(target.classes[1])] if target.classes else target.names
        scores["thresholds"] = dict(zip(labels, target.thresholds, strict=True))
    if target.widths:
        scores["intervals"] = conformal.coverage(values, outputs, target)
    if isinstance(done.correction, calibration.Fit):
        scores["calibration"] = {"slope": done.correction.slope, "offset": done.correction.offset}
    if done.correction is not None:
        plain = replace(done, correction=None)
        before = np.concatenate([plain.outputs(frames.columns_of(piece.frame)) for piece in data.pieces("test")])
        errors = [calibration.reliability(values, said, target.task).error for said in (before, outputs)]
        scores["calibration_error"] = dict(zip(("before", "after"), errors, strict=True))
    scores["baselines"] = {}
    if spec.baselines == "auto":
        remedy = "mlp-toolkit tune" if spec.preset == "strong" else "preset: strong, or mlp-toolkit tune"
        scores["baselines"], said = baselines_of(data, values, outputs, names, spec.seed, remedy=remedy)
        notes += said
    return scores, notes


def _predicted(directory: Path, done: Fitted, data: RecipeData, part: str) -> tuple[np.ndarray, np.ndarray]:
    """True values and predictions of a part."""
    known, predicted = [], []
    with contextlib.ExitStack() as stack:
        write = stack.enter_context(predictions_file(directory, done.target)) if part == "test" else None
        for piece in data.pieces(part):
            outputs = prediction.raw_outputs(done.model, piece.frame, data.encoding)
            known.append(piece.values)
            predicted.append(outputs)
            if write:
                write(piece, outputs)
    return np.concatenate(known), np.concatenate(predicted)
