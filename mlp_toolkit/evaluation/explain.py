"""What a model looks at, and where it fails: importance, dependence, contributions, slices.

Everything here is given a function from raw rows to outputs, and knows no network.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlp_toolkit.data.reading.frames import with_columns
from mlp_toolkit.data.targets import Target
from mlp_toolkit.evaluation.baselines import LOWER_IS_BETTER, leading_score
from mlp_toolkit.evaluation.doubt import scores_of_samples

if TYPE_CHECKING:
    import pandas as pd

    Outputs = Callable[[pd.DataFrame], np.ndarray]

MOST_ROWS, REPEATS = 2_000, 5
GRID, CURVES = 20, 50
MOST_EXACT, DRAWS, BACKGROUND = 8, 200, 50
BINS, LEAST_ROWS, MOST_WORDS, LEVEL = 4, 20, 20, 0.05
NO_SPREAD = 1e-6  # of a mean: losses are told apart in float32
MOST_TIMES = 1_000  # as bad as rows that are predicted without an error
T_95 = 1.96


class Model(NamedTuple):
    """What is explained.

    Attributes:
        outputs: Raw rows → (rows, outputs) in the target's units, or probabilities.
        target: What is predicted.
        columns: The raw columns it takes.
    """

    outputs: Outputs
    target: Target
    columns: Sequence[str]


def importance(model: Model, frame: pd.DataFrame, values: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """How much worse the score becomes where a column's values are shuffled (L. Breiman, 2001).

    Args:
        model: The model.
        frame: Raw rows that it has not learnt; of many 2,000 are looked at.
        values: (rows, outputs) what is true of them.
        seed: Of the shuffles.

    Returns:
        A row for each column, the most important first: `column`, `importance`, `low`, `high`; a 95 % interval over
        five shuffles and the rows. Columns that tell the same share it: each can stand in for the other.
    """
    import pandas as pd

    random = np.random.default_rng(seed)
    if len(frame) > MOST_ROWS:
        picked = np.sort(random.choice(len(frame), MOST_ROWS, replace=False))
        frame, values = frame.iloc[picked], values[picked]
    name = leading_score(values, model.target)
    sign = 1 if name in LOWER_IS_BETTER else -1

    def score(outputs: np.ndarray) -> float:
        every = np.ones((1, len(values)))
        return sign * float(scores_of_samples(values, outputs, model.target, every, [name])[name][0])

    usual, lines, every = score(model.outputs(frame)), [], _times(frame, REPEATS)
    for column in model.columns:
        orders = np.concatenate([random.permutation(len(frame)) for _ in range(REPEATS)])
        told = model.outputs(with_columns(every, {column: frame[column].to_numpy()[orders]}))
        worse = [score(own) - usual for own in np.split(told, REPEATS)]
        half = T_95 * float(np.std(worse, ddof=1))  # of a single shuffle: how far rows by chance move it
        mean = float(np.mean(worse))
        lines.append({"column": column, "importance": mean, "low": mean - half, "high": mean + half})
    return pd.DataFrame(lines).sort_values("importance", ascending=False, ignore_index=True)


class Dependence(NamedTuple):
    """How predictions change with a column, all others as they are.

    Attributes:
        column: The column.
        grid: The values it is set to: numbers, or words.
        mean: (grid, outputs) the mean prediction (J. H. Friedman, 2001).
        curves: (grid, rows, outputs) of single rows (A. Goldstein and others, 2015).
    """

    column: str
    grid: np.ndarray
    mean: np.ndarray
    curves: np.ndarray


def dependence(model: Model, frame: pd.DataFrame, column: str, seed: int = 0) -> Dependence:
    """The partial dependence of a model on a column, and curves of 50 single rows.

    Args:
        model: The model.
        frame: Raw rows; of many 2,000 are looked at.
        column: One that it takes.
        seed: Of the choice of rows.
    """
    random = np.random.default_rng(seed)
    rows = frame if len(frame) <= MOST_ROWS else frame.iloc[random.choice(len(frame), MOST_ROWS, replace=False)]
    grid = _grid(rows[column])
    values = np.repeat(grid, len(rows))
    told = model.outputs(with_columns(_times(rows, len(grid)), {column: values})).reshape(len(grid), len(rows), -1)
    shown = random.choice(len(rows), min(CURVES, len(rows)), replace=False)
    return Dependence(column, grid, told.mean(axis=1), told[:, shown])


def _times(frame: pd.DataFrame, count: int) -> pd.DataFrame:
    """All rows so many times: one call of a model is cheaper than many."""
    return frame.iloc[np.tile(np.arange(len(frame)), count)].reset_index(drop=True)


def _grid(column: pd.Series[Any]) -> np.ndarray:
    """Quantiles of numbers (a value that many have, and quantiles of the others), or the commonest words."""
    import pandas as pd

    known = column.dropna()
    if pd.api.types.is_numeric_dtype(known.dtype):
        numbers = known.to_numpy(float)
        every = np.unique(numbers)
        if len(every) <= GRID:
            return every
        common = _common(numbers, GRID)
        others = numbers[~np.isin(numbers, common)]
        return np.unique([*common, *np.quantile(others, np.linspace(0, 1, GRID - len(common)))])
    return known.astype(object).value_counts().index[:GRID].to_numpy(object)


def _common(numbers: np.ndarray, parts: int) -> np.ndarray:
    """The values that more than one in `parts` of the numbers have: quantiles would be these again and again."""
    values, counts = np.unique(numbers, return_counts=True)
    return values[counts * parts > len(numbers)]


def _filled(column: pd.Series[Any], value: Any) -> np.ndarray:
    return np.full(len(column), value, None if isinstance(value, float | np.floating) else object)


def contributions(
    model: Model, row: pd.DataFrame, background: pd.DataFrame, output: int = 0, seed: int = 0
) -> pd.DataFrame:
    """What each column adds to the prediction of a row (Shapley values, L. S. Shapley, 1953).

    A column that is not told takes its values from background rows. Up to 8 columns every order counts, and the values
    are exact for this background; else 200 orders are drawn (E. Štrumbelj and I. Kononenko, 2014).

    Args:
        model: The model.
        row: One raw row.
        background: Rows that it is compared with; of many 50 are taken.
        output: Which output.
        seed: Of what is drawn.

    Returns:
        A row for each column, the largest first: `column`, `value`, `contribution`, `error`, the standard error, 0
        where it is exact. Contributions add up to the prediction, less the mean prediction of the background.
    """
    import pandas as pd

    random, columns = np.random.default_rng(seed), list(model.columns)
    if len(background) > BACKGROUND:
        background = background.iloc[random.choice(len(background), BACKGROUND, replace=False)]
    background = background[columns].reset_index(drop=True)
    if len(columns) <= MOST_EXACT:
        found, error = _exact(model, row, background, output), np.zeros(len(columns))
    else:
        found, error = _drawn(model, row, background, output, random)
    lines = pd.DataFrame(
        {"column": columns, "value": row[columns].iloc[0].to_numpy(), "contribution": found, "error": error}
    )
    return lines.sort_values("contribution", key=np.abs, ascending=False, ignore_index=True)


def _exact(model: Model, row: pd.DataFrame, background: pd.DataFrame, output: int) -> np.ndarray:
    columns = list(background.columns)
    sets = list(itertools.product([False, True], repeat=len(columns)))
    worth = {told: _with(row, background, dict(zip(columns, told, strict=True))) for told in sets}
    outputs = _outputs_of(model, list(worth.values()), output)
    mean = {told: float(own.mean()) for told, own in zip(worth, outputs, strict=True)}
    count, found = len(columns), np.zeros(len(columns))
    for told in sets:
        size = sum(told)
        for place in range(count):
            if not told[place]:
                share = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
                found[place] += share * (mean[(*told[:place], True, *told[place + 1 :])] - mean[told])
    return found


def _drawn(
    model: Model, row: pd.DataFrame, background: pd.DataFrame, output: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    columns, places = list(background.columns), range(len(background.columns))
    orders = [random.permutation(len(columns)) for _ in range(DRAWS)]
    frames = []
    for order in orders:
        other = background.iloc[[int(random.integers(len(background)))]]
        steps = [
            {columns[place]: place in {*order[:told].tolist()} for place in places} for told in range(len(order) + 1)
        ]
        frames += [_with(row, other, step) for step in steps]
    outputs = np.concatenate(_outputs_of(model, frames, output)).reshape(DRAWS, len(columns) + 1)
    added = np.zeros((DRAWS, len(columns)))
    for number, order in enumerate(orders):
        added[number, order] = np.diff(outputs[number])
    return added.mean(axis=0), added.std(axis=0, ddof=1) / math.sqrt(DRAWS)


def _with(row: pd.DataFrame, background: pd.DataFrame, told: Mapping[str, bool]) -> pd.DataFrame:
    """Background rows in which the columns that are told are the row's."""
    own = {name: _filled(background[name], row[name].iloc[0]) for name, there in told.items() if there}
    return with_columns(background, own)


