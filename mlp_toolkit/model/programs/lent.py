"""Networks that are built once, and lent to one training after another: to build one takes Keras 20 ms.

That is as long as twenty epochs of a hundred rows. Whoever fits an estimator again, or a cross-validation, lets go of
each network before the next is asked for; that one gets it, as it would be if it were built.
"""

from __future__ import annotations

import contextlib
import weakref
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Network

MOST = 8  # networks that wait, those used last
MOST_WEIGHTS = 200_000  # of a network: to build a larger one is little beside its training
# Layers that begin anew by their seeds, or as they began at first. Dropout has a random state of its own besides.
_LAYERS = ("InputLayer", "Dense", "Activation", "LeakyReLU", "BatchNormalization", "Rescaling")


@dataclass(frozen=True, eq=False)
class _Lent:
    """A network that one training after another has.

    Attributes:
        kind: What it is like.
        network: It is in any state.
        begin: The values of its variables when it was built, as tensors.
    """

    kind: Hashable
    network: Network
    begin: list[Any]


_WAITING: deque[_Lent] = deque(maxlen=MOST)  # each of its methods is one step, whatever other threads do


class Loan:
    """Whoever holds it has a network for himself; once nobody does, the next may have it.

    Attributes:
        network: Nothing else may hold it longer than this, or a part of it: else call `keep`.
    """

    def __init__(self, lent: _Lent) -> None:
        self.network = lent.network
        self._back = weakref.finalize(self, _WAITING.append, lent)
        self._back.atexit = False
        if not _lendable(lent.network):
            self.keep()

    def keep(self) -> None:
        """The network is nobody else's from now on."""
        self._back.detach()


def network(kind: Hashable, seed: int, build: Callable[[], Network]) -> Loan:
    """A network, compiled and with an optimizer that is built, in the state that `build` gives.

    Args:
        kind: All that it depends on besides the seed. Keras's own settings and the device come besides.
        seed: Its weights' layers are drawn by this and the following numbers, one after the other.
        build: Builds it by that seed.
    """
    place = tf.constant(0.0).device, tf.distribute.has_strategy()
    kind = (kind, keras.config.floatx(), keras.config.dtype_policy().name, place)
    for waiting in [*_WAITING]:
        if waiting.kind == kind:
            with contextlib.suppress(ValueError):  # another thread was faster
                _WAITING.remove(waiting)
                _begin_anew(waiting, seed)
                return Loan(waiting)
    built = build()
    return Loan(_Lent(kind, built, [tf.constant(variable.numpy()) for variable in _variables(built)]))


def forget() -> None:
    """Frees all networks that wait."""
    _WAITING.clear()


def _variables(network: Network) -> list[Any]:
    return [*network.variables, *network.optimizer.variables]


def _begin_anew(lent: _Lent, seed: int) -> None:
    """Brings a network into the state in which it would have been built by another seed."""
    for variable, value in zip(_variables(lent.network), lent.begin, strict=True):
        variable.value.assign(value, read_value=False)
    dense = [layer for layer in lent.network.layers if isinstance(layer, keras.layers.Dense)]
    for number, layer in enumerate(dense):
        settings = layer.kernel_initializer.get_config()
        if "seed" in settings:
            drawn = type(layer.kernel_initializer).from_config({**settings, "seed": seed + number})
            layer.kernel_initializer = drawn
            kernel = layer.kernel
            kernel.value.assign(drawn(kernel.shape, dtype=kernel.dtype), read_value=False)


def _lendable(network: Network) -> bool:
    """Whether a network is small, plain, and begins anew by what is known of it."""
    plain = type(network).__module__.startswith("keras.src.models.")
    known = all(type(layer).__name__ in _LAYERS for layer in network.layers)
    return plain and known and network.count_params() <= MOST_WEIGHTS and not tf.distribute.has_strategy()
