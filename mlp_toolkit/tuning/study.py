"""Optuna's study: its journal in the run directory, and what lets a search go on after a kill as if there were none."""

from __future__ import annotations

import importlib
import itertools
import math
import warnings
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mlp_toolkit.errors import MissingExtra
from mlp_toolkit.recipe.spec import Range, Tune, Values
from mlp_toolkit.runs.directory import JOURNAL

if TYPE_CHECKING:
    import optuna

NAME, REASON = "tune", "reason"
RANDOM_TRIALS = 10  # before the sampler looks at those that were


def load_optuna() -> Any:
    """Optuna, silent.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        with warnings.catch_warnings():  # in a notebook without ipywidgets; its bars are not drawn
            warnings.filterwarnings("ignore", "IProgress not found")
            optuna = importlib.import_module("optuna")
    except ImportError:
        raise MissingExtra("tune", "a search for hyperparameters") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def open_study(directory: Path, tune: Tune, epochs: int) -> optuna.Study:
    """The study of a run directory, new or gone on with; the lower a value the better."""
    package = load_optuna()
    journal = package.storages.journal.JournalFileBackend(str(directory / JOURNAL))
    study: optuna.Study = package.create_study(
        storage=package.storages.JournalStorage(journal),
        study_name=NAME,
        direction="minimize",
        load_if_exists=True,
        pruner=_pruner(package, tune, epochs),
    )
    return study


def _pruner(optuna: Any, tune: Tune, epochs: int) -> Any:
    """What ends a trial that is worse than others were after as many epochs."""
    if tune.pruner == "none":
        return optuna.pruners.NopPruner()
    if tune.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, epochs // 10))
    return optuna.pruners.HyperbandPruner(min_resource=max(1, epochs // 9), max_resource=epochs, reduction_factor=3)


def _in_memory(trials: Iterable[optuna.trial.FrozenTrial], *, pruner: Any, sampler: Any = None) -> optuna.Study:
    """A study with copies of another's trials; what happens in it the journal does not hear of."""
    copy: optuna.Study = load_optuna().create_study(
        study_name=NAME, direction="minimize", pruner=pruner, sampler=sampler
    )
    copy.add_trials(trials)
    return copy


def distributions(space: Mapping[str, Range | Values]) -> dict[str, Any]:
    """Optuna's distributions by key; values of any type are named by their place in the list."""
    of = importlib.import_module("optuna.distributions")
    found: dict[str, Any] = {}
    for key, choices in space.items():
        if isinstance(choices, Values):
            found[key] = of.CategoricalDistribution(tuple(range(len(choices.values))))
        elif _whole(choices):
            found[key] = of.IntDistribution(choices.min, choices.max, log=choices.log, step=int(choices.step or 1))
        else:
            step = None if choices.step is None else float(choices.step)
            found[key] = of.FloatDistribution(float(choices.min), float(choices.max), log=choices.log, step=step)
    return found


def _whole(choices: Range) -> bool:
    """Whether a range is one of whole numbers."""
    return all(isinstance(end, int) for end in (choices.min, choices.max, choices.step or 1))


def overrides_of(params: Mapping[str, Any], space: Mapping[str, Range | Values]) -> dict[str, Any]:
    """What Optuna has chosen, as values of the recipe; trials of a smaller space leave the recipe's own."""
    found = {}
    for key, choices in space.items():
        if key not in params:
            continue
        value = params[key]
        if isinstance(choices, Values):
            value = choices.values[value]
        elif choices.step is not None and isinstance(value, float):
            value = round(value, 12)  # 0.3 rather than 0.30000000000000004
        found[key] = value
    return found


def try_first(study: optuna.Study, space: Mapping[str, Range | Values], own: Mapping[str, Any]) -> None:
    """Makes the recipe's own values the first trial, if the space holds them: what is found is no worse than they are.

    Args:
        study: Nothing happens once it has trials.
        space: The choices by key.
        own: What the recipe has for each key.
    """
    if study.get_trials(deepcopy=False):
        return
    found: dict[str, Any] = {}
    for key, choices in space.items():
        value = own[key]
        if isinstance(choices, Values):
            if value not in choices.values:
                return
            found[key] = choices.values.index(value)
        elif not _holds(choices, value):
            return
        else:
            found[key] = value
    _begin(study, found, distributions(space))


def _holds(choices: Range, value: Any) -> bool:
    """Whether a range holds a value, on one of its steps where it has such."""
    if not isinstance(value, int | float) or not choices.min <= value <= choices.max:
        return False
    step = choices.step or (1 if _whole(choices) else None)
    steps = (value - choices.min) / step if step else 0.0
    return abs(steps - round(steps)) < 1e-8


