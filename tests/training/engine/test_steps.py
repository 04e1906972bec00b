"""Training touches nothing that belongs to others: not the user's model, nor TensorFlow's own objects."""

from __future__ import annotations

import numpy as np

import mlp_toolkit as mt
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.training.engine.rows import Resident
from mlp_toolkit.training.engine.steps import weighing_labels

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
LABELS = np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1).astype("float32")


class Watch(keras.callbacks.Callback):
    """What a model and the thread's place in TensorFlow are like after an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.attributes = {name for name in vars(self.model) if name == "compute_loss"}
        self.kind = type(self.model)
        self.all_reduce = vars(tf.distribute.get_replica_context()).get("all_reduce")


def test_weights_of_labels_leave_the_model_as_it_is_while_it_trains():
    model = mt.build_mlp("multilabel", n_features=3, n_outputs=2, hidden=[4], seed=0)
    kind, watch = type(model), Watch()
    mt.fit(model, X, LABELS, class_weight={0: 3.0, 1: 1.0}, epochs=1, callbacks=[watch], verbose=0)
    assert watch.attributes == set()
    assert watch.kind is type(model) is kind
    assert watch.all_reduce is None


def test_a_loss_of_the_models_own_is_asked_and_stays():
    model = mt.build_mlp("multilabel", n_features=3, n_outputs=2, hidden=[4], seed=0)
    asked = []

    def compute_loss(**arguments):
        asked.append(arguments["y"].shape)
        return type(model).compute_loss(model, **arguments)

    model.compute_loss = compute_loss
    mt.fit(model, X, LABELS, class_weight={0: 3.0, 1: 1.0}, epochs=1, batch_size=20, verbose=0)
    assert asked
    assert all(shape[-1] == 1 for shape in asked if shape[0] == 20)
    assert model.compute_loss is compute_loss


def test_the_weighted_loss_of_labels_is_the_one_by_hand():
    model = mt.build_mlp("multilabel", n_features=3, n_outputs=2, hidden=[4], seed=0)
    weights = np.where(LABELS > 0, [3.0, 1.0], 1.0).astype("float32")
    view = weighing_labels(model, Resident((X, LABELS, weights)))
    predicted = np.array(model(X), np.float64)
    expected = -(weights * np.log(np.where(LABELS > 0, predicted, 1 - predicted))).mean()
    found = view.compute_loss(x=X, y=tf.constant(LABELS), y_pred=model(X), sample_weight=tf.constant(weights))
    np.testing.assert_allclose(float(found), expected, rtol=1e-5)
    assert isinstance(view, type(model))
    assert view.trainable_variables[0] is model.trainable_variables[0]
