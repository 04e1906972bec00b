"""Models written to HDF5 files.

Keras writes architecture, weights and optimizer in its own layout, so that any Keras can read the file. This module
adds what Keras leaves out (the exact compile arguments, the random state of dropout) in a group of its own, and writes
so that a kill leaves the old file or the new one.
"""

from __future__ import annotations

import contextlib
import inspect as inspection
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.files import atomic
from mlp_toolkit.storage.inspecting import OWN_GROUP
from mlp_toolkit.storage.untrusted import allow_list, hdf5, limits

if TYPE_CHECKING:
    import h5py

    from mlp_toolkit.model.keras_types import Network, Variable


def save(model: Network, path: str | Path) -> None:
    """Saves a Keras model in one HDF5 file: architecture, weights, compile arguments, optimizer state, random state.

    Args:
        model: Network Keras model; a custom class must be registered with Keras to be loaded again.
        path: Ends in .h5.

    Raises:
        UserError: The path does not end in .h5, or the model cannot be written.
    """
    target = check_target(model, path)
    contents = model_bytes(model, str(target))
    with atomic(target) as temporary:
        temporary.write_bytes(contents)


def model_bytes(model: Network, place: str = "model") -> bytes:
    """What `save` writes, in memory: where a disk is full, HDF5 ends without a word, or with the program.

    Args:
        model: As `save` takes it.
        place: Names the file in messages.

    Raises:
        UserError: The model cannot be written.
    """
    from mlp_toolkit.model import keras_private
    from mlp_toolkit.model.backend import keras

    contents = io.BytesIO()
    with keras_private.hdf5_in_memory(contents) as file:
        try:
            with quiet_keras(), keras_private.whole_compile_record(model):
                model.save(file)
        except (NotImplementedError, TypeError, ValueError) as error:  # what Keras raises of own classes
            raise UserError(f"Keras cannot write this model: {shorten(str(error), 300)}", place=place) from error
        own = file.create_group(OWN_GROUP)
        own.attrs["format"] = 1
        if model.compiled:
            arguments = dict(model.get_compile_config())
            arguments["optimizer"] = keras.saving.serialize_keras_object(model.optimizer)
            _complete_loss(arguments["loss"], model.loss)
            own.attrs["compile_config"] = json.dumps(arguments)
            _spell_out_losses(file)
        for index, variable in enumerate(random_states(model)):
            own.create_dataset(f"random_state_{index}", data=variable.numpy())
        names: list[str] = []
        file.visit(names.append)
    raw = contents.getvalue() if all(map(str.isascii, names)) else _with_plain_groups(contents)
    _check_readable(raw, place)
    return raw


def _with_plain_groups(contents: io.BytesIO) -> bytes:
    """The same file without groups of the newer kind, which HDF5 makes of many names once one is not in ASCII.

    The reader for files from strangers does not know them. A group of the older kind takes any name as bytes, and every
    reader takes them for UTF-8.
    """
    import h5py

    plain = io.BytesIO()
    with h5py.File(contents, "r") as file, h5py.File(plain, "w") as copy:
        _copy_group(file, copy)
    return plain.getvalue()


def _copy_group(source: h5py.Group, target: h5py.Group) -> None:
    import h5py

    for name, value in source.attrs.items():
        dtype = source.attrs.get_id(name).dtype
        text = h5py.check_string_dtype(dtype)
        target.attrs.create(name, value, dtype=h5py.string_dtype() if text and text.length is None else dtype)
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            h5py.h5g.create(target.id, name.encode())
            _copy_group(item, target[name])
        else:
            h5py.h5o.copy(source.id, name.encode(), target.id, name.encode())


def _check_readable(raw: bytes, place: str) -> None:
    """Refuses to write a file that could not be loaded again.

    Raises:
        UserError: With what `load` would say.
    """
    try:
        config = limits.model_config(hdf5.read_hdf5(raw, place), Path(place))
        allow_list.check_classes(config, place)
        limits.check_size(config, Path(place), linear=True)
    except UserError as error:
        raise UserError(
            f"the file would not be loaded again: {error.problem}",
            place=error.place,
            found=error.found,
            remedy=error.remedy or "Keras's own model.save writes it; such a file is not loaded here.",
        ) from None


def check_target(model: Network, path: str | Path) -> Path:
    """The path as `save` will use it.

    Raises:
        UserError: `save` would refuse the path or the model.
    """
    from mlp_toolkit.model.backend import keras

    target = limits.h5_path(path)
    if isinstance(getattr(model, "optimizer", None), keras.optimizers.Adafactor):
        raise UserError("Keras cannot save Adafactor's state in HDF5: its variables share names", remedy="Use adam.")
    if not target.parent.is_dir():
        raise UserError("the folder to save in is not there", place=str(target), found=str(target.parent))
    return target


@contextlib.contextmanager
def quiet_keras() -> Iterator[None]:
    """Without Keras's advice to use another format than the one this toolkit is for."""
    log = logging.getLogger("absl")
    silence = logging.Filter("nothing")
    log.addFilter(silence)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="When providing `inputs` as a dict")
            yield
    finally:
        log.removeFilter(silence)


def random_states(model: Network) -> list[Variable]:
    """Variables that Keras does not count as weights: the state of the random generators of dropout."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights and "seed" in variable.path]


def _complete_loss(record: Any, loss: Any) -> None:
    """Keras leaves settings out of the record of some losses: Huber's delta, the axis of CosineSimilarity.

    The base class of these losses still tells them.
    """
    if isinstance(record, dict) and isinstance(record.get("config"), dict):
        known = inspection.signature(type(loss)).parameters
        bases: list[Any] = [base for base in type(loss).__mro__[1:] if "get_config" in vars(base)]
        told = [(name, value) for base in reversed(bases) for name, value in base.get_config(loss).items()]
        record["config"] = {name: value for name, value in told if name in known} | record["config"]


def _spell_out_losses(file: h5py.File) -> None:
    """Keras writes `mse` and then cannot read it; it reads `mean_squared_error`."""
    from mlp_toolkit.model.backend import keras

    def full(node: Any) -> Any:
        if isinstance(node, str):
            try:
                found = keras.losses.get(node)
            except ValueError:
                return node
            return getattr(found, "__name__", node) if callable(found) else node
        if isinstance(node, list):
            return [full(value) for value in node]
        return node

    config = json.loads(file.attrs["training_config"])
    for key in ("loss", "metrics", "weighted_metrics"):
        config[key] = full(config.get(key))
    file.attrs["training_config"] = json.dumps(config)
