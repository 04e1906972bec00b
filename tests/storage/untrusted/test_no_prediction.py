"""Model files that can be rebuilt, and still predict nothing."""

from __future__ import annotations

import json
import shutil

import h5py
import keras
import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A model file of two numbers, one of which is missing in some rows."""
    path = tmp_path_factory.mktemp("model")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60)})
    frame["y"] = frame["a"]
    frame.loc[::5, "b"] = None
    mt.run({"task": "regression", "data": {"target": "y"}, "train": {"epochs": 1}}, data=frame, out=path / "run")
    return path / "run" / "model.h5"


def changed(source, target, change):
    """A copy of a model file in which the settings of one layer are others."""
    shutil.copy(source, target)
    with h5py.File(target, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change({layer["class_name"].split(">")[-1]: layer["config"] for layer in config["config"]["layers"]})
        file.attrs["model_config"] = json.dumps(config)
    return target


def test_an_encoder_wider_than_its_input_is_refused_by_load(model_file, tmp_path):
    def wider(layers):
        numbers = layers["Numbers"]
        assert (len(numbers["fill"]), len(numbers["indicators"])) == (2, 1)
        numbers["indicators"] = []
        for name in ("fill", "center", "inverse_scale"):
            numbers[name].append(1.0)

    path = changed(model_file, tmp_path / "model.h5", wider)
    with pytest.raises(UserError, match=r"model\.h5.*cannot predict"):
        mt.load(path)


def test_an_untouched_file_loads(model_file, tmp_path):
    loaded = mt.load(changed(model_file, tmp_path / "model.h5", lambda layers: None))
    assert len(mt.predict(loaded, {"a": [1.0], "b": [None]})) == 1


def test_sparse_rows_and_whole_numbers_are_no_predictions(tmp_path):
    rows = keras.Input((4,), sparse=True)
    keras.Model(rows, keras.layers.Dense(1)(rows)).save(tmp_path / "sparse.h5")
    with pytest.raises(UserError, match="sparse"):
        mt.load(tmp_path / "sparse.h5")
