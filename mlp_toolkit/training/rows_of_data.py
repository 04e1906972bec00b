"""A recipe's rows, encoded, as the engine takes them: in memory, or streamed.

Both pass the checks that a user's arrays pass.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mlp_toolkit.data import weights
from mlp_toolkit.data.columns.encoder import encode
from mlp_toolkit.data.pieces import Piece, RecipeData
from mlp_toolkit.data.streaming import stream
from mlp_toolkit.data.streaming.row_cache import Spool
from mlp_toolkit.data.streaming.stream import Stream
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.recipe.spec import Recipe
from mlp_toolkit.training.engine.rows import Resident, Rows, Streamed, ahead, row_order, with_class_weights
from mlp_toolkit.training.output import checked_arrays, class_values

# A block takes the engine some tens of milliseconds: much longer than handing it over, much shorter than an epoch.
BLOCK_ROWS = 65_536


def rows_of(network: Network, data: RecipeData, spec: Recipe) -> tuple[Rows, Resident | None, np.ndarray | None]:
    """What a network learns from, what it is validated on after each epoch if anything, and its class weights.

    Args:
        network: The network they are for.
        data: The recipe's data.
        spec: The recipe.
    """
    names = data.target.classes or data.target.names  # what class weights speak of: classes, or labels
    by_class = weights.class_weights(data.class_counts, names, spec.train.class_weight)
    door = _Door(network, data, by_class)
    if isinstance(data, Stream):
        return _streamed(data, spec, door), Resident(door.validated(data.samples["validation"])), by_class
    (learned,) = map(door.learned, data.pieces("train"))
    total = len(learned[0])
    rows = Resident(learned, lambda epoch: row_order(total, spec.seed, epoch))
    validated = map(door.validated, data.pieces("validation") if data.counts["validation"] else ())
    return rows, next(map(Resident, validated), None), by_class


class _Door(NamedTuple):
    """Where raw rows become arrays that fit a network."""

    network: Network
    data: RecipeData
    by_class: np.ndarray | None

    def learned(self, piece: Piece) -> tuple[np.ndarray, ...]:
        """x, y, and where there are any the weights."""
        x, y = encode(piece.frame, self.data.encoding), self.data.target.encode(piece.values)
        x, y, output = checked_arrays(self.network, x, y, "X", "y")
        if self.by_class is None:
            return (x, y) if piece.weights is None else (x, y, piece.weights)
        own = weights.row_weights(class_values(output, y)[0], self.by_class, piece.weights)
        assert own is not None
        return x, y, own

    def validated(self, piece: Piece) -> tuple[np.ndarray, ...]:
        """x, y, and their own weights; where classes are weighed, those of the loss that training lowers, too."""
        x, y = encode(piece.frame, self.data.encoding), self.data.target.encode(piece.values)
        x, y, output = checked_arrays(self.network, x, y, "validation X", "validation y")
        if self.by_class is None:
            return (x, y) if piece.weights is None else (x, y, piece.weights)
        return with_class_weights(x, y, piece.weights, class_values(output, y)[0], self.by_class)


def _streamed(data: Stream, spec: Recipe, door: _Door) -> Streamed:
    first = door.learned(data.samples["train"].head())
    pool_rows = stream.pool_rows(sum(array.nbytes for array in first))
    block_rows = max(1, min(BLOCK_ROWS, pool_rows) // spec.train.batch_size) * spec.train.batch_size

    spool = Spool(data.spool) if data.spool else None

    def group(number: int) -> Iterator[tuple[np.ndarray, ...]]:
        return map(door.learned, data.group(number))

    def read(epoch: int) -> Iterator[tuple[np.ndarray, ...]]:
        pieces = itertools.chain.from_iterable(
            spool.group(number, functools.partial(group, number)) if spool else group(number)
            for number in data.order(epoch)
        )
        random = np.random.default_rng([spec.seed, epoch, 1])
        # While one pool is given out, the next is read.
        read_ahead = ahead(pieces, most=max(1, pool_rows // stream.piece_rows(data.encoding.width)))
        return stream.shuffled(read_ahead, pool_rows, block_rows, random)

    return Streamed(data.counts["train"], block_rows, first, read)
