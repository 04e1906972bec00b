"""What several commands share: their arguments, and the check that needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlp_toolkit.recipe import resolving
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.tuning.engines.choice import Engine, engine_of
from mlp_toolkit.tuning.engines.cluster import load_ray

if TYPE_CHECKING:
    import pandas as pd

RecipeFile = Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file, or the name of a bundled recipe.")]
RecipeFiles = Annotated[
    list[str], typer.Argument(metavar="RECIPE", help="YAML files, or names of bundled recipes.", show_default=False)
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory or a model file.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("-o", metavar="KEY=VALUE", help="Overrides a value, as YAML: -o train.epochs=5. May be repeated."),
]
NoHeader = Annotated[
    bool, typer.Option("--no-header", help="The first line of the CSV file is a row; columns are numbered from 0.")
]

EngineName = Annotated[
    str, typer.Option("--engine", help="local: this process; ray: a Ray cluster, RAY_ADDRESS or this machine's own.")
]
Workers = Annotated[
    int | None, typer.Option(metavar="N", help="ray: how many at once; default as many as there is room for.")
]
CPUs = Annotated[int | None, typer.Option(metavar="N", help="ray: processors that each takes; default 1.")]
GPUs = Annotated[float | None, typer.Option(metavar="X", help="ray: GPUs that each takes; default 0.")]
Storage = Annotated[
    str | None, typer.Option(metavar="PLACE", help="ray: a folder or URL that all machines reach, for checkpoints.")
]


def chosen_engine(name: str, **values: Any) -> Engine:
    """The engine that options ask for; it is installed.

    Raises:
        UserError: An option is wrong.
        MissingExtra: Ray is not installed.
    """
    given = {key: value for key, value in values.items() if value is not None}
    engine = engine_of({"name": name, **given}, place="--engine")
    if engine.name == "ray":
        load_ray()
    return engine


def override_pairs(override: list[str] | None) -> dict[str, Any]:
    """The overrides of a command, by key."""
    return dict(resolving.parse_override(text) for text in override or [])


def named_columns(texts: Sequence[str], frame: pd.DataFrame, what: str) -> list[str]:
    """The columns that an option names; one text with commas stands for several, unless a column is called so.

    Raises:
        UserError: The data has no such column.
    """
    from mlp_toolkit.data.roles import check_columns

    names: list[str] = []
    for text in texts:
        names += [text] if text in frame.columns else [name.strip() for name in text.split(",")]
    check_columns(frame, names, what)
    return names


def early_check(recipe_file: str, override: list[str] | None) -> tuple[Resolved, list[str]]:
    """Finds what is wrong without importing TensorFlow, which takes seconds."""
    from mlp_toolkit.data.reading.first_rows import check_first_rows
    from mlp_toolkit.data.roles import check_header
    from mlp_toolkit.storage.untrusted.limits import existing

    resolved = resolving.load_recipe(recipe_file, override_pairs(override))
    if resolved.spec.model.warm_start:
        existing(resolved.spec.model.warm_start.from_)
    columns = check_header(resolved.spec, recipe_file)
    check_first_rows(resolved.spec, recipe_file)
    return resolved, columns
