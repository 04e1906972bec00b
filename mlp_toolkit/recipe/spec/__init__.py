"""What may a recipe hold?

Plain values come in; checked, frozen objects go out. No default values: those live in `configs/`.

types: what all parts are made of.
data: `data:`.
model: `model:`.
train: `train:`.
judging: `decision:`.
tuning: `tune:`.
recipe: the whole, and what its parts must not say together.
"""

from mlp_toolkit.recipe.spec.data import Data, Images, Shares
from mlp_toolkit.recipe.spec.judging import Cost, Decision
from mlp_toolkit.recipe.spec.model import Activation, Layers, Model, Pretrain, WarmStart
from mlp_toolkit.recipe.spec.recipe import Recipe
from mlp_toolkit.recipe.spec.train import Augmentation, EarlyStopping, Optimizer, Schedule, Train
from mlp_toolkit.recipe.spec.tuning import Range, Tune, Values
from mlp_toolkit.recipe.spec.types import IN_MEMORY, TASKS, Part, Task

__all__ = [
    "IN_MEMORY",
    "TASKS",
    "Activation",
    "Augmentation",
    "Cost",
    "Data",
    "Decision",
    "EarlyStopping",
    "Images",
    "Layers",
    "Model",
    "Optimizer",
    "Part",
    "Pretrain",
    "Range",
    "Recipe",
    "Schedule",
    "Shares",
    "Task",
    "Train",
    "Tune",
    "Values",
    "WarmStart",
]
