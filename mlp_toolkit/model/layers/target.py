"""The layer that gives outputs in the target's units, and says what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.registry import are_numbers, are_texts, layer_config, register

TASKS = ("regression", "binary", "multilabel", "multiclass")


@register
class Target(keras.layers.Layer):
    """The last layer of a model file: the network's output in the target's own units, and what it means.

    Args:
        task: regression, binary, multilabel or multiclass.
        names: The target columns.
        classes: The labels in the order of the outputs; for binary the second is the positive one.
        offset: Regression: added after scaling, one value for each output.
        scale: Regression: the factor for each output.

    Takes and gives (rows, outputs): float64 values in the target's units, or probabilities, which pass unchanged.
    """

    def __init__(
        self,
        task: str,
        names: Sequence[str],
        classes: Sequence[str | int] = (),
        offset: Sequence[float] = (),
        scale: Sequence[float] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.task, self.names, self.classes = task, list(names), list(classes)
        self.offset, self.scale = list(offset), list(scale)

    def call(self, inputs: Tensor) -> Any:
        """Gives the outputs in the target's units."""
        if not self.scale:
            return inputs
        # In float64: beside a large offset float32 has no place for what the network says.
        scale, offset = tf.constant(self.scale, tf.float64), tf.constant(self.offset, tf.float64)
        return tf.cast(inputs, tf.float64) * scale + offset

    def compute_output_spec(self, inputs: Tensor) -> Any:
        """The shape of what `call` gives."""
        return keras.KerasTensor(inputs.shape, "float64" if self.scale else inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        own = {"task": self.task, "names": self.names, "classes": self.classes}
        return layer_config(self, own | {"offset": self.offset, "scale": self.scale})

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        labels = all(isinstance(label, str | int) and not isinstance(label, bool) for label in self.classes)
        kinds = {type(label) for label in self.classes}
        fits = {"binary": len(self.classes) == 2, "multiclass": len(self.classes) > 0}.get(self.task, True)
        single = self.task in ("regression", "multilabel") or len(self.names) == 1
        scaled = len(self.offset) == len(self.scale) and len(self.scale) in (0, len(self.names))
        named = are_texts(self.names) and 0 < len(set(self.names)) == len(self.names)
        good = self.task in TASKS and named and are_numbers(self.offset, self.scale) and labels and len(kinds) < 2
        return good and fits and single and scaled
