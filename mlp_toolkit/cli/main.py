"""The command line: thin, and the only place that prints results and exits."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlp_toolkit import catalog, interruption, recipe
from mlp_toolkit.errors import ToolkitError, UserError, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlp_toolkit.readers import Table
    from mlp_toolkit.recipe import Resolved

INTERRUPTED = 130
NO_NAMES = (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)  # what no file could be called

app = typer.Typer(
    name="mlp-toolkit",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a task description to a trained, tested, portable Keras MLP.",
)

RecipeFile = Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file, or the name of a bundled recipe.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory or a model file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("-o", metavar="KEY=VALUE", help="Overrides a value, as YAML: -o train.epochs=5. May be repeated."),
]

Picture = Annotated[Path, typer.Option("-O", metavar="FILE", help="The picture to write, .png.")]


@app.command()
def run(
    recipe_file: RecipeFile,
    override: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="The run directory; default runs/NAME.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
) -> None:
    """Runs a recipe: reads, trains, tests; prints the run directory last."""
    _early_check(recipe_file, override)
    from mlp_toolkit.runs import run as run_recipe

    try:
        finished = run_recipe(recipe_file, _pairs(override), out=out, resume=resume)
    except KeyboardInterrupt:
        again = " ".join(["mlp-toolkit run", recipe_file, *(f"-o {pair}" for pair in override or [])])
        place = f" --out {out}" if out else ""
        print(f"\ninterrupted; go on with it: {again}{place} --resume", file=sys.stderr)
        raise
    print(finished.directory)


@app.command()
def validate(recipe_file: RecipeFile, override: Overrides = None) -> None:
    """Checks a recipe and the header of its data, without training."""
    resolved, columns = _early_check(recipe_file, override)
    source = Path(resolved.spec.data.path).name if resolved.spec.data.path else resolved.spec.data.dataset
    print(f"{recipe_file}: valid; task {resolved.spec.task}, {source} has {len(columns)} columns")


@app.command()
def show(recipe_file: RecipeFile, override: Overrides = None) -> None:
    """Prints the resolved recipe, with the origin of every value."""
    resolved = recipe.load(recipe_file, _pairs(override))
    print(recipe.explain(resolved), end="")


@app.command()
def init(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A data file, a folder of images, or a bundled data set.")
    ],
    target: Annotated[list[str], typer.Option(metavar="COLUMN", help="The column to predict; several: A,B or twice.")],
    task: Annotated[str | None, typer.Option(help="regression, binary, multilabel or multiclass.")] = None,
    output: Annotated[
        Path | None, typer.Option("-O", metavar="FILE", help="The recipe to write; default DATA.yaml.")
    ] = None,
) -> None:
    """Writes a commented recipe for a data file, or for a folder of images."""
    from mlp_toolkit import spec
    from mlp_toolkit.draft import draft
    from mlp_toolkit.files import atomic

    if task is not None and task not in spec.TASKS:
        raise UserError("unknown task", place="--task", found=task, allowed=spec.TASKS)
    source = Path(data).resolve() if Path(data).is_dir() else Path(data)  # of `.` and `..` the folder's own name
    file = output or Path(source.name.split(".")[0] + ".yaml")
    if file.exists():
        raise UserError("this file is there already", place=str(file), remedy="Name another by -O FILE.")
    if not file.parent.is_dir():
        raise UserError("the folder to write to is not there", place=str(file))
    text, notes = draft(data, target, task, file.parent)
    with atomic(file) as temporary:
        temporary.write_text(text, "utf-8")
    for note in notes:
        print(note, file=sys.stderr)
    print(file)


@app.command()
def evaluate(run_path: RunPath, data: Annotated[Path, typer.Argument(metavar="DATA")]) -> None:
    """Scores a trained model on new labelled rows."""
    table = _read(data, run_path)
    from mlp_toolkit.prediction import table_rows
    from mlp_toolkit.runs import evaluate as score
    from mlp_toolkit.runs import open_model

    model = open_model(run_path)
    for name, value in score(model, table_rows(model, table)).items():
        print(f"{name} {value:.6g}")


@app.command()
def predict(
    run_path: RunPath,
    data: Annotated[Path, typer.Argument(metavar="DATA")],
    output: Annotated[Path, typer.Option("-O", metavar="FILE", help="A .csv or .parquet file to write.")],
) -> None:
    """Predicts new raw rows; writes CSV or Parquet."""
    if output.suffix not in (".csv", ".parquet"):
        raise UserError("predictions are written as .csv or .parquet", place="-O", found=output.name)
    if not output.parent.is_dir():
        raise UserError("the folder to write to is not there", place=str(output))
    table = _read(data, run_path)
    from mlp_toolkit.files import atomic
    from mlp_toolkit.prediction import table_rows
    from mlp_toolkit.runs import open_model
    from mlp_toolkit.runs import predict as predict_rows

    model = open_model(run_path)
    predicted = predict_rows(model, table_rows(model, table))
    with atomic(output) as temporary:
        if output.suffix == ".csv":
            predicted.to_csv(temporary, index=False)
        else:
            predicted.to_parquet(temporary, index=False)
    if table.folder is None:
        print(f"{len(predicted):,} images, in the order of their folders' and their own names", file=sys.stderr)
    print(output)


@app.command()
def inspect(file: Annotated[Path, typer.Argument(metavar="FILE", help="A model file or a run directory.")]) -> None:
    """Says what a model file holds, without running anything in it."""
    from mlp_toolkit.contents import inspect as read

    found = read(file / "model.h5" if file.is_dir() else file)
    layers = found.pop("layers")
    for key, value in found.items():
        if value not in (None, []):
            print(f"{key}: {_phrase(value)}")
    print("layers:")
    for layer in layers:
        if layer["class"] != "InputLayer":
            weights = ", ".join(f"{name.split('/')[-1]} {tuple(shape)}" for name, shape in layer["weights"].items())
            print(f"  {layer['name']}  {layer['class']}  {layer['parameters']:,}  {weights}".rstrip())


@app.command("lr-find")
def lr_find(
    recipe_file: RecipeFile,
    override: Overrides = None,
    output: Annotated[
        Path | None, typer.Option("-O", metavar="FILE", help="The picture to write; default NAME-lr.png.")
    ] = None,
) -> None:
    """Suggests a learning rate for a recipe, with a picture."""
    resolved, _ = _early_check(recipe_file, override)
    picture = output or Path(f"{resolved.spec.name}-lr.png")
    _check_picture(picture)
    from mlp_toolkit.rate_finder import find_for_recipe

    _, found = find_for_recipe(recipe_file, _pairs(override))
    found.save(picture)
    usual = resolved.spec.train.optimizer.learning_rate
    print(f"suggested: -o train.optimizer.learning_rate={found.suggestion:g}  (the recipe has {usual:g})")
    print(picture)


@app.command()
def report(run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]) -> None:
    """(Re)writes a run's report.html."""
    from mlp_toolkit.report import write
    from mlp_toolkit.runs import load_run

    print(write(run_path, load_run(run_path).metrics))


