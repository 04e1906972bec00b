"""What a RealMLP network takes from its training rows before it learns (arXiv 2407.04491)."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.model.members.layers import MembersDense
from mlp_toolkit.model.members.numbers import Embeddings, RobustScale

ROWS_FITTED_TO = 20_000  # at most
ROWS_LOOKED_AT = 2_048  # for the variance of a neuron's sums
IN_A_HULL = 5  # rows whose weighted mean a neuron's kink goes through


def is_unfitted(network: Any) -> bool:
    """Whether a network is to be fitted to the rows before it learns them."""
    return any(isinstance(layer, RobustScale) and not layer.fitted for layer in network.layers)


def fit_to_rows(network: Ensemble, x: np.ndarray, seed: int) -> None:
    """Fits the scale of numbers to the rows, and begins each neuron with sums that vary by 1 among them.

    A neuron's bias lets its sum be 0 at a weighted mean of a few rows, so that its kink lies among them ("he+5", after
    Steinwart, arXiv 1903.11482).

    Args:
        network: A network of members; layers that take nothing from rows stay as they are.
        x: (rows, features) encoded training rows.
        seed: Of the drawing, 0 or more.
    """
    random = np.random.default_rng([seed, 5])
    for layer in network.layers:
        if isinstance(layer, RobustScale):
            layer.fit(x)
            _leave_categories(network, layer)
    rows = x[random.permutation(len(x))[:ROWS_LOOKED_AT]]
    values: Tensor = tf.constant(rows, tf.float32)
    for layer in network.layers[1:-1]:
        if isinstance(layer, MembersDense) and layer.scaled:
            _begin(layer, values, random)
        values = layer(values)


def _leave_categories(network: Ensemble, scale: RobustScale) -> None:
    """One-hot columns that are embedded as one stay 0 and 1."""
    for layer in network.layers:
        for begin, size, _ in layer.categories if isinstance(layer, Embeddings) else ():
            center, factor = scale.center.numpy(), scale.scale.numpy()
            center[begin : begin + size], factor[begin : begin + size] = 0, 1
            scale.center.assign(center)
            scale.scale.assign(factor)


def _begin(layer: MembersDense, values: Tensor, random: np.random.Generator) -> None:
    """Weights of a dense layer whose sums have variance 1 over these rows, and biases among them."""
    layer.kernel.assign(random.standard_normal(layer.kernel.shape))
    spread = tf.math.reduce_std(layer.weighted(values), axis=2, keepdims=True)
    layer.kernel.assign(layer.kernel / tf.maximum(tf.transpose(spread, [0, 2, 1]), 1e-3))
    sums = layer.weighted(values).numpy()
    members, units, rows = sums.shape
    chosen = random.integers(0, rows, (members, units, IN_A_HULL))
    shares = random.exponential(size=chosen.shape)
    shares /= shares.sum(axis=2, keepdims=True)
    layer.bias.assign(-(np.take_along_axis(sums, chosen, axis=2) * shares).sum(axis=2, keepdims=True))
