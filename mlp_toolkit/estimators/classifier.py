"""`MLPClassifier`: a scikit-learn classifier that takes what recipes take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from mlp_toolkit.data.arrays import check_rows_of_labels
from mlp_toolkit.errors import UserError
from mlp_toolkit.estimators.arguments import told_names
from mlp_toolkit.estimators.base import InMemory, Learned


class MLPClassifier(ClassifierMixin, InMemory):
    """A multilayer perceptron for two or more classes, or for several yes/no labels a row.

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
        loss: auto, or a Keras loss by name.
        optimizer: A name, or `{"name": "adam", "learning_rate": 0.01}`.
        learning_rate: Of the optimizer, above 0; None takes the optimizer's own.
        schedule: Of the learning rate: constant, cosine, one_cycle, exponential, log_cosine, reduce_on_plateau; None
            for none.
        epochs: Passes over the rows at most, 1 or more.
        seconds: That training may take, above 0; None for any. Fewer members and epochs are planned where they are too
            many and the preset's, as of `strong`; else training ends with its epoch.
        batch_size: Rows of one step, 1 or more.
        class_weight: balanced; a weight for every class, or for every label by its column's number or name; None.
        calibrate: Correct the probabilities by the validation rows once the network is trained: True, or "isotonic"
            (two classes, or labels).
        early_stopping: Stop after so many epochs without a lower validation loss, or `{"patience": 10}`; None trains
            all epochs. The best epoch is taken in any case.
        validation_fraction: Share of the rows held out, shuffled and stratified, to choose the best epoch by; 0 holds
            none out, and the training loss chooses. The preset's share holds none out either where that would be fewer
            than 10 rows. "folds": each network of an ensemble holds out a fold of its own.
        features: all, a list of columns, or the kinds of some: `{"zip": "categorical", "id": "ignore"}`. The columns of
            an array go by their numbers, and are numeric unless this says otherwise.
        device: auto, cpu, gpu, gpu:N or all.
        precision: float32, mixed_bfloat16 or mixed_float16.
        random_state: A seed of 0 or more, a `numpy.random.RandomState`, or None for another seed in each `fit`.
        verbose: auto, 0 (nothing), 1 (a bar), 2 (lines).

    Attributes:
        classes_: The labels in the order of the probabilities; the labels' column numbers where a row has several.
        n_features_in_: Columns of X.
        feature_names_in_: Their names, where X was a data frame with names for all.
        n_iter_: Epochs trained.
        best_epoch_: The epoch, from 1, whose weights were taken.
        history_: Losses and metrics by name, one value an epoch.
        loss_curve_: The training loss of each epoch.
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
        loss: str | None = None,
        optimizer: str | Mapping[str, Any] | None = None,
        learning_rate: float | None = None,
        schedule: str | Mapping[str, Any] | None = "preset",
        epochs: int | None = None,
        seconds: float | None = None,
        batch_size: int | None = None,
        class_weight: str | Mapping[Any, float] | None = "preset",
        calibrate: bool | str | None = None,
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
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.seconds = seconds
        self.batch_size = batch_size
        self.class_weight = class_weight
        self.calibrate = calibrate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.features = features
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may expect: several labels a row, too."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Self:
        """Trains a network.

        Args:
            X: (rows, columns): a data frame with numbers, words, dates and gaps; or an array of numbers and NaN, or a
                sparse matrix, which is made dense.
            y: (rows,) labels: text, whole numbers or booleans; or (rows, labels) of 0 and 1.
            sample_weight: (rows,) weights of 0 or more; rows of weight 0 are left out.
            validation_data: (X, y) or (X, y, sample_weight) to choose the best epoch by, instead of a share held out.

        Returns:
            Itself.

        Raises:
            UserError: An argument or the data is wrong; scikit-learn's own checks raise plain ValueError.
        """
        return self._fit(X, y, sample_weight, validation_data)

    def predict(self, X: Any) -> np.ndarray:
        """The labels of new rows: (rows,), or (rows, labels) of 0 and 1.

        Args:
            X: The columns of `fit`.
        """
        outputs = self._outputs(X)
        if self._multilabel:
            return (outputs >= 0.5).astype(np.int64)
        chosen = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] >= 0.5).astype(np.intp)
        labels: np.ndarray = self.classes_[chosen]
        return labels

    def predict_proba(self, X: Any) -> np.ndarray:
        """(rows, classes) probabilities in the order of `classes_`; or (rows, labels), of each label by itself.

        Args:
            X: The columns of `fit`.
        """
        outputs = self._outputs(X)
        if self._multilabel or outputs.shape[1] > 1:
            return outputs
        return np.concatenate([1 - outputs, outputs], axis=1)

    def decision_function(self, X: Any) -> np.ndarray:
        """Log-odds of the second class: (rows,); of each label: (rows, labels); log-probabilities: (rows, classes).

        Args:
            X: The columns of `fit`.
        """
        chance = self._outputs(X).astype(np.float64)
        smallest = np.finfo(np.float32).tiny
        if chance.shape[1] > 1 and not self._multilabel:
            logs: np.ndarray = np.log(np.maximum(chance, smallest))
            return logs
        odds: np.ndarray = np.log(np.maximum(chance, smallest)) - np.log(np.maximum(1 - chance, smallest))
        return odds if self._multilabel else odds[:, 0]

    def _known_values(self, y: Any, learned: Learned) -> np.ndarray:
        if not learned.classes:
            return super()._known_values(y, learned)
        labels = column_or_1d(check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=self), warn=True)
        strange = sorted({str(label) for label in labels.tolist()} - {str(label) for label in self.classes_.tolist()})
        if strange:
            raise UserError(
                "a class that no row of training has",
                place=f"{type(self).__name__}: validation_data",
                found=strange[0],
                allowed=self.classes_.tolist(),
            )
        numbers: np.ndarray = np.searchsorted(self.classes_, labels)[:, None]
        return numbers

    def _targets(self, y: Any) -> Learned:
        check_rows_of_labels(y, type(self).__name__)
        missing = _missing(y)
        checked = check_array(
            y, ensure_2d=False, dtype=None, accept_sparse="csr", input_name="y", estimator=self, ensure_min_samples=0
        )
        if missing:
            raise UserError(f"y has no label in {missing} rows", place=type(self).__name__)
        checked = checked.toarray() if hasattr(checked, "toarray") else checked
        check_classification_targets(checked)
        kind = type_of_target(checked, input_name="y")
        if kind == "multiclass-multioutput":
            raise UserError(
                "y has several columns with more than two labels: a row has one class, or labels of 0 and 1",
                place=type(self).__name__,
                remedy="Use sklearn.multioutput.MultiOutputClassifier for several classes a row.",
            )
        self._multilabel = kind == "multilabel-indicator"
        if self._multilabel:
            values = checked.astype(np.float64)
            if not np.isin(values, (0, 1)).all():
                raise UserError("several labels a row are columns of 0 and 1", place=type(self).__name__)
            self.classes_ = np.arange(values.shape[1])
            return Learned("multilabel", values, self._free_names(y, values.shape[1]))
        self.classes_, numbers = np.unique(column_or_1d(checked, warn=True), return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(f"y has one class only, {self.classes_.tolist()[0]!r}: there is nothing to learn")
        task = "binary" if len(self.classes_) == 2 else "multiclass"
        return Learned(task, numbers[:, None], self._free_names(y, 1), tuple(map(_label, self.classes_.tolist())))


def _missing(y: Any) -> int:
    """How many labels are None or NA, which scikit-learn's own check lets through."""
    import pandas as pd

    labels = np.asarray(y)
    return int(pd.isna(labels).sum()) if labels.dtype == object and labels.ndim == 1 else 0


def _label(label: Any) -> Any:
    """A label as a model file holds it: text or a whole number."""
    if isinstance(label, float) and label.is_integer():
        return int(label)
    return label if isinstance(label, str | bool | int) else str(label)
