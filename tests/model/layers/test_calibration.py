"""Probabilities are put right after training, inside the model file."""

from __future__ import annotations

import json

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from support import python

import mlp_toolkit as mt
from mlp_toolkit.evaluation.calibration import fit_calibration, fit_steps
from mlp_toolkit.model.layers import calibration


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.fixture(scope="module")
def chances():
    """True logits of 20,000 rows with 4 outputs, and labels drawn by them."""
    random = np.random.default_rng(0)
    logits = random.normal(-1, 1.5, (20_000, 4))
    return logits, (random.random(logits.shape) < sigmoid(logits)).astype(float)


def test_slope_and_offset_are_those_of_scikit_learns_logistic_regression(chances):
    logits, y = (np.tile(array[:, :1], (20, 1)) for array in chances)  # so many rows that no prior counts
    shifted = 0.5 * logits + 1.2  # unsure, and too high
    found = fit_calibration(y, sigmoid(shifted), softmax=False)
    reference = LogisticRegression(C=np.inf).fit(shifted, y[:, 0])
    assert found.slope == pytest.approx(reference.coef_[0, 0], abs=0.02)
    assert found.offset[0] == pytest.approx(reference.intercept_[0], abs=0.03)
    assert found.after < found.before


def test_weights_of_classes_are_undone_without_any_row_to_learn_from():
    """With weight w of the positive class, odds come out w times as high."""
    for by_class, expected in (
        (np.array([1.0, 9.0]), [-np.log(9)]),
        (np.array([[1.0, 9.0], [0.5, 2.0]]), [-np.log(9), -np.log(4)]),
        (np.array([1.0, 2.0, 4.0]), [0, -np.log(2), -np.log(4)]),
    ):
        outputs = len(expected)
        softmax = by_class.ndim == 1 and outputs == 3
        no_rows = np.zeros((1, outputs)), np.full((1, outputs), 1 / max(outputs, 2))
        found = fit_calibration(*no_rows, softmax=softmax, weights=np.full(1, 1e-9), by_class=by_class)
        assert found.slope == pytest.approx(1, abs=0.2)
        np.testing.assert_allclose(found.offset, expected, atol=0.2)


