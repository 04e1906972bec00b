"""scikit-learn estimators: a recipe of arguments, for rows that are in memory; no file is read or written.

TensorFlow is imported by the first `fit` or prediction. Everything between rows and model is what a recipe goes
through: kinds of columns, encoding, training, the model file's own predictions.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from mlp_toolkit import cells, dataset, progress, readers, recipe, splitting, storage, weights
from mlp_toolkit.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

# The recipe's key of each argument. Where null means something in a recipe, the argument's default is "preset" and None
# is that null; elsewhere None leaves the value to the preset.
KEYS = {
    "preset": "preset",
    "hidden": "model.hidden",
    "activation": "model.activation",
    "initializer": "model.initializer",
    "batch_norm": "model.batch_norm",
    "dropout": "model.dropout",
    "l2": "model.l2",
    "output": "model.output",
    "loss": "train.loss",
    "optimizer": "train.optimizer",
    "schedule": "train.schedule",
    "epochs": "train.epochs",
    "batch_size": "train.batch_size",
    "class_weight": "train.class_weight",
    "calibrate": "train.calibrate",
    "early_stopping": "train.early_stopping",
    "validation_fraction": "data.split.validation",
    "features": "data.features",
    "device": "train.device",
    "precision": "train.precision",
}
NULLABLE = ("schedule", "class_weight", "early_stopping")
# Fewer rows held out choose an epoch by chance; they are worth more in training, unless someone asks for them.
HELD_OUT_AT_LEAST = 10


class _Learned(NamedTuple):
    """The targets of all rows.

    Attributes:
        task: The recipe's task.
        values: (rows, outputs) as `Dataset.values`.
        names: A name for each column of targets.
        classes: Labels in the order of the class numbers; none for regression and multilabel.
    """

    task: str
    values: np.ndarray
    names: list[str]
    classes: tuple[Any, ...] = ()


class _MLP(BaseEstimator):
    """What both estimators share; each has a constructor of its own, in which scikit-learn reads the arguments."""

    _model: Any  # the Keras model; its file's bytes in an estimator that was unpickled and not used yet
    _resolved: recipe.Resolved

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may expect: missing values are filled, words need a data frame."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_model" in state and not isinstance(state["_model"], bytes):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "model.h5"
                storage.save(state["_model"], file)
                state["_model"] = file.read_bytes()
        return state

    @property
    def model_(self) -> Any:
        """The trained Keras model: raw columns by name in, predictions out; `mlp_toolkit.save` writes a model file."""
        check_is_fitted(self)
        if isinstance(self._model, bytes):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "model.h5"
                file.write_bytes(self._model)
                self._model = storage.load(file)
        return self._model

    @property
    def recipe_(self) -> str:
        """The resolved recipe as YAML, with the origin of every value beside it."""
        check_is_fitted(self)
        return recipe.explain(self._resolved)

    @property
    def loss_curve_(self) -> list[float]:
        """The training loss of each epoch."""
        check_is_fitted(self)
        return list(self.history_["loss"])

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        say = progress.speaker(self.verbose)
        X, as_given = _pandas(X), X
        table = self._table(as_given, X, y)
        y = _pandas(y)
        check_consistent_length(table, y)
        learned = self._targets(y)
        row_weights = weights.check_sample_weight(sample_weight, len(table))
        notes: list[str] = []
        kept = np.ones(len(table), bool) if row_weights is None else row_weights > 0
        if not kept.all():
            notes.append(f"{int((~kept).sum()):,} rows have the weight 0 and are left out")
        resolved = self._recipe(learned, table, numbered=not _is_frame(X))
        labelled = dataset.Piece(
            table[kept],
            learned.values[kept],
            None if row_weights is None else row_weights[kept],
            np.flatnonzero(kept),
        )
        data = self._data(resolved, learned, labelled, notes)
        for note in data.notes:
            say(note)

        from mlp_toolkit import fitting, warm_start

        warm = resolved.spec.model.warm_start
        source = warm_start.read(warm) if warm else None
        if source:
            data = warm_start.with_encoding_of(source, data)
        with _random_state_kept():
            done = fitting.fitted(resolved.spec, data, source=source, verbose=self.verbose)
        if done.state.diverged() and not done.state.best:
            raise UserError(
                "training diverged in its first epoch",
                place=type(self).__name__,
                remedy="Take a lower learning rate, or look for a feature with enormous values.",
            )
        self._model = done.model
        self._resolved = resolved
        self.history_ = done.state.history
        self.n_iter_ = done.state.epochs
        self.best_epoch_ = done.state.best_epoch
        self.notes_ = (*data.notes, *done.state.notes)
        return self

    def _table(self, as_given: Any, X: Any, y: Any) -> pd.DataFrame:
        """The features as a recipe's data has them, and their names for later."""
        import pandas as pd

        if _is_frame(X):
            validate_data(self, as_given, y, skip_check_array=True)
            if not all(X.shape):
                raise UserError(f"X has {X.shape[0]} rows and {X.shape[1]} columns", place=type(self).__name__)
            frame = readers.normalise(X)
        else:
            # y=None is for the second call to complain of, which knows that a target is required.
            array = self._numbers(X, reset=True)
            validate_data(self, X, y, skip_check_array=True)
            names = [f"x{number}" for number in range(array.shape[1])]
            frame = readers.normalise(pd.DataFrame(array, columns=names))
        self._columns = list(frame.columns)
        return frame

    def _numbers(self, X: Any, *, reset: bool) -> np.ndarray:
        """An array of numbers and NaN, checked by scikit-learn."""
        try:
            array: np.ndarray = validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan")
        except ValueError as error:
            if "string" not in str(error):
                raise
            raise UserError(
                "X is an array that holds text",
                place=type(self).__name__,
                remedy="Pass a data frame: its columns of words and dates are encoded.",
            ) from None
        return array

    def _recipe(self, learned: _Learned, table: pd.DataFrame, *, numbered: bool) -> recipe.Resolved:
        """The recipe that the constructor's arguments make up; `numbered` where X is an array, without names."""
        who = type(self).__name__
        given = {name: _plain(value) for name, value in self.get_params(deep=False).items() if name in KEYS}
        given["features"] = _features(given["features"], list(table.columns), numbered, f"{who}: features")
        for name, value in list(given.items()):
            if value == "preset" if name in NULLABLE else value is None:
                del given[name]
        if given.get("validation_fraction") == 0:
            given["validation_fraction"] = None
        if isinstance(given.get("early_stopping"), int) and not isinstance(given["early_stopping"], bool):
            given["early_stopping"] = {"patience": given["early_stopping"]}
        if isinstance(given.get("class_weight"), dict) and learned.task == "multilabel":
            by_number = dict(enumerate(learned.names))
            given["class_weight"] = {by_number.get(key, key): value for key, value in given["class_weight"].items()}
        arguments = {name: (KEYS[name], value) for name, value in given.items()}
        arguments["y"] = ("task", learned.task)
        arguments["names of y"] = ("data.target", learned.names)
        arguments["test rows"] = ("data.split.test", None)  # whoever tests an estimator has rows of his own for that
        arguments["random_state"] = ("seed", self._seed())
        return recipe.of_arguments(arguments, who)

    def _seed(self) -> Any:
        given = self.random_state
        if given is None or isinstance(given, np.random.RandomState):
            return int(check_random_state(given).randint(2**31 - 1))
        return _plain(given)

    def _data(
        self, resolved: recipe.Resolved, learned: _Learned, labelled: dataset.Piece, notes: list[str]
    ) -> dataset.Dataset:
        """The rows as training takes them."""
        who, spec = type(self).__name__, resolved.spec
        if learned.classes and len(np.unique(labelled.values)) < 2:
            raise UserError("only one class has rows with a weight above 0: there is nothing to learn", place=who)
        asked = self.validation_fraction is not None or spec.train.calibrate
        parts = splitting.hold_out(spec, labelled.values, least=1 if asked else HELD_OUT_AT_LEAST, notes=notes)
        frame = labelled.frame
        return dataset.assemble(
            spec,
            labelled,
            learned.classes,
            parts,
            every=frame,
            unlabelled=frame[:0],
            fingerprint="",  # of files, which a training that is gone on with must find as they were
            notes=notes,
            place=who,
        )

    def _targets(self, y: Any) -> _Learned:
        raise NotImplementedError

    def _free_names(self, y: Any, count: int) -> list[str]:
        """A name for each column of targets that no feature has: the user's own where there is one."""
        own = [y.name] if hasattr(y, "name") else list(getattr(y, "columns", []))
        usual = [f"y{number}" for number in range(count)] if count > 1 else ["y"]
        names: list[str] = []
        for number, name in enumerate(usual):
            wanted = own[number] if len(own) == count and isinstance(own[number], str) and own[number] else name
            while wanted in self._columns or wanted in names:
                wanted += "_"
            names.append(wanted)
        return names

    def _outputs(self, X: Any) -> np.ndarray:
        """The model's outputs for new rows."""
        check_is_fitted(self)
        table = _pandas(X)
        if _is_frame(table):
            validate_data(self, X, reset=False, skip_check_array=True)
            columns = list(readers.columns(table).values())
        else:
            array = self._numbers(X, reset=False)
            columns = list(array.astype(np.float64, copy=False).T)
        from mlp_toolkit import prediction

        # A row alone goes through products of a matrix and a vector, which round otherwise than those of matrices: its
        # prediction would change with the rows that it comes with.
        rows = len(columns[0])
        if rows == 1:
            columns = [np.repeat(column, 2) for column in columns]
        return prediction.outputs(self.model_, dict(zip(self._columns, columns, strict=True)))[:rows]


