"""What is predicted: labels and values become numbers, scaled by the training rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.errors import UserError, listing, shorten
from mlp_toolkit.recipe.known_names import parse_bounds
from mlp_toolkit.recipe.spec import Recipe

if TYPE_CHECKING:
    import pandas as pd

# Predictions in ascending order, and how far rows of these are usually off; none where that does not depend on them.
Sizes = tuple[()] | tuple[tuple[float, ...], tuple[float, ...]]

# Losses that are not of the difference between target and output alone.
NOT_CENTRED = ("mean_absolute_percentage_error", "mean_squared_logarithmic_error", "poisson")


@dataclass(frozen=True)
class Target:
    """What is predicted, and how it becomes numbers.

    Attributes:
        task: regression, binary, multilabel or multiclass.
        names: The target columns.
        classes: Labels in the order of the outputs; for binary the second is the positive one.
        offset: Regression: subtracted before training, one value for each output.
        scale: Regression: divided by after that.
        output: The output the network is built with; bounds are those of the scaled target.
        thresholds: Binary and multilabel: from which probability on a row has the label, one for each output; none
            stands for 0.5.
        level: How often intervals or sets of labels hold the truth, above 0 and below 1; 0 where there are none.
        widths: Regression: half an interval, one for each target; else the least probability of a class, or of a label
            and of its absence, that is in the set.
        sizes: Regression: where intervals are wider for some predictions than for others, for each target the sizes
            that its width is multiplied by.
        seen: What is kept of the training rows' columns, as `evaluation.drift.Seen`, to tell whether new rows are like
            them.
    """

    task: str
    names: tuple[str, ...]
    classes: tuple[Any, ...] = ()
    offset: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    output: str = "auto"
    thresholds: tuple[float, ...] = ()
    level: float = 0.0
    widths: tuple[float, ...] = ()
    sizes: tuple[Sizes, ...] = ()
    seen: tuple[Any, ...] = ()

    @property
    def n_outputs(self) -> int:
        """Output neurons: 1 per dimension, label or class; 1 for binary."""
        return len(self.classes) if self.task == "multiclass" else len(self.names)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Values in the target's units or class numbers → what the network is trained on.

        Regression (rows, outputs) float32 scaled; binary (rows, 1) and multilabel (rows, labels) float32 of 0 and 1;
        multiclass (rows, 1) int32.
        """
        if self.task == "multiclass":
            return values.astype(np.int32)
        if self.task == "regression":
            values = (values - np.array(self.offset)) / np.array(self.scale)
        return values.astype(np.float32)

    def decided(self, outputs: np.ndarray) -> np.ndarray:
        """Probabilities (rows, outputs) → class numbers (rows, 1) of multiclass, else 0 and 1, (rows, outputs)."""
        if self.task == "multiclass":
            return np.asarray(outputs.argmax(axis=1)[:, None])
        return (outputs >= (np.array(self.thresholds) if self.thresholds else 0.5)).astype(int)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """What a network gives, (rows, outputs) → float64 values in the target's units; probabilities stay."""
        if self.task != "regression":
            return outputs
        values: np.ndarray = outputs.astype(np.float64) * np.array(self.scale) + np.array(self.offset)
        return values


def complete(frame: pd.DataFrame, targets: Sequence[str]) -> np.ndarray:
    """For each row whether all its targets are there.

    Raises:
        UserError: No row has them.
    """
    known = np.ones(len(frame), bool)
    for name in targets:
        known &= parsing.present(frame[name])
    if not known.any():
        raise UserError(f"the target {listing(targets)} has no value in any row")
    return known


def known_values(frame: pd.DataFrame, target: Target) -> np.ndarray:
    """Targets of new rows as (rows, outputs): values, class numbers, or 0 and 1, as a trained model counts them.

    Raises:
        UserError: A value is not a number, or a label is none of the model's classes.
    """
    if target.task == "regression":
        return np.stack([parsing.to_numbers(frame[name], name) for name in target.names], axis=1)
    if target.task == "multilabel":
        return zeros_and_ones(frame, target.names)
    name = target.names[0]
    position = {str(label): number for number, label in enumerate(target.classes)}
    codes, texts = parsing.distinct_texts(frame[name])
    texts = parsing.Spellings(position).of(texts)
    unknown = sorted({text for text in texts if text not in position})
    if unknown or (codes < 0).any():
        raise UserError(
            f"the target {name!r} holds a label that the model was not trained on",
            found=unknown[0] if unknown else "",
            allowed=list(position),
        )
    numbers: np.ndarray = np.array([position[text] for text in texts], np.int64)
    return np.take(numbers, codes)[:, None]


