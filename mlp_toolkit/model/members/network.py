"""RealMLP's layers, one after another (Holzmüller et al., arXiv 2407.04491)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.model.members.layers import MembersDense, MembersDropout, MembersMean, ToMembers
from mlp_toolkit.model.members.numbers import Embeddings, MembersScale, RobustScale

SEEDS = 10_000  # a member's seeds follow those of the one before it at this distance


@dataclass(frozen=True)
class Columns:
    """What the encoded columns are, as far as a network treats them differently.

    Attributes:
        numbers: Positions of numbers that vary.
        categories: [begin, how many, coordinates] of one-hot columns that are embedded as one.
    """

    numbers: tuple[int, ...]
    categories: tuple[tuple[int, int, int], ...] = ()


def realmlp(
    members: int,
    n_features: int,
    n_outputs: int,
    *,
    columns: Columns | None,
    hidden: Sequence[int],
    activation: str,
    output: str,
    dropout: float,
    steps: int | None,
    sigma: float = 0.1,
    bounds: tuple[Sequence[float], Sequence[float]] = ((), ()),
    seed: int = 0,
    name: str = "mlp",
) -> Ensemble:
    """The network of Holzmüller et al. (arXiv 2407.04491), not yet fitted to rows.

    Args:
        members: How many, 1 or more.
        n_features: Encoded columns.
        n_outputs: Output neurons.
        columns: What the columns are; None takes all for numbers.
        hidden: Neurons of each hidden layer.
        activation: A name in `layers.ACTIVATIONS`.
        output: The output's.
        dropout: 0 ≤ dropout < 1.
        steps: Of the whole training, over which dropout goes on; None leaves it as it is.
        sigma: The largest deviation of the frequencies of numbers' embeddings at the beginning.
        bounds: What the members' values are kept within, one for each output.
        seed: 0 or more.
        name: The network's name.
    """
    columns = columns or Columns(tuple(range(n_features)))
    seeds = [seed + SEEDS * member for member in range(members)]
    inputs = keras.Input((n_features,), name="features")
    x = RobustScale(tails=True, name="scale")(ToMembers(name="members")(inputs))
    numbers, categories = list(columns.numbers), list(columns.categories)
    x = Embeddings(members, numbers, categories, sigma, seeds=seeds, name="embeddings")(x)
    x = MembersScale(members, name="factors")(x)
    for index, units in enumerate(hidden, 1):
        about: dict[str, Any] = {"initializers": _normal(seeds, index), "name": f"hidden_{index}"}
        x = MembersDense(members, units, activation, scaled=True, parametric=True, **about)(x)
        if dropout:
            x = MembersDropout(dropout, (seed + index) % 2**31, steps, name=f"hidden_{index}_dropout")(x)
    drawn = _normal(seeds, len(hidden) + 1)
    x = MembersDense(members, n_outputs, output, scaled=True, last=True, initializers=drawn, name="output")(x)
    low, high = bounds
    return Ensemble(inputs, MembersMean(low, high, name="mean")(x), name=name)


def _normal(seeds: Sequence[int], layer: int) -> list[Any]:
    """Initializers of deviation 1, one for each member."""
    return [keras.initializers.RandomNormal(stddev=1.0, seed=seed + layer) for seed in seeds]
