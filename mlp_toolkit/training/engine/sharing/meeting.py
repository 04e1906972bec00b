"""Waits until all workers of a group are there, before TensorFlow does: it would wait for ever, and hear no signal.

A worker listens on its own address until it has reached all others. TensorFlow takes the address over then, so that
those who come later reach it there.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from mlp_toolkit.errors import ToolkitError, UserError, listing
from mlp_toolkit.training.engine.sharing.cluster import VARIABLE, Place

LONGEST = 900.0  # seconds: machines of a cluster may come minutes apart
SAID_EVERY = 60.0
ASKED_EVERY = 0.2


class WorkerLost(ToolkitError):  # noqa: N818  # it reads as what it is
    """Another process of the group has ended, or has not come."""


def meet(place: Place, say: Callable[[str], None], longest: float = LONGEST) -> None:
    """Waits for the others.

    Args:
        place: Which worker this is.
        say: Tells a person something.
        longest: Seconds to wait.

    Raises:
        UserError: This worker's own address cannot be listened on.
        WorkerLost: Somebody has not come.
    """
    missing = [address for number, address in enumerate(place.addresses) if number != place.number]
    begun = said = time.monotonic()
    with _listening(place.addresses[place.number]):
        while missing := [address for address in missing if not _reached(address)]:
            now = time.monotonic()
            if now - begun > longest:
                raise WorkerLost(
                    f"worker {place.number} of {len(place.addresses)} waited {longest:g} s for others, which have not "
                    f"come: {listing(missing)}"
                )
            if now - said > SAID_EVERY:
                said = now
                say(f"worker {place.number} waits for {listing(missing)}")
            time.sleep(ASKED_EVERY)


def _listening(address: str) -> contextlib.AbstractContextManager[socket.socket]:
    port = address.rpartition(":")[2]
    both = socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            ("", int(port)), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both
        )
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(
            f"this worker's own address cannot be listened on: {error}",
            place=VARIABLE,
            found=address,
            remedy="Name a port that is free on this machine.",
        ) from None


def _reached(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True
