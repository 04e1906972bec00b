"""A network that is lent to one training after another is as one that was built for each."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import mlp_toolkit as mt
from mlp_toolkit.model.programs import lent
from mlp_toolkit.training import trainer


@pytest.fixture(autouse=True)
def nothing_lent():
    """No network of an earlier test."""
    lent.forget()
    yield
    lent.forget()


@pytest.fixture(scope="module")
def rows():
    """60 rows of three classes."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 4))
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


def fitted(rows, seed, **choices):
    given = {"hidden": [6, 5], "epochs": 2, "validation_fraction": 0.2, **choices}
    return mt.MLPClassifier(random_state=seed, **given).fit(*rows)


def end(estimator, x):
    """All that is to be seen of a training."""
    network = estimator._model.network
    variables = [*network.variables, *network.optimizer.variables]
    state = [np.asarray(variable).tobytes() for variable in variables], estimator.predict_proba(x).tobytes()
    return *state, estimator.history_, network.get_config(), network.get_compile_config()


CHOICES = {
    "plain": {},
    "normalised": {"batch_norm": True, "l2": 0.01, "activation": "leaky_relu"},
    "other weights": {"initializer": "orthogonal", "optimizer": "adagrad", "schedule": "cosine"},
    "a rate that is lowered": {"schedule": "reduce_on_plateau", "early_stopping": 1, "epochs": 4, "learning_rate": 0.5},
    "dropout": {"dropout": 0.3},
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_network_that_was_lent_before_learns_what_one_that_is_built_does(rows, name):
    built = []
    for seed in (1, 2):
        lent.forget()
        built.append(end(fitted(rows, seed, **CHOICES[name]), rows[0]))
    for seed in (1, 2, 2):
        assert len(lent._WAITING) == (name != "dropout")  # what draws at random in each step is built each time
        assert end(fitted(rows, seed, **CHOICES[name]), rows[0]) == built[seed - 1]


def test_estimators_that_are_there_at_once_have_networks_of_their_own(rows):
    first = fitted(rows, 1)
    before = first.predict_proba(rows[0])
    second = fitted(rows, 2)
    assert first._model.network is not second._model.network
    assert (first.predict_proba(rows[0]) == before).all()


def test_a_model_that_someone_keeps_is_lent_to_nobody(rows):
    model = fitted(rows, 1).model_
    weights = model.get_weights()
    assert not lent._WAITING
    fitted(rows, 2)
    assert all((one == other).all() for one, other in zip(model.get_weights(), weights, strict=True))


def test_a_training_that_fails_leaves_nothing_behind(rows, monkeypatch):
    expected = end(fitted(rows, 1), rows[0])
    with monkeypatch.context() as patched:
        patched.setattr(trainer, "_end", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fitted(rows, 3)
    assert end(fitted(rows, 1), rows[0]) == expected


def test_threads_borrow_networks_of_their_own(rows):
    expected = []
    for seed in range(4):
        lent.forget()
        expected.append(fitted(rows, seed).predict_proba(rows[0]))
    found = [None] * 4

    def train(seed):
        for _ in range(3):
            found[seed] = fitted(rows, seed).predict_proba(rows[0])

    threads = [threading.Thread(target=train, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((one == other).all() for one, other in zip(found, expected, strict=True))


def test_the_networks_that_wait_are_bounded_in_number():
    for number in range(lent.MOST + 2):
        lent.network(number, 0, lambda: mt.build_mlp("binary", n_features=2, hidden=[2], seed=0))
    assert len(lent._WAITING) == lent.MOST
