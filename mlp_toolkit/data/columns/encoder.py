"""The encoding: how raw columns become the numbers that a network takes, as plain values fitted to the training rows.

The layers of a model file hold the same values, and encode in the same way (`model/layers`).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mlp_toolkit.data.columns.image import ImageColumn
from mlp_toolkit.data.columns.kinds import BEGIN, Kinds
from mlp_toolkit.data.columns.part import Part
from mlp_toolkit.data.columns.scaling import Scaling, ScalingFitter
from mlp_toolkit.data.images.pixels import Image
from mlp_toolkit.errors import UserError, listing, nearest
from mlp_toolkit.files import MOST_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from mlp_toolkit.data.columns.part import Table


@dataclass(frozen=True)
class Encoding:
    """How raw columns become the numbers that a network takes.

    An encoded row holds the numbers of all parts, standardised; then which of them are missing; then the encoded
    columns of the parts that give such themselves.

    Attributes:
        parts: One for each kind of column that there is, in the order of the kinds.
        scaling: Of all numbers that the parts give.
    """

    parts: tuple[Part, ...]
    scaling: Scaling

    @property
    def columns(self) -> list[str]:
        """The raw columns the encoding takes."""
        return [name for part in self.parts for name in part.names]

    @property
    def width(self) -> int:
        """Numbers that a row becomes: the input neurons of the network."""
        return self.scaling.width + sum(part.width for part in self.parts)

    @property
    def image(self) -> Image | None:
        """The column of images, if there is one; an encoded row ends with its pixels."""
        return next((part.image for part in self.parts if isinstance(part, ImageColumn)), None)

    @property
    def image_begin(self) -> int:
        """Where the pixels of an encoded row begin: the numbers before them."""
        return self.width - (self.image.pixels if self.image else 0)

    def described(self) -> dict[str, str]:
        """What each raw column is, in words."""
        return {name: words for part in self.parts for name, words in part.described().items()}


def fit_encoding(frame: pd.DataFrame, kinds: Kinds, image: Image | None = None) -> Encoding:
    """Fits the encoding to the training rows: medians, means, scales, categories.

    Args:
        frame: The training rows only.
        kinds: The kind of each column.
        image: The column of images, as `pixels.fit` gives it.
    """
    fitter = Fitter(kinds)
    fitter.add(frame)
    encoding = fitter.encoding()
    return replace(encoding, parts=(*encoding.parts, ImageColumn(image))) if image else encoding


class Fitter:
    """Fits an encoding to rows that come piece by piece: exact counts, means and deviations; medians of a sample.

    Args:
        kinds: The kind of each column.
        share: The share of rows that medians are taken from; 1 takes all, and the medians are exact.
        seed: For drawing that sample.
    """

    def __init__(self, kinds: Kinds, share: float = 1.0, seed: int = 0) -> None:
        columns = {kind: {name: kinds.by_column[name] for name in kinds.of(kind)} for kind in BEGIN}
        self.fittings = [BEGIN[kind](own) for kind, own in columns.items() if own]
        self.numeric = [part for part in self.fittings if isinstance(part, Part) and part.numbers]
        self.scaling = ScalingFitter(sum(part.numbers for part in self.numeric), share, seed)

    def add(self, frame: pd.DataFrame) -> None:
        """Takes in training rows, as `tables` gives them."""
        numbers = itertools.chain.from_iterable(part.raw_numbers(frame) for part in self.numeric)
        self.scaling.add(list(numbers), len(frame))
        for fitting in self.fittings:
            fitting.add(frame)

    def encoding(self) -> Encoding:
        """The encoding fitted to all rows so far."""
        return Encoding(tuple(fitting.fitted() for fitting in self.fittings), self.scaling.fitted())


def encode(frame: pd.DataFrame, encoding: Encoding) -> np.ndarray:
    """Encodes rows as the layers of a model file do, to the bit, and faster for many rows.

    Args:
        frame: Rows as `tables` gives them, with all columns of the encoding, checked before.
        encoding: The encoding.

    Returns:
        (rows, encoding.width) float32.
    """
    encoded = np.zeros((len(frame), encoding.width), np.float32)
    numbers = itertools.chain.from_iterable(part.raw_numbers(frame) for part in encoding.parts)
    encoding.scaling.encode(numbers, encoded)
    begin = encoding.scaling.width
    for part in encoding.parts:
        if part.width:
            part.encode(frame, encoded[:, begin : begin + part.width])
            begin += part.width
    return encoded


def model_inputs(table: Table, encoding: Encoding) -> dict[str, np.ndarray]:
    """Raw rows as a model file takes them: (rows, 1) float32 or text by column name.

    Images come in the size that they have in training, (rows, height, width, channels), uint8 where that holds them.

    Args:
        table: Raw rows as `tables` gives them: a data frame, or its columns.
        encoding: The model's.

    Raises:
        UserError: A column is missing or holds something else than in training.
    """
    require_columns(table if isinstance(table, Mapping) else dict.fromkeys(table.columns.tolist()), encoding)
    return {name: values for part in encoding.parts for name, values in part.model_inputs(table).items()}


def require_columns(names: Collection[str], encoding: Encoding) -> None:
    """Checks that rows have the columns that an encoding takes.

    Raises:
        UserError: With the nearest names.
    """
    absent = [name for name in encoding.columns if name not in names]
    if absent:
        near = {name: nearest(name, itertools.islice(names, MOST_COLUMNS)) for name in absent[:3]}
        by_number = all(map(str.isdigit, encoding.columns))
        hints = ["columns are called by their numbers: --no-header, or pandas.read_csv(FILE, header=None)"] * by_number
        hints += [f"{name!r} is perhaps {other!r}" for name, other in near.items() if other]
        raise UserError(
            f"{len(absent)} of the model's {len(encoding.columns)} columns are missing: {listing(absent)}",
            remedy="; ".join(hints) or None,
        )
