"""A recipe's rows, encoded, as the engine takes them: in memory, or streamed."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlp_toolkit import features, streaming, weights
from mlp_toolkit.blocks import Resident, Rows, Streamed, ahead
from mlp_toolkit.dataset import Dataset, Piece
from mlp_toolkit.resident import resident, resident_validation, with_class_weights
from mlp_toolkit.spec import Recipe
from mlp_toolkit.spool import Spool
from mlp_toolkit.streaming import Stream

# A block takes the engine some tens of milliseconds: much longer than handing it over, much shorter than an epoch.
BLOCK_ROWS = 65_536


def rows_of(network: Any, data: Dataset | Stream, spec: Recipe) -> tuple[Rows, Resident | None, np.ndarray | None]:
    """What a network learns from, what it is validated on after each epoch if anything, and its class weights.

    Args:
        network: The network they are for.
        data: The recipe's data.
        spec: The recipe.
    """
    if isinstance(data, Stream):
        by_class = weights.class_weights(data.class_counts, _names(data), spec.train.class_weight)
        validation = Resident(_validated(data, data.samples["validation"], by_class))
        return _streamed(data, spec, by_class), validation, by_class
    learned, by_class = resident(
        network,
        _x(data, "train"),
        data.labels("train"),
        class_weight=spec.train.class_weight,
        sample_weight=data.part_weights("train"),
        classes=_names(data),
        seed=spec.seed,
    )
    if not data.counts["validation"]:
        return learned, None, by_class
    held_out = (_x(data, "validation"), data.labels("validation"), data.part_weights("validation"))
    return learned, resident_validation(network, held_out, by_class), by_class


def _x(data: Dataset, part: str) -> np.ndarray:
    return features.encode(data.frame.iloc[data.parts[part]], data.encoding)


def _names(data: Dataset | Stream) -> Sequence[Any]:
    """What class weights speak of: classes, or labels."""
    return data.target.classes or data.target.names


def _streamed(data: Stream, spec: Recipe, by_class: np.ndarray | None) -> Streamed:
    first = _encoded(data, data.samples["train"].head(), by_class)
    pool_rows = streaming.pool_rows(sum(array.nbytes for array in first))
    block_rows = max(1, min(BLOCK_ROWS, pool_rows) // spec.train.batch_size) * spec.train.batch_size

    spool = Spool(data.spool) if data.spool else None

    def group(number: int) -> Iterator[tuple[np.ndarray, ...]]:
        return (_encoded(data, piece, by_class) for piece in data.group(number))

    def read(epoch: int) -> Iterator[tuple[np.ndarray, ...]]:
        pieces = itertools.chain.from_iterable(
            spool.group(number, functools.partial(group, number)) if spool else group(number)
            for number in data.order(epoch)
        )
        random = np.random.default_rng([spec.seed, epoch, 1])
        # While one pool is given out, the next is read.
        read_ahead = ahead(pieces, most=max(1, pool_rows // streaming.piece_rows(data.encoding.width)))
        return streaming.shuffled(read_ahead, pool_rows, block_rows, random)

    return Streamed(data.counts["train"], block_rows, first, read)


def _encoded(data: Stream, piece: Piece, by_class: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """x, y, and where there are any the weights."""
    x, y = features.encode(piece.frame, data.encoding), data.target.encode(piece.values)
    own = weights.row_weights(_class_values(data, piece), by_class, piece.weights)
    return (x, y) if own is None else (x, y, own)


def _validated(data: Stream, piece: Piece, by_class: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """The same for validation rows, as `resident_validation` gives them."""
    rows = _encoded(data, piece, None)
    if by_class is None:
        return rows
    return with_class_weights(rows[0], rows[1], piece.weights, _class_values(data, piece), by_class)


def _class_values(data: Stream, piece: Piece) -> np.ndarray:
    return piece.values if data.target.task == "multilabel" else piece.values[:, 0]
