"""How good default models are on tables of your own: python benchmarks/quality.py FOLDER [NAME …] [--splits 3]

FOLDER holds CSV files and an `index.json` that gives for each name: `file`, `task`, `targets` and `categorical`. Every
set is split by several seeds into 80 % to learn and 20 % to test; all models see the same rows, each at its defaults,
one after another on as many threads as the process may use (`taskset -c 0` gives one). A line a fit goes to
`results/quality.jsonl` at once, so that a stopped benchmark goes on; the table is made of all lines there are.

Peers need the extra `peers`; those that are not installed are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import mlp_toolkit as mt

RESULTS = Path(__file__).parent / "results"
RECORD = RESULTS / "quality.jsonl"
MOST_ROWS = 10_000  # of a set: drawn by its split's seed, so that all sets together take hours, not days
DRAWS = 200  # of the test rows, by which a difference of two models is doubted
RANKED = ("strong", "slides", "catboost", "lightgbm", "xgboost", "realmlp", "scikit-learn's MLP", "linear")
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class Rows(NamedTuple):
    """One split of a set."""

    task: str
    categorical: list[str]
    x: pd.DataFrame
    y: pd.DataFrame
    x_test: pd.DataFrame
    y_test: pd.DataFrame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--models", nargs="*", default=list(RANKED))
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    models = {name: model for name, model in all_models().items() if name in asked.models}
    index = json.loads((asked.folder / "index.json").read_text("utf-8"))
    done = {(line["set"], line["split"], line["model"]) for line in recorded()}
    for split in range(asked.splits):
        for name, about in index.items():
            if (asked.names and name not in asked.names) or "image" in about["task"]:
                continue
            wanted = [model for model in models if (name, split, model) not in done]
            rows = split_rows(asked.folder, about, split) if wanted else None
            for model in wanted:
                record(name, split, model, measured(models[model], rows, linear if model == "strong" else None))
    print(table())


def split_rows(folder: Path, about: dict[str, Any], seed: int, most: int = MOST_ROWS) -> Rows:
    """Rows to learn and rows to test, of classes a like share."""
    targets = about["targets"]
    frame = pd.read_csv(folder / about["file"], low_memory=False).dropna(subset=targets)
    if len(frame) > most:
        frame = frame.sample(most, random_state=seed)
    task = "regression" if "regression" in about["task"] else about["task"]
    strata = frame[targets[0]] if task in ("binary", "multiclass") else None
    if strata is not None:
        frame, strata = (part[strata.map(strata.value_counts()) > 1] for part in (frame, strata))
    train, test = train_test_split(frame, test_size=0.2, random_state=seed, stratify=strata)
    x, x_test = train.drop(columns=targets), test.drop(columns=targets)
    numeric = pd.api.types.is_numeric_dtype
    words = [name for name in x.columns if not numeric(x[name]) or name in about["categorical"]]
    for part in (x, x_test):
        part[words] = part[words].astype(object).where(part[words].notna(), "missing").astype(str)
    return Rows(task, words, x, train[targets], x_test, test[targets])


Model = Callable[[Rows], np.ndarray]


def measured(model: Model, rows: Rows, beside: Model | None = None) -> dict[str, float]:
    """Error on the test rows and CPU-seconds; beside another model, how far behind that it is, too."""
    begun = time.process_time()
    said = model(rows)
    spent = time.process_time() - begun
    return {"error": error_of(rows, said), "seconds": spent, **(behind(rows, said, beside(rows)) if beside else {})}


def behind(rows: Rows, said: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """How much larger an error is than another, and the standard error of that, by drawing test rows again."""
    random, count = np.random.default_rng(0), len(said)
    apart = []
    for places in (random.integers(count, size=count) for _ in range(DRAWS)):
        drawn = rows._replace(y_test=rows.y_test.iloc[places])
        apart.append(error_of(drawn, said[places]) - error_of(drawn, other[places]))
    # A draw that has one class alone tells nothing.
    return {"behind": error_of(rows, said) - error_of(rows, other), "behind_error": float(np.nanstd(apart, ddof=1))}


def error_of(rows: Rows, said: np.ndarray) -> float:
    """RMSE, 1 - AUC, the share of wrong classes, or 1 - the mean AUC of labels, of the test rows."""
    known = rows.y_test.to_numpy()
    if rows.task == "regression":
        spread = rows.y.std().to_numpy()  # several targets count alike
        errors = [
            root_mean_squared_error(a, b) / (s if len(spread) > 1 else 1)
            for a, b, s in zip(known.T, said.T, spread, strict=True)
        ]
        return float(np.mean(errors))
    if rows.task == "multiclass":
        return float(1 - accuracy_score(known[:, 0], said))
    known = known if rows.task == "multilabel" else known == positive(rows)
    aucs = [roc_auc_score(a, b) for a, b in zip(known.T, said.T, strict=True) if len(np.unique(a)) == 2]
    return 1 - float(np.mean(aucs))


def positive(rows: Rows) -> Any:
    """The rarer class."""
    return rows.y.iloc[:, 0].value_counts().index[-1]


def all_models() -> dict[str, Model]:
    """Each fits the rows to learn, and gives for those to test values, classes, or probabilities (rows, labels)."""
    found: dict[str, Callable[[Rows], np.ndarray]] = {
        "strong": lambda rows: ours(rows, "strong"),
        "slides": lambda rows: ours(rows, "slides"),
        "linear": linear,
        "scikit-learn's MLP": scikit,
    }
    peers = {"lightgbm": lightgbm, "xgboost": xgboost, "catboost": catboost}
    found |= {name: peer for name, peer in peers.items() if importlib.util.find_spec(name)}
    return found | ({"realmlp": realmlp} if importlib.util.find_spec("pytabkit") else {})


def ours(rows: Rows, preset: str) -> np.ndarray:
    regression = rows.task == "regression"
    kind = mt.MLPRegressor if regression else mt.MLPClassifier
    several = rows.y.shape[1] > 1
    features = dict.fromkeys(rows.categorical, "categorical")
    model = kind(preset=preset, random_state=0, features=dict.fromkeys(rows.x, "numeric") | features, verbose=0)
    model.fit(rows.x, rows.y if several else rows.y.iloc[:, 0])
    if rows.task == "multilabel":
        chances = model.predict_proba(rows.x_test)
        return np.stack([p[:, 1] for p in chances], axis=1) if isinstance(chances, list) else chances
    return given(model, rows, rows.x_test)


def given(model: Any, rows: Rows, x: Any) -> np.ndarray:
    """What a scikit-learn estimator of one target, or of several numbers, says."""
    if rows.task == "binary":
        return model.predict_proba(x)[:, list(model.classes_).index(positive(rows))][:, None]
    said = np.asarray(model.predict(x))
    return said.ravel() if rows.task == "multiclass" else said.reshape(len(said), -1)


def encoder(rows: Rows) -> Any:
    numbers = [name for name in rows.x if name not in rows.categorical]
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), rows.categorical),
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
    )


def fitted(model: Any, rows: Rows) -> np.ndarray:
    """What a pipeline of the encoder and a model says; labels are learnt one by one."""
    if rows.task == "multilabel":
        model = make_pipeline(encoder(rows), MultiOutputClassifier(model)).fit(rows.x, rows.y)
        return np.stack([p[:, -1] for p in model.predict_proba(rows.x_test)], axis=1)
    if rows.task != "regression":
        return given(make_pipeline(encoder(rows), model).fit(rows.x, rows.y.iloc[:, 0]), rows, rows.x_test)
    mean, spread = rows.y.mean().to_numpy(), rows.y.std().to_numpy()
    y = (rows.y - mean) / spread
    model = make_pipeline(encoder(rows), model).fit(rows.x, y if y.shape[1] > 1 else y.iloc[:, 0])
    return given(model, rows, rows.x_test) * spread + mean


def linear(rows: Rows) -> np.ndarray:
    ridge = RidgeCV(np.logspace(-3, 4, 15))
    return fitted(ridge if rows.task == "regression" else LogisticRegression(max_iter=1_000), rows)


def scikit(rows: Rows) -> np.ndarray:
    return fitted(MLPRegressor(random_state=0) if rows.task == "regression" else MLPClassifier(random_state=0), rows)


def one_by_one(rows: Rows, regressor: Any, classifier: Any, x: pd.DataFrame, x_test: pd.DataFrame) -> np.ndarray:
    """Boosted trees learn each target by itself; classes are numbered for them."""
    said = []
    for name in rows.y.columns:
        y = rows.y[name]
        if rows.task == "regression":
            said.append(np.asarray(regressor().fit(x, y).predict(x_test)).ravel())
            continue
        labels = sorted(y.unique()) if rows.task != "binary" else sorted(y.unique(), key=lambda v: v == positive(rows))
        if len(labels) < 2:
            said.append(np.zeros(len(x_test)))
            continue
        model = classifier().fit(x, y.map({label: number for number, label in enumerate(labels)}))
        if rows.task == "multiclass":
            numbers = np.asarray(model.predict(x_test)).ravel().astype(int)
            return pd.Series(np.array(labels, object)[numbers]).astype(y.dtype).to_numpy()
        said.append(model.predict_proba(x_test)[:, 1])
    return np.stack(said, axis=1)


def as_categories(rows: Rows) -> tuple[pd.DataFrame, pd.DataFrame]:
    kinds = {name: pd.CategoricalDtype(sorted(rows.x[name].unique())) for name in rows.categorical}
    plain = [part.astype(kinds) for part in (rows.x, rows.x_test)]
    for part in plain:  # they refuse some signs in the names of columns
        part.columns = [f"x{number}" for number in range(part.shape[1])]
    return plain[0], plain[1]


def lightgbm(rows: Rows) -> np.ndarray:
    import lightgbm as peer

    settings = {"verbose": -1, "n_jobs": THREADS}
    makers = (lambda: peer.LGBMRegressor(**settings), lambda: peer.LGBMClassifier(**settings))
    return one_by_one(rows, *makers, *as_categories(rows))


def xgboost(rows: Rows) -> np.ndarray:
    import xgboost as peer

    settings = {"enable_categorical": True, "n_jobs": THREADS}
    makers = (lambda: peer.XGBRegressor(**settings), lambda: peer.XGBClassifier(**settings))
    return one_by_one(rows, *makers, *as_categories(rows))


def catboost(rows: Rows) -> np.ndarray:
    import catboost as peer

    settings = {"verbose": 0, "thread_count": THREADS, "cat_features": rows.categorical, "allow_writing_files": False}
    makers = (lambda: peer.CatBoostRegressor(**settings), lambda: peer.CatBoostClassifier(**settings))
    return one_by_one(rows, *makers, rows.x, rows.x_test)


def realmlp(rows: Rows) -> np.ndarray:
    """pytabkit's RealMLP-TD; several numbers are one network's, labels have a network each; gaps get the median."""
    import pytabkit as peer

    settings = {"device": "cpu", "n_threads": THREADS, "random_state": 0, "verbosity": 0}
    makers = (lambda: peer.RealMLP_TD_Regressor(**settings), lambda: peer.RealMLP_TD_Classifier(**settings))
    x, x_test = as_categories(rows)
    medians = x.median(numeric_only=True).fillna(0)
    x, x_test = x.fillna(medians), x_test.fillna(medians)
    if rows.task == "regression" and rows.y.shape[1] > 1:
        return np.asarray(makers[0]().fit(x, rows.y.to_numpy()).predict(x_test))
    return one_by_one(rows, *makers, x, x_test)


def record(name: str, split: int, model: str, found: dict[str, float]) -> None:
    line = {"set": name, "split": split, "model": model, **found}
    print(json.dumps(line), flush=True)
    with RECORD.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def recorded() -> Iterator[dict[str, Any]]:
    if RECORD.is_file():
        yield from map(json.loads, RECORD.read_text("utf-8").splitlines())


def table() -> str:
    """Errors by set, the mean over its splits; then mean ranks, how often first, and CPU-seconds of all sets.

    Ranks are of the splits that all models have learnt; one that has not learnt all splits of a set has a dash there.
    """
    lines = pd.DataFrame(recorded())
    errors = lines.pivot_table(index=["set", "split"], columns="model", values="error")
    errors = errors[[name for name in RANKED if name in errors]].dropna(thresh=errors.shape[1] - 1)
    whole = errors.dropna()
    sets, ranks = errors.groupby("set"), whole.rank(axis=1)
    by_set = sets.mean().where(sets.count().eq(sets.size(), axis=0))  # means of the same splits, or none
    ranked = whole.groupby("set").mean()
    seconds = lines.pivot_table(index="set", columns="model", values="seconds").loc[ranked.index, whole.columns].sum()
    said = [f"| set | {' | '.join(whole)} |", f"|---|{'--:|' * whole.shape[1]}"]
    for name, own in by_set.iterrows():
        cells = [f"**{value:.4g}**" if value == own.min() else f"{value:.4g}" for value in own]
        said.append(f"| {name} | {' | '.join(cells).replace('nan', '–')} |")
    spread = ranks.groupby("set").mean().std() / np.sqrt(len(ranked))
    told = [f"{mean:.2f} ± {error:.2f}" for mean, error in zip(ranks.mean(), spread, strict=True)]
    first = (ranked.rank(axis=1) == 1).sum()
    said.append(f"| mean rank of {len(ranked)} sets, all eight, ± its standard error | {' | '.join(told)} |")
    if len(whole) < len(others := errors.drop(columns="realmlp", errors="ignore").dropna()):
        mean = others.rank(axis=1).mean().reindex(errors.columns)
        cells = " | ".join(f"{value:.2f}" for value in mean).replace("nan", "–")
        said.append(f"| mean rank without RealMLP, {others.index.get_level_values(0).nunique()} sets | {cells} |")
    said.append(f"| alone first of {len(ranked)} sets | {' | '.join(map(str, first))} |")
    said.append(f"| CPU-seconds, one split of these | {' | '.join(f'{value:,.0f}' for value in seconds)} |")
    counts = sets.size()
    said.append(
        f"\nErrors: RMSE (several targets: in standard deviations), 1 - AUC, share of wrong classes; {counts.min()} to "
        f"{counts.max()} splits a set, at most {MOST_ROWS:,} rows."
    )
    said.extend(told_of_linear(lines))
    text = "\n".join(said)
    (RESULTS / "quality.md").write_text(text + "\n", "utf-8")
    return text


def told_of_linear(lines: pd.DataFrame) -> list[str]:
    """On which sets strong is behind the linear model by more than a standard error; splits count as independent."""
    if "behind" not in lines:
        return []
    sets = lines.dropna(subset="behind").groupby("set")
    mean = sets["behind"].mean()
    error = np.sqrt(sets["behind_error"].agg(lambda own: np.square(own).sum())) / sets.size()
    clear = [f"{name} ({mean[name]:.2g} ± {error[name]:.2g})" for name in mean.index[mean > error]]
    return [
        f"\nOf {len(mean)} sets strong is behind linear by more than the standard error of that difference, of the "
        f"same rows, on {len(clear)}{': ' if clear else ''}{', '.join(clear)}."
    ]


if __name__ == "__main__":
    main()
