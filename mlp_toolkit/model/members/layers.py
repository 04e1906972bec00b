"""Keras layers with a leading axis of members: (members, numbers, rows) in and out.

Rows come last: sums over them, which each gradient takes, then run along the memory, and so do the products of the
embeddings. On 2 cores a step of RealMLP took a third less time than with rows before numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.registry import are_numbers, is_number, layer_config, register
from mlp_toolkit.model.members.arithmetic import mish, random_bits

MOST_MEMBERS, MOST_UNITS = 1024, 65_536
OF_KERAS = ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "softmax")
ACTIVATIONS = {name: keras.activations.get(name) for name in OF_KERAS} | {"mish": mish}


@register
class ToMembers(keras.layers.Layer):
    """(rows, numbers) → (1, numbers, rows): what all members are shown.

    Rows of each member's own, (members, rows, numbers), become (members, numbers, rows).
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Puts rows last."""
        return tf.transpose(inputs)[None] if len(inputs.shape) == 2 else tf.transpose(inputs, [0, 2, 1])

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The shape of what `call` gives."""
        return (1, input_shape[1], input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """What a file holds of this layer."""
        return layer_config(self, {})

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        return True


@register
class MembersDense(keras.layers.Layer):
    """A dense layer of each member: activation(Wᵀ x + b).

    Args:
        members: How many, 1 or more.
        units: Neurons of each.
        activation: A name in `ACTIVATIONS`.
        use_bias: Whether there is a bias.
        scaled: The NTK parametrisation of Jacot et al. (2018): Wᵀ x / √inputs + b.
        parametric: Each neuron mixes the activation with its input, (1 − α) x + α activation(x), and learns α from 1.
        l2: Penalty on the kernel of each member, 0 or more.
        last: Whether it gives rows before units, as the last layer does.
        initializers: One for each member; none for Keras's usual one.

    Takes (members or 1, inputs, rows) and gives (members, units, rows), or (members, rows, units). Its weights are
    kernel (members, inputs, units), bias and α (members, units, 1).
    """

    def __init__(
        self,
        members: int,
        units: int,
        activation: str = "linear",
        *,
        use_bias: bool = True,
        scaled: bool = False,
        parametric: bool = False,
        l2: float = 0.0,
        last: bool = False,
        initializers: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.members, self.units, self.activation = members, units, activation
        self.use_bias, self.scaled, self.parametric, self.l2, self.last = use_bias, scaled, parametric, l2, last
        self._initializers = list(initializers) or [keras.initializers.GlorotUniform() for _ in range(members)]

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights."""
        inputs = int(input_shape[1] or 0)
        self.kernel = self.add_weight(
            shape=(self.members, inputs, self.units),
            initializer=self._drawn,
            regularizer=keras.regularizers.L2(self.l2) if self.l2 else None,
            name="kernel",
        )
        own = (self.members, self.units, 1)
        self.bias: Any = self.add_weight(shape=own, initializer="zeros", name="bias") if self.use_bias else None
        self.alpha = self.add_weight(shape=own, initializer="ones", name="alpha") if self.parametric else None

    def _drawn(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """The kernels, each drawn by a member's own initializer."""
        return tf.stack([own(shape[1:], dtype=dtype) for own in self._initializers])

    def weighted(self, inputs: Tensor) -> Tensor:
        """The weighted sums, without bias."""
        kernel = self.kernel / math.sqrt(self.kernel.shape[1]) if self.scaled else self.kernel.value
        if inputs.shape[0] == 1 and self.members > 1:
            return tf.einsum("db,kdu->kub", inputs[0], kernel)
        return tf.matmul(kernel, inputs, transpose_a=True)

    def call(self, inputs: Tensor) -> Tensor:
        """The outputs of a batch."""
        sums = self.weighted(inputs)
        if self.bias is not None:
            sums += self.bias
        if self.last:
            sums = tf.transpose(sums, [0, 2, 1])
        if self.activation == "softmax":
            return keras.activations.softmax(sums, axis=2 if self.last else 1)
        outputs = ACTIVATIONS[self.activation](sums)
        return outputs if self.alpha is None else sums + self.alpha * (outputs - sums)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The shape of what `call` gives."""
        own = (input_shape[2], self.units) if self.last else (self.units, input_shape[2])
        return (self.members, *own)

    def get_config(self) -> dict[str, Any]:
        """What a file holds of this layer; how its weights began is not among it."""
        own: dict[str, Any] = {"members": self.members, "units": self.units, "activation": self.activation}
        own |= {"use_bias": self.use_bias, "scaled": self.scaled, "parametric": self.parametric, "l2": self.l2}
        own["last"] = self.last
        return layer_config(self, {**own, "trainable": self.trainable, "dtype": self.dtype_policy.name})

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        return (
            _are_sizes(self.members, self.units)
            and self.activation in ACTIVATIONS
            and all(isinstance(flag, bool) for flag in (self.use_bias, self.scaled, self.parametric, self.last))
            and is_number(self.l2)
            and self.l2 >= 0
        )


@register
class MembersDropout(keras.layers.Layer):
    """Dropout, drawn for each member.

    Args:
        rate: The share that is dropped, 0 ≤ rate < 1.
        seed: Of the drawing.
        steps: Over so many steps of training the rate goes on as `flat_cos`; None leaves it as it is.

    Its weight holds how many steps it has been trained for, and the seed: where training goes on, so does the drawing.
    """

    def __init__(self, rate: float, seed: int | None = None, steps: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate, self.steps = rate, steps
        self.seed = seed if seed is not None else keras.random.randint((), 0, 2**31 - 1).numpy().item()

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the counter."""

        def begun(shape: Sequence[int], dtype: Any = None) -> Tensor:
            return tf.constant([0, self.seed], dtype)

        self.counter = self.add_weight(shape=(2,), dtype="int32", initializer=begun, trainable=False, name="counter")

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Drops a share while training, and makes the others larger in turn."""
        if not training or not self.rate:
            return inputs
        counter = self.counter.value
        rate = tf.constant(self.rate, tf.float32)
        if self.steps:
            rate *= flat_cos(tf.cast(counter[0], tf.float32) / self.steps)
        bits = random_bits(tf.shape(inputs), tf.bitcast(counter, tf.uint32))
        drawn = tf.cast(tf.bitcast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.int32), tf.float32)
        kept = tf.cast(drawn >= rate * 2.0**24, inputs.dtype)
        self.counter.assign_add(tf.constant([1, 0]))
        return inputs * kept / tf.cast(1.0 - rate, inputs.dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The shape of what `call` gives."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """What a file holds of this layer."""
        own = {"rate": self.rate, "seed": self.seed, "steps": self.steps}
        return layer_config(self, {**own, "dtype": self.dtype_policy.name})

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        whole = isinstance(self.seed, int) and 0 <= self.seed < 2**31
        steps = self.steps is None or (isinstance(self.steps, int) and self.steps >= 1)
        return is_number(self.rate) and 0 <= self.rate < 1 and whole and steps


def flat_cos(t: Tensor) -> Tensor:
    """1 for the first half of training, then along a cosine to 0; t from 0 to 1 (RealMLP, arXiv 2407.04491)."""
    return 0.5 * (1.0 + tf.cos(math.pi * (tf.clip_by_value(2.0 * t, 1.0, 2.0) - 1.0)))


@register
class MembersBatchNormalization(keras.layers.Layer):
    """Batch normalization of each member, with Keras's settings: momentum 0.99, epsilon 0.001.

    Args:
        members: How many, 1 or more.

    Takes and gives (members, units, rows). The mean and the variance are those of all rows of a batch, those that a
    member holds out among them: it sees their features, never their targets.
    """

    MOMENTUM, EPSILON = 0.99, 1e-3

    def __init__(self, members: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members = members

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights."""
        own = (self.members, int(input_shape[1] or 0), 1)
        self.gamma = self.add_weight(shape=own, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=own, initializer="zeros", name="beta")
        self.moving_mean = self.add_weight(shape=own, initializer="zeros", trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(shape=own, initializer="ones", trainable=False, name="moving_variance")

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Normalizes by the batch while training, else by what was seen then."""
        mean, variance = self.moving_mean.value, self.moving_variance.value
        if training and self.trainable:
            mean, variance = tf.nn.moments(inputs, axes=[2], keepdims=True)
            for moving, seen in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.MOMENTUM + seen * (1.0 - self.MOMENTUM))
        return (inputs - mean) * (tf.math.rsqrt(variance + self.EPSILON) * self.gamma) + self.beta

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The shape of what `call` gives."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """What a file holds of this layer."""
        own = {"members": self.members, "trainable": self.trainable, "dtype": self.dtype_policy.name}
        return layer_config(self, own)

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        return _are_sizes(self.members)


@register
class MembersMean(keras.layers.Layer):
    """(members, rows, outputs) → (rows, outputs): the mean of the members' values or probabilities.

    Args:
        low: The least value of each output, which no member goes below; none for no bound.
        high: The greatest.
        shares: The share of each member, where these are not equal.
    """

    def __init__(
        self, low: Sequence[float] = (), high: Sequence[float] = (), shares: Sequence[float] = (), **kwargs: Any
    ) -> None:
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.low, self.high, self.shares = list(low), list(high), list(shares)

    def call(self, inputs: Tensor) -> Tensor:
        """The mean."""
        outputs = self.bounded(inputs)
        return tf.tensordot(self.shares, outputs, [[0], [0]]) if self.shares else tf.reduce_mean(outputs, axis=0)

    def bounded(self, inputs: Tensor) -> Tensor:
        """The members' outputs within the bounds."""
        return tf.clip_by_value(inputs, self.low, self.high) if self.low else inputs

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The shape of what `call` gives."""
        return tuple(input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        """What a file holds of this layer."""
        return layer_config(self, {"low": self.low, "high": self.high, "shares": self.shares})

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        return are_numbers(self.low, self.high, self.shares) and len(self.low) == len(self.high)


@register
class LinearShare(keras.layers.Layer):
    """A linear model's values or probabilities times its share: (rows, outputs). It is fitted elsewhere, not learnt.

    Takes (rows, features), or features as members get them, (1, features, rows).

    Args:
        share: From 0 to 1.
        low: The least value of each output.
        high: The greatest.
        activation: linear; sigmoid or softmax make probabilities.
    """

    def __init__(
        self, share: float, low: Sequence[float], high: Sequence[float], activation: str = "linear", **kwargs: Any
    ) -> None:
        super().__init__(trainable=False, **{**kwargs, "dtype": "float32"})
        self.share, self.low, self.high, self.activation = share, list(low), list(high), activation

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights."""
        shape = (int(input_shape[1] or 0), len(self.low))
        self.kernel = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="kernel")
        self.bias = self.add_weight(shape=shape[1:], initializer="zeros", trainable=False, name="bias")

    def call(self, inputs: Tensor) -> Tensor:
        """The values, within the bounds."""
        rows = tf.transpose(inputs[0]) if len(inputs.shape) == 3 else inputs
        values = ACTIVATIONS[self.activation](tf.matmul(rows, self.kernel) + self.bias)
        return self.share * tf.clip_by_value(values, self.low, self.high)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The shape of what `call` gives."""
        return (input_shape[2 if len(input_shape) == 3 else 0], len(self.low))

    def get_config(self) -> dict[str, Any]:
        """What a file holds of this layer."""
        own = {"share": self.share, "low": self.low, "high": self.high, "activation": self.activation}
        return layer_config(self, own)

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        return (
            is_number(self.share)
            and are_numbers(self.low, self.high)
            and 0 < len(self.low) == len(self.high)
            and self.activation in ("linear", "sigmoid", "softmax")
        )


def _are_sizes(members: Any, units: Any = 1) -> bool:
    return all(isinstance(size, int) and not isinstance(size, bool) for size in (members, units)) and (
        1 <= members <= MOST_MEMBERS and 1 <= units <= MOST_UNITS
    )
