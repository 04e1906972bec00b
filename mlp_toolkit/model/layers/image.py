"""The layer that makes numbers of images."""

from __future__ import annotations

from typing import Any

from mlp_toolkit.data.columns.image import ImageColumn
from mlp_toolkit.data.columns.part import Part
from mlp_toolkit.data.images.pixels import Image
from mlp_toolkit.data.images.resizing import TIE
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.columns import Columns
from mlp_toolkit.model.layers.registry import are_whole, is_number, layer_config, register

LARGEST_SIDE = 2**14  # pixels of an image


@register
class Images(keras.layers.Layer):
    """Resizes images and makes their levels numbers from 0 to 1, as `resizing.resize` and `pixels.encode` do.

    Args:
        column: Name of the raw column.
        height: Pixels of each image after resizing.
        width: The same across.
        channels: 1 for grey levels, 3 for red, green and blue.
        divisor: The level that becomes 1.
        whole: Whether levels are rounded after resizing.

    Takes (rows, any height, any width, channels) levels and gives (rows, height · width · channels) float32, row by
    row of each image. Images of the right size are not changed.
    """

    def __init__(
        self, column: str, *, height: int, width: int, channels: int, divisor: float, whole: bool, **kwargs: Any
    ) -> None:
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.column, self.height, self.width, self.channels = column, height, width, channels
        self.divisor, self.whole = divisor, whole

    def call(self, inputs: Tensor) -> Tensor:
        """Encodes a batch."""
        x = tf.cast(inputs, tf.float64)
        known = tuple(inputs.shape[1:3])
        if known != (self.height, self.width):
            high, wide = tf.shape(x)[1], tf.shape(x)[2]
            # By the same weights images of the right size stay as they are.
            x = tf.einsum("Hh,nhwc->nHwc", _triangles(high, self.height), x)
            x = tf.einsum("Ww,nHwc->nHWc", _triangles(wide, self.width), x)
            if self.whole:
                same = (high == self.height) & (wide == self.width)
                x = tf.where(same, x, tf.floor(x + TIE))
        x = tf.cast(tf.cast(x, tf.float32), tf.float64) / self.divisor
        return tf.reshape(tf.cast(x, tf.float32), (-1, self.height * self.width * self.channels))

    def compute_output_spec(self, inputs: Tensor) -> Any:
        """The shape of what `call` gives."""
        return keras.KerasTensor((inputs.shape[0], self.height * self.width * self.channels), "float32")

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        own: dict[str, Any] = {"column": self.column, "height": self.height, "width": self.width}
        own |= {"channels": self.channels, "divisor": self.divisor, "whole": self.whole}
        return layer_config(self, own)

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        return (
            isinstance(self.column, str)
            and are_whole(self.height, self.width, most=LARGEST_SIDE)
            and min(self.height, self.width) > 0
            and self.channels in (1, 3)
            and is_number(self.divisor)
            and self.divisor > 0
            and isinstance(self.whole, bool)
        )


def _triangles(length: Tensor, size: int) -> Tensor:
    """`resizing.weights` in TensorFlow's operations."""
    length = tf.cast(length, tf.float64)
    scale = length / size
    centers = (tf.range(size, dtype=tf.float64) + 0.5) * scale
    places = tf.range(length, dtype=tf.float64) + 0.5
    counted = tf.maximum(tf.constant(0.0, tf.float64), 1 - tf.abs(places - centers[:, None]) / tf.maximum(scale, 1.0))
    return counted / tf.reduce_sum(counted, axis=1, keepdims=True)


def encoded(part: ImageColumn, columns: Columns) -> Tensor:
    """The levels of all pixels: (rows, height · width · channels) float32."""
    size = {key: value for key, value in part.image._asdict().items() if key != "name"}
    return Images(part.image.name, **size, name=columns.free("images"))(columns.inputs[part.image.name])


def parts_of(layer: Images) -> list[Part]:
    """The image column that the layer takes."""
    size = (layer.height, layer.width, layer.channels)
    return [ImageColumn(Image(layer.column, *size, divisor=layer.divisor, whole=layer.whole))]