def test_probabilities_of_several_classes_are_put_right(chances):
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, (20_000, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.eye(3)[[random.choice(3, p=row) for row in p]]
    weights = np.array([1.0, 3.0, 6.0])
    weighted = p * weights / (p * weights).sum(axis=1, keepdims=True)
    found = fit_calibration(y, weighted, softmax=True, by_class=weights)
    layer = calibration.Calibration(found.slope, found.offset, softmax=True)
    np.testing.assert_allclose(layer(weighted.astype(np.float32)).numpy(), p, atol=0.02)


def test_probabilities_that_are_right_stay_as_they_are(chances):
    logits, y = chances
    found = fit_calibration(y, sigmoid(logits), softmax=False)
    layer = calibration.Calibration(found.slope, found.offset, softmax=False)
    np.testing.assert_allclose(layer(sigmoid(logits).astype(np.float32)).numpy(), sigmoid(logits), atol=0.02)


def test_the_layer_bears_certainty():
    layer = calibration.Calibration(2.0, [0.5, -0.5], softmax=False)
    found = layer(keras.ops.convert_to_tensor([[0.0, 1.0]])).numpy()
    assert np.isfinite(found).all()
    assert found[0, 0] < 1e-6
    assert found[0, 1] > 1 - 1e-6


def bent(p):
    """Probabilities that no slope and offset puts right."""
    return (0.5 + 0.4 * np.sign(p - 0.4) * np.abs(p - 0.4) ** 0.3).astype(np.float32)


def test_steps_are_those_of_scikit_learn_but_for_their_ends(chances):
    logits, y = chances
    said = bent(sigmoid(logits[:, :2]))
    layer = calibration.Isotonic(*fit_steps(y[:, :2], said)[:2])
    found = layer(said).numpy()
    for place in range(2):
        own = said[:, place].astype(float)
        reference = IsotonicRegression(out_of_bounds="clip").fit(own, y[:, place]).predict(own)
        middle = (reference > 0.03) & (reference < 0.9)
        np.testing.assert_allclose(found[middle, place], reference[middle], atol=2e-3)
    assert layer.sound()
    assert np.abs(found - sigmoid(logits[:, :2])).mean() < 0.02


def test_steps_never_reach_certainty_and_never_turn_an_order_round():
    random = np.random.default_rng(0)
    said = random.random((200, 1)).astype(np.float32)
    found = fit_steps((said > 0.5).astype(float), said)  # no row contradicts it
    every = np.linspace(0, 1, 1001, dtype=np.float32)[:, None]
    after = calibration.Isotonic(found.at, found.to)(every).numpy()[:, 0]
    assert (np.diff(after) >= -1e-6).all()
    assert 0.002 < after.min() < 0.02  # one of about a hundred rows
    assert 0.98 < after.max() < 0.998
    np.testing.assert_allclose(after, found.applied(every)[:, 0], atol=1e-5)


def test_steps_count_rows_by_their_weights():
    said, y = np.full((40, 1), 0.5, np.float32), np.repeat([[1.0], [0.0]], [10, 30], axis=0)
    found = fit_steps(y, said, weights=np.repeat([3.0, 1.0], [10, 30]))
    assert found.applied(said)[0, 0] == pytest.approx(0.5, abs=1e-6)
    layer = calibration.Isotonic(found.at, found.to)  # a single point
    np.testing.assert_allclose(layer(np.array([[0.0], [1.0]], np.float32)), 0.5, atol=1e-6)


@pytest.mark.parametrize(
    ("at", "to"),
    [([[0.2, 0.1]], [[0.1, 0.2]]), ([[0.1, 0.2]], [[0.2, 0.1]]), ([[0.1]], [[1.5]]), ([[0.1]], [[]]), ([], [])],
)
def test_points_that_we_do_not_write_are_not_sound(at, to):
    assert not calibration.Isotonic(at, to).sound()


@pytest.fixture(scope="module")
def rare(tmp_path_factory):
    """Runs on a rare class: without class weights, with them, and with them and calibration."""
    folder = tmp_path_factory.mktemp("rare")
    random = np.random.default_rng(0)
    x = random.normal(size=(3000, 3))
    y = np.where(random.random(3000) < sigmoid(2 * x[:, 0] - 4), "yes", "no")
    pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=y).to_csv(folder / "rare.csv", index=False)
    text = "task: binary\ndata: {path: rare.csv, target: y}\nmodel: {hidden: [8]}\ntrain: {epochs: 12}\n"
    (folder / "rare.yaml").write_text(text)
    settings = {"plain": {}, "weighted": {"train.class_weight": "balanced"}}
    settings["calibrated"] = {**settings["weighted"], "train.calibrate": True}
    settings["isotonic"] = {**settings["weighted"], "train.calibrate": "isotonic"}
    return {name: mt.run(folder / "rare.yaml", s, out=folder / name, verbose=0) for name, s in settings.items()}


def test_class_weights_shift_probabilities_and_calibration_puts_them_back(rare):
    kept = {name: pd.read_parquet(run.directory / "predictions.parquet") for name, run in rare.items()}
    share = (kept["plain"]["target"] == "yes").mean()
    mean = {name: frame["probability"].mean() for name, frame in kept.items()}
    assert mean["weighted"] > 2 * share
    assert mean["calibrated"] == pytest.approx(share, abs=0.4 * share)
    losses = {name: run.metrics["test"]["log_loss"] for name, run in rare.items()}
    assert losses["calibrated"] < 0.6 * losses["weighted"]
    assert losses["calibrated"] == pytest.approx(losses["plain"], rel=0.15)
    order = [kept[name]["probability"].rank() for name in ("weighted", "calibrated")]
    assert np.corrcoef(*order)[0, 1] > 0.9999  # it ranks rows as before


@pytest.mark.parametrize("way", ["calibrated", "isotonic"])
def test_the_error_of_probabilities_is_told_before_and_after(rare, way):
    run = rare[way]
    kept = pd.read_parquet(run.directory / "predictions.parquet")
    told = run.metrics["calibration_error"]
    plain = pd.read_parquet(rare["weighted"].directory / "predictions.parquet")
    for when, rows in (("after", kept), ("before", plain)):
        true, chance = (rows["target"] == "yes").to_numpy(float), rows["probability"].to_numpy(float)
        place = np.searchsorted(np.quantile(chance, np.linspace(0, 1, 11))[1:-1], chance)
        apart = pd.Series(chance - true).groupby(place).sum().abs().sum() / len(rows)
        assert told[when] == pytest.approx(apart, abs=1e-3)
    assert told["before"] > 3 * told["after"]
    page = run.report_path.read_text("utf-8")
    assert f"error of the test rows {told['after']:.4g}, {told['before']:.4g} before" in page
    assert "calibration_error" not in rare["weighted"].metrics


