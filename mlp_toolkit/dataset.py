"""A recipe's data: rows, split, targets as numbers, weights, fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit import features, readers
from mlp_toolkit.errors import UserError, listing, nearest, shorten
from mlp_toolkit.spec import Recipe, Split, parse_bounds

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "validation", "test")


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
    """

    task: str
    names: tuple[str, ...]
    classes: tuple[Any, ...] = ()
    offset: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    output: str = "auto"

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


@dataclass(frozen=True)
class Dataset:
    """Rows ready for training.

    Attributes:
        frame: Feature columns of all rows, as read.
        kinds: The kind of each column.
        encoding: Fitted to the training rows.
        target: What is predicted.
        values: (rows, outputs) in the target's units, or class numbers from 0, or 0 and 1 for labels.
        weights: (rows,) of the `sample_weight` column, or None.
        parts: Positions in `frame` of the rows of `train`, `validation` and `test`.
        row_numbers: For each row its number in the file it came from, from 0.
        fingerprint: SHA-256 over all files read.
        notes: What was inferred, in sentences.
    """

    frame: pd.DataFrame
    kinds: features.Kinds
    encoding: features.Encoding
    target: Target
    values: np.ndarray
    weights: np.ndarray | None
    parts: dict[str, np.ndarray]
    row_numbers: np.ndarray
    fingerprint: str
    notes: tuple[str, ...]

    def labels(self, part: str) -> np.ndarray:
        """Encoded targets of a part."""
        return self.target.encode(self.values[self.parts[part]])

    def part_weights(self, part: str) -> np.ndarray | None:
        """Row weights of a part, or None."""
        return None if self.weights is None else self.weights[self.parts[part]]


def check_header(recipe: Recipe, place: str) -> list[str]:
    """Compares the recipe's columns with the header of its data, reading no rows.

    Returns:
        The columns of the data.

    Raises:
        UserError: The file is not there, or a column is not in it.
    """
    data = recipe.data
    columns = readers.header(data.path) if data.path else readers.dataset_header(str(data.dataset))
    source = Path(data.path).name if data.path else str(data.dataset)
    asked: list[tuple[str, str]] = [("data.target", name) for name in data.targets]
    if data.sample_weight:
        asked.append(("data.sample_weight", data.sample_weight))
    if isinstance(data.split, str):
        asked.append(("data.split", data.split))
    if not isinstance(data.features, str):
        asked += [("data.features", name) for name in data.features]
    for key, name in asked:
        if name not in columns:
            raise UserError(f"{key}: no such column in {source}", place=place, found=name, allowed=columns)
    roles: list[tuple[str, str | None]] = [
        *(("target", name) for name in data.targets),
        ("sample_weight", data.sample_weight),
    ]
    roles.append(("split", data.split if isinstance(data.split, str) else None))
    for role, column in roles:
        if column in _named(data.features):
            raise UserError(f"data.features: the column of data.{role} cannot be a feature", place=place, found=column)
        if role != "target" and column in data.targets:
            raise UserError(f"data.{role}: this column is the target", place=place, found=column)
    others = [data.test_path] if data.test_path else []
    if isinstance(data.split, Split):
        others += [share for share in (data.split.validation, data.split.test) if isinstance(share, str)]
    for other in others:
        absent = [name for name in columns if name not in readers.header(other)]
        needed = [name for name in absent if name in data.targets or name in _named(data.features)]
        if needed or (data.features == "all" and absent):
            raise UserError("lacks columns that the training data has", place=other, found=listing(needed or absent))
    return columns


def _named(asked: Any) -> list[str]:
    return [] if isinstance(asked, str) else [n for n in asked if not isinstance(asked, dict) or asked[n] != "ignore"]


