"""The compiled epoch: Keras's own `train_step` in a loop over all steps, the whole epoch one call.

`Model.fit` spends a millisecond or more a step on what surrounds the arithmetic. Here TensorFlow runs the loop itself,
over rows that are in memory. The arithmetic is Keras's: the same `train_step`, the same batches, the last smaller.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_private import epoch_gone_back_to, profiles_batches
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.model.programs.signature import signature
from mlp_toolkit.training.engine.compiled import Pass, Tally, compiled
from mlp_toolkit.training.engine.counting import Gathered, gathered
from mlp_toolkit.training.engine.history import History
from mlp_toolkit.training.engine.rows import Arrays, Rows
from mlp_toolkit.training.engine.steps import Step, Told, Work, build, devices, weighing_labels
from mlp_toolkit.training.engine.variables import all_variables, assign, snapshot

log = logging.getLogger("mlp_toolkit")

# Whether compiling by XLA pays. It takes some 0.45 s more than TensorFlow's graph does, and saves a step, measured
# on 2 cores at batch 32: 64: 0.19 ms; 64-64: 0.19 ms; 5 × 64: 0.27 ms; and 3 × 256, batch 256: 1.5 ms. That is close to
# a constant and a share of the weights. A program is kept for later trainings of its kind, the folds of a
# cross-validation or a cell that runs again: it is taken to serve three of twenty epochs. How many are asked for does
# not count, nor how many there were: twenty epochs, and ten and ten more, end on the same last digits.
XLA_SECONDS_TO_COMPILE = 0.45
EPOCHS = 60
XLA_SECONDS_SAVED_A_STEP = 1.8e-4
XLA_SECONDS_SAVED_A_STEP_AND_WEIGHT = 5e-9
# Augmentation saves more by far: 28 × 28 grey images take 2.5 to 3.3 µs each by XLA, 24 to 38 by TensorFlow's graph.
XLA_SECONDS_SAVED_A_PIXEL = 2.5e-8

BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


def run_epochs(
    work: Work,
    callbacks: Sequence[Any],
    *,
    epochs: int,
    initial_epoch: int = 0,
    changes: Mapping[int, Callable[[], None]] | None = None,
) -> History:
    """Does what `Model.fit` does: an epoch a call where that is possible, step by step where it is not.

    Args:
        work: The network and its rows. Where its variables are mirrored on several devices, they share each batch.
            A block of rows holds whole batches, the last of an epoch excepted. Their third array, where there is one,
            weighs rows, (rows,), or the labels of each, (rows, labels). A fourth array of the validation rows weighs
            them anew, for a second loss in the logs, `val_weighted_loss`.
        callbacks: Keras callbacks.
        epochs: The number of the last epoch.
        initial_epoch: Epochs done before.
        changes: What changes in the model before an epoch, counted from 0: it is compiled anew then.

    Returns:
        The history. Its attribute `engine` says what trained: `xla` and `graph` are compiled, `steps` is not.
    """
    model, rows = work.model, work.rows
    steps = math.ceil(rows.rows / work.sizes[0])
    whole = rows.rows // work.sizes[0]
    pixels = work.sizes[0] * math.prod(rows.first[0].shape[1:]) if work.augment else 0
    engines = _engines(model, callbacks, whole, pixels)
    changes = dict(changes or {})
    if initial_epoch in changes:
        changes.pop(initial_epoch)()
    history = History()
    model.stop_training = False
    loop, history.engine = _loop(engines, work)
    told = _Callbacks([*callbacks, history], model=model, epochs=epochs, steps=steps, verbose=0)
    told.on_train_begin()
    initial_epoch = epoch_gone_back_to(model) or initial_epoch
    logs: dict[str, float] = {}
    try:
        for number in range(initial_epoch, epochs):
            if number in changes:
                changes[number]()
                loop, history.engine = _loop([history.engine] if history.engine != "steps" else [], work)
            logs = _epoch(loop, number, work.validation is not None, told)
            if model.stop_training:
                break
    finally:
        rows.close()
    if epochs > initial_epoch:
        model.optimizer.finalize_variable_values(model.trainable_weights)  # averaged weights take their place
    told.on_train_end(logs)
    return history


def _epoch(loop: _Compiled | _Steps, number: int, validated: bool, told: Any) -> dict[str, float]:
    """Trains one epoch; its logs."""
    told.on_epoch_begin(number)
    logs = loop.train(number, told)
    if validated:
        told.on_test_begin()
        found = loop.validate()
        told.on_test_end(found)
        logs = {**logs, **{f"val_{name}": value for name, value in found.items()}}
    told.on_epoch_end(number, logs)
    return logs


def _loop(engines: list[str], work: Work) -> tuple[_Compiled | _Steps, str]:
    """The first engine that this model can be trained with, and its name."""
    model = work.model
    work = work._replace(model=weighing_labels(model, work.rows))
    build(work.model, work.rows.first)
    kind = signature(model) if engines else None  # the optimizer's variables are part of it
    # While layers and losses of somebody's own are traced, they may change anything; known ones change nothing.
    before = snapshot(work.model) if engines and kind is None else []
    for engine in engines:
        try:
            return _Compiled(work, xla=engine == "xla", signature=kind), engine
        except Exception as error:  # Whatever a layer or a loss raises while it is traced: the next engine takes over.
            log.warning("Not compiled (%s): %s: %s", engine, type(error).__name__, str(error).split("\n")[0][:200])
            if before:
                assign(work.model, before)
    return _Steps(work), "steps"


def _engines(model: Network, callbacks: Sequence[Any], steps: int, pixels: int = 0) -> list[str]:
    """The compiled engines to try, in order: the same however many epochs there are.

    Args:
        model: The model.
        callbacks: Those given by the user.
        steps: Of an epoch, that of a smaller batch excepted.
        pixels: Values of a batch that are augmented.
    """
    hooked = [type(callback).__name__ for callback in callbacks if _watches_batches(callback)]
    if hooked:
        log.warning("%s watches single batches: training goes step by step, which is slower.", hooked[0])
        return []
    if model.run_eagerly:
        log.warning("The model was compiled with run_eagerly=True: training goes step by step, which is slower.")
        return []
    if devices(model) > 1:
        return ["graph"]  # XLA cannot hold what several devices tell each other
    saved = XLA_SECONDS_SAVED_A_STEP + XLA_SECONDS_SAVED_A_STEP_AND_WEIGHT * model.count_params()
    saved += XLA_SECONDS_SAVED_A_PIXEL * pixels
    return ["xla", "graph"] if EPOCHS * steps * saved >= XLA_SECONDS_TO_COMPILE else ["graph"]


def _watches_batches(callback: Any) -> bool:
    """Whether a callback is to be told of every batch. Some of Keras's own have the hooks, and may not need them.

    ModelCheckpoint, BackupAndRestore and TensorBoard may write after epochs alone, and a loss that is no number ends
    every training here.
    """
    kind = type(callback)
    if kind in (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore) and callback.save_freq == "epoch":
        return False
    if kind is keras.callbacks.TensorBoard:
        return callback.update_freq != "epoch" or callback.write_steps_per_second or profiles_batches(callback)
    if kind is keras.callbacks.TerminateOnNaN:
        return False
    return any(_overrides(callback, hook) for hook in BATCH_HOOKS)


def _overrides(callback: Any, hook: str) -> bool:
    own = getattr(type(callback), hook, None)
    return own is not getattr(keras.callbacks.Callback, hook) or hook in vars(callback)


class _Callbacks(keras.callbacks.CallbackList):
    """Keras's list of callbacks. Logs of an epoch are numbers already: Keras would look at each, as long as it trains.

    As from Keras, callbacks get a copy in the order of the names.
    """

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Tells all of them."""
        logs = dict(sorted((logs or {}).items()))
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        """Tells all of them."""
        for callback in self.callbacks:
            callback.on_test_begin({})

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        """Tells all of them."""
        logs = dict(sorted((logs or {}).items()))
        for callback in self.callbacks:
            callback.on_test_end(logs)


