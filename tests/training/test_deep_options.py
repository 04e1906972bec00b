"""Each option for deep networks does what its page says."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt
from mlp_toolkit.runs import checkpoint
from mlp_toolkit.training.engine import epoch


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 6)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def quietly(model, x, y, **options):
    return mt.fit(model, x, y, verbose=0, **options)


def activations_of(model, x):
    """What each hidden layer gives, after its activation."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][:-1]
    return keras.Model(model.input, [layer.output for layer in layers])(x)


@pytest.mark.parametrize(("activation", "low", "high"), [("relu", 0.5, 2.0), ("selu", 0.7, 1.4), ("tanh", 0.05, 1.0)])
def test_the_fitting_initializer_keeps_the_signal_through_thirty_layers(activation, low, high):
    x = np.random.default_rng(1).normal(size=(512, 256)).astype(np.float32)
    model = mt.build_mlp("regression", n_features=256, hidden=[256] * 30, activation=activation, seed=0)
    last = np.asarray(activations_of(model, x)[-1])
    assert low < np.sqrt((last**2).mean()) < high
    if activation == "relu":  # Keras's own initializer lets it die away: by half a layer in variance
        poor = mt.build_mlp("regression", n_features=256, hidden=[256] * 30, initializer="glorot_uniform", seed=0)
        assert np.sqrt((np.asarray(activations_of(poor, x)[-1]) ** 2).mean()) < 0.001


def test_batch_normalization_before_or_after_the_activation(rows):
    x, _ = rows
    kinds = {}
    for where in ("before", "after", True, False):
        model = mt.build_mlp("binary", n_features=6, hidden=[8, 8], batch_norm=where, seed=0)
        kinds[where] = [type(layer).__name__ for layer in model.layers[1:4]]
        if where == "after":
            assert model.get_layer("hidden_1").activation is keras.activations.relu
            normed = keras.Model(model.input, model.get_layer("hidden_1_batch_norm").output)(x, training=True)
            np.testing.assert_allclose(np.asarray(normed).mean(axis=0), 0, atol=1e-5)
            assert np.asarray(normed).min() < 0  # relu's output, moved around 0
    assert kinds["before"] == kinds[True] == ["Dense", "BatchNormalization", "Activation"]
    assert kinds["after"] == ["Dense", "BatchNormalization", "Dense"]
    assert kinds[False] == ["Dense", "Dense", "Dense"]


@pytest.mark.parametrize("engine", ["xla", "graph", "steps"])
@pytest.mark.parametrize(
    ("clip", "bound"),
    [({"clipvalue": 0.01}, np.abs), ({"clipnorm": 0.01}, np.linalg.norm), ({"global_clipnorm": 0.01}, np.linalg.norm)],
)
def test_gradients_are_clipped(rows, monkeypatch, engine, clip, bound):
    """Plain gradient descent at the rate 1 moves weights by the clipped gradient itself."""
    monkeypatch.setattr(epoch, "_engines", lambda *_: [] if engine == "steps" else [engine])
    x, _ = rows
    optimizer = {"name": "sgd", "learning_rate": 1.0, **clip}
    model = mt.build_mlp("regression", n_features=6, hidden=[5], optimizer=optimizer, seed=0)
    before = model.get_weights()
    quietly(model, x, 100 * x[:, 0], epochs=1, batch_size=200)
    moved = [new - old for new, old in zip(model.get_weights(), before, strict=True)]
    if "global_clipnorm" in clip:
        moved = [np.concatenate([part.ravel() for part in moved])]
    for part in moved:
        assert np.max(bound(part)) == pytest.approx(0.01, rel=1e-3)


def test_weight_decay_shrinks_weights_beside_the_gradient(rows):
    x, y = rows
    settings = {"name": "sgd", "learning_rate": 0.5}
    models = [
        mt.build_mlp("binary", n_features=6, hidden=[], optimizer={**settings, "weight_decay": decay}, seed=0)
        for decay in (0.0, 0.2)
    ]
    kernel = models[0].get_weights()[0]
    for model in models:
        quietly(model, x, y, epochs=1, batch_size=200)
    plain, decayed = (model.get_weights()[0] for model in models)
    np.testing.assert_allclose(decayed, plain - 0.5 * 0.2 * kernel, atol=1e-6)


def test_the_rate_falls_where_the_loss_stands_still(folder, tmp_path):
    text = (folder / "regression.yaml").read_text().replace("epochs: 4", "epochs: 14, schedule: reduce_on_plateau")
    (folder / "plateau.yaml").write_text(text)
    still = {"train.optimizer": {"name": "sgd", "learning_rate": 1e-12}, "train.early_stopping": {"patience": 6}}
    run = mt.run(folder / "plateau.yaml", still, out=tmp_path / "run", verbose=0)
    np.testing.assert_allclose(run.history["learning_rate"], [1e-12] * 4 + [1e-13] * 3, rtol=1e-5)


@pytest.mark.parametrize(
    "optimizer", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "nadam", "adamw", "lion", "muon"]
)
def test_every_optimizer_learns(rows, optimizer):
    x, y = rows
    model = mt.build_mlp("binary", n_features=6, optimizer=optimizer, seed=0)
    history = quietly(model, x, y, epochs=40)
    assert history.history["loss"][-1] < 0.9 * history.history["loss"][0]


