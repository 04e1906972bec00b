"""The shares that networks of several epochs and a linear model have in a prediction.

They are chosen by what each says of rows that it has not learnt. Where rows are noisy, networks are worth most that
have trained for a short while; where the truth is nearly linear, a linear model is worth more than networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Shares are drawn to equal ones of the networks and none of the linear model, so much beside the error to be lowered.
DRAWN, DRAWN_OF_CLASSES = 0.03, 0.3
LEAST = 0.01  # a smaller share is none


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
