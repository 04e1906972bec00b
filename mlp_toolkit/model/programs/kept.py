"""Compiled programs that are kept: a network like one before it trains through the program that is there already.

A traced function takes the variables that it reads and writes as arguments behind its own. Called with those of another
network of the same signature, it trains that one: nothing is traced or compiled again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from mlp_toolkit.model import keras_private
from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.keras_types import Variable
from mlp_toolkit.model.programs.signature import described

MOST = 24  # programs kept, those used last: each holds the variables of the first network that came through it


class _Program(NamedTuple):
    """A traced function.

    Attributes:
        function: It takes tensors; variables besides.
        places: For each variable that it takes, its place among those of a network.
        first: The variables it was traced with, which TensorFlow asks to be there still.
    """

    function: Any
    places: tuple[int, ...]
    first: tuple[Any, ...]


_PROGRAMS: OrderedDict[Hashable, _Program] = OrderedDict()
_LOCK = threading.Lock()


def program(key: Hashable | None, variables: Sequence[Variable], trace: Callable[[], Any]) -> Any:
    """A compiled function that works on these variables: one that is kept, or the one that `trace` makes.

    Args:
        key: All else that the function depends on, but for the device; None keeps it for nobody else.
        variables: All that the function may read or write, in an order that networks of the same key share.
        trace: Traces it: a `ConcreteFunction`.
    """
    if key is None:
        return trace()
    own = [variable.value for variable in variables]
    key = (key, described(variables), tf.constant(0.0).device)
    with _LOCK:
        found = _PROGRAMS.get(key)
        if found is not None:
            _PROGRAMS.move_to_end(key)
    if found is None:
        function = trace()
        place_of = {id(variable.handle): place for place, variable in enumerate(own)}
        captured = function.captured_inputs
        if not keras_private.takes_others(function) or any(id(tensor) not in place_of for tensor in captured):
            return function  # it holds something else than variables: it is for this network alone
        found = _Program(function, tuple(place_of[id(tensor)] for tensor in captured), tuple(own))
        with _LOCK:
            _PROGRAMS[key] = found
            while len(_PROGRAMS) > MOST:
                _PROGRAMS.popitem(last=False)
    function, captured = found.function, [own[place].handle for place in found.places]
    return lambda *arguments: keras_private.called_with(function, arguments, captured)


def forget() -> None:
    """Frees all programs."""
    with _LOCK:
        _PROGRAMS.clear()
