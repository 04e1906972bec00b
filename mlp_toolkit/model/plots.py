"""Pictures in one line: how a network learnt, what it decides where, what its neurons do to a sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.errors import UserError
from mlp_toolkit.evaluation import drawing
from mlp_toolkit.model import prediction
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.mlp import activation_function
from mlp_toolkit.recipe import catalog

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 401  # of a curve
ROOM = 0.08  # around the rows, as a share of their extent
ACROSS = 4  # pictures in a line


def plot_history(history: Any, *, axes: Axes | None = None) -> Axes:
    """Draws the losses by epoch.

    Args:
        history: What `fit` returned, a run, a Keras history, or losses by name: a mapping or a data frame.
        axes: Where to draw; None makes a figure.

    Returns:
        The axes.

    Raises:
        UserError: It holds no loss.
    """
    if hasattr(history, "plot_history"):
        drawn: Axes = history.plot_history(axes=axes)
        return drawn
    losses = getattr(history, "history", history)
    if not hasattr(losses, "keys") or "loss" not in losses or np.shape(losses["loss"]) in ((), (0,)):
        raise UserError("there is no loss of any epoch in this", place="plot_history: history", found=history)
    axes = drawing.axes_or_new(axes)
    drawing.learning(axes, losses)
    return axes


def plot_decision_regions(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    threshold: float = 0.5,
    resolution: int = 200,
    axes: Axes | None = None,
) -> Axes:
    """Draws which class a model gives every point of a plane, and the rows with their own classes.

    Args:
        model: A Keras model with two inputs and one output (of one class against the other) or one for each class; or
            anything with scikit-learn's `predict`; or a run, or a run's model, of two columns, by its labels.
        X: (rows, 2) numbers: an array or a data frame, whose names are written at the axes.
        y: (rows,) labels, which colour the rows; for a Keras model class numbers from 0, or -1 and 1. None draws the
            regions alone.
        threshold: With one output, the value from which on a point belongs to the second class.
        resolution: Points of the grid along each side, 2 or more.
        axes: Where to draw; None makes a figure.

    Returns:
        The axes.

    Raises:
        UserError: The rows are not points of a plane, or y does not belong to them.
    """
    try:
        points = np.asarray(X, float)
    except (TypeError, ValueError):
        raise UserError("numbers alone are places in a plane", place="plot_decision_regions: X", found=X) from None
    names = [str(name) for name in X.columns] if hasattr(X, "columns") else ["$x_1$", "$x_2$"]
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise UserError(
            f"regions are drawn in a plane: X must be (rows, 2), and is {points.shape}",
            place="plot_decision_regions: X",
        )
    if not np.isfinite(points).all():
        raise UserError("a row with NaN or infinity has no place in a plane", place="plot_decision_regions: X")
    if isinstance(resolution, bool) or not isinstance(resolution, int | np.integer) or resolution < 2:
        raise UserError("a whole number of 2 or more", place="plot_decision_regions: resolution", found=resolution)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float | np.number):
        raise UserError("a number", place="plot_decision_regions: threshold", found=threshold)
    labels = None if y is None else np.asarray(y).reshape(np.shape(y)[0] if np.ndim(y) else 1, -1)
    if labels is not None and labels.shape != (len(points), 1):
        raise UserError(
            f"a label for each of the {len(points)} rows; y is {np.asarray(y).shape}", place="plot_decision_regions: y"
        )
    sides = [_side(column, resolution) for column in points.T]
    grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    rows = type(X)(grid, columns=X.columns) if hasattr(X, "columns") else grid
    found, classes = _classes(model, rows, labels, threshold)
    regions = np.searchsorted(classes, found).reshape(resolution, resolution)

    axes = drawing.axes_or_new(axes, (4.4, 4))
    colours = [drawing.CLASSES[place % len(drawing.CLASSES)] for place in range(len(classes))]
    edges = np.arange(len(classes) + 1) - 0.5
    axes.contourf(*sides, regions, levels=edges, colors=colours, alpha=0.22)
    for border in edges[1:-1]:
        axes.contour(*sides, regions, levels=[border], colors="#1d2330", linewidths=1)
    if labels is not None:
        size = 26 if len(points) > 20 else 70
        for place, label in enumerate(classes):
            here = points[labels[:, 0] == label]
            axes.scatter(
                here[:, 0],
                here[:, 1],
                s=size,
                color=colours[place],
                edgecolors="white",
                linewidths=0.6,
                label=str(label),
            )
    axes.set(xlabel=names[0], ylabel=names[1], xlim=sides[0][[0, -1]], ylim=sides[1][[0, -1]])
    return axes


def _side(column: np.ndarray, resolution: int) -> np.ndarray:
    low, high = column.min(), column.max()
    room = ROOM * (high - low) or 1.0
    return np.linspace(low - room, high + room, resolution)


def _classes(model: Any, rows: Any, labels: np.ndarray | None, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The class of each row, and all classes in their order."""
    known = np.array([]) if labels is None else np.unique(labels)
    place = "plot_decision_regions: model"
    if not hasattr(model, "predict"):
        raise UserError("neither a model nor a run", place=place, found=model)
    shape = getattr(model, "input_shape", None)
    if isinstance(shape, tuple) and shape[1:] != (2,):
        raise UserError(f"the network takes rows of the shape {shape[1:]}, and a plane has 2 columns", place=place)
    outputs = prediction.predict(model, rows) if isinstance(model, keras.Model) else model.predict(rows)
    if hasattr(outputs, "columns"):  # a run's table
        if "label" not in outputs:
            raise UserError("there are no regions where a row has no label of its own", place=place)
        outputs = outputs["label"].to_numpy()
    if not isinstance(model, keras.Model) or outputs.ndim == 1:
        found = np.asarray(outputs).reshape(len(rows), -1)[:, 0]
        return found, np.unique(np.concatenate([known.astype(found.dtype), found]))
    outputs = outputs.reshape(len(outputs), -1)
    count = max(outputs.shape[1], 2)
    shares = outputs.shape[1] > 1 and outputs.min() >= 0 and outputs.max() <= 1
    if shares and not np.allclose(outputs.sum(axis=1), 1, atol=1e-3):
        raise UserError("each output is a yes or no of its own: a point has no single class", place=place)
    numbers = np.arange(count)
    pair = count == 2 and set(known.tolist()) <= {-1, 1} and len(known) > 0 and -1 in known
    if not pair and not set(known.tolist()) <= set(numbers.tolist()):
        raise UserError(
            f"class numbers from 0 to {count - 1}" + (", or -1 and 1" if count == 2 else ""),
            place="plot_decision_regions: y",
            found=[label for label in known.tolist() if label not in numbers],
        )
    classes = np.array([-1, 1]) if pair else numbers
    chosen = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] >= threshold).astype(int)
    return classes[chosen], classes


