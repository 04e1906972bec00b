"""All that a model file may name of ours, in one list, which is read without Keras."""

from __future__ import annotations

import importlib
from typing import Literal

PACKAGE = "mlp_toolkit"
Role = Literal["layer", "activation", "schedule", "optimizer", "model"]

# What a file calls it, what it is, and the module that registers it with Keras.
OURS: dict[str, tuple[Role, str]] = {
    "Numbers": ("layer", "model.layers.numeric"),
    "DateParts": ("layer", "model.layers.date"),
    "OneHot": ("layer", "model.layers.categorical"),
    "Images": ("layer", "model.layers.image"),
    "Target": ("layer", "model.layers.target"),
    "Calibration": ("layer", "model.layers.calibration"),
    "Isotonic": ("layer", "model.layers.calibration"),
    "Augmentation": ("layer", "model.layers.augmentation"),
    "step": ("activation", "model.parts.activations"),
    "Staged": ("schedule", "model.parts.optimizers"),
    "ToMembers": ("layer", "model.members.layers"),
    "MembersDense": ("layer", "model.members.layers"),
    "MembersDropout": ("layer", "model.members.layers"),
    "MembersBatchNormalization": ("layer", "model.members.layers"),
    "MembersMean": ("layer", "model.members.layers"),
    "LinearShare": ("layer", "model.members.layers"),
    "RobustScale": ("layer", "model.members.numbers"),
    "Embeddings": ("layer", "model.members.numbers"),
    "MembersScale": ("layer", "model.members.numbers"),
    "Ensemble": ("model", "model.members.ensemble"),
    "LogCosine": ("schedule", "model.members.optimizer"),
    "GroupedAdamW": ("optimizer", "model.members.optimizer"),
}


def registered(role: Role) -> frozenset[str]:
    """The names of one role, as they stand in a file."""
    return frozenset(f"{PACKAGE}>{name}" for name, (own, _) in OURS.items() if own == role)


def register_all() -> None:
    """Imports the modules, each of which registers what it has with Keras."""
    for _, module in OURS.values():
        importlib.import_module(f"{PACKAGE}.{module}")