def load(recipe: Recipe, place: str = "recipe") -> Dataset:
    """Reads the data of a recipe, splits it, and fits the encoding to the training rows.

    Raises:
        UserError: With place, cause and remedy for whatever is wrong with the data.
    """
    check_header(recipe, place)
    data = recipe.data
    notes: list[str] = []
    table = readers.read(data.path) if data.path else readers.read_dataset(str(data.dataset))
    notes += table.notes
    sources, fingerprints = [("", table.frame)], [table.fingerprint]
    for part, path in _files(data.split, data.test_path):
        other = readers.read(path)
        sources.append((part, other.frame))
        fingerprints.append(other.fingerprint)
    frame, given_part, row_numbers = _stack(sources)

    known = complete(frame, data.targets)
    if not known.all():
        notes.append(f"{int((~known).sum()):,} of {len(frame):,} rows have no target and are left out")
        frame, given_part, row_numbers = frame[known], given_part[known], row_numbers[known]
    frame = frame.set_axis(row_numbers, axis=0)  # messages name a row by its number in its file
    values, classes = _values(recipe, frame)
    if recipe.task == "binary":
        notes.append(f"positive class: {classes[1]!r} (negative: {classes[0]!r})")
    elif recipe.task == "multiclass":
        notes.append(f"{len(classes)} classes: {listing(map(repr, classes), 12)}")

    weights = _weights(frame, data.sample_weight)
    parts = _split(recipe, frame, given_part, values, notes)
    if weights is not None and not weights[parts["train"]].any():
        raise UserError(f"all weights in {data.sample_weight!r} are 0 among the training rows")
    kinds = _kinds(recipe, frame)
    notes += kinds.notes
    used = [name for name, kind in kinds.by_column.items() if kind != "ignore"]
    if not used:
        raise UserError("no feature is left to learn from: every column is ignored", place=place)
    encoding = features.fit_encoding(frame.iloc[parts["train"]], kinds)
    _note_twins(frame[used], parts, notes)
    target = _target(recipe, values[parts["train"]], values, classes)
    fingerprint = (
        hashlib.sha256("".join(fingerprints).encode()).hexdigest() if len(fingerprints) > 1 else fingerprints[0]
    )
    return Dataset(
        frame=frame[used].reset_index(drop=True),
        kinds=kinds,
        encoding=encoding,
        target=target,
        values=values,
        weights=weights,
        parts=parts,
        row_numbers=row_numbers,
        fingerprint=fingerprint,
        notes=tuple(notes),
    )


def _files(split: Split | str, test_path: str | None) -> list[tuple[str, str]]:
    """Parts that have files of their own."""
    files = [("test", test_path)] if test_path else []
    if isinstance(split, Split):
        if isinstance(split.validation, str):
            files.append(("validation", split.validation))
        if isinstance(split.test, str) and not test_path:
            files.append(("test", split.test))
    return files


def _stack(sources: list[tuple[str, pd.DataFrame]]) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    import pandas as pd

    columns = list(sources[0][1].columns)
    given = np.concatenate([np.full(len(frame), part, object) for part, frame in sources])
    numbers = np.concatenate([np.arange(len(frame)) for _, frame in sources])
    if len(sources) == 1:
        return sources[0][1], given, numbers
    stacked = {}
    for name in columns:
        pieces = [
            frame[name] if name in frame else pd.Series([None] * len(frame), dtype=object) for _, frame in sources
        ]
        stacked[name] = pd.concat(pieces, ignore_index=True)
    return readers.normalise(pd.DataFrame(stacked)), given, numbers


def complete(frame: pd.DataFrame, targets: Sequence[str]) -> np.ndarray:
    """For each row whether all its targets are there.

    Raises:
        UserError: No row has them.
    """
    known = np.ones(len(frame), bool)
    for name in targets:
        known &= features.to_text(frame[name]) != ""
    if not known.any():
        raise UserError(f"the target {listing(targets)} has no value in any row")
    return known


