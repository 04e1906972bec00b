"""A recipe's rows, encoded, as the engine takes them: in memory, or streamed.

Both pass the checks that a user's arrays pass.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mlp_toolkit.data import arrays, weights
from mlp_toolkit.data.columns.encoder import encode
from mlp_toolkit.data.pieces import Piece, RecipeData
from mlp_toolkit.data.streaming import stream
from mlp_toolkit.data.streaming.row_cache import Spool
from mlp_toolkit.data.streaming.stream import Stream
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.model.parts.losses import loss_name
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
    if data.folds is not None:
        learned = (*learned, *(() if len(learned) > 2 else (np.ones(len(learned[0]), np.float32),)), data.folds)
    total = len(learned[0])
    rows = Resident(learned, lambda epoch: row_order(total, spec.seed, epoch))
    validated = map(door.validated, data.pieces("validation") if data.counts["validation"] else ())
    return rows, next(map(Resident, validated), None), by_class


def sample(data: RecipeData, most: int, seed: int) -> np.ndarray:
    """Some encoded training rows, (rows, width): drawn by a seed where there are more than `most`."""
    piece = next(data.pieces("train"))
    rows = len(piece.frame)
    if rows <= most:
        return encode(piece.frame, data.encoding)
    drawn = np.sort(np.random.default_rng([seed, 3]).permutation(rows)[:most])
    return encode(piece.frame.iloc[drawn], data.encoding)


def reach(data: RecipeData) -> tuple[list[float], list[float]]:
    """The least and the greatest of each target among the training rows, as a network learns them.

    None for classes and labels, and for rows that are streamed, of which there is a sample alone.
    """
    if data.target.task != "regression" or data.streamed:
        return [], []
    (piece,) = data.pieces("train")
    values = data.target.encode(piece.values)
    return values.min(axis=0).tolist(), values.max(axis=0).tolist()


class _Door(NamedTuple):
    """Where raw rows become arrays that fit a network."""

    network: Network
    data: RecipeData
    by_class: np.ndarray | None

    def _targets(self, piece: Piece) -> np.ndarray:
        """The targets as the network's loss takes them: of several classes their numbers, or one-hot rows."""
        target = self.data.target
        y = target.encode(piece.values)
        if target.task == "multiclass" and loss_name(self.network.loss) in arrays.ONE_HOT:
            one_hot: np.ndarray = np.eye(target.n_outputs, dtype=np.float32)[y[:, 0]]
            return one_hot
        return y

    def learned(self, piece: Piece) -> tuple[np.ndarray, ...]:
        """x, y, and where there are any the weights."""
        x, y = encode(piece.frame, self.data.encoding), self._targets(piece)
        x, y, output = checked_arrays(self.network, x, y, "X", "y")
        if self.by_class is None:
            return (x, y) if piece.weights is None else (x, y, piece.weights)
        own = weights.row_weights(class_values(output, y)[0], self.by_class, piece.weights)
        assert own is not None
        return x, y, own

    def validated(self, piece: Piece) -> tuple[np.ndarray, ...]:
        """x, y, and their own weights; where classes are weighed, those of the loss that training lowers, too."""
        x, y = encode(piece.frame, self.data.encoding), self._targets(piece)
        x, y, output = checked_arrays(self.network, x, y, "validation X", "validation y")
        if self.by_class is None:
            return (x, y) if piece.weights is None else (x, y, piece.weights)
        return with_class_weights(x, y, piece.weights, class_values(output, y)[0], self.by_class)


def _streamed(data: Stream, spec: Recipe, door: _Door) -> Streamed:
    first = door.learned(data.samples["train"].head())
    pool_rows = stream.pool_rows(sum(array.nbytes for array in first))
    batch_size = spec.train.batch_size_of(data.counts["train"])
    block_rows = max(1, min(BLOCK_ROWS, pool_rows) // batch_size) * batch_size

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
