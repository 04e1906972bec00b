"""A step of training and of validation: Keras's own, with what this toolkit adds around it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mlp_toolkit.blocks import Arrays, Rows
from mlp_toolkit.startup import keras, tf

Augment = Callable[[Any, Any], Any]  # features (rows, …) and a seed (2,) → features
Step = Callable[[Arrays, Any], Any]  # takes a batch and its number within the block


class Work(NamedTuple):
    """What the engines do."""

    model: Any
    rows: Rows
    validation: Rows | None
    sizes: tuple[int, int]  # rows of a step in training and in validation
    augment: Augment | None

    def train_step(self) -> Step:
        """A step of training."""
        model, augment = self.model, self.augment
        step = _for_each_device(model, model.train_step)

        def augmented(batch: Arrays, index: Any) -> None:
            # Iterations alone stand still where gradients are gathered over several steps.
            seed = tf.stack([tf.cast(model.optimizer.iterations, tf.int32), tf.cast(index, tf.int32)])
            step((augment(batch[0], seed), *batch[1:]))  # type: ignore[misc]  # it is there: see below

        return augmented if augment else lambda batch, index: step(batch)

    def test_step(self) -> tuple[Step, Any]:
        """A step of validation, and the metric of the second loss, or None."""
        model = self.model
        assert self.validation is not None
        if len(self.validation.first) < 4:
            step = _for_each_device(model, model.test_step)
            return lambda batch, index: step(batch), None
        with model.distribute_strategy.scope():
            weighted = keras.metrics.Mean()

        def both(batch: Arrays) -> None:
            x, y, own, weights = batch
            model.test_step((x, y, own))
            loss = model.compute_loss(x, y, model(x, training=False), weights, training=False)
            # Keras gives each device its share of the loss, and multiplies it again where it is told.
            weighted.update_state(loss * devices(model), sample_weight=x.shape[0])

        step = _for_each_device(model, both, [weighted])
        return lambda batch, index: step(batch), weighted


def _for_each_device(model: Any, step: Callable[[Arrays], Any], metrics: Sequence[Any] = ()) -> Callable[[Arrays], Any]:
    """The step as it is; where the model's variables are mirrored, a step whose batch the devices share.

    `metrics` are those that the step counts beside the model's own.
    """
    strategy, number = model.distribute_strategy, devices(model)
    if number == 1:
        return step

    def shared(batch: Arrays) -> None:
        rows = int(batch[0].shape[0])
        strategy.run(whole if rows % number else part, args=(batch,))

    def part(batch: Arrays) -> None:
        # Keras takes the mean over a device's rows, and a share of it for each device: with equal parts, the batch's.
        own = int(batch[0].shape[0]) // number
        begin = tf.distribute.get_replica_context().replica_id_in_sync_group * own
        step(tuple(tf.ensure_shape(array[begin : begin + own], (own, *array.shape[1:])) for array in batch))

    def whole(batch: Arrays) -> None:
        # A last batch that cannot be parted equally goes to each device whole: the gradient is the same,
        # and the metrics count it once.
        counted = [variable for metric in [*model.metrics, *metrics] for variable in metric.variables]
        before = [tf.identity(variable.value) for variable in counted]
        step(batch)
        first = tf.equal(tf.distribute.get_replica_context().replica_id_in_sync_group, 0)
        for variable, value in zip(counted, before, strict=True):
            variable.assign(tf.where(first, tf.identity(variable.value), value))

    return shared


def build(model: Any, first: Arrays) -> None:
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


def devices(model: Any) -> int:
    """On how many devices the model's variables are mirrored."""
    return int(model.distribute_strategy.num_replicas_in_sync)
