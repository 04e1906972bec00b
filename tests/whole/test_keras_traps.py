"""The traps of `test_traps` are there: what Keras itself does with the same input."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from test_traps import BEFORE, TRAPS


def in_keras(what: str) -> Any:
    """Marks a test that shows what the row says of Keras."""
    assert what in {trap.what for trap in TRAPS}, what
    return lambda test: test


def given() -> Any:
    """The names that stand before every case, and the same random weights at every run."""
    keras.utils.set_random_seed(0)
    names: dict[str, Any] = {}
    exec(compile(BEFORE, "before", "exec"), names)
    return SimpleNamespace(**names)


def trained(model: Any, *arguments: Any, **options: Any) -> dict[str, list[float]]:
    """Keras's own history."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history: dict[str, list[float]] = model.fit(*arguments, **{"verbose": 0, "batch_size": 60, **options}).history
    return history


@in_keras("Categorical cross entropy on one neuron")
def test_keras_gives_the_loss_0_for_one_neuron_over_classes() -> None:
    n = given()
    model = n.own(1, "sigmoid", "categorical_crossentropy", keras.optimizers.SGD(1.0))
    assert trained(model, n.X, n.yes[:, None], epochs=40)["loss"] == [0.0] * 40
    # Its gradient is not 0, but that of a network in which each row has exactly one class: all rows drift to "no".
    assert np.median(np.array(model(n.X))) < 0.01


@in_keras("Softmax on one neuron")
def test_keras_predicts_1_by_softmax_over_one() -> None:
    n = given()
    model = n.own(1, "softmax", "binary_crossentropy")
    trained(model, n.X, n.yes)
    with pytest.warns(UserWarning, match="softmax"):
        np.testing.assert_allclose(np.array(model(n.X)), 1, rtol=1e-6)  # to the bit on most processors


@in_keras("A metric of your own, and targets (rows,)")
def test_keras_compares_each_target_with_each_prediction() -> None:
    n = given()

    def squared_error(y: Any, predicted: Any) -> Any:
        return keras.ops.mean((y - predicted) ** 2)

    model = n.own(1, "linear", "mse", keras.optimizers.SGD(1e-12), metrics=[squared_error])
    # It knows one feature of two: about 4 beside the row's own target, 6 beside any row's.
    model.set_weights([np.array([[1.0], [0.0], [0.0]]), np.zeros(1)])
    history = trained(model, n.X, n.amount)
    every = np.mean((n.amount[None, :] - np.array(model(n.X))) ** 2)
    assert history["squared_error"][0] == pytest.approx(every, rel=1e-4)
    assert history["squared_error"][0] != pytest.approx(history["loss"][0], rel=0.05)


@in_keras("More target columns than outputs")
def test_keras_trains_one_output_towards_two_columns() -> None:
    n = given()
    assert np.isfinite(trained(n.own(1, "linear", "mse"), n.X, n.X[:, :2])["loss"][0])


@in_keras("Fewer target columns than outputs")
def test_keras_trains_three_outputs_towards_one_column() -> None:
    n = given()
    assert np.isfinite(trained(n.own(3, "linear", "mse"), n.X, n.X[:, :1])["loss"][0])


@in_keras("Class numbers that are not whole")
def test_keras_takes_class_numbers_that_are_not_whole() -> None:
    n = given()
    assert np.isfinite(trained(n.built("multiclass"), n.X, n.kind * 0.85)["loss"][0])


