"""The run directory: chosen, locked, and what is written into it. No other room knows the names of its files."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from mlp_toolkit.data.images import pixels
from mlp_toolkit.data.pieces import Piece, RecipeData
from mlp_toolkit.data.roles import header_of
from mlp_toolkit.data.splitting import PARTS
from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import UserError
from mlp_toolkit.files import WriteError, atomic
from mlp_toolkit.model import prediction
from mlp_toolkit.recipe import yaml_text
from mlp_toolkit.recipe.known_names import KINDS
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.recipe.spec import Recipe
from mlp_toolkit.training import progress

if TYPE_CHECKING:
    import pandas as pd

REPEATS = (
    "The same recipe, data and seed give the same bits again with the versions and on the kind of processor named "
    "here. Elsewhere sums are taken in another order (vector instructions, number of threads, device, XLA's choices), "
    "and differences of the last digit grow while training: scores will be alike, not equal."
)
JOURNAL = "trials.journal"  # of a search
OF_SEARCHES = ("trials.csv", JOURNAL, "best.yaml")
# All that a run may write, but for pictures and the logs of trackers.
FILES = (
    "recipe.yaml",
    "environment.json",
    "checkpoint.h5",
    "checkpoint.before.h5",
    "history.csv",
    "model.h5",
    "predictions.parquet",
    "out_of_fold.parquet",
    "metrics.json",
    "report.html",
    "explanation.json",
    "mistakes.json",
    *OF_SEARCHES,
)
PACKAGES = ("mlp-toolkit", "tensorflow", "keras", "numpy", "pandas", "pyarrow", "scikit-learn", "h5py", "pillow")


def chosen_directory(out: str | Path | None, name: str, resume: bool) -> Path:
    """The run directory: as named, or `runs/NAME`, numbered where that holds a run."""
    if out is not None:
        chosen = Path(out)
        if chosen.exists() and not chosen.is_dir():
            raise UserError("the run directory is a file", place=str(chosen))
        if not resume and begun(chosen):
            raise UserError(
                "this folder holds a run already",
                place=str(chosen),
                remedy="Go on with it by --resume, or name another folder by --out.",
            )
        if resume and not begun(chosen):
            raise UserError("there is no run to go on with", place=str(chosen))
        return chosen
    base = Path("runs") / name
    taken = [base] if base.exists() else []
    while taken and (following := Path("runs") / f"{name}-{len(taken) + 1}").exists():
        taken.append(following)
    if not resume:
        return Path("runs") / f"{name}-{len(taken) + 1}" if taken else base
    if not taken:
        raise UserError("there is no run to go on with", place=str(base))
    return taken[-1]


def begun(directory: Path) -> bool:
    """Whether a run has begun in a directory."""
    return (directory / "recipe.yaml").exists()


def forget_run(directory: Path) -> None:
    """Takes away what a run has written that is not to be gone on with; what a search keeps stays, and the rows."""
    for name in FILES:
        if name not in OF_SEARCHES:
            (directory / name).unlink(missing_ok=True)
    shutil.rmtree(directory / "tensorboard", ignore_errors=True)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keeps other processes from writing a run directory; the system frees the lock of a process that is killed.

    Raises:
        UserError: Another process is writing it, or it cannot be written.
    """
    file, made = directory / ".lock", not directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            "another process is writing this run",
            place=str(directory),
            remedy="Wait for it, or write to another folder by --out.",
        ) from None
    except OSError as error:
        raise UserError(f"the run directory cannot be written: {error.strerror}", place=str(directory)) from None
    try:
        for left in directory.glob(".*.partial*"):  # of a process that was killed
            if left.is_file():
                left.unlink(missing_ok=True)
        yield
    finally:
        with contextlib.suppress(OSError):  # gone, or read-only by now: what was raised before says it
            file.unlink(missing_ok=True)
        lock.release()
        if made and directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()  # nothing came of it


