"""The parts of a RealMLP network, against numpy by hand."""

from __future__ import annotations

import math

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.members.arithmetic import cosine_of_turns, mish, random_bits
from mlp_toolkit.model.members.columns import columns_of, told_of_tails
from mlp_toolkit.model.members.fitting import fit_to_rows
from mlp_toolkit.model.members.layers import MembersBatchNormalization, MembersDense, MembersDropout, MembersMean
from mlp_toolkit.model.members.network import Columns, realmlp
from mlp_toolkit.model.members.numbers import Embeddings, MembersScale, RobustScale
from mlp_toolkit.model.members.optimizer import GroupedAdamW, LogCosine


def slope(function, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(function(x))
    return tape.gradient(y, x).numpy()


def test_cosine_and_its_gradient():
    x = np.linspace(-3, 3, 10_001).astype("float32")
    exact = x.astype(float)
    np.testing.assert_allclose(cosine_of_turns(tf.constant(x)), np.cos(2 * np.pi * exact), atol=2e-6)
    np.testing.assert_allclose(slope(cosine_of_turns, x), -2 * np.pi * np.sin(2 * np.pi * exact), atol=2e-5)


def test_mish_and_its_gradient():
    x = np.linspace(-30, 30, 4_001).astype("float32")
    exact = x.astype(float)
    soft = np.log1p(np.exp(exact))
    np.testing.assert_allclose(mish(tf.constant(x)), exact * np.tanh(soft), atol=3e-6)
    by_hand = np.tanh(soft) + exact * (1 - np.tanh(soft) ** 2) / (1 + np.exp(-exact))
    np.testing.assert_allclose(slope(mish, x), by_hand, atol=3e-6)


def test_random_bits_are_even_and_others_for_each_seed():
    drawn = [
        random_bits(tf.constant([4, 5_000]), tf.constant(seed, tf.uint32)).numpy() for seed in ([0, 1], [1, 1], [0, 2])
    ]
    for bits in drawn:
        shares = [((bits >> place) & 1).mean() for place in range(32)]
        assert np.abs(np.array(shares) - 0.5).max() < 0.02  # five standard errors
    agreeing = [(drawn[a] >> 31 == drawn[b] >> 31).mean() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert np.abs(np.array(agreeing) - 0.5).max() < 0.02


def test_a_scaled_dense_layer_whose_neurons_mix():
    layer = MembersDense(2, 3, "selu", scaled=True, parametric=True)
    x = np.random.default_rng(0).normal(size=(2, 4, 5)).astype("float32")  # members, inputs, rows
    layer(x)
    values = [
        np.random.default_rng(seed).normal(size=w.shape).astype("float32") for seed, w in enumerate(layer.weights)
    ]
    layer.set_weights(values)
    kernel, bias, alpha = values
    sums = np.stack([kernel[k].T @ x[k] / math.sqrt(4) for k in range(2)]) + bias
    selu = 1.0507009873554805 * np.where(sums > 0, sums, 1.6732632423543772 * np.expm1(sums))
    np.testing.assert_allclose(layer(x), (1 - alpha) * sums + alpha * selu, atol=1e-5)
    shared = layer(x[:1]).numpy()
    np.testing.assert_allclose(shared[0], layer(x).numpy()[0], atol=1e-5)


def test_batch_normalization_is_keras_for_each_member():
    x = np.random.default_rng(0).normal(2, 3, size=(2, 4, 50)).astype("float32")
    ours = MembersBatchNormalization(2)
    theirs = [keras.layers.BatchNormalization() for _ in range(2)]
    for _ in range(3):
        given_by = ours(x, training=True)
        for member, layer in enumerate(theirs):
            np.testing.assert_allclose(given_by[member], np.transpose(layer(x[member].T, training=True)), atol=1e-5)
    for member, layer in enumerate(theirs):
        np.testing.assert_allclose(ours(x)[member], np.transpose(layer(x[member].T)), atol=1e-5)


def test_dropout_keeps_its_share_and_the_mean():
    layer = MembersDropout(0.3, seed=1)
    x = np.ones((2, 100, 200), "float32")
    dropped = layer(x, training=True).numpy()
    assert (dropped == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean() == pytest.approx(1, abs=0.01)
    assert (layer(x, training=True).numpy() != dropped).any()
    np.testing.assert_array_equal(layer(x), x)
    again = MembersDropout(0.3, seed=1)
    np.testing.assert_array_equal(again(x, training=True), dropped)


def test_dropout_ends_with_training():
    layer = MembersDropout(0.4, seed=1, steps=4)
    x = np.ones((1, 100, 100), "float32")
    shares = [(layer(x, training=True).numpy() == 0).mean() for _ in range(5)]
    by_hand = [0.4 * 0.5 * (1 + math.cos(math.pi * (max(1, 2 * t) - 1))) for t in (0, 0.25, 0.5, 0.75, 1)]
    np.testing.assert_allclose(shares, by_hand, atol=0.02)


@given(st.integers(0, 2**31), st.integers(1, 60), st.booleans())
def test_robust_scale(seed, rows, constant):
    random = np.random.default_rng(seed)
    mostly_one = np.where(random.random(rows) < 0.2, random.choice([-1, 1], rows) * random.exponential(9, rows) ** 3, 4)
    x = np.stack([random.normal(3, 2, rows), (random.random(rows) < 0.1).astype(float), mostly_one], axis=1)
    x = x.astype("float32")
    if constant:
        x[:, 0] = 7
    layer = RobustScale()
    layer(x.T[None])
    layer.fit(x)
    for column in range(3):
        low, middle, high = np.quantile(x[:, column], [0.25, 0.5, 0.75])
        others = x[x[:, column] != middle, column].astype(float)
        factor = 1 / (high - low) if high > low else 2 / np.median(np.abs(others - middle)) if len(others) else 0
        scaled = factor * (x[:, column].astype(float) - middle)
        by_hand = scaled / np.sqrt(1 + (scaled / 3) ** 2)
        np.testing.assert_allclose(layer(x.T[None])[0, column], by_hand, atol=1e-4)
        np.testing.assert_allclose(layer.of_rows(x)[:, column], by_hand, atol=1e-4)
    assert np.abs(layer(x.T[None])).max() <= 3.0001


def test_values_beside_a_common_one_keep_their_distances():
    gains = np.zeros((100, 1), "float32")  # as published: 2 over the range, so that all but the last lie below 0.16
    gains[:9, 0] = [3_000, 4_000, 5_000, 7_000, 7_500, 8_000, 9_000, 15_000, 100_000]
    layer = RobustScale()
    layer(gains.T[None])
    layer.fit(gains)
    scaled = layer.of_rows(gains)[:, 0]
    assert scaled[9:].tolist() == [0.0] * 91
    assert np.diff(scaled[:8]).min() > 0.05  # of 500
    assert scaled[0] > 0.7


def test_columns_with_long_tails_grow_like_a_logarithm():
    x = np.random.default_rng(0).normal(size=(1_000, 4)).astype("float32")
    x[:, 1] = np.exp(2 * x[:, 1])  # its quartiles lie 3.6 apart, and its 99 % quantile is 105
    x[:15, 2], x[15:24, 2] = -90, 90  # more than 1 % of the rows
    x[:9, 3] = 1_000  # fewer
    layer = RobustScale(tails=True)
    layer(x.T[None])
    layer.fit(x)
    assert layer.with_tails == [1, 2]
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    by_hand = (x - middle) / (high - low)
    by_hand[:, [1, 2]] = np.arcsinh(by_hand[:, [1, 2]])
    by_hand /= np.sqrt(1 + by_hand**2 / 9)
    np.testing.assert_allclose(layer.of_rows(x), by_hand, atol=1e-4)
    again = RobustScale.from_config(layer.get_config())
    again(x.T[None])
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again.of_rows(x), layer.of_rows(x))


def test_embeddings():
    random = np.random.default_rng(0)
    x = np.zeros((6, 7), "float32")  # a number, one that passes, a number, a category of four words
    x[:, :3] = random.normal(size=(6, 3))
    x[range(6), 3 + random.integers(0, 4, 6)] = 1
    layer = Embeddings(2, numbers=[0, 2], categories=[[3, 4, 5]], seeds=[5, 6])
    given_by = layer(x.T[None]).numpy()
    frequency, phase, mixing, shift, vectors = (weight.numpy() for weight in layer.weights)
    assert given_by.shape == (2, 2 + 6 + 5 + 1, 6)
    for member in range(2):
        made = [
            mixing[member, place] @ np.cos(2 * np.pi * (frequency[member, place] * x[:, column] + phase[member, place]))
            + shift[member, place]
            for place, column in enumerate((0, 2))
        ]
        by_hand = np.concatenate([x[:, [0, 2]].T, *made, vectors[member].T @ x[:, 3:].T, x[:, [1]].T])
        np.testing.assert_allclose(given_by[member], by_hand, atol=1e-4)
    assert tuple(layer.compute_output_shape((1, 7, None))) == (2, 14, None)
    assert frequency.std() == pytest.approx(0.1, rel=0.4)
    assert np.abs(phase).max() <= 0.5
    assert np.abs(mixing).max() <= 0.25


def test_factors_and_the_mean_within_bounds():
    x = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
    scale = MembersScale(2)
    np.testing.assert_array_equal(scale(x), x)
    scale.factor.assign(np.arange(6, dtype="float32").reshape(2, 3, 1))
    np.testing.assert_allclose(scale(x), x * np.arange(6).reshape(2, 3, 1), rtol=1e-6)
    mean = MembersMean([-0.5] * 5, [0.5] * 5)
    np.testing.assert_allclose(mean(x), np.clip(x, -0.5, 0.5).mean(axis=0), atol=1e-6)


def test_a_network_begins_with_sums_of_variance_1_and_kinks_among_the_rows():
    x = np.random.default_rng(0).normal(size=(500, 6)).astype("float32")
    network = realmlp(3, 6, 1, columns=None, hidden=[40], activation="mish", output="linear", dropout=0, steps=None)
    fit_to_rows(network, x, seed=1)
    layer = network.get_layer("hidden_1")
    before = keras.Model(network.input, network.get_layer("factors").output)(x)
    sums = layer.weighted(before).numpy()
    np.testing.assert_allclose(sums.std(axis=2), 1, atol=1e-3)
    shifted = sums + layer.bias.numpy()
    assert ((shifted.min(axis=2) < 0) & (shifted.max(axis=2) > 0)).mean() > 0.95


def test_the_rate_goes_in_four_waves():
    schedule = LogCosine(0.2, 1_000)
    for step in (0, 1, 66, 67, 250, 467, 999, 1_000, 2_000):
        t = min(step / 1_000, 1)
        by_hand = 0.2 * 0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * t)))
        assert float(schedule(step)) == pytest.approx(by_hand, abs=1e-5)


