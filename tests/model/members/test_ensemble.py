"""The members of an ensemble learn what each would learn alone; together they are one Keras model."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import tf

OPTIMIZERS = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "nadam", "adamw"]
APART = 10_000  # between the seeds of one member and the next


@pytest.fixture(scope="module")
def rows():
    """100 rows of three classes, and weights."""
    random = np.random.default_rng(0)
    x = random.normal(size=(100, 5)).astype("float32")
    y = (x[:, 0] + x[:, 1] > 0).astype(int) + (x[:, 2] > 0.8)
    return x, y, random.uniform(0.2, 2, 100).astype("float32")


def built(members=None, seed=3, task="multiclass", **choices):
    outputs = 3 if task == "multiclass" else 1
    return mt.build_mlp(task, n_features=5, n_outputs=outputs, hidden=[8, 6], seed=seed, ensemble=members, **choices)


def of_member(ensemble, member):
    """A member's weights in the shapes that they would have alone: kernels as they are, the others as vectors."""
    values = [variable.numpy()[member] for variable in ensemble.weights]
    return [value if value.shape[-1] > 1 or value.ndim < 2 else value[:, 0] for value in values]


def same(ensemble, alone, member, within=1e-5):
    theirs = of_member(ensemble, member)
    assert len(theirs) == len(alone.weights)
    for value, own in zip(theirs, alone.weights, strict=True):
        np.testing.assert_allclose(value.reshape(own.shape), own.numpy(), atol=within)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_member_learns_what_the_network_of_its_seed_learns_alone(rows, optimizer, batch_norm):
    x, y, weights = rows
    choices = {"optimizer": optimizer, "batch_norm": batch_norm, "l2": 0.01}
    fitted = {"epochs": 3, "batch_size": 32, "class_weight": "balanced", "sample_weight": weights, "verbose": 0}
    ensemble = built(2, **choices)
    mt.fit(ensemble, x, y, **fitted)
    for member in range(2):
        alone = built(seed=3 + APART * member, **choices)
        mt.fit(alone, x, y, **fitted)
        same(ensemble, alone, member)


@pytest.mark.parametrize("clip", [{"clipnorm": 0.05}, {"global_clipnorm": 0.05}, {"clipvalue": 0.01}], ids=str)
def test_gradients_are_clipped_member_by_member(rows, clip):
    x, y, _ = rows
    choices = {"optimizer": {"name": "sgd", "learning_rate": 0.5, **clip}}
    ensemble = built(2, **choices)
    mt.fit(ensemble, x, y, epochs=3, verbose=0)
    for member in range(2):
        alone = built(seed=3 + APART * member, **choices)
        mt.fit(alone, x, y, epochs=3, verbose=0)
        same(ensemble, alone, member)
    settings = ensemble.optimizer.get_config()
    assert {name: settings[name] for name in clip} == clip


def test_a_plain_keras_fit_trains_the_members_too(rows):
    x, y, _ = rows
    ensemble, alone = built(2), built()
    ensemble.fit(x, y, epochs=2, shuffle=False, verbose=0)
    alone.fit(x, y, epochs=2, shuffle=False, verbose=0)
    same(ensemble, alone, 0)


def test_the_output_is_the_mean_of_the_members_probabilities(rows):
    x, *_ = rows
    ensemble = built(3)
    each = [built(seed=3 + APART * member).predict(x, verbose=0) for member in range(3)]
    np.testing.assert_allclose(ensemble.predict(x, verbose=0), np.mean(each, axis=0), atol=1e-6)
    np.testing.assert_allclose(mt.predict(ensemble, x), np.mean(each, axis=0), atol=1e-6)


def test_the_loss_told_is_the_mean_of_the_members_losses(rows):
    x, y, _ = rows
    choices = {"optimizer": {"name": "sgd", "learning_rate": 1e-9}}
    losses = [
        mt.fit(built(seed=3 + APART * member, **choices), x, y, epochs=1, verbose=0).history["loss"][0]
        for member in range(2)
    ]
    told = mt.fit(built(2, **choices), x, y, epochs=1, verbose=0).history["loss"][0]
    assert told == pytest.approx(np.mean(losses), rel=1e-5)


def test_each_member_ends_with_its_own_best_epoch(rows):
    x, y, _ = rows
    validation = (x[70:], y[70:])
    choices = {"optimizer": {"name": "adam", "learning_rate": 0.05}}
    ensemble = built(3, **choices)
    mt.fit(ensemble, x[:70], y[:70], validation_data=validation, epochs=25, early_stopping=25, verbose=0)
    for member in range(3):
        alone = built(seed=3 + APART * member, **choices)
        mt.fit(alone, x[:70], y[:70], validation_data=validation, epochs=25, early_stopping=25, verbose=0)
        same(ensemble, alone, member, within=2e-4)


