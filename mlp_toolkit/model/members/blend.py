"""Several sets of members and a linear model, each with its share in one prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.keras_types import Network, Tensor
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.model.members.layers import LinearShare, MembersMean, ToMembers
from mlp_toolkit.model.members.numbers import RobustScale, robust_scale_of


def blended(network: Ensemble, shares: Sequence[float], share: float = 0.0, linear: Any = None) -> Network:
    """A network whose members have shares, and a linear model another.

    Args:
        network: Several sets of members, one after another; its last layer bounds their values.
        shares: Of each set.
        share: Of the linear model; all shares add up to 1.
        linear: Has `kernel` (features, outputs), `bias` (outputs,), `activation`, and `scaled`, whether its features
            are scaled as the network scales its own; None where there is none.

    Returns:
        An `Ensemble` where the linear model has no share; else a model of it and the linear model. It shares the
        network's layers, and is compiled as that is.
    """
    last, each = network.layers[-1], network.members // len(shares)
    of_members = [float(own) / each for own in shares for _ in range(each)]
    mean = MembersMean(last.low, last.high, of_members, name=last.name)
    model: Network = Ensemble(network.input, mean(last.input), name=network.name)
    if share:
        features = keras.Input(network.input.shape[1:], name="features")
        outputs = len(linear.bias)
        low, high = last.low or [0.0] * outputs, last.high or [1.0] * outputs  # of probabilities
        layer = LinearShare(share, low, high, linear.activation, name="linear")
        columns = _scaled(network, features) if linear.scaled else features
        both = keras.layers.Add(name="blend")([model(features), layer(columns)])
        layer.kernel.assign(linear.kernel)
        layer.bias.assign(linear.bias)
        model = keras.Model(features, both, name=f"{network.name}_and_linear")
    model.compile_from_config(network.get_compile_config())
    return model


def _scaled(network: Ensemble, features: Tensor) -> Tensor:
    """Features by a layer of the weights of the network's own scale."""
    own = robust_scale_of(network)
    assert own is not None
    scale = RobustScale(own.tails, name="linear_scale")
    scaled = scale(ToMembers(name="linear_rows")(features))
    scale.set_weights(own.get_weights())
    return scaled
