"""A step of training and of validation: Keras's own, with what this toolkit adds around it."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_private import metrics_built
from mlp_toolkit.model.keras_types import Network, Tensor
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.training.engine.rows import Arrays, Rows

Augment = Callable[[Tensor, Tensor], Tensor]  # features (rows, …) and a seed (2,) → features
Step = Callable[[Arrays, Tensor], Any]  # takes a batch and its number within the block


class Work(NamedTuple):
    """What the engines do."""

    model: Network
    rows: Rows
    validation: Rows | None
    sizes: tuple[int, int]  # rows of a step in training and in validation
    augment: Augment | None

    def train_step(self) -> tuple[Step, Told | None]:
        """A step of training, and what it says where the model's own class has written it."""
        model = self.model
        told = Told(model, "train_step", self.rows.first) if has_own(model, "train_step") else None
        return self._augmented(told.step if told else model.train_step), told

    def uncounted_step(self) -> Step:
        """A step of training that counts the loss alone, and returns its predictions for the metrics to be counted."""
        return self._augmented(uncounted(self.model).train_step)

    def _augmented(self, train_step: Callable[[Arrays], Any]) -> Step:
        augment, step = self.augment, _for_each_device(self.model, train_step)
        if augment is None:
            return lambda batch, index: step(batch)

        def augmented(batch: Arrays, index: Tensor) -> Any:
            # Iterations alone stand still where gradients are gathered over several steps.
            seed = tf.stack([tf.cast(self.model.optimizer.iterations, tf.int32), tf.cast(index, tf.int32)])
            return step((augment(batch[0], seed), *batch[1:]))

        return augmented

    def test_step(self) -> tuple[Step, Any, Told | None]:
        """A step of validation; the metric of the second loss, or None; what an own step says, or None."""
        model = self.model
        assert self.validation is not None
        first = self.validation.first
        told = Told(model, "test_step", first[:3]) if has_own(model, "test_step") else None
        tested = told.step if told else model.test_step
        if len(first) < 4:
            step = _for_each_device(model, tested)
            return lambda batch, index: step(batch), None, told
        with model.distribute_strategy.scope():
            weighted = keras.metrics.Mean()

        def both(batch: Arrays) -> None:
            x, y, own, weights = batch
            tested((x, y, own))
            loss = model.compute_loss(x, y, model(x, training=False), weights, training=False)
            # Keras gives each device its share of the loss, and multiplies it again where it is told.
            weighted.update_state(loss * devices(model), sample_weight=x.shape[0])

        step = _for_each_device(model, both, [weighted])
        return lambda batch, index: step(batch), weighted, told


class Told:
    """The logs that a step of the model's own class returns: of the last batch, as `Model.fit` tells them.

    Args:
        model: The model.
        name: `train_step` or `test_step`.
        first: A few rows, to see what it returns.
    """

    def __init__(self, model: Network, name: str, first: Arrays) -> None:
        self._step, self._eager = getattr(model, name), model.run_eagerly
        self._kept: dict[str, Any] = {}
        if self._eager:  # such a step may do what no graph can
            return
        step = self._step
        specs = [tf.TensorSpec((None, *array.shape[1:]), tf.as_dtype(array.dtype)) for array in first]
        # Traced, not called: it would train.
        returned = tf.function(lambda *arrays: step(arrays), autograph=False).get_concrete_function(*specs)
        shapes = {name: tensor.shape for name, tensor in dict(returned.structured_outputs).items()}
        self._kept = {name: tf.Variable(tf.zeros(shape), trainable=False) for name, shape in shapes.items()}

    def step(self, batch: Arrays) -> None:
        """A step, which keeps what it returns."""
        returned = self._step(batch)
        if self._eager:
            self._kept = dict(returned)
            return
        for name, value in returned.items():
            self._kept[name].assign(tf.cast(value, tf.float32))

    def logs(self) -> dict[str, Any]:
        """What the last step returned."""
        return {name: np.asarray(value) for name, value in self._kept.items()}


def has_own(model: Network, step: str) -> bool:
    """Whether the model's class has a step of its own, which is none of ours; or writes what Keras's step returns."""
    kind = type(model)
    own_step = getattr(kind, step) not in (getattr(keras.Model, step), getattr(Ensemble, step))
    return own_step or kind.compute_metrics is not keras.Model.compute_metrics


