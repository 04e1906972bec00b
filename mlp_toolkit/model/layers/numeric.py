"""The layer that standardises numbers, and how numeric columns come to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlp_toolkit.data.columns.numeric import Numeric
from mlp_toolkit.data.columns.part import Part
from mlp_toolkit.data.columns.scaling import Scaling
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.columns import Columns
from mlp_toolkit.model.layers.registry import are_numbers, are_texts, are_whole, layer_config, register


@register
class Numbers(keras.layers.Layer):
    """Fills missing numbers, standardises them, and marks where they were missing.

    Args:
        columns: Names of the raw numeric columns among the k; those that follow are parts of dates.
        fill: What stands in for a missing or infinite value, for each of the k columns.
        center: Subtracted after filling.
        inverse_scale: Multiplied after that; 0 silences a constant column.
        indicators: Positions of the columns that get a column "was missing" (1.0 or 0.0).
        gaps: Words that stand for missing values, as [column, [word, …]]; they are NaN before the layer sees them.

    Takes (rows, k) float64, in files of earlier versions float32, and gives (rows, k + len(indicators)) float32. It
    centres in float64: of large numbers that differ little, such as times in seconds, no difference is lost.
    """

    def __init__(
        self,
        columns: Sequence[str],
        fill: Sequence[float],
        center: Sequence[float],
        inverse_scale: Sequence[float],
        indicators: Sequence[int],
        *,
        gaps: Sequence[Sequence[Any]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, autocast=False, **{**kwargs, "dtype": "float32"})
        self.columns, self.fill, self.center = list(columns), list(fill), list(center)
        self.inverse_scale, self.indicators = list(inverse_scale), list(indicators)
        self.gaps = [[column, list(words)] for column, words in gaps]

    def call(self, inputs: Tensor) -> Tensor:
        """Encodes a batch."""
        x = tf.cast(inputs, tf.float64)
        known = tf.math.is_finite(x)
        filled = tf.where(known, x, tf.constant(self.fill, tf.float64))
        center, scale = tf.constant(self.center, tf.float64), tf.constant(self.inverse_scale, tf.float64)
        numbers = tf.cast((filled - center) * scale, tf.float32)
        if not self.indicators:
            return numbers
        absent = tf.cast(tf.gather(tf.logical_not(known), self.indicators, axis=1), tf.float32)
        return tf.concat([numbers, absent], axis=1)

    def compute_output_spec(self, inputs: Tensor) -> Any:
        """The shape of what `call` gives."""
        return keras.KerasTensor((inputs.shape[0], len(self.fill) + len(self.indicators)), "float32")

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        own: dict[str, Any] = {"columns": self.columns, "fill": self.fill, "center": self.center}
        own |= {"inverse_scale": self.inverse_scale, "indicators": self.indicators}
        if self.gaps:  # files of columns without any are as they always were
            own["gaps"] = self.gaps
        return layer_config(self, own)

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        width = len(self.fill)
        return (
            are_texts(self.columns)
            and are_numbers(self.fill, self.center, self.inverse_scale)
            and len(self.columns) <= width == len(self.center) == len(self.inverse_scale)
            and are_whole(*self.indicators, most=width - 1)
            and all(column in self.columns and are_texts(words) for column, words in self.gaps)
        )

    def scaling(self) -> Scaling:
        """What the layer does, as the encoding holds it."""
        return Scaling(tuple(self.fill), tuple(self.center), tuple(self.inverse_scale), tuple(self.indicators))


def encoded(part: Numeric, columns: Columns) -> Tensor:
    """The columns side by side: (rows, columns) float64."""
    return columns.side_by_side(part, "numeric_columns")


def parts_of(layer: Numbers) -> list[Part]:
    """The numeric columns that the layer takes; none where it takes parts of dates alone."""
    gaps = tuple((column, tuple(words)) for column, words in layer.gaps)
    return [Numeric(tuple(layer.columns), gaps)] if layer.columns else []
