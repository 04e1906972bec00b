"""What a user hands to `fit` becomes checked rows in memory that fit the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlp_toolkit.data import arrays
from mlp_toolkit.data import weights as weighting
from mlp_toolkit.data.splitting import hold_out
from mlp_toolkit.errors import UserError, listing
from mlp_toolkit.model.keras_types import Network
from mlp_toolkit.recipe import old_names
from mlp_toolkit.training.engine.rows import Resident, row_order, with_class_weights
from mlp_toolkit.training.output import checked_arrays, class_of_each, class_values


def check_arrays(X: Any, y: Any) -> None:
    """Refuses what gives batches in place of rows: generators, Keras's PyDataset (once Sequence), tf.data.

    Raises:
        UserError: With how the same is done today.
    """
    arrays.check_rows_of_labels(y, "fit")
    for name, data in (("X", X), ("y", y)):
        rows = isinstance(data, list | tuple | dict | str) or hasattr(data, "__array__")
        one_by_one = hasattr(data, "__next__") or (hasattr(data, "__iter__") and not hasattr(data, "__getitem__"))
        if callable(data) or hasattr(data, "num_batches") or (one_by_one and not rows):
            raise UserError(
                f"{name} gives batches, and fit takes all rows at once: arrays, data frames or Parquet files",
                place="fit",
                found=type(data).__name__,
                remedy=f"Join the batches to arrays. Instead of ImageDataGenerator: {old_names.AUGMENTATION}. "
                f"For {old_names.LARGE}.",
            )
    if y is None:
        raise UserError("there are no targets", place="fit: y", remedy="Give both: mt.fit(model, X, y).")


def resident(
    model: Network,
    X: Any,
    y: Any,
    *,
    class_weight: str | Mapping[Any, float] | None = None,
    sample_weight: Any = None,
    seed: int | None = None,
) -> tuple[Resident, np.ndarray | None]:
    """Checked rows in memory, and the weights of their classes, as `weights.class_weights` gives them.

    Args:
        model: The network they are for.
        X: As `fit` takes it.
        y: As `fit` takes it.
        class_weight: As `fit` takes it.
        sample_weight: As `fit` takes it.
        seed: For the order of rows; None leaves them as they stand.

    Raises:
        UserError: They do not fit the network or each other.
    """
    if seed is not None:
        check_seed(seed)
    x, targets, output = checked_arrays(model, X, y, "X", "y")
    arrays.check_aligned(X, sample_weight, "sample_weight")
    own = weighting.check_sample_weight(sample_weight, len(x))
    by_class = None
    if class_weight is not None:
        numbers, count = class_values(output, targets)
        by_class = weighting.class_weights(weighting.count_classes(numbers, count), range(count), class_weight)
        own = weighting.row_weights(numbers, by_class, own)
    rows = [array for array in (x, targets, own) if array is not None]
    total = len(x)
    return Resident(rows, None if seed is None else lambda epoch: row_order(total, seed, epoch)), by_class


def resident_validation(
    model: Network, data: tuple[Any, ...] | None, by_class: np.ndarray | None = None, columns: Any = None
) -> Resident | None:
    """Checked validation rows in memory.

    Args:
        model: The network they are for.
        data: (X, y) or (X, y, sample_weight).
        by_class: The class weights that the network is trained with. With them the rows get a fourth array, of weights
            by class too, for the loss that training lowers; the third stays what the metrics and the loss of Keras
            count by.
        columns: The names of the columns that the network is trained on, in their order; None where they have none.
    """
    if data is None:
        return None
    if not isinstance(data, tuple | list) or len(data) not in (2, 3):
        raise UserError(
            "validation_data is (X, y) or (X, y, sample_weight), arrays as for training",
            place="fit: validation_data",
            found=type(data).__name__,
        )
    features = _in_order(arrays.table(data[0]), columns)
    x, y, output = checked_arrays(model, features, data[1], "validation X", "validation y")
    own = None
    if len(data) == 3 and data[2] is not None:
        arrays.check_aligned(data[0], data[2], "the validation weights")
        own = weighting.check_sample_weight(data[2], len(x))
    if by_class is not None:
        return Resident(with_class_weights(x, y, own, class_values(output, y)[0], by_class))
    return Resident((x, y) if own is None else (x, y, own))


def _in_order(data: Any, columns: Any) -> Any:
    """A data frame with its columns in the order of those trained on.

    Raises:
        UserError: It has other columns.
    """
    own = getattr(data, "columns", None)
    if columns is None or own is None or list(own) == list(columns):
        return data
    if len(own) != len(columns) or {*own} != {*columns}:
        raise UserError(
            "the validation rows have other columns than X",
            place="fit: validation_data",
            found=listing(map(str, own)),
            allowed=list(map(str, columns)),
        )
    return data[list(columns)]


def check_seed(seed: Any) -> None:
    """Refuses a seed that is no whole number of 0 or more."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise UserError("a whole number of 0 or more", place="fit: seed", found=seed)


def held_out(
    model: Network, X: Any, y: Any, sample_weight: Any, *, validation_data: Any, share: Any, seed: int
) -> tuple[Any, Any, Any, tuple[Any, ...]]:
    """Parts the rows of `fit`: what is left to train on, and the validation data.

    Each class keeps a row to train on.

    Raises:
        UserError: The rows do not fit the model, the share leaves none on one side, or validation data is given too.
    """
    _check_share(share, validation_data)
    check_seed(seed)
    X, y = arrays.table(X), arrays.table(y)
    x, targets, output = checked_arrays(model, X, y)  # here, so that messages name rows by the user's numbers
    arrays.check_aligned(X, sample_weight, "sample_weight")
    weights = weighting.check_sample_weight(sample_weight, len(x))
    classes = class_of_each(output, targets)
    kept, held = hold_out(len(x), float(share), seed, "validation_split", strata=classes, classes=classes)
    if not len(held):
        raise UserError(
            f"{share:g} of {len(x)} rows are too few to hold out: each class needs a row to train on",
            place="fit: validation_split",
        )

    def take(data: Any, which: np.ndarray) -> Any:
        return data.iloc[which] if hasattr(data, "iloc") else np.asarray(data)[which]

    validation = (take(X, held), take(y, held), *(() if weights is None else (weights[held],)))
    return take(X, kept), take(y, kept), None if weights is None else weights[kept], validation


def _check_share(share: Any, validation_data: Any) -> None:
    place = "fit: validation_split"
    if validation_data is not None:
        raise UserError(
            "validation rows come from validation_data or from validation_split, not from both", place=place
        )
    number = isinstance(share, int | float | np.number) and not isinstance(share, bool)
    if number and 0 < share < 1:
        return
    keras_would = ""
    if number and share > 1:
        keras_would = "; Keras would train on no row at all"
    elif number and share <= 0:
        keras_would = "; Keras would go on without validation rows"
    raise UserError(
        f"a share of the rows, above 0 and below 1{keras_would}",
        place=place,
        found=share,
        remedy="validation_split=0.2 holds out a fifth of the rows, drawn at random.",
    )