class MLPClassifier(ClassifierMixin, _MLP):
    """A multilayer perceptron for two or more classes, or for several yes/no labels a row.

    Each argument stands for a key of a recipe, in the same words and with the same checks. None leaves a value to the
    preset; where a recipe's null means something, "preset" does that and None is the null.

    Args:
        preset: slides, strong, deep, or a YAML file with a preset of your own.
        hidden: Neurons of each hidden layer, `[64, 64]`, or `{"layers": 2, "neurons": 64}`.
        activation: Of the hidden layers, by name; or `{"name": "leaky_relu", "slope": 0.2}`.
        initializer: Of the weights, by name; auto fits the activation.
        batch_norm: Batch normalization in each hidden layer: True, False, before or after the activation.
        dropout: Share of neurons that each training step leaves out, from 0 to below 1.
        l2: L2 penalty on the weights, 0 or more.
        loss: auto, or a Keras loss by name.
        optimizer: A name, or `{"name": "adam", "learning_rate": 0.01}`.
        schedule: Of the learning rate: constant, cosine, one_cycle, exponential, reduce_on_plateau; None for none.
        epochs: Passes over the rows at most, 1 or more.
        batch_size: Rows of one step, 1 or more.
        class_weight: balanced; a weight for every class, or for every label by its column's number or name; None.
        calibrate: Correct the probabilities by the validation rows once the network is trained.
        early_stopping: Stop after so many epochs without a lower validation loss, or `{"patience": 10}`; None trains
            all epochs. The best epoch is taken in any case.
        validation_fraction: Share of the rows held out, shuffled and stratified, to choose the best epoch by; 0 holds
            none out, and the training loss chooses. The preset's share holds none out either where that would be fewer
            than 10 rows.
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

    def __init__(
        self,
        *,
        preset: str | Path = "slides",
        hidden: Sequence[int] | Mapping[str, int] | None = None,
        activation: str | Mapping[str, Any] | None = None,
        initializer: str | None = None,
        batch_norm: bool | str | None = None,
        dropout: float | None = None,
        l2: float | None = None,
        loss: str | None = None,
        optimizer: str | Mapping[str, Any] | None = None,
        schedule: str | Mapping[str, Any] | None = "preset",
        epochs: int | None = None,
        batch_size: int | None = None,
        class_weight: str | Mapping[Any, float] | None = "preset",
        calibrate: bool | None = None,
        early_stopping: int | str | Mapping[str, int] | None = "preset",
        validation_fraction: float | None = None,
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
        self.loss = loss
        self.optimizer = optimizer
        self.schedule = schedule
        self.epochs = epochs
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains a network.

        Args:
            X: (rows, columns): a data frame with numbers, words, dates and gaps; or an array of numbers and NaN.
            y: (rows,) labels: text, whole numbers or booleans; or (rows, labels) of 0 and 1.
            sample_weight: (rows,) weights of 0 or more; rows of weight 0 are left out.

        Returns:
            Itself.

        Raises:
            UserError: An argument or the data is wrong; scikit-learn's own checks raise plain ValueError.
        """
        return self._fit(X, y, sample_weight)

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

    def _targets(self, y: Any) -> _Learned:
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
            return _Learned("multilabel", values, self._free_names(y, values.shape[1]))
        self.classes_, numbers = np.unique(column_or_1d(checked, warn=True), return_inverse=True)
        if len(self.classes_) < 2:
            raise UserError(f"y has one class only, {self.classes_.tolist()[0]!r}: there is nothing to learn")
        task = "binary" if len(self.classes_) == 2 else "multiclass"
        return _Learned(task, numbers[:, None], self._free_names(y, 1), tuple(map(_label, self.classes_.tolist())))


