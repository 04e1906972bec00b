"""How the numbers of a row are filled where they are missing, standardised, and marked as missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mlp_toolkit.data.columns.moments import Moments


@dataclass(frozen=True)
class Scaling:
    """What is done to numbers, fitted to the training rows.

    Attributes:
        fill: For each number the median of the training rows.
        center: Their mean after filling.
        inverse_scale: One over their standard deviation after filling; 0 where that is 0.
        indicators: Positions of the numbers that are missing somewhere in the training rows; each has a column that
            is 1 where it is missing.
    """

    fill: tuple[float, ...] = ()
    center: tuple[float, ...] = ()
    inverse_scale: tuple[float, ...] = ()
    indicators: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Encoded columns: the numbers, then the indicators."""
        return len(self.fill) + len(self.indicators)

    def encode(self, columns: Iterable[np.ndarray], encoded: np.ndarray) -> None:
        """Writes the numbers and their indicators, (rows, width) float32."""
        marks = {index: len(self.fill) + place for place, index in enumerate(self.indicators)}
        for index, column in enumerate(columns):  # one by one: what is computed on stays in the processor's cache
            known = np.isfinite(column)
            filled = np.where(known, column.astype(np.float64), self.fill[index])  # float64, as in the layer
            filled -= self.center[index]
            filled *= self.inverse_scale[index]
            with np.errstate(over="ignore"):  # far outside of what was seen in training: infinity, as in the layer
                encoded[:, index] = filled
            if index in marks:
                encoded[:, marks[index]] = ~known


class ScalingFitter:
    """Fits a scaling to rows that come piece by piece: exact means and deviations, medians of a sample.

    Args:
        width: Numbers of a row.
        share: The share of rows that medians are taken from; 1 takes all, and the medians are exact.
        seed: For drawing that sample.
    """

    def __init__(self, width: int, share: float = 1.0, seed: int = 0) -> None:
        self.moments, self.absent = Moments(width), np.zeros(width)
        self.sample: list[np.ndarray] = []
        self.share, self.random = share, np.random.default_rng([seed, 0])

    def add(self, columns: list[np.ndarray], rows: int) -> None:
        """Takes in the numbers of training rows, each (rows,) float64 or float32."""
        drawn = slice(None) if self.share >= 1 else np.flatnonzero(self.random.random(rows) < self.share)
        for index, column in enumerate(columns):
            values = column[np.isfinite(column)].astype(np.float64)
            self.absent[index] += len(column) - len(values)
            self.moments.add(index, values)
        if columns:
            self.sample.append(np.stack([column[drawn] for column in columns]))

    def fitted(self) -> Scaling:
        """The scaling fitted to all rows so far. Means and deviations are those after filling."""
        sample = np.concatenate(self.sample, axis=1) if self.sample else np.zeros((len(self.absent), 0))
        fill, center, inverse = [], [], []
        for index, column in enumerate(sample):
            finite = column[np.isfinite(column)].astype(np.float64)
            fill.append(float(np.median(finite)) if len(finite) else float(self.moments.mean[index]))
            if self.absent[index]:
                self.moments.merge(index, int(self.absent[index]), fill[-1], 0.0)
            center.append(float(self.moments.mean[index]))
            deviation = float(self.moments.deviation[index])
            inverse.append(1 / deviation if deviation > 1e-12 * abs(center[-1]) else 0.0)
        indicators = tuple(np.flatnonzero(self.absent).tolist())
        return Scaling(tuple(fill), tuple(center), tuple(inverse), indicators)
