"""Training images changed at random, a batch at a time, within the compiled epoch.

The geometry is that of Keras's `ImageDataGenerator`: one bilinear resampling for rotation, shift, shear and zoom, with
the boundaries of `scipy.ndimage.affine_transform`; then flips; then brightness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.layers.registry import are_whole, is_number, register
from mlp_toolkit.recipe import spec

Augment = Callable[[Any, Any], Any]  # features (rows, …) and a seed (2,) → features


class Drawn(NamedTuple):
    """What happens to each image of a batch, all (rows,) float32.

    As in `ImageDataGenerator`, these say where a pixel of the result is looked up: a shift of 2 rows moves the picture
    up by 2, a zoom of 2 shrinks it to half.
    """

    theta: Any  # radians
    shift_rows: Any  # pixels
    shift_columns: Any
    shear: Any  # radians
    zoom_rows: Any
    zoom_columns: Any
    flip_horizontal: Any  # 1: yes, 0: no
    flip_vertical: Any
    brightness: Any  # a factor


@register
class Augmentation(keras.layers.Layer):
    """Changes images at random, in training only.

    Args:
        rotation: Degrees, 0 to 180: the angle is drawn from -rotation to rotation.
        width_shift: A share of the width, 0 to 1: the picture moves left or right by up to that.
        height_shift: The same up or down, of the height.
        shear: Degrees, 0 to below 90, drawn like the angle.
        zoom: d for factors from 1 - d to 1 + d, or (least, greatest); drawn for rows and columns apart. Above 1 the
            picture shrinks.
        horizontal_flip: Whether every other image, at random, is mirrored left to right.
        vertical_flip: The same upside down.
        brightness: d for factors from 1 - d to 1 + d, or (least, greatest). The result is cut to 0 … `highest`.
        fill_mode: What lies beyond the edges a b c d: `nearest` (d d d d), `reflect` (d c b a), `wrap` (scipy's: the
            last pixel and the first are one point, b c d b) or `constant` (0).
        highest: The greatest value of a pixel, for brightness.
        seed: For the layer as a part of a network: the same seed draws the same; None draws one.

    Takes (rows, height, width, channels) numbers and gives the same shape in float32.
    """

    def __init__(
        self,
        *,
        rotation: float = 0.0,
        width_shift: float = 0.0,
        height_shift: float = 0.0,
        shear: float = 0.0,
        zoom: float | Sequence[float] = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        brightness: float | Sequence[float] = 0.0,
        fill_mode: str = "nearest",
        highest: float = 1.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.rotation, self.shear = rotation, shear
        self.width_shift, self.height_shift = width_shift, height_shift
        self.zoom, self.brightness = _plain(zoom), _plain(brightness)
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.fill_mode, self.highest, self.seed = fill_mode, highest, seed
        self._folded = FOLDED[fill_mode]
        self._resamples = bool(rotation or width_shift or height_shift or shear) or _range(zoom) != (1, 1)
        self._brightens = _range(brightness) != (1, 1)
        self._seeds = keras.random.SeedGenerator(seed)

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        settings = {name: getattr(self, name) for name in spec.Augmentation.model_fields}
        # Keras keeps lists in a class of its own, which a strict check does not take for one.
        settings = {name: [*value] if isinstance(value, list | tuple) else value for name, value in settings.items()}
        try:
            spec.Augmentation.model_validate(settings)
        except ValidationError:
            return False
        seeded = self.seed is None or are_whole(self.seed, most=2**63)
        return is_number(self.highest) and self.highest > 0 and seeded

    def draw(self, rows: Any, height: int, width: int, seed: Any) -> Drawn:
        """What happens to each of so many images; the same seed draws the same.

        Args:
            rows: How many images.
            height: Pixels of each.
            width: The same across.
            seed: (2,) int32.
        """
        angle, shear = np.radians(self.rotation), np.radians(self.shear)
        down, across = self.height_shift * height, self.width_shift * width
        zoom = _range(self.zoom)
        ranges = Drawn(
            theta=(-angle, angle),
            shift_rows=(-down, down),
            shift_columns=(-across, across),
            shear=(-shear, shear),
            zoom_rows=zoom,
            zoom_columns=zoom,
            flip_horizontal=(0, 2 * self.horizontal_flip),  # the whole part of a number below 2 is 0 or 1
            flip_vertical=(0, 2 * self.vertical_flip),
            brightness=_range(self.brightness),
        )
        least, greatest = np.array(ranges, np.float32).T[:, :, None]
        # All are drawn, asked for or not: an option more leaves what the others draw as it is.
        drawn = Drawn(*tf.unstack(least + tf.random.stateless_uniform((len(ranges), rows), seed) * (greatest - least)))
        return drawn._replace(
            flip_horizontal=tf.floor(drawn.flip_horizontal), flip_vertical=tf.floor(drawn.flip_vertical)
        )

    def transform(self, images: Any, drawn: Drawn) -> Any:
        """The images after what was drawn for each; what this layer's settings do not ask for is left out.

        Args:
            images: (rows, height, width, channels) float32.
            drawn: For each of the rows.
        """
        if self._resamples:
            images = _resampled(images, drawn, self._folded)
        else:
            if self.horizontal_flip:
                images = tf.where(_to_images(drawn.flip_horizontal) > 0, tf.reverse(images, [2]), images)
            if self.vertical_flip:
                images = tf.where(_to_images(drawn.flip_vertical) > 0, tf.reverse(images, [1]), images)
        if self._brightens:
            images = tf.clip_by_value(images * _to_images(drawn.brightness), 0.0, self.highest)
        return images

    def augment(self, images: Any, seed: Any) -> Any:
        """The images, changed at random.

        Args:
            images: (rows, height, width, channels) float32.
            seed: (2,) int32.
        """
        return self.transform(images, self.draw(_rows(images), images.shape[1], images.shape[2], seed))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Changes a batch in training, and passes it on in prediction."""
        images = tf.cast(inputs, tf.float32)
        return self.augment(images, self._seeds.next()) if training else images

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The shape of what `call` gives."""
        return keras.KerasTensor(inputs.shape, "float32")

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        own: dict[str, Any] = {"rotation": self.rotation, "shear": self.shear, "zoom": self.zoom}
        own |= {"width_shift": self.width_shift, "height_shift": self.height_shift}
        own |= {"horizontal_flip": self.horizontal_flip, "vertical_flip": self.vertical_flip}
        own |= {"brightness": self.brightness, "fill_mode": self.fill_mode}
        return {"name": self.name, **own, "highest": self.highest, "seed": self.seed}


def _plain(around: float | Sequence[float]) -> float | tuple[float, ...]:
    # A tuple: of a list Keras makes one of its own, which it then cannot copy into a model file.
    return tuple(float(bound) for bound in around) if isinstance(around, Sequence) else around


def _range(around: float | Sequence[float]) -> tuple[float, float]:
    """The least and the greatest factor."""
    if isinstance(around, Sequence):
        return around[0], around[1]
    return 1 - around, 1 + around


def _rows(batch: Any) -> Any:
    """How many: a number where it is known while tracing, which is what XLA is given."""
    return tf.shape(batch)[0] if batch.shape[0] is None else batch.shape[0]


def _to_images(values: Any) -> Any:
    """(rows,) → (rows, 1, 1, 1)."""
    return values[:, None, None, None]


def _resampled(images: Any, drawn: Drawn, folded: Callable[[Any, int], Any]) -> Any:
    """Rotation, shift, shear, zoom and flips in one bilinear resampling.

    Measured on 2 cores, 28 × 28 × 1, batches of 32 in a loop, µs an image: this form 3 compiled by XLA and 24 in
    TensorFlow's graph, of which the four gathers are most. Others in XLA: `gather_nd` 6, a gather from the batch as one
    long array 12 (an index of its own for each channel: 11, and 83 with 3 channels), one gather of all four neighbours
    17 to 26, of pairs packed into complex numbers 9 to 14, weights for all pixels as matrix products 79. The pairs take
    16 in TensorFlow's graph; XLA trains whatever takes long, so its fastest is taken for both. Even a + (b - a) · f in
    place of a · (1 - f) + b · f took XLA twice as long.
    """
    rows, (height, width, channels) = _rows(images), images.shape[1:]
    y, x = _looked_up(drawn, height, width)
    y, outside_y = folded(y, height)
    x, outside_x = folded(x, width)
    # The upper left of the four neighbours; the last row and column have none beyond, and count as the lower right.
    top, left = (tf.minimum(tf.floor(v), max(size - 2.0, 0.0)) for v, size in ((y, height), (x, width)))
    first = tf.cast(top * width + left, tf.int32)
    down, right = width * (height > 1), int(width > 1)
    pixels = tf.reshape(images, (rows, height * width, channels))

    def neighbour(offset: int) -> Any:
        return tf.gather(pixels, first + offset, batch_dims=1)

    v, h = (y - top)[..., None], (x - left)[..., None]
    above = neighbour(0) * (1 - h) + neighbour(right) * h
    below = neighbour(down) * (1 - h) + neighbour(down + right) * h
    mixed = above * (1 - v) + below * v
    if outside_y is not None:
        mixed = tf.where((outside_y | outside_x)[..., None], 0.0, mixed)
    return tf.reshape(mixed, (rows, height, width, channels))


def _looked_up(drawn: Drawn, height: int, width: int) -> tuple[Any, Any]:
    """Where each pixel of the result comes from: rows and columns, (images, height · width) each.

    A pixel at p from the centre comes from R · (S · Z · F · p + t), with R = (cos θ, sin θ; -sin θ, cos θ), the shear
    S = (cos s, 0; -sin s, 1), the zoom Z, the flips F = ±1 and the shift t.
    """
    middle_y, middle_x = height / 2 - 0.5, width / 2 - 0.5
    i, j = np.mgrid[:height, :width].reshape(2, 1, -1).astype(np.float32)
    i, j = i - np.float32(middle_y), j - np.float32(middle_x)
    theta, shift_y, shift_x, shear, zoom_y, zoom_x, flip_x, flip_y, _ = (values[:, None] for values in drawn)
    zoom_y, zoom_x = zoom_y * (1 - 2 * flip_y), zoom_x * (1 - 2 * flip_x)
    sin, cos = tf.sin(theta), tf.cos(theta)
    # Counted from the centre, so that without rotation, shear and zoom every coordinate is exact in float32.
    y = tf.cos(theta + shear) * zoom_y * i + (sin * zoom_x * j + (cos * shift_y + sin * shift_x + middle_y))
    x = -tf.sin(theta + shear) * zoom_y * i + (cos * zoom_x * j + (cos * shift_x - sin * shift_y + middle_x))
    return y, x


def _nearest(v: Any, size: int) -> tuple[Any, Any]:
    return tf.clip_by_value(v, 0.0, size - 1.0), None


def _constant(v: Any, size: int) -> tuple[Any, Any]:
    """As scipy: what lies beyond the centre of the last pixel is outside, and does not mix with it."""
    return _nearest(v, size)[0], (v < 0) | (v > size - 1)


def _reflect(v: Any, size: int) -> tuple[Any, Any]:
    period = 2.0 * size
    within = v + 0.5 - period * tf.floor((v + 0.5) / period)
    return _nearest(tf.minimum(within, period - within) - 0.5, size)


def _wrap(v: Any, size: int) -> tuple[Any, Any]:
    """As scipy: repeats after `size` - 1."""
    period = max(size - 1.0, 1.0)
    inside = (v >= 0) & (v <= period)
    times = tf.where(v < 0, tf.math.ceil(v / period) - 1, tf.floor(v / period))
    return _nearest(tf.where(inside, v, v - period * times), size)


# Fill mode → where a coordinate beyond the edges is looked up, and where it is outside (None: nowhere).
FOLDED: dict[str, Callable[[Any, int], tuple[Any, Any]]] = {
    "nearest": _nearest,
    "reflect": _reflect,
    "wrap": _wrap,
    "constant": _constant,
}


def from_spec(settings: spec.Augmentation, highest: float) -> Augmentation:
    """The layer of a recipe's `train.augmentation`.

    Args:
        settings: Checked settings.
        highest: The greatest value of a pixel.
    """
    return Augmentation(**settings.model_dump(), highest=highest)


def on_features(layer: Augmentation, begin: int | None, shape: tuple[int, int, int]) -> Augment:
    """A function that changes the images within a batch of features.

    Args:
        layer: What happens to them.
        begin: Where an image's columns begin in (rows, features), pixels row by row of the image; None where the
            batch holds nothing but images, in whatever shape.
        shape: Height, width and channels.

    Returns:
        A function of features (rows, …) and a seed (2,) int32. It gives features of the same shape, in float32.
    """
    size = int(np.prod(shape))

    def augment(x: Any, seed: Any) -> Any:
        x = tf.cast(x, tf.float32)
        rows = _rows(x)
        columns = tf.reshape(x, (rows, -1)) if begin is None else x
        first = begin or 0
        images = tf.reshape(columns[:, first : first + size], (rows, *shape))
        changed = tf.reshape(layer.augment(images, seed), (rows, size))
        parts = [columns[:, :first], changed, columns[:, first + size :]]
        parts = [part for part in parts if part.shape[1] != 0]
        return tf.reshape(tf.concat(parts, axis=1) if len(parts) > 1 else changed, tf.shape(x))

    return augment


def seeded(augment: Augment, seed: int) -> Augment:
    """The same, given a counter of two whole numbers in place of a seed: what is drawn depends on both.

    Args:
        augment: A function of features and a seed (2,) int32.
        seed: 0 or more.
    """
    key = seed_numbers(seed)
    return lambda x, counter: augment(x, tf.bitwise.bitwise_xor(counter, key))


def seed_numbers(seed: int) -> np.ndarray:
    """(2,) int32. Spread over all bits: a seed must not draw what its neighbour draws a step later."""
    return np.random.SeedSequence(seed).generate_state(2).view(np.int32)
