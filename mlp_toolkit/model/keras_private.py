"""Where Keras and TensorFlow have no public way: all that relies on how they are made inside, in this one place."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.keras_types import Network, Tensor

if TYPE_CHECKING:
    import h5py

# One thread at a time: two that put the functions back in another order would leave them changed.
_TRACING = threading.Lock()


@contextlib.contextmanager
def fast_random_numbers() -> Iterator[None]:
    """While XLA's program is traced, Keras draws its random numbers by the algorithm that XLA is fast at.

    Left to choose, XLA took 40 to 80 ns for a number on a CPU, and dropout cost more than all the rest of training.
    Philox, which TensorFlow's graph draws by, takes 9 ns there, Threefry 1 to 2. So dropout's masks differ from those
    of the other engines; equally random, and the same for the same seed.

    Keras calls these functions of TensorFlow without naming an algorithm, and has no argument to name one. They are
    exchanged while one thread traces, and do for all other threads what they always do.
    """
    tracing = threading.get_ident()

    def fast(function: Callable[..., Any], argument: str) -> Callable[..., Any]:
        def draw(*args: Any, **kwargs: Any) -> Any:
            chosen = {argument: "threefry"} if threading.get_ident() == tracing else {}
            return function(*args, **{**chosen, **kwargs})

        return draw

    with _TRACING, contextlib.ExitStack() as stack:
        for module, name, argument in (
            (tf.nn.experimental, "stateless_dropout", "rng_alg"),
            (tf.random, "stateless_uniform", "alg"),
            (tf.random, "stateless_normal", "alg"),
            (tf.random, "stateless_truncated_normal", "alg"),
        ):
            usual = getattr(module, name)
            stack.callback(setattr, module, name, usual)
            setattr(module, name, fast(usual, argument))
        yield


def hdf5_in_memory(contents: io.BytesIO) -> h5py.File:
    """An open HDF5 file in memory that `Model.save` writes to.

    Keras takes a path alone, and decides by its ending how to write; what it then does with it, h5py does with a file.
    """
    import h5py

    class Memory(h5py.File):
        """A file that Keras takes for a path of its HDF5 format."""

        def __str__(self) -> str:
            return "model.h5"

    return Memory(contents, "w")


def unknown_to_optimizer(model: Network) -> list[str]:
    """Weights that are trainable now, and were not when the optimizer was built."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    known = {id(variable) for variable in getattr(optimizer, "_trainable_variables", ())}
    if not optimizer.built or not known:
        return []
    return [variable.path for variable in model.trainable_variables if id(variable) not in known]


@contextlib.contextmanager
def whole_compile_record(model: Network) -> Iterator[None]:
    """Keras takes the optimizer out of the record it keeps of `compile` when it writes HDF5; it is put back.

    Without it, the next copy of the model would be compiled with Keras's default. There is no public way to the record.
    """
    record = getattr(getattr(model, "_compile_config", None), "config", None)
    kept = dict(record) if record is not None else {}
    try:
        yield
    finally:
        if record is not None:
            record.update(kept)


def compile_record(model: Network) -> dict[str, Any]:
    """What `compile` was given, by argument. The public `get_compile_config` warns of every function among it."""
    return dict(getattr(getattr(model, "_compile_config", None), "config", None) or {})


def decayed(model: Network) -> list[bool]:
    """For each trainable weight, whether the optimizer's weight decay takes it: some may have been left out by name."""
    optimizer: Any = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return [bool(optimizer._use_weight_decay(variable)) for variable in model.trainable_variables]


def metrics_built(model: Network, y: Tensor, predicted: Tensor) -> bool:
    """Creates the variables of a model's metrics without counting anything; whether that was all of them.

    The public way, to count a row, takes ten times as long. Some metrics create theirs only when they count.

    Args:
        model: A compiled model.
        y: Targets of a row.
        predicted: Outputs of that form.
    """
    if not hasattr(model, "_compile_metrics"):
        return False
    whole: Any = model._compile_metrics
    if whole is not None and not whole.built:
        whole.build(y, predicted)
    return all(getattr(metric, "_built", True) for metric in (whole.metrics if whole is not None else ()))


def takes_others(function: Any) -> bool:
    """Whether `called_with` can call a traced function: another TensorFlow may have another way inside."""
    return hasattr(function, "_call_flat")


def called_with(function: Any, arguments: Sequence[Any], captured: Sequence[Any]) -> Any:
    """Calls a traced function with other variables than those it was traced with.

    TensorFlow passes them as arguments behind the others; that they can be exchanged has no public way.

    Args:
        function: A `ConcreteFunction`.
        arguments: Tensors.
        captured: In the order of `function.captured_inputs`, what takes their place.
    """
    return function._call_flat(list(arguments), list(captured))


def profiles_batches(board: Any) -> bool:
    """Whether a TensorBoard callback measures single batches; it keeps which for itself."""
    return bool(getattr(board, "_stop_batch", 1))


def epoch_gone_back_to(model: Any) -> int:
    """The epochs that a callback has taken up when training began, as BackupAndRestore does; 0 for none.

    Keras never forgets it, so that a later training would begin there, too.
    """
    begun = int(getattr(model, "_initial_epoch", None) or 0)
    model._initial_epoch = None
    return begun