def test_training_stops_when_no_member_becomes_better(rows):
    x, y, _ = rows
    ensemble = built(2, optimizer={"name": "adam", "learning_rate": 0.1})
    history = mt.fit(
        ensemble, x[:70], y[:70], validation_data=(x[70:], y[70:]), epochs=300, early_stopping=4, verbose=0
    )
    assert 5 <= len(history.epoch) < 300


def test_a_member_does_not_learn_the_rows_of_its_fold(rows):
    """By hand: gradients of a network alone over the rows that the member learns."""
    x, y, weights = rows
    fold = np.arange(100) % 3
    ensemble = built(3, optimizer={"name": "sgd", "learning_rate": 0.1})
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="none")
    alone = [built(seed=3 + APART * member) for member in range(3)]
    for begin in (0, 50):
        part = slice(begin, begin + 50)
        arrays = (x[part], y[part][:, None], weights[part], fold[part].astype("int32"))
        ensemble.train_step(tuple(map(tf.constant, arrays)))
        for member, network in enumerate(alone):
            learnt = fold[part] != member
            with tf.GradientTape() as tape:
                each = loss(y[part][learnt], network(x[part][learnt], training=True))
                mean = tf.reduce_mean(each * weights[part][learnt])
            learning = network.trainable_weights
            for gradient, weight in zip(tape.gradient(mean, learning), learning, strict=True):
                weight.assign_sub(0.1 * gradient)
    for member, network in enumerate(alone):
        same(ensemble, network, member)


def test_rows_of_each_members_own_are_predicted_by_it(rows):
    x, *_ = rows
    ensemble = built(2)
    own = ensemble.member_outputs(tf.constant(np.stack([x[:4], x[4:8]])))
    shared = ensemble.member_outputs(tf.constant(x[:8]))
    np.testing.assert_allclose(own[0], shared[0][:4], atol=1e-6)
    np.testing.assert_allclose(own[1], shared[1][4:], atol=1e-6)


@pytest.mark.parametrize("network", ["plain", "realmlp"])
def test_a_file_holds_the_members_and_training_goes_on_from_it_on_the_same_bits(rows, network, tmp_path):
    x, y, _ = rows
    choices = {"network": network, "dropout": 0.2} | ({"activation": "selu"} if network == "realmlp" else {})
    first, whole = built(2, **choices), built(2, **choices)
    mt.fit(first, x, y, epochs=2, shuffle=False, verbose=0)
    mt.save(first, tmp_path / "members.h5")
    second = mt.load(tmp_path / "members.h5")
    np.testing.assert_array_equal(mt.predict(second, x), mt.predict(first, x))
    mt.fit(second, x, y, epochs=2, shuffle=False, verbose=0)
    mt.fit(whole, x, y, epochs=4, shuffle=False, verbose=0)
    for ours, theirs in zip(second.variables, whole.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert mt.inspect(tmp_path / "members.h5")


def test_regression_and_multilabel_have_members_too(rows):
    x, *_ = rows
    labels = (x[:, :2] > 0).astype("float32")
    for task, y in (("regression", x @ np.ones(5, "float32")), ("multilabel", labels)):
        choices = {"n_features": 5, "n_outputs": np.atleast_2d(y.T).shape[0], "hidden": 8, "seed": 3}
        ensemble = mt.build_mlp(task, ensemble=2, **choices)
        alone = mt.build_mlp(task, **{**choices, "seed": 3 + APART})
        options = {"class_weight": "balanced"} if task == "multilabel" else {}
        mt.fit(ensemble, x, y, epochs=2, verbose=0, **options)
        mt.fit(alone, x, y, epochs=2, verbose=0, **options)
        same(ensemble, alone, 1)


def test_several_devices_are_refused_before_anything_is_trained():
    from mlp_toolkit.training.engine.sharing import devices

    with pytest.raises(UserError, match="on one device"):
        devices.mirrored(built(2), tf.distribute.MirroredStrategy(["cpu:0"]), 32)


def test_dropout_is_drawn_for_each_member(rows):
    x, *_ = rows
    ensemble = built(2, dropout=0.5)
    ensemble.layers[2].kernel.assign(np.repeat(ensemble.layers[2].kernel.numpy()[:1], 2, axis=0))
    hidden = keras.Model(ensemble.input, ensemble.get_layer("hidden_1_dropout").output)(x, training=True).numpy()
    assert (hidden[0] != hidden[1]).any()


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"optimizer": "muon"}, "Muon looks at a whole weight"),
        ({"precision": "mixed_bfloat16"}, "members count in float32"),
        ({"ensemble": 0}, "ensemble"),
        ({"ensemble": 65}, "ensemble"),
        ({"network": "tree"}, "network"),
        ({"activation": keras.layers.PReLU()}, "PReLU"),
    ],
    ids=str,
)
def test_what_members_cannot_do_is_refused(choices, says):
    with pytest.raises(UserError, match=says):
        mt.build_mlp("binary", n_features=3, **{"ensemble": 2, **choices})
