"""Commands about what a run left: `evaluate`, `predict`, `compare`, `explain`, `drift`, `inspect`, `report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlp_toolkit.cli.json_output import Json, print_json, print_result, read_json
from mlp_toolkit.cli.options import NoHeader, RunPath, named_columns
from mlp_toolkit.errors import UserError

MOVED = 3  # the exit code of `drift --fail-above`

if TYPE_CHECKING:
    from mlp_toolkit.data.reading.tables import Table


def evaluate(
    run_path: RunPath,
    data: Annotated[Path, typer.Argument(metavar="DATA")],
    no_header: NoHeader = False,
    *,
    as_json: Json = False,
) -> None:
    """Scores a trained model on new labelled rows."""
    table = _rows_for(data, run_path, no_header)
    from mlp_toolkit.model.prediction import table_rows
    from mlp_toolkit.runs.finished import evaluate_rows as score
    from mlp_toolkit.runs.finished import open_model

    model = open_model(run_path)
    scores = score(model, table_rows(model, table))
    if as_json:
        print_json(scores)
        return
    for name, value in scores.items():
        print(f"{name} {value:.6g}")


def predict(
    run_path: RunPath,
    data: Annotated[Path, typer.Argument(metavar="DATA")],
    output: Annotated[Path, typer.Option("-O", metavar="FILE", help="A .csv or .parquet file to write.")],
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMNS", help="Columns of DATA to write before the predictions: A,B or twice."),
    ] = None,
    no_header: NoHeader = False,
) -> None:
    """Predicts new raw rows; writes CSV or Parquet."""
    if output.suffix not in (".csv", ".parquet"):
        raise UserError("predictions are written as .csv or .parquet", place="-O", found=output.name)
    if not output.parent.is_dir():
        raise UserError("the folder to write to is not there", place=str(output))
    table = _rows_for(data, run_path, no_header)
    kept = table.frame[named_columns(keep or [], table.frame, "--keep:")]
    from mlp_toolkit.files import atomic
    from mlp_toolkit.model.prediction import table_rows
    from mlp_toolkit.runs.finished import open_model, predict_rows

    model = open_model(run_path)
    predicted = predict_rows(model, table_rows(model, table))
    both = [name for name in kept.columns if name in predicted.columns]
    if both:
        raise UserError("a column of the data is called as one of the predictions", place="--keep", found=both[0])
    for place, name in enumerate(kept.columns):
        predicted.insert(place, name, kept[name].to_numpy())
    with atomic(output) as temporary:
        if output.suffix == ".csv":
            predicted.to_csv(temporary, index=False)
        else:
            predicted.to_parquet(temporary, index=False)
    if table.folder is None:
        print(f"{len(predicted):,} images, in the order of their folders' and their own names", file=sys.stderr)
    print(output)


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="Run directories.")], *, as_json: Json = False
) -> None:
    """Says how far the test scores of runs lie apart, with intervals, on the rows that all tested."""
    from mlp_toolkit.runs.analysis.comparing import compare as compared

    found = compared(runs)
    print_result(found, as_json=as_json)


def explain(
    run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    data: Annotated[Path | None, typer.Argument(metavar="DATA", help="Labelled rows; default the test rows.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Says what a model looks at and where it fails; its report shows it, too."""
    from mlp_toolkit.runs.analysis.explaining import FILE
    from mlp_toolkit.runs.finished import load_run

    run = load_run(run_path)
    told = run.explain(None if data is None else data)
    told.write(run_path)
    run.report()
    if as_json:
        print(run.report_path, file=sys.stderr)
        print_json(read_json(run_path / FILE))
        return
    print(told)
    print(run.report_path)


def drift(
    run_path: RunPath,
    data: Annotated[Path, typer.Argument(metavar="DATA")],
    fail_above: Annotated[
        float | None, typer.Option(metavar="X", help="Exit with 3 where a column's stability index is above X.")
    ] = None,
    no_header: NoHeader = False,
    *,
    as_json: Json = False,
) -> None:
    """Says which columns of new rows are not like those that were learnt."""
    table = _rows_for(data, run_path, no_header)
    from mlp_toolkit.runs.analysis.drifting import drift_of
    from mlp_toolkit.runs.finished import open_model

    found = drift_of(open_model(run_path), run_path, table)
    print_result(found, as_json=as_json)
    if fail_above is not None and found.largest > fail_above:
        raise typer.Exit(MOVED)


def inspect(file: Annotated[Path, typer.Argument(metavar="FILE", help="A model file or a run directory.")]) -> None:
    """Says what a model file holds, without running anything in it."""
    from mlp_toolkit.storage.inspecting import inspect as read

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


def report(run_path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]) -> None:
    """(Re)writes a run's report.html."""
    from mlp_toolkit.evaluation.report import write_report
    from mlp_toolkit.runs.finished import load_run

    print(write_report(run_path, load_run(run_path).metrics))


def _rows_for(data: Path, run_path: Path, no_header: bool) -> Table:
    from mlp_toolkit.data.reading import tables

    if not run_path.exists():
        raise UserError("no such run directory or model file", place=str(run_path))
    return tables.read_table(data, named=not no_header)


def _phrase(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_phrase(inner)}" for key, inner in value.items() if inner not in (None, []))
    if isinstance(value, list):
        return ", ".join(map(str, value[:20])) + (f", … ({len(value) - 20} more)" if len(value) > 20 else "")
    return f"{value:,}" if isinstance(value, int) else str(value)