def test_weights_learn_at_their_own_shares_and_decay_ends():
    names = {"kernel": (1.0, True), "bias": (0.1, False), "factor": (6.0, True)}
    variables = [keras.Variable(np.array([2.0, -1.0], "float32"), name=name) for name in names]
    optimizer = GroupedAdamW(0.01, weight_decay=0.1, steps=4)
    optimizer.build(variables)
    by_hand = {name: np.array([2.0, -1.0]) for name in names}
    m, v = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    random = np.random.default_rng(0)
    for step in range(4):
        gradients = [random.normal(size=2).astype("float32") for _ in names]
        optimizer.apply_gradients([(tf.constant(g), own) for g, own in zip(gradients, variables, strict=True)])
        t = step / 4
        decay = 0.1 * 0.5 * (1 + math.cos(math.pi * (max(1, 2 * t) - 1)))
        for (name, (share, decays)), g in zip(names.items(), gradients, strict=True):
            w = by_hand[name] * (1 - decay * 0.01 * share * decays)
            m[name], v[name] = 0.9 * m[name] + 0.1 * g, 0.95 * v[name] + 0.05 * g**2
            up, down = m[name] / (1 - 0.9 ** (step + 1)), v[name] / (1 - 0.95 ** (step + 1))
            by_hand[name] = w - 0.01 * share * up / (np.sqrt(down) + 1e-8)
    for (name, value), own in zip(by_hand.items(), variables, strict=True):
        np.testing.assert_allclose(own.numpy(), value, rtol=1e-4, err_msg=name)


