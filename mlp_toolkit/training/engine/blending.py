"""The shares that networks of several epochs, and in regression a linear model, have in a prediction.

They are chosen by what each says of rows that it has not learnt. Where rows are noisy, networks are worth most that
have trained for a short while; where the truth is nearly linear, a linear model is worth more than networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Shares are drawn to equal ones of the networks and none of the linear model, so much beside the error to be lowered.
DRAWN, DRAWN_OF_CLASSES = 0.03, 0.3
LEAST = 0.01  # a smaller share is none
RATES = np.logspace(-2, 4, 13)  # of ridge regression, for standardised columns
MOST_VALUES, MOST_COLUMNS = 20_000_000, 1_000  # larger tables get no linear model: their networks need none


class Linear(NamedTuple):
    """A linear model of all training rows, and what models of all folds but one say of that one.

    Attributes:
        kernel: (features, outputs).
        bias: (outputs,).
        out_of_fold: (rows, outputs).
    """

    kernel: np.ndarray
    bias: np.ndarray
    out_of_fold: np.ndarray


def linear_model(x: np.ndarray, y: np.ndarray, weights: np.ndarray, fold: np.ndarray) -> Linear | None:
    """Ridge regressions whose penalty is chosen by leaving out each row in turn; None for a table that is too large.

    Args:
        x: (rows, features).
        y: (rows, outputs).
        weights: (rows,).
        fold: (rows,) the fold of each row.
    """
    if x.size > MOST_VALUES or x.shape[1] > MOST_COLUMNS:
        return None
    low, high = y.min(axis=0), y.max(axis=0)
    said = np.zeros_like(y)
    for number in np.unique(fold):
        learnt, held = fold != number, fold == number
        kernel, bias = _ridge(x[learnt], y[learnt], weights[learnt])
        said[held] = np.clip(x[held] @ kernel + bias, low, high)
    return Linear(*_ridge(x, y, weights), said)


def _ridge(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (features, outputs) and bias (outputs,) for columns as they are."""
    from sklearn.linear_model import RidgeCV

    mean, spread = x.mean(axis=0, dtype=float), x.std(axis=0, dtype=float)
    scale = np.where(spread > 0, 1 / np.where(spread > 0, spread, 1), 0)
    fitted = RidgeCV(RATES).fit((x - mean) * scale, y, sample_weight=weights)
    kernel = scale[:, None] * np.reshape(fitted.coef_, (-1, x.shape[1])).T
    bias = np.reshape(fitted.intercept_, -1) - mean @ kernel
    return kernel.astype(np.float32), bias.astype(np.float32)


def shares(
    y: np.ndarray, said: Sequence[np.ndarray], weights: np.ndarray, prior: np.ndarray, drawn: float
) -> np.ndarray:
    """Shares of 0 or more that add up to 1, by which the mean squared error of rows held out is least.

    Args:
        y: (rows, outputs): values, or 0 and 1.
        said: Several times (rows, outputs).
        weights: (rows,).
        prior: The shares to which they are drawn.
        drawn: How much; 0 or more.
    """
    from scipy.optimize import minimize

    errors = np.stack([values.astype(float) - y for values in said])
    products = np.einsum("aro,bro,r->ab", errors, errors, weights / weights.sum())
    usual = prior @ products @ prior

    def blamed(share: np.ndarray) -> float:
        apart = share - prior
        return float(share @ products @ share / max(usual, 1e-12) + drawn * apart @ apart)

    sums = {"type": "eq", "fun": lambda share: share.sum() - 1}
    found = minimize(blamed, prior, bounds=[(0, 1)] * len(prior), constraints=[sums], method="SLSQP").x
    found = np.where(found < LEAST, 0, found)
    return np.asarray(found / found.sum())
