"""What `fit` gives back: Keras's history, which shows and draws itself in a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from mlp_toolkit.evaluation import drawing
from mlp_toolkit.model.backend import keras

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class History(keras.callbacks.History):
    """A `keras.callbacks.History` that knows what trained.

    Attributes:
        engine: `xla` or `graph`, both compiled, or `steps`, a call for every batch.
        history: Logs by name, one value an epoch; as in Keras.
        epoch: The epochs' numbers, from 0; as in Keras.
    """

    def __init__(self) -> None:
        super().__init__()
        self.engine = ""

    def __repr__(self) -> str:
        return f"History({len(self.epoch)} epochs, engine {self.engine})"

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draws the losses by epoch, counted from 1; into `axes`, or a new figure."""
        axes = drawing.axes_or_new(axes)
        drawing.learning(axes, {"epoch": [epoch + 1 for epoch in self.epoch], **self.history})
        return axes

    def _repr_html_(self) -> str:
        """A line for each of the logs: first and last value, lowest and highest with their epochs."""
        lines = []
        for name, values in self.history.items():
            said = [f"{value:.4g}" for value in (*values[:1], *values[-1:])]
            if not np.isnan(values).all():
                low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
                said += [f"{values[place]:.4g} (epoch {self.epoch[place] + 1})" for place in (low, high)]
            cells = "".join(f"<td>{cell}</td>" for cell in (*said, *[""] * (4 - len(said))))
            lines.append(f"<tr><th>{html.escape(name)}</th>{cells}</tr>")
        head = "".join(f"<th>{word}</th>" for word in ("", "first", "last", "lowest", "highest"))
        return (
            f"<p>{len(self.epoch)} epochs, engine {html.escape(self.engine)}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
        )
