"""The scikit-learn estimators: scikit-learn's own checks, its tools around them, and what sets them apart.

`PYTHONPATH=tests python tests/estimators/test_classes.py` writes the list of checks in docs/estimators.md.
"""

from __future__ import annotations

import copy
import functools
import gc
import pickle
import random
import re
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn import datasets, neural_network
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from support import python

import mlp_toolkit as mt
from mlp_toolkit.data import dataset, splitting
from mlp_toolkit.recipe import resolving
from mlp_toolkit.training import fit_recipe

PAGE = Path(__file__).parents[2] / "docs" / "estimators.md"
BEGIN, END = "<!-- checks -->\n", "<!-- /checks -->"

# Small and quick, yet good enough for the checks that ask for a score.
QUICK = {"hidden": [32], "epochs": 25, "batch_size": 16, "optimizer": {"name": "adam", "learning_rate": 0.01}}
ESTIMATORS = {kind.__name__: kind for kind in (mt.MLPClassifier, mt.MLPRegressor)}

# Every check that fails, and why that is right; no other may fail.
EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": (
        "A row of weight 2 takes one place in a step, two equal rows take two, in steps of their own; and columns are "
        "scaled by the rows, whatever their weight. It holds in expectation only, as for every network trained in "
        "small steps. Weight 0 does equal leaving the row out."
    ),
    "check_sample_weight_equivalence_on_sparse_data": "As on dense data.",
}
# Every check that skips itself, and why.
SKIPPED = {
    "check_array_api_input": (
        "For estimators that compute on arrays of other libraries; asks for the environment variable SCIPY_ARRAY_API."
    ),
}


@functools.cache
def checked(name: str) -> list[dict]:
    """What each of scikit-learn's checks says of an estimator."""
    estimator = ESTIMATORS[name](**QUICK)
    results = check_estimator(estimator, expected_failed_checks=EXPECTED_TO_FAIL, on_skip=None, on_fail=None)
    return [{**result, "status": "passed"} if is_rounding(result) else result for result in results]


def is_rounding(result: dict) -> bool:
    """Whether predictions of other rows together differ in the last digits of float32 alone.

    scikit-learn allows 1e-7. Some processors have other kernels for few rows, which add in another order.
    """
    if result["status"] != "failed" or not result["check_name"].endswith("_invariance"):
        return False
    apart = re.search(r"Max absolute difference among violations: ([0-9.e+-]+)", str(result["exception"]))
    return apart is not None and float(apart[1]) < 1e-6


def table() -> str:
    """The checks of both estimators, as the page lists them."""
    said: dict[str, dict[str, Counter]] = {}
    for name in ESTIMATORS:
        for result in checked(name):
            said.setdefault(result["check_name"], {}).setdefault(name, Counter())[result["status"]] += 1
    lines = [f"scikit-learn {sklearn.__version__}:", ""]
    lines += [f"| check | {' | '.join(ESTIMATORS)} |", "| --- | --- | --- |"]
    odd = [check for check, by_name in said.items() if any({*c} != {"passed"} for c in by_name.values())]
    for check in [*odd, *sorted(said.keys() - {*odd})]:
        cells = []
        for name in ESTIMATORS:
            counts = said[check].get(name, Counter())
            words = {"passed": "passed", "xfail": "**fails**", "skipped": "skips itself"}
            texts = [words.get(s, s) + (f" ({n} times)" if n > 1 else "") for s, n in counts.items()]
            cells.append(", ".join(texts) or "—")
        lines.append(f"| `{check.removeprefix('check_')}` | {' | '.join(cells)} |")
    lines += ["", *(f"- `{c.removeprefix('check_')}`: {why}" for c, why in (EXPECTED_TO_FAIL | SKIPPED).items())]
    return "\n".join(lines) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
