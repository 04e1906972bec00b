"""What the comments of the recipes claim beside their scores, on three seeds."""

from __future__ import annotations

import pytest

import mlp_toolkit as mt
from mlp_toolkit.recipe import catalog

pytestmark = pytest.mark.slow
SEEDS = (0, 1, 2)
POOR = {"model.activation": "sigmoid", "model.initializer": "glorot_uniform", "model.batch_norm": False}


@pytest.fixture
def score(tmp_path):
    """The test score of a shipped recipe with overrides."""

    def run(name, overrides, measure="accuracy"):
        out = tmp_path / f"run_{len(list(tmp_path.iterdir()))}"
        return mt.run(name, overrides, out=out, verbose=0).metrics["test"][measure]

    return run


@pytest.mark.parametrize("seed", SEEDS)
def test_augmentation_beats_the_same_recipe_without_it(score, seed):
    gain = score("digits_augmented", {"seed": seed}) - score(
        "digits_augmented", {"seed": seed, "train.augmentation": None}
    )
    assert gain > 0.02


@pytest.mark.parametrize("seed", SEEDS)
def test_a_warm_start_beats_training_from_scratch_on_a_hundred_rows(score, seed):
    assert score("digits_even", {"seed": seed}) > score("digits_even", {"seed": seed, "model.warm_start": None})


def test_ten_layers_of_sigmoids_do_not_train_and_the_deep_preset_does(score):
    assert score("digits_deep", {}) > 0.94
    assert score("digits_deep", POOR) < 0.7
    assert score("digits_deep", {**POOR, "train.optimizer": "sgd"}) < 0.2


def test_balanced_weights_find_the_rare_class_and_calibration_puts_probabilities_back(score):
    weighted, plain = ({"train.class_weight": name} for name in ("balanced", None))
    measure = "balanced_accuracy"
    assert score("credit_default", weighted, measure) > score("credit_default", plain, measure) + 0.15
    calibrated = score("credit_default", {**weighted, "train.calibrate": True}, "log_loss")
    assert calibrated < 0.5 * score("credit_default", weighted, "log_loss")
    assert calibrated == pytest.approx(score("credit_default", plain, "log_loss"), rel=0.15)


def test_the_shipped_model_file_is_the_one_its_recipe_writes(tmp_path):
    """On this machine to the bit; elsewhere other arithmetic may lead elsewhere, to a network as good."""
    run = mt.run("digits_known", out=tmp_path / "known", verbose=0)
    shipped = mt.load(catalog.root("recipes") / "data" / "digits_known.h5")
    assert [weight.shape for weight in shipped.weights] == [weight.shape for weight in run.model.weights]
    assert run.metrics["test"]["accuracy"] > 0.9
