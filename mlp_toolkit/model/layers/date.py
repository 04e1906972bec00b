"""The layer that makes numbers of dates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlp_toolkit.data.columns.date import Date
from mlp_toolkit.data.columns.parsing import DATE_PARTS, date_pattern
from mlp_toolkit.data.columns.part import Part
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.columns import Columns
from mlp_toolkit.model.layers.registry import are_texts, layer_config, register


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

    def call(self, inputs: Tensor) -> Tensor:
        """Encodes a batch."""
        columns = []
        for index, format_ in enumerate(self.formats):
            columns.extend(_date_numbers(tf.strings.strip(inputs[:, index]), format_))
        return tf.stack(columns, axis=1)

    def compute_output_spec(self, inputs: Tensor) -> Any:
        """The shape of what `call` gives."""
        return keras.KerasTensor((inputs.shape[0], len(DATE_PARTS) * len(self.formats)), "float32")

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        return layer_config(self, {"columns": self.columns, "formats": self.formats})

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        return are_texts(self.columns, self.formats) and len(self.columns) == len(self.formats)


def _date_numbers(text: Tensor, format_: str) -> list[Tensor]:
    """The six numbers of `parsing.date_numbers`, in TensorFlow's operations."""
    pattern = date_pattern(format_)
    codes = [code for code in "YmdHMS" if f"(?P<{code}>" in pattern]
    order = sorted(codes, key=lambda code: pattern.index(f"(?P<{code}>"))
    fits = tf.strings.regex_full_match(text, pattern)
    safe = tf.where(fits, text, tf.fill(tf.shape(text), _example(format_)))

    def part(code: str, default: int) -> Tensor:
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


def encoded(part: Date, columns: Columns) -> Tensor:
    """The numbers of all date columns: (rows, 6 · columns) float32."""
    names, formats = zip(*part.formats, strict=True)
    return DateParts(names, formats, name=columns.free("date_parts"))(columns.side_by_side(part, "date_columns"))


def parts_of(layer: DateParts) -> list[Part]:
    """The date columns that the layer takes."""
    return [Date(tuple(zip(layer.columns, layer.formats, strict=True)))]
