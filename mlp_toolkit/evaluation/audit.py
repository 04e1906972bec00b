"""What is odd about data before anything is trained: what a careful eye would find in an hour, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.data.columns.encoder import encode
from mlp_toolkit.data.dataset import Dataset
from mlp_toolkit.errors import listing, number
from mlp_toolkit.evaluation.drift import moves, seen_in, with_days

if TYPE_CHECKING:
    import pandas as pd

MOST_NAMED = 8
MUCH_MISSING, RARE = 0.3, 0.05
FAR = 10  # times the distance of the quartiles, from the nearer of them
MOST_ROWS_OF_LABELS, FOLDS = 20_000, 5
# A label looks wrong where another class has a probability of 0.98 or more, and a tenth of the doubt that its share of
# the rows leaves: of a class that 99 rows in 100 have, 0.98 says nothing.
MOST_DOUBT, SHARE_OF_DOUBT = 0.02, 0.1
LEAST_OF_A_CLASS = 10  # rows of rarer ones are no suspects: trees hardly learn them
FAR_RESIDUAL = 12  # times the usual size, and more than the quartiles lie apart


@dataclass(frozen=True)
class Audit:
    """What is odd about data.

    Attributes:
        findings: By kind, a sentence each: `missing`, `identifiers`, `duplicates`, `contradictions`, `classes`,
            `odd values`, `split`, and `notes` of how the columns were read, leaks among them.
        suspects: Rows whose target looks wrong, the worst first, to check by hand: `row`, `target`, `expected`.
    """

    findings: dict[str, list[str]]
    suspects: pd.DataFrame

    def __str__(self) -> str:
        lines = []
        for kind, said in self.findings.items():
            lines += [f"{kind}:", *(f"  {sentence}" for sentence in said)]
        if len(self.suspects):
            lines.append(
                f"targets that look wrong, to check by hand (of noisy data some are right): {len(self.suspects)}"
            )
            for found in self.suspects.head(20).to_dict("records"):
                lines.append(f"  row {found['row']}: {found['target']}, where {found['expected']} is expected")
        return "\n".join(lines) or "nothing odd was found"


def audit(data: Dataset) -> Audit:
    """Looks at all rows of a recipe.

    Args:
        data: The rows, read and split.
    """
    frame = _without_images(data)
    told = {
        "notes": list(data.notes),
        "missing": _missing(frame),
        "identifiers": _identifiers(frame, data),
        **duplicates(data),
        "classes": _classes(data),
        "odd values": _odd_values(frame, data),
        "split": _split(data, frame),
    }
    return Audit({kind: said for kind, said in told.items() if said}, suspects(data))


def _without_images(data: Dataset) -> pd.DataFrame:
    return data.frame.drop(columns=[own.name for own in [data.encoding.image] if own])


def _missing(frame: pd.DataFrame) -> list[str]:
    shares = {name: 1 - float(parsing.present(frame[name]).mean()) for name in frame}
    much = {
        str(name): share for name, share in sorted(shares.items(), key=lambda item: -item[1]) if share > MUCH_MISSING
    }
    some = sum(0 < share <= MUCH_MISSING for share in shares.values())
    said = [f"{name!r} has no value in {share:.0%} of the rows" for name, share in list(much.items())[:MOST_NAMED]]
    return [*said, *([f"{some} other columns have some gaps"] if some else [])]


def _identifiers(frame: pd.DataFrame, data: Dataset) -> list[str]:
    """Columns with a value of its own for (nearly) every row, which tell nothing of a new one; dates may well."""
    found, numeric, dates = [], {*data.kinds.of("numeric")}, {*data.kinds.of("date")}
    for name in [str(name) for name in frame if name not in dates]:
        if name in numeric:
            values = data.kinds.numbers(frame, name)
            known = values[np.isfinite(values)]
            counting = len(known) > 20 and (known == np.round(known)).all() and len(np.unique(known)) == len(known)
            # Whole numbers, none twice, that fill their range: a count of the rows, not a measurement.
            if counting and np.ptp(known) <= 2 * len(known):
                found.append(name)
        elif len(frame) > 20 and len({*parsing.distinct_texts(frame[name])[1]}) > 0.95 * len(frame):
            found.append(name)
    advice = "features: {COLUMN: ignore} leaves it out; of rows that belong together data.split.group keeps them so"
    return [f"{listing(map(repr, found))}: a value of its own for each row; {advice}"] if found else []


def duplicates(data: Dataset) -> dict[str, list[str]]:
    """Rows that stand twice, and rows of the same features with another target; images are not compared.

    Args:
        data: The rows, read and split.
    """
    import pandas as pd

    frame = _without_images(data)
    features = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    whole = pd.util.hash_pandas_object(pd.DataFrame(data.values).assign(features=features), index=False).to_numpy()
    twice = len(whole) - len(np.unique(whole))
    found: dict[str, list[str]] = {}
    if twice:
        found["duplicates"] = [f"{twice:,} rows stand in the data already, target and all"]
    _, codes = np.unique(features, return_inverse=True)
    targets = pd.DataFrame(data.values).groupby(codes).nunique().max(axis=1).to_numpy()
    sizes = np.bincount(codes)
    apart = int(sizes[targets > 1].sum())
    if apart and data.target.task != "regression":
        found["contradictions"] = [f"{apart:,} rows have the features of another row, and another target"]
    return found


def _classes(data: Dataset) -> list[str]:
    counts = data.class_counts
    if not len(counts):
        return []
    total = counts.sum() if counts.ndim == 1 else counts[0].sum()
    names = list(map(str, data.target.classes or data.target.names))
    having = counts if counts.ndim == 1 else counts[:, 1]
    rare = [(name, int(count)) for name, count in zip(names, having.tolist(), strict=True) if count < RARE * total]
    said = [f"{name!r}: {count:,} of {int(total):,} training rows ({count / total:.1%})" for name, count in rare]
    return (
        [*said[:MOST_NAMED], "train.class_weight: balanced, or decision.threshold: auto, make them count"]
        if said
        else []
    )


def _odd_values(frame: pd.DataFrame, data: Dataset) -> list[str]:
    said = []
    for name in data.kinds.of("numeric"):
        values = data.kinds.numbers(frame, name)
        known = values[np.isfinite(values)]
        if len(known) < 20:
            continue
        low, high = np.quantile(known, [0.25, 0.75])
        far = np.flatnonzero((values < low - FAR * (high - low)) | (values > high + FAR * (high - low)))
        if high > low and 0 < len(far) <= 0.01 * len(known):
            rows = ", ".join(str(data.row_numbers[row]) for row in far[:3])
            said.append(f"{name!r}: {len(far)} far from all others, such as {number(values[far[0]])} (rows {rows})")
    return said[:MOST_NAMED]


def _split(data: Dataset, frame: pd.DataFrame) -> list[str]:
    """Columns that are not alike in training and test rows."""
    train, test = (frame.iloc[data.parts[part]] for part in ("train", "test"))
    before, after = (
        with_days({str(name): rows[name].to_numpy() for name in rows}, data.encoding) for rows in (train, test)
    )
    numbers = [*data.kinds.of("numeric"), *data.kinds.of("date")]
    found = [own for own in moves(seen_in(before, numbers, data.kinds.of("categorical")), after) if own.moved]
    found.sort(key=lambda own: -own.psi)
    return [
        f"{own.name!r} is not alike in training and test rows (stability index {own.psi:.2g})"
        for own in found[:MOST_NAMED]
    ]


def suspects(data: Dataset) -> pd.DataFrame:
    """Rows whose target looks wrong by boosted trees that have not learnt them, the worst first.

    Args:
        data: The rows; of many 20,000 are looked at.
    """
    import pandas as pd
    from sklearn.model_selection import KFold, StratifiedKFold
    from threadpoolctl import threadpool_limits

    names = ["row", "target", "expected"]
    x, y, rows = encode(data.frame, data.encoding), data.values, data.row_numbers
    if len(x) > MOST_ROWS_OF_LABELS:
        picked = np.sort(np.random.default_rng(0).choice(len(x), MOST_ROWS_OF_LABELS, replace=False))
        x, y, rows = x[picked], y[picked], rows[picked]
    if data.target.task == "multilabel" or y.shape[1] > 1:
        return pd.DataFrame(columns=names)
    regression, own = data.target.task == "regression", y[:, 0]
    if not regression:
        common = np.bincount(own.astype(int))[own.astype(int)] >= LEAST_OF_A_CLASS
        x, own, rows = x[common], own[common], rows[common]
    if len(x) < 10 * FOLDS or len(np.unique(own)) < 2:
        return pd.DataFrame(columns=names)
    divided = (KFold if regression else StratifiedKFold)(FOLDS, shuffle=True, random_state=0).split(x, own)
    lines: list[dict[str, Any]] = []
    told = np.zeros(len(x)) if regression else np.zeros((len(x), len(data.target.classes)))
    with threadpool_limits(1):  # where others are at work, threads wait for each other for longer than they count
        for learnt, held in divided:
            told[held] = _told(x[learnt], own[learnt], x[held], told.shape, regression)
    if regression:
        apart = np.abs(own - told)
        usual, spread = float(np.median(apart)), float(np.subtract(*np.quantile(own, [0.75, 0.25])))
        worst = np.flatnonzero((apart > FAR_RESIDUAL * usual) & (apart > spread))
        for row in worst[np.argsort(-apart[worst])]:
            lines.append({"row": int(rows[row]), "target": number(own[row]), "expected": f"about {number(told[row])}"})
    else:
        likeliest, surest = told.argmax(axis=1), told.max(axis=1)
        others = 1 - np.bincount(own.astype(int), minlength=len(data.target.classes)) / len(own)
        doubt = np.minimum(MOST_DOUBT, SHARE_OF_DOUBT * others)[likeliest]
        worst = np.flatnonzero((likeliest != own.astype(int)) & (1 - surest < doubt))
        for row in worst[np.argsort(-surest[worst])]:
            classes = data.target.classes
            lines.append({"row": int(rows[row]), "target": classes[int(own[row])], "expected": classes[likeliest[row]]})
    return pd.DataFrame(lines, columns=names)


def _told(x: np.ndarray, y: np.ndarray, held: np.ndarray, shape: tuple[int, ...], regression: bool) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    if regression:
        return np.asarray(HistGradientBoostingRegressor(loss="absolute_error", random_state=0).fit(x, y).predict(held))
    rounds = max(20, min(100, 600 // shape[1]))
    # Stopped early: trees that learn on are too sure of themselves, and would call too many labels wrong.
    model = HistGradientBoostingClassifier(max_iter=rounds, early_stopping=True, random_state=0).fit(x, y.astype(int))
    found = np.zeros((len(held), shape[1]))
    found[:, model.classes_] = model.predict_proba(held)
    return found