def test_scikit_learns_own_checks(name):
    wrong = {r["check_name"]: str(r["exception"]) for r in checked(name) if r["status"] == "failed"}
    assert not wrong
    assert {r["check_name"] for r in checked(name) if r["status"] == "xfail"} == {*EXPECTED_TO_FAIL}
    assert {r["check_name"] for r in checked(name) if r["status"] == "skipped"} <= {*SKIPPED}


@pytest.mark.slow
def test_the_page_lists_the_checks_as_they_went():
    listed = PAGE.read_text("utf-8").split(BEGIN)[1].split(END)[0]
    if f"scikit-learn {sklearn.__version__}:" not in listed:
        pytest.skip("the page was written with another scikit-learn, which has other checks")
    assert listed == table()


def test_the_examples_of_the_page_run(tmp_path, monkeypatch, people):
    monkeypatch.chdir(tmp_path)
    people.to_csv("people.csv", index=False)
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        exec(block, {})


FEATURES = ["mean radius", "mean texture", "mean area", "when", "blood"]


@pytest.fixture(scope="module")
def iris():
    return train_test_split(*datasets.load_iris(return_X_y=True), random_state=0)


@pytest.fixture(scope="module")
def cancer():
    return train_test_split(*datasets.load_breast_cancer(return_X_y=True), random_state=0)


@pytest.fixture(scope="module")
def fitted(people):
    """A classifier of words, dates and gaps."""
    return mt.MLPClassifier(**QUICK, random_state=0).fit(people[FEATURES], people["kind"])