@app.command("plot-history")
def plot_history(
    run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    output: Picture = Path("history.png"),
) -> None:
    """Draws a run's losses by epoch."""
    _check_picture(output)
    from mlp_toolkit.runs import load_run

    _save_picture(load_run(run_path).plot_history(), output)


@app.command("plot-activations")
def plot_activations(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Default: all of the table.")] = None,
    output: Picture = Path("activations.png"),
) -> None:
    """Draws activation functions and their derivatives."""
    _check_picture(output)
    from mlp_toolkit.plots import plot_activations as draw

    _save_picture(draw(names)[0], output)


@app.command()
def recipes() -> None:
    """Lists the recipes that ship with the package."""
    shipped = catalog.recipes()
    width = max(map(len, shipped), default=0)
    for name, path in shipped.items():
        first = path.read_text("utf-8").split("\n", 1)[0]
        print(f"{name:<{width}}  {first.removeprefix('#').strip()}")


def main() -> None:
    """Runs the program; exit codes: 0 done, 2 the user's input is wrong, 130 Ctrl-C, 1 anything else."""
    interruption.install()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files are bytes, not always text
    try:
        app()
    except ToolkitError as error:
        print(f"mlp-toolkit: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # the reader, `head` for instance, has seen enough
        sys.exit(1)
    except OSError as error:
        if error.errno not in NO_NAMES:
            raise
        print(f"mlp-toolkit: {shorten(str(error), 300)}", file=sys.stderr)
        sys.exit(UserError.exit_code)
    except Exception as error:
        # TensorFlow's own kind of MemoryError, by its name: TensorFlow may not be there to be compared with.
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
            raise
        asked = str(error).split("\n")[0] or "no size is known"
        print(f"mlp-toolkit: out of memory: {asked}", file=sys.stderr)
        remedy = "Lower train.batch_size or model.hidden, or let the data be read in pieces: data.stream: true."
        print(f"  {remedy}", file=sys.stderr)
        sys.exit(1)


def _pairs(override: list[str] | None) -> dict[str, Any]:
    return dict(recipe.parse_override(text) for text in override or [])


def _early_check(recipe_file: str, override: list[str] | None) -> tuple[Resolved, list[str]]:
    """What can be found wrong without importing TensorFlow, which takes seconds."""
    from mlp_toolkit.dataset import check_header
    from mlp_toolkit.strangers import existing

    resolved = recipe.load(recipe_file, _pairs(override))
    if resolved.spec.model.warm_start:
        existing(resolved.spec.model.warm_start.from_)
    return resolved, check_header(resolved.spec, recipe_file)


def _check_picture(output: Path) -> None:
    if output.suffix != ".png":
        remedy = f"Say -O {output.stem or 'picture'}.png."
        raise UserError("the picture is written as .png", place="-O", found=output.name, remedy=remedy)
    if output.is_dir():
        raise UserError("a folder of this name is there", place=str(output))
    if not output.parent.is_dir():
        raise UserError("the folder to write to is not there", place=str(output))


def _save_picture(axes: Axes, output: Path) -> None:
    from mlp_toolkit.files import atomic

    figure = axes.get_figure(root=True)
    assert figure is not None
    with atomic(output) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    print(output)


def _read(data: Path, run_path: Path) -> Table:
    from mlp_toolkit import readers

    if not run_path.exists():
        raise UserError("no such run directory or model file", place=str(run_path))
    return readers.read(data)


def _phrase(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_phrase(inner)}" for key, inner in value.items() if inner not in (None, []))
    if isinstance(value, list):
        return ", ".join(map(str, value[:20])) + (f", … ({len(value) - 20} more)" if len(value) > 20 else "")
    return f"{value:,}" if isinstance(value, int) else str(value)
