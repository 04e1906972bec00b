"""Members that each hold out a fold: every training row is predicted by a member that has not learnt it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from support import killed_after_a_checkpoint

import mlp_toolkit as mt
from mlp_toolkit.model.backend import tf
from mlp_toolkit.recipe import resolving
from mlp_toolkit.training.engine.blend.linear import PENALTIES

QUICK = {"train.epochs": 4, "model.hidden": [8], "model.ensemble": 3, "train.batch_size": 32}

OTHERS = ("binary", "multilabel", "multiclass")


@pytest.fixture(scope="module")
def strong(folder, tmp_path_factory):
    """A short run of the preset strong for each task."""
    out = tmp_path_factory.mktemp("strong")
    return {
        task: mt.run(folder / f"{task}.yaml", {"preset": "strong", **QUICK, **more}, out=out / task, verbose=0)
        for task, more in {"regression": {"train.keep": "best_and_last"}, **{name: {} for name in OTHERS}}.items()
    }


@pytest.mark.parametrize("task", ["regression", "binary", "multilabel", "multiclass"])
def test_every_training_row_is_predicted_once_and_scored(strong, task):
    run = strong[task]
    rows = pd.read_parquet(run.directory / "out_of_fold.parquet")
    counts = run.metrics["rows"]
    assert len(rows) == counts["train"]
    assert counts["validation"] == 0, "no row is for validation alone"
    assert run.metrics["members"] == 3
    assert sorted(rows["fold"].unique()) == [0, 1, 2]
    tested = pd.read_parquet(run.directory / "predictions.parquet")
    assert rows["row"].is_unique
    assert not set(rows["row"]) & set(tested["row"])
    assert list(rows.columns) == [*tested.columns, "fold"]


def test_validation_scores_are_those_of_the_rows_held_out(strong):
    rows = pd.read_parquet(strong["regression"].directory / "out_of_fold.parquet")
    rmse = metrics.root_mean_squared_error(rows["target"], rows["prediction"])
    assert strong["regression"].metrics["validation"]["rmse"] == pytest.approx(rmse, rel=1e-6)
    rows = pd.read_parquet(strong["binary"].directory / "out_of_fold.parquet")
    positive = strong["binary"].model.layers[-1].classes[1]
    auc = metrics.roc_auc_score(rows["target"] == positive, rows["probability"])
    assert strong["binary"].metrics["validation"]["auc"] == pytest.approx(auc, rel=1e-6)


def test_a_row_held_out_is_predicted_by_its_own_member_alone(strong, folder):
    """By the members of the model file, one by one."""
    run = strong["regression"]
    network = next(layer for layer in run.model.layers if hasattr(layer, "member_outputs"))
    assert network.members == 6, "each member as in its best epoch, and as after the last"
    rows = pd.read_parquet(run.directory / "out_of_fold.parquet")
    people = pd.read_csv(folder / "people.csv").iloc[rows["row"]].reset_index(drop=True)
    from mlp_toolkit.data.columns.encoder import encode
    from mlp_toolkit.data.reading import frames
    from mlp_toolkit.model.prediction import encoding_of, target_of

    x = encode(frames.normalise(people), encoding_of(run.model))
    each = network.bounded(network.member_outputs(tf.constant(x))).numpy()
    both = (each[rows["fold"], np.arange(len(rows))] + each[rows["fold"] + 3, np.arange(len(rows))]) / 2
    np.testing.assert_allclose(target_of(run.model).decode(both)[:, 0], rows["prediction"], rtol=1e-4)
    np.testing.assert_allclose(
        run.predict(people).iloc[:, 0], target_of(run.model).decode(each.mean(axis=0))[:, 0], rtol=1e-4
    )


@pytest.mark.parametrize(
    ("task", "score", "least"), [("regression", "r2", 0.5), ("binary", "auc", 0.7), ("multiclass", "accuracy", 0.5)]
)
def test_a_linear_model_has_a_share_where_it_helps_on_the_rows_held_out(folder, tmp_path, task, score, least):
    overrides = {"preset": "strong", **QUICK, "train.optimizer.learning_rate": 1e-5}  # the networks learn nothing
    run = mt.run(folder / f"{task}.yaml", overrides, out=tmp_path / "run", verbose=0)
    assert any(note.startswith("a linear model has a share of 0.") for note in run.metrics["notes"])
    assert run.metrics["validation"][score] > least
    assert run.metrics["test"][score] > least
    tested = pd.read_parquet(run.directory / "predictions.parquet")
    people = pd.read_csv(folder / "people.csv").iloc[tested["row"]]
    said = run.predict(people)
    known = tested.filter(regex="prediction" if task == "regression" else "probability")
    np.testing.assert_allclose(said[said.columns[-known.shape[1] :]], known, rtol=1e-5)
    again = mt.run(run.directory / "recipe.yaml", out=tmp_path / "again", verbose=0)
    assert again.metrics["test"] == run.metrics["test"]


def robust(x):
    """Columns by the distance of their quartiles, or by half the distance of the rows that differ, within ±3."""
    low, middle, high = np.quantile(x, [0.25, 0.5, 0.75], axis=0)
    apart = [np.abs(own[own != middle[place]] - middle[place]) for place, own in enumerate(x.T)]
    halves = [np.median(own) / 2 if len(own) else np.inf for own in apart]
    spread = np.where(high > low, high - low, halves)
    z = (x.astype(float) - middle) / spread
    return z / np.sqrt(1 + z**2 / 9)


def test_networks_of_several_epochs_and_a_linear_model_have_shares_in_a_classification(strong, folder):
    run = strong["binary"]
    both = next(layer for layer in run.model.layers if layer.name.endswith("_and_linear"))
    network = next(layer for layer in both.layers if hasattr(layer, "member_outputs"))
    shares, linear = np.array(network.layers[-1].shares), both.get_layer("linear").share
    assert len(shares) == network.members == 4 * 3, "best, after the first and the second epoch, last"
    assert shares.sum() + linear == pytest.approx(1)
    assert (shares >= 0).all()
    rows = pd.read_parquet(run.directory / "out_of_fold.parquet")
    people = pd.read_csv(folder / "people.csv").iloc[rows["row"]].reset_index(drop=True)
    from mlp_toolkit.data.columns.encoder import encode
    from mlp_toolkit.data.reading import frames
    from mlp_toolkit.model.prediction import encoding_of

    x = encode(frames.normalise(people), encoding_of(run.model))
    each = network.member_outputs(tf.constant(x)).numpy()[:, :, 0]
    own = sum(3 * shares[3 * place] * each[3 * place + rows["fold"], np.arange(len(rows))] for place in range(4))
    rest, y = (rows["probability"].to_numpy() - own) / linear, rows["target"] == run.model.layers[-1].classes[1]
    folds = PredefinedSplit(rows["fold"])
    models = [LogisticRegression(C=1 / penalty, tol=1e-6) for penalty in PENALTIES]
    columns = robust(x) if any(layer.name == "linear_scale" for layer in both.layers) else x
    said = [cross_val_predict(model, columns, y, cv=folds, method="predict_proba")[:, 1] for model in models]
    assert min(np.abs(outside - rest).max() for outside in said) < 0.01, "one that has not learnt the fold"


def test_classes_have_a_like_share_in_each_fold(strong):
    rows = pd.read_parquet(strong["multiclass"].directory / "out_of_fold.parquet")
    shares = pd.crosstab(rows["fold"], rows["target"])
    assert (shares.max() - shares.min()).max() <= 1


def test_predictions_stay_within_the_training_range(strong, folder):
    people = pd.read_csv(folder / "people.csv")
    numbers = people.select_dtypes("number").columns
    far = people.assign(**{name: people[name] * 1_000 for name in numbers})
    said = strong["regression"].predict(far).iloc[:, 0]
    known = pd.read_parquet(strong["regression"].directory / "out_of_fold.parquet")["target"]
    assert said.between(known.min() - 1e-3, known.max() + 1e-3).all()


def test_plain_members_hold_out_folds_and_end_with_their_best_epochs(folder, tmp_path):
    overrides = {"data.split": {"validation": "folds", "test": 0.2}, "model.ensemble": 4, "train.epochs": 3}
    run = mt.run(folder / "binary.yaml", overrides, out=tmp_path / "run", verbose=0)
    network = next(layer for layer in run.model.layers if hasattr(layer, "member_outputs"))
    assert network.members == 4
    assert 1 <= run.metrics["best_epoch"] <= 3
    assert {"loss", "val_auc"} <= set(run.history.columns)


def test_members_share_validation_rows_where_the_recipe_gives_a_share(folder, tmp_path):
    overrides = {"preset": "strong", **QUICK, "data.split": {"validation": 0.2, "test": 0.2}}
    run = mt.run(folder / "binary.yaml", overrides, out=tmp_path / "run", verbose=0)
    assert not (run.directory / "out_of_fold.parquet").exists()
    assert run.metrics["rows"]["validation"] == 48


def test_probabilities_are_calibrated_by_the_folds(folder, tmp_path):
    overrides = {"preset": "strong", **QUICK, "train.calibrate": True, "train.class_weight": "balanced"}
    run = mt.run(folder / "binary.yaml", overrides, out=tmp_path / "run", verbose=0)
    assert any(note.startswith("calibrated on 192") for note in run.metrics["notes"])


def test_a_killed_ensemble_with_folds_resumes_to_the_same_bits(folder, tmp_path):
    overrides = {"preset": "strong", **QUICK, "train.epochs": 60}
    whole = mt.run(folder / "binary.yaml", overrides, out=tmp_path / "whole", verbose=0)
    out = tmp_path / "killed"
    killed_after_a_checkpoint(folder / "binary.yaml", overrides, out)
    resumed = mt.run(folder / "binary.yaml", overrides, out=out, resume=True, verbose=0)
    for ours, theirs in zip(resumed.model.weights, whole.model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert (out / "out_of_fold.parquet").read_bytes() == (whole.directory / "out_of_fold.parquet").read_bytes()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"data.split.validation": "folds"}, "folds are for the members of an ensemble"),
        ({"preset": "strong", "data.split.test": "folds"}, "test rows are held out from all members"),
        ({"model.ensemble": 2, "model.pretrain": {}}, "not available for several members"),
        ({"model.ensemble": 2, "train.optimizer": "muon"}, "not available for several members"),
        ({"preset": "strong", "model.activation": "step"}, "step function"),
        ({"preset": "strong", "model.l2": 0.1}, "realmlp has no l2"),
        ({"model.frequency": 1.0}, "is for network: realmlp"),
        ({"preset": "strong", "model.activation": "leaky_relu"}, "not for network: realmlp"),
        ({"train.label_smoothing": 0.1}, "is for multiclass"),
        ({"train.keep": "best_and_last"}, "is for ensembles"),
        ({"train.keep": "blended"}, "is for ensembles"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_said_before_anything_is_read(folder, overrides, says):
    with pytest.raises(mt.UserError, match=says):
        resolving.load_recipe(folder / "binary.yaml", overrides)


def test_few_rows_make_fewer_folds(tmp_path):
    frame = load_breast_cancer(as_frame=True).frame.sample(14, random_state=0)
    run = mt.run(
        {"task": "binary", "preset": "strong", "data": {"target": "target"}},
        {"train.epochs": 2, "model.hidden": [4]},
        data=frame,
        out=tmp_path / "run",
        verbose=0,
    )
    assert run.metrics["members"] == 8
    assert len(pd.read_parquet(run.directory / "out_of_fold.parquet")) == run.metrics["rows"]["train"]
