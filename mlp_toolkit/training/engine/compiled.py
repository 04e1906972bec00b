"""A step in a loop over all batches of a block, compiled; the last batch, which is smaller, is a step of its own."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.keras_private import fast_random_numbers
from mlp_toolkit.model.keras_types import Tensor, Variable
from mlp_toolkit.model.programs import kept
from mlp_toolkit.training.engine.counting import Gathered
from mlp_toolkit.training.engine.rows import Arrays, Rows
from mlp_toolkit.training.engine.steps import Step


class Tally(NamedTuple):
    """What counts an epoch: begins anew, and tells its logs."""

    reset: Callable[[], Any]
    results: Callable[[], dict[str, Any]]


class Pass(NamedTuple):
    """A compiled function that goes once over a block of rows.

    Attributes:
        function: Takes whether a block is the first of an epoch, how many rows it has, and its arrays; gives the logs.
        room: For how many rows the arrays must have room; None where it does not matter.
    """

    function: Callable[..., dict[str, Any]]
    room: int | None

    def __call__(self, first: bool, rows: int, arrays: Arrays) -> dict[str, Any]:
        """Goes over a block."""
        return self.function(tf.constant(first), tf.constant(rows), *arrays)


def compiled(
    step: Step,
    rows: Rows,
    batch_size: int,
    *,
    xla: bool,
    tally: Tally | None,
    key: Hashable | None,
    variables: Sequence[Variable],
    gathered: Gathered | None = None,
) -> Pass:
    """Compiles a step over all blocks of these rows, or takes a program that is kept.

    Args:
        step: A step of training or validation, which returns its predictions where they are gathered.
        rows: What it will go over.
        batch_size: Rows of a step.
        xla: Whether XLA compiles the loop over whole batches. The last batch, one of an epoch, is left to TensorFlow's
            graph: its size differs from data set to data set, and each would be a compilation.
        tally: What counts; None on several devices, where that is done outside, and which ask for steps of known size.
        key: What the step depends on besides its variables; None keeps the program for nobody else.
        variables: All that it reads and writes.
        gathered: How the metrics are counted at once; None where each step counts them.
    """
    sizes = {rows.block_rows, rows.rows % rows.block_rows or rows.block_rows}
    if tally is None:
        return _for_sizes(step, rows, batch_size, sizes)
    whole, rest = any(size >= batch_size for size in sizes), any(size % batch_size for size in sizes)
    room = _room(rows.block_rows, batch_size) if xla and whole else None
    specs = [(tf.as_dtype(array.dtype).name, (room, *array.shape[1:])) for array in rows.first]
    function = kept.program(
        (key, xla, batch_size, whole, rest, *specs) if key is not None else None,
        variables,
        lambda: _traced(_over(step, batch_size, tally, gathered, whole=whole, rest=rest, xla=xla), specs),
    )
    return Pass(function, room)


def _for_sizes(step: Step, rows: Rows, batch_size: int, sizes: set[int]) -> Pass:
    """A compiled function for each size of block."""
    by_size = {}
    for size in sizes:
        specs = [(tf.as_dtype(array.dtype).name, (size, *array.shape[1:])) for array in rows.first]
        by_size[size] = _traced(_over_block(step, batch_size, size), specs)
    return Pass(lambda first, rows, *arrays: by_size[int(rows)](first, rows, *arrays), None)


def _room(rows: int, batch_size: int) -> int:
    """Rows for which a program of XLA has room: up to an eighth more, so that like numbers of rows share a program."""
    batches = -(-rows // batch_size)
    step = 2 ** max(0, batches.bit_length() - 4)
    return int(-(-batches // step) * step * batch_size)


def _traced(function: Callable[..., Any], specs: Sequence[tuple[str, tuple[Any, ...]]]) -> Any:
    arrays = [tf.TensorSpec(shape, dtype) for dtype, shape in specs]
    traced = tf.function(function, autograph=False)
    return traced.get_concrete_function(tf.TensorSpec((), tf.bool), tf.TensorSpec((), tf.int32), *arrays)


def _over(
    step: Step, batch_size: int, tally: Tally, gathered: Gathered | None, *, whole: bool, rest: bool, xla: bool
) -> Callable[..., dict[str, Any]]:
    """A function of a block of rows, of whatever number, that carries out `step` on every batch of it."""
    loop = _gathering(step, batch_size, gathered) if gathered else _loop(step, batch_size)
    if xla:
        loop = _by_xla(loop)

    def epoch(first: Tensor, rows: Tensor, *arrays: Tensor) -> dict[str, Any]:
        _where(first, tally.reset)
        batches = rows // batch_size
        done = batches * batch_size
        found: list[Any] = [loop(batches, *arrays)] if whole else []
        if rest:
            last = tuple(array[done:rows] for array in arrays)
            if gathered is None:
                _where(done < rows, lambda: step(last, batches))
            else:
                nothing = tf.zeros((0, *gathered.shape), gathered.dtype)
                found = [part[:done] for part in found]
                found.append(tf.cond(done < rows, lambda: step(last, batches)["predicted"], lambda: nothing))
        if gathered is not None:
            gathered.tell(tf.concat(found, axis=0), rows, arrays)
        return tally.results()

    return epoch


def _by_xla(loop: Callable[..., Any]) -> Callable[..., Any]:
    """The loop as XLA compiles it."""
    compiled_loop = tf.function(loop, autograph=False, jit_compile=True)

    def traced(*given: Any) -> Any:
        with fast_random_numbers():
            return compiled_loop(*given)

    return traced


def _over_block(step: Step, batch_size: int, size: int) -> Callable[..., dict[str, Any]]:
    """A function of a block of so many rows that carries out `step` on every batch of it."""
    loop, whole = _loop(step, batch_size), size // batch_size

    def epoch(first: Tensor, rows: Tensor, *arrays: Tensor) -> dict[str, Any]:
        if whole:
            loop(tf.constant(whole), *arrays)
        if size % batch_size:
            step(tuple(array[whole * batch_size :] for array in arrays), tf.constant(whole))
        return {}

    return epoch


def _loop(step: Step, batch_size: int) -> Callable[..., None]:
    """Carries out `step` on so many whole batches of arrays."""

    def loop(batches: Tensor, *arrays: Tensor) -> None:
        def body(index: Tensor) -> tuple[Tensor]:
            step(_batch(arrays, index, batch_size), index)
            return (index + 1,)

        tf.while_loop(lambda index: index < batches, body, (tf.constant(0),))

    return loop


def _gathering(step: Step, batch_size: int, gathered: Gathered) -> Callable[..., Tensor]:
    """The same, which gives the predictions of all steps, (rows, …); what stands behind them means nothing."""

    def loop(batches: Tensor, *arrays: Tensor) -> Tensor:
        def body(index: Tensor, predicted: Any) -> tuple[Tensor, Any]:
            found = step(_batch(arrays, index, batch_size), index)["predicted"]
            return index + 1, predicted.write(index, found)

        room = arrays[0].shape[0]
        held = tf.TensorArray(
            gathered.dtype,
            size=batches if room is None else room // batch_size,  # XLA asks for a number
            element_shape=(batch_size, *gathered.shape),
        )
        _, held = tf.while_loop(lambda index, _: index < batches, body, (tf.constant(0), held))
        return tf.reshape(held.stack(), (-1, *gathered.shape))

    return loop


def _batch(arrays: Arrays, index: Tensor, batch_size: int) -> Arrays:
    """The rows of a step, of known number."""
    begin = index * batch_size
    cut = (tf.slice(a, [begin, *[0] * (len(a.shape) - 1)], [batch_size, *a.shape[1:]]) for a in arrays)
    return tuple(tf.ensure_shape(piece, (batch_size, *piece.shape[1:])) for piece in cut)


def _where(condition: Tensor, do: Callable[[], Any]) -> None:
    """Does something where a condition holds."""

    def done() -> Tensor:
        do()
        return tf.constant(0)

    tf.cond(condition, done, lambda: tf.constant(0))