def weighing_labels(model: Network, rows: Rows) -> Network:
    """The model as it is; where weights have the shape (rows, labels), a view of it that weighs each label's loss.

    The loss of Keras takes the mean over a row's labels before it weighs. Over a last dimension of 1 it has nothing to
    take the mean of, so that what it weighs are the labels; the mean over rows and labels follows.

    Args:
        model: A compiled model, whose loss is a mean over labels. It stays untouched: the view has the same weights,
            optimizer and metrics, and another class.
        rows: What it is trained on.
    """
    if len(rows.first) < 3 or rows.first[2].ndim == 1:
        return model
    whole_rows = model.compute_loss

    def compute_loss(
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        if sample_weight is not None and len(sample_weight.shape) == 2:
            y, y_pred = y[..., None], y_pred[..., None]
        return whole_rows(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)

    return _view(model, compute_loss=compute_loss)


def uncounted(model: Network) -> Network:
    """A view of a model whose steps count no metric but the loss; they return the predictions, as `predicted`."""

    def compute_metrics(x: Tensor, y: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> dict[str, Tensor]:
        return {"predicted": y_pred}

    return _view(model, compute_metrics=compute_metrics)


def _constant(value: Any, _: Any) -> Any:
    return value


def _view(model: Network, **methods: Callable[..., Any]) -> Network:
    """The same model, weights, optimizer and metrics, with other methods; the model itself stays untouched."""
    # A property wins over an attribute of the same name that the model itself may have.
    own = {name: property(functools.partial(_constant, method)) for name, method in methods.items()}
    view: Network = object.__new__(type(type(model).__name__, (type(model),), own))
    object.__setattr__(view, "__dict__", model.__dict__)
    return view


class _OneDevice(tf.distribute.ReplicaContext):
    """What TensorFlow takes a thread to run in: the only device, over which there is nothing to sum.

    For a sum over devices TensorFlow registers a gradient with every graph that is traced, and keeps it, the graph and
    the network's variables as long as the process lives: 5 MB for each training of a small network.
    """

    def all_reduce(self, reduce_op: str, value: Tensor, options: Any = None) -> Tensor:
        """The value of the only device."""
        return value


def _on_one_device() -> contextlib.AbstractContextManager[Any]:
    """While a network is trained on one device, its gradients are not summed over devices."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync > 1:  # inside of a strategy of the caller's
        return contextlib.nullcontext()
    return _OneDevice(tf.distribute.get_strategy(), replica_id_in_sync_group=0)


def _for_each_device(
    model: Network, step: Callable[[Arrays], Any], metrics: Sequence[Any] = ()
) -> Callable[[Arrays], Any]:
    """The step on the only device; where the model's variables are mirrored, a step whose batch the devices share.

    `metrics` are those that the step counts beside the model's own.
    """
    strategy, number = model.distribute_strategy, devices(model)
    if number == 1:

        def alone(batch: Arrays) -> Any:
            with _on_one_device():
                return step(batch)

        return alone

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


def build(model: Network, first: Arrays) -> None:
    """Creates the variables of optimizer and metrics: none may be created while the loop is traced."""

    def build() -> None:
        x, y, weights = (*(tf.constant(array[:1]) for array in first), None)[:3]
        predicted = model(x, training=False)
        model.compute_loss(x, y, predicted, weights, training=False)
        model.compute_metrics(x, y, predicted, weights)

    strategy = model.distribute_strategy
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
        if _is_told_by_its_form(model):
            output, y = model.outputs[0], tf.constant(first[1][:1])
            if metrics_built(model, y, tf.zeros((1, *output.shape[1:]), output.dtype)):
                return
        said, level = tf.get_logger(), tf.get_logger().level
        said.setLevel(logging.ERROR)  # TensorFlow warns that a strategy is slow outside of a graph: this is one row
        try:
            strategy.run(build)
        finally:
            said.setLevel(level)
    model.reset_metrics()


def _is_told_by_its_form(model: Network) -> bool:
    """Whether nothing but metrics may create variables in a step: a graph of layers, with Keras's steps and loss."""
    kind, outputs = type(model), getattr(model, "outputs", None) or []
    own_loss = kind.compute_loss is not keras.Model.compute_loss or "compute_loss" in vars(model)
    return len(outputs) == 1 and None not in outputs[0].shape[1:] and not own_loss and not has_own(model, "train_step")


def devices(model: Network) -> int:
    """On how many devices the model's variables are mirrored."""
    return int(model.distribute_strategy.num_replicas_in_sync)