class _Compiled:
    """Compiled functions that go once over a block of rows."""

    def __init__(self, work: Work, *, xla: bool, signature: str | None) -> None:
        self.work, self._outside = work, devices(work.model) > 1
        self._xla, self._key = xla, None if self._outside or work.augment else signature
        step, self._told = work.train_step()
        self._tally = _tally(work.model)
        at_once = None if self._outside else gathered(work, known=signature is not None)
        step = step if at_once is None else work.uncounted_step()
        self._train = self._pass(step, self._tally, at_once=at_once)
        if work.validation is not None:
            step, weighted, self._told_of_validation = work.test_step()
            self._test_tally = _tally(work.model, weighted)
            self._test = self._pass(step, self._test_tally, weighted=weighted)

    def _pass(self, step: Step, tally: Tally, *, weighted: Any = None, at_once: Gathered | None = None) -> Pass:
        """A pass over the rows of training, or, where `tally` is not theirs, of validation.

        That one may count a second loss.
        """
        training = tally is self._tally
        rows, batch_size = (self.work.rows if training else self.work.validation), self.work.sizes[not training]
        assert rows is not None
        key = self._key and ("train" if training else "test", self._key)
        return compiled(
            step,
            rows,
            batch_size,
            xla=self._xla
            and training,  # a validation has few steps: what XLA saves of them never pays for compiling them
            tally=None if self._outside else tally,
            key=key,
            variables=all_variables(self.work.model, weighted),
            gathered=at_once,
        )

    def train(self, epoch: int, told: Any) -> dict[str, float]:
        """One epoch; its logs. No callback is told of single batches."""
        return self._over(self.work.rows, epoch, self._train, self._told, self._tally)

    def validate(self) -> dict[str, float]:
        """The logs of the validation rows."""
        rows = self.work.validation
        assert rows is not None
        return self._over(rows, 0, self._test, self._told_of_validation, self._test_tally)

    def _over(self, rows: Rows, epoch: int, over: Pass, told: Told | None, tally: Tally) -> dict[str, float]:
        if self._outside:
            tally.reset()
        done, logs = 0, {}
        for block in rows.blocks(epoch, over.room):
            here = min(rows.block_rows, rows.rows - done)
            logs = over(done == 0, here, block)
            done += here
        return _logs(tally.results() if self._outside else logs, told)


