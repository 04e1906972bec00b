"""What is kept of the trials: in the journal, `trials.csv` and `best.yaml`, and what each says of rows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit.errors import number
from mlp_toolkit.files import atomic
from mlp_toolkit.recipe import yaml_text
from mlp_toolkit.runs.directory import write_text
from mlp_toolkit.tuning import study, trials
from mlp_toolkit.tuning.luck import MOST_ROWS, luck_of
from mlp_toolkit.tuning.plan import Search
from mlp_toolkit.tuning.trials import Tried

if TYPE_CHECKING:
    import optuna

STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
OUTPUTS = ".trials"  # what each trial says of the rows it has not learnt, until the search is done


def tell(search: Search, opened: optuna.Study, trial: optuna.Trial, found: Tried, seconds: float) -> None:
    """Keeps what came of a trial; it counts as finished from then on."""
    for name, value in (
        ("scores", found.scores),
        ("epochs", found.epochs),
        ("best_epoch", found.best_epoch),
        ("seconds", seconds),
    ):
        trial.set_user_attr(name, value)
    if found.pruned:
        opened.tell(trial.number, state=study.load_optuna().trial.TrialState.PRUNED)
    else:
        if len(found.outputs):
            _keep_outputs(search.directory, trial.number, found.outputs)
        opened.tell(trial.number, min(found.value, 1e300))  # a journal holds no infinity
    write(search, opened)


def fail(search: Search, opened: optuna.Study, trial: optuna.Trial, reason: str) -> None:
    """Keeps why a trial cannot be carried out; it counts as finished from then on, and is not tried again."""
    trial.set_user_attr(study.REASON, reason)
    opened.tell(trial.number, state=study.load_optuna().trial.TrialState.FAIL)
    write(search, opened)


def _keep_outputs(directory: Path, trial: int, outputs: np.ndarray) -> None:
    (directory / OUTPUTS).mkdir(exist_ok=True)
    with atomic(directory / OUTPUTS / f"{trial}.npy") as temporary, temporary.open("wb") as file:
        np.save(file, outputs[_looked_at(len(outputs))].astype(np.float32))


def _looked_at(rows: int) -> np.ndarray:
    """The rows by which it is told how much of the best score is luck."""
    if rows <= MOST_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, MOST_ROWS, replace=False))


def forget_outputs(directory: Path) -> None:
    """Deletes what only a search needs that is not done."""
    shutil.rmtree(directory / OUTPUTS, ignore_errors=True)


def spent(opened: optuna.Study) -> float:
    """The seconds of all trials together."""
    return float(sum(trial.user_attrs.get("seconds", 0.0) for trial in study.finished(opened)))


def searched(opened: optuna.Study) -> float:
    """The seconds that have passed in the search, by either engine; side by side, trials take more together."""
    return float(opened.user_attrs.get("seconds", spent(opened)))  # of journals of earlier versions those of trials


def best_trial(opened: optuna.Study) -> Any:
    """The best trial that ended of itself; None where all diverged."""
    told = [trial for trial in study.finished(opened) if trial.value is not None and trial.value < 1e300]
    told = [trial for trial in told if trial.user_attrs.get("scores") and trial.state.name == "COMPLETE"]
    return min(told, key=lambda trial: (trial.value, trial.number), default=None)


def line(search: Search, opened: optuna.Study, trial: int, elapsed: float, side_by_side: int = 1) -> str:
    """What came of a trial, the best so far, and the time left.

    Args:
        search: The search.
        opened: Its study.
        trial: The number of the trial that has ended.
        elapsed: Seconds since the command began.
        side_by_side: How many trials are carried out at once.
    """
    done, best, metric = study.finished(opened), best_trial(opened), search.metric
    (last,) = (own for own in done if own.number == trial)
    told = "pruned" if last.state.name == "PRUNED" else _score(last, metric)
    told = f"failed, {last.user_attrs[study.REASON]}" if study.REASON in last.user_attrs else told
    text = f"trial {last.number}, {len(done)} of {search.tune.trials}: {told}"
    text += f" after {last.user_attrs['epochs']} epochs" if "epochs" in last.user_attrs else ""
    if best is not None:
        text += f"; best {_score(best, metric)}, trial {best.number}"
    left = (search.tune.trials - len(done)) * spent(opened) / len(done) / side_by_side
    if search.tune.seconds is not None:
        left = min(left, max(0.0, search.tune.seconds - searched(opened)))
    return f"{text}; {elapsed:.0f} s, about {left:.0f} s left"


def _score(trial: Any, metric: str) -> str:
    found = trial.user_attrs.get("scores", {}).get(metric)
    return f"{metric} {number(found)}" if found is not None else "diverged"


def told_of_search(search: Search, opened: optuna.Study, best: Any) -> dict[str, Any]:
    """What `metrics.json` says of the search."""
    values = trials.known_values(search.data)
    values = values[_looked_at(len(values))]
    kept = [search.directory / OUTPUTS / f"{trial.number}.npy" for trial in study.finished(opened)]
    outputs = [np.load(file, allow_pickle=False) for file in kept if file.is_file()]
    score = best.user_attrs["scores"][search.metric]
    luck = luck_of(values, outputs, search.data.target, search.metric, score)
    done = study.finished(opened)
    return {
        "trials": len(done),
        "pruned": sum(trial.state.name == "PRUNED" for trial in done),
        "failed": sum(trial.state.name == "FAIL" for trial in done),
        "metric": search.metric,
        "best_trial": best.number,
        "best": score,
        "expected": luck.expected if luck else None,
        "values": study.overrides_of(best.params, search.space),
        "seconds": spent(opened),
    }


def write(search: Search, opened: optuna.Study) -> None:
    """`trials.csv`, and `best.yaml`, the best recipe so far: what there is if the search goes no further."""
    import pandas as pd

    lines = []
    for trial in study.finished(opened):
        about = trial.user_attrs
        lines.append(
            {
                "trial": trial.number,
                "state": STATES[trial.state.name],
                **about.get("scores", {}),
                **study.overrides_of(trial.params, search.space),
                **{name: about.get(name) for name in ("epochs", "best_epoch", "seconds")},
                **({study.REASON: about[study.REASON]} if study.REASON in about else {}),
            }
        )
    write_text(search.directory / "trials.csv", pd.DataFrame(lines).to_csv(index=False))
    best = best_trial(opened)
    if best is not None:
        resolved = search.with_values(study.overrides_of(best.params, search.space))
        note = f"# The best recipe of {len(lines)} trials: {_score(best, search.metric)}\n"
        write_text(search.directory / "best.yaml", note + yaml_text.dump(resolved.values))
