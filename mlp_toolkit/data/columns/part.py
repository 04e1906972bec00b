"""What every kind of column has in common: how it is recognised, and the part it has in an encoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    Column = pd.Series[Any] | np.ndarray
    Table = pd.DataFrame | Mapping[str, np.ndarray]


class Found(NamedTuple):
    """What a column was recognised as.

    Attributes:
        kind: As a recipe writes it: `numeric`, `date(%Y-%m-%d)`, `ignore`, …
        note: What there is to say of it, or None.
    """

    kind: str
    note: str | None = None


class Texts(NamedTuple):
    """A column of text as the kinds look at it.

    Attributes:
        column: The column.
        name: Its name.
        counts: How often each text stands in it; words that stand for a missing value are left out.
        odd: Those of its texts that are no numbers.
    """

    column: pd.Series[Any]
    name: str
    counts: dict[str, int]
    odd: list[str]

    @property
    def rows(self) -> int:
        """Rows of the column, with and without a value."""
        return len(self.column)

    @property
    def known(self) -> int:
        """Rows with a value."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Part:
    """The columns of one kind, as an encoding encodes them. A kind has a class of its own.

    A kind gives numbers, which the encoding standardises and marks where they are missing; or it gives encoded columns
    itself. Where nothing is learnt of the training rows but for that, a part stands for its own fitting.
    """

    kind: ClassVar[str]
    dtype: ClassVar[str] = "float32"  # of what a model file takes for such a column

    @property
    def names(self) -> tuple[str, ...]:
        """The raw columns."""
        raise NotImplementedError  # each kind has its own

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The shape of one cell, as a model file takes it."""
        return (1,)

    @property
    def numbers(self) -> int:
        """How many numbers a row gives, to be standardised."""
        return 0

    @property
    def width(self) -> int:
        """How many encoded columns a row gives."""
        return 0

    def raw_numbers(self, frame: pd.DataFrame) -> Iterable[np.ndarray]:
        """Each of the numbers, (rows,) float64 or float32, and NaN where it is missing."""
        return ()

    def encode(self, frame: pd.DataFrame, encoded: np.ndarray) -> None:
        """Writes the encoded columns, (rows, width) float32 that are 0 before."""

    def model_inputs(self, table: Table) -> dict[str, np.ndarray]:
        """Raw cells as a model file takes them: (rows, *input_shape) by column name."""
        raise NotImplementedError  # each kind has its own

    def remarks(self, table: Table) -> list[str]:
        """What to say of rows to predict for, that are unlike those of the training."""
        return []

    def described(self) -> dict[str, str]:
        """What each column is, in words."""
        return dict.fromkeys(self.names, self.kind)

    def add(self, frame: pd.DataFrame) -> None:
        """Takes in training rows, to be fitted to them."""

    def fitted(self) -> Part:
        """The part, fitted to all rows so far."""
        return self