def _tally(model: Network, weighted: Any = None) -> Tally:
    """The model's own metrics, and the second loss where there is one."""
    if weighted is None:
        return Tally(model.reset_metrics, model.get_metrics_result)

    def reset() -> None:
        model.reset_metrics()
        weighted.reset_state()

    return Tally(reset, lambda: {**model.get_metrics_result(), "weighted_loss": weighted.result()})


def _logs(counted: Mapping[str, Any], told: Told | None) -> dict[str, float]:
    """What was counted, as numbers; where the model's own step says something, that, and the second loss."""
    if told is None:
        return _floats(dict(counted))
    second = {name: value for name, value in counted.items() if name == "weighted_loss"}
    return _floats({**told.logs(), **second})


class _Steps:
    """The same, a call for every batch: for callbacks that watch batches, and for what cannot be compiled."""

    def __init__(self, work: Work) -> None:
        self.work, self._tally = work, _tally(work.model)
        # Not `train_on_batch`: it forgets the epoch's metrics at every batch.
        compiled: Callable[[Step], Step] = (lambda step: step) if work.model.run_eagerly else tf.function
        step, self._told = work.train_step()
        self._train = compiled(step)
        if work.validation is not None:
            step, weighted, self._told_of_validation = work.test_step()
            self._test, self._test_tally = compiled(step), _tally(work.model, weighted)

    def train(self, epoch: int, told: Any) -> dict[str, float]:
        """One epoch; its logs."""
        model = self.work.model
        self._tally.reset()
        logs: dict[str, float] = {}
        for number, batch in enumerate(_batches(self.work.rows.blocks(epoch), self.work.sizes[0])):
            told.on_train_batch_begin(number)
            self._train(batch, tf.constant(number))
            logs = _floats(self._told.logs() if self._told else self._tally.results())
            told.on_train_batch_end(number, logs)
            if model.stop_training:
                break
        return logs

    def validate(self) -> dict[str, float]:
        """The logs of the validation rows."""
        assert self.work.validation is not None
        self._test_tally.reset()
        for batch in _batches(self.work.validation.blocks(0), self.work.sizes[1]):
            self._test(batch, tf.constant(0))
        return _logs(self._test_tally.results(), self._told_of_validation)


def _batches(blocks: Iterator[Arrays], size: int) -> Iterator[Arrays]:
    for block in blocks:
        for begin in range(0, int(block[0].shape[0]), size):
            yield tuple(array[begin : begin + size] for array in block)


def _floats(logs: dict[str, Any]) -> dict[str, float]:
    """Logs as numbers; a metric that gives one for each class is told as `name_0`, `name_1` and so on."""
    found: dict[str, float] = {}
    for name, value in logs.items():
        values = np.asarray(value)
        if values.ndim:
            found |= {f"{name}_{place}": float(single) for place, single in enumerate(values.ravel())}
        else:
            found[name] = float(values)
    return found
