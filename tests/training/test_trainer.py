"""`fit` trains as Keras does, keeps the best epoch, and says what is wrong before it trains."""

from __future__ import annotations

import itertools
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.mlp import build_mlp
from mlp_toolkit.storage import loading
from mlp_toolkit.training.engine.rows import row_order
from mlp_toolkit.training.engine.variables import snapshot
from mlp_toolkit.training.fit import fit
from mlp_toolkit.training.rows_of_arrays import resident, resident_validation
from mlp_toolkit.training.trainer import Plan, Progress, train

LAYERS = keras.layers
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(50, 3)).astype("float32")
VALUES = (X @ np.float32([1, -2, 0.5]) + 0.3).astype("float32")
YES_NO = (VALUES > 0.5).astype(int)
CLASSES = np.digitize(VALUES, [-0.5, 1.0])
WEIGHTS = RANDOM.uniform(0.2, 3, 50)


def network(task: Any = "regression", **options: Any) -> Any:
    outputs = {"multilabel": 2, "multiclass": 3}.get(task, 1)
    return build_mlp(task, **{"n_features": 3, "n_outputs": outputs, "hidden": [5], "seed": 1} | options)


def quietly(model: Any, x: Any, y: Any, **options: Any) -> Any:
    return fit(model, x, y, **{"epochs": 2, "batch_size": 16, "verbose": 0} | options)


def twin(model: Any) -> Any:
    """Another model with the same weights and compile arguments, for Keras to train."""
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    other.compile_from_config({**model.get_compile_config()})
    return other


def refusal(model: Any, x: Any, y: Any, **options: Any) -> str:
    before = model.get_weights() if model.built else []
    with pytest.raises(UserError) as caught:
        quietly(model, x, y, **options)
    after = model.get_weights() if before else []
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)), "it trained before it refused"
    return str(caught.value)


@pytest.mark.parametrize(
    ("task", "y", "class_weight"),
    [
        ("regression", VALUES, None),
        ("binary", YES_NO, {0: 1.0, 1: 3.0}),
        ("multiclass", CLASSES, {0: 2.0, 1: 0.5, 2: 1.0}),
        ("multilabel", np.stack([YES_NO, 1 - YES_NO], axis=1), None),
    ],
)
def test_training_gives_the_numbers_of_keras(task: str, y: np.ndarray, class_weight: Any) -> None:
    model = network(task)
    reference = twin(model)
    by_class = np.ones(50) if class_weight is None else np.array([class_weight[label] for label in y])
    column = y if y.ndim == 2 else y[:, None]
    told = quietly(
        model,
        X,
        y,
        sample_weight=WEIGHTS,
        class_weight=class_weight,
        shuffle=False,
        epochs=3,
        validation_data=(X[:20], y[:20]),
    )
    expected = reference.fit(
        X,
        column.astype("float32"),
        sample_weight=(WEIGHTS * by_class).astype("float32"),
        batch_size=16,
        epochs=3,
        shuffle=False,
        verbose=0,
        validation_data=(X[:20], column[:20].astype("float32")),
    )
    assert {*told.history} - {"val_weighted_loss"} == {*expected.history}
    for name, values in expected.history.items():
        np.testing.assert_allclose(told.history[name], values, rtol=1e-4, atol=1e-6, err_msg=name)
    for weight, value in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(weight, value, rtol=1e-4, atol=1e-5)


def test_one_step_of_weighted_gradient_descent_is_the_one_of_pen_and_paper() -> None:
    model = network(hidden=[], optimizer={"name": "sgd", "learning_rate": 0.1})
    kernel, bias = model.get_weights()
    quietly(model, X, VALUES, sample_weight=WEIGHTS, epochs=1, batch_size=50)
    error = (X @ kernel + bias)[:, 0] - VALUES
    weighted = WEIGHTS * error
    np.testing.assert_allclose(model.get_weights()[0][:, 0], kernel[:, 0] - 0.1 * 2 / 50 * X.T @ weighted, rtol=1e-4)
    np.testing.assert_allclose(model.get_weights()[1], bias - 0.1 * 2 / 50 * weighted.sum(), rtol=1e-4)


