"""What the encoded columns of a recipe are to a RealMLP network."""

from __future__ import annotations

import numpy as np

from mlp_toolkit.data.columns.categorical import Categorical
from mlp_toolkit.data.columns.encoder import Encoding
from mlp_toolkit.model.members.network import Columns

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
