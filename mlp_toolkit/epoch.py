"""The compiled epoch: Keras's own `train_step` in a loop over all steps, the whole epoch one call.

`Model.fit` spends a millisecond or more a step on what surrounds the arithmetic. Here TensorFlow runs the loop itself,
over rows that are in memory. The arithmetic is Keras's: the same `train_step`, the same batches, the last smaller.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

from mlp_toolkit.blocks import Arrays, Rows
from mlp_toolkit.startup import keras, tf
from mlp_toolkit.state import variables

log = logging.getLogger("mlp_toolkit")

# Whether compiling by XLA pays. It takes 0.3 to 0.9 s more than TensorFlow's graph does (2 to 5 layers, with
# validation), and saves so much a step, measured on 2 cores: hidden 10, batch 32: 0.08 ms; 64-64, batch 32: 0.11 ms;
# 5 × 100, batch 32: 0.21 ms; 3 × 512, batch 256: 1.0 ms. That is close to a constant and a share of the weights.
XLA_SECONDS_TO_COMPILE = 0.9
XLA_SECONDS_SAVED_A_STEP = 8e-5
XLA_SECONDS_SAVED_A_STEP_AND_WEIGHT = 2e-9

BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def run(
    model: Any,
    rows: Rows,
    validation: Rows | None,
    *,
    batch_size: int,
    validation_batch_size: int,
    epochs: int,
    initial_epoch: int,
    callbacks: Sequence[Any],
) -> tuple[Any, str]:
    """Does what `Model.fit` does: an epoch a call where that is possible, step by step where it is not.

    Args:
        model: A compiled Keras model. Where its variables are mirrored on several devices, they share each batch.
        rows: What it learns from. A block holds whole batches, the last of an epoch excepted.
        validation: The validation rows, or None.
        batch_size: Rows of a step.
        validation_batch_size: Rows of a validation step.
        epochs: The number of the last epoch.
        initial_epoch: Epochs done before.
        callbacks: Keras callbacks.

    Returns:
        A `keras.callbacks.History`, and the engine that trained: `xla` and `graph` are compiled, `steps` is not.
    """
    steps = math.ceil(rows.rows / batch_size)
    engines = _engines(model, callbacks, steps * epochs)
    loop, engine = _loop(engines, model, rows, validation, (batch_size, validation_batch_size))
    history = keras.callbacks.History()
    model.stop_training = False
    told = keras.callbacks.CallbackList([*callbacks, history], model=model, epochs=epochs, steps=steps, verbose=0)
    told.on_train_begin()
    try:
        logs = _epochs(model, loop, range(initial_epoch, epochs), validation is not None, told)
    finally:
        rows.close()
    if epochs > initial_epoch:
        model.optimizer.finalize_variable_values(model.trainable_weights)  # averaged weights take their place
    told.on_train_end(logs)
    return history, engine


def _epochs(model: Any, loop: _Compiled | _Steps, numbers: range, validated: bool, told: Any) -> dict[str, float]:
    """Trains epoch by epoch; the logs of the last."""
    logs: dict[str, float] = {}
    for epoch in numbers:
        told.on_epoch_begin(epoch)
        logs = loop.train(epoch, told)
        if validated:
            told.on_test_begin()
            found = loop.validate()
            told.on_test_end(found)
            logs = {**logs, **{f"val_{name}": value for name, value in found.items()}}
        told.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    return logs


def _loop(
    engines: list[str], model: Any, rows: Rows, validation: Rows | None, sizes: tuple[int, int]
) -> tuple[_Compiled | _Steps, str]:
    """The first engine that this model can be trained with, and its name."""
    for engine in engines:
        before = [variable.numpy() for variable in variables(model)]
        try:
            return _Compiled(model, rows, validation, sizes, xla=engine == "xla"), engine
        except Exception as error:  # Whatever a layer or a loss raises while it is traced: the next engine takes over.
            log.warning("Not compiled (%s): %s: %s", engine, type(error).__name__, str(error).split("\n")[0][:200])
            for variable, value in zip(variables(model), before, strict=True):
                variable.assign(value)
    return _Steps(model, rows, validation, sizes), "steps"


def _engines(model: Any, callbacks: Sequence[Any], steps: int) -> list[str]:
    """The compiled engines to try, in order. The choice depends on the whole run: a resumed one takes the same."""
    hooked = [type(c).__name__ for c in callbacks if any(_overrides(c, hook) for hook in BATCH_HOOKS)]
    if hooked:
        log.warning("%s watches single batches: training goes step by step, which is slower.", hooked[0])
        return []
    if model.run_eagerly:
        log.warning("The model was compiled with run_eagerly=True: training goes step by step, which is slower.")
        return []
    if _devices(model) > 1:
        return ["graph"]  # XLA cannot hold what several devices tell each other
    saved = XLA_SECONDS_SAVED_A_STEP + XLA_SECONDS_SAVED_A_STEP_AND_WEIGHT * model.count_params()
    return ["xla", "graph"] if steps * saved >= XLA_SECONDS_TO_COMPILE else ["graph"]


def _overrides(callback: Any, hook: str) -> bool:
    own = getattr(type(callback), hook, None)
    return own is not getattr(keras.callbacks.Callback, hook) or hook in vars(callback)


class _Compiled:
    """Compiled functions that go once over a block of rows."""

    def __init__(
        self,
        model: Any,
        rows: Rows,
        validation: Rows | None,
        sizes: tuple[int, int],
        *,
        xla: bool,
    ) -> None:
        self.model, self.rows, self.validation = model, rows, validation
        _build(model, rows.first)
        self._train = _functions(model, model.train_step, rows, sizes[0], xla)
        if validation is not None:
            self._test = _functions(model, model.test_step, validation, sizes[1], xla)
        # A millisecond an epoch, which is most of it where there are few rows.
        self._reset, self._results = model.reset_metrics, model.get_metrics_result
        if _devices(model) == 1:
            self._reset = tf.function(model.reset_metrics, autograph=False).get_concrete_function()
            self._results = tf.function(model.get_metrics_result, autograph=False).get_concrete_function()

    def train(self, epoch: int, told: Any) -> dict[str, float]:
        """One epoch; its logs. No callback is told of single batches."""
        return self._over(self.rows.blocks(epoch), self._train)

    def validate(self) -> dict[str, float]:
        """The logs of the validation rows."""
        assert self.validation is not None
        return self._over(self.validation.blocks(0), self._test)

    def _over(self, blocks: Iterator[Arrays], functions: dict[int, Any]) -> dict[str, float]:
        self._reset()
        for block in blocks:
            functions[int(block[0].shape[0])](*block)
        return _floats(self._results())


class _Steps:
    """The same, a call for every batch: for callbacks that watch batches, and for what cannot be compiled."""

    def __init__(self, model: Any, rows: Rows, validation: Rows | None, sizes: tuple[int, int]) -> None:
        self.model, self.rows, self.validation, self.sizes = model, rows, validation, sizes
        _build(model, rows.first)
        # Not `train_on_batch`: it forgets the epoch's metrics at every batch.
        self._train, self._test = _for_each_device(model, model.train_step), _for_each_device(model, model.test_step)
        if not model.run_eagerly:
            self._train, self._test = tf.function(self._train), tf.function(self._test)

    def train(self, epoch: int, told: Any) -> dict[str, float]:
        """One epoch; its logs."""
        self.model.reset_metrics()
        logs: dict[str, float] = {}
        for step, batch in enumerate(_batches(self.rows.blocks(epoch), self.sizes[0])):
            told.on_train_batch_begin(step)
            self._train(batch)
            logs = _floats(self.model.get_metrics_result())
            told.on_train_batch_end(step, logs)
            if self.model.stop_training:
                break
        return logs

    def validate(self) -> dict[str, float]:
        """The logs of the validation rows."""
        assert self.validation is not None
        self.model.reset_metrics()
        for batch in _batches(self.validation.blocks(0), self.sizes[1]):
            self._test(batch)
        return _floats(self.model.get_metrics_result())


def _batches(blocks: Iterator[Arrays], size: int) -> Iterator[Arrays]:
    for block in blocks:
        for begin in range(0, int(block[0].shape[0]), size):
            yield tuple(array[begin : begin + size] for array in block)


def _floats(logs: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}


def _functions(model: Any, step: Callable[[Arrays], Any], rows: Rows, batch_size: int, xla: bool) -> dict[int, Any]:
    """A compiled function for each size of block among these rows."""
    sizes = {rows.block_rows, rows.rows % rows.block_rows or rows.block_rows}
    functions = {}
    for size in sorted(sizes, reverse=True):
        specs = [tf.TensorSpec((size, *array.shape[1:]), tf.as_dtype(array.dtype)) for array in rows.first]
        epoch = _looped(_for_each_device(model, step), size, batch_size)
        with _fast_random_numbers() if xla else contextlib.nullcontext():
            functions[size] = tf.function(epoch, jit_compile=xla).get_concrete_function(*specs)
    return functions


def _looped(step: Callable[[Arrays], Any], rows: int, batch_size: int) -> Callable[..., None]:
    """A function of a block of so many rows that carries out `step` on every batch of it."""
    whole, rest = divmod(rows, batch_size)

    def batch(arrays: Arrays, index: Any, size: int) -> Arrays:
        begin = index * batch_size
        cut = (tf.slice(a, [begin, *[0] * (len(a.shape) - 1)], [size, *a.shape[1:]]) for a in arrays)
        return tuple(tf.ensure_shape(piece, (size, *piece.shape[1:])) for piece in cut)

    def epoch(*arrays: Any) -> None:
        def body(index: Any) -> tuple[Any]:
            step(batch(arrays, index, batch_size))
            return (index + 1,)

        if whole:
            tf.while_loop(lambda index: index < whole, body, (tf.constant(0),))
        if rest:
            step(batch(arrays, tf.constant(whole), rest))

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


def _for_each_device(model: Any, step: Callable[[Arrays], Any]) -> Callable[[Arrays], Any]:
    """The step as it is; where the model's variables are mirrored, a step whose batch the devices share."""
    strategy, devices = model.distribute_strategy, _devices(model)
    if devices == 1:
        return step

    def shared(batch: Arrays) -> None:
        rows = int(batch[0].shape[0])
        strategy.run(whole if rows % devices else part, args=(batch,))

    def part(batch: Arrays) -> None:
        # Keras takes the mean over a device's rows, and a share of it for each device: with equal parts, the batch's.
        own = int(batch[0].shape[0]) // devices
        begin = tf.distribute.get_replica_context().replica_id_in_sync_group * own
        step(tuple(tf.ensure_shape(array[begin : begin + own], (own, *array.shape[1:])) for array in batch))

    def whole(batch: Arrays) -> None:
        # A last batch that cannot be parted equally goes to each device whole: the gradient is the same,
        # and the metrics count it once.
        counted = [variable for metric in model.metrics for variable in metric.variables]
        before = [tf.identity(variable.value) for variable in counted]
        step(batch)
        first = tf.equal(tf.distribute.get_replica_context().replica_id_in_sync_group, 0)
        for variable, value in zip(counted, before, strict=True):
            variable.assign(tf.where(first, tf.identity(variable.value), value))

    return shared


def _build(model: Any, first: Arrays) -> None:
    """Creates the variables of optimizer and metrics: none may be created while the loop is traced."""

    def build() -> None:
        x, y, weights = (*(tf.constant(array[:1]) for array in first), None)[:3]
        predicted = model(x, training=False)
        model.compute_loss(x, y, predicted, weights, training=False)
        model.compute_metrics(x, y, predicted, weights)

    strategy = model.distribute_strategy
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
        said, level = tf.get_logger(), tf.get_logger().level
        said.setLevel(logging.ERROR)  # TensorFlow warns that a strategy is slow outside of a graph: this is one row
        try:
            strategy.run(build)
        finally:
            said.setLevel(level)
    model.reset_metrics()


def _devices(model: Any) -> int:
    """On how many devices the model's variables are mirrored."""
    return int(model.distribute_strategy.num_replicas_in_sync)
