"""Losses and what is watched while training: the tables' choice, by Keras's full names; and where they mean nothing.

Keras computes each loss and each metric for anything, and says nothing where the number has no meaning.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from pydantic_core import PydanticCustomError

from mlp_toolkit.data.arrays import Output
from mlp_toolkit.errors import UserError
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.recipe import catalog, known_names

# Metrics that compare a probability with a threshold of 0.5.
YES_OR_NO = ("binary_accuracy", "precision", "recall", "false_positives", "false_negatives")
AMONG_CLASSES = (
    *(f"{kind}categorical_accuracy" for kind in ("", "sparse_", "top_k_", "sparse_top_k_")),
    *("categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_hinge"),
)
# Metrics that compare each output with a target of its own: class numbers are one target for all.
OUTPUT_BY_OUTPUT = (
    *YES_OR_NO,
    *("true_positives", "true_negatives", "auc", "f1_score", "fbeta_score", "binary_crossentropy"),
    *("precision_at_recall", "recall_at_precision", "sensitivity_at_specificity", "specificity_at_sensitivity"),
    *("categorical_accuracy", "top_k_categorical_accuracy", "categorical_crossentropy", "categorical_hinge"),
)
OF_PROBABILITIES = ("auc", "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")
SEVERAL_LABELS = ("binary_crossentropy", "binary_focal_crossentropy")
ALIASES = {"acc": "accuracy", "bce": "binary_crossentropy"}


def loss_for(task: str, n_outputs: int, loss: Any) -> Any:
    """The loss by its full name: Keras cannot read the aliases back from a file."""
    if loss is None or loss == "auto":
        return catalog.config(f"tables/{task}")["entries"]["train.loss"]["default"]
    if not isinstance(loss, str):
        if not callable(loss):
            raise UserError("a name or a Keras loss", place="build_mlp: loss", found=loss)
        if n_outputs > 1 or loss_name(loss) not in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
            return loss
        loss = loss_name(loss)
    try:
        return known_names.full_loss_name(task, loss)
    except PydanticCustomError as error:
        context = error.context or {}
        raise UserError(
            context["problem"],
            place="build_mlp: loss",
            found=loss,
            allowed=context["allowed"],
            remedy=context["remedy"],
        ) from None


def loss_name(loss: Any) -> str:
    """The full name of a loss in lower case with underscores, from a name, an alias, a Keras function or object.

    "mse" and MeanSquaredError() are mean_squared_error. A loss that has no name gives "".
    """
    if isinstance(loss, keras.losses.Loss):
        return _snake(type(loss).__name__)
    if isinstance(loss, str):
        try:
            found = keras.losses.get(loss)
        except ValueError:
            return loss
        return loss_name(found) if isinstance(found, keras.losses.Loss) else str(getattr(found, "__name__", loss))
    return str(getattr(loss, "__name__", ""))


def usual_metrics(task: str, loss: Any) -> list[Any]:
    """What is watched while training; the scores of a run come from scikit-learn at its end."""
    if task == "regression":
        return [keras.metrics.RootMeanSquaredError(name="rmse"), keras.metrics.MeanAbsoluteError(name="mae")]
    if task == "multiclass":
        sparse = loss in (None, "auto") or loss_name(loss) == "sparse_categorical_crossentropy"
        kind = keras.metrics.SparseCategoricalAccuracy if sparse else keras.metrics.CategoricalAccuracy
        return [kind(name="accuracy")]
    accuracy = keras.metrics.BinaryAccuracy(name="accuracy")
    multilabel = {"multi_label": True} if task == "multilabel" else {}
    return [accuracy, keras.metrics.AUC(name="auc", **multilabel)]


class Watched(NamedTuple):
    """A metric that a model was compiled with: its name in lower case, and its settings."""

    name: str
    settings: Mapping[str, Any]


def check_domain(model: Network, y: np.ndarray, output: Output, what: str) -> None:
    """Refuses a loss or a metric that has no meaning for these targets, or for what the network gives.

    Args:
        model: A compiled model.
        y: Its targets, checked: (rows, …).
        output: What the network gives.
        what: The targets' name in messages.

    Raises:
        UserError: With what to take instead.
    """
    _check_targets(output.loss, "the loss", y, output, what)
    for metric in watched(model):
        _check_targets(metric.name, "the metric", y, output, what)
        _check_metric(metric, y, output, what)


def watched(model: Network) -> Iterator[Watched]:
    """The metrics that a model was compiled with, of its only output."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras speaks of functions of the user's own as if they were to be saved
        config = model.get_compile_config() or {}
    pending: list[Any] = [config.get("metrics"), config.get("weighted_metrics")]
    while pending:
        item = pending.pop(0)
        if isinstance(item, str):
            yield Watched(ALIASES.get(item.lower(), _snake(loss_name(item) or item)), {})
        elif isinstance(item, Mapping) and "class_name" in item:
            inner = item.get("config")
            settings = inner if isinstance(inner, Mapping) else {}
            title = settings.get("name") if item["class_name"] == "MeanMetricWrapper" else item["class_name"]
            yield Watched(_snake(str(inner if item["class_name"] == "function" else title)), settings)
        elif isinstance(item, Mapping):
            pending += item.values()
        elif isinstance(item, list | tuple):
            pending += item


