"""Metrics that are counted once an epoch are those that Keras counts in every step."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mlp_toolkit.model.mlp import build_mlp
from mlp_toolkit.training.engine import counting, epoch
from mlp_toolkit.training.fit import fit

METRICS = keras.metrics
WATCHED = {
    "regression": lambda: [METRICS.RootMeanSquaredError(), METRICS.R2Score(), METRICS.MeanAbsoluteError()],
    "binary": lambda: [
        "accuracy",
        METRICS.AUC(name="auc"),
        METRICS.AUC(curve="PR", name="pr"),
        METRICS.Precision(0.6, name="p"),
    ],
    "multilabel": lambda: [
        METRICS.AUC(multi_label=True, name="auc"),
        METRICS.F1Score("micro", 0.5),
        "binary_accuracy",
    ],
    "multiclass": lambda: ["accuracy", METRICS.SparseTopKCategoricalAccuracy(2)],
}
OUTPUTS = {"regression": 2, "binary": 1, "multilabel": 2, "multiclass": 3}


def compiled(task):
    """A network with some metrics, and the same metrics once more by the rows' weights."""
    model = build_mlp(task, n_features=6, n_outputs=OUTPUTS[task], hidden=[8], seed=0)
    model.compile("adam", model.loss, metrics=WATCHED[task](), weighted_metrics=WATCHED[task]())
    return model


def targets(task, x):
    if task == "regression":
        return x[:, :2] * 2 + 1
    if task == "multilabel":
        return (x[:, :2] > 0).astype("float32")
    return (x[:, :2] > 0).sum(axis=1) if task == "multiclass" else (x[:, :1] > 0).astype("float32")


def compared(task, rows):
    """What `fit` and Keras say of the same training."""
    x, _, weights = rows
    y, options = targets(task, x), {"epochs": 2, "batch_size": 20, "shuffle": False, "verbose": 0}
    found = fit(compiled(task), x, y, sample_weight=weights, validation_data=(x[:30], y[:30], weights[:30]), **options)
    expected = compiled(task).fit(
        x, y, sample_weight=weights, validation_data=(x[:30], y[:30], weights[:30]), **options
    )
    assert set(found.history) == set(expected.history)
    for name, values in expected.history.items():
        np.testing.assert_allclose(found.history[name], values, rtol=2e-5, err_msg=name)


@pytest.mark.parametrize("name", ["graph", "xla"])
@pytest.mark.parametrize("task", WATCHED)
def test_logs_are_those_of_keras(rows, task, name, monkeypatch):
    monkeypatch.setattr(epoch, "_engines", lambda *_: [name])
    compared(task, rows)


@pytest.mark.parametrize(("limit", "value"), [("ROWS_AT_ONCE", 16), ("VALUES_HELD", 0)])
def test_logs_are_the_same_where_rows_come_in_pieces_or_step_by_step(rows, limit, value, monkeypatch):
    monkeypatch.setattr(counting, limit, value)
    compared("binary", rows)


@pytest.mark.parametrize("name", ["graph", "xla"])
def test_a_metric_of_ones_own_is_told_of_every_batch(rows, name, monkeypatch):
    class Batches(keras.metrics.Metric):
        """How many batches there were."""

        def __init__(self):
            super().__init__(name="batches")
            self.seen = self.add_weight(name="seen", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.seen.assign_add(1.0)

        def result(self):
            return self.seen.value

    monkeypatch.setattr(epoch, "_engines", lambda *_: [name])
    x, y, _ = rows
    model = build_mlp("binary", n_features=6, hidden=[8], metrics=[Batches(), keras.metrics.AUC()])
    history = fit(model, x, y, epochs=2, batch_size=20, verbose=0)
    assert history.history["batches"] == [6.0, 6.0]
