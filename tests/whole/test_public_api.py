"""The public surface, and what an import costs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import python

import mlp_toolkit as mt


def test_every_public_name_is_there_and_documented():
    for name in mt.__all__:
        assert getattr(mt, name).__doc__, name


def test_nothing_else_is_public():
    expected = {"build_mlp", "fit", "predict", "save", "load", "inspect", "run", "load_run", "Run", "UserError"}
    expected |= {"MissingExtra", "find_learning_rate", "RateSearch", "Augmentation", "MLPClassifier", "MLPRegressor"}
    expected |= {"load_recipe", "plot_activations", "plot_decision_regions", "plot_history"}
    expected |= {"cross_validate", "CrossValidation", "compare", "Comparison", "tune"}
    assert set(mt.__all__) == expected
    assert expected <= set(dir(mt))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="frobnicate"):
        _ = mt.frobnicate


def test_importing_the_package_does_not_import_tensorflow():
    assert (
        python("import sys, mlp_toolkit; print('tensorflow' in sys.modules, 'keras' in sys.modules)") == "False False\n"
    )


@pytest.mark.parametrize("order", ["mlp_toolkit, keras", "keras, mlp_toolkit"])
def test_layers_are_registered_whichever_is_imported_first(order):
    code = f"import {order}\nprint('mlp_toolkit>Numbers' in keras.saving.get_custom_objects())"
    assert python(code) == "True\n"


def test_tensorflow_says_nothing_on_the_terminal():
    code = "import mlp_toolkit as mt; mt.build_mlp('binary', n_features=3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_three_lines_of_python_train_and_save_a_network(tmp_path):
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    model = mt.build_mlp("multiclass", n_features=4, n_outputs=3, seed=0)
    history = mt.fit(model, X, y, epochs=40, verbose=0)
    mt.save(model, tmp_path / "iris.h5")
    assert history.history["accuracy"][-1] > 0.9
    assert (mt.load(tmp_path / "iris.h5").predict(X, verbose=0).argmax(axis=1) == y).mean() > 0.9


def test_no_module_takes_the_place_of_a_public_name():
    """Importing a submodule sets it as an attribute of the package, over a function of the same name."""
    from importlib.util import find_spec

    assert not [name for name in mt.__all__ if find_spec(f"mlp_toolkit.{name}")]
