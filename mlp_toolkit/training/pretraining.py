"""Unsupervised pretraining: hidden layers that have learnt to restore rows of which a part was hidden.

A denoising autoencoder (Vincent et al. 2008) needs no targets, so that rows without one help, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlp_toolkit.data.columns import encoder
from mlp_toolkit.data.dataset import Dataset
from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.mlp import build_mlp
from mlp_toolkit.recipe.spec import Pretrain, Recipe
from mlp_toolkit.training import trainer
from mlp_toolkit.training.engine.rows import Resident, row_order
from mlp_toolkit.training.warm_start import Source, hidden_layers


def pretrained(recipe: Recipe, settings: Pretrain, data: RecipeData, notes: list[str], verbose: Any) -> Source:
    """Trains an autoencoder with the recipe's hidden layers on all rows that are not for validation or test.

    Args:
        recipe: The recipe.
        settings: Its `model.pretrain`.
        data: Its rows.
        notes: What was done is added.
        verbose: As `fit` takes it.

    Raises:
        UserError: The data is streamed, or the recipe has no hidden layer.
    """
    if not isinstance(data, Dataset):
        raise UserError(
            "model.pretrain reads all rows into memory, and this data is streamed",
            remedy="Pretrain on a part of it, and use that model file as model.warm_start.",
        )
    if not recipe.model.units:
        raise UserError("model.pretrain: the network has no hidden layer to pretrain")
    labelled = encoder.encode(data.frame.iloc[data.parts["train"]], data.encoding)
    x = np.concatenate([labelled, encoder.encode(data.unlabelled, data.encoding)])
    model = recipe.model
    autoencoder = build_mlp(
        "regression",
        n_features=x.shape[1],
        n_outputs=x.shape[1],
        hidden=model.units,
        activation=model.activation.model_dump(exclude_none=True),
        initializer=model.initializer,
        batch_norm=model.batch_norm,
        dropout=0.0,
        l2=model.l2,
        optimizer="adam",
        metrics=[],
        seed=recipe.seed,
        name="autoencoder",
    )
    _, state = trainer.train(
        autoencoder,
        Resident((x, x), lambda epoch: row_order(len(x), recipe.seed, epoch)),
        None,
        trainer.Plan(
            settings.epochs,
            recipe.train.batch_size_of(len(x)),
            device=recipe.train.device,
            verbose=verbose,
            augment=_hiding(settings.noise, recipe.seed),
        ),
    )
    error = state.history["loss"][-1]
    notes.append(
        f"pretrained on {len(x):,} rows, {len(data.unlabelled):,} of them without a target: inputs are restored with a "
        f"mean squared error of {error:.3g}"
    )
    return Source("the autoencoder", hidden_layers(autoencoder), None)


def _hiding(share: float, seed: int) -> Any:
    """Sets a share of a batch's inputs to 0, which is the mean of scaled ones."""

    def hide(x: Any, counter: Any) -> Any:
        drawn = tf.random.stateless_uniform(tf.shape(x), counter + tf.constant([0, seed % 2**31]))
        return tf.where(drawn < share, tf.zeros_like(x), x)

    return hide
