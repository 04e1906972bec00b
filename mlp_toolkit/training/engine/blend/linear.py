"""The linear model that may have a share in a prediction: ridge regression, or of classes and labels logistic.

It is fitted to all training rows, and outside each fold, for what it says of rows that it has not learnt.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

RATES = np.logspace(-2, 4, 13)  # of ridge regression, for standardised columns
MOST_VALUES, MOST_COLUMNS = 20_000_000, 1_000  # larger tables get no ridge regression: their networks need none
# Of logistic regression: half the sum of the squares of its kernel, times one of these, beside the sum of the rows'
# losses. On one core 3 million values took 2 to 3 s, folds included: 20 million values times outputs take some 20 s,
# and twice that where columns are tried as they are encoded and as the networks scale them.
PENALTIES = (10_000.0, 1_000.0, 100.0, 10.0, 1.0, 0.1)
NEVER = -10.0  # the bias of a class that no row learnt has

Line = tuple[np.ndarray, np.ndarray]  # kernel (features, outputs), bias (outputs,)


class Linear(NamedTuple):
    """A linear model of all training rows, and what models of all folds but one say of that one.

    Attributes:
        kernel: (features, outputs).
        bias: (outputs,).
        activation: linear, sigmoid or softmax.
        out_of_fold: (rows, outputs).
        loss: Of these: the mean squared error or log loss of a row.
        scaled: Whether it takes columns as the networks scale them; else as they are encoded.
    """

    kernel: np.ndarray
    bias: np.ndarray
    activation: str
    out_of_fold: np.ndarray
    loss: float
    scaled: bool = False


def ridge(x: np.ndarray, y: np.ndarray, weights: np.ndarray, fold: np.ndarray) -> Linear | None:
    """Ridge regressions whose penalty is chosen by leaving out each row in turn; None for a table that is too large.

    Args:
        x: (rows, features).
        y: (rows, outputs).
        weights: (rows,).
        fold: (rows,) the fold of each row.
    """
    if x.size > MOST_VALUES or x.shape[1] > MOST_COLUMNS:
        return None
    said = np.clip(_outside_folds(_ridge, x, y, weights, fold), y.min(axis=0), y.max(axis=0))
    loss = float(np.average(np.square(said - y).mean(axis=1), weights=weights))
    return Linear(*_ridge(x, y, weights), "linear", said, loss)


def logistic(x: np.ndarray, y: np.ndarray, weights: np.ndarray, fold: np.ndarray, *, softmax: bool) -> Linear | None:
    """Logistic regressions whose penalty has the least loss outside the folds; None for a table that is too large.

    Args:
        x: (rows, features).
        y: (rows, outputs) of 0 and 1.
        weights: (rows,), or (rows, labels) for the labels of each.
        fold: (rows,) the fold of each row.
        softmax: Whether a row has one of the classes, whose probabilities add up to 1; else each output is a label.
    """
    from scipy import special
    from threadpoolctl import threadpool_limits  # scikit-learn's own dependency

    if x.size * y.shape[1] > MOST_VALUES:
        return None
    weights = np.broadcast_to(weights if weights.ndim == 2 else weights[:, None], y.shape)
    weights = weights / weights.mean()
    fits = [functools.partial(_of_classes if softmax else _of_labels, penalty=penalty) for penalty in PENALTIES]

    def loss(p: np.ndarray) -> float:
        p = np.clip(p, 1e-7, 1 - 1e-7)
        return float(-np.sum(weights * (y * np.log(p) + (1 - y) * np.log(1 - p))))

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # of steps that it would still take
        sums = [_outside_folds(fit, x, y, weights, fold) for fit in fits]
        said = [special.softmax(own, axis=1) if softmax else special.expit(own) for own in sums]
        losses = [loss(own) for own in said]
        best = int(np.argmin(losses))
        kernel, bias = fits[best](x, y, weights)
    activation = "softmax" if softmax else "sigmoid"
    return Linear(kernel, bias, activation, said[best].astype(np.float32), losses[best] / len(x))


def _outside_folds(
    fit: Callable[[np.ndarray, np.ndarray, np.ndarray], Line],
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    fold: np.ndarray,
) -> np.ndarray:
    """The sums of each row by the model that has not learnt its fold, (rows, outputs)."""
    said = np.zeros(y.shape, np.float32)
    for number in np.unique(fold):
        learnt, held = fold != number, fold == number
        kernel, bias = fit(x[learnt], y[learnt], weights[learnt])
        said[held] = x[held] @ kernel + bias
    return said


def _ridge(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> Line:
    """Kernel and bias for columns as they are."""
    from sklearn.linear_model import RidgeCV

    mean, spread = x.mean(axis=0, dtype=float), x.std(axis=0, dtype=float)
    scale = np.where(spread > 0, 1 / np.where(spread > 0, spread, 1), 0)
    fitted = RidgeCV(RATES).fit((x - mean) * scale, y, sample_weight=weights)
    kernel = scale[:, None] * np.reshape(fitted.coef_, (-1, x.shape[1])).T
    bias = np.reshape(fitted.intercept_, -1) - mean @ kernel
    return kernel.astype(np.float32), bias.astype(np.float32)


def _of_labels(x: np.ndarray, y: np.ndarray, weights: np.ndarray, penalty: float) -> Line:
    """A logistic regression for each output: of two classes, no and yes."""
    kernel, bias = np.zeros((x.shape[1], y.shape[1]), np.float32), np.zeros(y.shape[1], np.float32)
    for label, own in enumerate(y.T):
        both = _of_classes(x, np.stack([1 - own, own], axis=1), weights[:, [label]], penalty)
        kernel[:, label], bias[label] = (part[..., 1] - part[..., 0] for part in both)
    return kernel, bias


def _of_classes(x: np.ndarray, y: np.ndarray, weights: np.ndarray, penalty: float) -> Line:
    """A logistic regression over classes; one that no row has got is never said."""
    from sklearn.linear_model import LogisticRegression

    kernel, bias = np.zeros((x.shape[1], y.shape[1]), np.float32), np.full(y.shape[1], NEVER, np.float32)
    numbers, counted = y.argmax(axis=1), weights[:, 0] > 0
    known = np.unique(numbers[counted])
    bias[known] = 0
    if len(known) > 1:
        model = LogisticRegression(C=1 / penalty)
        model.fit(x[counted], numbers[counted], sample_weight=weights[counted, 0])
        own = known if len(known) > 2 else known[1:]  # of two classes the second one's sum is told
        kernel[:, own], bias[own] = model.coef_.T, model.intercept_
    return kernel, bias