def _outputs_of(model: Model, frames: Sequence[pd.DataFrame], output: int) -> list[np.ndarray]:
    """One output for each row of several tables, by one call."""
    import pandas as pd

    sizes = np.cumsum([len(frame) for frame in frames])[:-1]
    told = model.outputs(pd.concat(frames, ignore_index=True))[:, output].astype(float)
    return np.split(told, sizes)


def row_losses(values: np.ndarray, outputs: np.ndarray, target: Target) -> np.ndarray:
    """How wrong each row is, (rows,): squared error in shares of the variance, or cross entropy."""
    if target.task == "regression":
        variance = values.var(axis=0)
        return np.asarray((np.square(values - outputs) / np.where(variance > 0, variance, 1)).mean(axis=1))
    if target.task == "multiclass":
        chance = outputs[np.arange(len(values)), values[:, 0].astype(int)]
        return np.asarray(-np.log(np.maximum(chance, 1e-7)))
    of_true = np.where(values > 0, outputs, 1 - outputs)
    return np.asarray(-np.log(np.maximum(of_true, 1e-7)).mean(axis=1))


def slices(model: Model, frame: pd.DataFrame, values: np.ndarray, top: Sequence[str] = ()) -> pd.DataFrame:
    """Where the model fails: values and quarters of columns whose rows are predicted worse than the others.

    Each slice is compared with all other rows (Welch's test of their losses); only those are told that are worse for
    more than chance, corrected for how many were looked at (S. Holm, 1979).

    Args:
        model: The model.
        frame: Raw rows that it has not learnt.
        values: (rows, outputs) what is true of them.
        top: Columns of which pairs are looked at, too.

    Returns:
        The worst first: `slice`, `rows`, `loss`, `others`, `times` (as bad as others), `p` (corrected).
    """
    import pandas as pd
    from scipy import stats

    losses = row_losses(values, model.outputs(frame), model.target)
    masks = {name: mask for column in model.columns for name, mask in _parts(frame[column], column).items()}
    for one, other in itertools.combinations(top, 2):
        pairs = itertools.product(_parts(frame[one], one).items(), _parts(frame[other], other).items())
        # Where nearly all rows of a part are those of the other, the pair says what the part does.
        masks |= {f"{a} and {b}": own & its for (a, own), (b, its) in pairs if _narrower(own & its, own, its)}
    lines = []
    for name, mask in masks.items():
        if LEAST_ROWS <= mask.sum() <= len(mask) - LEAST_ROWS:
            inside, outside = ((own.mean(), own.std(ddof=1), len(own)) for own in (losses[mask], losses[~mask]))
            if inside[1] > NO_SPREAD * inside[0] or outside[1] > NO_SPREAD * outside[0]:
                p = stats.ttest_ind_from_stats(*inside, *outside, equal_var=False, alternative="greater").pvalue
                lines.append((name, inside[2], float(inside[0]), float(outside[0]), float(p)))
    lines.sort(key=lambda line: line[4])
    found, before = [], 0.0
    for place, (name, rows, loss, others, p) in enumerate(lines):
        before = max(before, min(1.0, p * (len(lines) - place)))
        if before >= LEVEL:
            break
        found.append(
            {
                "slice": name,
                "rows": rows,
                "loss": loss,
                "others": others,
                "times": loss / max(others, loss / MOST_TIMES),
                "p": before,
            }
        )
    names = ["slice", "rows", "loss", "others", "times", "p"]
    return pd.DataFrame(found, columns=names).sort_values("times", ascending=False, ignore_index=True)


