"""Activations and the initializers that fit them: names of the tables become Keras's functions and layers."""

from __future__ import annotations

from typing import Any

from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.registry import register
from mlp_toolkit.recipe import catalog, spec


@register
def step(x: Tensor) -> Tensor:
    """The perceptron's step function: 1 where x ≥ 0, else 0. It has no gradient."""
    return keras.ops.cast(keras.ops.greater_equal(x, 0), x.dtype)


def activation_of(own: Any, named: spec.Activation) -> Any:
    """A name that Dense takes, or an object for a layer of its own."""
    if own is not None:
        return own
    entry = catalog.config("activations")["activations"].get(named.name, {"keras": named.name})
    if named.name == "step":
        return step
    if "slope" in entry:
        return keras.layers.LeakyReLU(negative_slope=entry["slope"] if named.slope is None else named.slope)
    return entry["keras"]


def activation_layer(own: Any, name: str, policy: Any) -> Any:
    """A layer that carries out an activation, or a copy of a layer that is one."""
    if isinstance(own, keras.layers.Layer):
        return own.__class__.from_config({**own.get_config(), "name": name, "dtype": policy})
    return keras.layers.Activation(own, name=name, dtype=policy)


def fitting_initializer(activation: str) -> str:
    """By the table, which also knows Keras's names: silu is swish."""
    table = catalog.config("activations")
    for name, entry in table["activations"].items():
        if activation in (name, entry["keras"]):
            return str(entry["initializer"])
    return str(table["fallback_initializer"])


def name_of_activation(activation: Any) -> str:
    """The table's name of a Keras activation function or layer: that of LeakyReLU() is leaky_relu."""
    if not isinstance(activation, keras.layers.Layer):
        return str(getattr(activation, "__name__", ""))
    if isinstance(activation, keras.layers.Activation):
        return name_of_activation(activation.activation)
    names: dict[str, str] = {name.replace("_", ""): name for name in catalog.config("activations")["activations"]}
    return names.get(type(activation).__name__.lower(), "")


def seeded_initializer(initializer: Any, seed: int | None) -> Any:
    """The initializer with a seed, unless it has its own."""
    config = initializer.get_config() if isinstance(initializer, keras.initializers.Initializer) else {}
    if config.get("seed", 0) is not None:
        return initializer
    return initializer.__class__.from_config({**config, "seed": seed})


def is_keras_object(value: Any) -> bool:
    """Whether it is a function or a layer rather than a name."""
    return callable(value) or isinstance(value, keras.layers.Layer)
