"""Rows of `fit` held out for validation, at random and with a like share of each class."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlp_toolkit import arrays, old_names, splitting
from mlp_toolkit.errors import UserError
from mlp_toolkit.resident import check_seed, checked
from mlp_toolkit.weights import check_sample_weight


def check_arrays(X: Any, y: Any) -> None:
    """Refuses what gives batches in place of rows: generators, Keras's PyDataset (once Sequence), tf.data.

    Raises:
        UserError: With how the same is done today.
    """
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


def held_out(
    model: Any, X: Any, y: Any, sample_weight: Any, *, validation_data: Any, share: Any, seed: int
) -> tuple[Any, Any, Any, tuple[Any, ...]]:
    """Parts the rows of `fit`: what is left to train on, and the validation data.

    Each class keeps a row to train on.

    Raises:
        UserError: The rows do not fit the model, the share leaves none on one side, or validation data is given too.
    """
    _check_share(share, validation_data)
    check_seed(seed)
    X, y = arrays.table(X), arrays.table(y)
    x, targets, output = checked(model, X, y)  # here, so that messages name rows by the user's numbers
    arrays.check_aligned(X, sample_weight, "sample_weight")
    weights = check_sample_weight(sample_weight, len(x))
    classes = _classes(targets, output)
    kept, held = splitting.take(np.arange(len(x)), float(share), classes, seed, "validation_split")
    if classes is not None:
        kept, held = splitting.with_every_class(classes, kept, held)
    if not len(held):
        raise UserError(
            f"{share:g} of {len(x)} rows are too few to hold out: each class needs a row to train on",
            place="fit: validation_split",
        )
    kept, held = np.sort(kept), np.sort(held)

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


def _classes(targets: np.ndarray, output: arrays.Output) -> np.ndarray | None:
    """(rows,) the class of each row; None where a row has several, or none."""
    if len(output.shape) != 1:
        return None
    if output.loss in arrays.CLASS_NUMBERS:
        return targets[:, 0]
    if not np.isin(targets, (0, 1)).all():
        return None
    if output.loss in arrays.ONE_HOT or output.activation == "softmax":
        return np.asarray(targets.argmax(axis=1))
    return targets[:, 0].astype(int) if targets.shape[1] == 1 else None
