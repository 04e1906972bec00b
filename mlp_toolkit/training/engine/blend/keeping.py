"""Which networks of a training with folds are kept, and what share each has in the prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlp_toolkit.model.members.blend import blended
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.model.members.numbers import robust_scale_of
from mlp_toolkit.training.engine.blend import blending
from mlp_toolkit.training.engine.blend.linear import MOST_VALUES, Linear, logistic, ridge
from mlp_toolkit.training.engine.folds import out_of_fold
from mlp_toolkit.training.engine.members import side_by_side
from mlp_toolkit.training.engine.rows import Resident

# The ends of the first three waves of the learning rate, as shares of a training: the rate is 0 there.
WAVES = (1 / 15, 3 / 15, 7 / 15)


def ends_of_waves(epochs: int) -> list[int]:
    """The epochs, counted from 1, at the ends of the waves before the last."""
    return sorted({max(1, round(share * epochs)) for share in WAVES} - {epochs})


def of_several_epochs(network: Ensemble, states: list[Any], wide_of: Callable[[int], Any]) -> Any:
    """A network of several times the members: as they were in several epochs.

    Args:
        network: The members.
        states: Values of all variables after these epochs, the last of them last.
        wide_of: Makes a network of so many times the members.
    """
    wide = wide_of(len(states))
    side_by_side(network, wide, states)
    return wide


def with_shares(
    network: Any, learned: Resident, members: int, *, task: str, notes: list[str]
) -> tuple[Any, np.ndarray]:
    """A network of several epochs and a linear model, with the shares that the folds speak for; what it says of these.

    Args:
        network: Several sets of members, one after another.
        learned: Rows with their folds.
        members: Of one set.
        task: As in recipes.
        notes: What there is to say is added.
    """
    x, y, weights, fold = learned.in_order()
    said = list(out_of_fold(network, x, fold, members))
    if y.shape[1] != said[0].shape[1]:  # class numbers
        y = np.eye(said[0].shape[1], dtype=np.float32)[y[:, 0]]
    rows = weights if weights.ndim == 1 else weights.mean(axis=1)
    if (fold < 0).any() or not rows.any():
        return network, np.mean(said, axis=0)
    linear = best_linear(network, x, y, weights, fold, task=task)
    prior = np.array([1 / len(said)] * len(said) + [0.0] * (linear is not None))
    said += [linear.out_of_fold] if linear else []
    by = blending.shares(y, said, rows, prior, blending.DRAWN if task == "regression" else blending.DRAWN_OF_CLASSES)
    if linear and by[-1]:
        notes.append(f"a linear model has a share of {by[-1]:.2f} in the predictions: it helps on the rows held out")
    held_out = np.tensordot(by.astype(np.float32), np.stack(said), axes=1)
    of_networks = by[:-1] if linear else by
    return blended(network, of_networks.tolist(), float(by[-1]) if linear else 0.0, linear), held_out


def best_linear(
    network: Any, x: np.ndarray, y: np.ndarray, weights: np.ndarray, fold: np.ndarray, *, task: str
) -> Linear | None:
    """The linear model of least loss outside the folds, of columns as they are encoded and as the network scales them.

    None for a large table, and for numbers without bounds.

    Args:
        network: The members.
        x: (rows, features).
        y: (rows, outputs): values, or 0 and 1.
        weights: (rows,), or (rows, labels).
        fold: (rows,) which member holds out each.
        task: As in recipes.
    """
    if x.size > MOST_VALUES or (task == "regression" and not network.layers[-1].low):
        return None
    scale, found = robust_scale_of(network), []
    for scaled in (False, True) if scale else (False,):
        columns = scale.of_rows(x) if scale and scaled else x
        if task == "regression":
            linear = ridge(columns, y, weights, fold)
        else:
            linear = logistic(columns, y, weights, fold, softmax=task == "multiclass")
        found += [linear._replace(scaled=scaled)] if linear else []
    return min(found, key=lambda linear: linear.loss, default=None)
