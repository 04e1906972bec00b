"""A recipe's rows, encoded, as the engine takes them: in memory, or streamed."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlp_toolkit import features, streaming, weights
from mlp_toolkit.blocks import Resident, Rows, Streamed, ahead
from mlp_toolkit.dataset import Dataset, Piece
from mlp_toolkit.errors import UserError
from mlp_toolkit.resident import resident, resident_validation
from mlp_toolkit.spec import Recipe
from mlp_toolkit.spool import Spool
from mlp_toolkit.streaming import Stream

# A block takes the engine some tens of milliseconds: much longer than handing it over, much shorter than an epoch.
BLOCK_ROWS = 65_536


def rows_of(network: Any, data: Dataset | Stream, spec: Recipe) -> tuple[Rows, Resident | None]:
    """What a network learns from, and what it is validated on after each epoch.

    Args:
        network: The network they are for.
        data: The recipe's data.
        spec: The recipe.
    """
    if isinstance(data, Stream):
        return _streamed(data, spec), Resident(_encoded(data, data.samples["validation"], None))
    x = {part: features.encode(data.frame.iloc[data.parts[part]], data.encoding) for part in ("train", "validation")}
    learned = resident(
        network,
        x["train"],
        data.labels("train"),
        class_weight=spec.train.class_weight,
        sample_weight=data.part_weights("train"),
        classes=data.target.classes or None,
        seed=spec.seed,
    )
    held_out = (x["validation"], data.labels("validation"), data.part_weights("validation"))
    return learned, resident_validation(network, held_out)


def _streamed(data: Stream, spec: Recipe) -> Streamed:
    if spec.train.class_weight is not None and not data.target.classes:
        raise UserError(f"class_weight is for binary and multiclass; this recipe is for {data.target.task}")
    by_class = weights.class_weights(data.class_counts, data.target.classes, spec.train.class_weight)
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
    x = features.encode(piece.frame, data.encoding)
    y = data.target.encode(piece.values)
    own = piece.weights
    if by_class is not None:
        of_class = by_class[piece.values[:, 0].astype(int)].astype(np.float32)
        own = of_class if own is None else own * of_class
    return (x, y) if own is None else (x, y, own)
