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
    from mlp_toolkit.augmentation import Augmentation
    from mlp_toolkit.contents import inspect
    from mlp_toolkit.errors import MissingExtra, UserError
    from mlp_toolkit.estimators import MLPClassifier, MLPRegressor
    from mlp_toolkit.model import build_mlp
    from mlp_toolkit.plots import plot_activations, plot_decision_regions, plot_history
    from mlp_toolkit.prediction import predict
    from mlp_toolkit.rate_finder import RateSearch, find_learning_rate
    from mlp_toolkit.recipe import load as load_recipe
    from mlp_toolkit.runs import Run, load_run, run
    from mlp_toolkit.storage import load, save
    from mlp_toolkit.training import fit
else:
    _HOMES = {
        "Augmentation": "augmentation",
        "MLPClassifier": "estimators",
        "MLPRegressor": "estimators",
        "MissingExtra": "errors",
        "RateSearch": "rate_finder",
        "Run": "runs",
        "UserError": "errors",
        "build_mlp": "model",
        "find_learning_rate": "rate_finder",
        "fit": "training",
        "inspect": "contents",
        "load": "storage",
        "load_recipe": "recipe:load",
        "load_run": "runs",
        "plot_activations": "plots",
        "plot_decision_regions": "plots",
        "plot_history": "plots",
        "predict": "prediction",
        "run": "runs",
        "save": "storage",
    }

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            importlib.import_module(f"{__name__}.old_names").check(name)
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home, _, its_name = _HOMES[name].partition(":")
        value = getattr(importlib.import_module(f"{__name__}.{home}"), its_name or name)
        globals()[name] = value
        return value


__version__ = "0.1.0"
__all__ = [
    "Augmentation",
    "MLPClassifier",
    "MLPRegressor",
    "MissingExtra",
    "RateSearch",
    "Run",
    "UserError",
    "build_mlp",
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
]


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def _register_layers(_: ModuleType) -> None:
    # While `startup` itself imports Keras it is only half there; whoever imports it brings the layers along.
    if "mlp_toolkit.startup" not in sys.modules:
        for module in ("layers", "schedules", "calibration", "augmentation"):
            importlib.import_module(f"mlp_toolkit.{module}")


register_post_import_hook(_register_layers, "keras")
