"""How probabilities are put right after training, by the validation rows: logits get a slope and an offset, or steps.

Class weights shift the probabilities a network predicts: with weight w for the positive class its odds come out w times
as high. Training for long makes them too sure. One slope for all (the temperature, Guo et al. 2017) and an offset for
each output (Platt 1999; after class weights, the prior correction of Saerens et al. 2002) undo both. Where
probabilities are wrong in another way, steps follow the rows themselves (isotonic regression, Zadrozny and Elkan 2002).
How far they are from right, before and after, the test rows tell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mlp_toolkit.evaluation.doubt import wilson

# How far slope and offsets are expected to lie from 1 and from what class weights call for (a normal prior). With 85
# validation rows of breast_cancer, which had also chosen the epoch, 1.0 made the log loss of the test rows worse.
SPREAD = 0.3
GROUPS, LEAST_IN_A_GROUP = 10, 10  # of rows that are compared with how often they came true
LEAST = 1e-7  # probabilities nearer to 0 or 1 count as this far away: their logarithm must be finite


class Fit(NamedTuple):
    """What was fitted.

    Attributes:
        slope: Of all logits.
        offset: Of each output.
        before: Log loss of the rows it was fitted to, a mean over rows and outputs.
        after: The same with the correction.
    """

    slope: float
    offset: list[float]
    before: float
    after: float

    def applied(self, p: np.ndarray, *, softmax: bool) -> np.ndarray:
        """Probabilities (rows, outputs), put right."""
        p = np.clip(p.astype(np.float64), LEAST, 1 - LEAST)
        z = self.slope * (np.log(p) if softmax else np.log(p) - np.log1p(-p)) + np.array(self.offset)
        if not softmax:
            return np.asarray(1 / (1 + np.exp(-z)), np.float32)
        q = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(q / q.sum(axis=1, keepdims=True), np.float32)

    def undone(self, q: np.ndarray, *, softmax: bool) -> np.ndarray:
        """Probabilities (rows, outputs) as they were before they were put right."""
        q = np.clip(q.astype(np.float64), LEAST, 1 - LEAST)
        z = ((np.log(q) if softmax else np.log(q) - np.log1p(-q)) - np.array(self.offset)) / self.slope
        if not softmax:
            return np.asarray(1 / (1 + np.exp(-z)))
        p = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))


class Steps(NamedTuple):
    """What was fitted by isotonic regression.

    Attributes:
        at: Of each output the probabilities, ascending, between which a straight line is drawn.
        to: What they become, never descending.
        before: Log loss of the rows it was fitted to, a mean over rows and outputs.
        after: The same with the correction.
    """

    at: list[list[float]]
    to: list[list[float]]
    before: float
    after: float

    def applied(self, p: np.ndarray, *, softmax: bool = False) -> np.ndarray:
        """Probabilities (rows, outputs), put right; never for those of a softmax."""
        each = zip(p.T, self.at, self.to, strict=True)
        return np.stack([np.interp(own, at, to) for own, at, to in each], axis=1).astype(np.float32)


def fit_steps(y: np.ndarray, p: np.ndarray, *, weights: np.ndarray | None = None) -> Steps:
    """Fits an isotonic regression to each output, by rows that the network has not learnt from.

    A row with the label counts in at the least probability, and one without it at the greatest: else a probability that
    no row contradicts would become 0 or 1.

    Args:
        y: (rows, outputs) of 0 and 1; (rows, 1) for binary.
        p: (rows, outputs) probabilities, each of its own.
        weights: (rows,) of the rows, or None.
    """
    from sklearn.isotonic import IsotonicRegression

    row = np.ones(len(y)) if weights is None else weights / weights.mean()
    at, to = [], []
    for true, said in zip(y.T, p.astype(np.float64).T, strict=True):
        ends = np.array([said.min(), said.max()])
        model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        model.fit(np.append(said, ends), np.append(true, [1.0, 0.0]), np.append(row, [1.0, 1.0]))
        at.append(model.X_thresholds_.tolist())
        to.append(model.y_thresholds_.tolist())
    found = Steps(at, to, _log_loss(y, p, row), 0.0)
    return found._replace(after=_log_loss(y, found.applied(p), row))


def _log_loss(y: np.ndarray, p: np.ndarray, row: np.ndarray) -> float:
    p = np.clip(p.astype(np.float64), LEAST, 1 - LEAST)
    return float(np.average(-(y * np.log(p) + (1 - y) * np.log1p(-p)).mean(axis=1), weights=row))


class Reliability(NamedTuple):
    """How often what was predicted with a probability came true, by groups of rows of about equal size.

    Attributes:
        chance: (groups,) the mean probability.
        share: (groups,) how often it came true.
        low: (groups,) from where that may lie (Wilson, 95 %).
        high: (groups,) up to where.
        rows: (groups,) how many there are.
        error: The expected calibration error (Naeini et al. 2015): the mean distance of the two, weighed by rows.
        by_chance: About how large that would be for probabilities that are right, with so many rows.
    """

    chance: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rows: np.ndarray
    error: float
    by_chance: float


def reliability(values: np.ndarray, outputs: np.ndarray, task: str) -> Reliability:
    """Compares probabilities with how often they came true: of labels all together, of classes that of the likeliest.

    Args:
        values: (rows, outputs) of 0 and 1, or class numbers (rows, 1).
        outputs: (rows, outputs) probabilities.
        task: binary, multilabel or multiclass.
    """
    if task == "multiclass":
        true, chance = (outputs.argmax(axis=1) == values[:, 0]).astype(np.float64), outputs.max(axis=1)
    else:
        true, chance = values.ravel(), outputs.ravel()
    chance = chance.astype(np.float64)
    groups = max(1, min(GROUPS, len(chance) // LEAST_IN_A_GROUP))
    ends = np.quantile(chance, np.linspace(0, 1, groups + 1))
    group = np.searchsorted(ends[1:-1], chance)
    rows = np.bincount(group, minlength=groups)
    there = rows > 0  # equal probabilities stay together
    sums = np.stack([np.bincount(group, own, groups)[there] for own in (chance, true, chance * (1 - chance))])
    rows = rows[there]
    mean, share, variance = sums / rows
    low, high = np.array([wilson(int(right), int(count)) for right, count in zip(sums[1], rows, strict=True)]).T
    # The mean size of a normal deviation is sqrt(2 / pi) standard deviations.
    expected = np.sqrt(2 / np.pi * variance / rows)
    weights = rows / rows.sum()
    error = float(weights @ np.abs(mean - share))
    return Reliability(mean, share, low, high, rows, error, float(weights @ expected))


def fit_calibration(
    y: np.ndarray,
    p: np.ndarray,
    *,
    softmax: bool,
    weights: np.ndarray | None = None,
    by_class: np.ndarray | None = None,
) -> Fit:
    """Fits slope and offsets to rows that the network has not learnt from.

    The slope is drawn towards 1 and each offset towards what the class weights call for: few rows leave them there, and
    a class that no row has keeps a finite offset.

    Args:
        y: (rows, outputs) of 0 and 1: one-hot, or labels; (rows, 1) for binary.
        p: (rows, outputs) probabilities.
        softmax: Those of a row add up to 1.
        weights: (rows,) of the rows, or None.
        by_class: The class weights of training, as `weights.class_weights` gives them.
    """
    from scipy.optimize import minimize

    p = np.clip(p.astype(np.float64), LEAST, 1 - LEAST)
    logits = np.log(p) if softmax else np.log(p) - np.log1p(-p)
    row = np.ones(len(y)) if weights is None else weights / weights.mean()
    expected = _expected(by_class, y.shape[1])

    def losses(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Sum of the rows' log losses, and its gradient."""
        z = parameters[0] * logits + parameters[1:]
        if softmax:
            z = z - z.max(axis=1, keepdims=True)
            norm = np.log(np.exp(z).sum(axis=1, keepdims=True))
            loss, q = ((norm - z) * y).sum(axis=1), np.exp(z - norm)
        else:
            loss, q = (np.logaddexp(0, z) - y * z).sum(axis=1), 1 / (1 + np.exp(-z))
        slope = row[:, None] * (q - y)
        return float(row @ loss), np.concatenate([[(slope * logits).sum()], slope.sum(axis=0)])

    def drawn(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = losses(parameters)
        apart = (parameters - np.concatenate([[1.0], expected])) / SPREAD
        return loss + 0.5 * float(apart @ apart), gradient + apart / SPREAD

    start = np.concatenate([[1.0], expected])
    limits = [(0.05, 20.0), *[(None, None)] * y.shape[1]]
    found = minimize(drawn, start, jac=True, method="L-BFGS-B", bounds=limits).x
    count = row.sum() * (1 if softmax else y.shape[1])
    unchanged = np.concatenate([[1.0], np.zeros(y.shape[1])])
    return Fit(float(found[0]), found[1:].tolist(), losses(unchanged)[0] / count, losses(found)[0] / count)


def _expected(by_class: np.ndarray | None, outputs: int) -> np.ndarray:
    """The offsets that undo class weights where a network has learnt them exactly."""
    if by_class is None:
        return np.zeros(outputs)
    if by_class.ndim == 2:  # labels
        without, having = by_class.T
    elif outputs == 1:
        without, having = by_class[:1], by_class[1:]
    else:
        without, having = np.ones(outputs), by_class
    known = (without > 0) & (having > 0)
    return np.where(known, np.log(np.where(known, without, 1)) - np.log(np.where(known, having, 1)), 0.0)
