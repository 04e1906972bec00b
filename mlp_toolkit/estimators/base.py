"""What the scikit-learn estimators do: a recipe of arguments, for rows that are in memory; no file is read or written.

Everything between rows and model is what a recipe goes through: kinds of columns, encoding, training, the model file's
own predictions. TensorFlow is imported by the first `fit` or prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from mlp_toolkit.data import arrays, dataset, pieces, splitting, weights
from mlp_toolkit.data.reading import frames
from mlp_toolkit.errors import UserError
from mlp_toolkit.files import unique
from mlp_toolkit.recipe import resolving
from mlp_toolkit.storage import loading, saving
from mlp_toolkit.training import progress

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


class Learned(NamedTuple):
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


class InMemory(BaseEstimator):
    """What both estimators share; each has a constructor of its own, in which scikit-learn reads the arguments."""

    _model: Any  # the Keras model; its file's bytes in an estimator that was unpickled and not used yet
    _resolved: resolving.Resolved

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
            state["_model"] = saving.model_bytes(state["_model"])
        return state

    @property
    def model_(self) -> Any:
        """The trained Keras model: raw columns by name in, predictions out; `mlp_toolkit.save` writes a model file."""
        check_is_fitted(self)
        if isinstance(self._model, bytes):
            self._model = loading.model_from_bytes(self._model)
        return self._model

    @property
    def recipe_(self) -> str:
        """The resolved recipe as YAML, with the origin of every value beside it."""
        check_is_fitted(self)
        return resolving.explain(self._resolved)

    @property
    def loss_curve_(self) -> list[float]:
        """The training loss of each epoch."""
        check_is_fitted(self)
        return list(self.history_["loss"])

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        """What `fit` does."""
        say = progress.speaker(self.verbose)
        if hasattr(self, "_model"):
            del self._model  # not to be fitted half anew, if something is wrong
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
        labelled = pieces.Piece(
            table[kept],
            learned.values[kept],
            None if row_weights is None else row_weights[kept],
            np.flatnonzero(kept),
        )
        data: pieces.RecipeData = self._data(resolved, learned, labelled, notes)
        for note in data.notes:
            say(note)

        from mlp_toolkit.training import fit_recipe, warm_start

        warm = resolved.spec.model.warm_start
        source = warm_start.read_source(warm) if warm else None
        if source:
            data = warm_start.with_encoding_of(source, data)
        done = fit_recipe.train_recipe(resolved.spec, data, source=source, verbose=self.verbose)
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
            unique(list(map(str, X.columns)), f"{type(self).__name__}: X")
            validate_data(self, as_given, y, skip_check_array=True)
            if not all(X.shape):
                raise UserError(f"X has {X.shape[0]} rows and {X.shape[1]} columns", place=type(self).__name__)
            frame = frames.normalise(X)
        else:
            # y=None is for the second call to complain of, which knows that a target is required.
            array = self._numbers(X, reset=True)
            validate_data(self, X, y, skip_check_array=True)
            names = [f"x{number}" for number in range(array.shape[1])]
            frame = frames.normalise(pd.DataFrame(array, columns=names))
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

    def _recipe(self, learned: Learned, table: pd.DataFrame, *, numbered: bool) -> resolving.Resolved:
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
        return resolving.of_arguments(arguments, who)

    def _seed(self) -> Any:
        given = self.random_state
        if given is None or isinstance(given, np.random.RandomState):
            return int(check_random_state(given).randint(2**31 - 1))
        return _plain(given)

    def _data(
        self, resolved: resolving.Resolved, learned: Learned, labelled: pieces.Piece, notes: list[str]
    ) -> dataset.Dataset:
        """The rows as training takes them."""
        who, spec = type(self).__name__, resolved.spec
        if learned.classes and len(np.unique(labelled.values)) < 2:
            raise UserError("only one class has rows with a weight above 0: there is nothing to learn", place=who)
        asked = self.validation_fraction is not None or spec.train.calibrate
        parts = splitting.split_in_memory(spec, labelled.values, least=1 if asked else HELD_OUT_AT_LEAST, notes=notes)
        frame = labelled.frame
        # Without a fingerprint of files: that is for a training which goes on, and must find them as they were.
        rows = dataset.Labelled(labelled, learned.classes, parts, every=frame, unlabelled=frame[:0])
        return dataset.assemble(spec, rows, notes, who)

    def _targets(self, y: Any) -> Learned:
        """The targets of all rows, checked; each estimator has its own."""
        raise NotImplementedError  # this class is no estimator by itself

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
            columns = list(frames.columns_of(table).values())
        else:
            array = self._numbers(table, reset=False)
            columns = list(array.astype(np.float64, copy=False).T)
        from mlp_toolkit.model import prediction

        # A row alone goes through products of a matrix and a vector, which round otherwise than those of matrices: its
        # prediction would change with the rows that it comes with.
        rows = len(columns[0])
        if rows == 1:
            columns = [np.repeat(column, 2) for column in columns]
        return prediction.raw_outputs(self.model_, dict(zip(self._columns, columns, strict=True)))[:rows]


def _pandas(data: Any) -> Any:
    """Data frames and columns of other libraries as pandas has them, masked arrays with gaps; all else as it is."""
    data = arrays.unmasked(data)
    return data.to_pandas() if hasattr(data, "to_pandas") and not hasattr(data, "iloc") else data


def _is_frame(data: Any) -> bool:
    return hasattr(data, "iloc") and getattr(data, "ndim", 0) == 2


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