def known_values(frame: pd.DataFrame, target: Target) -> np.ndarray:
    """Targets of new rows as (rows, outputs): values, class numbers, or 0 and 1, as a trained model counts them.

    Raises:
        UserError: A value is not a number, or a label is none of the model's classes.
    """
    if target.task == "regression":
        return np.stack([features.to_numbers(frame[name], name) for name in target.names], axis=1)
    if target.task == "multilabel":
        return _zeros_and_ones(frame, target.names)
    name = target.names[0]
    position = {str(label): number for number, label in enumerate(target.classes)}
    texts = features.to_text(frame[name]).tolist()
    if all(isinstance(label, int) for label in target.classes):
        texts = [str(int(float(text))) if _is_whole(text) else text for text in texts]
    unknown = sorted({text for text in texts if text not in position})
    if unknown:
        raise UserError(
            f"the target {name!r} holds a label that the model was not trained on",
            found=unknown[0],
            allowed=list(position),
        )
    return np.array([position[text] for text in texts])[:, None]


def _values(recipe: Recipe, frame: pd.DataFrame) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Targets as (rows, outputs) numbers, and the classes in order."""
    targets = recipe.data.targets
    if recipe.task == "regression":
        columns = []
        for name in targets:
            try:
                column = features.to_numbers(frame[name], name)
            except UserError as error:
                raise UserError(
                    f"the target {name!r} must be numeric for task: regression; {error.problem}",
                    remedy="For labels use task: binary or multiclass.",
                ) from None
            features.check_size(column, name, frame.index)
            unknown = np.flatnonzero(np.isnan(column)).tolist()
            if unknown:
                raise UserError(f"the target {name!r} is not a number in row {frame.index[unknown[0]]}")
            if (column == column[0]).all():
                raise UserError(f"the target {name!r} is {column[0]:g} in every row: there is nothing to learn")
            columns.append(column)
        return np.stack(columns, axis=1), ()
    if recipe.task == "multilabel":
        return _label_matrix(frame, targets), ()
    text = features.to_text(frame[targets[0]])
    found = sorted(set(text.tolist()))
    numbers = [features.to_number(value) for value in found]
    of_text: dict[str, Any] = {value: value for value in found}
    if all(_is_whole(value) for value in found):
        of_text = {value: int(float(value)) for value in found}
    elif all(number is not None for number in numbers):
        raise UserError(
            f"the target {targets[0]!r} holds numbers that are not whole, such as {_not_whole(found)}",
            remedy="Classes are whole numbers or text; to predict a number use task: regression.",
        )
    labels = sorted(set(of_text.values()))  # 1, +1 and 1e0 are one label
    order = _class_order(recipe, labels)
    position = {value: order.index(label) for value, label in of_text.items()}
    values = np.array([position[value] for value in text.tolist()])
    return values[:, None], tuple(order)


def _is_whole(text: str) -> bool:
    number = features.to_number(text)
    return number is not None and number.is_integer()


def _not_whole(texts: Sequence[str]) -> str:
    return next(text for text in texts if not float(text).is_integer())


def _class_order(recipe: Recipe, labels: list[Any]) -> list[Any]:
    """The labels in the order of the outputs: sorted, or as the recipe lists them."""
    name, task, given = recipe.data.targets[0], recipe.task, recipe.data.classes
    if len(labels) == 1:
        raise UserError(f"the target {name!r} has one class only, {labels[0]!r}: there is nothing to learn")
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


def _label_matrix(frame: pd.DataFrame, targets: Sequence[str]) -> np.ndarray:
    values = _zeros_and_ones(frame, targets)
    for name, column in zip(targets, values.T, strict=True):
        if (column == column[0]).all():
            raise UserError(f"label column {name!r} is {column[0]:g} in every row: there is nothing to learn")
    return values


def _zeros_and_ones(frame: pd.DataFrame, targets: Sequence[str]) -> np.ndarray:
    columns = []
    for name in targets:
        column = features.to_numbers(frame[name], name)
        odd = ~np.isin(column, (0, 1))
        if odd.any():
            row = int(np.argmax(odd))
            raise UserError(
                f"label column {name!r} must hold 0 and 1 (or true and false); "
                f"row {frame.index[row]} holds {column[row]:g}"
            )
        columns.append(column)
    return np.stack(columns, axis=1)


def _weights(frame: pd.DataFrame, name: str | None) -> np.ndarray | None:
    if name is None:
        return None
    weights = features.to_numbers(frame[name], name)
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise UserError(
            f"weights in {name!r} must be numbers of 0 or more; row {frame.index[row]} holds {weights[row]:g}"
        )
    if weights.sum() == 0:
        raise UserError(f"all weights in {name!r} are 0")
    return weights.astype(np.float32)


def _kinds(recipe: Recipe, frame: pd.DataFrame) -> features.Kinds:
    """Kinds of the feature columns; target, weight and split columns are no features."""
    data = recipe.data
    taken = {*data.targets, data.sample_weight, data.split if isinstance(data.split, str) else None}
    columns = [name for name in frame.columns if name not in taken]
    given: dict[str, str] = {}
    if isinstance(data.features, list):
        columns = [name for name in columns if name in data.features]
    elif isinstance(data.features, dict):
        given = data.features
    kinds = features.infer_kinds(frame[columns], given)
    for name in kinds.of("numeric"):
        features.check_size(features.to_numbers(frame[name], name), name, frame.index)
    return kinds


def _split(
    recipe: Recipe, frame: pd.DataFrame, given: np.ndarray, values: np.ndarray, notes: list[str]
) -> dict[str, np.ndarray]:
    """Positions of the rows of each part: files and columns as given, shares shuffled with the recipe's seed."""
    split = recipe.data.split
    parts = {part: np.flatnonzero(given == part) for part in PARTS}
    open_rows = np.flatnonzero(given == "")
    if isinstance(split, str):
        by_column = _split_by_column(frame[split], open_rows, split)
        twice = [part for part in by_column if len(parts[part])]
        if twice:
            raise UserError(
                f"{twice[0]} rows come from data.test_path and from the split column {split!r}: which is meant?"
            )
        parts.update(by_column)
    else:
        strata = _strata(recipe.task, values)
        whole = len(open_rows)
        for part, share in (("test", split.test), ("validation", split.validation)):
            if isinstance(share, float) and not len(parts[part]):
                of_rest = share * whole / len(open_rows)
                open_rows, parts[part] = _take(open_rows, min(of_rest, 0.999), strata, recipe.seed, part)
        parts["train"] = open_rows
    for part in PARTS:
        if len(parts[part]) == 0:
            raise UserError(
                f"no row is left for {part}: the data has {len(frame)} rows",
                remedy="Give more rows, or other shares under data.split.",
            )
    if recipe.task in ("binary", "multiclass"):
        _check_classes(values, parts, notes)
    return {part: np.sort(rows) for part, rows in parts.items()}


