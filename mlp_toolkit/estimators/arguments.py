"""The arguments of the estimators: the keys of a recipe that they stand for, and what others call them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError

# The recipe's key of each argument. Where null means something in a recipe, the argument's default is "preset" and None
# is that null; elsewhere None leaves the value to the preset.
KEYS = {
    "preset": "preset",
    "hidden": "model.hidden",
    "activation": "model.activation",
    "initializer": "model.initializer",
    "batch_norm": "model.batch_norm",
    "dropout": "model.dropout",
    "l2": "model.l2",
    "network": "model.network",
    "ensemble": "model.ensemble",
    "output": "model.output",
    "loss": "train.loss",
    "optimizer": "train.optimizer",
    "learning_rate": "train.optimizer.learning_rate",
    "schedule": "train.schedule",
    "epochs": "train.epochs",
    "seconds": "train.seconds",
    "batch_size": "train.batch_size",
    "class_weight": "train.class_weight",
    "calibrate": "train.calibrate",
    "early_stopping": "train.early_stopping",
    "validation_fraction": "data.split.validation",
    "features": "data.features",
    "device": "train.device",
    "precision": "train.precision",
}
NULLABLE = ("schedule", "class_weight", "early_stopping")
# What other estimators call it, and what it is here.
ELSEWHERE = {
    "alpha": "l2",
    "hidden_layer_sizes": "hidden",
    "learning_rate_init": "learning_rate",
    "lr": "learning_rate",
    "max_epochs": "epochs",
    "max_iter": "epochs",
    "n_iter_no_change": "early_stopping",
    "patience": "early_stopping",
    "seed": "random_state",
    "solver": "optimizer",
    "time_limit": "seconds",
    "validation_split": "validation_fraction",
}
GOING_ON = (
    "A recipe goes on from a trained network (model.warm_start); "
    "mt.fit(model, X, y) trains any compiled Keras model further."
)


def told_names(constructor: Callable[..., None]) -> Callable[..., None]:
    """A constructor that says what an unknown argument is called here; scikit-learn reads its signature as before."""

    @functools.wraps(constructor)
    def checked(self: Any, *args: Any, **given: Any) -> None:
        names = constructor.__kwdefaults__ or {}
        for name in given:
            if name not in names:
                raise _unknown(type(self).__name__, name, names)
        constructor(self, *args, **given)

    return checked


def _unknown(who: str, name: str, names: Mapping[str, Any]) -> TypeError:
    if name == "warm_start":
        return TypeError(f"{who} has no warm_start: each fit begins anew. {GOING_ON}")
    if ELSEWHERE.get(name) in names:
        return TypeError(f"{who} has no {name}; it is called {ELSEWHERE[name]} here")
    return TypeError(str(UserError("no such argument", place=who, found=name, allowed=names)))


def check_depth(who: str, names: Mapping[str, Any]) -> None:
    """Refuses what reaches into an argument, such as `optimizer__learning_rate` in a search.

    Raises:
        UserError: It does; the arguments are no estimators.
    """
    for name in names:
        outer, _, inner = name.partition("__")
        if inner and outer in KEYS:
            own = f"{inner} is an argument of its own. " if inner in KEYS else ""
            raise UserError(
                f"{outer} is no estimator that has a parameter {inner}",
                place=f"{who}: {name}",
                remedy=f"{own}Or search over whole mappings: {outer}=[{{...}}, {{...}}].",
            )


def plain(value: Any) -> Any:
    """Numbers and arrays of numpy as Python has them, at any depth: searches over parameters draw them."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def named_features(asked: Any, columns: list[str], numbered: bool, place: str) -> Any:
    """`features` as a recipe has it: columns by name; those of an array are numeric unless it says otherwise."""

    def named(column: Any) -> str:
        name = column if isinstance(column, str) else f"x{column}" if numbered else str(column)
        if name not in columns:
            raise UserError("no such column in X", place=place, found=column, allowed=columns)
        return name

    if isinstance(asked, list):
        asked = [named(column) for column in asked]
        return {name: "numeric" if name in asked else "ignore" for name in columns} if numbered else asked
    if isinstance(asked, dict):
        asked = {named(column): kind for column, kind in asked.items()}
        return {**dict.fromkeys(columns, "numeric"), **asked} if numbered else asked
    return dict.fromkeys(columns, "numeric") if numbered and asked in (None, "all") else asked