def test_a_data_frame_of_words_dates_and_gaps(people, fitted):
    assert fitted.score(people[FEATURES], people["kind"]) > 0.9
    assert fitted.classes_.tolist() == ["benign", "malignant"]
    assert fitted.feature_names_in_.tolist() == FEATURES
    assert {*fitted.predict(people[FEATURES])} == {"benign", "malignant"}
    probabilities = fitted.predict_proba(people[FEATURES])
    assert probabilities.shape == (240, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert any("a date" in note for note in fitted.notes_)


def test_the_model_is_a_run_s_model_with_the_users_own_names(people, fitted, tmp_path):
    rows = people[FEATURES].iloc[:20]
    table = mt.predict(fitted.model_, rows)
    assert table["label"].tolist() == fitted.predict(rows).tolist()
    np.testing.assert_array_equal(table["probability"], fitted.predict_proba(rows)[:, 1])
    mt.save(fitted.model_, tmp_path / "model.h5")
    assert mt.inspect(tmp_path / "model.h5")["target"]["names"] == ["kind"]


def test_it_is_what_a_recipe_of_the_same_values_gives(people):
    """With the same rows held out the estimator is the recipe: the same function of data and seed, to the bit."""
    frame = people[[*FEATURES, "kind"]]
    estimator = mt.MLPClassifier(epochs=4, dropout=0.2, random_state=3).fit(frame[FEATURES], frame["kind"])
    arguments = {
        "task": ("task", "binary"),
        "target": ("data.target", "kind"),
        "positive": ("data.positive", "malignant"),  # scikit-learn's: the second of classes_
        "epochs": ("train.epochs", 4),
        "dropout": ("model.dropout", 0.2),
        "seed": ("seed", 3),
        "test": ("data.split.test", None),
    }
    spec = resolving.of_arguments(arguments, "test").spec
    values = (frame["kind"] == "malignant").to_numpy(float)[:, None]
    parts = splitting.split_in_memory(spec, values, least=1, notes=[])
    sources = [("", frame.iloc[parts["train"]]), ("validation", frame.iloc[parts["validation"]])]
    sources.append(("test", frame.iloc[:5]))
    data = dataset.prepare(spec, sources, "", [], "test")
    expected = mt.predict(fit_recipe.train_recipe(spec, data, verbose=0).model, frame)["probability"]
    np.testing.assert_array_equal(estimator.predict_proba(frame[FEATURES])[:, 1], expected)


@pytest.mark.parametrize("labels", [[False, True], [-1, 1], ["no", "yes"], [2.0, 5.0]], ids=str)
def test_labels_come_back_as_they_were(labels, cancer):
    X, _, y, _ = cancer
    estimator = mt.MLPClassifier(epochs=3, random_state=0).fit(X, np.array(labels)[y])
    assert estimator.classes_.tolist() == labels
    assert estimator.predict(X).dtype == np.array(labels).dtype
    assert {*estimator.predict(X).tolist()} <= {*labels}


def test_several_labels_a_row(people):
    labels = people[["big", "dark"]]
    estimator = mt.MLPClassifier(**QUICK, random_state=0).fit(people[FEATURES], labels)
    assert estimator.predict(people[FEATURES]).shape == (240, 2)
    assert estimator.predict_proba(people[FEATURES]).shape == (240, 2)
    assert estimator.score(people[FEATURES], labels) > 0.7
    assert mt.predict(estimator.model_, people[FEATURES]).columns.tolist()[:2] == ["big", "dark"]


@pytest.mark.parametrize("keys", [[0, 1], ["big", "dark"]])
def test_labels_are_weighed_by_number_or_name(people, keys):
    labels = people[["big", "dark"]]
    weights = dict(zip(keys, [50.0, 1.0], strict=True))
    plain = mt.MLPClassifier(**QUICK, random_state=0).fit(people[FEATURES], labels)
    weighed = clone(plain).set_params(class_weight=weights).fit(people[FEATURES], labels)
    assert weighed.predict(people[FEATURES])[:, 0].sum() > plain.predict(people[FEATURES])[:, 0].sum()


def test_several_numbers_a_row():
    X, y = datasets.load_linnerud(return_X_y=True)
    estimator = mt.MLPRegressor(epochs=5, random_state=0).fit(X, y)
    assert estimator.predict(X).shape == y.shape
    assert mt.MLPRegressor(epochs=5, random_state=0).fit(X, y[:, 0]).predict(X).shape == (20,)


def test_a_positive_output(people):
    estimator = mt.MLPRegressor(epochs=5, output="positive", loss="mae", random_state=0)
    assert (estimator.fit(people[FEATURES], people["age"]).predict(people[FEATURES]) > 0).all()


NOT_CONVERGED = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # of scikit-learn's own


@NOT_CONVERGED
@pytest.mark.parametrize("data", ["iris", "cancer"])
def test_as_good_as_scikit_learns_own(data, request):
    X, X_test, y, y_test = request.getfixturevalue(data)
    theirs = make_pipeline(StandardScaler(), neural_network.MLPClassifier((64, 64), max_iter=200, random_state=0))
    reference = theirs.fit(X, y).score(X_test, y_test)
    assert mt.MLPClassifier(random_state=0).fit(X, y).score(X_test, y_test) > reference - 0.06  # of 38 rows, two


@NOT_CONVERGED
def test_regression_as_good_as_scikit_learns_own():
    X, X_test, y, y_test = train_test_split(*datasets.make_friedman1(600, noise=1, random_state=0), random_state=0)
    network = neural_network.MLPRegressor(hidden_layer_sizes=(64, 64), random_state=0)
    theirs = make_pipeline(StandardScaler(), network)
    reference = theirs.fit(X, y).score(X_test, y_test)
    assert mt.MLPRegressor(random_state=0).fit(X, y).score(X_test, y_test) > reference - 0.04


def test_a_pipeline_and_a_grid_search(people, iris):
    X, X_test, y, y_test = iris
    pipeline = make_pipeline(StandardScaler(), mt.MLPClassifier(**QUICK, random_state=0))
    assert pipeline.fit(X, y).score(X_test, y_test) > 0.85
    grid = {"dropout": np.array([0.2]), "hidden": [[8], (16, 8)], "epochs": [np.int64(3)]}
    search = GridSearchCV(mt.MLPClassifier(random_state=0), grid, cv=2).fit(people[FEATURES], people["city"])
    assert search.best_params_["hidden"] in ([8], (16, 8))
    assert search.predict_proba(people[FEATURES]).shape == (240, 3)


def test_cross_validation_scores_and_predictions(people):
    estimator = mt.MLPClassifier(**QUICK, random_state=0)
    assert cross_val_score(estimator, people[FEATURES], people["kind"], cv=2, scoring="roc_auc").mean() > 0.9
    labels = people[["big", "dark"]].assign(old=people["age"] > 40).astype(int)
    together = cross_val_predict(estimator, people[FEATURES], labels, cv=2, method="predict_proba")
    assert together.shape == (240, 3)
    transformed = TransformedTargetRegressor(mt.MLPRegressor(**QUICK, random_state=0), func=np.log, inverse_func=np.exp)
    assert transformed.fit(people[FEATURES], people["age"]).score(people[FEATURES], people["age"]) > 0.5


@pytest.mark.slow
def test_cross_validation_in_two_processes(people):
    estimator = mt.MLPClassifier(epochs=3, random_state=0)
    scores = [cross_val_score(estimator, people[FEATURES], people["kind"], cv=2, n_jobs=jobs) for jobs in (1, 2)]
    np.testing.assert_array_equal(*scores)


def test_calibrated_by_scikit_learn_and_by_itself(people, fitted):
    calibrated = CalibratedClassifierCV(mt.MLPClassifier(**QUICK, random_state=0), cv=2)
    calibrated.fit(people[FEATURES], people["kind"])
    assert calibrated.predict_proba(people[FEATURES]).shape == (240, 2)
    own = clone(fitted).set_params(calibrate=True).fit(people[FEATURES], people["kind"])
    assert any("calibrated" in note for note in own.notes_)
    assert (own.predict_proba(people[FEATURES]) != fitted.predict_proba(people[FEATURES])).any()


def test_pickle_copy_and_joblib_predict_the_same(people, fitted, tmp_path):
    rows = people[FEATURES]
    joblib.dump(fitted, tmp_path / "estimator.joblib")
    for other in (
        pickle.loads(pickle.dumps(fitted)),
        copy.deepcopy(fitted),
        joblib.load(tmp_path / "estimator.joblib"),
    ):
        again = pickle.loads(pickle.dumps(other))  # of one that has not been used yet, too
        for estimator in (other, again):
            np.testing.assert_array_equal(estimator.predict_proba(rows), fitted.predict_proba(rows))
            assert estimator.notes_ == fitted.notes_
            assert estimator.recipe_ == fitted.recipe_
    regressor = mt.MLPRegressor(epochs=2, batch_norm=True, random_state=0).fit(rows, people["age"])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(regressor)).predict(rows), regressor.predict(rows))


