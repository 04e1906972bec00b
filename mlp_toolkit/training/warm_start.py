"""Parts of a trained network, taken over into a new one: from a model file, or from an autoencoder of the same rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mlp_toolkit.data.columns.encoder import Encoding
from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.errors import UserError, listing
from mlp_toolkit.model import prediction
from mlp_toolkit.model.backend import keras
from mlp_toolkit.recipe import spec
from mlp_toolkit.storage import loading


class HiddenLayer(NamedTuple):
    """A hidden layer: its weights, and the batch normalization that belongs to it, or None."""

    dense: Any
    batch_norm: Any


class Source(NamedTuple):
    """What is taken over.

    Attributes:
        name: Names it in messages.
        hidden: Its hidden layers, the first one first.
        encoding: How its columns become numbers; None where it takes numbers.
    """

    name: str
    hidden: list[HiddenLayer]
    encoding: Encoding | None


def read_source(settings: spec.WarmStart) -> Source:
    """Reads the model file of a warm start, as `storage.load` reads files: checked before anything is built.

    Raises:
        UserError: It is refused, or has no hidden layer.
    """
    model = loading.load(settings.from_)
    hidden = hidden_layers(model)
    if not hidden:
        raise UserError("model.warm_start: this model has no hidden layer to take over", place=settings.from_)
    return Source(settings.from_, hidden, prediction.encoding_of(model) if prediction.is_model_file(model) else None)


def hidden_layers(model: Any) -> list[HiddenLayer]:
    """All fully connected layers of a model but the last, in their order, also those of models inside it."""
    found: list[HiddenLayer] = []

    def walk(layers: list[Any]) -> None:
        for layer in layers:
            if isinstance(layer, keras.Model):
                walk(layer.layers)
            elif isinstance(layer, keras.layers.Dense):
                found.append(HiddenLayer(layer, None))
            elif isinstance(layer, keras.layers.BatchNormalization) and found:
                found[-1] = found[-1]._replace(batch_norm=layer)

    walk(model.layers)
    return found[:-1]


def with_encoding_of(source: Source, data: RecipeData) -> RecipeData:
    """The data, encoded as the source's was: its layers know columns by their place, and numbers by their scale.

    Raises:
        UserError: The columns are others.
    """
    if source.encoding is None:
        note = f"warm start: {source.name} takes numbers, and does not say of which columns: nothing could be compared"
        return data.encoded_by(data.encoding, note)
    theirs, ours = source.encoding.described(), data.encoding.described()
    if theirs != ours:
        odd = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
        first = odd[0]
        raise UserError(
            f"model.warm_start: the columns are not those that {source.name} was trained on: {listing(odd)} differ",
            found=f"{first}: {ours.get(first, 'no such feature')}",
            allowed=f"{first}: {theirs.get(first, 'no such feature')}",
            remedy="Say so under data.features, for instance features: {" + first + ": ignore}.",
        )
    note = f"warm start: scaling and categories are those of {source.name}"
    return data.encoded_by(source.encoding, note)


def take_over(source: Source, network: Any, layers: int | None, notes: list[str]) -> list[Any]:
    """Copies the first hidden layers of a source into a network.

    Args:
        source: What they come from.
        network: What they go to, as `build_mlp` gives it.
        layers: How many; None takes as many as have the same shape.
        notes: What was done is added.

    Returns:
        The network's layers that were filled.

    Raises:
        UserError: They do not fit.
    """
    filled: list[Any] = []
    pairs = _pairs(source, network, layers)
    for number, (theirs, ours) in enumerate(pairs, 1):
        for old, new in zip(theirs, ours, strict=True):
            if new is not None:
                for variable, value in zip(new.weights, old.weights, strict=True):
                    variable.assign(value)
                filled.append(new)
        activations = [getattr(layer.dense.activation, "__name__", "") for layer in (theirs, ours)]
        if activations[0] != activations[1] and "linear" not in activations:  # linear: the activation follows
            notes.append(f"hidden layer {number} was trained with {activations[0]}, and now has {activations[1]}")
    notes.append(f"the first {len(pairs)} of {len(hidden_layers(network))} hidden layers are those of {source.name}")
    return filled


def taken(source: Source, network: Any, layers: int | None) -> list[Any]:
    """The network's layers that `take_over` fills."""
    return [layer for _, ours in _pairs(source, network, layers) for layer in ours if layer is not None]


def _pairs(source: Source, network: Any, layers: int | None) -> list[tuple[HiddenLayer, HiddenLayer]]:
    own = hidden_layers(network)
    if layers is not None and layers > min(len(own), len(source.hidden)):
        raise UserError(
            f"model.warm_start.layers: {source.name} has {len(source.hidden)} hidden layers, this network {len(own)}",
            found=layers,
            allowed=f"1 to {min(len(own), len(source.hidden))}",
        )
    pairs: list[tuple[HiddenLayer, HiddenLayer]] = []
    for theirs, ours in list(zip(source.hidden, own, strict=False))[:layers]:
        odd = _mismatch(theirs, ours)
        if odd and layers is None and pairs:
            break
        if odd:
            raise UserError(f"model.warm_start: hidden layer {len(pairs) + 1} of {source.name} does not fit: {odd}")
        pairs.append((theirs, ours))
    return pairs


def _mismatch(theirs: HiddenLayer, ours: HiddenLayer) -> str | None:
    """What differs, or None."""
    one, other = ((layer.dense.kernel.shape, layer.batch_norm is not None) for layer in (theirs, ours))
    if one[0] != other[0]:
        return f"it takes {one[0][0]} inputs and has {one[0][1]} neurons, here they are {other[0][0]} and {other[0][1]}"
    if one[1] != other[1]:
        return f"it is trained {'with' if one[1] else 'without'} batch normalization (model.batch_norm)"
    if theirs.dense.use_bias != ours.dense.use_bias:
        return "only one of the two has a bias"
    return None


def freezing(layers: list[Any], trainable: bool) -> Callable[[Any], None]:
    """A change for `trainer.Plan.changes`: whether layers learn, of the network or of its copy on several devices."""
    names = {layer.name for layer in layers}

    def change(network: Any) -> None:
        for layer in network.layers:
            if layer.name in names:
                layer.trainable = trainable

    return change


def lowered(warm: spec.WarmStart | None) -> tuple[int, float] | None:
    """From which epoch on the rate is lowered, and how much: when the layers that are taken over begin to learn."""
    if warm is None or not warm.freeze or warm.unfreeze_after is None or warm.lower_rate == 1:
        return None
    return warm.unfreeze_after, warm.lower_rate
