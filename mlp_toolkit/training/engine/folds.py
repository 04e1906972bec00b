"""Members that each hold out a fold: how they are judged by it, and what they say of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlp_toolkit.data.targets import Target
from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.training.engine.members import Judge, OwnRows, parts_of, traced

LOOKS = 32  # at the folds, in a training; for less than 32 epochs after each


def judge_of_folds(network: Ensemble, rows: Sequence[np.ndarray], target: Target, epochs: int) -> Judge:
    """Judges each member by the rows it holds out: root mean squared error, 1 - AUC, or share of wrong classes.

    Of labels it is the cross entropy, and where a fold has one class alone the squared error of probabilities.

    Args:
        network: The members.
        rows: x (rows, features), y, weights (rows,) or (rows, labels) of which the mean counts, and which member holds
            out each row, (rows,).
        target: What is predicted.
        epochs: Of the training.
    """
    x, y, weights, fold = rows
    own = OwnRows(network, x, fold)
    weights = weights if weights.ndim == 1 else weights.mean(axis=1)
    kind = {"regression": "val_rmse", "binary": "val_auc", "multiclass": "val_accuracy"}.get(target.task, "val_loss")

    def values() -> tuple[np.ndarray, dict[str, float]]:
        judged = [
            _judged(kind, y[rows], outputs, weights[rows]) if len(rows) else 0.0
            for rows, outputs in zip(own.rows, own.outputs(), strict=True)
        ]
        held = [value for value, rows in zip(judged, own.rows, strict=True) if len(rows)]
        mean = float(np.mean(held))
        return np.array(judged), {kind: 1 - mean if kind in ("val_auc", "val_accuracy") else mean}

    return Judge(values, (kind,), max(1, epochs // LOOKS), later=True)


def _judged(kind: str, y: np.ndarray, outputs: np.ndarray, weights: np.ndarray) -> float:
    """One member's value, the lower the better."""
    from sklearn.metrics import roc_auc_score

    if not weights.any():
        weights = np.ones(len(weights))
    if kind == "val_rmse":
        return float(np.sqrt(np.average(np.square(y - outputs).mean(axis=1), weights=weights)))
    if kind == "val_accuracy":
        known = y.argmax(axis=1) if y.shape[1] > 1 else y[:, 0]
        return float(np.average(outputs.argmax(axis=1) != known, weights=weights))
    if kind == "val_auc":
        learnt = weights > 0
        if len(np.unique(y[learnt])) == 2:
            return float(1 - roc_auc_score(y[:, 0], outputs[:, 0], sample_weight=weights))
        return float(np.average(np.square(y - outputs)[:, 0], weights=weights))
    p = np.clip(outputs, 1e-7, 1 - 1e-7)
    return float(np.average(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(axis=1), weights=weights))


def out_of_fold(network: Ensemble, x: np.ndarray, fold: np.ndarray, members: int) -> np.ndarray:
    """What is said of each row by the members that have not learnt it, (sets, rows, outputs).

    Args:
        network: The members; where there are several sets of them, member k of each held out fold k.
        x: (rows, features).
        fold: (rows,) which member holds out each; a row of none is predicted by all.
        members: Of one set.
    """
    sets = network.members // members

    def said(part: Tensor, held_by: Tensor) -> Tensor:
        outputs = network.bounded(network.member_outputs(part))
        of_sets = tf.reshape(outputs, [sets, members, tf.shape(part)[0], outputs.shape[2]])
        counted = tf.cast((held_by[None] == tf.range(members)[:, None]) | (held_by < 0)[None], tf.float32)
        own = of_sets * counted[None, :, :, None]
        return tf.reduce_sum(own, axis=1) / tf.reduce_sum(counted, axis=0)[None, :, None]

    specs = [tf.TensorSpec((None, x.shape[1])), tf.TensorSpec((None,), tf.int32)]
    function = traced(f"{sets} times out of fold", network, said, specs)
    parts = [(x[part], fold[part]) for part in parts_of(len(x), network)]
    return np.concatenate([function(tf.constant(part), tf.constant(own)).numpy() for part, own in parts], axis=1)


def apart(network: Ensemble, x: np.ndarray, fold: np.ndarray, members: int) -> np.ndarray:
    """The mean square by which members lie apart from their mean, (outputs,), among those that have learnt a row.

    Args:
        network: The members, with their shares where they have some.
        x: (rows, features).
        fold: (rows,) which member holds out each.
        members: Of one set.
    """
    sets = network.members // members
    shares = network.layers[-1].shares or [1 / network.members] * network.members
    by_set = tf.constant([share * members for share in shares[::members]], tf.float32)

    def squares(part: Tensor, held_by: Tensor) -> Tensor:
        outputs = network.bounded(network.member_outputs(part))
        of_sets = tf.reshape(outputs, [sets, members, tf.shape(part)[0], outputs.shape[2]])
        said = tf.tensordot(by_set, of_sets, [[0], [0]])
        learnt = tf.cast(held_by[None] != tf.range(members)[:, None], tf.float32)[:, :, None]
        count = tf.reduce_sum(learnt, axis=0)
        mean = tf.reduce_sum(said * learnt, axis=0) / count
        return tf.reduce_sum(tf.square(said - mean) * learnt, axis=0) / count

    specs = [tf.TensorSpec((None, x.shape[1])), tf.TensorSpec((None,), tf.int32)]
    function = traced(f"{sets} sets apart", network, squares, specs)
    parts = [(x[part], fold[part]) for part in parts_of(len(x), network)]
    every = [function(tf.constant(part), tf.constant(own)).numpy() for part, own in parts]
    return np.asarray(np.concatenate(every).mean(axis=0))
