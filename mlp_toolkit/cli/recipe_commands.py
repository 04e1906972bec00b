"""Commands about recipes: `run`, `launch`, `cross-validate`, `tune`, `validate`, `show`, `init`, `audit`, `recipes`."""

from __future__ import annotations

import contextlib
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlp_toolkit.cli.json_output import Json, print_json, print_result, read_json
from mlp_toolkit.cli.options import (
    CPUs,
    EngineName,
    GPUs,
    NoHeader,
    Overrides,
    RecipeFile,
    RecipeFiles,
    Storage,
    Workers,
    chosen_engine,
    early_check,
    override_pairs,
)
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe import catalog, resolving
from mlp_toolkit.training.engine.sharing import cluster
from mlp_toolkit.tuning.engines.choice import Engine

if TYPE_CHECKING:
    from mlp_toolkit.runs.finished import Run
    from mlp_toolkit.tuning.outcomes import Ended


def run(
    recipe_files: RecipeFiles,
    override: Overrides = None,
    *,
    out: Annotated[
        Path | None, typer.Option(help="The run directory; default runs/NAME. Of several recipes the folder of them.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    engine: EngineName = "local",
    workers: Workers = None,
    cpus: CPUs = None,
    gpus: GPUs = None,
    as_json: Json = False,
) -> None:
    """Runs recipes: reads, trains, tests; prints the run directory last, of several a table of what came of each."""
    chosen = chosen_engine(engine, workers=workers, cpus=cpus, gpus=gpus)
    if len(recipe_files) > 1 or chosen.name != "local":
        ended = _ran_several(recipe_files, override, out, resume, chosen)
        _print_several(ended, as_json=as_json)
        return
    (recipe_file,) = recipe_files
    resolved, _ = early_check(recipe_file, override)
    place = cluster.place_of(resolved.spec.train.device)
    from mlp_toolkit.training.progress import waiting

    with waiting("TensorFlow starts"):
        from mlp_toolkit.runs.run import run as run_recipe

    try:
        finished = run_recipe(recipe_file, override_pairs(override), out=out, resume=resume)
    except KeyboardInterrupt:
        if resolved.spec.train.device != cluster.WORKERS:  # whoever started them all says how
            again = _command("mlp-toolkit run", recipe_file, override, out)
            print(f"\ninterrupted; go on with it: {again} --resume", file=sys.stderr)
        raise
    _print_run(finished, as_json=as_json and place.chief)  # other workers have no scores


def _print_run(finished: Run, *, as_json: bool) -> None:
    """The run directory; or, for scripts, its `metrics.json`, and the directory as a message."""
    if as_json:
        print(finished.directory, file=sys.stderr)
        print_json(finished.metrics)
    else:
        print(finished.directory)


def launch(
    recipe_file: RecipeFile,
    workers: Annotated[int, typer.Option(metavar="N", help="Processes that train one network, 2 or more.")],
    override: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="The run directory; default runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
) -> None:
    """Runs a recipe on several worker processes of this machine, which share each batch; none takes a GPU."""
    from mlp_toolkit.runs.workers import launching

    pairs = [*(override or []), f"train.device={cluster.WORKERS}"]
    resolved, _ = early_check(recipe_file, pairs)
    launching.check(resolved.spec, workers)
    again = _command(f"mlp-toolkit launch --workers {workers}", recipe_file, override, out) + " --resume"
    arguments = [recipe_file, *(part for pair in pairs for part in ("-o", pair))]
    arguments += [*(["--out", str(out)] if out else []), *(["--resume"] if resume else [])]
    try:
        code = launching.launch(arguments, workers, again)
    except KeyboardInterrupt:
        print(f"\ninterrupted; go on with it: {again}", file=sys.stderr)
        raise
    finally:
        if sys.stderr.isatty():  # the bar of a chief that was killed has hidden the cursor
            print("\x1b[?25h", end="", file=sys.stderr)
    raise typer.Exit(code)


def _command(begin: str, recipe_file: str, override: list[str] | None, out: Path | None) -> str:
    """A command to type again."""
    given = [part for pair in override or [] for part in ("-o", pair)] + (["--out", str(out)] if out else [])
    return " ".join([begin, *(shlex.quote(part) for part in (recipe_file, *given))])


def _ran_several(
    recipe_files: list[str], override: list[str] | None, out: Path | None, resume: bool, engine: Engine
) -> list[Ended]:
    pairs = override_pairs(override)
    from mlp_toolkit.training.progress import waiting

    with waiting("TensorFlow starts"):
        from mlp_toolkit.tuning.several import run_several

    try:
        with contextlib.redirect_stdout(sys.stderr):  # Ray prints what it sees of machines
            return run_several(recipe_files, pairs, out=out, resume=resume, engine=engine)
    except KeyboardInterrupt:
        print("\ninterrupted; go on with all of them by the same command and --resume", file=sys.stderr)
        raise


def _print_several(ended: list[Ended], *, as_json: bool) -> None:
    """What came of each recipe: a table, or a list for scripts."""
    from mlp_toolkit.tuning import outcomes

    if as_json:
        print_json(ended)
    else:
        print(outcomes.table(ended))
    raise typer.Exit(outcomes.exit_code_of(ended))


def cross_validate(
    recipe_file: RecipeFile,
    override: Overrides = None,
    folds: Annotated[int, typer.Option(metavar="K", help="Parts that the rows are divided into.")] = 5,
    repeats: Annotated[int, typer.Option(metavar="N", help="How often, each time divided anew.")] = 1,
    out: Annotated[Path | None, typer.Option(help="The folder to write to; default runs/NAME-folds.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Trains on all folds but one, for each: scores with their spread, out-of-fold predictions."""
    resolved, _ = early_check(recipe_file, override)
    from mlp_toolkit.training.progress import waiting

    with waiting("TensorFlow starts"):
        from mlp_toolkit.runs.cross_validation import RECORD
        from mlp_toolkit.runs.cross_validation import cross_validate as carry_out
        from mlp_toolkit.runs.directory import chosen_directory

    directory = out or chosen_directory(None, f"{resolved.spec.name}-folds", False)
    done = carry_out(recipe_file, override_pairs(override), folds=folds, repeats=repeats, out=directory)
    if as_json:
        print(done.directory, file=sys.stderr)
        print_json(read_json(directory / RECORD))
        return
    for name, spread in done.summary.iterrows():
        print(f"{name} {spread['mean']:.6g}  std {spread['std']:.3g}  95 % {spread['low']:.6g} to {spread['high']:.6g}")
    print(done.directory)


def tune(
    recipe_file: RecipeFile,
    override: Overrides = None,
    *,
    trials: Annotated[int | None, typer.Option(metavar="N", help="How many; default tune.trials.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run directory; default runs/NAME-tune.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted search.")] = False,
    engine: EngineName = "local",
    workers: Workers = None,
    cpus: CPUs = None,
    gpus: GPUs = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Searches for better hyperparameters; leaves a run directory of the best recipe, with trials.csv."""
    chosen = asdict(chosen_engine(engine, workers=workers, cpus=cpus, gpus=gpus, storage=storage))
    early_check(recipe_file, override)
    from mlp_toolkit.training.progress import waiting

    with waiting("TensorFlow starts"):
        from mlp_toolkit.tuning.search import tune as search

    try:
        pairs = override_pairs(override)
        with contextlib.redirect_stdout(sys.stderr):  # Ray prints what it sees of machines
            finished = search(recipe_file, pairs, trials=trials, out=out, resume=resume, engine=chosen)
    except KeyboardInterrupt:
        print("\ninterrupted; go on with it by the same command and --resume", file=sys.stderr)
        raise
    _print_run(finished, as_json=as_json)


def validate(recipe_file: RecipeFile, override: Overrides = None) -> None:
    """Checks a recipe and the header of its data, without training."""
    resolved, columns = early_check(recipe_file, override)
    source = Path(resolved.spec.data.path).name if resolved.spec.data.path else resolved.spec.data.dataset
    print(f"{recipe_file}: valid; task {resolved.spec.task}, {source} has {len(columns)} columns")


def show(recipe_file: RecipeFile, override: Overrides = None) -> None:
    """Prints the resolved recipe, with the origin of every value."""
    resolved = resolving.load_recipe(recipe_file, override_pairs(override))
    print(resolving.explain(resolved), end="")


def init(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A data file, a folder of images, or a bundled data set.")
    ],
    target: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="The column to predict; several: A,B or twice.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="regression, binary, multilabel or multiclass.")] = None,
    output: Annotated[
        Path | None, typer.Option("-O", metavar="FILE", help="The recipe to write; default DATA.yaml.")
    ] = None,
    no_header: NoHeader = False,
) -> None:
    """Writes a commented recipe for a data file, or for a folder of images."""
    from mlp_toolkit.cli.draft import draft
    from mlp_toolkit.files import atomic
    from mlp_toolkit.recipe import spec

    if task is not None and task not in spec.TASKS:
        raise UserError("unknown task", place="--task", found=task, allowed=spec.TASKS)
    source = Path(data).resolve() if Path(data).is_dir() else Path(data)  # of `.` and `..` the folder's own name
    file = output or Path(source.name.split(".")[0] + ".yaml")
    if file.exists():
        raise UserError("this file is there already", place=str(file), remedy="Name another by -O FILE.")
    if not file.parent.is_dir():
        raise UserError("the folder to write to is not there", place=str(file))
    text, notes = draft(data, target or [], task, file.parent, not no_header)
    with atomic(file) as temporary:
        temporary.write_text(text, "utf-8")
    for note in notes:
        print(note, file=sys.stderr)
    print(file)


def audit(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A data file, or a bundled data set.")],
    target: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="The column to predict; several: A,B or twice.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="regression, binary, multilabel or multiclass.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Says what is odd about data before anything is trained: gaps, identifiers, duplicates, leaks, wrong labels."""
    from mlp_toolkit.cli.draft import drafted
    from mlp_toolkit.data import dataset
    from mlp_toolkit.evaluation.audit import audit as audited

    resolved, notes = drafted(data, target or [], task)
    for note in notes:
        print(note, file=sys.stderr)
    found = audited(dataset.load_dataset(resolved.spec, data))
    print_result(found, as_json=as_json)


def recipes() -> None:
    """Lists the recipes that ship with the package."""
    shipped = catalog.recipes()
    width = max(map(len, shipped), default=0)
    for name, path in shipped.items():
        first = path.read_text("utf-8").split("\n", 1)[0]
        print(f"{name:<{width}}  {first.removeprefix('#').strip()}")