def _snake(name: str) -> str:
    """CamelCase as Keras's functions are called."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _check_targets(name: str, role: str, y: np.ndarray, output: Output, what: str) -> None:
    """What divides by targets, or takes their logarithm."""
    place = f"fit: {what}"
    if name == "mean_absolute_percentage_error" and (y == 0).any():
        raise UserError(
            f"{role} {name} divides by the targets, and {what} holds zeros: it would be some millions of per cent",
            place=place,
            remedy="Take mean_absolute_error.",
        )
    if name == "mean_squared_logarithmic_error" and (y < 0).any():
        raise UserError(
            f"{role} {name} takes the logarithm of targets of 0 or more, and {what} holds {y.min():g}",
            place=place,
            remedy="Take mean_squared_error.",
        )
    if name == "cosine_similarity" and role == "the loss" and output.shape[-1:] == (1,):
        raise UserError(
            "the loss cosine_similarity of one output neuron is the sign alone: its size is not learnt",
            place="fit: model",
            remedy="Take mean_squared_error.",
        )
    if name == "poisson" and role == "the loss":
        if (y < 0).any():
            raise UserError(f"the loss poisson is for counts, and {what} holds {y.min():g}", place=place)
        if output.low is None or output.low < 0:
            raise UserError(
                "the loss poisson takes the logarithm of the output, which may fall below 0",
                place="fit: model",
                remedy="Give the last layer the activation softplus or exponential.",
            )


def _check_metric(metric: Watched, y: np.ndarray, output: Output, what: str) -> None:
    name, neurons = metric.name, output.shape[-1] if output.shape else 1
    if name in AMONG_CLASSES and neurons == 1:
        raise _misleading(name, "of one output neuron it is constant, or the share of the class 0", "binary_accuracy")
    if name == "cosine_similarity" and neurons == 1:
        raise _misleading(name, "of one output neuron it is the sign alone", "mean_absolute_error")
    if name in ("accuracy", "categorical_accuracy") and neurons != 1 and output.loss in SEVERAL_LABELS:
        why = "it looks for the largest output of a row, and here each output is a label of its own"
        raise _misleading(name, why, "binary_accuracy")
    if name in OUTPUT_BY_OUTPUT and neurons != 1 and output.loss == "sparse_categorical_crossentropy":
        why = f"it compares each of the {neurons} outputs with a target of its own, and {what} holds class numbers"
        instead = f"categorical_crossentropy and train on keras.utils.to_categorical({what})"
        raise _misleading(name, why, f"sparse_categorical_accuracy, or with {instead}")
    if name.startswith("sparse_") and output.loss == "categorical_crossentropy":
        why = f"it takes class numbers, and {what} holds one column for each class"
        raise _misleading(name, why, name.removeprefix("sparse_"))
    if name == "accuracy" and neurons == 1:
        name = "binary_accuracy"
    if name in YES_OR_NO and not np.isin(y, (0, 1)).all():
        remedy = "for -1 and 1 train on (y + 1) / 2" if output.loss.endswith("hinge") else "mean_absolute_error"
        raise _misleading(name, f"it counts labels 0 and 1, and {what} holds {y[~np.isin(y, (0, 1))][0]:g}", remedy)
    if output.activation != "linear" or output.loss not in (
        "binary_crossentropy",
        "binary_focal_crossentropy",
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
    ):
        return
    if name in YES_OR_NO and (metric.settings.get("threshold", metric.settings.get("thresholds")) in (None, 0.5)):
        instead = "thresholds=0" if name != "binary_accuracy" else "threshold=0"
        own = "".join(part.capitalize() for part in name.split("_"))
        raise _misleading(
            name, "it takes outputs of 0.5 for the border, and logits have it at 0", f"keras.metrics.{own}({instead})"
        )
    if name in OF_PROBABILITIES and not metric.settings.get("from_logits"):
        raise _misleading(name, "it takes probabilities, and the network gives logits", "from_logits=True")


def _misleading(name: str, why: str, instead: str) -> UserError:
    return UserError(
        f"the metric {name} would mislead: {why}", place="fit: model", remedy=f"Compile the model with {instead}."
    )
