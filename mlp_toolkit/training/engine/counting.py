"""Metrics of an epoch, counted over the predictions of all its steps at once instead of in every step.

Keras counts in each step, which for the area under the curve takes as long as all the rest of a step of a small
network, and as long to compile. What is counted are the same predictions, those that each step made on its way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_types import Tensor
from mlp_toolkit.training.engine.rows import Arrays
from mlp_toolkit.training.engine.steps import Work, has_own

# Metrics that add up over rows, so that it is all one how many of them come at once.
_NAMES = """
    Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy TopKCategoricalAccuracy
    SparseTopKCategoricalAccuracy BinaryCrossentropy CategoricalCrossentropy SparseCategoricalCrossentropy KLDivergence
    Poisson MeanSquaredError RootMeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError
    MeanSquaredLogarithmicError LogCoshError CosineSimilarity R2Score AUC Precision Recall F1Score FBetaScore
    TruePositives TrueNegatives FalsePositives FalseNegatives
"""
ADDING_UP = {getattr(keras.metrics, name) for name in _NAMES.split()}
VALUES_HELD = 2**24  # predictions of a block, 64 MB; of more the metrics are counted step by step
ROWS_AT_ONCE = 4096  # some metrics compare each prediction with 200 thresholds


class Gathered(NamedTuple):
    """How the predictions of an epoch are gathered and counted.

    Attributes:
        tell: Counts the metrics: takes the predictions, how many rows of them count, and the arrays of the block.
        shape: Of a row's predictions.
        dtype: Of the predictions.
    """

    tell: Callable[[Tensor, Tensor, Arrays], None]
    shape: tuple[int, ...]
    dtype: str


def gathered(work: Work, known: bool) -> Gathered | None:
    """How the metrics of a training are counted once an epoch; None where each step has to count them.

    Args:
        work: The network and its rows.
        known: Whether nothing of the network is code of somebody's own.
    """
    model = work.model
    if not known or has_own(model, "train_step") or "compute_metrics" in vars(model):
        return None
    compiled = [metrics for metrics in model.metrics if getattr(metrics, "metrics", ())]  # Keras holds them in one
    if len(compiled) != 1 or not all(type(metric) in ADDING_UP for metric in compiled[0].metrics):
        return None
    shape = tuple(model.outputs[0].shape[1:])
    if None in shape or work.rows.block_rows * math.prod(shape) > VALUES_HELD:
        return None

    def tell(predicted: Tensor, rows: Tensor, arrays: Arrays) -> None:
        def some(begin: Tensor) -> tuple[Tensor]:
            end = tf.minimum(begin + ROWS_AT_ONCE, rows)
            y, *weights = (array[begin:end] for array in arrays[1:3])
            compiled[0].update_state(y, predicted[begin:end], *weights)
            return (end,)

        room = arrays[0].shape[0]
        if room is not None and room <= ROWS_AT_ONCE:
            some(tf.constant(0))
        else:
            tf.while_loop(lambda begin: begin < rows, some, (tf.constant(0),))

    return Gathered(tell, shape, model.outputs[0].dtype)
