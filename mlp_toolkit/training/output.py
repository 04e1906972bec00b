"""What a user hands to `fit` becomes checked rows in memory that fit the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlp_toolkit import arrays
from mlp_toolkit import weights as weighting
from mlp_toolkit.blocks import Resident
from mlp_toolkit.errors import UserError
from mlp_toolkit.model import loss_name
from mlp_toolkit.startup import keras


def resident(
    model: Any,
    X: Any,
    y: Any,
    *,
    class_weight: str | Mapping[Any, float] | None = None,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
    seed: int | None = None,
) -> tuple[Resident, np.ndarray | None]:
    """Checked rows in memory, and the weights of their classes, as `weights.class_weights` gives them.

    Args:
        model: The network they are for.
        X: As `fit` takes it.
        y: As `fit` takes it.
        class_weight: As `fit` takes it.
        sample_weight: As `fit` takes it.
        classes: Names that `class_weight` speaks of, in the order of the class numbers or of the labels' columns; the
            numbers by default.
        seed: For the order of rows; None leaves them as they stand.

    Raises:
        UserError: They do not fit the network or each other.
    """
    if seed is not None:
        check_seed(seed)
    x, targets, output = checked(model, X, y, "X", "y")
    arrays.check_aligned(X, sample_weight, "sample_weight")
    own = weighting.check_sample_weight(sample_weight, len(x))
    by_class = None
    if class_weight is not None:
        numbers, count = _class_values(output, targets)
        names = list(classes) if classes is not None else list(range(count))
        by_class = weighting.class_weights(weighting.count_classes(numbers, count), names, class_weight)
        own = weighting.row_weights(numbers, by_class, own)
    rows = [array for array in (x, targets, own) if array is not None]
    total = len(x)
    return Resident(rows, None if seed is None else lambda epoch: row_order(total, seed, epoch)), by_class


def check_seed(seed: Any) -> None:
    """Refuses a seed that is no whole number of 0 or more."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise UserError("a whole number of 0 or more", place="fit: seed", found=seed)


def row_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order of rows in an epoch (from 0): a function of its arguments alone."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


# What an output activation can give, from least to greatest.
RANGES: dict[str, tuple[float | None, float | None]] = {
    "relu": (0, None),
    "softplus": (0, None),
    "exponential": (0, None),
    "sigmoid": (0, 1),
    "softmax": (0, 1),
    "tanh": (-1, 1),
}


def _output(model: Any, x: np.ndarray) -> arrays.Output:
    """What the model gives. One that does not say is tried on the first row, which also builds it."""
    outputs = getattr(model, "outputs", None)
    if outputs is None:
        outputs = keras.tree.flatten(model(x[:1], training=False))
    if len(outputs) != 1:
        raise arrays.other_form("fit", f"{len(outputs)} outputs")
    activation, low, high = _last_activation(model)
    return arrays.Output(tuple(outputs[0].shape[1:]), activation, loss_name(_loss(model)), low, high)


def _loss(model: Any) -> Any:
    """The model's loss, out of the list or mapping that `compile` allows for one output, too."""
    loss = model.loss
    if isinstance(loss, Mapping):
        loss = list(loss.values())
    return loss[0] if isinstance(loss, list | tuple) and len(loss) == 1 else loss


def _last_activation(model: Any) -> tuple[str, float | None, float | None]:
    """The activation of the last layer, and the range of the output; "" and None where they are not known."""
    scale, offset = 1.0, 0.0
    layers = [model]
    while layers and isinstance(layers[-1], keras.Model):
        # Only a graph of layers lists them in the order they are called in.
        layers = list(layers[-1].layers) if getattr(layers[-1], "outputs", None) else []
    if len(layers) > 1 and isinstance(layers[-1], keras.layers.Rescaling):
        rescaling = layers.pop()
        if not all(isinstance(value, int | float) for value in (rescaling.scale, rescaling.offset)):
            return "", None, None
        scale, offset = float(rescaling.scale), float(rescaling.offset)
    last = layers[-1] if layers else None
    if isinstance(last, keras.layers.Softmax):
        name = "softmax"
    elif isinstance(last, keras.layers.Dense | keras.layers.Activation):
        name = str(getattr(last.activation, "__name__", ""))
    else:
        return "", None, None
    ends = [None if end is None else end * scale + offset for end in RANGES.get(name, (None, None))]
    low, high = ends if scale > 0 else ends[::-1]
    return name if (scale, offset) == (1, 0) else "", low, high