def _split_by_column(column: pd.Series[Any], rows: np.ndarray, name: str) -> dict[str, np.ndarray]:
    text = np.array([str(value).lower() for value in features.to_text(column)[rows]])
    words = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test"}
    unknown = sorted(set(text) - set(words))
    if unknown:
        raise UserError(
            f"the split column {name!r} holds other words than the names of the parts",
            found=unknown[0],
            allowed=list(words),
        )
    part_of = np.array([words[word] for word in text])
    return {part: rows[part_of == part] for part in PARTS if (part_of == part).any()}


def _strata(task: str, values: np.ndarray) -> np.ndarray | None:
    """A number for each row, so that each part gets its share of each; multilabel: the set of labels."""
    if task == "regression":
        return None
    if task == "multilabel":
        _, codes, counts = np.unique(values, axis=0, return_inverse=True, return_counts=True)
        codes = codes.reshape(-1)
        return np.where(counts[codes] >= 10, codes, -1)
    return values[:, 0].astype(int)


def _take(
    rows: np.ndarray, share: float, strata: np.ndarray | None, seed: int, part: str
) -> tuple[np.ndarray, np.ndarray]:
    """Splits off a share of the rows; strata of fewer than two rows stay with the first part."""
    from sklearn.model_selection import train_test_split

    count = max(1, round(share * len(rows)))
    if count >= len(rows):
        raise UserError(f"{len(rows)} rows are too few to split off {part}")
    own = strata[rows] if strata is not None else None
    kept = rows[:0]
    if own is not None:
        _, codes, counts = np.unique(own, return_inverse=True, return_counts=True)
        rare = counts[codes] < 2
        if len(counts) - np.sum(counts < 2) > min(count, (~rare).sum() - count):
            own = None  # fewer places than strata: an even share of each is not possible
        elif rare.any():
            kept, rows, own = rows[rare], rows[~rare], own[~rare]
    first, second = train_test_split(rows, test_size=count, random_state=seed, stratify=own)
    return np.concatenate([first, kept]), second


