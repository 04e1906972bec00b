"""Simple models beside the network, on the same rows, in seconds: is it worth its trouble?

What is always said, a linear model, and boosted trees (scikit-learn's, at their defaults), on the encoded columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mlp_toolkit.data.columns.encoder import encode
from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import number
from mlp_toolkit.evaluation import metrics
from mlp_toolkit.evaluation.doubt import LEVEL, drawn_scores, looked_at

Outputs = Callable[[np.ndarray], np.ndarray]

# What is learnt from is cut to so many rows, and encoded values, so that all take seconds.
MOST_ROWS, MOST_VALUES, MOST_VALUES_OF_TREES = 20_000, 10_000_000, 20_000_000
# Of many classes or labels each has fewer trees, and smaller ones; of many values half as many. They learn faster then:
# at much the same scores that takes a third of the time, or half of it.
MOST_TREES, LEAST_ROUNDS, SMALL_TREES = 600, 20, {"max_leaf_nodes": 8, "max_bins": 63}
ROUNDS, ROUNDS_OF_MANY, MANY_VALUES = 100, 50, 1_000_000
ALPHAS = np.logspace(-2, 4, 7)
DRAWS = 200  # of the test rows, for a word: as well as the network, or better
MOST_COLUMNS_TO_CHOOSE = 300  # the penalty is chosen; of wider tables it is 1
LEADING = {"regression": "rmse", "binary": "auc", "multilabel": "macro_auc", "multiclass": "accuracy"}
LOWER_IS_BETTER = ("rmse", "mae", "log_loss", "brier", "hamming_loss")
DO = {
    "dummy": "to say the same of every row does",
    "linear": "a linear model does",
    "boosted_trees": "boosted trees do",
}


def baselines_of(
    data: RecipeData, values: np.ndarray, outputs: np.ndarray, names: list[str], seed: int, *, remedy: str
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """The test scores of each baseline, and a sentence where one does as well as the network.

    Args:
        data: The recipe's rows.
        values: (rows, outputs) true values of the test rows.
        outputs: (rows, outputs) the network's predictions of them.
        names: The scores wanted.
        seed: Of the rows that are learnt from, where there are many.
        remedy: What to try where one does as well.
    """
    from threadpoolctl import threadpool_limits  # scikit-learn's own dependency

    target = replace(data.target, thresholds=())
    x, y, weights = _learnt(data, seed)
    fits = {"dummy": _dummy, "linear": _linear, "boosted_trees": _boosted_trees}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in fits}
    # One thread: where others are at work, those of OpenMP wait for each other for longer than they count.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # of steps that a linear model would still take, and classes of few rows
        learnt = {name: fit(x, y, weights, target) for name, fit in fits.items()}
        for piece in data.pieces("test"):
            encoded = encode(piece.frame, data.encoding)
            for name, outputs_of in learnt.items():
                parts[name].append(outputs_of(encoded).astype(np.float64))
        said = {name: np.concatenate(own) for name, own in parts.items()}
        leading = leading_score(values, target)
        every = {name: metrics.score(values, own, target, [*names, leading]) for name, own in said.items()}
    told = [f"{found}. Try {remedy}" for found in _sentences(values, outputs, said, every, target)]
    return {name: {own: found[own] for own in names if own in found} for name, found in every.items()}, told


def leading_score(values: np.ndarray, target: Target) -> str:
    """The score that is looked at first, or one that these rows define.

    Args:
        values: (rows, outputs) true values.
        target: What is predicted.
    """
    several = target.task in ("regression", "multiclass") or any(len(np.unique(own)) == 2 for own in values.T)
    return LEADING[target.task] if several else {"binary": "log_loss", "multilabel": "micro_f1"}[target.task]


def _learnt(data: RecipeData, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Encoded training rows, what they are to teach, (rows, outputs), and their weights; of many rows some."""
    most = min(MOST_ROWS, max(200, MOST_VALUES // max(1, data.encoding.width)))
    pieces = list(data.pieces("train"))  # of streamed rows a sample already
    random, share = np.random.default_rng(seed), most / sum(len(piece.values) for piece in pieces)
    parts = []
    for piece in pieces:
        rows = np.arange(len(piece.values))
        rows = rows if share >= 1 else rows[random.random(len(rows)) < share]
        weights = piece.weights[rows] if piece.weights is not None else np.ones(len(rows))
        parts.append((encode(piece.frame.iloc[rows], data.encoding), piece.values[rows], weights))
    x, y, weights = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return x, y, weights if (weights != 1).any() and weights.sum() > 0 else None


def _dummy(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, target: Target) -> Outputs:
    """The mean, or the share of each class."""
    if target.task == "multiclass":
        y = y.astype(int) == np.arange(len(target.classes))
    mean = np.average(y.astype(np.float64), axis=0, weights=weights)
    return lambda rows: np.repeat(mean[None], len(rows), axis=0)


def _linear(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, target: Target) -> Outputs:
    """Ridge or logistic regression."""
    from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV

    if target.task == "regression":
        center, scale = y.mean(axis=0), np.maximum(y.std(axis=0), 1e-300)
        model = RidgeCV(ALPHAS) if x.shape[1] <= MOST_COLUMNS_TO_CHOOSE else Ridge(1.0)
        model.fit(x, (y - center) / scale, sample_weight=weights)
        return lambda rows: model.predict(rows).reshape(len(rows), -1) * scale + center
    return _classes(lambda: LogisticRegression(max_iter=200), x, y, weights, target)


def _boosted_trees(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, target: Target) -> Outputs:
    """Gradient boosting by histograms; each of several targets or labels has trees of its own."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    of_round = target.n_outputs if target.n_outputs > 2 or target.task != "multiclass" else 1
    most = max(200, MOST_VALUES_OF_TREES // (x.shape[1] * of_round))
    step = -(-len(x) // most)  # spread over all rows: files are often sorted by the target
    x, y, weights = x[::step], y[::step], weights[::step] if weights is not None else None
    rounds = min(ROUNDS_OF_MANY if x.size > MANY_VALUES else ROUNDS, max(LEAST_ROUNDS, MOST_TREES // of_round))
    settings: dict[str, Any] = {
        "max_iter": rounds,
        "learning_rate": 0.1 if rounds == ROUNDS else 0.2,
        "random_state": 0,
    }
    settings |= SMALL_TREES if of_round > MOST_TREES // ROUNDS else {}
    if target.task != "regression":
        return _classes(lambda: HistGradientBoostingClassifier(**settings), x, y, weights, target)
    models = [HistGradientBoostingRegressor(**settings).fit(x, own, sample_weight=weights) for own in y.T]
    return lambda rows: np.stack([model.predict(rows) for model in models], axis=1)


def _classes(
    make: Callable[[], Any], x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, target: Target
) -> Outputs:
    """Probabilities of a scikit-learn classifier, (rows, outputs); a label that no row has, or each, has its share."""
    models = []
    for own in y.astype(int).T:
        varied = len(np.unique(own)) > 1
        models.append(make().fit(x, own, sample_weight=weights) if varied else float(own[0]))

    def told(rows: np.ndarray) -> np.ndarray:
        if target.task == "multiclass":
            p = np.zeros((len(rows), len(target.classes)))
            if isinstance(models[0], float):
                p[:, int(models[0])] = 1
            else:
                p[:, models[0].classes_] = models[0].predict_proba(rows)
            return p
        columns = [
            np.full(len(rows), model) if isinstance(model, float) else model.predict_proba(rows)[:, 1]
            for model in models
        ]
        return np.stack(columns, axis=1)

    return told


def _sentences(
    values: np.ndarray,
    outputs: np.ndarray,
    said: dict[str, np.ndarray],
    scores: dict[str, dict[str, float]],
    target: Target,
) -> list[str]:
    """Says which baseline does as well as the network, or better; nothing where it wins, or both are perfect."""
    leading = leading_score(values, target)
    lower = leading in LOWER_IS_BETTER
    own = metrics.score(values, outputs, target, [leading]).get(leading)
    known = {name: found[leading] for name, found in scores.items() if leading in found}
    if own is None or not known:
        return []
    best = (min if lower else max)(known, key=lambda name: known[name])
    score = known[best]
    if (score > own if lower else score < own) or own == score == (0 if lower else 1):
        return []  # where none makes a mistake there is nothing to try
    picked = looked_at(len(values))
    draw = partial(drawn_scores, names=[leading], draws=DRAWS)
    drawn = [draw(values[picked], told[picked], target)[leading] for told in (said[best], outputs)]
    low = np.nanquantile((drawn[0] - drawn[1]) * (-1 if lower else 1), (1 - LEVEL) / 2)
    how = "better than" if low > 0 else "as well as"
    return [f"{DO[best]} {how} the network: {leading} {number(score)} against {number(own)} of the test rows"]