@pytest.mark.parametrize("options", [{}, {"batch_norm": True}, {"calibrate": True}, {"preset": "strong"}], ids=str)
def test_predictions_before_and_after_the_model_is_asked_for_are_the_same_bits(people, options):
    estimator = mt.MLPClassifier(epochs=2, random_state=0, **options).fit(people[FEATURES], people["city"])
    before, of_few = estimator.predict_proba(people[FEATURES]), estimator.predict_proba(people[FEATURES][:1])
    table = mt.predict(estimator.model_, people[FEATURES])
    np.testing.assert_array_equal(before, table.iloc[:, 1:])
    np.testing.assert_array_equal(estimator.predict_proba(people[FEATURES]), before)
    np.testing.assert_array_equal(estimator.predict_proba(people[FEATURES][:1]), of_few)


def test_of_two_targets_in_their_own_units_too(people):
    targets = people[["age"]].assign(days=365 * people["age"] + 1e6)
    estimator = mt.MLPRegressor(epochs=2, random_state=0).fit(people[FEATURES[1:]], targets)
    before = estimator.predict(people[FEATURES[1:]])
    np.testing.assert_array_equal(before, mt.predict(estimator.model_, people[FEATURES[1:]]))


def test_a_pickle_that_was_tampered_with_is_refused_like_a_model_file(fitted):
    state = pickle.loads(pickle.dumps(fitted))
    state._model = state._model[:1000]
    with pytest.raises(mt.UserError):
        _ = state.model_