def next_trial(
    study: optuna.Study,
    tune: Tune,
    space: Mapping[str, Range | Values],
    seed: int,
    carried_out: Collection[int] = (),
) -> optuna.Trial | None:
    """The trial to carry out: one in whose midst a process was killed, or a new one; None once a grid is through.

    What is chosen depends on the seed and the trials that ended, so that it is the same whether there was a kill. With
    several at once the random sampler and a grid choose what they choose for one after another.

    Args:
        study: The study.
        tune: How it is searched.
        space: The choices by key.
        seed: The recipe's.
        carried_out: The numbers of the trials that others are at.
    """
    package = load_optuna()
    wanted = distributions(space)
    running = study.get_trials(deepcopy=False, states=(package.trial.TrialState.RUNNING,))
    for left in running:
        if left.number in carried_out:
            continue
        if {*left.params} == {*wanted}:
            return cast("optuna.Trial", package.trial.Trial(study, left._trial_id))  # the same one goes on
        study.tell(left.number, state=package.trial.TrialState.FAIL)
    before = len(finished(study)) + len(carried_out)
    if tune.sampler == "grid":
        grid = _grid(space)
        return _begin(study, grid[before], wanted) if before < len(grid) else None
    # The random sampler looks at no others. TPE looks at all: with Hyperband's own pruner Optuna would show it those of
    # a bracket alone, and a search of fifty trials would hardly come to an end of its random ones.
    seen = study.get_trials(deepcopy=False) if tune.sampler == "tpe" else []
    sampler = _sampler(package, tune, [seed, before], several=bool(carried_out))
    asked = _in_memory(seen, pruner=package.pruners.NopPruner(), sampler=sampler)
    return _begin(study, asked.ask(wanted).params, wanted)


def _begin(study: optuna.Study, values: Mapping[str, Any], wanted: Mapping[str, Any]) -> optuna.Trial:
    """A new trial; it and its values are one line of the journal, so that a kill leaves none that is half chosen."""
    package = load_optuna()
    state = package.trial.TrialState.RUNNING
    study.add_trial(package.trial.create_trial(state=state, params=dict(values), distributions=dict(wanted)))
    return cast("optuna.Trial", package.trial.Trial(study, study.get_trials(deepcopy=False)[-1]._trial_id))


def from_the_start(study: optuna.Study, number: int) -> optuna.Trial:
    """A copy of a trial in memory, beside copies of the others, of which nothing has been reported.

    What a process has reported of a trial before it was killed would otherwise be known to the pruner when the trial
    is trained again, and it would end with another epoch than it would have without the kill.
    """
    trials = study.get_trials()
    trials[number].intermediate_values, trials[number].system_attrs = {}, {}
    copy = _in_memory(trials, pruner=study.pruner)
    own = copy.get_trials(deepcopy=False)[number]
    return cast("optuna.Trial", load_optuna().trial.Trial(copy, own._trial_id))


def keep_rungs(trial: optuna.Trial, copy: optuna.Trial) -> None:
    """Keeps what the pruner has noted of a trial's copy; it compares others with that."""
    for name, value in copy.storage.get_trial(copy._trial_id).system_attrs.items():
        trial.storage.set_trial_system_attr(trial._trial_id, name, value)


def _sampler(optuna: Any, tune: Tune, seed: list[int], *, several: bool) -> Any:
    """The sampler of the next trial; where others run, one that keeps away from what they try."""
    number = int(np.random.SeedSequence(seed).generate_state(1)[0])
    if tune.sampler == "tpe":
        return optuna.samplers.TPESampler(
            seed=number, n_startup_trials=RANDOM_TRIALS, multivariate=True, constant_liar=several
        )
    return optuna.samplers.RandomSampler(seed=number)


def _grid(space: Mapping[str, Range | Values]) -> list[dict[str, Any]]:
    """All trials of a grid, the last key changing first."""
    every: list[list[Any]] = []
    for choices in space.values():
        if isinstance(choices, Values):
            every.append(list(range(len(choices.values))))
            continue
        assert choices.step is not None
        steps = math.floor((choices.max - choices.min) / choices.step + 1e-9)
        low, step = choices.min, choices.step
        every.append([min(low + place * step, choices.max) for place in range(steps + 1)])  # 3 times 0.1 is above 0.3
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*every)]


def finished(study: optuna.Study) -> list[Any]:
    """Trials that ended, in their order: of themselves, pruned, or failed with a reason."""
    state = load_optuna().trial.TrialState
    trials: list[Any] = study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED, state.FAIL))
    return [trial for trial in trials if trial.state != state.FAIL or REASON in trial.user_attrs]