class MLPRegressor(MultiOutputMixin, RegressorMixin, _MLP):
    """A multilayer perceptron for one or more numbers a row.

    Each argument stands for a key of a recipe, in the same words and with the same checks. None leaves a value to the
    preset; where a recipe's null means something, "preset" does that and None is the null.

    Args:
        preset: slides, strong, deep, or a YAML file with a preset of your own.
        hidden: Neurons of each hidden layer, `[64, 64]`, or `{"layers": 2, "neurons": 64}`.
        activation: Of the hidden layers, by name; or `{"name": "leaky_relu", "slope": 0.2}`.
        initializer: Of the weights, by name; auto fits the activation.
        batch_norm: Batch normalization in each hidden layer: True, False, before or after the activation.
        dropout: Share of neurons that each training step leaves out, from 0 to below 1.
        l2: L2 penalty on the weights, 0 or more.
        output: auto, linear, positive, or `bounded(LOW, HIGH)`.
        loss: auto, mse, mae, huber, or another Keras loss by name.
        optimizer: A name, or `{"name": "adam", "learning_rate": 0.01}`.
        schedule: Of the learning rate: constant, cosine, one_cycle, exponential, reduce_on_plateau; None for none.
        epochs: Passes over the rows at most, 1 or more.
        batch_size: Rows of one step, 1 or more.
        early_stopping: Stop after so many epochs without a lower validation loss, or `{"patience": 10}`; None trains
            all epochs. The best epoch is taken in any case.
        validation_fraction: Share of the rows held out, shuffled, to choose the best epoch by; 0 holds none out, and
            the training loss chooses. The preset's share holds none out either where that would be fewer than 10 rows.
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

    def __init__(
        self,
        *,
        preset: str | Path = "slides",
        hidden: Sequence[int] | Mapping[str, int] | None = None,
        activation: str | Mapping[str, Any] | None = None,
        initializer: str | None = None,
        batch_norm: bool | str | None = None,
        dropout: float | None = None,
        l2: float | None = None,
        output: str | None = None,
        loss: str | None = None,
        optimizer: str | Mapping[str, Any] | None = None,
        schedule: str | Mapping[str, Any] | None = "preset",
        epochs: int | None = None,
        batch_size: int | None = None,
        early_stopping: int | str | Mapping[str, int] | None = "preset",
        validation_fraction: float | None = None,
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
        self.output = output
        self.loss = loss
        self.optimizer = optimizer
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.features = features
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains a network.

        Args:
            X: (rows, columns): a data frame with numbers, words, dates and gaps; or an array of numbers and NaN.
            y: (rows,) or (rows, outputs) numbers.
            sample_weight: (rows,) weights of 0 or more; rows of weight 0 are left out.

        Returns:
            Itself.

        Raises:
            UserError: An argument or the data is wrong; scikit-learn's own checks raise plain ValueError.
        """
        return self._fit(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """The numbers for new rows, in the shape that y had in `fit`.

        Args:
            X: The columns of `fit`.
        """
        outputs = self._outputs(X).astype(np.float64)
        return outputs[:, 0] if self._flat else outputs

    def _targets(self, y: Any) -> _Learned:
        values = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self, ensure_min_samples=0)
        self._flat = values.ndim == 1
        values = values.reshape(len(values), -1)
        names = self._free_names(y, values.shape[1])
        for name, column in zip(names, values.T, strict=True):
            cells.check_size(column, name)
        return _Learned("regression", values, names)


