"""Settings of our layers that no layer of ours would write are refused, of every layer."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.layers import names
from mlp_toolkit.model.layers.augmentation import Augmentation


@pytest.mark.parametrize("name", [name for name, (role, _) in names.OURS.items() if role == "layer"])
def test_every_layer_of_ours_says_whether_it_is_sound(name):
    module = importlib.import_module(f"mlp_toolkit.{names.OURS[name][1]}")
    assert callable(getattr(module, name).sound)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("rotation", 500),
        ("width_shift", "0.1"),
        ("zoom", 3.0),
        ("horizontal_flip", 3),
        ("highest", 0.0),
        ("highest", float("nan")),
        ("seed", "x"),
        ("seed", -1),
    ],
)
def test_damaged_settings_of_augmentation_are_refused(setting, value, tmp_path):
    layer = Augmentation(rotation=10, zoom=[0.5, 2.0], seed=1)
    model = keras.Sequential([keras.Input((6, 6, 1)), layer, keras.layers.Flatten(), keras.layers.Dense(1)])
    mt.save(model, tmp_path / "good.h5")
    assert np.isfinite(mt.load(tmp_path / "good.h5").predict(np.ones((2, 6, 6, 1)), verbose=0)).all()
    setattr(layer, setting, value)
    mt.save(model, tmp_path / "bad.h5")
    with pytest.raises(UserError) as refused:
        mt.load(tmp_path / "bad.h5")
    assert "augmentation" in str(refused.value) or "cannot be rebuilt" in str(refused.value)
