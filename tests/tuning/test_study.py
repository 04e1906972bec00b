"""What is chosen for several trials at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlp_toolkit.recipe.spec import Range, Tune, Values
from mlp_toolkit.tuning import study

SPACE = {
    "model.dropout": Range(min=0.0, max=0.5, step=0.25, log=False),
    "model.hidden": Values(values=[[4], [8], [16]]),
}


def tune_of(**values: Any) -> Tune:
    usual = {"trials": 9, "seconds": None, "metric": "auto", "space": "auto", "sampler": "random", "pruner": "none"}
    return Tune.model_validate({**usual, **values})


@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_several_at_once_are_those_that_would_follow_one_another(sampler: Any, tmp_path: Path) -> None:
    tune = tune_of(sampler=sampler)
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    after_another = study.open_study(tmp_path / "one", tune, 10)
    chosen = []
    for _ in range(9):
        trial = study.next_trial(after_another, tune, SPACE, 3)
        chosen.append(trial.params)
        after_another.tell(trial.number, 1.0)
    at_once = study.open_study(tmp_path / "many", tune, 10)
    running = [study.next_trial(at_once, tune, SPACE, 3, range(number)) for number in range(4)]
    assert [trial.params for trial in running] == chosen[:4]
    at_once.tell(2, 1.0)
    running.append(study.next_trial(at_once, tune, SPACE, 3, {0, 1, 3}))
    assert running[-1].params == chosen[4]
    # the process is killed, and another goes on with those that ran, whatever their order
    again = [study.next_trial(at_once, tune, SPACE, 3, busy).number for busy in ((), (0,), (0, 1), (0, 1, 3))]
    assert again == [0, 1, 3, 4]
    assert study.next_trial(at_once, tune, SPACE, 3, {0, 1, 3, 4}).params == chosen[5]


def test_a_grid_has_its_last_step_where_sums_of_steps_pass_it(tmp_path: Path) -> None:
    tune, space = tune_of(sampler="grid"), {"model.dropout": Range(min=0.0, max=0.3, step=0.1, log=False)}
    opened, found = study.open_study(tmp_path, tune, 10), []
    while (trial := study.next_trial(opened, tune, space, 0)) is not None:
        found.append(study.overrides_of(trial.params, space)["model.dropout"])
        opened.tell(trial.number, 1.0)
    assert found == [0.0, 0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("choices", "own", "held"),
    [
        (Range(min=0.0, max=0.5, step=0.1, log=False), 0.3, True),
        (Range(min=0.0, max=0.5, step=0.1, log=False), 0.25, False),
        (Range(min=1, max=9, step=None, log=False), 4, True),
        (Range(min=0, max=1, step=None, log=False), 0.5, False),
        (Range(min=16, max=64, step=None, log=True), 32, True),
        (Range(min=1e-4, max=1e-2, step=None, log=True), 0.001, True),
        (Range(min=1e-4, max=1e-2, step=None, log=True), "auto", False),
        (Values(values=["relu", "tanh"]), "tanh", True),
        (Values(values=["relu", "tanh"]), "elu", False),
    ],
)
def test_a_recipe_is_tried_first_where_the_space_holds_it(choices: Any, own: Any, held: bool, tmp_path: Path) -> None:
    tune, space = tune_of(), {"key": choices}
    opened = study.open_study(tmp_path, tune, 10)
    study.try_first(opened, space, {"key": own})
    assert len(opened.get_trials()) == held
    trial = study.next_trial(opened, tune, space, 0)
    assert trial is not None
    assert (study.overrides_of(trial.params, space)["key"] == own) == held
