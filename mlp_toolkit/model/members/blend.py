"""Two sets of members and a linear model, each with its share in one prediction."""

from __future__ import annotations

import numpy as np

from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.model.members.layers import LinearShare, MembersMean


def blended(network: Ensemble, shares: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> Network:
    """A network whose members have shares, and a linear model another.

    Args:
        network: Two sets of members, one after the other; its last layer bounds their values.
        shares: (3,) of the first set, of the second, and of the linear model, whose sum is 1.
        kernel: (features, outputs) of the linear model.
        bias: (outputs,).

    Returns:
        An `Ensemble` where the linear model has no share; else a model of it and the linear model. It shares the
        network's layers, and is compiled as that is.
    """
    last, half = network.layers[-1], network.members // 2
    each = [float(share) / half for share in shares[:2] for _ in range(half)]
    mean = MembersMean(last.low, last.high, each, name=last.name)
    weighed: Network = Ensemble(network.input, mean(last.input), name=network.name)
    weighed.compile_from_config(network.get_compile_config())
    weighed.optimizer.build(weighed.trainable_variables)
    for new, old in zip(weighed.optimizer.variables, network.optimizer.variables, strict=True):
        new.assign(old)
    if not shares[2]:
        return weighed
    features = keras.Input(network.input.shape[1:], name="features")
    linear = LinearShare(float(shares[2]), last.low, last.high, name="linear")
    outputs = keras.layers.Add(name="blend")([weighed(features), linear(features)])
    linear.kernel.assign(kernel)
    linear.bias.assign(bias)
    model: Network = keras.Model(features, outputs, name=f"{network.name}_and_linear")
    model.compile_from_config(network.get_compile_config())
    model.optimizer.build(model.trainable_variables)
    for new, old in zip(model.optimizer.variables, network.optimizer.variables, strict=True):
        new.assign(old)
    return model
