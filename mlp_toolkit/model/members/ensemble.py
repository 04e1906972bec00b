"""A Keras model of several members that are trained at once, each on its own loss."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.registry import register
from mlp_toolkit.model.members.layers import MembersMean
from mlp_toolkit.model.members.numbers import FREQUENCIES


@register
class Ensemble(keras.Model):
    """A model whose last layer is the mean of its members: (rows, features) in, (rows, outputs) out.

    Its layers follow one another, and all but the first and the last have an axis of members before the others. What
    training lowers is the mean of the members' losses, not the loss of their mean: a member learns what it would learn
    alone.

    Rows for training may come with row weights and, as a fourth array, the fold of each row (rows,): member k does not
    learn the rows of fold k.
    """

    @property
    def members(self) -> int:
        """How many there are."""
        return int(self.layers[-1].input.shape[0])

    @property
    def values_of_a_row(self) -> int:
        """The most numbers that a layer computes for one row, of all members."""
        widths = [
            max(len(getattr(layer, "numbers", ())) * FREQUENCIES, getattr(layer, "units", 0)) for layer in self.layers
        ]
        return self.members * max(widths)

    def member_outputs(self, x: Tensor, training: bool = False) -> Tensor:
        """The outputs of each member, (members, rows, outputs).

        Args:
            x: (rows, features), or rows of each member's own, (members, rows, features).
            training: Whether dropout drops, and batch normalization looks at the batch.
        """
        for layer in self.layers[1:-1]:
            known = getattr(layer, "_call_has_training_arg", False)
            x = layer(x, training=training) if known else layer(x)
        return x

    def bounded(self, outputs: Tensor) -> Tensor:
        """What the members' mean is taken of."""
        last: MembersMean = self.layers[-1]
        return last.bounded(outputs)

    def member_losses(self, y: Tensor, outputs: Tensor, weights: Tensor | None, fold: Tensor | None) -> Tensor:
        """The loss of each member over a batch, (members,): the mean over the rows that it learns.

        Args:
            y: (rows, …) targets.
            outputs: (members, rows, outputs).
            weights: (rows,), or (rows, labels) for the labels of each, or None.
            fold: (rows,) or None.
        """
        loss = keras.losses.get(self.loss)
        by_row = loss.call if isinstance(loss, keras.losses.Loss) else loss
        y = tf.convert_to_tensor(y)
        if len(y.shape) == 1:
            y = y[:, None]
        if not y.dtype.is_integer:
            y = tf.cast(y, outputs.dtype)
        if weights is not None and len(weights.shape) == 2:  # of each label: over a last axis of 1 there is no mean
            y, outputs = y[..., None], outputs[..., None]
        losses = tf.cast(by_row(tf.repeat(y[None], self.members, axis=0), outputs), tf.float32)
        if weights is not None:
            losses *= tf.cast(weights, tf.float32)[None]
        if len(losses.shape) == 3:
            losses = tf.reduce_mean(losses, axis=2)
        if fold is None:
            return tf.reduce_mean(losses, axis=1)
        learned = tf.not_equal(tf.cast(fold, tf.int32)[None], tf.range(self.members)[:, None])
        counted = tf.cast(learned, tf.float32)
        return tf.math.divide_no_nan(tf.reduce_sum(losses * counted, axis=1), tf.reduce_sum(counted, axis=1))

    def train_step(self, data: Any) -> dict[str, Any]:
        """A step of each member on the same batch."""
        x, y, weights, fold = (*data, None, None)[:4]
        rows = tf.shape(x)[0]
        with tf.GradientTape() as tape:
            outputs = self.member_outputs(x, training=True)
            # The sum: so the gradient of a member's weights is that of its own loss.
            loss = tf.reduce_sum(self.member_losses(y, outputs, weights, fold)) + sum(self.losses, tf.constant(0.0))
            scaled = self.optimizer.scale_loss(loss)
        trained = self.trainable_weights
        gradients = tape.gradient(scaled, trained)
        with _clipping_left_out(self.optimizer) as clip:
            self.optimizer.apply_gradients(zip(clip(gradients), trained, strict=True))
        self._loss_tracker.update_state(loss / self.members, sample_weight=rows)
        mean = tf.reduce_mean(self.bounded(outputs), axis=0)
        return dict(self.compute_metrics(x, y, mean, sample_weight=weights))


@contextlib.contextmanager
def _clipping_left_out(optimizer: Any) -> Iterator[Any]:
    """Gives what clips gradients member by member; the optimizer, which would clip over all members, does not."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    settings = {name: getattr(inner, name, None) for name in ("clipnorm", "global_clipnorm")}

    def clipped(gradients: Sequence[Tensor]) -> list[Tensor]:
        if settings["clipnorm"]:
            axes = [list(range(1, len(gradient.shape))) for gradient in gradients]
            pairs = zip(gradients, axes, strict=True)
            return [tf.clip_by_norm(gradient, settings["clipnorm"], axes=own) for gradient, own in pairs]
        if settings["global_clipnorm"]:
            squares = [tf.reduce_sum(tf.square(g), axis=list(range(1, len(g.shape)))) for g in gradients]
            norm = tf.sqrt(tf.add_n(squares))
            factor = tf.minimum(tf.math.divide_no_nan(settings["global_clipnorm"], norm), 1.0)
            factor = tf.where(norm > 0, factor, 1.0)
            return [g * tf.reshape(factor, [-1, *[1] * (len(g.shape) - 1)]) for g in gradients]
        return list(gradients)

    given = {name: value for name, value in settings.items() if value}
    for name in given:
        setattr(inner, name, None)
    try:
        yield clipped
    finally:
        for name, value in given.items():
            setattr(inner, name, value)


def is_ensemble(model: Any) -> bool:
    """Whether a model has members."""
    return isinstance(model, Ensemble)
