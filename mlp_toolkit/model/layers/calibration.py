"""The layers that put probabilities right after training; `evaluation/calibration.py` fits them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from mlp_toolkit.evaluation.calibration import LEAST
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.registry import are_numbers, is_number, layer_config, register


@register
class Calibration(keras.layers.Layer):
    """Corrects probabilities: slope · logit + offset, back to a probability.

    Args:
        slope: Of all logits, above 0.
        offset: Added to the logit of each output.
        softmax: The outputs of a row are probabilities of one of several classes and add up to 1; else each is one of
            its own.

    Takes and gives (rows, outputs) probabilities.
    """

    def __init__(self, slope: float, offset: Sequence[float], softmax: bool, **kwargs: Any) -> None:
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.slope, self.offset, self.softmax = slope, list(offset), softmax

    def call(self, inputs: Tensor) -> Tensor:
        """Corrects a batch."""
        p = tf.clip_by_value(inputs, LEAST, 1 - LEAST)
        logits = tf.math.log(p) if self.softmax else tf.math.log(p) - tf.math.log1p(-p)
        logits = self.slope * logits + tf.constant(self.offset, inputs.dtype)
        return tf.nn.softmax(logits) if self.softmax else tf.math.sigmoid(logits)

    def compute_output_spec(self, inputs: Tensor) -> Tensor:
        """The shape of what `call` gives.

        Raises:
            ValueError: There are not as many offsets as outputs.
        """
        if inputs.shape[-1] != len(self.offset):
            raise ValueError(f"{len(self.offset)} offsets for {inputs.shape[-1]} outputs")
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        return {"name": self.name, "slope": self.slope, "offset": self.offset, "softmax": self.softmax}

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        slope = is_number(self.slope) and self.slope > 0
        return slope and are_numbers(self.offset) and isinstance(self.softmax, bool)


@register
class Isotonic(keras.layers.Layer):
    """Corrects probabilities that are each of its own: straight lines between points, level before and behind them.

    Args:
        at: Of each output the probabilities, ascending, two or more, at which the points are; or a single one.
        to: What they become, from 0 to 1, never descending.

    Takes and gives (rows, outputs) probabilities.
    """

    def __init__(self, at: Sequence[Sequence[float]], to: Sequence[Sequence[float]], **kwargs: Any) -> None:
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.at, self.to = [list(own) for own in at], [list(own) for own in to]

    def call(self, inputs: Tensor) -> Tensor:
        """Corrects a batch."""
        corrected = []
        for place, (at, to) in enumerate(zip(self.at, self.to, strict=True)):
            # The first value, and each rise as far as the probability has come: only what every format can compute.
            begin, length, rise = (tf.constant(own, tf.float32) for own in _rises(at, to))
            passed = tf.clip_by_value((inputs[:, place, None] - begin) / length, 0.0, 1.0)
            corrected.append(to[0] + tf.reduce_sum(passed * rise, axis=1))
        return tf.stack(corrected, axis=1)

    def compute_output_spec(self, inputs: Tensor) -> Tensor:
        """The shape of what `call` gives.

        Raises:
            ValueError: There are not as many lists of points as outputs.
        """
        if inputs.shape[-1] != len(self.at):
            raise ValueError(f"points for {len(self.at)} outputs, and there are {inputs.shape[-1]}")
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        return layer_config(self, {"at": self.at, "to": self.to})

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        if not 0 < len(self.at) == len(self.to) or not are_numbers(*self.at, *self.to):
            return False
        return all(
            0 < len(at) == len(to) and at == sorted({*at}) and to == sorted(to) and to[0] >= 0 and to[-1] <= 1
            for at, to in zip(self.at, self.to, strict=True)
        )


def _rises(at: Sequence[float], to: Sequence[float]) -> tuple[list[float], list[float], list[float]]:
    """Where each rise begins, how long it is, and how high; one of no height where there is none."""
    points = list(zip(at, to, strict=True))
    pairs = [(low, high) for low, high in itertools.pairwise(points) if high[1] > low[1]]
    found = [(low[0], high[0] - low[0], high[1] - low[1]) for low, high in pairs] or [(at[0], 1.0, 0.0)]
    begin, length, rise = zip(*found, strict=True)
    return list(begin), list(length), list(rise)
