"""Raw columns into a model file: many of them, and such as are called what our own layers are called."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt
from mlp_toolkit.model.backend import keras
from mlp_toolkit.storage.inspecting import inspect

ROWS = 60
# What our own layers and networks are called, and what TensorFlow does not take as a name.
NAMES = ["mlp", "target", "target/2", "calibration", "numbers", "encoded", "all_numeric", "model", "a\nb", "é", "$"]


def numbers(count, seed=0):
    return np.random.default_rng(seed).normal(3, 2, size=(ROWS, count))


def standardised(values):
    return (values - values.mean(axis=0)) / values.std(axis=0)


@pytest.mark.parametrize("count", [200, 201])
def test_many_numbers_are_one_input_and_are_encoded_as_few_are(count, tmp_path):
    values = numbers(count)
    estimator = mt.MLPRegressor(epochs=1, early_stopping=None, random_state=0).fit(values, values[:, 0])
    model = estimator.model_
    assert len(model.input) == (count if count == 200 else 1)
    network = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    target = model.layers[-1]
    outputs = network(standardised(values).astype("f4")).numpy()[:, 0].astype(float)
    by_hand = outputs * target.scale[0] + target.offset[0]
    np.testing.assert_allclose(estimator.predict(values), by_hand, rtol=1e-4, atol=1e-4)
    mt.save(model, tmp_path / "model.h5")
    frame = pd.DataFrame(values, columns=[f"x{place}" for place in range(count)])
    loaded = mt.predict(mt.load(tmp_path / "model.h5"), frame).to_numpy()[:, 0]
    np.testing.assert_array_equal(loaded, estimator.predict(values))
    assert inspect(tmp_path / "model.h5")["inputs"] == list(frame.columns)


@pytest.mark.parametrize("words", [False, True])
def test_columns_may_be_called_as_our_layers_are(words, tmp_path):
    values = numbers(len(NAMES))
    frame = pd.DataFrame(np.where(values > 3, "high", "low") if words else values, columns=NAMES)
    estimator = mt.MLPRegressor(epochs=1, early_stopping=None, random_state=0).fit(frame, values[:, 0])
    mt.save(estimator.model_, tmp_path / "model.h5")
    loaded = mt.load(tmp_path / "model.h5")
    assert sorted(loaded.input) == sorted(NAMES)
    np.testing.assert_array_equal(mt.predict(loaded, frame).to_numpy()[:, 0], estimator.predict(frame))
    renamed = frame.set_axis([f"x{place}" for place in range(len(NAMES))], axis=1)
    plain = mt.MLPRegressor(epochs=1, early_stopping=None, random_state=0).fit(renamed, values[:, 0])
    np.testing.assert_allclose(estimator.predict(frame), plain.predict(renamed), rtol=1e-5)


def test_many_words_are_one_input(tmp_path):
    words = pd.DataFrame(np.where(numbers(210) > 3, "high", "low"), columns=[f"w{place}" for place in range(210)])
    frame = words.assign(all_categorical=1.0 * np.arange(ROWS) ** 2)
    estimator = mt.MLPRegressor(epochs=1, early_stopping=None, random_state=0).fit(frame, np.arange(ROWS))
    assert sorted(estimator.model_.input) == ["all_categorical", "all_categorical_2"]
    mt.save(estimator.model_, tmp_path / "model.h5")
    shuffled = frame[list(reversed(frame.columns))]
    loaded = mt.predict(mt.load(tmp_path / "model.h5"), shuffled).to_numpy()[:, 0]
    np.testing.assert_array_equal(loaded, estimator.predict(frame))
