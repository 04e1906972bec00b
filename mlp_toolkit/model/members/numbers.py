"""What RealMLP does to a row before its first dense layer (Holzmüller et al., arXiv 2407.04491)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.layers.registry import are_whole, is_number, layer_config, register
from mlp_toolkit.model.members.arithmetic import cosine_of_turns
from mlp_toolkit.model.members.layers import MOST_MEMBERS

WIDEST = 1_000_000  # encoded columns
LEAST_SIGMA = 0.05
FAR, BEYOND = 5.0, 0.01  # a tail is long where more than this share of the rows lies beyond so many distances
FREQUENCIES, GIVEN = 16, 3  # of a number's embedding: cosines, and what is made of them


@register
class RobustScale(keras.layers.Layer):
    """s (x − median), of columns with long tails its inverse hyperbolic sine, then x / √(1 + (x/3)²): all is within ±3.

    s is 1 over the distance of the quartiles. Where that is 0, most rows have the median: then s is 2 over the median
    distance from it of the rows that differ, so that their order is kept however far a few of them lie; of a column of
    one value it is 0. Of one-hot columns this is 2 over the range, as published. A column has a long tail where more
    than 1 % of the rows lie beyond 5 on one side; it then grows like a logarithm. All is fitted to the training rows,
    not learnt.

    Args:
        tails: Whether columns with long tails are told apart; not in files of earlier versions.

    Takes and gives (members or 1, numbers, rows).
    """

    def __init__(self, tails: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tails = tails

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights: for all members the same."""
        own = (int(input_shape[1] or 0), 1)
        self.center = self.add_weight(shape=own, initializer="zeros", trainable=False, name="center")
        self.scale = self.add_weight(shape=own, initializer="ones", trainable=False, name="scale")
        if self.tails:
            self.tail = self.add_weight(shape=own, initializer="zeros", trainable=False, name="tail")

    def call(self, inputs: Tensor) -> Tensor:
        """Scales and clips."""
        x = (inputs - self.center) * self.scale
        if self.tails:
            x = tf.where(self.tail > 0, tf.asinh(x), x)
        return x * tf.math.rsqrt(1.0 + tf.square(x / 3.0))

    @property
    def fitted(self) -> bool:
        """Whether it was fitted to rows."""
        return bool(np.any(self.center.numpy() != 0) or np.any(self.scale.numpy() != 1))

    @property
    def with_tails(self) -> list[int]:
        """Positions of the columns with long tails."""
        return np.flatnonzero(self.tail.numpy()).tolist() if self.tails else []

    def fit(self, x: np.ndarray) -> None:
        """Takes median and scale from training rows, (rows, numbers), and whether tails are long."""
        low, middle, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
        spread = high - low
        for column in np.flatnonzero(spread == 0):
            apart = np.abs(x[:, column] - middle[column])
            spread[column] = np.median(apart[apart > 0]) / 2 if apart.any() else np.inf
        self.center.assign(middle[:, None])
        self.scale.assign(1 / spread[:, None])
        if self.tails:
            ends = np.quantile(x, [BEYOND, 1 - BEYOND], axis=0)
            self.tail.assign((np.abs(ends - middle).max(axis=0) > FAR * spread)[:, None])

    def of_rows(self, x: np.ndarray) -> np.ndarray:
        """Rows scaled and clipped, (rows, numbers)."""
        return np.asarray(self(tf.constant(x.T[None]))[0]).T

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The shape of what `call` gives."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """What a file holds of this layer."""
        return layer_config(self, {"tails": True} if self.tails else {})

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        return isinstance(self.tails, bool)


def robust_scale_of(network: Any) -> RobustScale | None:
    """The layer by which a network scales its numbers; None where it takes them as they are."""
    return next((layer for layer in network.layers if isinstance(layer, RobustScale)), None)


@register
class Embeddings(keras.layers.Layer):
    """Numbers and categories get a few learnt coordinates each; what is neither passes as it is.

    A number x becomes (x, W₂ cos(2π w₁ x + b₁) + b₂) in R⁴ ("PBLD"), with 16 frequencies w₁ of its own; of a category's
    one-hot columns the one that is set names a vector.

    Args:
        members: How many, 1 or more.
        numbers: Positions of the columns that are embedded as numbers.
        categories: Blocks of one-hot columns that are embedded as one: [begin, how many, coordinates].
        sigma: The standard deviation of the last frequency at the beginning, above 0; that of the first is 0.05, or
            this where it is less, and the others lie between them in equal ratios.
        seeds: One for each member.

    Takes (members or 1, columns, rows) and gives (members, coordinates, rows): those of the numbers, then those of the
    categories, then what passes.
    """

    def __init__(
        self,
        members: int,
        numbers: Sequence[int] = (),
        categories: Sequence[Sequence[int]] = (),
        sigma: float = 0.1,
        seeds: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.members, self.numbers, self.sigma = members, list(numbers), sigma
        self.categories = [list(block) for block in categories]
        self._seeds = list(seeds) if seeds is not None else list(range(members))

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights."""
        taken = {*self.numbers}.union(*(range(begin, begin + size) for begin, size, _ in self.categories))
        self.passing = [place for place in range(int(input_shape[1] or 0)) if place not in taken]
        count, edge = len(self.numbers), 1 / math.sqrt(FREQUENCIES)
        if count:
            sigmas = np.geomspace(min(LEAST_SIGMA, self.sigma), self.sigma, FREQUENCIES)[:, None]
            self.frequency = self._weight("frequency", (count, FREQUENCIES, 1), lambda r, s: sigmas * r.normal(0, 1, s))
            self.phase = self._weight("phase", (count, FREQUENCIES, 1), lambda r, s: r.uniform(-0.5, 0.5, s))
            self.mixing = self._weight("mixing", (count, GIVEN, FREQUENCIES), lambda r, s: r.uniform(-edge, edge, s))
            self.shift = self._weight("shift", (count, GIVEN, 1), lambda r, s: r.uniform(-edge, edge, s))
        self.vectors = [
            self._weight(f"vectors_{number}", (size, coordinates), lambda r, s: r.normal(0, 1, s))
            for number, (_, size, coordinates) in enumerate(self.categories)
        ]

    def _weight(self, name: str, shape: tuple[int, ...], draw: Any) -> Any:
        def drawn(shape: Sequence[int], dtype: Any = None) -> Tensor:
            generators = (np.random.default_rng([seed, *name.encode()]) for seed in self._seeds)
            return tf.constant(np.stack([draw(own, shape[1:]) for own in generators]), dtype)

        return self.add_weight(shape=(self.members, *shape), initializer=drawn, name=name)

    def call(self, inputs: Tensor) -> Tensor:
        """The coordinates of a batch."""
        parts, rows = [], tf.shape(inputs)[2]
        if self.numbers:
            x = self._columns(inputs, self.numbers)
            made = tf.matmul(self.mixing, cosine_of_turns(x[:, :, None] * self.frequency + self.phase)) + self.shift
            parts.append(tf.broadcast_to(x, [self.members, len(self.numbers), rows]))
            parts.append(tf.reshape(made, [self.members, len(self.numbers) * GIVEN, rows]))
        for vectors, (begin, size, _) in zip(self.vectors, self.categories, strict=True):
            set_ones = tf.broadcast_to(inputs[:, begin : begin + size], [self.members, size, rows])
            parts.append(tf.matmul(vectors, set_ones, transpose_a=True))
        if self.passing:
            passed = self._columns(inputs, self.passing)
            parts.append(tf.broadcast_to(passed, [self.members, len(self.passing), rows]))
        return tf.concat(parts, axis=1)

    @staticmethod
    def _columns(inputs: Tensor, places: list[int]) -> Tensor:
        """Some columns; neighbours are cut out, which costs less than to gather them."""
        if places == list(range(places[0], places[-1] + 1)):
            return inputs[:, places[0] : places[-1] + 1]
        return tf.gather(inputs, places, axis=1)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The shape of what `call` gives."""
        held = len(self.numbers) + sum(size for _, size, _ in self.categories)
        width = len(self.numbers) * (1 + GIVEN) + sum(coordinates for _, _, coordinates in self.categories)
        return (self.members, width + int(input_shape[1] or 0) - held, input_shape[2])

    def get_config(self) -> dict[str, Any]:
        """What a file holds of this layer; how its weights began is not among it."""
        own = {"members": self.members, "numbers": self.numbers, "categories": self.categories, "sigma": self.sigma}
        return layer_config(self, {**own, "trainable": self.trainable})

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        return (
            are_whole(self.members, most=MOST_MEMBERS)
            and isinstance(self.numbers, list)
            and are_whole(*self.numbers, most=WIDEST)
            and all(len(block) == 3 and are_whole(*block, most=WIDEST) for block in self.categories)
            and is_number(self.sigma)
            and self.sigma > 0
        )


@register
class MembersScale(keras.layers.Layer):
    """Each coordinate times a weight that begins as 1.

    Args:
        members: How many, 1 or more.

    Takes and gives (members, coordinates, rows).
    """

    def __init__(self, members: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members = members

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights."""
        own = (self.members, int(input_shape[1] or 0), 1)
        self.factor = self.add_weight(shape=own, initializer="ones", name="factor")

    def call(self, inputs: Tensor) -> Tensor:
        """Scales a batch."""
        return inputs * self.factor

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """The shape of what `call` gives."""
        return (self.members, *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        """What a file holds of this layer."""
        return layer_config(self, {"members": self.members, "trainable": self.trainable})

    def sound(self) -> bool:
        """Whether the settings are such as we write."""
        return are_whole(self.members, most=MOST_MEMBERS) and self.members >= 1
