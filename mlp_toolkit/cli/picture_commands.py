"""Commands that draw: `lr-find`, `plot-history`, `plot-activations`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlp_toolkit.cli.options import Overrides, RecipeFile, early_check, override_pairs
from mlp_toolkit.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Picture = Annotated[Path, typer.Option("-O", metavar="FILE", help="The picture to write, .png.")]


def lr_find(
    recipe_file: RecipeFile,
    override: Overrides = None,
    output: Annotated[
        Path | None, typer.Option("-O", metavar="FILE", help="The picture to write; default NAME-lr.png.")
    ] = None,
) -> None:
    """Suggests a learning rate for a recipe, with a picture."""
    resolved, _ = early_check(recipe_file, override)
    picture = output or Path(f"{resolved.spec.name}-lr.png")
    _check_picture(picture)
    from mlp_toolkit.training.first_steps.rate_finder import find_for_recipe

    _, found = find_for_recipe(recipe_file, override_pairs(override))
    found.save(picture)
    usual = resolved.spec.train.optimizer.learning_rate
    print(f"suggested: -o train.optimizer.learning_rate={found.suggestion:g}  (the recipe has {usual:g})")
    print(picture)


def plot_history(
    run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    output: Picture = Path("history.png"),
) -> None:
    """Draws a run's losses by epoch."""
    _check_picture(output)
    from mlp_toolkit.runs.finished import load_run

    _save_picture(load_run(run_path).plot_history(), output)


def plot_activations(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Default: all of the table.")] = None,
    output: Picture = Path("activations.png"),
) -> None:
    """Draws activation functions and their derivatives."""
    _check_picture(output)
    from mlp_toolkit.model.plots import plot_activations as draw

    _save_picture(draw(names)[0], output)


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