def _check_classes(values: np.ndarray, parts: dict[str, np.ndarray], notes: list[str]) -> None:
    """Each class must be in the training rows; a class with few rows may be absent elsewhere."""
    every = set(np.unique(values).tolist())
    for part in PARTS:
        absent = every - set(np.unique(values[parts[part]]).tolist())
        if absent and part == "train":
            raise UserError(f"{len(absent)} of {len(every)} classes have no row to train on; they have too few rows")
        if absent:
            notes.append(f"{len(absent)} of {len(every)} classes have too few rows to be among the {part} rows")


def _note_twins(frame: pd.DataFrame, parts: dict[str, np.ndarray], notes: list[str]) -> None:
    """Says how many test rows stand among the training rows too: they make a score look better than it is."""
    import pandas as pd

    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    twins = int(np.isin(hashes[parts["test"]], hashes[parts["train"]]).sum())
    if twins:
        notes.append(f"{twins:,} of {len(parts['test']):,} test rows have the same features as a training row")


def _target(recipe: Recipe, train: np.ndarray, every: np.ndarray, classes: tuple[Any, ...]) -> Target:
    """The target's scaling, fitted to the training rows, and the output that fits it."""
    names = tuple(recipe.data.targets)
    if recipe.task != "regression":
        return Target(recipe.task, names, classes)
    output = recipe.model.output
    bounds = parse_bounds(output)
    deviation = train.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    if bounds:
        low, high = bounds
        _within(every, low, high, names, output)
        if low == -high:  # symmetric around zero: tanh
            return Target("regression", names, (), (0.0,) * len(names), (high,) * len(names), "bounded(-1, 1)")
        return Target("regression", names, (), (low,) * len(names), (high - low,) * len(names), "bounded(0, 1)")
    if output == "positive":
        _within(every, 0, np.inf, names, output)
        return Target("regression", names, (), (0.0,) * len(names), tuple(map(float, scale)), "positive")
    center = train.mean(axis=0)
    return Target("regression", names, (), tuple(map(float, center)), tuple(map(float, scale)), "linear")


def _within(values: np.ndarray, low: float, high: float, names: Sequence[str], output: str) -> None:
    for index, name in enumerate(names):
        least, most = values[:, index].min(), values[:, index].max()
        if least < low or most > high:
            raise UserError(
                f"model.output: {output}, but the target {name!r} reaches from {least:g} to {most:g}",
                remedy="Use output: linear, or bounds that hold all targets.",
            )


def table_columns(frame: pd.DataFrame, wanted: Sequence[str], what: str) -> None:
    """Checks that a table of new rows has the columns needed.

    Raises:
        UserError: With the nearest name for the first that is absent.
    """
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        near = nearest(absent[0], frame.columns)
        raise UserError(
            f"{what} {listing(map(repr, absent))} not in the data",
            allowed=[str(name) for name in frame.columns],
            remedy=f"Did you mean {shorten(near)!r}?" if near else None,
        )
