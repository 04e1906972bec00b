"""What a network gives, and what its targets mean: the checks that every row passes on its way to training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlp_toolkit.data import arrays
from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.model.members.layers import MembersDense, MembersMean
from mlp_toolkit.model.parts.losses import check_domain, loss_name

# What an output activation can give, from least to greatest.
RANGES: dict[str, tuple[float | None, float | None]] = {
    "relu": (0, None),
    "softplus": (0, None),
    "exponential": (0, None),
    "sigmoid": (0, 1),
    "softmax": (0, 1),
    "tanh": (-1, 1),
}


def checked_arrays(
    model: Network, X: Any, y: Any, x_name: str = "X", y_name: str = "y"
) -> tuple[np.ndarray, np.ndarray, arrays.Output]:
    """Features and targets as the network takes them, and what it gives; refuses what does not fit."""
    shape, whole_numbers = arrays.one_input(model, "fit")
    x = arrays.features_array(X, shape, x_name, whole_numbers)
    output = _output(model, x)
    _check_loss(_loss(model), output)
    arrays.check_aligned(X, y, y_name)
    targets = arrays.targets_array(y, len(x), output, y_name)
    check_domain(model, targets, output, y_name)
    return x, targets, output


def _output(model: Network, x: np.ndarray) -> arrays.Output:
    """What the model gives. One that does not say is tried on the first row, which also builds it."""
    outputs = getattr(model, "outputs", None)
    if outputs is None:
        outputs = keras.tree.flatten(model(x[:1], training=False))
    if len(outputs) != 1:
        raise arrays.other_form("fit", f"{len(outputs)} outputs")
    activation, low, high = _last_activation(model)
    return arrays.Output(tuple(outputs[0].shape[1:]), activation, loss_name(_loss(model)), low, high)


def _loss(model: Network) -> Any:
    """The model's loss, out of the list or mapping that `compile` allows for one output, too."""
    loss = model.loss
    if isinstance(loss, Mapping):
        loss = list(loss.values())
    return loss[0] if isinstance(loss, list | tuple) and len(loss) == 1 else loss


def _last_activation(model: Network) -> tuple[str, float | None, float | None]:
    """The activation of the last layer, and the range of the output; "" and None where they are not known."""
    scale, offset = 1.0, 0.0
    layers: list[Any] = [model]
    while layers and isinstance(layers[-1], keras.Model):
        # Only a graph of layers lists them in the order they are called in.
        layers = list(layers[-1].layers) if getattr(layers[-1], "outputs", None) else []
    if len(layers) > 1 and isinstance(layers[-1], MembersMean):
        layers.pop()
    if len(layers) > 1 and isinstance(layers[-1], keras.layers.Rescaling):
        rescaling: Any = layers.pop()
        if not all(isinstance(value, int | float) for value in (rescaling.scale, rescaling.offset)):
            return "", None, None
        scale, offset = float(rescaling.scale), float(rescaling.offset)
    last = layers[-1] if layers else None
    if isinstance(last, keras.layers.Softmax):
        name = "softmax"
    elif isinstance(last, MembersDense):
        name = last.activation
    elif isinstance(last, keras.layers.Dense | keras.layers.Activation):
        name = str(getattr(last.activation, "__name__", ""))
    else:
        return "", None, None
    ends = [None if end is None else end * scale + offset for end in RANGES.get(name, (None, None))]
    low, high = ends if scale > 0 else ends[::-1]
    return name if (scale, offset) == (1, 0) else "", low, high


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


def class_of_each(output: arrays.Output, y: np.ndarray) -> np.ndarray | None:
    """(rows,) the class of each row; None where a row has several, or none."""
    if len(output.shape) != 1:
        return None
    if output.loss in arrays.CLASS_NUMBERS:
        return y[:, 0]
    if not np.isin(y, (0, 1)).all():
        return None
    if output.loss in arrays.ONE_HOT or output.activation == "softmax":
        return np.asarray(y.argmax(axis=1))
    return y[:, 0].astype(np.intp) if y.shape[1] == 1 else None


def class_values(output: arrays.Output, y: np.ndarray) -> tuple[np.ndarray, int]:
    """Class numbers (rows,) and how many classes there are, or 0/1 labels (rows, labels) and how many labels.

    Raises:
        UserError: The targets are no classes.
    """
    over_classes = output.loss in arrays.ONE_HOT or output.activation == "softmax"
    yes_or_no = output.loss in arrays.YES_OR_NO or output.activation == "sigmoid"
    if len(output.shape) != 1:
        raise UserError("class_weight is for one class a row; this network gives more", place="fit: class_weight")
    classes = class_of_each(output, y)
    if output.loss in arrays.CLASS_NUMBERS:
        return y[:, 0], int(output.shape[0] or y.max() + 1)
    if not over_classes and not yes_or_no:
        raise UserError(
            "class_weight is for classes; this network is for regression",
            place="fit: class_weight",
            remedy="Weigh rows with sample_weight.",
        )
    if not np.isin(y, (0, 1)).all():
        raise UserError("class_weight is for rows of one class; y holds shares of classes", place="fit: class_weight")
    if classes is not None:
        return classes, y.shape[1] if over_classes else 2
    if output.loss not in arrays.YES_OR_NO:
        raise UserError(
            f"{output.loss} looks at all labels of a row together: they cannot be weighed one by one",
            place="fit: class_weight",
            remedy="Compile with binary_crossentropy.",
        )
    return y, y.shape[1]
