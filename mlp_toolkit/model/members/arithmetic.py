"""Cosine, mish and random numbers in forms that XLA compiles to fast code on a processor, with their gradients.

Measured on 2 cores for 197,000 values: cosine 0.16 ms (TensorFlow's 1.85), mish 0.22 (0.65), random numbers 0.17 (70 by
TensorFlow's choice, 0.48 by Threefry).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.keras_types import Tensor

# Chebyshev's fits over |x| ≤ 1/2 in x²: of cos(2πx), and of sin(2πx)/x. In float32 they are within 1e-6.
_COSINE = (1.0, -19.7392045, 64.9391175, -85.4501395, 60.1676311, -25.9675992, 6.5286582)
_SINE = (6.28318492, -41.3415892, 81.5999433, -76.6144725, 41.3428824, -12.4712435)


def cosine_of_turns(turns: Tensor) -> Tensor:
    """cos(2πx), x in turns."""
    return tf.custom_gradient(_cosine)(turns)


def mish(x: Tensor) -> Tensor:
    """Activation x · tanh(softplus(x)) (Misra 2019), as x · n/(n + 2) with n = e^x (e^x + 2)."""
    return tf.custom_gradient(_mish)(x)


def _cosine(turns: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The cosine and its gradient."""
    x = turns - tf.round(turns)
    square = x * x

    def gradient(upstream: Tensor) -> Tensor:
        return upstream * (-2 * math.pi) * x * _polynomial(_SINE, square)

    return _polynomial(_COSINE, square), gradient


def _polynomial(coefficients: Sequence[float], x: Tensor) -> Tensor:
    value = tf.fill(tf.shape(x), coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value


def _mish(x: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The activation and its gradient."""
    e = tf.exp(tf.minimum(x, 20.0))
    n = e * (e + 2.0)
    share = n / (n + 2.0)

    def gradient(upstream: Tensor) -> Tensor:
        return upstream * (share + x * 4.0 * e * (e + 1.0) / tf.square(n + 2.0))

    return x * share, gradient


def random_bits(shape: Tensor, seed: Tensor) -> Tensor:
    """32 random bits for each place of a shape: a hash of the place and a seed.

    Args:
        shape: int32.
        seed: (2,) uint32; every seed gives other bits.

    Source: the finalizer of MurmurHash3 (Appleby).
    """
    places = tf.bitcast(tf.range(tf.reduce_prod(shape)), tf.uint32) * tf.constant(0x9E3779B1, tf.uint32)
    begin = _mixed(seed[0] + _mixed(seed[1] + tf.constant(0x85EBCA77, tf.uint32)))
    return tf.reshape(_mixed(places + begin), shape)


def _mixed(x: Tensor) -> Tensor:
    shift = tf.bitwise.right_shift
    x = tf.bitwise.bitwise_xor(x, shift(x, tf.constant(16, tf.uint32))) * tf.constant(0x85EBCA6B, tf.uint32)
    x = tf.bitwise.bitwise_xor(x, shift(x, tf.constant(13, tf.uint32))) * tf.constant(0xC2B2AE35, tf.uint32)
    return tf.bitwise.bitwise_xor(x, shift(x, tf.constant(16, tf.uint32)))
