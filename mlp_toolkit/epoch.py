"""The compiled epoch: Keras's own `train_step` in a loop over all steps, the whole epoch one call.

`Model.fit` spends a millisecond or more a step on what surrounds the arithmetic. Here TensorFlow runs the loop itself,
with the rows resident in memory. The arithmetic is Keras's: the same `train_step`, the same batches, the last smaller.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlp_toolkit.startup import keras, tf

log = logging.getLogger("mlp_toolkit")

# Compiling by XLA takes about a second more than TensorFlow's graph does, and saves 0.1 ms a step or more. Measured on
# 2 cores, hidden 64-64, batch 32: 1,260 steps 2.8 s against 1.2, 6,300 steps 1.7 to 3.7 s against 1.7 to 3.1.
STEPS_THAT_PAY_FOR_XLA = 10_000
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def run(
    model: Any,
    rows: Sequence[np.ndarray],
    validation: Sequence[np.ndarray] | None,
    *,
    batch_size: int,
    validation_batch_size: int,
    epochs: int,
    initial_epoch: int,
    order: Callable[[int], np.ndarray | None],
    callbacks: Sequence[Any],
) -> tuple[Any, str]:
    """Does what `Model.fit` does: an epoch a call where that is possible, step by step where it is not.

    Args:
        model: A compiled Keras model.
        rows: x, y and perhaps row weights, (rows, ...) each.
        validation: The same of the validation rows, or None.
        batch_size: Rows of a step.
        validation_batch_size: Rows of a validation step.
        epochs: The number of the last epoch.
        initial_epoch: Epochs done before.
        order: The order of rows in an epoch, counted from 0; None for the rows as they stand.
        callbacks: Keras callbacks.

    Returns:
        A `keras.callbacks.History`, and the engine that trained: `xla` and `graph` are compiled, `steps` is not.
    """
    steps = math.ceil(len(rows[0]) / batch_size)
    history = keras.callbacks.History()
    engine = "steps"
    loop: _Compiled | _Steps | None = None
    for candidate in _engines(model, callbacks, steps * epochs):
        before = [variable.numpy() for variable in _variables(model)]
        try:
            loop = _Compiled(model, rows, validation, batch_size, validation_batch_size, xla=candidate == "xla")
        except Exception as error:  # Whatever a layer or a loss raises while it is traced: the next engine takes over.
            log.warning("Not compiled (%s): %s: %s", candidate, type(error).__name__, str(error).split("\n")[0][:200])
            for variable, value in zip(_variables(model), before, strict=True):
                variable.assign(value)
        else:
            engine = candidate
            break
    if loop is None:
        loop = _Steps(model, rows, validation, batch_size, validation_batch_size)
    model.stop_training = False
    told = keras.callbacks.CallbackList([*callbacks, history], model=model, epochs=epochs, steps=steps, verbose=0)
    told.on_train_begin()
    logs: dict[str, float] = {}
    for epoch in range(initial_epoch, epochs):
        told.on_epoch_begin(epoch)
        logs = loop.train(order(epoch), told)
        if validation is not None:
            told.on_test_begin()
            validated = loop.validate()
            told.on_test_end(validated)
            logs = {**logs, **{f"val_{name}": value for name, value in validated.items()}}
        told.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    if epochs > initial_epoch:
        model.optimizer.finalize_variable_values(model.trainable_weights)  # averaged weights take their place
    told.on_train_end(logs)
    return history, engine


def _engines(model: Any, callbacks: Sequence[Any], steps: int) -> list[str]:
    """The compiled engines to try, in order. The choice depends on the whole run: a resumed one takes the same."""
    hooked = [type(c).__name__ for c in callbacks if any(_overrides(c, hook) for hook in BATCH_HOOKS)]
    if hooked:
        log.warning("%s watches single batches: training goes step by step, which is slower.", hooked[0])
        return []
    if model.run_eagerly:
        log.warning("The model was compiled with run_eagerly=True: training goes step by step, which is slower.")
        return []
    # XLA draws other random numbers than TensorFlow's graph does, and slowly.
    random = any("seed_generator" in variable.path for variable in model.variables)
    if steps < STEPS_THAT_PAY_FOR_XLA or random:
        return ["graph"]
    return ["xla", "graph"]


def _overrides(callback: Any, hook: str) -> bool:
    own = getattr(type(callback), hook, None)
    return own is not getattr(keras.callbacks.Callback, hook) or hook in vars(callback)


class _Compiled:
    """The rows of a training in memory, and the compiled functions that go once over them."""

    def __init__(
        self,
        model: Any,
        rows: Sequence[np.ndarray],
        validation: Sequence[np.ndarray] | None,
        batch_size: int,
        validation_batch_size: int,
        *,
        xla: bool,
    ) -> None:
        self.model = model
        self.rows = tuple(tf.constant(array) for array in rows)
        self.validation = None if validation is None else tuple(tf.constant(array) for array in validation)
        _build(model, self.rows)
        self._train = _looped(model.train_step, self.rows, batch_size, xla)
        if self.validation is not None:
            self._test = _looped(model.test_step, self.validation, validation_batch_size, xla)

    def train(self, order: np.ndarray | None, told: Any) -> dict[str, float]:
        """One epoch over the rows in an order; its logs. No callback is told of single batches."""
        rows = self.rows if order is None else tuple(tf.gather(array, order) for array in self.rows)
        return self._logs(self._train, rows)

    def validate(self) -> dict[str, float]:
        """The logs of the validation rows."""
        return self._logs(self._test, self.validation)

    def _logs(self, function: Any, rows: Any) -> dict[str, float]:
        self.model.reset_metrics()
        function(*rows)
        return _floats(self.model.get_metrics_result())


class _Steps:
    """The same, a call for every batch: for callbacks that watch batches, and for what cannot be compiled."""

    def __init__(
        self,
        model: Any,
        rows: Sequence[np.ndarray],
        validation: Sequence[np.ndarray] | None,
        batch_size: int,
        validation_batch_size: int,
    ) -> None:
        self.model, self.rows, self.validation = model, rows, validation or ()
        self.batch_size, self.validation_batch_size = batch_size, validation_batch_size
        _build(model, tuple(tf.constant(array[:1]) for array in rows))
        # Not `train_on_batch`: it forgets the epoch's metrics at every batch.
        self._train, self._test = model.train_step, model.test_step
        if not model.run_eagerly:
            self._train = tf.function(model.train_step, reduce_retracing=True)
            self._test = tf.function(model.test_step, reduce_retracing=True)

    def train(self, order: np.ndarray | None, told: Any) -> dict[str, float]:
        """One epoch over the rows in an order; its logs."""
        self.model.reset_metrics()
        logs: dict[str, float] = {}
        for step, begin in enumerate(range(0, len(self.rows[0]), self.batch_size)):
            end = begin + self.batch_size
            taken = slice(begin, end) if order is None else order[begin:end]
            told.on_train_batch_begin(step)
            logs = _floats(self._train(tuple(tf.constant(array[taken]) for array in self.rows)))
            told.on_train_batch_end(step, logs)
            if self.model.stop_training:
                break
        return logs

    def validate(self) -> dict[str, float]:
        """The logs of the validation rows."""
        self.model.reset_metrics()
        logs: dict[str, float] = {}
        for begin in range(0, len(self.validation[0]), self.validation_batch_size):
            taken = slice(begin, begin + self.validation_batch_size)
            logs = _floats(self._test(tuple(tf.constant(array[taken]) for array in self.validation)))
        return logs


def _floats(logs: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}


def _looped(step: Any, rows: tuple[Any, ...], batch_size: int, xla: bool) -> Any:
    """A function that carries out `step` on every batch of rows of these shapes."""
    whole, rest = divmod(int(rows[0].shape[0]), batch_size)

    def batch(arrays: tuple[Any, ...], index: Any, size: int) -> tuple[Any, ...]:
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

    specs = [tf.TensorSpec(array.shape, array.dtype) for array in rows]
    return tf.function(epoch, jit_compile=xla).get_concrete_function(*specs)


def _build(model: Any, rows: tuple[Any, ...]) -> None:
    """Creates the variables of optimizer and metrics: none may be created while the loop is traced."""
    x, y, weights = (*(array[:1] for array in rows), None)[:3]
    predicted = model(x, training=False)
    model.optimizer.build(model.trainable_variables)
    model.compute_loss(x, y, predicted, weights, training=False)
    model.compute_metrics(x, y, predicted, weights)
    model.reset_metrics()


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]
