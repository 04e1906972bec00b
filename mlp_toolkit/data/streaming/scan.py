"""One pass over rows that come piece by piece: what it counts, checks, fits and samples."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mlp_toolkit.data import roles
from mlp_toolkit.data.columns import encoder, parsing
from mlp_toolkit.data.columns.kinds import Kinds
from mlp_toolkit.data.columns.moments import Moments
from mlp_toolkit.data.pieces import Piece
from mlp_toolkit.data.reading import frames
from mlp_toolkit.data.splitting import PARTS, Split
from mlp_toolkit.data.targets import (
    Spread,
    Target,
    check_varied,
    fit_target,
    known_values,
    positive_note,
    quantities,
    read_targets,
)
from mlp_toolkit.data.targets import zeros_and_ones as label_values
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe.spec import Recipe

if TYPE_CHECKING:
    import pandas as pd


# Rows drawn for medians, for the scores of the training rows and for validation after each epoch.
SAMPLE_ROWS = 200_000


def as_piece(recipe: Recipe, frame: pd.DataFrame, target: Target) -> Piece:
    """Rows with what is known of them."""
    weights = roles.weights_column(frame, recipe.data.sample_weight)
    return Piece(frame, known_values(frame, target), weights, frame.index.to_numpy())


@dataclass
class Scan:
    """What one pass over all rows finds out."""

    recipe: Recipe
    split: Split
    kinds: Kinds
    rows: int
    counts: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)  # texts of the class column, all rows
    train_labels: Counter[str] = field(default_factory=Counter)
    # Each sampled row with the number that it was drawn by: a sample that grows too large is thinned by half.
    drawn: dict[str, list[tuple[pd.DataFrame, np.ndarray]]] = field(
        default_factory=lambda: {"train": [], "validation": []}
    )
    kept: dict[str, float] = field(default_factory=lambda: {"train": 1.0, "validation": 1.0})
    # How the numbers of each column of text are written so far.
    writings: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    heavy: bool = False  # whether some training row has a weight above 0

    def __post_init__(self) -> None:
        self.share = min(1.0, SAMPLE_ROWS / (self.rows * self.split.most_trained))
        self.fitter = encoder.Fitter(self.kinds, self.share, self.recipe.seed)
        self.random = np.random.default_rng([self.recipe.seed, 1])
        targets = len(self.recipe.data.targets)
        self.moments = Moments(targets)
        self.low, self.high = np.full(targets, np.inf), np.full(targets, -np.inf)

    def add(self, frame: pd.DataFrame, part_of: np.ndarray) -> None:
        """Takes in rows with targets, and the part of each."""
        data = self.recipe.data
        train = part_of == PARTS.index("train")
        self.counts.update(dict(zip(PARTS, np.bincount(part_of, minlength=len(PARTS)).tolist(), strict=True)))
        for name in self.kinds.of("numeric"):
            parsing.check_size(self.kinds.numbers(frame, name, self.writings[name]), name, frame.index)
        self.fitter.add(frame[train])
        if self.recipe.task in ("regression", "multilabel"):
            read = quantities if self.recipe.task == "regression" else label_values
            self._add_quantities(read(frame, data.targets), train)
        else:
            texts = parsing.to_text(frame[data.targets[0]])
            self.labels.update(texts.tolist())
            self.train_labels.update(texts[train].tolist())
            if len(self.labels) > SAMPLE_ROWS:
                raise UserError(f"the target {data.targets[0]!r} has more than {SAMPLE_ROWS:,} different values")
        weights = roles.weights_column(frame, data.sample_weight)
        self.heavy |= weights is None or bool(weights[train].any())
        for part, drawn in self.drawn.items():
            own = frame[part_of == PARTS.index(part)]
            by = self.random.random(len(own))
            drawn.append((own[by < self.kept[part]], by[by < self.kept[part]]))
            while sum(len(by) for _, by in drawn) > SAMPLE_ROWS:
                self.kept[part] /= 2
                drawn[:] = [(rows[by < self.kept[part]], by[by < self.kept[part]]) for rows, by in drawn]

    def _add_quantities(self, values: np.ndarray, train: np.ndarray) -> None:
        if len(values):
            self.low, self.high = np.minimum(self.low, values.min(axis=0)), np.maximum(self.high, values.max(axis=0))
        for index, column in enumerate(values[train].T):
            self.moments.add(index, column)

    def target(self) -> Target:
        """What is predicted; refuses data that nothing can be learnt from."""
        recipe, data = self.recipe, self.recipe.data
        for part in PARTS:
            if not self.counts[part]:
                raise UserError(f"no row is left for {part}", remedy="Give other shares under data.split.")
        if not self.heavy:
            raise UserError(f"all weights in {data.sample_weight!r} are 0 among the training rows")
        if recipe.task in ("regression", "multilabel"):
            check_varied(data.targets, self.low, self.high)
            spread = Spread(self.moments.mean, self.moments.deviation, self.low, self.high)
            return fit_target(recipe, spread if recipe.task == "regression" else None, ())
        import pandas as pd

        texts = pd.DataFrame({data.targets[0]: list(self.labels)}, dtype=object)
        _, classes = read_targets(recipe, texts, self.labels)
        target = fit_target(recipe, None, classes)
        absent = int((self.class_counts(target) == 0).sum())
        if absent:
            raise UserError(f"{absent} of {len(classes)} classes have no row to train on; they have too few rows")
        return target

    def class_counts(self, target: Target) -> np.ndarray:
        """Training rows of each class; for multilabel, rows without and with each label."""
        import pandas as pd

        if target.task == "multilabel":
            having = np.round(self.moments.mean * self.moments.count)
            return np.stack([self.moments.count - having, having], axis=1)
        if not target.classes:
            return np.zeros(0, int)
        texts = list(self.train_labels)
        numbers = known_values(pd.DataFrame({target.names[0]: texts}, dtype=object), target)[:, 0]
        return np.bincount(numbers, weights=[self.train_labels[text] for text in texts], minlength=len(target.classes))

    def notes(self, target: Target) -> list[str]:
        """What is worth saying about the pass."""
        notes = []
        known = sum(self.counts.values())
        if known < self.rows:
            notes.append(f"{self.rows - known:,} of {self.rows:,} rows have no target and are left out")
        if self.split.by_chance:
            notes.append("each row falls to its part by chance: the parts hold their shares roughly, not exactly")
        notes.append("rows that stand both among the test and the training rows are not looked for")
        sizes = {part: sum(len(by) for _, by in drawn) for part, drawn in self.drawn.items()}
        if self.share < 1:
            notes.append(f"medians: by a sample of about {self.share * self.counts['train']:,.0f} training rows")
        if sizes["train"] < self.counts["train"]:
            notes.append(f"scores of the training rows: by a sample of {sizes['train']:,} of them")
        if sizes["validation"] < self.counts["validation"]:
            notes.append(f"validation after each epoch: by a sample of {sizes['validation']:,} validation rows")
        if target.task == "binary":
            notes.append(positive_note(self.recipe, target.classes))
        return notes

    def sample(self, part: str, target: Target) -> Piece:
        """The rows drawn from a part."""
        import pandas as pd

        frame = pd.concat([rows for rows, _ in self.drawn[part]])
        return as_piece(self.recipe, frames.normalise(frame).set_axis(frame.index), target)
