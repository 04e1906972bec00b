"""A recipe and its rows → the trained model file."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlp_toolkit.data.columns.encoder import Encoding, encode
from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.data.reading import frames
from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import UserError
from mlp_toolkit.evaluation.calibration import Fit, Steps, fit_calibration, fit_steps
from mlp_toolkit.evaluation.conformal import with_widths
from mlp_toolkit.evaluation.decision import USUAL, choose, note
from mlp_toolkit.model import prediction
from mlp_toolkit.model.backend import keras, random_state_kept
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.model.layers import augmentation
from mlp_toolkit.model.layers.augmentation import Augmentation
from mlp_toolkit.model.members.columns import columns_of, told_of_tails
from mlp_toolkit.model.members.ensemble import is_ensemble
from mlp_toolkit.model.members.fitting import ROWS_FITTED_TO, fit_to_rows
from mlp_toolkit.model.mlp import Known, build_mlp
from mlp_toolkit.model.model_file import build_model_file
from mlp_toolkit.model.parts.optimizers import make_optimizer
from mlp_toolkit.model.programs import lent
from mlp_toolkit.recipe.spec import Recipe, Train
from mlp_toolkit.training import progress, rows_of_data, trainer
from mlp_toolkit.training.engine.blend.keeping import ends_of_waves, of_several_epochs, with_shares
from mlp_toolkit.training.engine.folds import apart, judge_of_folds, out_of_fold
from mlp_toolkit.training.engine.rows import Resident
from mlp_toolkit.training.engine.steps import Augment
from mlp_toolkit.training.engine.variables import assign_stored, snapshot
from mlp_toolkit.training.pretraining import pretrained
from mlp_toolkit.training.warm_start import Source, freezing, lowered, take_over, taken

ROWS_AT_ONCE = 65_536  # that are encoded


@dataclass(frozen=True)
class Fitted:
    """What training by a recipe gives.

    Attributes:
        network: The network with the weights of the best epoch: encoded rows in, outputs in its own units out.
        encoding: How raw rows become encoded ones.
        target: What is predicted.
        correction: How probabilities are put right, or None.
        state: How training went.
        seconds: How long it took.
        out_of_fold: What the members that have not learnt a training row say of it, (rows, outputs) in the target's
            units; None where they share validation rows.
        loan: By which the network is lent; None where it was built for this training alone.
    """

    network: Network
    encoding: Encoding
    target: Target
    correction: Any
    state: trainer.Progress
    seconds: float
    out_of_fold: np.ndarray | None = None
    loan: lent.Loan | None = None

    @functools.cached_property
    def model(self) -> Network:
        """The model file: raw rows in, predictions out. To build it takes longer than to train a few rows."""
        if self.loan is not None:
            self.loan.keep()  # the file's model has the network's layers
        with random_state_kept():
            return build_model_file(self.network, self.encoding, self.target, self.correction)

    def outputs(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """What the model file's model gives for rows, to the bit, if it need not be built for that.

        Args:
            columns: Raw rows, two or more, by column as `tables` gives them.

        Raises:
            UserError: As `prediction.raw_outputs`.
        """
        import pandas as pd

        if self.correction is None and self.encoding.image is None:
            frame = pd.DataFrame(columns, copy=False)
            parts = [frame[start : start + ROWS_AT_ONCE] for start in range(0, len(frame), ROWS_AT_ONCE)]
            encoded = (encode(part, self.encoding) for part in parts)
            outputs: np.ndarray = np.concatenate([prediction.predict(self.network, x) for x in encoded])
            if np.isfinite(outputs).all():
                return self.target.decode(outputs)
        return prediction.raw_outputs(self.model, columns)


@random_state_kept()
def train_recipe(
    spec: Recipe,
    data: RecipeData,
    *,
    earlier: tuple[trainer.Progress, list[Any]] | None = None,
    source: Source | None = None,
    callbacks: Sequence[Any] = (),
    after_epoch: Callable[[Any, trainer.Progress], None] | None = None,
    verbose: Any = "auto",
    notes: Sequence[str] = (),
    spent: float = 0.0,
    borrow: bool = False,
) -> Fitted:
    """Trains the network of a recipe on encoded rows.

    Args:
        spec: The recipe.
        data: Its rows.
        earlier: Progress of a stopped training and the values of its variables, to go on with.
        source: What `model.warm_start` names, read.
        callbacks: Keras callbacks.
        after_epoch: Called after each epoch with the network and how far it has come.
        verbose: As `fit` takes it.
        notes: What there is to say before training; nothing where an earlier one goes on, which has said it.
        spent: How many of the seconds for training are gone.
        borrow: Train a network that an earlier borrower let go of, if there is one: for callers who keep what comes
            back as it is, or its model.
    """
    _check_rows_to_judge_by(spec, data)
    train, epochs = spec.train, spec.train.epochs_of(data.counts["train"])
    loan = _loan(spec, data) if borrow and source is None else None
    network: Any = loan.network if loan is not None else network_of(spec, data)
    learned, validation, by_class = rows_of_data.rows_of(network, data, spec)
    own, judge = trainer.lowering_rate(train, validation), None
    if data.folds is not None:
        assert isinstance(learned, Resident)
        judge = judge_of_folds(network, learned.in_order(), data.target, epochs)
    state = trainer.Progress(notes=[*notes, *told_of_tails(network, data.encoding)])
    if earlier is not None:
        state, values = earlier
        for callback in own:
            callback.replay(network, state.history)
        assign_stored(network, values)
    started, done = time.monotonic(), state.epochs
    if spec.model.pretrain is not None and not done:
        take_over(pretrained(spec, spec.model.pretrain, data, state.notes, verbose), network, None, state.notes)
    plan = trainer.Plan(
        epochs,
        train.batch_size_of(data.counts["train"]),
        train.early_stopping.patience if train.early_stopping else None,
        [*own, *callbacks],
        device=train.device,
        verbose=verbose,
        augment=augment_of(spec, data),
        changes=_started(spec.model.warm_start, source, network, done, state.notes) if source is not None else {},
        after_epoch=after_epoch,
        restore_best=train.keep == "best",
        units=progress.units_of(data.target),
        judge=judge,
        snapshots=_snapshots(spec, data, epochs),
        seconds=train.seconds,
        spent=spent,
    )
    trainer.train(network, learned, validation, plan, state)
    for layer in network.layers:  # the model file's optimizer holds the state of all weights, frozen or not
        layer.trainable = True
    network, held_out = _kept(spec, data, network, learned, state)
    correction = None
    if train.calibrate:
        rows = validation if held_out is None else held_out
        correction = _calibrated(network, data, rows, isotonic=train.calibrate == "isotonic", by_class=by_class)
        state.notes.append(_told(correction, data))
    said = _in_units(held_out, correction, data.target)
    fitted = Fitted(network, data.encoding, data.target, correction, state, time.monotonic() - started, said, loan)
    return _judged(fitted, spec, data, learned)


def _check_rows_to_judge_by(spec: Recipe, data: RecipeData) -> None:
    """Refuses what needs more rows that are not learnt than there are.

    Raises:
        UserError: Of intervals, with how many they need; of calibration, where there are none.
    """
    rows = data.counts["validation" if data.folds is None else "train"]
    if spec.train.calibrate and not rows:
        raise UserError("train.calibrate corrects probabilities by the validation rows, and there are none")
    if spec.intervals is not None and rows < (least := math.ceil(round(spec.intervals / (1 - spec.intervals), 6))):
        raise UserError(
            f"intervals: {spec.intervals:g} need {least} rows that the network does not learn; there are {rows}",
            remedy="Hold out a larger share (data.split.validation), or ask for less sure intervals.",
        )


def _judged(fitted: Fitted, spec: Recipe, data: RecipeData, learned: Any) -> Fitted:
    """The same with thresholds and intervals, where the recipe asks for them, by rows that were not learnt."""
    decision, target = spec.decision, fitted.target
    if decision.threshold not in (USUAL, "auto"):
        target = replace(target, thresholds=(float(decision.threshold),) * len(target.names))
    if (decision.threshold != "auto" and spec.intervals is None) or fitted.state.diverged():
        return replace(fitted, target=target)
    pieces = list(data.pieces("train" if fitted.out_of_fold is not None else "validation"))
    values, outputs = np.concatenate([piece.values for piece in pieces]), fitted.out_of_fold
    if outputs is None:
        columns = [frames.columns_of(piece.frame) for piece in pieces]
        outputs = np.concatenate([fitted.outputs(own) for own in columns])
    if decision.threshold == "auto":
        names = [target.classes[1]] if target.classes else target.names
        told = [choose(*own, decision, spec.seed) for own in zip(values.T, outputs.T, strict=True)]
        fitted.state.notes.extend(note(*own) for own in zip(told, [decision] * len(told), names, strict=True))
        target = replace(target, thresholds=tuple(choice.threshold if choice else USUAL for choice in told))
    if spec.intervals is not None:
        lie_apart = None
        if fitted.out_of_fold is not None and spec.task == "regression":
            x, *_, fold = learned.in_order()
            members: Any = next(own for own in (fitted.network, *fitted.network.layers) if is_ensemble(own))
            lie_apart = apart(members, x, fold, spec.model.ensemble) * np.square(target.scale)
        target = with_widths(target, values, outputs, spec.intervals, lie_apart)
    return replace(fitted, target=target)


def _snapshots(spec: Recipe, data: RecipeData, epochs: int) -> list[int]:
    """The epochs that are kept besides the best and the last: where classes are noisy, early ones are worth more."""
    wanted = spec.train.keep == "blended" and spec.task != "regression" and data.folds is not None
    return ends_of_waves(epochs) if wanted else []


def _kept(
    spec: Recipe, data: RecipeData, network: Any, learned: Any, state: trainer.Progress
) -> tuple[Any, np.ndarray | None]:
    """The network that a recipe keeps, and what folds say of the training rows where there are any."""
    sets = 1
    if spec.train.keep != "best" and state.best and not state.diverged():
        states = [state.best, *(state.snapshots[epoch] for epoch in sorted(state.snapshots)), snapshot(network)]
        network = of_several_epochs(network, states, lambda several: network_of(spec, data, sets=several))
        sets = len(states)
    if data.folds is None:
        return network, None
    members = spec.model.ensemble
    if sets == 1 or spec.train.keep != "blended":
        x, *_, fold = learned.in_order()
        return network, out_of_fold(network, x, fold, members).mean(axis=0)
    return with_shares(network, learned, members, task=spec.task, notes=state.notes)


def augmentation_of(spec: Recipe, data: RecipeData) -> Augmentation | None:
    """The layer that changes training images, or None.

    Raises:
        UserError: The recipe asks for it, and there are no images.
    """
    if spec.train.augmentation is None:
        return None
    if data.encoding.image is None:
        raise UserError(
            "train.augmentation is for images, and no column holds any",
            remedy="Name a column of image paths: data.features: {COLUMN: image}; or give a folder of images.",
        )
    return augmentation.from_spec(spec.train.augmentation, highest=1.0)


def augment_of(spec: Recipe, data: RecipeData) -> Augment | None:
    """What changes the images of a batch, or None."""
    layer, image = augmentation_of(spec, data), data.encoding.image
    if layer is None or image is None:
        return None
    shape = (image.height, image.width, image.channels)
    return augmentation.seeded(augmentation.on_features(layer, data.encoding.image_begin, shape), spec.seed)


def _started(settings: Any, source: Source, network: Network, done: int, notes: list[str]) -> dict[int, Any]:
    """Fills the network by a warm start, unless it has gone on from there already.

    Returns:
        What changes in the network before an epoch.
    """
    layers = taken(source, network, settings.layers) if done else take_over(source, network, settings.layers, notes)
    until = settings.unfreeze_after
    if not settings.freeze or (until is not None and done >= until):
        return {}
    changes = {done: freezing(layers, False)}
    return changes if until is None else {**changes, until: freezing(layers, True)}


def _calibrated(
    network: Network, data: RecipeData, held_out: Any, *, isotonic: bool, by_class: np.ndarray | None
) -> Fit | Steps:
    """How the probabilities of a trained network are put right: by its validation rows, or by what folds say."""
    if isinstance(held_out, np.ndarray):
        (piece,) = data.pieces("train")
        p, y = held_out, data.target.encode(piece.values)
        weights = piece.weights
    else:
        x, y, *given = (np.asarray(array) for array in next(held_out.blocks(0)))
        p, weights = prediction.predict(network, x), given[0] if given else None
    softmax = data.target.task == "multiclass"
    if softmax and y.shape[1] != p.shape[1]:
        y = np.eye(p.shape[1])[y[:, 0]]
    if isotonic:
        return fit_steps(y, p, weights=weights)
    return fit_calibration(y, p, softmax=softmax, weights=weights, by_class=by_class)


def _told(correction: Fit | Steps, data: RecipeData) -> str:
    rows = data.counts["validation" if data.folds is None else "train"]
    return (
        f"calibrated on {rows:,} validation rows: their log loss goes from {correction.before:.4g} to "
        f"{correction.after:.4g}"
    )


def _in_units(held_out: np.ndarray | None, correction: Fit | Steps | None, target: Target) -> np.ndarray | None:
    """What folds say, put right, in the target's units."""
    if held_out is not None and correction is not None:
        held_out = correction.applied(held_out, softmax=target.task == "multiclass")
    return target.decode(held_out) if held_out is not None else None


