"""Rows as the engines take them, block by block: all of them resident in memory, or read ahead from files."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from mlp_toolkit.data.weights import row_weights
from mlp_toolkit.model.backend import tf

Arrays = tuple[Any, ...]  # x, y and perhaps row weights, (rows, …) each


class Rows(Protocol):
    """What an engine trains or validates on.

    Attributes:
        rows: How many there are.
        block_rows: Rows of a block; the last block of an epoch holds what is left.
        first: A few of the rows, for their shapes and types.
    """

    rows: int
    block_rows: int
    first: Arrays

    def blocks(self, epoch: int, room: int | None = None) -> Iterator[Arrays]:
        """All rows once, in the order of an epoch, counted from 0.

        With `room`, the arrays of each block have so many rows; those beyond the block's own mean nothing.
        """

    def close(self) -> None:
        """Ends what goes on between epochs."""


class Resident:
    """Rows that fit in memory: one block.

    Args:
        arrays: x, y and perhaps row weights.
        order: The order of rows in an epoch; None for the rows as they stand.
    """

    def __init__(self, arrays: Sequence[np.ndarray], order: Callable[[int], np.ndarray] | None = None) -> None:
        self.rows = self.block_rows = len(arrays[0])
        self.first = tuple(array[:1].copy() for array in arrays)  # a view would keep the whole array
        self._arrays: Arrays = tuple(arrays)  # in their own order, perhaps with room behind them
        self._placed = False
        self._order = order

    def blocks(self, epoch: int, room: int | None = None) -> Iterator[Arrays]:
        """The block, on the device that trains.

        One shuffled copy an epoch costs 3 % of it at 500,000 rows; gathering every batch costs 10 to 30 %.
        """
        if not self._placed:
            self._arrays, self._placed = tuple(tf.constant(array) for array in self._arrays), True
        if self._order is not None:
            order = self._order(epoch)
            if room is not None:
                order = np.concatenate([order, np.zeros(room - self.rows, order.dtype)])
            in_turn = tf.constant(order)
            # What `tf.gather` does besides takes as long again, for a few hundred rows.
            yield tuple(tf.raw_ops.GatherV2(params=array, indices=in_turn, axis=0) for array in self._arrays)
            return
        held = int(self._arrays[0].shape[0])
        if room is not None and held != room:
            self._arrays = tuple(with_room(array[: self.rows], room) for array in self._arrays)
        yield self._arrays if room is not None or held == self.rows else tuple(a[: self.rows] for a in self._arrays)

    def in_order(self) -> tuple[np.ndarray, ...]:
        """The arrays, in the order in which they came."""
        return tuple(np.asarray(array)[: self.rows] for array in self._arrays)

    def close(self) -> None:
        """Nothing goes on."""


class Streamed:
    """Rows that are read while the network trains on those before them.

    Args:
        rows: How many there are.
        block_rows: Rows of every block but the last.
        first: A few of the rows.
        read: Gives the blocks of an epoch.
    """

    def __init__(
        self, rows: int, block_rows: int, first: Arrays, read: Callable[[int], Iterator[Sequence[np.ndarray]]]
    ) -> None:
        self.rows, self.block_rows, self.first = rows, min(block_rows, rows), first
        self._read = read
        self._coming: int | None = None  # the epoch whose blocks come next from `_blocks`
        self._blocks: Iterator[Arrays | None] = iter(())

    def blocks(self, epoch: int, room: int | None = None) -> Iterator[Arrays]:
        """The blocks, each read while the one before it is in use; after the last, those of the next epoch are."""
        if self._coming != epoch:
            self.close()
            self._blocks = ahead(self._from(epoch))
        self._coming = None
        for arrays in self._blocks:
            if arrays is None:
                self._coming = epoch + 1
                return
            yield arrays if room is None else tuple(with_room(array, room) for array in arrays)

    def close(self) -> None:
        """Ends reading ahead."""
        self._coming = None
        if isinstance(self._blocks, Generator):
            self._blocks.close()

    def _from(self, epoch: int) -> Iterator[Arrays | None]:
        """The blocks of all epochs from one on, None after each."""
        for number in itertools.count(epoch):
            for arrays in self._read(number):
                yield tuple(tf.constant(array) for array in arrays)
            yield None


def with_room(array: Any, room: int) -> Any:
    """A tensor with zeros behind its rows, so many rows in all."""
    missing = room - int(array.shape[0])
    return tf.pad(array, [[0, missing], *[[0, 0]] * (len(array.shape) - 1)]) if missing else array


_END = object()


def ahead(items: Iterator[Any], most: int = 1) -> Iterator[Any]:
    """The items, made in a thread of their own, so many ahead of their use. An error in making one is raised here."""
    waiting: queue.Queue[Any] = queue.Queue(maxsize=most)
    abandoned = threading.Event()

    def hand_over(item: Any) -> bool:
        while not abandoned.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not hand_over((item, None)):
                    return
        except BaseException as error:  # raised again by whoever uses the items
            hand_over((None, error))
        else:
            hand_over((_END, None))

    thread = threading.Thread(target=work, name="mlp_toolkit reader", daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
            del item  # not kept while the next one is waited for
    finally:
        abandoned.set()
        thread.join()


def row_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order of rows in an epoch (from 0): a function of its arguments alone."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def with_class_weights(
    x: np.ndarray, y: np.ndarray, own: np.ndarray | None, values: np.ndarray, by_class: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The four arrays of validation rows: x, y, their own weights, and those times the weights of their classes."""
    own = own if own is not None else np.ones(len(x), np.float32)
    weights = row_weights(values, by_class, own)
    assert weights is not None
    return x, y, own, weights