def read_targets(
    recipe: Recipe, frame: pd.DataFrame, counts: Mapping[str, int] | None = None
) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Targets as (rows, outputs) numbers, and the classes in order.

    Args:
        recipe: The recipe.
        frame: Rows as `tables` gives them, with a target each.
        counts: Rows of each class as the data writes it, where these rows are not all.
    """
    targets = recipe.data.targets
    if recipe.task == "regression":
        values = quantities(frame, targets)
        check_varied(targets, values.min(axis=0), values.max(axis=0))
        return values, ()
    if recipe.task == "multilabel":
        values = zeros_and_ones(frame, targets)
        check_varied(targets, values.min(axis=0), values.max(axis=0))
        return values, ()
    text = parsing.to_text(frame[targets[0]])
    counts = counts or Counter(text.tolist())
    found = sorted(counts)
    numbers = [parsing.to_number(value) for value in found]
    of_text: dict[str, Any] = {value: value for value in found}
    fraction = next((text for text, number in zip(found, numbers, strict=True) if number and number % 1), None)
    if fraction is not None and None not in numbers:
        raise UserError(
            f"the target {targets[0]!r} holds numbers that are not whole, such as {fraction}",
            remedy="Classes are whole numbers or text; to predict a number use task: regression.",
        )
    plain = all(re.fullmatch(parsing.PLAIN_WHOLE_NUMBER, text) for text in found)
    if plain and len(set(map(int, found))) == len(found):  # two spellings of one number may be two labels
        of_text = {value: int(value) for value in found}
    labels = sorted(set(of_text.values()))
    order = _class_order(recipe, labels)
    if recipe.task == "binary":
        rows = {of_text[value]: count for value, count in counts.items()}
        order.sort(key=_positive(recipe, order, rows).__eq__)
    position = {value: order.index(label) for value, label in of_text.items()}
    values = np.array([position[value] for value in text.tolist()])
    return values[:, None], tuple(order)


def quantities(frame: pd.DataFrame, targets: Sequence[str]) -> np.ndarray:
    """(rows, targets) float64 of numeric targets.

    Raises:
        UserError: A value is not a number, or too large for a network.
    """
    columns = []
    for name in targets:
        try:
            column = parsing.to_numbers(frame[name], name)
        except UserError as error:
            raise UserError(
                f"the target {name!r} must be numeric for task: regression; {error.problem}",
                remedy="For labels use task: binary or multiclass.",
            ) from None
        parsing.check_size(column, name, frame.index)
        unknown = np.flatnonzero(np.isnan(column)).tolist()
        if unknown:
            raise UserError(f"the target {name!r} is not a number in row {frame.index[unknown[0]]}")
        columns.append(column)
    return np.stack(columns, axis=1)


def check_varied(targets: Sequence[str], low: np.ndarray, high: np.ndarray) -> None:
    """Refuses a target that has one value only."""
    for name, least, most in zip(targets, low, high, strict=True):
        if least == most:
            raise UserError(f"the target {name!r} is {least:g} in every row: there is nothing to learn")


def _class_order(recipe: Recipe, labels: list[Any]) -> list[Any]:
    """The labels in the order of the outputs: sorted, or as the recipe lists them."""
    name, task, given = recipe.data.targets[0], recipe.task, recipe.data.classes
    if len(labels) == 1:
        raise UserError(
            f"the target {name!r} has one class only, {shorten(repr(labels[0]))}: there is nothing to learn"
        )
    if task == "binary" and len(labels) > 2:
        raise UserError(
            f"the target {name!r} has {len(labels)} classes, task: binary has two",
            found=listing(map(repr, labels), 6),
            remedy="Use task: multiclass, or task: regression where the target is a quantity.",
        )
    if task == "multiclass" and len(labels) > 1000:
        raise UserError(
            f"the target {name!r} has {len(labels):,} different values; at most 1,000 classes are trained",
            remedy="Is it an identifier, or a quantity for task: regression?",
        )
    if given is None:
        return labels
    absent = [label for label in labels if label not in given]
    extra = [label for label in given if label not in labels]
    if absent or extra or len(given) != len(labels):
        raise UserError(
            f"data.classes must list each class of {name!r} once",
            found=given,
            allowed=[repr(label) for label in labels],
        )
    return list(given)


def _positive(recipe: Recipe, order: list[Any], rows: Mapping[Any, int]) -> Any:
    """The positive one of two classes: as the recipe says, else the second that it lists, else the rarer."""
    given = recipe.data.positive
    if given is None:
        return order[1] if recipe.data.classes or rows[order[0]] >= rows[order[1]] else order[0]
    named = [label for label in order if str(label) == str(given)]
    if not named:
        raise UserError(
            "data.positive must be one of the two classes", found=repr(given), allowed=[repr(label) for label in order]
        )
    return named[0]


def positive_note(recipe: Recipe, classes: Sequence[Any]) -> str:
    """Which of two classes is the positive one, and why."""
    negative, positive = (shorten(repr(label)) for label in classes)
    chosen = recipe.data.classes or recipe.data.positive is not None
    why = "" if chosen else ", the rarer one unless data.positive says otherwise"
    return f"positive class: {positive} (negative: {negative}){why}"


def zeros_and_ones(frame: pd.DataFrame, targets: Sequence[str]) -> np.ndarray:
    """(rows, labels) float64 of label columns.

    Raises:
        UserError: A value is neither 0 nor 1.
    """
    columns = []
    for name in targets:
        column = parsing.to_numbers(frame[name], name)
        odd = ~np.isin(column, (0, 1))
        if odd.any():
            row = int(np.argmax(odd))
            raise UserError(
                f"label column {name!r} must hold 0 and 1 (or true and false); "
                f"row {frame.index[row]} holds {column[row]:g}"
            )
        columns.append(column)
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class Spread:
    """How numeric targets spread: one value for each target.

    Attributes:
        mean: Of the training rows.
        deviation: Of the training rows.
        low: The least of all rows.
        high: The greatest of all rows.
    """

    mean: np.ndarray
    deviation: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, train: np.ndarray, every: np.ndarray) -> Spread:
        """The spread of (rows, targets) values."""
        return cls(train.mean(axis=0), train.std(axis=0), every.min(axis=0), every.max(axis=0))


def fit_target(recipe: Recipe, spread: Spread | None, classes: tuple[Any, ...]) -> Target:
    """The target's scaling, fitted to the training rows, and the output that fits it."""
    names = tuple(recipe.data.targets)
    if spread is None:
        return Target(recipe.task, names, classes)
    output, loss = recipe.model.output, recipe.train.loss
    bounds = parse_bounds(output)
    if loss == "cosine_similarity":
        raise UserError(
            "train.loss: cosine_similarity looks at the direction of a row of targets, and the size of none is learnt",
            remedy="Take train.loss: mse, or huber where there are outliers.",
        )
    scale = np.where(spread.deviation > 0, spread.deviation, 1.0)
    if loss in NOT_CENTRED:
        output = _not_centred(loss, output, spread, names)
        if loss == "mean_squared_logarithmic_error":
            scale = np.ones(len(names))  # of 1 + y: it means something in the target's own units only
    if bounds:
        low, high = bounds
        _within(spread, low, high, names, output)
        if low == -high:  # symmetric around zero: tanh
            return Target("regression", names, (), (0.0,) * len(names), (high,) * len(names), "bounded(-1, 1)")
        return Target("regression", names, (), (low,) * len(names), (high - low,) * len(names), "bounded(0, 1)")
    if output == "positive":
        _within(spread, 0, np.inf, names, output)
        return Target("regression", names, (), (0.0,) * len(names), tuple(map(float, scale)), "positive")
    return Target("regression", names, (), tuple(map(float, spread.mean)), tuple(map(float, scale)), "linear")


