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


@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_several_at_once_are_those_that_would_follow_one_another(sampler: Any, tmp_path: Path) -> None:
    tune = Tune.model_validate(
        {"trials": 9, "seconds": None, "metric": "auto", "space": "auto", "sampler": sampler, "pruner": "none"}
    )
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