def frequency_of(spec: Recipe, data: RecipeData, numbers: int) -> float:
    """How fine embeddings of so many columns of numbers begin; where one of two classes is rare, few rows tell."""
    telling = 2 * int(data.class_counts.min()) if spec.task == "binary" else data.counts["train"]
    return spec.model.frequency_of(spec.task, telling / max(1, numbers))


def _loan(spec: Recipe, data: RecipeData) -> lent.Loan | None:
    """A network as `network_of` gives it, which may have been lent before; None where building it has more to say."""
    model, train = spec.model, spec.train
    if model.pretrain is not None or model.members or train.precision != "float32" or train.keep != "best":
        return None
    about = (spec.task, model.model_dump_json(), train.model_dump_json())
    rows = (data.encoding.width, data.target.n_outputs, data.target.output, *_length(train, data))
    return lent.network((*about, *rows), spec.seed, lambda: network_of(spec, data))


def _length(train: Train, data: RecipeData) -> tuple[int, int]:
    """Steps of an epoch, and epochs."""
    rows = data.counts["train"]
    return math.ceil(rows / train.batch_size_of(rows)), train.epochs_of(rows)


def network_of(spec: Recipe, data: RecipeData, sets: int = 1) -> Any:
    """The untrained network of a recipe, compiled: encoded rows in, predictions in the network's own units out.

    Args:
        spec: The recipe.
        data: Its rows.
        sets: So many times the members that the recipe asks for.
    """
    train = spec.train
    steps, epochs = _length(train, data)
    x = rows_of_data.sample(data, ROWS_FITTED_TO, spec.seed) if spec.model.network == "realmlp" else None
    known, frequency = None, None
    if x is not None:
        columns = columns_of(data.encoding, x)
        known = Known(columns, steps * epochs, rows_of_data.reach(data))
        frequency = frequency_of(spec, data, len(columns.numbers))
    network: Any = build_mlp(
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
        network=spec.model.network,
        frequency=frequency,
        ensemble=spec.model.ensemble * sets,
        loss=_loss(spec),
        optimizer=make_optimizer(
            train.optimizer.model_dump(exclude_none=True),
            schedule=train.schedule,
            steps=steps,
            epochs=epochs,
            lowered=lowered(spec.model.warm_start),
        ),
        metrics=[] if data.folds is not None else None,  # the members' own folds tell more
        precision=train.precision,
        seed=spec.seed,
        known=known,
    )
    if x is not None:
        fit_to_rows(network, x, spec.seed)
    return network


def _loss(spec: Recipe) -> Any:
    """The loss of a recipe; labels that are smoothed are compared class by class."""
    smoothing = spec.train.label_smoothing
    if not smoothing:
        return spec.train.loss
    return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
