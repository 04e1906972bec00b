"""The learning-rate finder: a few steps at ever higher rates, and what the loss says to them (Smith 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data import dataset
from mlp_toolkit.data.streaming import stream as streaming
from mlp_toolkit.errors import UserError
from mlp_toolkit.evaluation.drawing import BLUE, GREY, ORANGE
from mlp_toolkit.files import atomic
from mlp_toolkit.model.backend import random_state_kept, tf
from mlp_toolkit.recipe import resolving
from mlp_toolkit.training import fit_recipe, rows_of_data
from mlp_toolkit.training.engine.rows import Rows
from mlp_toolkit.training.engine.steps import build, weighing_labels
from mlp_toolkit.training.engine.variables import assign, snapshot
from mlp_toolkit.training.rows_of_arrays import resident

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = 200
LEAST, GREATEST = 1e-6, 10.0
WINDOW = 11  # steps of the moving average: centred, since one of the past alone would show every rise too late
RISEN = 4.0  # the search ends where the loss is so many times the lowest
BELOW = 10.0  # the suggestion lies so many times below the rate of the lowest loss, where training is about to break


@dataclass(frozen=True)
class RateSearch:
    """What the finder saw.

    Attributes:
        rates: The learning rate of each step.
        losses: The loss of each step's batch, before the step.
        smooth: Their moving average.
        suggestion: A rate to train with: a tenth of the rate with the lowest average loss.
    """

    rates: np.ndarray
    losses: np.ndarray
    smooth: np.ndarray
    suggestion: float

    def plot(self) -> Figure:
        """The loss by the learning rate, with the suggestion."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.semilogx(self.rates, self.losses, ".", color=GREY, markersize=4, label="a batch")
        axes.semilogx(self.rates, self.smooth, color=BLUE, label="moving average")
        axes.axvline(self.suggestion, color=ORANGE, label=f"suggestion: {self.suggestion:.2g}")
        shown = self.smooth[np.isfinite(self.smooth)]
        room = 0.1 * (max(shown[0], shown.min() * 1.5) - shown.min())
        axes.set_ylim(shown.min() - room, max(shown[0], shown.min() * 1.5) + 3 * room)
        axes.set(xlabel="learning rate", ylabel="loss")
        axes.legend(frameon=False)
        return figure

    def save(self, path: str | Path) -> None:
        """Writes the picture as PNG."""
        with atomic(Path(path)) as temporary:
            self.plot().savefig(temporary, format="png", dpi=120)

    def _repr_png_(self) -> bytes:
        import io

        stream = io.BytesIO()
        self.plot().savefig(stream, format="png", dpi=120)
        return stream.getvalue()


def find_learning_rate(
    model: Any,
    X: Any,
    y: Any,
    *,
    batch_size: int = 32,
    class_weight: str | Mapping[Any, float] | None = None,
    sample_weight: Any = None,
    seed: int = 0,
) -> RateSearch:
    """Finds a learning rate for a compiled model: 200 steps, the rate rising from 1e-6 to 10. The model stays as it is.

    Args:
        model: As `fit` takes it, with a plain learning rate.
        X: As `fit` takes it.
        y: As `fit` takes it.
        batch_size: Rows of a step, as in the training to come.
        class_weight: As `fit` takes it.
        sample_weight: As `fit` takes it.
        seed: For the order of rows.

    Raises:
        UserError: The arguments do not fit, the optimizer has a schedule, or the loss never falls.
    """
    rows, _ = resident(model, X, y, class_weight=class_weight, sample_weight=sample_weight, seed=seed)
    return search(model, rows, batch_size)


@random_state_kept()
def find_for_recipe(
    recipe_file: str | Path, overrides: Mapping[str, Any] | None = None
) -> tuple[resolving.Resolved, RateSearch]:
    """Finds a learning rate for the network, optimizer and training rows of a recipe; its schedule does not count.

    Raises:
        UserError: As `run` and `find_learning_rate` say.
    """
    resolved = resolving.load_recipe(recipe_file, overrides)
    spec = resolved.spec
    if streaming.is_streamed(spec):
        raise UserError("the data is streamed, and the learning-rate finder reads it whole", remedy="Give it a part.")
    data = dataset.load_dataset(spec, str(recipe_file))
    plain = {"schedule": None}
    spec = spec.model_copy(update={"train": spec.train.model_copy(update=plain)})
    spec = spec.model_copy(update={"model": spec.model.model_copy(update={"warm_start": None})})
    network = fit_recipe.network_of(spec, data)
    rows, _, _ = rows_of_data.rows_of(network, data, spec)
    return resolved, search(network, rows, spec.train.batch_size_of(data.counts["train"]))


def search(model: Any, rows: Rows, batch_size: int) -> RateSearch:
    """Does what `find_learning_rate` does, on rows that are ready."""
    optimizer = model.optimizer
    if isinstance(optimizer.get_config().get("learning_rate"), dict):
        raise UserError(
            "the optimizer has a schedule: its rate cannot be changed from outside",
            remedy="Compile the model with a plain learning rate first.",
        )
    model = weighing_labels(model, rows)
    build(model, rows.first)
    before = snapshot(model)
    step = tf.function(model.train_step)
    every = np.geomspace(LEAST, GREATEST, STEPS)
    losses: list[float] = []
    try:
        for rate, batch in zip(every, _batches(rows, batch_size), strict=False):
            model.reset_metrics()
            optimizer.learning_rate.assign(rate)
            losses.append(float(step(batch)["loss"]))
            if not np.isfinite(losses[-1]) or losses[-1] > 10 * RISEN * max(min(losses), 1e-12):
                break
    finally:
        assign(model, before)
        model.reset_metrics()
    return _judged(every[: len(losses)], np.array(losses))


def _batches(rows: Rows, size: int) -> Any:
    """Batches without end, epoch by epoch; whole ones where there are any."""
    epoch = 0
    while True:
        for block in rows.blocks(epoch):
            count = int(block[0].shape[0])
            for begin in range(0, max(count - size, 0) + 1, size):
                yield tuple(array[begin : begin + size] for array in block)
        epoch += 1


def _judged(rates: np.ndarray, losses: np.ndarray) -> RateSearch:
    finite = np.isfinite(losses)
    rates, losses = rates[finite], losses[finite]
    if len(losses) < WINDOW:
        raise UserError("the loss is not finite from the first steps on", remedy="Scale the features.")
    weights = np.ones(WINDOW)
    smooth = np.convolve(losses, weights, "same") / np.convolve(np.ones(len(losses)), weights, "same")
    lowest = int(np.argmin(smooth))
    risen = np.flatnonzero(smooth[lowest:] > RISEN * smooth[lowest]) if smooth[lowest] > 0 else np.array([], int)
    end = lowest + int(risen[0]) + 1 if len(risen) else len(smooth)
    if lowest < WINDOW or smooth[lowest] > 0.98 * smooth[:WINDOW].mean():
        raise UserError(
            "the loss falls at no rate: there is nothing to suggest",
            remedy="Are the targets those of the rows, and the features scaled?",
        )
    return RateSearch(rates[:end], losses[:end], smooth[:end], float(f"{rates[lowest] / BELOW:.2g}"))
