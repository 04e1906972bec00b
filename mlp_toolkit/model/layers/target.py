"""The layer that gives outputs in the target's units, and says what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.registry import are_numbers, are_texts, is_number, layer_config, register

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
        thresholds: Binary and multilabel: from which probability on a row has the label; none stands for 0.5.
        level: How often intervals or sets hold the truth; 0 without any.
        widths: As `data.targets.Target` has them.
        sizes: The same: nothing, or for each output nothing or a pair of lists.
        seen: Of each column of the training rows its name, rows, share of missing values, quantiles, shares below
            these, and words.

    Takes and gives (rows, outputs): float64 values in the target's units, or probabilities, which pass unchanged.
    """

    def __init__(
        self,
        task: str,
        names: Sequence[str],
        classes: Sequence[str | int] = (),
        offset: Sequence[float] = (),
        scale: Sequence[float] = (),
        *,
        thresholds: Sequence[float] = (),
        level: float = 0.0,
        widths: Sequence[float] = (),
        sizes: Sequence[Sequence[Sequence[float]]] = (),
        seen: Sequence[Sequence[Any]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.task, self.names, self.classes = task, list(names), list(classes)
        self.offset, self.scale = list(offset), list(scale)
        self.thresholds, self.level, self.widths = list(thresholds), level, list(widths)
        self.sizes = [[list(side) for side in own] for own in sizes]
        self.seen = [[*own[:3], list(own[3]), list(own[4]), [list(word) for word in own[5]]] for own in seen]

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
        own: dict[str, Any] = {"task": self.task, "names": self.names, "classes": self.classes}
        added = {"thresholds": self.thresholds, "level": self.level, "widths": self.widths, "sizes": self.sizes}
        added |= {"seen": self.seen}
        own |= {"offset": self.offset, "scale": self.scale} | {name: value for name, value in added.items() if value}
        return layer_config(self, own)

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        labels = all(isinstance(label, str | int) and not isinstance(label, bool) for label in self.classes)
        kinds = {type(label) for label in self.classes}
        fits = {"binary": len(self.classes) == 2, "multiclass": len(self.classes) > 0}.get(self.task, True)
        single = self.task in ("regression", "multilabel") or len(self.names) == 1
        scaled = len(self.offset) == len(self.scale) and len(self.scale) in (0, len(self.names))
        named = are_texts(self.names) and 0 < len(set(self.names)) == len(self.names)
        good = self.task in TASKS and named and are_numbers(self.offset, self.scale) and labels and len(kinds) < 2
        return good and fits and single and scaled and self._judges_soundly() and all(map(_seen_soundly, self.seen))

    def _judges_soundly(self) -> bool:
        """Whether thresholds and widths are such as we write."""
        if not are_numbers(self.thresholds, self.widths) or not is_number(self.level):
            return False
        yes_or_no = self.task in ("binary", "multilabel")
        decided = len(self.thresholds) in (0, len(self.names) if yes_or_no else 0)
        sets = 1 if self.task in ("binary", "multiclass") else len(self.names)
        wide = len(self.widths) == (sets if self.level else 0) and all(width >= 0 for width in self.widths)
        sized = len(self.sizes) in (0, len(self.widths) if self.task == "regression" else 0)
        sized = sized and all(map(_sized_soundly, self.sizes))
        return decided and all(0 < limit < 1 for limit in self.thresholds) and wide and sized and 0 <= self.level < 1


def _sized_soundly(sizes: list[list[float]]) -> bool:
    """Whether the sizes of a target's errors are such as we write: none, or at predictions that ascend."""
    if not sizes:
        return True
    if len(sizes) != 2 or not are_numbers(*sizes):
        return False
    at, of = sizes
    return 0 < len(at) == len(of) and at == sorted(at) and min(of) >= 0


def _seen_soundly(column: list[Any]) -> bool:
    """Whether what is kept of a column is such as we write."""
    name, rows, missing, quantiles, below, words = column
    counted = isinstance(rows, int) and not isinstance(rows, bool) and rows >= 0 and is_number(missing)
    shares = all(len(word) == 2 and isinstance(word[0], str) and is_number(word[1]) for word in words)
    ordered = are_numbers(quantiles, below) and quantiles == sorted(quantiles) and len(quantiles) == len(below)
    return isinstance(name, str) and counted and ordered and shares
