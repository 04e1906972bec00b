"""`MLPRegressor`: a scikit-learn regressor that takes what recipes take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils import check_array

from mlp_toolkit.data.columns import parsing
from mlp_toolkit.estimators.arguments import told_names
from mlp_toolkit.estimators.base import InMemory, Learned


class MLPRegressor(MultiOutputMixin, RegressorMixin, InMemory):
    """A multilayer perceptron for one or more numbers a row.

    Each argument stands for a key of a recipe, in the same words and with the same checks. None leaves a value to the
    preset; where a recipe's null means something, "preset" does that and None is the null.

    Args:
        preset: slides, strong, deep, or a YAML file with a preset of your own.
        hidden: Neurons of each hidden layer, `[64, 64]`; 64 for one layer; or `{"layers": 2, "neurons": 64}`.
        activation: Of the hidden layers, by name; or `{"name": "leaky_relu", "slope": 0.2}`.
        initializer: Of the weights, by name; auto fits the activation.
        batch_norm: Batch normalization in each hidden layer: True, False, before or after the activation.
        dropout: Share of neurons that each training step leaves out, from 0 to below 1.
        l2: L2 penalty on the weights, 0 or more.
        network: plain, or realmlp (scaled numbers with periodic embeddings, arXiv 2407.04491).
        ensemble: Networks trained at once, 1 to 64, each with its own initial weights; their mean predicts.
        output: auto, linear, positive, or `bounded(LOW, HIGH)`.
        loss: auto, mse, mae, huber, or another Keras loss by name.
        optimizer: A name, or `{"name": "adam", "learning_rate": 0.01}`.
        learning_rate: Of the optimizer, above 0; None takes the optimizer's own.
        schedule: Of the learning rate: constant, cosine, one_cycle, exponential, log_cosine, reduce_on_plateau; None
            for none.
        epochs: Passes over the rows at most, 1 or more.
        seconds: That training may take, above 0; None for any. Fewer members and epochs are planned where they are too
            many and the preset's, as of `strong`; else training ends with its epoch.
        batch_size: Rows of one step, 1 or more.
        early_stopping: Stop after so many epochs without a lower validation loss, or `{"patience": 10}`; None trains
            all epochs. The best epoch is taken in any case.
        validation_fraction: Share of the rows held out, shuffled, to choose the best epoch by; 0 holds none out, and
            the training loss chooses. The preset's share holds none out either where that would be fewer than 10 rows.
            "folds": each network of an ensemble holds out a fold of its own.
        features: all, a list of columns, or the kinds of some: `{"zip": "categorical", "id": "ignore"}`. The columns of
            an array go by their numbers, and are numeric unless this says otherwise.
        device: auto, cpu, gpu, gpu:N or all.
        precision: float32, mixed_bfloat16 or mixed_float16.
        random_state: A seed of 0 or more, a `numpy.random.RandomState`, or None for another seed in each `fit`.
        verbose: auto, 0 (nothing), 1 (a bar), 2 (lines).

    Attributes:
        n_features_in_: Columns of X.
        feature_names_in_: Their names, where X was a data frame with names for all.
        n_iter_: Epochs trained.
        best_epoch_: The epoch, from 1, whose weights were taken.
        history_: Losses and metrics by name, one value an epoch.
        loss_curve_: The training loss of each epoch, of scaled targets.
        notes_: What was inferred, in sentences.
        recipe_: The resolved recipe with the origin of every value.
        model_: The Keras model.
    """

    @told_names
    def __init__(
        self,
        *,
        preset: str | Path = "slides",
        hidden: int | Sequence[int] | Mapping[str, int] | None = None,
        activation: str | Mapping[str, Any] | None = None,
        initializer: str | None = None,
        batch_norm: bool | str | None = None,
        dropout: float | None = None,
        l2: float | None = None,
        network: str | None = None,
        ensemble: int | None = None,
        output: str | None = None,
        loss: str | None = None,
        optimizer: str | Mapping[str, Any] | None = None,
        learning_rate: float | None = None,
        schedule: str | Mapping[str, Any] | None = "preset",
        epochs: int | None = None,
        seconds: float | None = None,
        batch_size: int | None = None,
        early_stopping: int | str | Mapping[str, int] | None = "preset",
        validation_fraction: float | str | None = None,
        features: str | Sequence[Any] | Mapping[Any, str] | None = None,
        device: str | None = None,
        precision: str | None = None,
        random_state: Any = None,
        verbose: Any = 0,
    ) -> None:
        self.preset = preset
        self.hidden = hidden
        self.activation = activation
        self.initializer = initializer
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.l2 = l2
        self.network = network
        self.ensemble = ensemble
        self.output = output
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.seconds = seconds
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.features = features
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Self:
        """Trains a network.

        Args:
            X: (rows, columns): a data frame with numbers, words, dates and gaps; or an array of numbers and NaN, or a
                sparse matrix, which is made dense.
            y: (rows,) or (rows, outputs) numbers.
            sample_weight: (rows,) weights of 0 or more; rows of weight 0 are left out.
            validation_data: (X, y) or (X, y, sample_weight) to choose the best epoch by, instead of a share held out.

        Returns:
            Itself.

        Raises:
            UserError: An argument or the data is wrong; scikit-learn's own checks raise plain ValueError.
        """
        return self._fit(X, y, sample_weight, validation_data)

    def predict(self, X: Any) -> np.ndarray:
        """The numbers for new rows, in the shape that y had in `fit`.

        Args:
            X: The columns of `fit`.
        """
        outputs = self._outputs(X).astype(np.float64)
        return outputs[:, 0] if self._flat else outputs

    def _targets(self, y: Any) -> Learned:
        values = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self, ensure_min_samples=0)
        self._flat = values.ndim == 1
        values = values.reshape(len(values), -1)
        names = self._free_names(y, values.shape[1])
        for name, column in zip(names, values.T, strict=True):
            parsing.check_size(column, name)
        return Learned("regression", values, names)