def test_steps_stand_in_the_model_file(rare, tmp_path):
    run = rare["isotonic"]
    model = mt.load(run.directory / "model.h5")
    data = pd.read_csv(run.directory.parent / "rare.csv")
    kept = pd.read_parquet(run.directory / "predictions.parquet")
    found = mt.predict(model, data)["probability"].to_numpy()[kept["row"]]
    np.testing.assert_allclose(found, kept["probability"], atol=1e-6)
    weighted = pd.read_parquet(rare["weighted"].directory / "predictions.parquet")["probability"]
    order = np.argsort(weighted.to_numpy())
    assert (np.diff(kept["probability"].to_numpy()[order]) > -1e-6).all()
    assert any(type(layer).__name__ == "Isotonic" for layer in model.layers)


def test_steps_are_for_labels_and_not_for_several_classes(folder, tmp_path):
    recipe = {"task": "multilabel", "data": {"path": str(folder / "people.csv"), "target": ["big", "dark"]}}
    quick = {"train.epochs": 2, "train.calibrate": "isotonic", "baselines": "none", "report": "brief"}
    run = mt.run(recipe, quick, out=tmp_path / "run", verbose=0)
    assert set(run.metrics["calibration_error"]) == {"before", "after"}
    several = {"task": "multiclass", "data": {"path": str(folder / "people.csv"), "target": "city"}}
    with pytest.raises(mt.UserError, match=r"isotonic.*add up to 1"):
        mt.run(several, quick, out=tmp_path / "several", verbose=0)
    with pytest.raises(mt.UserError, match="true, false or isotonic"):
        mt.run(recipe, {"train.calibrate": 3}, out=tmp_path / "three", verbose=0)


def test_the_run_says_what_calibration_did(rare):
    run = rare["calibrated"]
    assert any("calibrated on" in note for note in run.metrics["notes"])
    assert "calibrated on" in run.report_path.read_text()
    assert "calibrate: true" in (run.directory / "recipe.yaml").read_text()


def test_the_model_file_holds_the_correction(rare, tmp_path):
    run = rare["calibrated"]
    data = run.directory.parent / "rare.csv"
    code = "import sys, mlp_toolkit as mt; print(mt.load_run(sys.argv[1]).predict(mt.__dict__ and __import__('pandas')"
    code += ".read_csv(sys.argv[2])).to_json())"
    elsewhere = pd.DataFrame(json.loads(python(code, run.directory, data).splitlines()[-1]))
    kept = pd.read_parquet(run.directory / "predictions.parquet")
    np.testing.assert_allclose(
        elsewhere["probability"].to_numpy()[kept["row"]], kept["probability"].to_numpy(), atol=1e-6
    )
    plain = keras.models.load_model(run.directory / "model.h5")
    assert any(type(layer).__name__ == "Calibration" for layer in plain.layers)


@pytest.mark.parametrize(("task", "target"), [("multiclass", "city"), ("multilabel", "[big, dark]")])
def test_calibration_is_for_every_task_with_classes(folder, tmp_path, task, target):
    (folder / "calibrated.yaml").write_text(
        f"task: {task}\ndata: {{path: people.csv, target: {target}}}\n"
        "train: {epochs: 3, class_weight: balanced, calibrate: true}\n"
    )
    run = mt.run(folder / "calibrated.yaml", out=tmp_path / task, verbose=0)
    table = run.predict(pd.read_csv(folder / "people.csv"))
    chances = table.filter(like="probability").to_numpy()
    assert ((chances >= 0) & (chances <= 1)).all()
    if task == "multiclass":
        np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)


def test_a_regression_has_nothing_to_calibrate(folder):
    with pytest.raises(mt.UserError, match=r"calibrate.*for classification"):
        mt.run(folder / "regression.yaml", {"train.calibrate": True}, verbose=0)


@pytest.mark.parametrize("offset", [[], [0.1, 0.2], [0.1] * 4])
def test_a_file_with_another_number_of_offsets_is_refused(tmp_path, offset):
    inputs = keras.Input((3,))
    layer = calibration.Calibration(1.1, [0.1, 0.2, 0.3], True)
    model = keras.Model(inputs, layer(keras.layers.Dense(3, "softmax")(inputs)))
    layer.offset = offset  # as a damaged file would have it
    mt.save(model, tmp_path / "odd.h5")
    with pytest.raises(mt.UserError, match=r"odd\.h5.*" + f"{len(offset)} offsets for 3 outputs"):
        mt.load(tmp_path / "odd.h5")