def test_more_columns_than_a_model_has_layers(cancer):
    """A model file has an input for each raw column, and reading one counts layers."""
    X = np.random.default_rng(0).normal(size=(60, 400))
    estimator = mt.MLPRegressor(epochs=1, random_state=0).fit(X, X[:, 0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(estimator)).predict(X), estimator.predict(X))


def test_the_same_random_state_trains_the_same_network(people):
    def probabilities(seed):
        estimator = mt.MLPClassifier(epochs=3, dropout=0.3, random_state=seed)
        return estimator.fit(people[FEATURES], people["kind"]).predict_proba(people[FEATURES])

    once = probabilities(1)
    np.testing.assert_array_equal(once, probabilities(1))
    assert (once != probabilities(2)).any()
    drawn = probabilities(np.random.RandomState(1))
    np.testing.assert_array_equal(drawn, probabilities(np.random.RandomState(1)))
    assert (probabilities(None) != probabilities(None)).any()


def test_training_leaves_the_callers_random_numbers_alone(iris):
    X, _, y, _ = iris
    np.random.seed(5)
    random.seed(5)
    expected = np.random.random(), random.random()
    np.random.seed(5)
    random.seed(5)
    mt.MLPClassifier(epochs=1, random_state=0).fit(X, y)
    assert (np.random.random(), random.random()) == expected


def test_rows_of_weight_0_are_left_out(iris):
    X, _, y, _ = iris
    weights = np.arange(len(X)) % 3 / 2
    kept = weights > 0
    weighed = mt.MLPClassifier(epochs=3, random_state=0).fit(X, y, sample_weight=weights)
    without = mt.MLPClassifier(epochs=3, random_state=0).fit(X[kept], y[kept], sample_weight=weights[kept])
    np.testing.assert_array_equal(weighed.predict_proba(X), without.predict_proba(X))
    assert any("weight 0" in note for note in weighed.notes_)


def test_weights_pull_as_repeated_rows_do(cancer):
    """Not the same steps, so not the same network; but the same leaning."""
    X, _, y, _ = cancer
    X = X[:, :2]
    weights = np.where(y == 1, 20, 1)
    share = {}
    for name, (rows, own) in {
        "plain": (np.arange(len(X)), None),
        "weighed": (np.arange(len(X)), weights),
        "repeated": (np.arange(len(X)).repeat(weights), None),
    }.items():
        estimator = mt.MLPClassifier(**QUICK, random_state=0).fit(X[rows], y[rows], sample_weight=own)
        share[name] = estimator.predict_proba(X)[:, 1].mean()
    assert share["weighed"] - share["plain"] > 0.1
    assert abs(share["weighed"] - share["repeated"]) < 0.1


@pytest.mark.parametrize("rows", [2, 3, 7, 20])
def test_few_rows_are_all_trained_on(rows):
    X, y = np.arange(rows)[:, None] % 2, np.arange(rows) % 2
    estimator = mt.MLPClassifier(**QUICK, random_state=0).fit(X, y)
    assert estimator.score(X, y) == 1
    assert any("no validation rows" in note and "too few" in note for note in estimator.notes_)
    assert "val_loss" not in estimator.history_
    assert mt.MLPRegressor(epochs=2, random_state=0).fit(X, y).n_iter_ == 2


def test_one_row_is_enough_for_a_regression():
    assert mt.MLPRegressor(epochs=2, random_state=0).fit([[1.0, 2.0]], [3.0]).predict([[1.0, 2.0]]) == pytest.approx(3)


