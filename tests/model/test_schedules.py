"""The learning rate goes on from step to step as the recipe says."""

from __future__ import annotations

import numpy as np
import pytest

import mlp_toolkit as mt
from mlp_toolkit.model.parts.optimizers import Staged, make_optimizer
from mlp_toolkit.recipe import resolving, spec
from mlp_toolkit.storage import inspecting


def rates(optimizer, steps):
    rate = optimizer.get_config()["learning_rate"]
    schedule = optimizer._learning_rate  # Keras shows the rate of the current step only
    assert isinstance(rate, dict)
    return np.array([float(schedule(step)) for step in range(steps)])


def test_a_warm_up_rises_in_equal_parts_and_then_the_schedule_goes_on():
    plain = rates(make_optimizer("sgd", "cosine", steps=10, epochs=10), 100)
    schedule = spec.Schedule(name="cosine", warmup=2)
    warmed = rates(make_optimizer("sgd", schedule, steps=10, epochs=10), 100)
    np.testing.assert_allclose(warmed[:20], plain[:20] * np.arange(1, 21) / 20, rtol=1e-5)
    np.testing.assert_allclose(warmed[20:], plain[20:], rtol=1e-5, atol=1e-9)


def test_a_warm_up_to_a_constant_rate():
    warmed = rates(make_optimizer("sgd", spec.Schedule(name="constant", warmup=0.5), steps=4, epochs=2), 8)
    np.testing.assert_allclose(warmed, [0.005, *[0.01] * 7], rtol=1e-6)


def test_the_rate_is_lowered_from_an_epoch_on():
    lowered = rates(make_optimizer("sgd", "exponential", steps=5, epochs=4, lowered=(2, 0.1)), 20)
    plain = 0.01 * 0.01 ** (np.arange(20) / 20)
    np.testing.assert_allclose(lowered, plain * np.where(np.arange(20) >= 10, 0.1, 1), rtol=1e-5)


def test_a_schedule_trains_compiled_and_goes_on_from_the_file(tmp_path):
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    schedule = spec.Schedule(name="cosine", warmup=1)
    model = mt.build_mlp(
        "regression", n_features=4, optimizer=make_optimizer("momentum", schedule, steps=4, epochs=6), seed=0
    )
    history = mt.fit(model, x, x[:, 0], epochs=3, batch_size=16, verbose=0)
    assert history.engine == "graph"
    assert float(model.optimizer.learning_rate) == pytest.approx(float(model.optimizer._learning_rate(12)))
    mt.save(model, tmp_path / "model.h5")
    again = mt.load(tmp_path / "model.h5")
    assert isinstance(again.optimizer._learning_rate, Staged)
    assert int(again.optimizer.iterations) == 12
    for one in (model, again):
        mt.fit(one, x, x[:, 0], epochs=2, batch_size=16, verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert inspecting.inspect(tmp_path / "model.h5")["refused"] == []


def load(tmp_path, train, model="{}"):
    (tmp_path / "r.yaml").write_text(
        f"task: binary\ndata: {{dataset: breast_cancer, target: target}}\ntrain: {train}\nmodel: {model}\n"
    )
    return resolving.load_recipe(tmp_path / "r.yaml")


def test_a_schedule_is_a_name_or_a_mapping(tmp_path):
    assert load(tmp_path, "{schedule: cosine}").spec.train.schedule == spec.Schedule(name="cosine")
    assert load(tmp_path, "{schedule: {name: cosine, warmup: 3}}").spec.train.schedule.warmup == 3
    assert load(tmp_path, "{schedule: null}").spec.train.schedule is None
    assert load(tmp_path, "{schedule: cosine}").values["train"]["schedule"] == "cosine"


@pytest.mark.parametrize(
    ("train", "model", "words"),
    [
        ("{schedule: cosin}", "{}", r"r\.yaml:3:9: train\.schedule.*\n.*\n.*\n.*did you mean 'cosine'"),
        ("{schedule: {name: cosine, warmup: 0}}", "{}", "greater than 0|above 0|> 0"),
        ("{schedule: {name: cosine, warmup: 5}, epochs: 5}", "{}", "all 5 epochs"),
        ("{schedule: {name: one_cycle, warmup: 1}}", "{}", "warm-up of its own"),
        ("{schedule: {name: reduce_on_plateau, warmup: 1}}", "{}", "full rate"),
        ("{schedule: reduce_on_plateau}", "{warm_start: {from: a.h5}}", "two things would lower the rate"),
    ],
)
def test_schedules_that_do_not_fit_are_refused(tmp_path, train, model, words):
    with pytest.raises(mt.UserError, match=words):
        load(tmp_path, train, model)
