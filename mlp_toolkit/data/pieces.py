"""Rows of a recipe as all rooms take them: piece by piece, whether they are in memory or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from mlp_toolkit.data.columns.encoder import Encoding
from mlp_toolkit.data.columns.kinds import Kinds
from mlp_toolkit.data.targets import Target

if TYPE_CHECKING:
    import pandas as pd


class Piece(NamedTuple):
    """Some rows of a part.

    Attributes:
        frame: Feature columns as read.
        values: (rows, outputs) in the target's units, or class numbers from 0, or 0 and 1 for labels.
        weights: (rows,) of the `sample_weight` column, or None.
        row_numbers: For each row its number in the file it came from, from 0.
    """

    frame: pd.DataFrame
    values: np.ndarray
    weights: np.ndarray | None
    row_numbers: np.ndarray

    def head(self) -> Piece:
        """Its first row."""
        return Piece(
            self.frame[:1],
            self.values[:1],
            None if self.weights is None else self.weights[:1],
            self.row_numbers[:1],
        )


class RecipeData(Protocol):
    """A recipe's rows, in memory or streamed."""

    @property
    def kinds(self) -> Kinds:
        """The kind of each column."""

    @property
    def encoding(self) -> Encoding:
        """Fitted to the training rows."""

    @property
    def target(self) -> Target:
        """What is predicted."""

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each part."""

    @property
    def class_counts(self) -> np.ndarray:
        """Training rows of each class; for multilabel, (labels, 2), those without and with each label; else empty."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all files read."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was inferred, in sentences."""

    @property
    def folds(self) -> np.ndarray | None:
        """For each training row the member of an ensemble that holds it out; None without such folds."""

    @property
    def streamed(self) -> bool:
        """Whether the rows are read when they are needed, and are not all in memory."""

    def pieces(self, part: str) -> Iterator[Piece]:
        """The rows of a part that its scores are counted from."""

    def groups_of_rows(self, part: str) -> np.ndarray | None:
        """The number of each row's group, (rows,), in the order of the pieces; None without groups."""

    def encoded_by(self, encoding: Encoding, note: str) -> RecipeData:
        """The same rows, encoded in another way, and a note on why."""