def test_the_validation_rows(iris):
    X, _, y, _ = iris
    usual = mt.MLPClassifier(epochs=2, random_state=0).fit(X, y)
    assert "val_loss" in usual.history_
    assert "validation: 0.15" in usual.recipe_
    none = mt.MLPClassifier(epochs=2, validation_fraction=0, random_state=0).fit(X, y)
    assert "val_loss" not in none.history_
    assert any("as asked" in note for note in none.notes_)
    few = mt.MLPClassifier(epochs=2, validation_fraction=0.3, random_state=0).fit(X[:12], y[:12])
    assert "val_loss" in few.history_
    high = mt.MLPClassifier(epochs=2, validation_fraction=0.9, random_state=0).fit(X, y)
    assert high.classes_.tolist() == [0, 1, 2]


def test_each_class_keeps_a_row_to_train_on():
    y = np.array(["a"] * 40 + ["b"] * 40 + [f"c{n}" for n in range(12)])
    estimator = mt.MLPClassifier(epochs=1, random_state=0).fit(np.random.default_rng(0).normal(size=(92, 3)), y)
    assert len(estimator.classes_) == 14


def test_early_stopping_and_schedules(iris):
    X, _, y, _ = iris

    def epochs(**arguments):
        return mt.MLPClassifier(optimizer={"learning_rate": 0.1}, random_state=0, **arguments).fit(X, y).n_iter_

    assert epochs(epochs=40, early_stopping=1) < 20
    assert epochs(epochs=40, early_stopping={"patience": 1}) < 20
    assert epochs(epochs=40, early_stopping=None) == 40
    assert epochs(epochs=3, schedule="cosine") == 3
    plateau = mt.MLPClassifier(epochs=40, schedule="reduce_on_plateau", validation_fraction=0, random_state=0)
    assert plateau.fit(X, y).n_iter_ <= 40
    strong = mt.MLPClassifier(preset="strong", epochs=2, random_state=0).fit(X, y).recipe_
    assert re.search(r"schedule: log_cosine +# preset \(strong\)", strong)
    assert re.search(r"schedule: null +#", mt.MLPClassifier(preset="strong", schedule=None, epochs=1).fit(X, y).recipe_)


def test_a_preset_of_your_own(iris, tmp_path, monkeypatch):
    X, _, y, _ = iris
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("model: {hidden: [5]}\ntrain: {epochs: 2, class_weight: balanced}\n")
    estimator = mt.MLPClassifier(preset="mine.yaml").fit(X, y)
    assert estimator.n_iter_ == 2
    assert "hidden: [5]" in estimator.recipe_
    assert re.search(r"class_weight: balanced +# preset", estimator.recipe_)
    assert re.search(
        r"class_weight: null +# argument", clone(estimator).set_params(class_weight=None).fit(X, y).recipe_
    )


def test_the_kinds_of_columns_can_be_said(people):
    frame = people[FEATURES].assign(zip=np.arange(240) % 7)
    estimator = mt.MLPClassifier(epochs=1, features={"zip": "categorical", "when": "ignore"}, random_state=0)
    estimator.fit(frame, people["kind"])
    inputs = estimator.model_.input
    assert inputs["zip"].dtype == "string"
    assert "when" not in inputs
    chosen = mt.MLPClassifier(epochs=1, features=["mean radius", "blood"], random_state=0)
    assert {*chosen.fit(frame, people["kind"]).model_.input} == {"mean radius", "blood"}


def test_columns_of_arrays_are_numbers_unless_said_otherwise():
    X = np.stack([np.arange(90), np.arange(90) % 3, np.ones(90)], axis=1)
    estimator = mt.MLPRegressor(**QUICK, random_state=0).fit(X, X[:, 0] * 2)
    assert {*estimator.model_.input} == {"x0", "x1", "x2"}  # one counts the rows, one is constant: the caller's matter
    assert estimator.score(X, X[:, 0] * 2) > 0.9
    words = mt.MLPRegressor(epochs=1, features={1: "categorical"}, random_state=0).fit(X, X[:, 0])
    assert words.model_.input["x1"].dtype == "string"
    assert {*mt.MLPRegressor(epochs=1, features=[0, 1]).fit(X, X[:, 0]).model_.input} == {"x0", "x1"}