@pytest.mark.parametrize(
    ("what", "case", "words"),
    [
        ("Not compiled", lambda n: (keras.Sequential([keras.Input((3,))]), n.X, n.amount), "call `compile\\(\\)`"),
        (
            "One-hot rows with the sparse loss",
            lambda n: (n.built("multiclass"), n.X, np.eye(3)[n.kind]),
            "must have rank",
        ),
        (
            "Class numbers with the one-hot loss",
            lambda n: (n.built("multiclass", loss="categorical_crossentropy"), n.X, n.kind),
            "must have the same rank",
        ),
        (
            "One-hot rows of two classes for one output",
            lambda n: (n.built("binary"), n.X, np.eye(2)[n.yes]),
            "must have the same shape",
        ),
        ("Classes as words", lambda n: (n.built("binary"), n.X, np.where(n.yes, "yes", "no")), "Invalid dtype: str96"),
        (
            "Columns of words",
            lambda n: (n.built("binary"), pd.DataFrame(n.X).assign(c="a"), n.yes),
            "Invalid dtype: str",
        ),
        ("Targets of another length", lambda n: (n.built("binary"), n.X, n.yes[:50]), "cardinality is ambiguous"),
        ("Another number of columns", lambda n: (n.built("binary"), n.X[:, :2], n.yes), "incompatible with the layer"),
        ("No targets", lambda n: (n.built("binary"), n.X), "None values not supported"),
        (
            "Balanced class weights",
            lambda n: (n.built("binary"), n.X, n.yes, {"class_weight": "balanced"}),
            "'str' object has no attribute 'get'",
        ),
        (
            "Class weights and sample weights",
            lambda n: (n.built("binary"), n.X, n.yes, {"class_weight": {0: 1.0, 1: 2.0}, "sample_weight": np.ones(60)}),
            "at the same time",
        ),
        (
            "Empty lists for validation",
            lambda n: (n.built("binary"), n.X, n.yes, {"validation_data": ([], [])}),
            "pop from an empty set",
        ),
        ("Batch size −1", lambda n: (n.built("binary"), n.X, n.yes, {"batch_size": -1}), "Invalid value in tensor"),
        (
            "Batch size 8.0",
            lambda n: (n.built("binary"), n.X, n.yes, {"batch_size": 8.0}),
            "passed to parameter 'size'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keras_has_words_of_its_own(what: str, case: Any, words: str) -> None:
    model, *arguments = case(given())
    options = arguments.pop() if isinstance(arguments[-1], dict) else {}
    in_keras(what)
    with pytest.raises((ValueError, TypeError, AttributeError, KeyError), match=words):
        trained(model, *arguments, **options)


@in_keras("Yes and no as 2 and 1")
def test_keras_trains_on_labels_1_and_2_without_an_end() -> None:
    n = given()
    model = n.own(1, "sigmoid", "binary_crossentropy", keras.optimizers.SGD(1.0))
    losses = trained(model, n.X, n.yes + 1, epochs=20)["loss"]
    assert losses[-1] < losses[9] < losses[4] < 0


@in_keras("A positive output and negative targets")
def test_keras_trains_a_positive_output_towards_what_it_never_reaches() -> None:
    n = given()
    model = n.own(1, "relu", "mse")
    trained(model, n.X, -np.abs(n.amount) - 1, epochs=20)
    least = np.mean((np.abs(n.amount) + 1) ** 2)
    assert np.mean((np.array(model(n.X))[:, 0] + np.abs(n.amount) + 1) ** 2) >= least


@in_keras("A missing number")
def test_keras_trains_on_with_nan() -> None:
    n = given()
    model = n.own(1, "sigmoid", "binary_crossentropy", metrics=["accuracy"])
    history = trained(model, np.where(n.X > 2, np.nan, n.X), n.yes, epochs=3)
    assert np.isnan(history["loss"]).all()
    assert np.isfinite(history["accuracy"]).all()
    assert len(history["loss"]) == 3
    assert np.isnan(model.get_weights()[0]).all()


@in_keras("A missing target")
def test_keras_trains_on_with_a_missing_target() -> None:
    n = given()
    model = n.own(1, "linear", "mse")
    history = trained(model, n.X, np.where(np.arange(60) == 7, np.nan, n.amount), epochs=3)
    assert np.isnan(history["loss"]).all()
    assert np.isnan(model.get_weights()[0]).all()


@in_keras("A target frame whose rows are in another order")
def test_keras_ignores_an_index() -> None:
    n = given()
    shuffled = pd.Series(n.yes).sample(frac=1, random_state=0)
    losses = [
        trained(n.built("binary"), pd.DataFrame(n.X), y)["loss"] for y in (shuffled, shuffled.to_numpy()[:, None])
    ]
    assert losses[0] == pytest.approx(losses[1])


@in_keras("No rows")
@in_keras("No epochs")
def test_keras_is_content_with_nothing() -> None:
    n = given()
    assert trained(n.built("binary"), n.X[:0], n.yes[:0]) == {}
    assert trained(n.built("binary"), n.X, n.yes, epochs=0) == {}


@in_keras("No validation rows")
def test_keras_drops_empty_validation() -> None:
    n = given()
    history = trained(n.built("binary"), n.X, n.yes, validation_data=(n.X[:0], n.yes[:0]))
    assert not [name for name in history if name.startswith("val_")]


@in_keras("Classes as text")
@in_keras("A class without a weight")
@in_keras("A weight without a class")
def test_keras_ignores_class_weights_that_do_not_fit() -> None:
    n = given()
    losses = [
        trained(n.built("binary"), n.X, n.yes, class_weight=weights)["loss"][0]
        for weights in (None, {"0": 100.0, "1": 100.0}, {1: 1.0}, {0: 1.0, 1: 1.0, 2: 9.0})
    ]
    assert losses == pytest.approx([losses[0]] * 4)


@in_keras("Class weights for several labels a row")
def test_keras_weighs_a_row_of_labels_by_its_first() -> None:
    n = given()
    both = np.ones((60, 3), int)  # all labels are 1: the first of them decides
    losses = [
        trained(n.built("multilabel"), n.X, both, class_weight=weights)["loss"][0]
        for weights in (None, {0: 5.0, 1: 1.0, 2: 1.0}, {0: 1.0, 1: 5.0, 2: 5.0})
    ]
    assert losses == pytest.approx([losses[0], 5 * losses[0], losses[0]], rel=1e-4)


@in_keras("Class weights for numbers")
def test_keras_weighs_numbers_by_their_rounded_value() -> None:
    n = given()
    plain, weighted = (
        trained(
            n.own(1, "linear", "mse", keras.optimizers.SGD(1e-12)), n.X, np.full((60, 1), 0.4), class_weight=weights
        )
        for weights in (None, {0: 10.0, 1: 1.0})
    )
    assert np.isfinite([plain["loss"][0], weighted["loss"][0]]).all()
    model = n.own(1, "linear", "mse", keras.optimizers.SGD(1e-12))
    weighted = trained(model, n.X, np.full((60, 1), 0.4), class_weight={0: 10.0, 1: 1.0})
    error = np.mean((np.array(model(n.X)) - 0.4) ** 2)
    assert weighted["loss"][0] == pytest.approx(10 * error, rel=1e-3)


@in_keras("Class weights and the validation loss")
def test_keras_weighs_one_loss_and_not_the_other() -> None:
    n = given()
    model = n.own(1, "sigmoid", "binary_crossentropy", keras.optimizers.SGD(1e-12))
    history = trained(model, n.X, n.yes, class_weight={0: 10.0, 1: 10.0}, validation_data=(n.X, n.yes))
    assert history["loss"][0] == pytest.approx(10 * history["val_loss"][0], rel=1e-3)


@in_keras("Negative sample weights")
@in_keras("Sample weights that are all 0")
@in_keras("A missing sample weight")
def test_keras_takes_any_sample_weight() -> None:
    n = given()
    loss = [
        trained(n.own(1, "sigmoid", "binary_crossentropy"), n.X, n.yes, sample_weight=weights)["loss"][0]
        for weights in (-np.ones(60), np.zeros(60), np.where(np.arange(60) == 3, np.nan, 1.0))
    ]
    assert loss[0] < 0
    assert loss[1] == 0
    assert np.isnan(loss[2])


@in_keras("A share of the rows for validation, from a sorted table")
def test_keras_takes_the_last_rows_for_validation() -> None:
    n = given()
    order = np.argsort(n.amount)
    X, y = n.X[order], n.yes[order]
    model = n.own(1, "sigmoid", "binary_crossentropy")
    history = trained(model, X, y, validation_split=0.2)
    assert (y[-12:] == 1).all()
    assert history["val_loss"][0] == pytest.approx(float(model.evaluate(X[-12:], y[-12:], verbose=0)), rel=1e-4)


@in_keras("A share above 1")
@in_keras("A share below 0")
@in_keras("A share and rows of their own")
def test_keras_takes_any_share() -> None:
    n = given()
    assert set(trained(n.own(1, "sigmoid", "binary_crossentropy"), n.X, n.yes, validation_split=20)) == {"val_loss"}
    assert set(trained(n.own(1, "sigmoid", "binary_crossentropy"), n.X, n.yes, validation_split=-0.1)) == {"loss"}
    both = {"validation_split": 20, "validation_data": (n.X, n.yes)}
    assert set(trained(n.own(1, "sigmoid", "binary_crossentropy"), n.X, n.yes, **both)) == {"loss", "val_loss"}


@in_keras("Early stopping by a metric that is not there")
@in_keras("Early stopping by validation rows that are not there")
def test_keras_never_stops_by_what_is_not_there() -> None:
    n = given()
    for name in ("val_acc", "val_loss"):
        stop = keras.callbacks.EarlyStopping(name, mode="max", patience=1)
        model = n.own(1, "sigmoid", "binary_crossentropy", metrics=["accuracy"])
        assert len(trained(model, n.X, n.yes, epochs=6, callbacks=[stop])["loss"]) == 6


@in_keras("Batch size 0")
@in_keras("Batch size True")
def test_keras_takes_batches_of_0_and_of_true() -> None:
    n = given()
    for size in (0, True):
        assert trained(n.own(1, "sigmoid", "binary_crossentropy"), n.X, n.yes, batch_size=size)["loss"]


@in_keras("Learning rate 0")
@in_keras("A negative learning rate")
@in_keras("Learning rate NaN")
@in_keras("Learning rate 100")
def test_keras_takes_any_learning_rate() -> None:
    n = given()
    losses = [
        trained(n.own(1, "sigmoid", "binary_crossentropy", keras.optimizers.SGD(rate)), n.X, n.yes, epochs=3)["loss"]
        for rate in (0.0, -1.0, float("nan"), 100.0)
    ]
    assert losses[0] == pytest.approx([losses[0][0]] * 3)
    assert losses[1][0] < losses[1][1] < losses[1][2]
    assert np.isnan(losses[2][1:]).all()
    assert np.isfinite(losses[3]).all()


@in_keras("`decay`")
@in_keras("`lr`")
def test_keras_ignores_decay_and_does_not_know_lr() -> None:
    with pytest.warns(UserWarning, match="no longer supported and will be ignored"):
        keras.optimizers.Adam(decay=0.01)
    with pytest.raises(ValueError, match="not recognized"):
        keras.optimizers.Adam(lr=0.1)


@in_keras("Features that are not scaled")
def test_keras_trains_to_the_end_on_features_that_are_not_scaled() -> None:
    n = given()
    losses = trained(n.own(1, "linear", "mse"), 1e6 * n.X, n.amount, epochs=12)["loss"]
    assert len(losses) == 12
    assert np.isnan(losses[-1])


@in_keras("A score where one class does not occur")
def test_keras_gives_the_auc_0_where_one_class_does_not_occur() -> None:
    auc = keras.metrics.AUC()
    auc.update_state([0, 0, 0], [0.1, 0.2, 0.9])
    assert float(auc.result()) == 0
