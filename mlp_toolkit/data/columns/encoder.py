"""What kind each column is, and the encoding fitted to the training rows, as plain values.

The encoding is carried out by the layers of the model file (`layers`), which hold the same values.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit import catalog, cells, images
from mlp_toolkit.errors import UserError, listing, nearest
from mlp_toolkit.files import MOST_COLUMNS
from mlp_toolkit.images import Image
from mlp_toolkit.kinds import Kinds
from mlp_toolkit.moments import Moments
from mlp_toolkit.readers import FEW_ROWS

if TYPE_CHECKING:
    import pandas as pd

    Column = pd.Series[Any] | np.ndarray


@dataclass(frozen=True)
class Encoding:
    """How raw columns become the numbers that a network takes.

    Attributes:
        numbers: Names of the numeric columns.
        dates: Names of the date columns and their formats.
        words: Names of the categorical columns of text, and their values with a column of their own each.
        fill: For each number (the numeric columns, then the parts of each date): the median of the training rows.
        center: Their mean after filling.
        inverse_scale: One over their standard deviation after filling; 0 where that is 0.
        indicators: Positions of the numbers that are missing somewhere in the training rows; each has a column that
            is 1 where it is missing.
        image: The column of images, if there is one; an encoded row ends with its pixels.
    """

    numbers: tuple[str, ...]
    dates: tuple[tuple[str, str], ...]
    words: tuple[tuple[str, tuple[str, ...]], ...]
    fill: tuple[float, ...]
    center: tuple[float, ...]
    inverse_scale: tuple[float, ...]
    indicators: tuple[int, ...]
    image: Image | None = None

    @property
    def columns(self) -> list[str]:
        """The raw columns the encoding takes."""
        texts = [*(name for name, _ in self.dates), *(name for name, _ in self.words)]
        return [*self.numbers, *texts, *([self.image.name] if self.image else [])]

    @property
    def image_begin(self) -> int:
        """Where the pixels of an encoded row begin: the numbers before them."""
        one_hot = sum(len(values) for _, values in self.words)
        return len(self.fill) + len(self.indicators) + one_hot

    @property
    def width(self) -> int:
        """Numbers that a row becomes: the input neurons of the network."""
        return self.image_begin + (self.image.pixels if self.image else 0)


def fit_encoding(frame: pd.DataFrame, kinds: Kinds, image: Image | None = None) -> Encoding:
    """Fits the encoding to the training rows: medians, means, scales, categories.

    Args:
        frame: The training rows only.
        kinds: The kind of each column.
        image: The column of images, as `images.fit` gives it.
    """
    fitter = Fitter(kinds)
    fitter.add(frame)
    return replace(fitter.encoding(), image=image)


class Fitter:
    """Fits an encoding to rows that come piece by piece: exact counts, means and deviations; medians of a sample.

    Args:
        kinds: The kind of each column.
        share: The share of rows that medians are taken from; 1 takes all, and the medians are exact.
        seed: For drawing that sample.
    """

    # So many different texts of one column are counted; beyond, only the frequent ones go on.
    TEXTS_COUNTED = 200_000

    def __init__(self, kinds: Kinds, share: float = 1.0, seed: int = 0) -> None:
        self.numbers = tuple(kinds.of("numeric"))
        self.dates = tuple((name, kinds.by_column[name][5:-1]) for name in kinds.of("date"))
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in kinds.of("categorical")}
        width = len(self.numbers) + len(cells.DATE_PARTS) * len(self.dates)
        self.moments, self.absent = Moments(width), np.zeros(width)
        self.sample: list[np.ndarray] = []
        self.share, self.random = share, np.random.default_rng([seed, 0])

    def add(self, frame: pd.DataFrame) -> None:
        """Takes in training rows, as `readers` gives them."""
        import pandas as pd

        columns = [cells.to_numbers(frame[name], name).astype(np.float32) for name in self.numbers]
        for name, format_ in self.dates:
            columns.extend(cells.date_numbers(cells.to_dates(frame[name], name, format_), format_).T)
        drawn = slice(None) if self.share >= 1 else np.flatnonzero(self.random.random(len(frame)) < self.share)
        for index, column in enumerate(columns):
            values = column[np.isfinite(column)].astype(np.float64)
            self.absent[index] += len(column) - len(values)
            self.moments.add(index, values)
        if columns:
            self.sample.append(np.stack([column[drawn] for column in columns]))
        for name, counter in self.counts.items():
            found = pd.Series(cells.to_text(frame[name])).value_counts()  # most frequent first
            counter.update({str(text): int(count) for text, count in found.items()})
            if len(counter) > self.TEXTS_COUNTED:
                self.counts[name] = Counter(dict(counter.most_common(self.TEXTS_COUNTED // 2)))

    def encoding(self) -> Encoding:
        """The encoding fitted to all rows so far. Means and deviations are those after filling."""
        limit = catalog.config("features")["categories_at_most"]
        sample = np.concatenate(self.sample, axis=1) if self.sample else np.zeros((len(self.absent), 0))
        fill, center, inverse = [], [], []
        indicators = tuple(np.flatnonzero(self.absent).tolist())
        for index, column in enumerate(sample):
            finite = column[np.isfinite(column)].astype(np.float64)
            fill.append(float(np.median(finite)) if len(finite) else float(self.moments.mean[index]))
            if self.absent[index]:
                self.moments.merge(index, int(self.absent[index]), fill[-1], 0.0)
            center.append(float(self.moments.mean[index]))
            deviation = float(self.moments.deviation[index])
            inverse.append(1 / deviation if deviation > 1e-12 * abs(center[-1]) else 0.0)
        words = (
            (name, tuple(sorted(str(value) for value, _ in counter.most_common(limit))))
            for name, counter in self.counts.items()
        )
        return Encoding(
            numbers=self.numbers,
            dates=self.dates,
            words=tuple(words),
            fill=tuple(fill),
            center=tuple(center),
            inverse_scale=tuple(inverse),
            indicators=indicators,
        )


def encode(frame: pd.DataFrame, encoding: Encoding) -> np.ndarray:
    """Encodes rows as the layers of a model file do, to the bit, and faster for many rows.

    Args:
        frame: Rows as `readers` gives them, with all columns of the encoding, checked before.
        encoding: The encoding.

    Returns:
        (rows, encoding.width) float32.
    """
    encoded = np.zeros((len(frame), encoding.width), np.float32)
    columns = itertools.chain(
        (cells.to_numbers(frame[name], name).astype(np.float32, copy=False) for name in encoding.numbers),
        (
            part
            for name, format_ in encoding.dates
            for part in cells.date_numbers(cells.to_dates(frame[name], name, format_), format_).T
        ),
    )
    marks = {index: len(encoding.fill) + place for place, index in enumerate(encoding.indicators)}
    for index, column in enumerate(columns):  # column by column: what is computed on stays in the processor's cache
        known = np.isfinite(column)
        filled = np.where(known, column.astype(np.float64), encoding.fill[index])  # float64, as in the layer
        filled -= encoding.center[index]
        filled *= encoding.inverse_scale[index]
        with np.errstate(over="ignore"):  # far outside of what was seen in training: infinity, as in the layer
            encoded[:, index] = filled
        if index in marks:
            encoded[:, marks[index]] = ~known
    begin = len(encoding.fill) + len(encoding.indicators)
    for name, values in encoding.words:
        place = {value: begin + number for number, value in enumerate(values)}
        codes, texts = cells.distinct_texts(frame[name])
        places = np.take(np.array([*(place.get(text, -1) for text in texts), place.get("", -1)]), codes)
        rows = np.flatnonzero(places >= 0)
        encoded[rows, places[rows]] = 1
        begin += len(values)
    if encoding.image:
        images.encode(images.read(frame[encoding.image.name], encoding.image), encoding.image, encoded[:, begin:])
    return encoded


def model_inputs(table: pd.DataFrame | Mapping[str, np.ndarray], encoding: Encoding) -> dict[str, np.ndarray]:
    """Raw rows as a model file takes them: (rows, 1) float32 or text by column name.

    Images come in the size that they have in training, (rows, height, width, channels), uint8 where that holds them.

    Args:
        table: Raw rows as `readers` gives them: a data frame, or its columns.
        encoding: The model's.

    Raises:
        UserError: A column is missing or holds something else than in training.
    """
    require(table if isinstance(table, Mapping) else dict.fromkeys(table.columns.tolist()), encoding)
    texts = [name for name, _ in encoding.words]
    inputs = dict(zip(encoding.numbers, _all_numbers(table, encoding.numbers), strict=True))
    inputs |= {name: cells.to_dates(table[name], name, format_) for name, format_ in encoding.dates}
    inputs |= zip(texts, _all_texts([table[name] for name in texts]), strict=True)
    arrays = {name: values[:, None] for name, values in inputs.items()}
    if encoding.image:
        arrays[encoding.image.name] = images.read(table[encoding.image.name], encoding.image)
    return arrays


def require(names: Collection[str], encoding: Encoding) -> None:
    """Checks that rows have the columns that an encoding takes.

    Raises:
        UserError: With the nearest names.
    """
    absent = [name for name in encoding.columns if name not in names]
    if absent:
        near = {name: nearest(name, itertools.islice(names, MOST_COLUMNS)) for name in absent[:3]}
        hints = [f"{name!r} is perhaps {other!r}" for name, other in near.items() if other]
        raise UserError(
            f"{len(absent)} of the model's {len(encoding.columns)} columns are missing: {listing(absent)}",
            remedy="; ".join(hints) or None,
        )


def _all_numbers(table: pd.DataFrame | Mapping[str, np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
    """The numbers of each column as float32."""
    if len(table[names[0]] if names else ()) <= FEW_ROWS:  # then one look at all is faster than one at each
        matrix = np.array([cells.to_numbers(table[name], name) for name in names])
        if not (np.abs(matrix) > cells.LARGEST).any():
            return list(matrix.astype(np.float32))
    columns = []
    for name in names:
        values = cells.to_numbers(table[name], name)
        cells.check_size(values, name, None if isinstance(table, Mapping) else table.index)
        columns.append(values.astype(np.float32))
    return columns


def _all_texts(columns: Sequence[Column]) -> list[np.ndarray]:
    """The texts of each column."""
    few = all(isinstance(column, np.ndarray) and len(column) <= FEW_ROWS for column in columns)
    if columns and few and all(column.dtype == object for column in columns):  # text already: no two write one number
        return list(cells.to_text(np.concatenate(columns)).reshape(len(columns), -1))
    return [cells.to_text(column) for column in columns]
