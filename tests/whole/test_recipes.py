"""Every recipe that ships runs through the command line, and scores as well as a linear model on the same split."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, f1_score, r2_score, roc_auc_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlp_toolkit.cli import main
from mlp_toolkit.data.reading import tables
from mlp_toolkit.recipe import catalog, resolving

QUICK = {"iris", "wine", "breast_cancer", "linnerud", "digits"}
RECIPES = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in catalog.recipes()]
# How far below the baseline a score may lie: test sets are small, and chance moves them by about so much.
MARGIN = {"iris": 0.07, "wine": 0.06, "breast_cancer": 0.03, "linnerud": 3.0, "diabetes": 0.05}


def test_there_are_two_recipes_or_more_a_task():
    tasks = [resolving.load_recipe(path).spec.task for path in catalog.recipes().values()]
    assert len(tasks) >= 10
    assert all(tasks.count(task) >= 2 for task in ("regression", "binary", "multilabel", "multiclass"))


@pytest.mark.parametrize("name", catalog.recipes())
def test_a_recipe_says_what_it_shows_and_what_to_expect(name):
    comment = catalog.recipes()[name].read_text().split("task:")[0].split("extends:")[0]
    assert "Shows:" in comment
    assert "Expect:" in comment
    assert "@" not in comment


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_scores_as_well_as_a_linear_model(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mlp-toolkit", "run", name, "--out", str(tmp_path / name)])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code in (0, None), capsys.readouterr().err
    record = json.loads((tmp_path / name / "metrics.json").read_text())
    kept = pd.read_parquet(tmp_path / name / "predictions.parquet")
    measure, ours, baseline = compare(resolving.load_recipe(name).spec, kept)
    assert record["test"][measure] == pytest.approx(ours, abs=1e-6), "metrics.json and predictions.parquet disagree"
    assert ours >= baseline - MARGIN.get(name, 0.01), f"{measure}: {ours:.4f}, a linear model reaches {baseline:.4f}"


def compare(spec, kept):
    """The score of the predictions kept, and that of a linear model trained on all rows but the test rows."""
    train, test = _split(spec.data, kept["row"].to_numpy())
    targets = spec.data.targets
    numeric = make_column_selector(dtype_include="number")
    words = make_column_selector(dtype_exclude="number")
    encode = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numeric),
        (make_pipeline(SimpleImputer(strategy="constant", fill_value=""), _one_hot()), words),
    )
    x, z = train.drop(columns=targets), test.drop(columns=targets)
    y, truth = train[targets].squeeze(axis=1), test[targets].squeeze(axis=1)
    if spec.task == "regression":
        predicted = make_pipeline(encode, RidgeCV(np.logspace(-3, 3, 13))).fit(x, y).predict(z)
        names = [""] if len(targets) == 1 else [f"_{name}" for name in targets]
        ours = kept[[f"prediction{name}" for name in names]].to_numpy()
        return "r2", r2_score(truth.to_numpy().reshape(ours.shape), ours), r2_score(truth, predicted)
    if spec.task == "multilabel":
        model = make_pipeline(encode, MultiOutputClassifier(LogisticRegression(max_iter=2000))).fit(x, y)
        ours = kept[[f"prediction_{name}" for name in targets]].to_numpy()
        return "micro_f1", f1_score(truth, ours, average="micro"), f1_score(truth, model.predict(z), average="micro")
    model = make_pipeline(encode, LogisticRegression(max_iter=2000)).fit(x, y)
    if spec.task == "binary":
        rarer = y.value_counts().idxmin()  # The positive class where a recipe names none.
        positive = (truth == rarer).to_numpy()
        chance = model.predict_proba(z)[:, list(model.classes_).index(rarer)]
        return "auc", roc_auc_score(positive, kept["probability"]), roc_auc_score(positive, chance)
    return "accuracy", accuracy_score(kept["target"], kept["prediction"]), accuracy_score(truth, model.predict(z))


def _split(data, rows):
    """Training and test rows in the file's own order of rows."""
    source = tables.read_table(data.path).frame if data.path else tables.read_dataset(data.dataset).frame
    if data.test_path:
        return source, tables.read_table(data.test_path).frame.iloc[rows]
    if isinstance(data.features, list):
        source = source.loc[source[data.targets].notna().all(axis=1), [*data.features, *data.targets]]
    if "image" in source:
        pixels = np.stack(list(source.pop("image"))).reshape(len(source), -1) / 255
        frame = pd.concat([pd.DataFrame(pixels, source.index).add_prefix("pixel_"), source], axis=1)
        return frame.drop(index=rows), frame.loc[rows]
    frame = source.apply(_numbers_where_possible)
    return frame.drop(index=frame.index[rows]), frame.iloc[rows]


def _numbers_where_possible(column):
    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column.astype(object).where(column.notna(), "")


def _one_hot():
    return OneHotEncoder(handle_unknown="ignore")
