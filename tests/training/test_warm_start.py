"""Parts of a trained network are reused: frozen first, then unfrozen at a lower rate; or pretrained without targets."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

import mlp_toolkit as mt
from mlp_toolkit.data import dataset
from mlp_toolkit.recipe import resolving
from mlp_toolkit.runs import checkpoint
from mlp_toolkit.storage import loading
from mlp_toolkit.training import pretraining, warm_start

RECIPE = """
task: binary
data: {path: cancer.csv, target: target}
model: {hidden: [16, 8], batch_norm: true}
train: {epochs: 3, early_stopping: null, batch_size: 64}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Rows of the breast cancer data, a recipe, and a run of it on the first half of them."""
    folder = tmp_path_factory.mktemp("warm")
    frame = load_breast_cancer(as_frame=True).frame
    frame.iloc[:280].to_csv(folder / "cancer.csv", index=False)
    (folder / "source.yaml").write_text(RECIPE)
    mt.run(folder / "source.yaml", out=folder / "source", verbose=0)
    frame.iloc[280:].to_csv(folder / "cancer.csv", index=False)
    return folder


def warm(home, out, settings="", **overrides):
    (home / "warm.yaml").write_text(
        RECIPE.replace("true}", "true, warm_start: {from: source/model.h5" + settings + "}}")
    )
    return mt.run(home / "warm.yaml", overrides, out=out, verbose=0)


def hidden(run_or_model):
    """Weights of the hidden layers with their batch normalization, and those of the output layer."""
    model = run_or_model.model if isinstance(run_or_model, mt.Run) else run_or_model
    network = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def same(one, other, name):
    return all(np.array_equal(a, b) for a, b in zip(one[name], other[name], strict=True))


def test_frozen_layers_stay_until_they_are_unfrozen(home, tmp_path):
    source = hidden(mt.load_run(home / "source"))
    frozen = hidden(warm(home, tmp_path / "frozen", ", unfreeze_after: 3"))
    assert all(same(source, frozen, name) for name in source if name != "output")
    assert not same(source, frozen, "output")
    unfrozen = hidden(warm(home, tmp_path / "unfrozen", ", unfreeze_after: 2"))
    assert not any(same(source, unfrozen, name) for name in source)
    kept = hidden(warm(home, tmp_path / "kept", ", unfreeze_after: null"))
    assert all(same(source, kept, name) for name in source if name != "output")
    free = hidden(warm(home, tmp_path / "free", ", freeze: false"))
    assert not any(same(source, free, name) for name in source)


def test_only_the_first_layers_are_taken(home, tmp_path):
    source = hidden(mt.load_run(home / "source"))
    run = warm(home, tmp_path / "one", ", layers: 1, unfreeze_after: 3", **{"model.hidden": [16, 5]})
    assert same(source, hidden(run), "hidden_1")
    assert hidden(run)["hidden_2"][0].shape == (16, 5)
    assert any("the first 1 of 2 hidden layers" in note for note in run.metrics["notes"])
    run = warm(home, tmp_path / "fitting", ", unfreeze_after: 3", **{"model.hidden": [16, 5]})
    assert same(source, hidden(run), "hidden_1")  # without `layers`, as many as fit


def test_the_rate_is_lower_once_all_layers_learn(home, tmp_path):
    rate = {"train.optimizer": {"name": "sgd", "learning_rate": 0.02}}
    run = warm(home, tmp_path / "rate", ", unfreeze_after: 2, lower_rate: 0.25", **rate)
    schedule = run.model.optimizer._learning_rate  # Keras shows the rate of the current step only
    steps = int(np.ceil(run.metrics["rows"]["train"] / 64))
    assert [float(schedule(step)) for step in (0, 2 * steps - 1, 2 * steps)] == pytest.approx([0.02, 0.02, 0.005])


def test_columns_are_encoded_as_the_source_encodes_them(home, tmp_path):
    run = warm(home, tmp_path / "encoded")
    numbers = [
        next(la for la in m.layers if la.name == "numbers") for m in (run.model, mt.load_run(home / "source").model)
    ]
    assert numbers[0].get_config() == numbers[1].get_config()
    assert "scaling and categories are those of" in (run.directory / "recipe.yaml").read_text()


def test_a_stopped_warm_start_resumes_to_the_same_bits(home, tmp_path, monkeypatch):
    settings = ", unfreeze_after: 2"
    options = {"train.epochs": 5, "model.dropout": 0.2}
    whole = warm(home, tmp_path / "whole", settings, **options)
    for stop in (1, 3):  # while layers are frozen, and after
        with monkeypatch.context() as patched:
            patched.setattr(checkpoint, "TRAINING_PER_CHECKPOINT", 0)
            write = checkpoint.Checkpoint.write

            def stopping(self, network, state, stop=stop, write=write):
                write(self, network, state)
                if state.epochs == stop:
                    raise KeyboardInterrupt

            patched.setattr(checkpoint.Checkpoint, "write", stopping)
            with pytest.raises(KeyboardInterrupt):
                warm(home, tmp_path / f"stopped_{stop}", settings, **options)
        again = mt.run(home / "warm.yaml", options, out=tmp_path / f"stopped_{stop}", resume=True, verbose=0)
        pd.testing.assert_frame_equal(again.history, whole.history)
        assert all(same(hidden(again), hidden(whole), name) for name in hidden(whole))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_any_keras_model_can_be_reused(home, tmp_path, suffix):
    model = keras.Sequential(
        [keras.Input((30,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)]
    )
    model.save(tmp_path / f"own{suffix}")
    run = warm(
        home,
        tmp_path / "run",
        ", unfreeze_after: 3",
        **{"model.warm_start.from": str(tmp_path / f"own{suffix}"), "model.batch_norm": False},
    )
    np.testing.assert_array_equal(hidden(run)["hidden_1"][0], model.layers[0].get_weights()[0])
    np.testing.assert_array_equal(hidden(run)["hidden_2"][1], model.layers[1].get_weights()[1])
    assert "does not say of which columns" in (run.directory / "recipe.yaml").read_text()


@pytest.mark.parametrize(
    ("settings", "overrides", "words"),
    [
        (", layers: 3", {}, r"layers: .* has 2 hidden layers, this network 2"),
        (", layers: 2", {"model.hidden": [16, 9]}, r"layer 2 .*does not fit: it takes 16 inputs and has 8 neurons"),
        ("", {"model.batch_norm": False}, "with batch normalization"),
        ("", {"data.features": {"mean radius": "ignore"}}, r"columns are not those.*mean radius differ"),
        ("", {"data.features": {"mean radius": "categorical"}}, r"found: +mean radius: categorical"),
        (", thaw: 3", {}, r"thaw"),
        (", unfreeze_after: 0", {}, r"unfreeze_after"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(home, tmp_path, settings, overrides, words):
    with pytest.raises(mt.UserError, match=words):
        warm(home, tmp_path / "refused", settings, **overrides)
    assert not (tmp_path / "refused" / "model.h5").exists()


def test_a_file_that_may_run_code_is_refused(home, tmp_path):
    model = keras.Sequential([keras.Input((30,)), keras.layers.Lambda(lambda x: x), keras.layers.Dense(1)])
    for suffix in (".h5", ".keras"):
        model.save(tmp_path / f"evil{suffix}")
        with pytest.raises(mt.UserError, match="Lambda"):
            warm(home, tmp_path / "refused", **{"model.warm_start.from": str(tmp_path / f"evil{suffix}")})


def test_validate_says_that_the_file_is_not_there(home, call):
    (home / "absent.yaml").write_text(RECIPE.replace("true}", "true, warm_start: {from: nowhere.h5}}"))
    code, _, err = call("validate", home / "absent.yaml")
    assert code == 2
    assert "nowhere.h5" in err


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """The breast cancer data with targets in every fourth row only."""
    folder = tmp_path_factory.mktemp("halves")
    frame = load_breast_cancer(as_frame=True).frame
    frame["target"] = frame["target"].astype(object).where(frame.index % 4 == 0, None)
    frame.to_csv(folder / "cancer.csv", index=False)
    (folder / "recipe.yaml").write_text(
        "task: binary\ndata: {path: cancer.csv, target: target}\n"
        "model: {hidden: [20, 10], activation: elu, pretrain: {epochs: 30, noise: 0.3}}\ntrain: {epochs: 2}\n"
    )
    return folder


def test_the_autoencoder_learns_from_rows_without_a_target_to_restore_what_is_hidden(halves):
    spec = resolving.load_recipe(halves / "recipe.yaml").spec
    data = dataset.load_dataset(spec)
    assert len(data.unlabelled) == 426
    notes = []
    keras.utils.set_random_seed(0)
    source = pretraining.pretrained(spec, spec.model.pretrain, data, notes, 0)
    rows = 426 + data.counts["train"]
    assert notes[0].startswith(f"pretrained on {rows:,} rows, 426 of them without a target")
    error = float(notes[0].split()[-1])
    assert error < 0.5  # giving the mean of each column would leave an error of 1
    first, second = source.hidden
    assert first.dense.kernel.shape == (30, 20)
    assert second.dense.kernel.shape == (20, 10)


def test_the_network_begins_where_the_autoencoder_ended(halves, tmp_path):
    spec = resolving.load_recipe(halves / "recipe.yaml").spec
    keras.utils.set_random_seed(0)
    source = pretraining.pretrained(spec, spec.model.pretrain, dataset.load_dataset(spec), [], 0)
    still = {"train.optimizer": {"name": "sgd", "learning_rate": 1e-30}}
    run = mt.run(halves / "recipe.yaml", still, out=tmp_path / "still", verbose=0)
    for number, layer in enumerate(source.hidden, 1):
        np.testing.assert_allclose(hidden(run)[f"hidden_{number}"][0], layer.dense.kernel.numpy(), atol=1e-6)
    plain = mt.run(halves / "recipe.yaml", {**still, "model.pretrain": None}, out=tmp_path / "plain", verbose=0)
    assert np.abs(hidden(plain)["hidden_1"][0] - hidden(run)["hidden_1"][0]).max() > 0.05


def test_hidden_layers_are_found_in_models_inside_of_models(home):
    model = loading.load(home / "source" / "model.h5")
    found = warm_start.hidden_layers(model)
    assert [layer.dense.units for layer in found] == [16, 8]
    assert all(layer.batch_norm is not None for layer in found)
