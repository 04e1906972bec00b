"""A step in a loop over all batches of a block, compiled."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.keras_private import fast_random_numbers
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.training.engine.rows import Arrays, Rows
from mlp_toolkit.training.engine.steps import Step


def functions(step: Step, rows: Rows, batch_size: int, xla: bool) -> dict[int, Any]:
    """A compiled function for each size of block among these rows."""
    sizes = {rows.block_rows, rows.rows % rows.block_rows or rows.block_rows}
    functions = {}
    for size in sorted(sizes, reverse=True):
        specs = [tf.TensorSpec((size, *array.shape[1:]), tf.as_dtype(array.dtype)) for array in rows.first]
        epoch = _looped(step, size, batch_size)
        with fast_random_numbers() if xla else contextlib.nullcontext():
            functions[size] = tf.function(epoch, jit_compile=xla).get_concrete_function(*specs)
    return functions


def _looped(step: Step, rows: int, batch_size: int) -> Callable[..., None]:
    """A function of a block of so many rows that carries out `step` on every batch of it."""
    whole, rest = divmod(rows, batch_size)

    def batch(arrays: Arrays, index: Tensor, size: int) -> Arrays:
        begin = index * batch_size
        cut = (tf.slice(a, [begin, *[0] * (len(a.shape) - 1)], [size, *a.shape[1:]]) for a in arrays)
        return tuple(tf.ensure_shape(piece, (size, *piece.shape[1:])) for piece in cut)

    def epoch(*arrays: Tensor) -> None:
        def body(index: Tensor) -> tuple[Tensor]:
            step(batch(arrays, index, batch_size), index)
            return (index + 1,)

        if whole:
            tf.while_loop(lambda index: index < whole, body, (tf.constant(0),))
        if rest:
            step(batch(arrays, tf.constant(whole), rest), tf.constant(whole))

    return epoch