def test_balanced_class_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_sample_weight

    balanced, given = network("binary"), network("binary")
    quietly(balanced, X, YES_NO, class_weight="balanced")
    quietly(given, X, YES_NO, sample_weight=compute_sample_weight("balanced", YES_NO))
    for a, b in zip(balanced.get_weights(), given.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_class_weights_work_for_one_hot_targets() -> None:
    one_hot, numbers = network("multiclass", loss="categorical_crossentropy"), network("multiclass")
    quietly(one_hot, X, np.eye(3)[CLASSES], class_weight={0: 1, 1: 5, 2: 2})
    quietly(numbers, X, CLASSES, class_weight={0: 1, 1: 5, 2: 2})
    for a, b in zip(one_hot.get_weights(), numbers.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_weights_leave_the_validation_loss_as_it_is() -> None:
    model = network("binary", optimizer={"name": "sgd", "learning_rate": 1e-9})
    told = quietly(model, X, YES_NO, class_weight={0: 10, 1: 10}, epochs=1, validation_data=(X, YES_NO))
    assert told.history["loss"][0] == pytest.approx(10 * told.history["val_loss"][0], rel=1e-4)


def test_validation_rows_may_have_weights_of_their_own() -> None:
    model = network()
    told = quietly(model, X, VALUES, epochs=1, validation_data=(X, VALUES, WEIGHTS))
    error = np.array(model(X))[:, 0] - VALUES
    assert told.history["val_loss"][0] == pytest.approx((WEIGHTS * error**2).mean(), rel=1e-4)


def test_history_has_a_value_of_everything_for_each_epoch() -> None:
    told = quietly(network("binary"), X, YES_NO, epochs=3, validation_data=(X, YES_NO))
    assert isinstance(told, keras.callbacks.History)
    assert set(told.history) == {"loss", "accuracy", "auc", "val_loss", "val_accuracy", "val_auc"}
    assert {len(values) for values in told.history.values()} == {3}
    assert told.epoch == [0, 1, 2]


def test_each_epoch_has_an_order_of_its_own_that_the_seed_alone_decides() -> None:
    orders = [row_order(50, seed, epoch).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert all(a != b for a, b in itertools.combinations(orders, 2))
    assert row_order(50, 1, 1).tolist() == orders[3]


def test_rows_are_taken_in_the_order_of_the_epoch() -> None:
    """Gradient descent, one row a step, done by hand in the order that the seed gives."""
    model = network(hidden=[], optimizer={"name": "sgd", "learning_rate": 0.05})
    kernel, bias = (weight.astype(float) for weight in model.get_weights())
    quietly(model, X, VALUES, epochs=2, batch_size=1, seed=7)
    for epoch in (0, 1):
        for row in row_order(50, 7, epoch):
            error = X[row] @ kernel[:, 0] + bias[0] - VALUES[row]
            kernel[:, 0] -= 0.05 * 2 * error * X[row]
            bias -= 0.05 * 2 * error
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-3, atol=1e-5)


def test_the_same_seed_gives_the_same_weights() -> None:
    def trained(seed: int) -> list[np.ndarray]:
        model = network(dropout=0.3)
        quietly(model, X, VALUES, seed=seed)
        weights: list[np.ndarray] = model.get_weights()
        return weights

    first, again, other = trained(3), trained(3), trained(4)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def overfitting() -> tuple[Any, dict[str, Any]]:
    """A network that is best at once and then only gets worse: the validation rows say the opposite."""
    model = network(optimizer={"name": "sgd", "learning_rate": 0.05})
    return model, {"validation_data": (X, -VALUES), "epochs": 20}


def test_early_stopping_ends_with_the_state_of_the_best_epoch() -> None:
    model, options = overfitting()
    short, _ = overfitting()
    told = quietly(model, X, VALUES, early_stopping=3, **options)
    best = int(np.argmin(told.history["val_loss"])) + 1
    assert len(told.history["loss"]) == best + 3 < 20
    quietly(short, X, VALUES, epochs=best)
    for a, b in zip(snapshot(model), snapshot(short), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_without_early_stopping_the_last_epoch_stays() -> None:
    model, options = overfitting()
    other, _ = overfitting()
    quietly(model, X, VALUES, **options)
    quietly(other, X, VALUES, epochs=20)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("early_stopping", [3, {"patience": 3}])
def test_the_checkpoint_holds_the_best_epoch(tmp_path: Path, early_stopping: Any) -> None:
    model, options = overfitting()
    quietly(model, X, VALUES, early_stopping=early_stopping, checkpoint=tmp_path / "best.h5", **options)
    for a, b in zip(model.get_weights(), loading.load(tmp_path / "best.h5").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("good_epochs", [0, 2])
def test_a_loss_that_is_not_finite_ends_training_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, good_epochs: int
) -> None:
    class Explode(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == good_epochs:
                self.model.optimizer.learning_rate = 1e30

    model = network(optimizer="sgd")
    with caplog.at_level(logging.WARNING):
        told = quietly(model, X, VALUES, epochs=50, callbacks=[Explode()], checkpoint=tmp_path / "best.h5")
    assert len(told.history["loss"]) < 10
    assert not math.isfinite(told.history["loss"][-1])
    assert "learning rate" in caplog.text
    if good_epochs:
        assert all(np.isfinite(weight).all() for weight in model.get_weights())
        assert all(np.isfinite(weight).all() for weight in loading.load(tmp_path / "best.h5").get_weights())
    else:
        assert "no good epoch" in caplog.text or "restored" in caplog.text


def resumable(model: Any, **options: Any) -> Any:
    rows, _ = resident(model, X, VALUES, seed=5)
    usual = {"epochs": 6, "batch_size": 16, "patience": options.pop("early_stopping", None), "verbose": 0}
    held_out = resident_validation(model, options.pop("validation_data", None))
    resume_from = options.pop("resume_from", None)
    return train(model, rows, held_out, Plan(**{**usual, **options}), resume_from)


def test_a_training_that_goes_on_equals_the_one_that_never_stopped() -> None:
    whole, first, second = (network(dropout=0.3) for _ in range(3))
    _, expected = resumable(whole)
    _, stopped = resumable(first, epochs=2)
    for variable, value in zip([*second.variables, *second.optimizer.variables], snapshot(first), strict=True):
        variable.assign(value)
    seen: list[int] = []
    _, state = resumable(second, resume_from=stopped, after_epoch=lambda _, progress: seen.append(progress.epochs))
    assert seen == [3, 4, 5, 6]
    assert state.history == expected.history
    assert state.best_epoch == expected.best_epoch
    for a, b in zip(snapshot(whole), snapshot(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_training_that_was_over_does_not_go_on() -> None:
    model, options = overfitting()
    _, state = resumable(model, **options, early_stopping=2)
    after = snapshot(model)
    _, again = resumable(model, **options, early_stopping=2, resume_from=state)
    assert again.epochs == state.epochs < 20
    for a, b in zip(after, snapshot(model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_progress_is_over_when_patience_is_or_the_loss_is_not_finite() -> None:
    assert not Progress().over(3)
    assert not Progress(epochs=5, best_epoch=3, history={"loss": [1.0] * 5}).over(3)
    assert Progress(epochs=6, best_epoch=3, history={"loss": [1.0] * 6}).over(3)
    assert Progress(epochs=1, history={"loss": [math.nan]}).over(None)


def test_images_train_in_a_convolutional_network_with_and_without_their_channel() -> None:
    images = RANDOM.uniform(size=(20, 8, 8)).astype("float32")
    layers = [LAYERS.Conv2D(2, 3), LAYERS.Flatten(), LAYERS.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy")
    for x in (images, images[..., None]):
        assert len(quietly(model, x, CLASSES[:20], class_weight="balanced").history["loss"]) == 2
    assert "row 0 holds 3" in refusal(model, images, np.full(20, 3))
    assert "(20, 7, 8)" in refusal(model, images[:, 1:], CLASSES[:20])


def test_a_network_whose_output_is_an_image_trains() -> None:
    images = RANDOM.uniform(size=(20, 8, 8, 1)).astype("float32")
    model = keras.Sequential([keras.Input((8, 8, 1)), LAYERS.Conv2D(1, 3, padding="same", activation="sigmoid")])
    model.compile("adam", "binary_crossentropy")
    assert len(quietly(model, images, images, epochs=1).history["loss"]) == 1
    assert "one class a row" in refusal(model, images, images, class_weight="balanced")
    assert "(20, 4, 8, 1)" in refusal(model, images, images[:, :4])


def test_models_of_every_kind_train() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = LAYERS.Dense(4, "relu"), LAYERS.Dense(1)

        def call(self, inputs: Any) -> Any:
            return self.last(self.first(inputs))

    inputs = keras.Input((3,))
    inner = keras.Sequential([keras.Input((3,)), LAYERS.Dense(1)])
    for model in (Own(), keras.Sequential([LAYERS.Dense(1)]), keras.Model(inputs, inner(inputs))):
        model.compile("sgd", "mse")
        losses = quietly(model, X, VALUES, epochs=5).history["loss"]
        assert losses[-1] < losses[0]


def test_whole_numbers_reach_an_embedding_whole() -> None:
    model = keras.Sequential(
        [keras.Input((1,), dtype="int32"), LAYERS.Embedding(5, 2), LAYERS.Flatten(), LAYERS.Dense(1)]
    )
    model.compile("sgd", "mse")
    assert len(quietly(model, np.arange(50) % 5, VALUES).history["loss"]) == 2


def test_data_frames_and_parquet_files_train_like_arrays(tmp_path: Path) -> None:
    frame, column = pd.DataFrame(X, columns=list("abc")), pd.Series(VALUES)
    frame.to_parquet(tmp_path / "x.parquet")
    column.to_frame("y").to_parquet(tmp_path / "y.parquet")
    results = []
    for x, y in [(X, VALUES), (frame, column), (tmp_path / "x.parquet", tmp_path / "y.parquet")]:
        model = network()
        quietly(model, x, y)
        results.append(model.get_weights())
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_a_linear_output_is_fine_where_the_loss_takes_logits() -> None:
    model = keras.Sequential([keras.Input((3,)), LAYERS.Dense(1)])
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    quietly(model, X, YES_NO, class_weight="balanced")


def spoilt(row: int, value: float) -> np.ndarray:
    x = X.copy()
    x[row, 1] = value
    return x


@pytest.mark.parametrize(
    ("task", "x", "y", "words"),
    [
        ("regression", spoilt(4, np.nan), VALUES, ["NaN", "number 1", "row 4"]),
        ("regression", X[:, :2], VALUES, ["(50, 2)", "(rows, 3)"]),
        ("regression", X, VALUES[:49], ["X has 50 rows, y has 49"]),
        ("regression", X, np.stack([VALUES, VALUES], axis=1), ["2 columns", "1 output"]),
        ("regression", X[:0], VALUES[:0], ["no rows"]),
        ("multiclass", X, np.where(CLASSES == 2, 7, CLASSES), ["from 0 to 2", "holds 7"]),
        ("multiclass", X, CLASSES - 1, ["from 0 to 2", "holds -1"]),
        ("multiclass", X, np.eye(3)[CLASSES], ["takes class numbers", "categorical_crossentropy"]),
        ("binary", X, YES_NO + 1, ["labels 0 and 1", "subtract 1"]),
        ("binary", X, np.where(YES_NO, "yes", "no"), ["Number the classes"]),
        ("regression", pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "city": "x"}), VALUES, ["city", "numbers only"]),
    ],
)
def test_data_that_does_not_fit_is_refused_before_training(task: str, x: Any, y: Any, words: list[str]) -> None:
    message = refusal(network(task), x, y)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("regression", {"batch_size": 0}, ["batch_size", "1 or more"]),
        ("regression", {"batch_size": 8.0}, ["batch_size"]),
        ("regression", {"epochs": 0}, ["epochs", "1 or more"]),
        ("regression", {"epochs": True}, ["epochs"]),
        ("regression", {"seed": -1}, ["seed", "0 or more"]),
        ("regression", {"verbose": "loud"}, ["verbose", "auto"]),
        ("regression", {"device": "tpu"}, ["no such device", "cpu:0"]),
        ("regression", {"device": "gpu:99"}, ["no such device"]),
        ("regression", {"early_stopping": 0}, ["patience"]),
        ("regression", {"early_stopping": {"patence": 3}}, ["patience"]),
        ("regression", {"augmentation": {"rotation": 40}}, ["images", "(50, 3)"]),
        ("regression", {"augmentation": {"rotate": 40}}, ["rotate", "did you mean 'rotation'"]),
        ("regression", {"augmentation": {"rotation": 400}}, ["180", "400"]),
        ("regression", {"checkpoint": "best.keras"}, [".h5"]),
        ("regression", {"checkpoint": "no/such/folder/best.h5"}, ["folder"]),
        ("regression", {"callbacks": ["stop"]}, ["callback", "stop"]),
        ("regression", {"callbacks": keras.callbacks.TerminateOnNaN()}, ["list of Keras callbacks"]),
        ("regression", {"callbacks": [keras.callbacks.ReduceLROnPlateau()]}, ["val_loss", "validation_data"]),
        ("regression", {"class_weight": "balanced"}, ["class_weight", "regression"]),
        ("binary", {"class_weight": {0: 1.0}}, ["class_weight", "0, 1"]),
        ("binary", {"class_weight": {0: 1.0, 1: 1.0, 2: 1.0}}, ["class_weight"]),
        ("binary", {"class_weight": {"0": 1.0, "1": 1.0}}, ["class_weight"]),
        ("regression", {"sample_weight": -WEIGHTS}, ["sample_weight", "row 0"]),
        ("regression", {"sample_weight": WEIGHTS[:3]}, ["sample_weight", "(3,)"]),
        ("regression", {"sample_weight": np.zeros(50)}, ["all sample weights are zero"]),
        ("regression", {"validation_data": X}, ["(X, y)"]),
        ("regression", {"validation_data": (X,)}, ["(X, y)"]),
        ("regression", {"validation_data": (X[:0], VALUES[:0])}, ["validation X has no rows"]),
        ("regression", {"validation_data": (X, VALUES[:9])}, ["validation y has 9"]),
        ("regression", {"validation_data": (X[:, :2], VALUES)}, ["validation X", "(rows, 3)"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_arguments_that_do_not_fit_are_refused_before_training(
    task: str, options: dict[str, Any], words: list[str]
) -> None:
    y = {"binary": YES_NO, "multilabel": np.stack([YES_NO, YES_NO], axis=1)}.get(task, VALUES)
    message = refusal(network(task), X, y, **options)
    assert all(word in message for word in words), message


def test_pandas_objects_whose_indexes_differ_are_refused() -> None:
    x = pd.DataFrame(X)
    moved = pd.Series(VALUES, index=range(1, 51))
    assert "different indexes" in refusal(network(), x, moved)
    assert "different indexes" in refusal(network(), x, VALUES, sample_weight=pd.Series(WEIGHTS, index=moved.index))
    assert "different indexes" in refusal(network(), x, VALUES, validation_data=(x, moved))


@pytest.mark.parametrize(
    ("units", "activation", "loss", "words"),
    [
        (1, "sigmoid", "categorical_crossentropy", ["constant", "binary_crossentropy"]),
        (1, "softmax", "binary_crossentropy", ["constant"]),
        (1, "linear", "binary_crossentropy", ["probabilities", "from_logits"]),
        (3, "linear", "sparse_categorical_crossentropy", ["probabilities", "from_logits"]),
        (1, "relu", "mse", ["never below 0"]),
        (1, "tanh", "mse", ["between -1 and 1"]),
    ],
)
def test_networks_that_would_learn_nothing_are_refused(
    units: int, activation: str, loss: str, words: list[str]
) -> None:
    model = keras.Sequential([keras.Input((3,)), LAYERS.Dense(units, activation)])
    model.compile("sgd", loss)
    y = {"mse": VALUES, "sparse_categorical_crossentropy": CLASSES}.get(loss, YES_NO)
    message = refusal(model, X, y)
    assert all(word in message for word in words), message


def test_targets_beyond_a_bounded_output_are_refused() -> None:
    message = refusal(network(output="bounded(-1, 2)"), X, VALUES)
    assert "between -1 and 2" in message
    quietly(network(output=f"bounded({VALUES.min()}, {VALUES.max()})"), X, VALUES)


def test_models_that_fit_cannot_train_are_refused() -> None:
    plain = keras.Sequential([keras.Input((3,)), LAYERS.Dense(1)])
    assert "not compiled" in refusal(plain, X, VALUES)
    inputs = [keras.Input((3,)), keras.Input((3,))]
    both = keras.Model(inputs, LAYERS.Add()(inputs))
    both.compile("sgd", "mse")
    assert "2 inputs" in refusal(both, X, VALUES)


def test_progress_is_told_in_lines_or_not_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    quietly(network(), X, VALUES)
    assert capsys.readouterr() == ("", "")
    quietly(network(), X, VALUES, verbose=2)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[:2] for line in err.splitlines()] == [["epoch", "1/2"], ["epoch", "2/2"]]
    assert "loss" in err


def test_a_bar_closes_when_training_is_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quietly(network(), X, VALUES, verbose=1, callbacks=[Interrupt()])
    quietly(network(), X, VALUES, verbose=1)  # a second bar would not start beside one that is still open
