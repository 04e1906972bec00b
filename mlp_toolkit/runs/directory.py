"""What a run writes into its directory."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit import (
    images,
    prediction,
    sources,
)
from mlp_toolkit.dataset import Dataset, Piece
from mlp_toolkit.errors import UserError
from mlp_toolkit.files import atomic
from mlp_toolkit.recipe import Resolved
from mlp_toolkit.spec import Recipe
from mlp_toolkit.splitting import PARTS
from mlp_toolkit.streaming import Stream
from mlp_toolkit.targets import Target

if TYPE_CHECKING:
    pass


REPEATS = (
    "The same recipe, data and seed give the same bits again with the versions and on the kind of processor named "
    "here. Elsewhere sums are taken in another order (vector instructions, number of threads, device, XLA's choices), "
    "and differences of the last digit grow while training: scores will be alike, not equal."
)
PACKAGES = ("mlp-toolkit", "tensorflow", "keras", "numpy", "pandas", "pyarrow", "scikit-learn", "h5py", "pillow")


def describe(spec: Recipe, data: Dataset | Stream) -> str:
    """What was inferred of the data, a line each."""
    rows = ", ".join(f"{data.counts[part]:,} {part}" for part in PARTS)
    kinds = ", ".join(
        f"{len(found)} {kind}"
        for kind in ("numeric", "categorical", "date", "image", "ignore")
        if (found := data.kinds.of(kind))
    ).replace("ignore", "ignored")
    lines = [f"{spec.name}: {spec.task}, {data.encoding.width} encoded inputs, {data.target.n_outputs} outputs"]
    lines += [f"rows: {rows}", f"columns: {kinds}", *data.notes]
    return "\n".join(lines)


def write_beginning(directory: Path, resolved: Resolved, data: Dataset | Stream) -> None:
    """What a run can be explained and repeated by, before the first epoch."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_text(directory / "recipe.yaml", _resolved_text(resolved, data))
        write_text(directory / "environment.json", json.dumps(_environment(resolved.spec, data), indent=2) + "\n")
    except OSError as error:
        raise UserError(f"the run directory cannot be written: {error.strerror}", place=str(directory)) from None


def _resolved_text(resolved: Resolved, data: Dataset | Stream) -> str:
    """The recipe with all values, what was inferred from the data among them."""
    values = json.loads(json.dumps(resolved.values))
    values["data"]["features"] = dict(data.kinds.by_column)
    values["data"]["stream"] = isinstance(data, Stream)
    if image := data.encoding.image:
        color = next(name for name, channels in images.CHANNELS.items() if channels == image.channels)
        values["data"]["images"] = {"size": [image.height, image.width], "color": color}
    if data.target.classes:
        values["data"]["classes"] = list(data.target.classes)
    notes = "".join(f"# {line}\n" for line in describe(resolved.spec, data).splitlines())
    return f"# Every value of this run; running this file repeats it.\n{notes}{sources.dump(values)}"


def _environment(spec: Recipe, data: Dataset | Stream) -> dict[str, Any]:
    cpu = {"machine": platform.machine(), "system": platform.platform(), "cpus": os.cpu_count()}
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "machine": cpu,
        "seed": spec.seed,
        "data_sha256": data.fingerprint,
        "repeats": REPEATS,
    }


def write_history(directory: Path, history: Mapping[str, list[float]]) -> None:
    """`history.csv`: a row per epoch."""
    import pandas as pd

    frame = pd.DataFrame(history)
    frame.insert(0, "epoch", np.arange(1, len(frame) + 1))
    write_text(directory / "history.csv", frame.to_csv(index=False))


@contextlib.contextmanager
def predictions_file(directory: Path, target: Target) -> Iterator[Callable[[Piece, np.ndarray], None]]:
    """Writes predictions.parquet piece by piece.

    Columns: `row`, `target`, `prediction`, probabilities; `target_NAME` and `prediction_NAME` where there are several.
    """
    import pandas as pd
    import pyarrow as pa
    from pyarrow import parquet

    several = len(target.names) > 1
    with atomic(directory / "predictions.parquet") as temporary, contextlib.ExitStack() as stack:
        writers: list[Any] = []

        def write(piece: Piece, outputs: np.ndarray) -> None:
            columns: dict[str, Any] = {"row": piece.row_numbers}
            for index, name in enumerate(target.names):
                values = piece.values[:, index]
                known = _labels(values, target) if target.classes else values
                columns[f"target_{name}" if several else "target"] = known
            predicted = prediction.table(outputs, target)
            for name in predicted.columns:
                own = "prediction" if name == "label" or not several else f"prediction_{name}"
                columns[name if str(name).startswith("probability") else own] = predicted[name].to_numpy()
            rows = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
            if not writers:
                writers.append(
                    stack.enter_context(parquet.ParquetWriter(temporary, rows.schema, write_page_checksum=True))
                )
            writers[0].write_table(rows)

        yield write


def _labels(numbers: np.ndarray, target: Target) -> np.ndarray:
    labels: np.ndarray = np.array(target.classes, object if isinstance(target.classes[0], str) else None)
    return np.asarray(labels[numbers.astype(int)])


def write_text(path: Path, text: str) -> None:
    """Writes a text file so that a kill leaves the old one or the new one."""
    with atomic(path) as temporary:
        temporary.write_text(text, "utf-8")
