"""Rows through a model: raw ones through a model file, numbers through any network; arrays, and tables with labels.

Both go through graphs that are traced once for each model and take any number of rows. XLA for a few padded sizes was
tried and left out. On 2 cores a million rows of 32 numbers through 64-64 took 0.12 s either way, networks of 512 and
1,024 neurons 5 to 13 % longer by XLA; one row of numbers took 0.1 instead of 0.2 ms, after 0.1 to 0.4 s of compilation
for each size. Texts cannot pass it at all.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mlp_toolkit.data import arrays
from mlp_toolkit.data.columns.encoder import Encoding, model_inputs, require_columns
from mlp_toolkit.data.images import image_files
from mlp_toolkit.data.reading import frames, in_memory, tables
from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import UserError
from mlp_toolkit.evaluation import conformal, drift
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.model.layers.columns import inputs_of
from mlp_toolkit.model.layers.encoding import encoding_in
from mlp_toolkit.model.layers.target import Target as TargetLayer
from mlp_toolkit.model.members.ensemble import Ensemble
from mlp_toolkit.model.programs import kept
from mlp_toolkit.model.programs.signature import architecture

if TYPE_CHECKING:
    import pandas as pd

Found = TypeVar("Found")
log = logging.getLogger("mlp_toolkit")

# Rows go in chunks whose widest layer gives about so many values, 16 MB: memory stays bounded, whatever comes.
CHUNK_VALUES = 2**22
CHUNK_ROWS = (32, 16_384)  # at least, at most
DRIFT_ROWS = 10_000  # of new rows that are looked at, whether they are like those learnt
# One chunk is checked and copied while others are in the graph.
WORKERS = 1 + min(os.cpu_count() or 1, 8)


def predict(model: Network, X: Any) -> Any:
    """Predictions for any number of rows: what `model.predict` gives, faster.

    Args:
        model: A `keras.Model` with one input (rows, …) and one output (rows, …), compiled or not; or a run's model.
        X: (rows, …) numbers as `fit` takes them: an array, a data frame, or a Parquet file. For a run's model raw rows,
            as `Run.predict` takes them.

    Returns:
        (rows, …) outputs as an array; for a run's model the table that `Run.predict` gives.

    Raises:
        UserError: X does not fit the model, or holds something that is no number; with column and row.
    """
    if not isinstance(model, keras.Model):
        raise UserError(
            "not a Keras model",
            place="predict: model",
            found=model,
            remedy="Of a run pass run.model, or call run.predict.",
        )
    if not is_model_file(model):
        return _of_numbers(model, arrays.table(X))
    data = raw_rows(model, X, "predict: X")
    return predictions_table(outputs_of_new(model, model_columns(model, data)), target_of(model), data.index)


def raw_rows(model: Network, data: Any, place: str) -> pd.DataFrame:
    """Rows for a model file's model, given as a file or in any form that `in_memory.frame_of` takes."""
    if isinstance(data, str | Path):
        return table_rows(model, tables.read_table(data))
    image = encoding_of(model).image
    return in_memory.frame_of(data, place, image.name if image else None)