def test_an_array_in_the_place_of_the_data_frame_and_back(iris):
    X, _, y, _ = iris
    frame = pd.DataFrame(X, columns=list("abcd"))
    by_name = mt.MLPClassifier(epochs=1, random_state=0).fit(frame, y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_array_equal(by_name.predict_proba(X), by_name.predict_proba(frame))
    with pytest.raises(ValueError, match="feature names"):
        by_name.predict(frame[list("dcba")])
    by_place = mt.MLPClassifier(epochs=1, random_state=0).fit(pd.DataFrame(X), y)
    np.testing.assert_array_equal(by_place.predict_proba(X), by_place.predict_proba(pd.DataFrame(X)))


def test_gaps_in_arrays_are_filled(cancer):
    X, X_test, y, y_test = (array.copy() for array in cancer)
    X[::5, ::3] = np.nan
    X_test[::4, ::2] = np.nan
    assert mt.MLPClassifier(**QUICK, random_state=0).fit(X, y).score(X_test, y_test) > 0.85


def test_a_column_of_the_data_with_the_name_of_the_target(iris):
    X, _, y, _ = iris
    frame = pd.DataFrame(X, columns=["y", "target", "a", "b"])
    estimator = mt.MLPClassifier(epochs=1, random_state=0).fit(frame, pd.Series(y, name="target"))
    assert {*estimator.model_.input} == {"y", "target", "a", "b"}


def test_a_prediction_does_not_depend_on_the_rows_that_it_comes_with(people, fitted):
    rows = people[FEATURES]
    together = fitted.predict_proba(rows)
    for count in (1, 2, 7):
        apart = [fitted.predict_proba(rows.iloc[begin : begin + count]) for begin in range(0, 42, count)]
        # Some processors have other kernels for few rows, which add in another order.
        np.testing.assert_allclose(np.concatenate(apart), together[:42], rtol=1e-5, atol=1e-7)


WRONG = [
    ({"epochs": 0}, "MLPClassifier: epochs: train.epochs has a wrong value"),
    ({"epochs": "many"}, "MLPClassifier: epochs: "),
    ({"hidden": "100"}, "a list of neurons"),
    ({"activation": "rellu"}, "did you mean 'relu'"),
    ({"optimizer": {"name": "adam", "learning_rte": 0.1}}, "did you mean 'learning_rate'"),
    ({"loss": "mse", "preset": "storng"}, "did you mean 'strong'"),
    ({"early_stopping": True}, "MLPClassifier: early_stopping: "),
    ({"early_stopping": 0}, "MLPClassifier: early_stopping: "),
    ({"validation_fraction": 1.5}, "MLPClassifier: validation_fraction: "),
    ({"features": {"x9": "numeric"}}, "no such column in X"),
    ({"features": {0: "nummeric"}}, "did you mean 'numeric'"),
    ({"class_weight": {0: 1.0, 1: 2.0}}, "must name each class once"),
    ({"random_state": -1}, "MLPClassifier: random_state: "),
    ({"device": "tpu"}, "unknown device"),
    ({"verbose": 7}, "unknown verbose"),
    ({"calibrate": True, "validation_fraction": 0}, "there are none"),
    ({"optimizer": {"name": "sgd", "learning_rate": 10.0}, "hidden": [64] * 20, "activation": "linear"}, "diverged"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=lambda value: str(value)[:40])
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_a_wrong_argument_is_told_in_fit(arguments, message, iris):
    estimator = mt.MLPClassifier(**{"epochs": 2, **arguments})
    with pytest.raises(mt.UserError) as caught:
        estimator.fit(iris[0], iris[2])
    assert message in str(caught.value)
    with pytest.raises(NotFittedError):
        estimator.predict(iris[0])


def test_a_second_fit_that_fails_leaves_nothing_fitted(iris):
    estimator = mt.MLPClassifier(epochs=1).fit(iris[0], iris[2])
    with pytest.raises(mt.UserError):
        estimator.fit(iris[0], ["one"] * len(iris[0]))
    with pytest.raises(NotFittedError):
        estimator.predict(iris[0])


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[0.0], [np.inf]], [0, 1], "infinity"),
        ([[0.0], [1.0]], [0, None], "y has no label in 1 rows"),
        ([[0.0], [1.0]], [0.5, 1.2], "Unknown label type"),
        ([[0.0], [1.0]], [0], "inconsistent numbers of samples"),
        ([[0.0], [1.0]], ["a", "a"], "one class only"),
        ([[0.0], [1.0]], [[0, 2], [1, 1]], "labels of 0 and 1"),
        ([["a"], ["b"]], [0, 1], "X is an array that holds text"),
        (pd.DataFrame({"a": [1.0, 2.0]})[:0], [], "X has 0 rows"),
        (pd.DataFrame({"a": [1.0, 1.0]}), [0, 1], "no feature is left"),
        (pd.DataFrame({"a": [1e300, 1.0]}), [0, 1], "infinity or a number beyond"),
    ],
)
def test_wrong_data_is_a_value_error(X, y, message):
    with pytest.raises(ValueError, match=message):
        mt.MLPClassifier(epochs=1).fit(X, y)


