"""Which layers encode which kind of column: the encoding as a graph of layers, and read back from one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mlp_toolkit.data.columns.encoder import Encoding
from mlp_toolkit.data.columns.numeric import Numeric
from mlp_toolkit.data.columns.part import Part
from mlp_toolkit.data.columns.scaling import Scaling
from mlp_toolkit.errors import UserError
from mlp_toolkit.model.keras_types import Network, Tensor
from mlp_toolkit.model.layers import categorical, date, image, numeric
from mlp_toolkit.model.layers.columns import Columns


class Kind(NamedTuple):
    """What stands for a kind of column in a model file.

    Attributes:
        layer: The class of its layer.
        encoded: Its part and the raw columns → a tensor.
        parts_of: Its layer → the parts that it was built from.
    """

    layer: type
    encoded: Callable[[Any, Columns], Tensor]
    parts_of: Callable[[Any], list[Part]]


# In the order in which they stand in an encoded row.
KINDS = {
    "numeric": Kind(numeric.Numbers, numeric.encoded, numeric.parts_of),
    "date": Kind(date.DateParts, date.encoded, date.parts_of),
    "categorical": Kind(categorical.OneHot, categorical.encoded, categorical.parts_of),
    "image": Kind(image.Images, image.encoded, image.parts_of),
}


def encoding_layers(encoding: Encoding, columns: Columns) -> Tensor:
    """Raw columns → (rows, encoding.width) float32, as `encode` does it."""
    numbers = [KINDS[part.kind].encoded(part, columns) for part in encoding.parts if part.numbers]
    pieces = []
    if numbers:
        both = columns.joined(numbers, "all_numbers")
        own = next((part for part in encoding.parts if isinstance(part, Numeric)), Numeric(()))
        scaling = encoding.scaling
        settings = (scaling.fill, scaling.center, scaling.inverse_scale, scaling.indicators)
        pieces.append(numeric.Numbers(own.columns, *settings, gaps=own.gaps, name=columns.free("numbers"))(both))
    pieces += [KINDS[part.kind].encoded(part, columns) for part in encoding.parts if part.width]
    return columns.joined(pieces, "encoded")


def encoding_in(model: Network) -> Encoding:
    """The encoding that a model file's layers hold.

    Raises:
        UserError: The model has none: it takes encoded numbers.
    """
    parts = parts_in(model)
    if not parts:
        raise UserError(
            "this model takes encoded numbers, not raw rows: it was not written by `mlp-toolkit run`",
            remedy="Use mlp_toolkit.predict on an array.",
        )
    scaling = next((layer.scaling() for layer in model.layers if isinstance(layer, numeric.Numbers)), Scaling())
    return Encoding(tuple(parts), scaling)


def parts_in(model: Network) -> list[Part]:
    """The parts that the layers of a model hold, in the order of the kinds."""
    by_class = {type(layer): layer for layer in model.layers}
    found = [kind.parts_of(by_class[kind.layer]) for kind in KINDS.values() if kind.layer in by_class]
    return [part for parts in found for part in parts]
