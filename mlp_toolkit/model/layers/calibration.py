"""The layer that puts probabilities right after training; `evaluation/calibration.py` fits it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlp_toolkit.evaluation.calibration import LEAST
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.registry import are_numbers, is_number, register


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