def _pandas(data: Any) -> Any:
    """Data frames and columns of other libraries as pandas has them; everything else as it is."""
    return data.to_pandas() if hasattr(data, "to_pandas") and not hasattr(data, "iloc") else data


def _is_frame(data: Any) -> bool:
    return hasattr(data, "iloc") and getattr(data, "ndim", 0) == 2


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


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy as Python has them, at any depth: searches over parameters draw them."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _features(asked: Any, columns: list[str], numbered: bool, place: str) -> Any:
    """`features` as a recipe has it: columns by name; those of an array are numeric unless it says otherwise."""

    def named(column: Any) -> str:
        name = column if isinstance(column, str) else f"x{column}" if numbered else str(column)
        if name not in columns:
            raise UserError("no such column in X", place=place, found=column, allowed=columns)
        return name

    if isinstance(asked, list):
        asked = [named(column) for column in asked]
        return {name: "numeric" if name in asked else "ignore" for name in columns} if numbered else asked
    if isinstance(asked, dict):
        asked = {named(column): kind for column, kind in asked.items()}
        return {**dict.fromkeys(columns, "numeric"), **asked} if numbered else asked
    return dict.fromkeys(columns, "numeric") if numbered and asked in (None, "all") else asked


@contextlib.contextmanager
def _random_state_kept() -> Iterator[None]:
    """Training seeds the generators of Python and NumPy; the caller's go on as if it had not."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
