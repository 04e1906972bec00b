"""Means and variances of columns that come piece by piece, exact."""

from __future__ import annotations

import numpy as np


class Moments:
    """Count, mean and variance of each of some columns.

    Args:
        width: How many columns.
    """

    def __init__(self, width: int) -> None:
        self.count, self.mean, self.variance = np.zeros(width), np.zeros(width), np.zeros(width)

    def add(self, column: int, values: np.ndarray) -> None:
        """Takes in float64 values of a column."""
        if len(values):
            self.merge(column, len(values), values.mean(), values.var())

    def merge(self, column: int, count: int, mean: float, variance: float) -> None:
        """Takes in so many values, of which mean and variance are known (Chan, Golub and LeVeque 1979)."""
        apart = mean - self.mean[column]
        share = count / (self.count[column] + count)
        self.mean[column] = mean if share == 1 else self.mean[column] + share * apart
        self.variance[column] += share * (variance - self.variance[column]) + share * (1 - share) * apart**2
        self.count[column] += count

    @property
    def deviation(self) -> np.ndarray:
        """The standard deviation of each column."""
        return np.sqrt(self.variance)
