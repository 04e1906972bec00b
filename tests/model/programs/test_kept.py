"""A network like one before it trains through the program that is there, and comes to what it would come to alone."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest

import mlp_toolkit as mt
from mlp_toolkit.model.programs import kept
from mlp_toolkit.training.engine import compiled, epoch

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
OPTIMIZERS = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "nadam", "adamw"]


@pytest.fixture(autouse=True)
def nothing_kept():
    """No program of an earlier test."""
    kept.forget()
    yield
    kept.forget()


@pytest.fixture
def traced(monkeypatch):
    """What was traced, one entry each time."""
    calls, trace = [], compiled._traced
    monkeypatch.setattr(compiled, "_traced", lambda *given: calls.append(given) or trace(*given))
    return calls


@pytest.fixture(params=["graph", "xla"])
def engine(request, monkeypatch):
    """Makes `fit` use one engine."""
    monkeypatch.setattr(epoch, "_engines", lambda *_: [request.param])
    return request.param


@pytest.fixture(scope="module")
def rows():
    """150 rows, and 40 to validate on."""
    random = np.random.default_rng(0)
    x = random.normal(size=(190, 5)).astype("float32")
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    return x[:150], y[:150], (x[150:], y[150:])


def built(seed=0, **choices):
    return mt.build_mlp("binary", n_features=5, hidden=[12, 8], seed=seed, **choices)


def trained(model, rows, **options):
    x, y, validation = rows
    given = {"epochs": 2, "batch_size": 32, "validation_data": validation, "seed": 3, "verbose": 0}
    return mt.fit(model, x, y, **{**given, **options})


def state(model):
    """All that training changes, as bytes."""
    return [np.asarray(v).tobytes() for v in [*model.variables, *model.optimizer.variables]]


def alone(make, rows, **options):
    """The end of a network that is the first of its kind."""
    kept.forget()
    model = make()
    history = trained(model, rows, **options)
    kept.forget()
    return state(model), history.history


@pytest.mark.parametrize("optimizer", ["adam", *(pytest.param(name, marks=pytest.mark.slow) for name in OPTIMIZERS)])
def test_networks_trained_in_turns_end_on_the_bits_of_each_alone(rows, engine, traced, optimizer):
    choices = {"dropout": 0.3, "batch_norm": True, "optimizer": optimizer}
    whole = [alone(lambda seed=seed: built(seed, **choices), rows, epochs=4, shuffle=False) for seed in (0, 1)]
    traced.clear()
    models = [built(seed, **choices) for seed in (0, 1)]
    losses = [[], []]
    for _ in range(2):
        for place, model in enumerate(models):
            losses[place] += trained(model, rows, shuffle=False).history["loss"]
    assert len(traced) == 2  # one for training, one for validation
    for model, seen, (end, history) in zip(models, losses, whole, strict=True):
        assert state(model) == end
        assert seen == history["loss"]


def test_numbers_that_change_cost_no_program(rows, engine, traced):
    first = built(optimizer={"name": "adam", "learning_rate": 0.01})
    trained(first, rows, class_weight="balanced", sample_weight=np.ones(150))
    count = len(traced)
    for seed, rate in enumerate((0.1, 0.0001), 1):
        again = built(seed, optimizer={"name": "adam", "learning_rate": rate})
        weights = np.random.default_rng(seed).uniform(0, 2, 150)
        history = trained(again, rows, class_weight={0: 1.0, 1: rate}, sample_weight=weights, epochs=3, seed=seed)
        end, expected = alone(
            lambda seed=seed, rate=rate: built(seed, optimizer={"name": "adam", "learning_rate": rate}),
            rows,
            class_weight={0: 1.0, 1: rate},
            sample_weight=weights,
            epochs=3,
            seed=seed,
        )
        assert (state(again), history.history) == (end, expected)
        trained(
            built(optimizer={"name": "adam", "learning_rate": 0.01}),
            rows,
            class_weight="balanced",
            sample_weight=weights,
        )
    # Each time it was alone, and once more when what was kept had been forgotten.
    assert len(traced) == count + 2 * 2 + 2 * 2


def test_like_numbers_of_rows_share_a_program(rows, engine, traced):
    x, y, validation = rows
    for count in (150, 149, 141, 130):
        model = built()
        mt.fit(model, x[:count], y[:count], validation_data=validation, epochs=1, batch_size=32, verbose=0)
        keras_own = built()
        keras_own.fit(x[:count], y[:count, None], epochs=1, batch_size=32, shuffle=False, verbose=0)
        ours = built()
        mt.fit(
            ours, x[:count], y[:count], validation_data=validation, epochs=1, batch_size=32, shuffle=False, verbose=0
        )
        for own, theirs in zip(ours.get_weights(), keras_own.get_weights(), strict=True):
            assert np.allclose(own, theirs, atol=1e-6)
    assert len(traced) == 2


CHANGES = {
    "a layer frozen": lambda model: setattr(model.layers[1], "trainable", False),
    "another loss": lambda model: model.compile(keras.optimizers.Adam(), "mean_squared_error", metrics=["accuracy"]),
    "another optimizer": lambda model: model.compile(keras.optimizers.Adam(beta_1=0.5), model.loss),
    "another metric": lambda model: model.compile(keras.optimizers.Adam(), model.loss, metrics=["mae"]),
    "a metric of another name": lambda model: model.compile(
        keras.optimizers.Adam(), model.loss, metrics=[keras.metrics.BinaryAccuracy(name="right")]
    ),
    "a decay": lambda model: setattr(model.optimizer, "weight_decay", 0.1),
    "another activation": lambda model: setattr(model.layers[1], "activation", keras.activations.tanh),
    "an activation of one's own": lambda model: setattr(model.layers[1], "activation", lambda x: x * 0.1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_after_compilation_is_noticed(rows, change):
    def changed():
        model = built()
        CHANGES[change](model)
        if change == "a layer frozen":
            model.compile(keras.optimizers.Adam(), model.loss)
        return model

    end, expected = alone(changed, rows, validation_data=None)
    trained(built(), rows, validation_data=None)
    model = changed()
    history = trained(model, rows, validation_data=None)
    assert (state(model), history.history) == (end, expected)


def test_a_function_of_ones_own_is_nobody_elses(rows, traced):
    def relu(x):  # called as Keras's own is
        return keras.ops.tanh(x)

    def made(activation):
        inputs = keras.Input((5,))
        model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(keras.layers.Dense(4, activation)(inputs)))
        model.compile("sgd", "binary_crossentropy")
        return model

    trained(made("relu"), rows)
    before = len(traced)
    trained(made(relu), rows)
    trained(made(relu), rows)
    assert len(traced) == before + 4  # each has its own two


def test_layers_are_called_by_their_places_and_nothing_else_is(rows, traced):
    """A layer that has the name of an activation must not hide which activation it has."""

    def made(name):
        inputs = keras.Input((5,), name="x")
        model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(keras.layers.Dense(4, name, name=name)(inputs)))
        model.compile("sgd", "binary_crossentropy")
        return model

    for name in ("tanh", "relu"):
        expected, _ = alone(lambda name=name: seeded(made(name)), rows)
        trained(made("tanh"), rows)
        model = seeded(made(name))
        trained(model, rows)
        assert state(model) == expected


def seeded(model):
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def test_threads_do_not_meddle_with_each_other(rows, engine):
    expected = [alone(lambda seed=seed: built(seed, dropout=0.2), rows, epochs=30)[0] for seed in range(4)]
    trained(built(dropout=0.2), rows, epochs=1)
    models = [built(seed, dropout=0.2) for seed in range(4)]
    threads = [threading.Thread(target=trained, args=(model, rows), kwargs={"epochs": 30}) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [state(model) for model in models] == expected


def test_dead_neurons_are_those_of_the_network_that_was_trained(rows, caplog):
    trained(built(), rows)
    dead = built()
    first, second = dead.layers[1:3]
    first.set_weights([first.get_weights()[0], np.full(12, -1e3)])  # nothing comes to the second layer, either
    trained(dead, rows)
    assert [record.message.split(":")[0] for record in caplog.records] == [first.name, second.name]
    assert "12 of 12" in caplog.text
    trained(built(), rows)
    assert len(caplog.records) == 2


def test_programs_are_bounded_in_number(rows, monkeypatch):
    monkeypatch.setattr(kept, "MOST", 5)
    for width in range(2, 2 + kept.MOST):
        mt.fit(mt.build_mlp("binary", n_features=5, hidden=[width]), rows[0], rows[1], epochs=1, verbose=0)
    assert len(kept._PROGRAMS) == kept.MOST


def test_predictions_share_a_program_and_go_by_their_own_weights(rows):
    x = rows[0]
    for seed in range(3):
        model = built(seed)
        assert np.allclose(mt.predict(model, x), model.predict(x, verbose=0), atol=1e-6)
        model.set_weights([weight * 2 for weight in model.get_weights()])
        assert np.allclose(mt.predict(model, x), model.predict(x, verbose=0), atol=1e-6)
    assert len([key for key in kept._PROGRAMS if key[0][0] == "predict"]) == 1


@pytest.mark.slow
def test_a_hundred_trainings_leave_nothing_behind():
    """The memory of a process after the tenth and the hundredth; the system first takes back what is free."""
    program = "import again; print(again.a_hundred()[2])"
    done = subprocess.run([sys.executable, "-c", program], cwd=BENCHMARKS, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 10  # 50 where nothing is kept