def test_columns_of_many_words_are_embedded_and_two_values_are_not(people):
    from mlp_toolkit.data.columns.encoder import encode, fit_encoding
    from mlp_toolkit.data.columns.kinds import infer_kinds

    frame = people[["mean radius", "big", "blood"]].assign(letter=list("abcdefghij") * 24).astype(str)
    kinds = infer_kinds(frame, {"big": "numeric", "blood": "categorical", "letter": "categorical"})
    encoding = fit_encoding(frame, kinds)
    x = encode(frame, encoding)
    found = columns_of(encoding, x)
    assert found.numbers == (0,)
    ((begin, size, coordinates),) = found.categories
    assert (size, coordinates) == (10, 8)
    np.testing.assert_array_equal(x[:, begin : begin + size].sum(axis=1), 1)
    assert isinstance(found, Columns)


def test_frequencies_begin_coarse_to_fine() -> None:
    layer = Embeddings(1, numbers=list(range(2_000)), sigma=8, seeds=[1])
    layer.build((1, 2_000, None))
    deviations = layer.frequency.numpy()[0, :, :, 0].std(axis=0)
    assert deviations == pytest.approx(0.05 * 160 ** (np.arange(16) / 15), rel=0.1)
    assert not Embeddings.from_config(layer.get_config() | {"sigma": 0}).sound()


def test_columns_with_long_tails_are_told_by_name(people):
    from mlp_toolkit.data.columns.encoder import encode, fit_encoding
    from mlp_toolkit.data.columns.kinds import infer_kinds

    frame = people[["blood", "mean radius"]].assign(born=pd.date_range("1950-01-01", periods=len(people)).astype(str))
    frame["income"] = np.exp(3 * np.random.default_rng(0).normal(size=len(people)))
    encoding = fit_encoding(frame, infer_kinds(frame, {"blood": "categorical", "born": "date"}))
    settings = {"columns": None, "hidden": [4], "activation": "mish", "output": "linear", "dropout": 0, "steps": None}
    network = realmlp(1, encoding.width, 1, **settings)
    fit_to_rows(network, encode(frame, encoding), seed=0)
    (note,) = told_of_tails(network, encoding)
    assert note.endswith(": income")
    assert told_of_tails(keras.Sequential([keras.layers.Dense(1)]), encoding) == []
