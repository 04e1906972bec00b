"""The few Keras layers of our own: the encoding and the target's units, so that one file holds the whole model.

They are registered under the package `mlp_toolkit`, so that moving this module never breaks an old file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mlp_toolkit.cells import DATE_PARTS, WHOLE_NUMBER, date_pattern
from mlp_toolkit.resizing import TIE
from mlp_toolkit.startup import keras, tf

Registered = TypeVar("Registered")
register: Callable[[Registered], Registered] = keras.saving.register_keras_serializable("mlp_toolkit")


@register
def step(x: Any) -> Any:
    """The perceptron's step function: 1 where x ≥ 0, else 0. It has no gradient."""
    return keras.ops.cast(keras.ops.greater_equal(x, 0), x.dtype)


@register
class Numbers(keras.layers.Layer):
    """Fills missing numbers, standardises them, and marks where they were missing.

    Args:
        columns: Names of the raw numeric columns among the k; those that follow are parts of dates.
        fill: What stands in for a missing or infinite value, for each of the k columns.
        center: Subtracted after filling.
        inverse_scale: Multiplied after that; 0 silences a constant column.
        indicators: Positions of the columns that get a column "was missing" (1.0 or 0.0).

    Takes (rows, k) float32 and gives (rows, k + len(indicators)) float32. It counts in float64 inside: of
    large numbers that differ little, such as years, no difference is lost that float32 can hold.
    """

    def __init__(
        self,
        columns: Sequence[str],
        fill: Sequence[float],
        center: Sequence[float],
        inverse_scale: Sequence[float],
        indicators: Sequence[int],
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.columns, self.fill, self.center = list(columns), list(fill), list(center)
        self.inverse_scale, self.indicators = list(inverse_scale), list(indicators)

    def call(self, inputs: Any) -> Any:
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

    def compute_output_spec(self, inputs: Any) -> Any:
        """The shape of what `call` gives."""
        return keras.KerasTensor((inputs.shape[0], len(self.fill) + len(self.indicators)), "float32")

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        own: dict[str, Any] = {"columns": self.columns, "fill": self.fill, "center": self.center}
        own |= {"inverse_scale": self.inverse_scale, "indicators": self.indicators}
        return _config(self, own)


@register
class DateParts(keras.layers.Layer):
    """Turns dates as text into numbers: day number since 1970, year, month, day, weekday (Monday 0), hour.

    Args:
        columns: Names of the raw columns.
        formats: For each of the d columns, a format of `%Y %m %d %H %M %S` with separators.

    Takes (rows, d) text and gives (rows, 6 · d) float32; NaN where the text is not a date of the format.
    """

    def __init__(self, columns: Sequence[str], formats: Sequence[str], **kwargs: Any) -> None:
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.columns, self.formats = list(columns), list(formats)

    def call(self, inputs: Any) -> Any:
        """Encodes a batch."""
        columns = []
        for index, format_ in enumerate(self.formats):
            columns.extend(_date_numbers(tf.strings.strip(inputs[:, index]), format_))
        return tf.stack(columns, axis=1)

    def compute_output_spec(self, inputs: Any) -> Any:
        """The shape of what `call` gives."""
        return keras.KerasTensor((inputs.shape[0], len(DATE_PARTS) * len(self.formats)), "float32")

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        return _config(self, {"columns": self.columns, "formats": self.formats})


def _date_numbers(text: Any, format_: str) -> list[Any]:
    """The six numbers of `cells.date_numbers`, in TensorFlow's operations."""
    pattern = date_pattern(format_)
    codes = [code for code in "YmdHMS" if f"(?P<{code}>" in pattern]
    order = sorted(codes, key=lambda code: pattern.index(f"(?P<{code}>"))
    fits = tf.strings.regex_full_match(text, pattern)
    safe = tf.where(fits, text, tf.fill(tf.shape(text), _example(format_)))

    def part(code: str, default: int) -> Any:
        if code not in codes:
            return tf.fill(tf.shape(text), tf.constant(default, tf.int64))
        digits = tf.strings.regex_replace(safe, f"^(?:{pattern})$", rf"\{order.index(code) + 1}")
        return tf.strings.to_number(digits, tf.int64)

    year, month, day = part("Y", 1970), part("m", 1), part("d", 1)
    hour, minute, second = part("H", 0), part("M", 0), part("S", 0)
    # Days since 1970-01-01 in the Gregorian calendar, counting years from March so that the leap day comes last.
    shifted = year - tf.cast(month <= 2, tf.int64)
    from_march = (month + 9) % 12
    in_year = (153 * from_march + 2) // 5 + day - 1
    days = 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + in_year - 719468
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    lengths = tf.gather(tf.constant([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], tf.int64), (month - 1) % 12)
    lengths += tf.cast(leap & (month == 2), tf.int64)
    valid = fits & (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= lengths)
    valid &= (hour <= 23) & (minute <= 59) & (second <= 59)
    clock = tf.cast(hour, tf.float64) + tf.cast(minute, tf.float64) / 60 + tf.cast(second, tf.float64) / 3600
    numbers = [tf.cast(days, tf.float64) + clock / 24, year, month, day, (days + 3) % 7, clock]
    nothing = tf.constant(float("nan"), tf.float32)
    return [tf.where(valid, tf.cast(number, tf.float32), nothing) for number in numbers]


def _example(format_: str) -> str:
    for code, text in {"Y": "1970", "m": "01", "d": "01", "H": "00", "M": "00", "S": "00"}.items():
        format_ = format_.replace(f"%{code}", text)
    return format_


@register
class OneHot(keras.layers.Layer):
    """One column for each known value of each categorical column: 1.0 where the row has it.

    Args:
        columns: Names of the raw columns.
        vocabularies: For each of the m columns, its known values; "" stands for missing.

    Takes (rows, m) text and gives (rows, number of all known values) float32. A value that is not known gives
    zeros. One table serves all columns, with the column's number before each value.
    """

    def __init__(self, columns: Sequence[str], vocabularies: Sequence[Sequence[str]], **kwargs: Any) -> None:
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.columns = list(columns)
        self.vocabularies = [list(values) for values in vocabularies]
        self.width = sum(len(values) for values in self.vocabularies)
        keys = [f"{column} {value}" for column, values in enumerate(self.vocabularies) for value in values]
        with tf.init_scope():
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    tf.constant(keys, tf.string, shape=(len(keys),)), tf.range(len(keys), dtype=tf.int64)
                ),
                default_value=-1,
            )

    def call(self, inputs: Any) -> Any:
        """Encodes a batch."""
        words = tf.strings.regex_replace(tf.strings.strip(inputs), WHOLE_NUMBER, r"\1")
        columns = tf.constant([[f"{column} " for column in range(len(self.vocabularies))]])
        positions = self.table.lookup(columns + words)
        # No two columns of a row share a position, so the sum of their one-hot rows holds ones and zeros only.
        rows = tf.shape(inputs, tf.int64)[0]
        places = tf.stack([tf.broadcast_to(tf.range(rows)[:, None], tf.shape(positions)), positions], axis=-1)
        places = tf.boolean_mask(places, positions >= 0)
        ones = tf.ones(tf.shape(places)[:1])
        return tf.ensure_shape(tf.scatter_nd(places, ones, tf.stack([rows, self.width])), (None, self.width))

    def compute_output_spec(self, inputs: Any) -> Any:
        """The shape of what `call` gives."""
        return keras.KerasTensor((inputs.shape[0], self.width), "float32")

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        return _config(self, {"columns": self.columns, "vocabularies": self.vocabularies})