def checked(
    model: Any, X: Any, y: Any, x_name: str = "X", y_name: str = "y"
) -> tuple[np.ndarray, np.ndarray, arrays.Output]:
    """Features and targets as the network takes them, and what it gives; refuses what does not fit."""
    shape, whole_numbers = arrays.one_input(model, "fit")
    x = arrays.features_array(X, shape, x_name, whole_numbers)
    output = _output(model, x)
    _check_loss(_loss(model), output)
    arrays.check_aligned(X, y, y_name)
    return x, arrays.targets_array(y, len(x), output, y_name), output


def _check_loss(loss: Any, output: arrays.Output) -> None:
    """Refuses networks that train without an error and learn nothing."""
    over_classes = output.loss in (*arrays.ONE_HOT, *arrays.CLASS_NUMBERS)
    if output.shape[-1:] == (1,) and (over_classes or output.activation == "softmax"):
        what = output.loss if over_classes else "softmax"
        raise UserError(
            f"{what} on one output neuron is constant: nothing would be learnt",
            remedy="Compile with binary_crossentropy and a sigmoid output, or with one output per class.",
        )
    from_logits = getattr(loss, "from_logits", None if isinstance(loss, keras.losses.Loss) else False)
    if from_logits is False and output.activation == "linear" and (over_classes or output.loss in arrays.YES_OR_NO):
        raise UserError(
            f"{output.loss} takes probabilities, and the network's last layer is linear",
            remedy="Give it a sigmoid or softmax activation, or compile with a loss that has from_logits=True.",
        )


def resident_validation(
    model: Any, data: tuple[Any, ...] | None, by_class: np.ndarray | None = None
) -> Resident | None:
    """Checked validation rows in memory.

    Args:
        model: The network they are for.
        data: (X, y) or (X, y, sample_weight).
        by_class: The class weights that the network is trained with. With them the rows get a fourth array, of weights
            by class too, for the loss that training lowers; the third stays what the metrics and the loss of Keras
            count by.
    """
    if data is None:
        return None
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise UserError(
            "validation_data is (X, y) or (X, y, sample_weight), arrays as for training",
            place="fit: validation_data",
            found=type(data).__name__,
        )
    x, y, output = checked(model, data[0], data[1], "validation X", "validation y")
    own = None
    if len(data) == 3 and data[2] is not None:
        arrays.check_aligned(data[0], data[2], "the validation weights")
        own = weighting.check_sample_weight(data[2], len(x))
    if by_class is not None:
        return Resident(with_class_weights(x, y, own, _class_values(output, y)[0], by_class))
    return Resident((x, y) if own is None else (x, y, own))


def with_class_weights(
    x: np.ndarray, y: np.ndarray, own: np.ndarray | None, values: np.ndarray, by_class: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The four arrays of validation rows: see `resident_validation`."""
    own = own if own is not None else np.ones(len(x), np.float32)
    weights = weighting.row_weights(values, by_class, own)
    assert weights is not None
    return x, y, own, weights


def _class_values(output: arrays.Output, y: np.ndarray) -> tuple[np.ndarray, int]:
    """Class numbers (rows,) and how many classes there are, or 0/1 labels (rows, labels) and how many labels.

    Raises:
        UserError: The targets are no classes.
    """
    over_classes = output.loss in arrays.ONE_HOT or output.activation == "softmax"
    yes_or_no = output.loss in arrays.YES_OR_NO or output.activation == "sigmoid"
    if len(output.shape) != 1:
        raise UserError("class_weight is for one class a row; this network gives more", place="fit: class_weight")
    if output.loss in arrays.CLASS_NUMBERS:
        return y[:, 0], int(output.shape[0] or y.max() + 1)
    if not np.isin(y, (0, 1)).all() and (over_classes or yes_or_no):
        raise UserError("class_weight is for rows of one class; y holds shares of classes", place="fit: class_weight")
    if over_classes:
        return y.argmax(axis=1), y.shape[1]
    if not yes_or_no:
        raise UserError(
            "class_weight is for classes; this network is for regression",
            place="fit: class_weight",
            remedy="Weigh rows with sample_weight.",
        )
    if y.shape[1] == 1:
        return y[:, 0].astype(np.intp), 2
    if output.loss not in arrays.YES_OR_NO:
        raise UserError(
            f"{output.loss} looks at all labels of a row together: they cannot be weighed one by one",
            place="fit: class_weight",
            remedy="Compile with binary_crossentropy.",
        )
    return y, y.shape[1]
