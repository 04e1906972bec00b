"""The shares that networks in their best epoch, networks after the last, and a linear model have in a prediction.

They are chosen by what each says of rows that it has not learnt. Where the truth is nearly linear, or the rows are few
and noisy, a linear model is worth more than networks, and the networks of the last epoch are worth little.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# How far shares are drawn to halves for the networks and nothing for the linear model, beside the error to be lowered.
DRAWN = 0.03
EQUAL = np.array([0.5, 0.5, 0.0])
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


def shares(y: np.ndarray, said: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Shares (3,) of 0 or more that add up to 1, by which the mean squared error of rows held out is least.

    Args:
        y: (rows, outputs).
        said: Three times (rows, outputs): of networks in their best epoch, after the last, and of a linear model.
        weights: (rows,).
    """
    from scipy.optimize import minimize

    errors = np.stack([values.astype(float) - y for values in said])
    products = np.einsum("aro,bro,r->ab", errors, errors, weights / weights.sum())
    usual = EQUAL @ products @ EQUAL

    def blamed(share: np.ndarray) -> float:
        apart = share - EQUAL
        return float(share @ products @ share / max(usual, 1e-12) + DRAWN * apart @ apart)

    sums = {"type": "eq", "fun": lambda share: share.sum() - 1}
    found = minimize(blamed, EQUAL, bounds=[(0, 1)] * 3, constraints=[sums], method="SLSQP").x
    found = np.where(found < 0.01, 0, found)
    return np.asarray(found / found.sum())