def plot_activations(
    names: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None = None,
    *,
    derivatives: bool = True,
    span: tuple[float, float] = (-4.0, 4.0),
    axes: Any = None,
) -> np.ndarray:
    """Draws activation functions, and their derivatives as TensorFlow computes them.

    Args:
        names: Activations as recipes name them, `{"name": "leaky_relu", "slope": 0.2}` among them, or one; None draws
            those of the toolkit's table that act on each number by itself.
        derivatives: Whether to draw the derivative of each beside it.
        span: From where to where, in units of the neuron's weighted sum.
        axes: An array of as many axes to draw into; None makes a figure.

    Returns:
        The axes, an array.

    Raises:
        UserError: There is no such activation, or it does not act on single numbers, as softmax does not.
    """
    table = catalog.config("activations")["activations"]
    one = isinstance(names, str | Mapping)
    if not one and not isinstance(names, Sequence | None):
        raise UserError("names of activations", place="plot_activations: names", found=names)
    chosen: list[Any] = [name for name in table if name != "softmax"] if names is None else [names] if one else [*names]
    if not chosen:
        raise UserError("one name at least", place="plot_activations: names", found=names)
    functions = [_single(name) for name in chosen]
    places = (_panels(len(chosen)) if axes is None else np.asarray(axes)).ravel()[: len(chosen)]
    if len(places) < len(chosen):
        raise UserError(f"{len(chosen)} axes, one for each activation", place="plot_activations: axes", found=axes)
    z = np.linspace(*span, POINTS, dtype=np.float32)
    for place, name, function in zip(places, chosen, functions, strict=True):
        values, slopes = curve(function, z)
        place.spines[["top", "right"]].set_visible(False)
        place.axhline(0, color=drawing.GREY, lw=0.6)
        place.axvline(0, color=drawing.GREY, lw=0.6)
        place.plot(z, values, color=drawing.BLUE, lw=2, label="f(z)")
        if derivatives:
            place.plot(z, slopes, color=drawing.ORANGE, lw=1.4, ls="--", label="slope")
        place.set_title(_title(name), fontsize=11)
        place.set_ylim(min(-1.2, float(values.min()) - 0.2), min(max(1.5, float(values.max())), 4.0))
    places[0].legend(frameon=False, fontsize=9, loc="upper left")
    return places


def curve(function: Callable[[Any], Any], z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and derivatives of an activation at some sums, float32; the derivative of a step is 0."""
    sums = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(sums)
        values = function(sums)
    return values.numpy(), tape.gradient(values, sums, unconnected_gradients="zero").numpy()


def _single(name: str | Mapping[str, Any]) -> Callable[[Any], Any]:
    place = "plot_activations: names"
    if not isinstance(name, str | Mapping):
        raise UserError("the name of an activation, or a mapping with its name", place=place, found=name)
    try:
        function: Callable[[Any], Any] = activation_function(name)
    except UserError as error:
        raise UserError(error.problem, place=place, found=error.found, allowed=error.allowed) from None
    try:
        with_two, with_five = (function(tf.constant([[-1.0, other]])).numpy()[0, 0] for other in (2.0, 5.0))
    except Exception as error:
        raise UserError(f"this activation takes no single numbers ({error})", place=place, found=name) from None
    if with_two != with_five:
        raise UserError(
            "this activation looks at all neurons of a layer at once: there is no curve to draw",
            place=place,
            found=name,
        )
    return function


def _title(name: str | Mapping[str, Any]) -> str:
    if isinstance(name, str):
        return name
    return str(name["name"]) + "".join(f", {key} {value:g}" for key, value in name.items() if key != "name")


def _panels(count: int) -> np.ndarray:
    import matplotlib.pyplot as plt

    across = min(count, ACROSS)
    down = -(-count // across)
    figure, axes = plt.subplots(
        down, across, figsize=(2.5 * across, 2.1 * down), layout="constrained", sharex=True, squeeze=False
    )
    panels: np.ndarray = axes.ravel()
    for spare in panels[count:]:
        figure.delaxes(spare)
    for lowest in panels[count - across : count]:  # of its column, also where the last line is not full
        lowest.tick_params(labelbottom=True)
    return panels[:count]
