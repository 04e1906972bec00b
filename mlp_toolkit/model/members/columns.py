"""What the encoded columns of a recipe are to a RealMLP network."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlp_toolkit.data.columns.categorical import Categorical
from mlp_toolkit.data.columns.encoder import Encoding
from mlp_toolkit.errors import listing
from mlp_toolkit.model.members.network import Columns
from mlp_toolkit.model.members.numbers import robust_scale_of

# Categories of more values than these are embedded, in so many coordinates (RealMLP, arXiv 2407.04491).
MOST_ONE_HOT, COORDINATES = 8, 8
# Numbers of only two values have nothing to gain by an embedding.
FEW_VALUES = 2
# Of more numbers than these none is embedded: a number costs a step of eight members 0.1 to 0.2 ms on 2 cores, so that
# these take twice the time of all the rest.
MOST_EMBEDDED = 128


def columns_of(encoding: Encoding, x: np.ndarray) -> Columns:
    """Which encoded columns are numbers to be embedded, and which belong to one category of many values.

    Args:
        encoding: Of the rows.
        x: Some encoded training rows, (rows, width).
    """
    categories, begin = [], encoding.scaling.width
    for part in encoding.parts:
        place = begin
        for _, values in part.vocabularies if isinstance(part, Categorical) else ():
            if len(values) > MOST_ONE_HOT:
                categories.append((place, len(values), COORDINATES))
            place += len(values)
        begin += part.width
    taken = {place for first, size, _ in categories for place in range(first, first + size)}
    ordered = np.sort(x, axis=0)
    values_of = 1 + (np.diff(ordered, axis=0) != 0).sum(axis=0) if len(x) else np.zeros(x.shape[1])
    numbers = [place for place in range(x.shape[1]) if place not in taken and values_of[place] > FEW_VALUES]
    return Columns(tuple(numbers if len(numbers) <= MOST_EMBEDDED else ()), tuple(categories))


def told_of_tails(network: Any, encoding: Encoding) -> list[str]:
    """What there is to say of columns whose tails are so long that the network takes them like a logarithm.

    Args:
        network: Fitted to rows; or one that takes columns as they are, of which there is nothing to say.
        encoding: Of the rows.
    """
    scale = robust_scale_of(network)
    names = [name for part in encoding.parts for name in part.names for _ in range(part.numbers // len(part.names))]
    long = dict.fromkeys(names[place] for place in scale.with_tails) if scale else ()
    return [f"numbers far away count like their logarithm, for tails are long: {listing(long, 8)}"] if long else []
