"""How the members of an ensemble are judged by rows that they do not learn, and the best epoch of each is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.model.programs import kept
from mlp_toolkit.model.programs.signature import architecture, signature
from mlp_toolkit.training.engine.rows import Arrays, Rows

ROWS_AT_ONCE = 512
VALUES_AT_ONCE = 2**23  # that a layer computes for all members


class OwnRows:
    """The rows that each member holds out, and what it says of them.

    Args:
        network: The members.
        x: (rows, features) of all rows.
        fold: (rows,) which member holds out each.
    """

    def __init__(self, network: Ensemble, x: np.ndarray, fold: np.ndarray) -> None:
        self.rows = [np.flatnonzero(fold == member) for member in range(network.members)]
        most = max(1, *map(len, self.rows))
        # Those of a member that holds out fewer are filled up; what it says of these is left out.
        places = [np.resize(own, most) if len(own) else np.zeros(most, int) for own in self.rows]
        self._x = x[np.stack(places)]
        self._parts = parts_of(most, network)
        self._outputs = traced(
            "outputs of own rows",
            network,
            lambda part: network.bounded(network.member_outputs(part)),
            [tf.TensorSpec((network.members, None, x.shape[1]))],
        )

    def outputs(self) -> list[np.ndarray]:
        """For each member, (its rows, outputs)."""
        parts = [self._outputs(tf.constant(self._x[:, part])).numpy() for part in self._parts]
        given = np.concatenate(parts, axis=1)
        return [given[member, : len(own)] for member, own in enumerate(self.rows)]


def parts_of(rows: int, network: Ensemble) -> list[slice]:
    """Rows in parts, so that what is computed for one fits into memory."""
    size = min(ROWS_AT_ONCE, max(1, VALUES_AT_ONCE // network.values_of_a_row))
    return [slice(start, start + size) for start in range(0, rows, size)]


def traced(
    what: str, network: Ensemble, function: Callable[..., Any], specs: Sequence[Any], of: str | None = None
) -> Any:
    """A function of a network's members as a graph: one that is kept for networks like it, or traced now.

    Args:
        what: Names it.
        network: Whose weights it reads.
        function: It takes tensors.
        specs: Of these.
        of: What else it depends on; None where that is the architecture alone.
    """
    key = of or architecture(network)
    graph = tf.function(function, autograph=False)
    return kept.program(
        key and (what, key, tuple(specs)),
        network.weights,
        lambda: graph.get_concrete_function(*specs),
    )


@dataclass(frozen=True)
class Judge:
    """How the members of an ensemble are judged after an epoch.

    Attributes:
        values: Gives a value for each member, (members,), the lower the better, and what stands in the logs.
        names: What stands in the logs.
        every: Only every so many epochs, and after the last.
        later: Of two epochs that are as good the later one is kept.
    """

    values: Callable[[], tuple[np.ndarray, dict[str, float]]]
    names: tuple[str, ...] = ()
    every: int = 1
    later: bool = False

    @classmethod
    def by_loss(cls, network: Ensemble, validation: Rows) -> Judge:
        """By each member's loss over the same validation rows, weighted as training is."""

        def by_batch(x: Any, y: Any, weights: Any) -> Any:
            return network.member_losses(y, network.member_outputs(x), weights, None)

        given = _weighted(validation.first)
        specs = [tf.TensorSpec((None, *array.shape[1:]), tf.as_dtype(array.dtype)) for array in given]
        losses = traced("losses of members", network, by_batch, specs, signature(network))

        def values() -> tuple[np.ndarray, dict[str, float]]:
            total, rows = np.zeros(network.members), 0
            for x, y, weights in _batches(validation, network):
                total += losses(x, y, weights).numpy() * len(x)
                rows += len(x)
            return total / rows, {}

        return cls(values)


def _batches(validation: Rows, network: Ensemble) -> Iterator[tuple[Any, Any, Any]]:
    for block in validation.blocks(0):
        x, y, weights = _weighted(block)
        for part in parts_of(int(x.shape[0]), network):
            yield x[part], y[part], weights[part]


def _weighted(block: Arrays) -> tuple[Any, Any, Any]:
    """x, y, and the weights that training lowers the loss by."""
    x, y, *weights = block
    return x, y, weights[-1] if weights else tf.ones(int(x.shape[0]))


def replaced(before: Sequence[Any], now: Sequence[Any], which: np.ndarray) -> list[Any]:
    """Values of all variables, those of some members taken from `now`; what belongs to no member is, too.

    Args:
        before: Values of all variables; empty takes all from `now`.
        now: Later ones.
        which: (members,) whether a member's are replaced.
    """
    if not before or which.all():
        return list(now)
    found = []
    for old, new in zip(before, now, strict=True):
        shape = tuple(np.shape(new))
        if shape[:1] != which.shape or len(shape) < 2:
            found.append(new)
            continue
        mask = which.reshape(-1, *[1] * (len(shape) - 1))
        found.append(tf.where(mask, new, old))
    return found


def side_by_side(network: Ensemble, wide: Ensemble, states: Sequence[Sequence[Any]]) -> None:
    """Fills a network of several times as many members with those of several states of another.

    Args:
        network: Whose states they are.
        wide: The network to fill.
        states: Values of all variables of `network`; what belongs to no member comes from the last.
    """
    members = network.members
    for place, variable in enumerate(wide.variables):
        values = np.asarray(states[-1][place])
        if values.shape[:1] == (members,) and variable.shape[0] == len(states) * members:
            values = np.concatenate([np.asarray(state[place]) for state in states])
        variable.assign(values)
