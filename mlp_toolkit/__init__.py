"""From a task description to a trained, tested, portable Keras multilayer perceptron.

Importing this package does not import TensorFlow; the first call that needs it does. Once Keras is imported, by
whichever side, the layers of our model files are registered, so that plain `keras.models.load_model` reads them.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from wrapt import register_post_import_hook

if TYPE_CHECKING:
    from mlp_toolkit.errors import MissingExtra, UserError
    from mlp_toolkit.estimators.classifier import MLPClassifier
    from mlp_toolkit.estimators.regressor import MLPRegressor
    from mlp_toolkit.model.layers.augmentation import Augmentation
    from mlp_toolkit.model.mlp import build_mlp
    from mlp_toolkit.model.plots import plot_activations, plot_decision_regions, plot_history
    from mlp_toolkit.model.prediction import predict
    from mlp_toolkit.recipe.resolving import load_recipe as load_recipe
    from mlp_toolkit.runs.analysis.comparing import Comparison, compare
    from mlp_toolkit.runs.cross_validation import CrossValidation, cross_validate
    from mlp_toolkit.runs.finished import Run, load_run
    from mlp_toolkit.runs.run import run
    from mlp_toolkit.storage.inspecting import inspect
    from mlp_toolkit.storage.loading import load
    from mlp_toolkit.storage.saving import save
    from mlp_toolkit.training.first_steps.rate_finder import RateSearch, find_learning_rate
    from mlp_toolkit.training.fit import fit
    from mlp_toolkit.tuning.search import tune
else:
    _HOMES = {
        "Augmentation": "model.layers.augmentation",
        "Comparison": "runs.analysis.comparing",
        "CrossValidation": "runs.cross_validation",
        "MLPClassifier": "estimators.classifier",
        "MLPRegressor": "estimators.regressor",
        "MissingExtra": "errors",
        "RateSearch": "training.first_steps.rate_finder",
        "Run": "runs.finished",
        "UserError": "errors",
        "build_mlp": "model.mlp",
        "compare": "runs.analysis.comparing",
        "cross_validate": "runs.cross_validation",
        "find_learning_rate": "training.first_steps.rate_finder",
        "fit": "training.fit",
        "inspect": "storage.inspecting",
        "load": "storage.loading",
        "load_recipe": "recipe.resolving",
        "load_run": "runs.finished",
        "plot_activations": "model.plots",
        "plot_decision_regions": "model.plots",
        "plot_history": "model.plots",
        "predict": "model.prediction",
        "run": "runs.run",
        "save": "storage.saving",
        "tune": "tuning.search",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            importlib.import_module(f"{__name__}.recipe.old_names").check_old_name(name)
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home, _, its_name = _HOMES[name].partition(":")
        value = getattr(importlib.import_module(f"{__name__}.{home}"), its_name or name)
        globals()[name] = value
        return value


__version__ = "0.1.0"
__all__ = [
    "Augmentation",
    "Comparison",
    "CrossValidation",
    "MLPClassifier",
    "MLPRegressor",
    "MissingExtra",
    "RateSearch",
    "Run",
    "UserError",
    "build_mlp",
    "compare",
    "cross_validate",
    "find_learning_rate",
    "fit",
    "inspect",
    "load",
    "load_recipe",
    "load_run",
    "plot_activations",
    "plot_decision_regions",
    "plot_history",
    "predict",
    "run",
    "save",
    "tune",
]


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def _register_layers(_: ModuleType) -> None:
    # While `model.backend` itself imports Keras it is only half there; whoever imports it brings the layers along.
    if "mlp_toolkit.model.backend" not in sys.modules:
        importlib.import_module("mlp_toolkit.model.layers.names").register_all()


register_post_import_hook(_register_layers, "keras")