def _not_centred(loss: str, output: str, spread: Spread, names: Sequence[str]) -> str:
    """The output for a loss that divides by the target, or takes its logarithm: targets are not shifted then.

    Elsewhere targets are centred, and a loss of differences does not change by that.

    Raises:
        UserError: The output or the targets do not fit the loss.
    """
    if output not in ("auto", "positive"):
        raise UserError(
            f"train.loss: {loss} divides by the target or takes its logarithm, and means nothing once it is centred",
            found=f"model.output: {output}",
            remedy="Take model.output: positive, whose targets are not shifted; or train.loss: mae.",
        )
    least = float(spread.low.min())
    if least < 0 or (least == 0 and loss == "mean_absolute_percentage_error"):
        raise UserError(
            f"train.loss: {loss} divides by the target or takes its logarithm, and {listing(map(repr, names))} holds "
            f"{least:g}",
            remedy="Take train.loss: mae.",
        )
    return "positive"


def _within(spread: Spread, low: float, high: float, names: Sequence[str], output: str) -> None:
    for name, least, most in zip(names, spread.low, spread.high, strict=True):
        if least < low or most > high:
            raise UserError(
                f"model.output: {output}, but the target {name!r} reaches from {least:g} to {most:g}",
                remedy="Use output: linear, or bounds that hold all targets.",
            )
