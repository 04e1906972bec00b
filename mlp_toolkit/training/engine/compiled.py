"""A step in a loop over all batches of a block, compiled."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from mlp_toolkit.blocks import Arrays, Rows
from mlp_toolkit.startup import tf
from mlp_toolkit.steps import Step


def functions(step: Step, rows: Rows, batch_size: int, xla: bool) -> dict[int, Any]:
    """A compiled function for each size of block among these rows."""
    sizes = {rows.block_rows, rows.rows % rows.block_rows or rows.block_rows}
    functions = {}
    for size in sorted(sizes, reverse=True):
        specs = [tf.TensorSpec((size, *array.shape[1:]), tf.as_dtype(array.dtype)) for array in rows.first]
        epoch = _looped(step, size, batch_size)
        with _fast_random_numbers() if xla else contextlib.nullcontext():
            functions[size] = tf.function(epoch, jit_compile=xla).get_concrete_function(*specs)
    return functions


def _looped(step: Step, rows: int, batch_size: int) -> Callable[..., None]:
    """A function of a block of so many rows that carries out `step` on every batch of it."""
    whole, rest = divmod(rows, batch_size)

    def batch(arrays: Arrays, index: Any, size: int) -> Arrays:
        begin = index * batch_size
        cut = (tf.slice(a, [begin, *[0] * (len(a.shape) - 1)], [size, *a.shape[1:]]) for a in arrays)
        return tuple(tf.ensure_shape(piece, (size, *piece.shape[1:])) for piece in cut)

    def epoch(*arrays: Any) -> None:
        def body(index: Any) -> tuple[Any]:
            step(batch(arrays, index, batch_size), index)
            return (index + 1,)

        if whole:
            tf.while_loop(lambda index: index < whole, body, (tf.constant(0),))
        if rest:
            step(batch(arrays, tf.constant(whole), rest), tf.constant(whole))

    return epoch


@contextlib.contextmanager
def _fast_random_numbers() -> Iterator[None]:
    """While XLA's program is traced, Keras draws its random numbers by the algorithm that XLA is fast at.

    Left to choose, XLA took 40 to 80 ns for a number on a CPU, and dropout cost more than all the rest of training.
    Philox, which TensorFlow's graph draws by, takes 9 ns there, Threefry 1 to 2. So dropout's masks differ from those
    of the other engines; equally random, and the same for the same seed.
    """
    tracing = threading.get_ident()

    def fast(function: Callable[..., Any], argument: str) -> Callable[..., Any]:
        def draw(*args: Any, **kwargs: Any) -> Any:
            chosen = {argument: "threefry"} if threading.get_ident() == tracing else {}
            return function(*args, **{**chosen, **kwargs})

        return draw

    with contextlib.ExitStack() as stack:
        for module, name, argument in (
            (tf.nn.experimental, "stateless_dropout", "rng_alg"),
            (tf.random, "stateless_uniform", "alg"),
            (tf.random, "stateless_normal", "alg"),
            (tf.random, "stateless_truncated_normal", "alg"),
        ):
            stack.enter_context(mock.patch.object(module, name, fast(getattr(module, name), argument)))
        yield
