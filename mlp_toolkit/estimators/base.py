"""What the scikit-learn estimators do: a recipe of arguments, for rows that are in memory; no file is read or written.

Everything between rows and model is what a recipe goes through: kinds of columns, encoding, training, the model file's
own predictions. TensorFlow is imported by the first `fit` or prediction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from mlp_toolkit.data import arrays, dataset, pieces, splitting, weights
from mlp_toolkit.data.reading import frames
from mlp_toolkit.errors import UserError
from mlp_toolkit.estimators.arguments import GOING_ON, KEYS, NULLABLE, check_depth, named_features, plain
from mlp_toolkit.estimators.rows import is_frame, is_sparse, readable
from mlp_toolkit.files import unique
from mlp_toolkit.recipe import resolving
from mlp_toolkit.storage import loading, saving
from mlp_toolkit.training import progress

if TYPE_CHECKING:
    import pandas as pd

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

    # What training gave; once it was asked for, the Keras model; until then, the file's bytes in an unpickled one.
    _model: Any
    _resolved: resolving.Resolved

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may expect: missing values are filled, sparse rows made dense; words need a data frame."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "_model" in state and not isinstance(state["_model"], bytes):
            state["_model"] = saving.model_bytes(self.model_)
        return state

    @property
    def model_(self) -> Any:
        """The trained Keras model: raw columns by name in, predictions out; `mlp_toolkit.save` writes a model file."""
        check_is_fitted(self)
        if isinstance(self._model, bytes):
            self._model = loading.model_from_bytes(self._model)
        from mlp_toolkit.training.fit_recipe import Fitted

        if isinstance(self._model, Fitted):
            self._model = self._model.model
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

    def set_params(self, **params: Any) -> Self:
        """Sets arguments by name, as searches do.

        Raises:
            UserError: A name such as `optimizer__learning_rate`, which reaches into an argument.
        """
        check_depth(type(self).__name__, params)
        super().set_params(**params)
        return self

    @property
    def partial_fit(self) -> Any:
        """There is none; scikit-learn asks by looking for the name.

        Raises:
            AttributeError: Always; the message names what goes on from a trained network.
        """
        raise AttributeError(
            f"{type(self).__name__} has no partial_fit: encoding and scaling are learnt from all rows. {GOING_ON}"
        )

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation_data: Any) -> Self:
        """What `fit` does."""
        who, say, notes = type(self).__name__, progress.speaker(self.verbose), list[str]()
        if hasattr(self, "_model"):
            del self._model  # not to be fitted half anew, if something is wrong
        if is_sparse(X):
            notes.append(f"X was a sparse matrix of {X.shape[0]:,} by {X.shape[1]:,}; it is dense now")
        X, as_given = readable(X, who), X
        table = self._table(as_given, X, y)
        y = readable(y, who)
        arrays.check_same_order(X, y, who)
        check_consistent_length(table, y)
        learned = self._targets(y)
        labelled = _weighted(table, learned.values, sample_weight, notes)
        held_out: int | None = None
        if validation_data is not None:
            further = self._further(validation_data, learned, notes)
            held_out = len(further.frame)
            labelled = _together(labelled, further)
        resolved = self._recipe(learned, table, numbered=not is_frame(X))
        data: pieces.RecipeData = self._data(resolved, learned, labelled, held_out, notes)
        for note in data.notes:
            say(note)

        from mlp_toolkit.training import fit_recipe, warm_start
        from mlp_toolkit.training.first_steps import budget

        warm = resolved.spec.model.warm_start
        source = warm_start.read_source(warm) if warm else None
        if source:
            data = warm_start.with_encoding_of(source, data)
        resolved, data, planned = budget.planned(resolved, data)
        for note in planned.notes:
            say(note)
        done = fit_recipe.train_recipe(
            resolved.spec,
            data,
            source=source,
            verbose=self.verbose,
            notes=planned.notes,
            spent=planned.spent,
            borrow=True,
        )
        if done.state.diverged() and not done.state.best:
            raise UserError(
                "training diverged in its first epoch",
                place=type(self).__name__,
                remedy="Take a lower learning rate, or look for a feature with enormous values.",
            )
        self._model = done
        self._resolved = resolved
        self.history_ = done.state.history
        self.n_iter_ = done.state.epochs
        self.best_epoch_ = done.state.best_epoch
        self.notes_ = (*data.notes, *done.state.notes)
        return self

    def _table(self, as_given: Any, X: Any, y: Any) -> pd.DataFrame:
        """The features as a recipe's data has them, and their names for later."""
        import pandas as pd

        if is_frame(X):
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

    def _further(self, given: Any, learned: Learned, notes: list[str]) -> pieces.Piece:
        """Validation rows of the user's own: (X, y) or (X, y, weights), as `fit` takes them."""
        import pandas as pd

        who = f"{type(self).__name__}: validation_data"
        if self.validation_fraction:
            raise UserError("rows to validate on are given, and a share to hold out, too", place=who)
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise UserError("a tuple (X, y) or (X, y, sample_weight)", place=who, found=type(given).__name__)
        X, y, *rest = given
        columns = self._columns_again(X)
        frame = frames.normalise(pd.DataFrame(dict(zip(self._columns, columns, strict=True))))
        y = readable(y, who)
        check_consistent_length(frame, y)
        values = self._known_values(y, learned)
        if values.shape[1] != learned.values.shape[1]:
            raise UserError(f"{learned.values.shape[1]} columns of y", place=who, found=values.shape[1])
        piece = _weighted(frame, values, rest[0] if rest else None, notes)
        if not len(piece.frame):
            raise UserError("no rows", place=who)
        return piece

    def _known_values(self, y: Any, learned: Learned) -> np.ndarray:
        """The targets of further rows as `Learned.values` has those of the first."""
        return self._targets(y).values

    def _columns_again(self, X: Any) -> list[Any]:
        """The columns of `fit`, of other rows, each as an array."""
        table = readable(X, type(self).__name__)
        if is_frame(table):
            validate_data(self, X, reset=False, skip_check_array=True)
            return list(frames.columns_of(table).values())
        return list(self._numbers(table, reset=False).astype(np.float64, copy=False).T)

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
        given = {name: plain(value) for name, value in self.get_params(deep=False).items() if name in KEYS}
        given["features"] = named_features(given["features"], list(table.columns), numbered, f"{who}: features")
        for name, value in list(given.items()):
            if value == "preset" if name in NULLABLE else value is None:
                del given[name]
        optimizer = given.get("optimizer")
        if "learning_rate" in given and isinstance(optimizer, dict) and "learning_rate" in optimizer:
            raise UserError("the optimizer has a learning rate, too: give one of both", place=f"{who}: learning_rate")
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
        return plain(given)

    def _data(
        self,
        resolved: resolving.Resolved,
        learned: Learned,
        labelled: pieces.Piece,
        held_out: int | None,
        notes: list[str],
    ) -> dataset.Dataset:
        """The rows as training takes them; `held_out` is how many of the last are the user's own to validate on."""
        who, spec = type(self).__name__, resolved.spec
        taught = labelled.values[: len(labelled.values) - (held_out or 0)]
        if learned.classes and len(np.unique(taught)) < 2:
            raise UserError("only one class has rows with a weight above 0: there is nothing to learn", place=who)
        if held_out is not None:
            every, first = np.arange(len(labelled.frame)), len(labelled.frame) - held_out
            parts = {"train": every[:first], "validation": every[first:], "test": every[:0]}
            notes.append(f"validation rows: the {held_out:,} given")
        else:
            asked = self.validation_fraction is not None or spec.train.calibrate
            least = 1 if asked else HELD_OUT_AT_LEAST
            parts = splitting.split_in_memory(spec, labelled.values, least=least, notes=notes)
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
        columns = self._columns_again(X)
        # A row alone goes through products of a matrix and a vector, which round otherwise than those of matrices: its
        # prediction would change with the rows that it comes with.
        rows = len(columns[0])
        if rows == 1:
            columns = [np.repeat(column, 2) for column in columns]
        table = dict(zip(self._columns, columns, strict=True))
        from mlp_toolkit.model import prediction
        from mlp_toolkit.training.fit_recipe import Fitted

        trained = self._model if isinstance(self._model, Fitted) else None
        return (trained.outputs(table) if trained else prediction.raw_outputs(self.model_, table))[:rows]


def _weighted(frame: pd.DataFrame, values: np.ndarray, sample_weight: Any, notes: list[str]) -> pieces.Piece:
    """Rows with their targets and weights, less those of weight 0."""
    row_weights = weights.check_sample_weight(sample_weight, len(frame))
    kept = np.ones(len(frame), bool) if row_weights is None else row_weights > 0
    if not kept.all():
        notes.append(f"{int((~kept).sum()):,} rows have the weight 0 and are left out")
    return pieces.Piece(
        frame[kept], values[kept], None if row_weights is None else row_weights[kept], np.flatnonzero(kept)
    )


def _together(first: pieces.Piece, second: pieces.Piece) -> pieces.Piece:
    """The rows of both, one after the other; rows without weights weigh 1 beside rows with them."""
    import pandas as pd

    both = (first, second)
    weighed = None
    if any(piece.weights is not None for piece in both):
        filled = [np.ones(len(piece.frame)) if piece.weights is None else piece.weights for piece in both]
        weighed = np.concatenate(filled)
    return pieces.Piece(
        pd.concat([piece.frame for piece in both], ignore_index=True),
        np.concatenate([piece.values for piece in both]),
        weighed,
        np.concatenate([first.row_numbers, len(first.frame) + second.row_numbers]),
    )