@pytest.fixture(scope="module")
def images():
    """64 images of 6 × 6 with a bright half: left or right."""
    random = np.random.default_rng(0)
    x = random.random((64, 6, 6)).astype(np.float32) / 2
    y = np.arange(64) % 2
    x[y == 0, :, :3] += 0.5
    x[y == 1, :, 3:] += 0.5
    return x, y


def seen(model, x, y, **options):
    """The batches that a network is trained on, as its first layer sees them."""
    batches = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            pass  # training goes step by step, so that the network can be asked in between

    original = model.call

    def call(inputs, training=None, mask=None):
        if training:
            batches.append(np.asarray(inputs))
        return original(inputs, training=training)

    model.call = call
    model.run_eagerly = True
    mt.fit(model, x, y, callbacks=[Watch()], verbose=0, **options)
    return batches


def network(**options):
    return mt.build_mlp("binary", n_features=36, hidden=[4], seed=0, **options)


def test_each_epoch_sees_other_images_and_the_seed_alone_decides_which(images):
    x, y = images
    options = {"augmentation": {"rotation": 20}, "epochs": 2, "batch_size": 64, "shuffle": False}
    one, again, other = (seen(network(), x, y, seed=seed, **options) for seed in (0, 0, 1))
    assert not np.array_equal(one[0], one[1])
    assert not np.array_equal(one[0], x.reshape(64, 36))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one[0], other[0])


def test_flips_are_those_of_numpy(images):
    x, y = images
    (batch,) = seen(network(), x, y, augmentation={"horizontal_flip": True}, epochs=1, batch_size=64, shuffle=False)
    flipped = (batch.reshape(x.shape) == x[:, :, ::-1]).all(axis=(1, 2))
    kept = (batch.reshape(x.shape) == x).all(axis=(1, 2))
    assert (flipped ^ kept).all()
    assert 16 < flipped.sum() < 48


def test_a_network_of_images_and_one_of_plain_inputs_see_the_same(images):
    x, y = images
    shaped = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(4, "relu"),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    plain = network()
    shaped.set_weights(plain.get_weights())
    shaped.compile("adam", "binary_crossentropy")
    for model in (plain, shaped):
        mt.fit(model, x, y, augmentation={"zoom": 0.2, "brightness": 0.3}, epochs=2, verbose=0)
    for a, b in zip(plain.get_weights(), shaped.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_validation_rows_are_not_changed(images):
    x, y = images
    model = network()
    history = mt.fit(
        model, x, y, augmentation={"horizontal_flip": True, "rotation": 90}, validation_data=(x, y), epochs=2, verbose=0
    )
    assert history.history["val_loss"][-1] == pytest.approx(
        model.evaluate(x.reshape(64, 36), y[:, None], verbose=0)[0], rel=1e-5
    )


def test_augmentation_that_changes_nothing_trains_as_without(images):
    x, y = images
    models = [network(), network()]
    for model, augmentation in zip(models, (None, {}), strict=True):
        mt.fit(model, x, y, augmentation=augmentation, epochs=2, verbose=0)
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_images_with_negative_values_have_no_brightness(images):
    x, y = images
    with pytest.raises(mt.UserError, match=r"brightness is for pixels from 0 upwards, and X holds -1"):
        mt.fit(network(), x - 1 - x.min(), y, augmentation={"brightness": 0.2})


@pytest.fixture(scope="module")
def pictures(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    x, y = images
    np.savez(folder / "halves.npz", image=(255 * x).astype(np.uint8), side=np.array(["left", "right"])[y])
    (folder / "halves.yaml").write_text(
        "task: binary\ndata: {path: halves.npz, target: side}\nmodel: {hidden: [8], dropout: 0.2}\n"
        "train: {epochs: 5, early_stopping: null, augmentation: {rotation: 20, zoom: 0.2}}\n"
    )
    return folder


def test_a_run_with_augmentation_shows_what_the_network_sees(pictures, tmp_path):
    run = mt.run(pictures / "halves.yaml", out=tmp_path / "run", verbose=0)
    assert (tmp_path / "run" / "augmentation.png").read_bytes().startswith(b"\x89PNG")
    assert "<h2>Augmentation</h2>" in run.report_path.read_text()
    assert "rotation: 20" in (tmp_path / "run" / "recipe.yaml").read_text()


def test_a_stopped_run_with_augmentation_resumes_to_the_same_bits(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "TRAINING_PER_CHECKPOINT", 0)
    whole = mt.run(pictures / "halves.yaml", out=tmp_path / "whole", verbose=0)
    write = checkpoint.Checkpoint.write

    def stopping(self, network, state):
        write(self, network, state)
        if state.epochs == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint.Checkpoint, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            mt.run(pictures / "halves.yaml", out=tmp_path / "stopped", verbose=0)
    again = mt.run(pictures / "halves.yaml", out=tmp_path / "stopped", resume=True, verbose=0)
    pd.testing.assert_frame_equal(again.history, whole.history)
    for a, b in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_augmentation_needs_images(folder, tmp_path):
    with pytest.raises(mt.UserError, match=r"train\.augmentation is for images, and no column holds any"):
        mt.run(folder / "binary.yaml", {"train.augmentation": {"rotation": 5}}, out=tmp_path / "run", verbose=0)
