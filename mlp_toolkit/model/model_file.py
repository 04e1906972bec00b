"""A network and the encoding of its columns become one model: raw columns in, predictions out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from mlp_toolkit import calibration, layers
from mlp_toolkit.features import Encoding
from mlp_toolkit.model import usual_metrics
from mlp_toolkit.startup import keras


def build_model_file(network: Any, encoding: Encoding, target: Any, correction: calibration.Fit | None = None) -> Any:
    """The network with the encoding before it and the target's units after it: raw rows in, predictions out.

    Args:
        network: As `build_mlp` gives it, taking the encoded rows.
        encoding: Fitted to the training rows.
        target: The dataset's target.
        correction: How its probabilities are put right, or None.

    Returns:
        A `keras.Model` whose inputs are named as the raw columns, (rows, 1) each, images (rows, any height, any width,
        channels). It shares the network's layers, and is compiled with the same loss and a copy of the optimizer with
        its state.
    """
    encoder = build_encoder(encoding)
    outputs = network(encoder.output)
    if correction is not None:
        softmax = target.task == "multiclass"
        outputs = calibration.Calibration(
            correction.slope, correction.offset, softmax, name=_free("calibration", encoding.columns)
        )(outputs)
    final = layers.Target(
        target.task, target.names, target.classes, target.offset, target.scale, name=_free("target", encoding.columns)
    )(outputs)
    model = _of_columns(encoder.input, final, "model")
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(network.optimizer))
    model.compile(optimizer=optimizer, loss=network.loss, metrics=usual_metrics(target.task, network.loss))
    optimizer.build(model.trainable_variables)
    for new, old in zip(optimizer.variables, network.optimizer.variables, strict=True):
        new.assign(old)
    return model


def build_encoder(encoding: Encoding) -> Any:
    """The encoding as a model: named raw columns in, (rows, encoding.width) float32 out."""
    taken: list[str] = []
    columns: dict[str, Any] = {}
    image = encoding.image
    texts = {*(name for name, _ in encoding.dates), *(name for name, _ in encoding.words)}
    for name in encoding.columns:
        # Keras allows no slash in a layer's name; the dictionary of inputs keeps the column's own name.
        safe = _free(name.replace("/", "_") or "column", taken)
        taken.append(safe)
        shape = (None, None, image.channels) if image and name == image.name else (1,)
        columns[name] = keras.Input(shape, name=safe, dtype="string" if name in texts else "float32")

    def side_by_side(names: Sequence[str], title: str) -> Any:
        picked = [columns[name] for name in names]
        return picked[0] if len(picked) == 1 else keras.layers.Concatenate(name=_free(title, taken))(picked)

    pieces, numbers = [], []
    if encoding.numbers:
        numbers.append(side_by_side(encoding.numbers, "numeric_columns"))
    if encoding.dates:
        dates = side_by_side([name for name, _ in encoding.dates], "date_columns")
        date_names, formats = zip(*encoding.dates, strict=True)
        numbers.append(layers.DateParts(date_names, formats, name=_free("date_parts", taken))(dates))
    if numbers:
        both = numbers[0] if len(numbers) == 1 else keras.layers.Concatenate(name=_free("all_numbers", taken))(numbers)
        numeric = layers.Numbers(
            encoding.numbers,
            encoding.fill,
            encoding.center,
            encoding.inverse_scale,
            encoding.indicators,
            name=_free("numbers", taken),
        )
        pieces.append(numeric(both))
    if encoding.words:
        words = side_by_side([name for name, _ in encoding.words], "categorical_columns")
        word_names, vocabularies = zip(*encoding.words, strict=True)
        pieces.append(layers.OneHot(word_names, vocabularies, name=_free("one_hot", taken))(words))
    if image:
        size = {key: value for key, value in image._asdict().items() if key != "name"}
        pieces.append(layers.Images(image.name, **size, name=_free("images", taken))(columns[image.name]))
    encoded = pieces[0] if len(pieces) == 1 else keras.layers.Concatenate(name=_free("encoded", taken))(pieces)
    return _of_columns(columns, encoded, "encoder")


def _of_columns(columns: Mapping[str, Any], outputs: Any, name: str) -> Any:
    """A model of named columns. Keras warns where a column's name, for its slash, is not the name of its tensor."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="When providing `inputs` as a dict")
        return keras.Model(columns, outputs, name=name)


def _free(name: str, taken: Sequence[str]) -> str:
    """A layer's name that no column has."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate
