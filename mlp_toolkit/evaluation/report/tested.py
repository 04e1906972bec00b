"""What a run said of its test rows, read from its directory; no model is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe import resolving
from mlp_toolkit.recipe.resolving import Resolved

if TYPE_CHECKING:
    import pandas as pd


class Tested(NamedTuple):
    """The test rows of a run.

    Attributes:
        recipe: The run's recipe.
        target: What was predicted.
        frame: `predictions.parquet`.
        values: (rows, targets) what is true of them, as `metrics.score` takes it.
        outputs: (rows, outputs) what was predicted.
    """

    recipe: Resolved
    target: Target
    frame: pd.DataFrame
    values: np.ndarray
    outputs: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each column of `outputs`: of targets, labels or classes, or that of the positive class."""
        if self.target.task == "binary":
            return (str(self.target.classes[1]),)
        return tuple(map(str, self.target.classes or self.target.names))

    @property
    def of_each(self) -> np.ndarray:
        """(rows, outputs) of 0 and 1, which of the names is true of a row."""
        if self.target.task == "multiclass":
            return np.asarray(self.values.astype(int) == np.arange(len(self.target.classes))).astype(int)
        return self.values.astype(int)


def read_tested(directory: Path, record: Mapping[str, Any]) -> Tested:
    """Reads what a run left of its test rows.

    Args:
        directory: The run directory.
        record: What its `metrics.json` holds, or will hold.

    Raises:
        UserError: A file of the run is not there.
    """
    import pandas as pd

    try:
        recipe = resolving.load_recipe(directory / "recipe.yaml")
        frame = pd.read_parquet(directory / "predictions.parquet")
    except FileNotFoundError as error:
        raise UserError("the run lacks a file", place=str(error.filename)) from None
    target = target_of(recipe, record)
    several = len(target.names) > 1
    values = frame[[f"target_{name}" if several else "target" for name in target.names]].to_numpy()
    if target.classes:
        known = {str(label): place for place, label in enumerate(target.classes)}
        codes, labels = pd.factorize(values[:, 0])  # each label is looked up once
        values = np.array([known[str(label)] for label in labels])[codes][:, None]
    if target.task == "regression":
        said = [f"prediction_{name}" if several else "prediction" for name in target.names]
    elif target.task == "binary":
        said = ["probability"]
    else:
        said = [f"probability_{name}" for name in (target.classes or target.names)]
    return Tested(recipe, target, frame, values.astype(np.float64), frame[said].to_numpy(np.float64))


def target_of(recipe: Resolved, record: Mapping[str, Any]) -> Target:
    """What a run predicts, by its recipe, and the thresholds that its `metrics.json` holds."""
    data = recipe.values["data"]
    names = data["target"] if isinstance(data["target"], list) else [data["target"]]
    classes = tuple(data["classes"] or ()) if recipe.spec.task in ("binary", "multiclass") else ()
    thresholds = tuple(record.get("thresholds", {}).values())
    return Target(recipe.spec.task, tuple(names), classes, thresholds=thresholds)
