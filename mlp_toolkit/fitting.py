"""A recipe and its rows → the trained model file."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

from mlp_toolkit import feeding, training
from mlp_toolkit.checkpoint import Checkpoint, replay
from mlp_toolkit.dataset import Dataset
from mlp_toolkit.model import build_mlp
from mlp_toolkit.model_file import build_model_file
from mlp_toolkit.optimizers import make_optimizer
from mlp_toolkit.spec import Recipe
from mlp_toolkit.startup import keras
from mlp_toolkit.state import assign
from mlp_toolkit.streaming import Stream


class Fitted(NamedTuple):
    """What training by a recipe gives.

    Attributes:
        model: The model file of the best epoch: raw rows in, predictions out.
        state: How training went.
        seconds: How long it took.
    """

    model: Any
    state: training.Progress
    seconds: float


def fitted(
    spec: Recipe,
    data: Dataset | Stream,
    *,
    checkpoint: Checkpoint | None = None,
    earlier: tuple[training.Progress, list[Any]] | None = None,
    verbose: Any = "auto",
) -> Fitted:
    """Trains the network of a recipe on encoded rows.

    Args:
        spec: The recipe.
        data: Its rows.
        checkpoint: Written as training goes on; None writes nothing.
        earlier: Progress of a stopped training and the values of its variables, to go on with.
        verbose: As `fit` takes it.
    """
    keras.utils.set_random_seed(spec.seed)
    network = network_of(spec, data)
    train = spec.train
    callbacks = []
    if train.schedule and train.schedule.name == "reduce_on_plateau":
        patience = max(1, train.early_stopping.patience // 2) if train.early_stopping else 5
        callbacks.append(keras.callbacks.ReduceLROnPlateau(patience=patience))
    state = None
    if earlier is not None:
        state, values = earlier
        for callback in callbacks:
            replay(callback, network, state.history)
        assign(network, values)
    learned, validation = feeding.rows_of(network, data, spec)
    started = time.monotonic()
    _, state = training.train(
        network,
        learned,
        validation,
        epochs=train.epochs,
        batch_size=train.batch_size,
        early_stopping=train.early_stopping.patience if train.early_stopping else None,
        callbacks=callbacks,
        device=train.device,
        verbose=verbose,
        resume_from=state,
        after_epoch=checkpoint.write if checkpoint else None,
        restore_best=True,
    )
    return Fitted(build_model_file(network, data.encoding, data.target), state, time.monotonic() - started)


def network_of(spec: Recipe, data: Dataset | Stream) -> Any:
    """The untrained network of a recipe, compiled: encoded rows in, predictions in the network's own units out."""
    train = spec.train
    steps = math.ceil(data.counts["train"] / train.batch_size)
    return build_mlp(
        spec.task,
        n_features=data.encoding.width,
        n_outputs=data.target.n_outputs,
        hidden=spec.model.units,
        activation=spec.model.activation.model_dump(exclude_none=True),
        initializer=spec.model.initializer,
        batch_norm=spec.model.batch_norm,
        dropout=spec.model.dropout,
        l2=spec.model.l2,
        output=data.target.output,
        loss=train.loss,
        optimizer=make_optimizer(
            train.optimizer.model_dump(exclude_none=True),
            schedule=train.schedule.name if train.schedule else None,
            steps=steps,
            epochs=train.epochs,
        ),
        precision=train.precision,
        seed=spec.seed,
    )