@contextlib.contextmanager
def told_what_is_left(directory: Path, model: Path) -> Iterator[None]:
    """Says of a run that can no longer write its files what is lost, and where what was trained lies.

    Raises:
        WriteError: As within the block, with that as the remedy.
    """
    try:
        yield
    except (WriteError, OSError) as caught:
        if isinstance(caught, WriteError):
            path, error = caught.path, caught.error
        elif caught.filename is not None and Path(os.fsdecode(caught.filename)).parent == directory:
            path, error = Path(os.fsdecode(caught.filename)), caught
        else:
            raise
        checkpoint = directory / "checkpoint.h5"
        again = "Mend that and go on with --resume"
        if not directory.is_dir():
            remedy = "What was trained is lost with it; start again."
        elif model.is_file():
            remedy = f"The trained model is whole: {model}. {again}, which writes what is missing."
        elif checkpoint.is_file():
            remedy = f"What was trained up to the last checkpoint is whole: {checkpoint}. {again}."
        else:
            remedy = "No checkpoint was written yet; start again."
        raise WriteError(path, error, remedy) from None


def check_free(directory: Path) -> None:
    """Refuses a run directory in which a folder stands where a file of the run is to be.

    Raises:
        UserError: With the folder's name.
    """
    for name in FILES:
        if (directory / name).is_dir():
            raise UserError(
                "a folder stands where the run writes a file of this name",
                place=str(directory / name),
                remedy="Take it away, or name another run directory by --out.",
            )


def describe(spec: Recipe, data: RecipeData) -> str:
    """What was inferred of the data, a line each."""
    parts = [part for part in PARTS if part != "validation" or data.folds is None]
    rows = ", ".join(f"{data.counts[part]:,} {part}" for part in parts)
    kinds = ", ".join(f"{len(found)} {kind}" for kind in KINDS if (found := data.kinds.of(kind))).replace(
        "ignore", "ignored"
    )
    lines = [f"{spec.name}: {spec.task}, {data.encoding.width} encoded inputs, {data.target.n_outputs} outputs"]
    lines += [f"rows: {rows}", f"columns: {kinds}", *data.notes]
    if data.folds is not None:
        lines.append(f"{spec.model.ensemble} networks, each holding out a fold of the training rows")
    for name, value in spec.train.by_rows(data.counts["train"]).items():
        if getattr(spec.train, name) == "auto":
            lines.append(f"{name}: {value}, by the number of training rows")
    return "\n".join(lines)


def write_beginning(directory: Path, resolved: Resolved, data: RecipeData) -> None:
    """What a run can be explained and repeated by, before the first epoch."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_text(directory / "recipe.yaml", _resolved_text(resolved, data, directory))
        write_text(directory / "environment.json", json.dumps(_environment(resolved.spec, data), indent=2) + "\n")
    except OSError as error:
        raise UserError(f"the run directory cannot be written: {error.strerror}", place=str(directory)) from None


def _resolved_text(resolved: Resolved, data: RecipeData, directory: Path) -> str:
    """The recipe with all values, what was inferred from the data among them."""
    values = json.loads(json.dumps(resolved.values))
    path = Path(values["data"]["path"] or "")
    if path.parent == directory.resolve():  # rows that are kept beside it move with it
        values["data"]["path"] = path.name
    features = dict(data.kinds.by_column)
    if isinstance(resolved.spec.data.features, list):  # a mapping leaves nothing out but what it ignores
        others = [name for name in header_of(resolved.spec.data) if name not in resolved.spec.data.no_features]
        features |= {name: "ignore" for name in others if name not in features}
    values["data"]["features"] = features
    values["data"]["stream"] = data.streamed
    values["train"] |= resolved.spec.train.by_rows(data.counts["train"])
    if image := data.encoding.image:
        color = next(name for name, channels in pixels.CHANNELS.items() if channels == image.channels)
        values["data"]["images"] = {"size": [image.height, image.width], "color": color}
    if data.target.classes:
        values["data"]["classes"] = list(data.target.classes)
        if data.target.task == "binary":
            values["data"]["positive"] = data.target.classes[1]
    notes = "".join(f"# {line}\n" for line in describe(resolved.spec, data).splitlines())
    return f"# Every value of this run; running this file repeats it.\n{notes}{yaml_text.dump(values)}"


def _environment(spec: Recipe, data: RecipeData) -> dict[str, Any]:
    cpu = {"machine": platform.machine(), "system": platform.platform(), "cpus": os.cpu_count()}
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "machine": cpu,
        "seed": spec.seed,
        "data_sha256": data.fingerprint,
        "repeats": REPEATS,
    }


def write_history(directory: Path, history: Mapping[str, list[float]], target: Target) -> None:
    """`history.csv`: a row per epoch, errors in the target's units."""
    import pandas as pd

    values = {name: np.array(of_epochs) for name, of_epochs in history.items()}
    frame = pd.DataFrame(progress.in_units(values, progress.units_of(target)))
    frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
    write_text(directory / "history.csv", frame.to_csv(index=False))