def test_wrong_targets_of_a_regression():
    for y, message in ([["a", "b"], "could not convert"], [[1.0, np.nan], "NaN"], [[1.0, 1e300], "beyond"]):
        with pytest.raises(ValueError, match=message):
            mt.MLPRegressor(epochs=1).fit([[0.0], [1.0]], y)
    with pytest.raises(TypeError, match="class_weight"):
        mt.MLPRegressor(class_weight="balanced")


def test_weights_that_leave_one_class_or_nothing():
    X, y = np.arange(6.0)[:, None], [0, 1] * 3
    with pytest.raises(mt.UserError, match="only one class"):
        mt.MLPClassifier(epochs=1).fit(X, y, sample_weight=y)
    for weights in ([-1] * 6, [0] * 6, [np.nan] * 6, [1] * 5):
        with pytest.raises(mt.UserError, match="weight"):
            mt.MLPClassifier(epochs=1).fit(X, y, sample_weight=weights)


def test_importing_the_estimators_does_not_import_tensorflow():
    code = "import sys; from mlp_toolkit import MLPClassifier as C; C(epochs=3); print('tensorflow' in sys.modules)"
    assert python(code) == "False\n"
    assert python("import sys, mlp_toolkit; print('sklearn' in sys.modules)") == "False\n"


def test_nothing_is_printed_unless_asked_for(iris, capfd):
    X, _, y, _ = iris
    mt.MLPClassifier(epochs=1).fit(X, y).predict(X)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    mt.MLPClassifier(epochs=1, verbose=2).fit(X[:20], y[:20])
    assert "no validation rows" in capfd.readouterr().err


@pytest.mark.slow
def test_thirty_trainings_leave_nothing_behind(cancer):
    """Neither models nor graphs; what TensorFlow itself keeps of each is a fraction of a megabyte."""
    X, _, y, _ = cancer

    def train(count):
        for seed in range(count):
            mt.MLPRegressor(epochs=2, hidden=[8], random_state=seed).fit(X, y).predict(X)
        gc.collect()
        return _memory(), sum(type(thing).__name__ == "Operation" for thing in gc.get_objects())

    memory, operations = train(5)
    after, still = train(30)
    assert still - operations < 100
    assert after - memory < 60  # 150 MB while every graph was kept; about 20 by what TensorFlow keeps, and chance


def _memory() -> float:
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("no /proc")
    return int(re.search(r"VmRSS:\s+(\d+)", status.read_text()).group(1)) / 1024


if __name__ == "__main__":
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.partition(END)[2], "utf-8")