@register
class Images(keras.layers.Layer):
    """Resizes images and makes their levels numbers from 0 to 1, as `resizing.resize` and `images.encode` do.

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

    def call(self, inputs: Any) -> Any:
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

    def compute_output_spec(self, inputs: Any) -> Any:
        """The shape of what `call` gives."""
        return keras.KerasTensor((inputs.shape[0], self.height * self.width * self.channels), "float32")

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        own: dict[str, Any] = {"column": self.column, "height": self.height, "width": self.width}
        own |= {"channels": self.channels, "divisor": self.divisor, "whole": self.whole}
        return _config(self, own)


def _triangles(length: Any, size: int) -> Any:
    """`resizing.weights` in TensorFlow's operations."""
    length = tf.cast(length, tf.float64)
    scale = length / size
    centers = (tf.range(size, dtype=tf.float64) + 0.5) * scale
    places = tf.range(length, dtype=tf.float64) + 0.5
    counted = tf.maximum(tf.constant(0.0, tf.float64), 1 - tf.abs(places - centers[:, None]) / tf.maximum(scale, 1.0))
    return counted / tf.reduce_sum(counted, axis=1, keepdims=True)


@register
class Target(keras.layers.Layer):
    """The last layer of a model file: the network's output in the target's own units, and what it means.

    Args:
        task: regression, binary, multilabel or multiclass.
        names: The target columns.
        classes: The labels in the order of the outputs; for binary the second is the positive one.
        offset: Regression: added after scaling, one value for each output.
        scale: Regression: the factor for each output.

    Takes and gives (rows, outputs): values in the target's units, or probabilities, which pass unchanged.
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

    def call(self, inputs: Any) -> Any:
        """Gives the outputs in the target's units."""
        if not self.scale:
            return inputs
        return inputs * tf.constant(self.scale, inputs.dtype) + tf.constant(self.offset, inputs.dtype)

    def compute_output_spec(self, inputs: Any) -> Any:
        """The shape of what `call` gives."""
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        own = {"task": self.task, "names": self.names, "classes": self.classes}
        return _config(self, own | {"offset": self.offset, "scale": self.scale})


def _config(layer: Any, own: dict[str, Any]) -> dict[str, Any]:
    return {"name": layer.name, **own}