@contextlib.contextmanager
def predictions_file(directory: Path, target: Target) -> Iterator[Callable[[Piece, np.ndarray], None]]:
    """Writes predictions.parquet piece by piece, with the columns of `predicted_rows`."""
    import pyarrow as pa
    from pyarrow import parquet

    with atomic(directory / "predictions.parquet") as temporary, contextlib.ExitStack() as stack:
        writers: list[Any] = []

        def write(piece: Piece, outputs: np.ndarray) -> None:
            rows = pa.Table.from_pandas(predicted_rows(piece, outputs, target), preserve_index=False)
            if not writers:
                writers.append(
                    stack.enter_context(parquet.ParquetWriter(temporary, rows.schema, write_page_checksum=True))
                )
            writers[0].write_table(rows)

        yield write


def write_out_of_fold(directory: Path, piece: Piece, outputs: np.ndarray, data: RecipeData, target: Target) -> None:
    """`out_of_fold.parquet`: training rows with what members that have not learnt them say, and the fold of each."""
    rows = predicted_rows(piece, outputs, target).assign(fold=data.folds)
    with atomic(directory / "out_of_fold.parquet") as temporary:
        rows.to_parquet(temporary, index=False)


def predicted_rows(piece: Piece, outputs: np.ndarray, target: Target) -> pd.DataFrame:
    """Rows with what was known and what was predicted.

    Columns: `row`, `target`, `prediction`, probabilities; `target_NAME` and `prediction_NAME` where there are several.
    With intervals `prediction_lower` and `prediction_upper`, or `set`.
    """
    import pandas as pd

    several = len(target.names) > 1
    columns: dict[str, Any] = {"row": piece.row_numbers}
    for index, name in enumerate(target.names):
        values = piece.values[:, index]
        known = _labels(values, target) if target.classes else values
        columns[f"target_{name}" if several else "target"] = known
    predicted = prediction.predictions_table(outputs, target)
    for place, name in enumerate(predicted.columns):  # by place: a target may be called as a column of ours
        own = f"prediction_{name}" if several else "prediction"
        if place >= len(target.names):
            end = str(name).removeprefix(target.names[0])  # of an interval
            own = str(name) if target.task != "regression" else own if several else f"prediction{end}"
        columns[own] = predicted[name].to_numpy()
    return pd.DataFrame(columns)


def _labels(numbers: np.ndarray, target: Target) -> np.ndarray:
    labels: np.ndarray = np.array(target.classes, object if isinstance(target.classes[0], str) else None)
    return np.asarray(labels[numbers.astype(int)])


def write_text(path: Path, text: str) -> None:
    """Writes a text file so that a kill leaves the old one or the new one."""
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8")
