"""The layer that encodes categorical columns one-hot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlp_toolkit.data.columns.categorical import Categorical
from mlp_toolkit.data.columns.parsing import WHOLE_NUMBER
from mlp_toolkit.data.columns.part import Part
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.columns import Columns
from mlp_toolkit.model.layers.registry import are_texts, layer_config, register


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

    def call(self, inputs: Tensor) -> Tensor:
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

    def compute_output_spec(self, inputs: Tensor) -> Any:
        """The shape of what `call` gives."""
        return keras.KerasTensor((inputs.shape[0], self.width), "float32")

    def get_config(self) -> dict[str, Any]:
        """What a model file holds of this layer."""
        return layer_config(self, {"columns": self.columns, "vocabularies": self.vocabularies})

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        return (
            are_texts(self.columns, *self.vocabularies)
            and len(self.columns) == len(self.vocabularies)
            and all(len(set(values)) == len(values) for values in self.vocabularies)
        )


def encoded(part: Categorical, columns: Columns) -> Tensor:
    """A column for each value of each column: (rows, values) float32."""
    names, vocabularies = zip(*part.vocabularies, strict=True)
    words = columns.side_by_side(part, "categorical_columns")
    return OneHot(names, vocabularies, name=columns.free("one_hot"))(words)


def parts_of(layer: OneHot) -> list[Part]:
    """The categorical columns that the layer takes."""
    vocabularies = map(tuple, layer.vocabularies)
    return [Categorical(tuple(zip(layer.columns, vocabularies, strict=True)))]
