"""Raw rows through a model file: arrays, and tables with the user's own names and labels."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_toolkit import layers
from mlp_toolkit.errors import UserError
from mlp_toolkit.features import Encoding, model_inputs
from mlp_toolkit.startup import tf
from mlp_toolkit.targets import Target

if TYPE_CHECKING:
    import pandas as pd

CHUNK = 8192


def encoding_of(model: Any) -> Encoding:
    """The encoding that a model file's layers hold."""
    by_kind = {type(layer): layer for layer in model.layers}
    numbers, dates, words = (by_kind.get(kind) for kind in (layers.Numbers, layers.DateParts, layers.OneHot))
    if numbers is None and words is None:
        raise UserError(
            "this model takes encoded numbers, not raw rows: it was not written by `mlp-toolkit run`",
            remedy="Use model.predict on an array.",
        )
    return Encoding(
        numbers=tuple(numbers.columns) if numbers else (),
        dates=tuple(zip(dates.columns, dates.formats, strict=True)) if dates else (),
        words=tuple((n, tuple(v)) for n, v in zip(words.columns, words.vocabularies, strict=True)) if words else (),
        fill=tuple(numbers.fill) if numbers else (),
        center=tuple(numbers.center) if numbers else (),
        inverse_scale=tuple(numbers.inverse_scale) if numbers else (),
        indicators=tuple(numbers.indicators) if numbers else (),
    )


def target_of(model: Any) -> Target:
    """What a model file predicts."""
    last = model.layers[-1]
    if not isinstance(last, layers.Target):
        raise UserError("this model does not say what it predicts: it was not written by `mlp-toolkit run`")
    return Target(last.task, tuple(last.names), tuple(last.classes), tuple(last.offset), tuple(last.scale))


def outputs(model: Any, frame: pd.DataFrame, encoding: Encoding | None = None) -> np.ndarray:
    """Runs raw rows through a model that takes named columns.

    Args:
        model: A model file's model, or an encoder.
        frame: Raw rows, normalised as `readers` gives them.
        encoding: The model's, where it is at hand.

    Returns:
        (rows, outputs) float32.
    """
    inputs = model_inputs(frame, encoding or encoding_of(model))
    forward = _forward(model)
    pieces = []
    for start in range(0, len(frame), CHUNK):
        batch = {name: tf.constant(values[start : start + CHUNK]) for name, values in inputs.items()}
        pieces.append(forward(batch).numpy())
    return np.concatenate(pieces) if pieces else np.zeros((0, model.output_shape[-1]), np.float32)


def _forward(model: Any) -> Any:
    """The model's forward pass as one graph for any number of rows; traced once for each model."""
    if model not in _FORWARD:
        specs = {name: tf.TensorSpec((None, 1), tensor.dtype) for name, tensor in model.input.items()}
        _FORWARD[model] = tf.function(lambda batch: model(batch, training=False), input_signature=[specs])
    return _FORWARD[model]


_FORWARD: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def table(values: np.ndarray, target: Target) -> pd.DataFrame:
    """Outputs as columns with the user's names.

    Regression: one column per target. Binary: `label`, `probability` (of the positive class). Multiclass: `label`,
    `probability_<class>`. Multilabel: `<label>` (0 or 1), `probability_<label>`.
    """
    import pandas as pd

    if target.task == "regression":
        return pd.DataFrame({name: values[:, i] for i, name in enumerate(target.names)})
    if target.task == "multilabel":
        decided = {name: (values[:, i] >= 0.5).astype(int) for i, name in enumerate(target.names)}
        return pd.DataFrame(decided | {f"probability_{name}": values[:, i] for i, name in enumerate(target.names)})
    classes = np.array(target.classes, object if isinstance(target.classes[0], str) else None)
    if target.task == "binary":
        return pd.DataFrame({"label": classes[(values[:, 0] >= 0.5).astype(int)], "probability": values[:, 0]})
    label = {"label": classes[values.argmax(axis=1)]}
    return pd.DataFrame(label | {f"probability_{c}": values[:, i] for i, c in enumerate(target.classes)})