def _narrower(both: np.ndarray, own: np.ndarray, its: np.ndarray) -> bool:
    """Whether two parts together are fewer rows than each, by LEAST_ROWS or more."""
    return bool(min(own.sum(), its.sum()) - both.sum() >= LEAST_ROWS)


def _parts(column: pd.Series[Any], name: str) -> dict[str, np.ndarray]:
    """The rows of each value of a column, or of each quarter of its numbers, and those without a value."""
    import pandas as pd

    absent = column.isna().to_numpy()
    parts = {f"{name} is missing": absent} if absent.any() else {}
    if pd.api.types.is_numeric_dtype(column.dtype) and column.nunique() > BINS:
        numbers = column.to_numpy(float)
        common = _common(numbers[~absent], BINS)
        parts |= {f"{name} is {value:.4g}": numbers == value for value in common}
        others = np.where(np.isin(numbers, common), np.nan, numbers)
        ends = np.unique(np.nanquantile(others, np.linspace(0, 1, BINS + 1)))
        for place, (low, high) in enumerate(itertools.pairwise(ends)):
            last = place == len(ends) - 2
            parts[f"{name} from {low:.4g} to {high:.4g}"] = (others >= low) & (
                (others <= high) if last else others < high
            )
        return parts
    for value in column.value_counts().index[:MOST_WORDS]:
        parts[f"{name} is {value}"] = (column == value).to_numpy(bool, na_value=False)
    return parts