def model_columns(model: Network, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns of a data frame that a model file's model takes; whatever the others hold, they are not looked at.

    Raises:
        UserError: A column is missing, stands twice, or holds something else than numbers and texts.
    """
    encoding = encoding_of(model)
    require_columns(dict.fromkeys(map(str, frame.columns.tolist())), encoding)
    return frames.columns_of(frame, {*encoding.columns})


def table_rows(model: Network, table: tables.Table) -> pd.DataFrame:
    """The rows of a file, or of a folder of images, as a model file's model takes them.

    Paths of images then count from the current folder, not from the file's; the images of a folder are the model's
    image column, whatever its name.
    """
    image = encoding_of(model).image
    if image is None:
        return table.frame
    if table.folder is None and image.name not in table.frame:
        return table.frame.rename(columns={"image": image.name})
    others = [name for name in table.frame.columns if name != image.name]
    return image_files.rooted(table.frame, table.folder, {image.name: "image"}, others)


def outputs_of_new(model: Network, table: pd.DataFrame | Mapping[str, np.ndarray]) -> np.ndarray:
    """`raw_outputs` of rows that training did not see; what is odd about them is warned of."""
    encoding = encoding_of(model)
    outputs = raw_outputs(model, table, encoding)
    for part in encoding.parts:
        for remark in part.remarks(table):
            log.warning("%s", remark)
    if len(outputs) >= drift.LEAST_ROWS:
        step = -(-len(outputs) // DRIFT_ROWS)
        some = {own.name: table[own.name][::step] for own in target_of(model).seen if own.name in table}
        if told := drift.sentence(drift.moves(target_of(model).seen, drift.with_days(some, encoding))):
            log.warning("%s", told)
    return outputs


def raw_outputs(
    model: Network, frame: pd.DataFrame | Mapping[str, np.ndarray], encoding: Encoding | None = None
) -> np.ndarray:
    """Runs raw rows through a model that takes named columns.

    Args:
        model: A model file's model, or an encoder.
        frame: Raw rows, normalised as `tables` gives them: a data frame, or its columns.
        encoding: The model's, where it is at hand.

    Returns:
        (rows, outputs): float64 in the target's units, or float32 probabilities.

    Raises:
        UserError: Columns are missing, or the model gives NaN or infinity.
    """
    encoding = encoding or encoding_of(model)
    inputs = model_inputs(frame, encoding)
    groups, dtypes, function, size = _graph_of_columns(model)
    rows = len(next(iter(inputs.values())))
    if not rows:
        return np.zeros((0, model.output_shape[-1]), model.output.dtype)

    def work(part: slice) -> np.ndarray:
        matrices = [np.concatenate([inputs[name][part] for name in names], axis=1) for names in groups]
        taken = zip(matrices, dtypes, strict=True)
        matrices = [matrix if dtype == "string" else matrix.astype(dtype, copy=False) for matrix, dtype in taken]
        return np.asarray(function(list(map(_tensor, matrices))).numpy())

    predicted = _in_chunks(work, rows, size)
    finite = np.isfinite(predicted)
    if not finite.all():
        row = int(np.argmin(finite.all(axis=tuple(range(1, predicted.ndim)))))
        raise UserError(
            f"the model gives NaN or infinity, first for row {row} (counted from 0)",
            remedy="A number of this row, or a weight of the model, is too large for its arithmetic.",
        )
    return predicted


def _tensor(matrix: np.ndarray) -> Any:
    try:
        return tf.constant(matrix)
    except ValueError:  # half of a pair of UTF-16, which no text in UTF-8 holds: no value that was seen in training
        return tf.constant([[text.encode("utf-8", "replace") for text in row] for row in matrix])


def predictions_table(values: np.ndarray, target: Target, index: pd.Index[Any] | None = None) -> pd.DataFrame:
    r"""Outputs as columns with the user's names; rows are called as in `index`, or counted from 0.

    Regression: one column per target. Binary: `label`, `probability` (of the positive class). Multiclass: `label`,
    `probability_<class>`. Multilabel: `<label>` (0 or 1), `probability_<label>`. With intervals `<target>_lower` and
    `<target>_upper`, or `set`, the labels joined by `|` (one within a label is `\|`).
    """
    import pandas as pd

    columns: list[np.ndarray] = list(values.T)
    if target.task == "multilabel":
        columns = [*target.decided(values).T, *columns]
    elif target.task != "regression":
        classes = np.array(target.classes, object if isinstance(target.classes[0], str) else None)
        columns = [classes[target.decided(values)[:, 0]], *columns]
    added = conformal.columns(values, target)
    frame = pd.DataFrame(dict(enumerate([*columns, *added.values()])), index)
    frame.columns = _names(target).append(pd.Index(list(added))) if added else _names(target)
    return frame


@functools.lru_cache
def _names(target: Target) -> pd.Index[Any]:
    """The names of a table's columns; pandas takes longer to take them in than a graph to predict a row."""
    import pandas as pd

    if target.task == "regression":
        return pd.Index(target.names)
    if target.task == "binary":
        return pd.Index(["label", "probability"])
    if target.task == "multiclass":
        return pd.Index(["label", *(f"probability_{label}" for label in target.classes)])
    return pd.Index([*target.names, *(f"probability_{name}" for name in target.names)])


def _kept(function: Callable[[Any], Found]) -> Callable[[Any], Found]:
    """Keeps what a function finds out about a model, as long as the model is there.

    What is found must not hold the model itself, or neither would ever be freed.
    """
    found: weakref.WeakKeyDictionary[Any, Found] = weakref.WeakKeyDictionary()

    @functools.wraps(function)
    def kept(model: Network) -> Found:
        if model not in found:
            found[model] = function(model)
        return found[model]

    return kept


@_kept
def encoding_of(model: Network) -> Encoding:
    """The encoding that a model file's layers hold."""
    return encoding_in(model)


@_kept
def target_of(model: Network) -> Target:
    """What a model file predicts."""
    if not is_model_file(model):
        raise UserError("this model does not say what it predicts: it was not written by `mlp-toolkit run`")
    last: Any = model.layers[-1]
    known = Target(last.task, tuple(last.names), tuple(last.classes), tuple(last.offset), tuple(last.scale))
    return dataclasses.replace(
        known,
        thresholds=tuple(last.thresholds),
        level=last.level,
        widths=tuple(last.widths),
        sizes=tuple((tuple(own[0]), tuple(own[1])) if own else () for own in last.sizes),
        seen=tuple(
            drift.Seen(name, rows, missing, tuple(quantiles), tuple(below), tuple(map(tuple, words)))
            for name, rows, missing, quantiles, below, words in last.seen
        ),
    )


def is_model_file(model: Network) -> bool:
    """Whether a model takes raw columns, and says what it predicts."""
    return any(isinstance(layer, TargetLayer) for layer in model.layers[-1:])


@_kept
def _graph_of_columns(model: Network) -> tuple[list[list[str]], list[str], Any, int]:
    """Numeric, text and image columns, their types, a graph that takes an array of each, and the rows of a chunk.

    To hand over dozens of columns one by one takes longer than all the arithmetic of a row.
    """
    encoding = encoding_of(model)
    image = encoding.image
    inputs = inputs_of(encoding, model.input)
    texts = {name for name in inputs if model.input[name].dtype == "string"}
    plain = [name for name in inputs if not image or name != image.name]
    groups = [[name for name in plain if (name in texts) == text] for text in (False, True)]
    groups = [names for names in [*groups, [image.name] if image else []] if names]
    widths = [[len(inputs[name]) for name in names] for names in groups]
    reference: Callable[[], Any] = weakref.ref(model)  # see `_kept`

    def forward(matrices: Sequence[Any]) -> Any:
        batch: dict[str, Any] = {}
        for names, own, matrix in zip(groups, widths, matrices, strict=True):
            batch |= zip(names, tf.split(matrix, own, axis=1) if len(own) > 1 else [matrix], strict=True)
        return reference()(batch, training=False)

    dtypes = [str(model.input[names[0]].dtype) for names in groups]
    specs = [tf.TensorSpec((None, sum(own)), dtype) for own, dtype in zip(widths, dtypes, strict=True)]
    if image:
        specs[-1] = tf.TensorSpec((None, image.height, image.width, image.channels), model.input[image.name].dtype)
    graph = tf.function(forward, autograph=False).get_concrete_function(specs)
    columns = [[column for name in names for column in inputs[name]] for names in groups]
    return columns, dtypes, graph, _chunk_rows(model, encoding.width)


def _of_numbers(model: Network, data: Any) -> np.ndarray:
    """Outputs of a network for an array or a data frame of numbers."""
    shape, whole_numbers = arrays.one_input(model, "predict")
    check = functools.partial(arrays.features_array, shape=shape, whole_numbers=whole_numbers)
    if not (hasattr(data, "iloc") or isinstance(data, np.ndarray)) or not np.ndim(data) or not len(data):
        data = check(data)
    rows = data.iloc if hasattr(data, "iloc") else data

    def checked(part: slice) -> np.ndarray:
        try:
            return check(rows[part])
        except UserError:
            check(data)  # this message counts in all rows
            raise

    first = checked(slice(0, 1))
    if not model.built:
        model(first, training=False)
    function = _graph_of_numbers(model, (None, *(shape or first.shape[1:])), first.dtype)

    def work(part: slice) -> np.ndarray:
        return np.asarray(function(tf.constant(checked(part))).numpy())

    return _in_chunks(work, len(data), _chunk_rows(model, int(np.prod(first.shape[1:]))))


def _graph_of_numbers(model: Network, shape: arrays.Shape, dtype: Any) -> Any:
    """The model as a graph; traced anew where layers were added to the model or taken away."""
    end = (getattr(model, "outputs", None) or [model])[0]
    known = _graphs(model)
    if (shape, dtype) not in known or known[shape, dtype][0]() is not end:
        known[shape, dtype] = weakref.ref(end), _traced(model, tf.TensorSpec(shape, dtype))
    return known[shape, dtype][1]


@_kept
def _graphs(model: Network) -> dict[tuple[arrays.Shape, Any], tuple[weakref.ref[Any], Any]]:
    return {}


def _traced(model: Network, spec: Any) -> Any:
    reference: Callable[[], Any] = weakref.ref(model)  # see `_kept`

    def forward(x: Any) -> Any:
        own = reference()
        named = getattr(own, "inputs", None) and not isinstance(own, keras.Sequential)  # {"name": x}, or [x]
        batch = keras.tree.pack_sequence_as(own.input, [x]) if named else x
        results = keras.tree.flatten(own(batch, training=False))
        if len(results) != 1:
            raise arrays.other_form("predict", f"{len(results)} outputs")
        return results[0]

    if model.run_eagerly:
        return forward
    layers = architecture(model)
    key = layers and ("predict", layers, spec)
    return kept.program(key, model.weights, lambda: tf.function(forward, autograph=False).get_concrete_function(spec))


def _chunk_rows(model: Network, width: int) -> int:
    """Rows of a chunk, for rows of so many numbers."""
    widest = max([width, *(int(variable.shape[-1] or 0) for variable in model.weights if len(variable.shape))])
    widest = max([widest, *(ensemble.values_of_a_row for ensemble in _ensembles(model))])
    least, most = CHUNK_ROWS
    return min(max(CHUNK_VALUES // max(widest, 1), least), most)


def _ensembles(model: Network) -> list[Ensemble]:
    """The ensembles in a model, itself among them."""
    if isinstance(model, Ensemble):
        return [model]
    inner = [layer for layer in getattr(model, "layers", []) if isinstance(layer, keras.Model)]
    return [found for layer in inner for found in _ensembles(layer)]


def _in_chunks(work: Callable[[slice], np.ndarray], rows: int, size: int) -> np.ndarray:
    """What `work` gives for all rows, in their order."""
    first, *rest = (slice(start, start + size) for start in range(0, rows, size))
    if not rest:
        return work(first)
    done = work(first)  # alone: it prepares the graph
    with ThreadPoolExecutor(WORKERS) as pool:
        return np.concatenate([done, *pool.map(work, rest)])
