"""Where a network is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mlp_toolkit.errors import UserError, listing


@contextlib.contextmanager
def placed(device: str) -> Iterator[None]:
    """Runs the block on a device.

    Args:
        device: auto (TensorFlow's choice: the first GPU where there is one), cpu, gpu (the first) or gpu:N.

    Raises:
        UserError: The device is not visible; the message lists those that are.
    """
    from mlp_toolkit.startup import tf

    if device == "auto":
        yield
        return
    kind, _, number = str(device).partition(":")
    visible = tf.config.list_logical_devices()
    names = [f"{d.device_type.lower()}:{d.name.rsplit(':', 1)[-1]}" for d in visible]
    wanted = f"{kind}:{number or 0}"
    if kind not in ("cpu", "gpu") or wanted not in names:
        raise UserError(
            "no such device",
            place="device",
            found=device,
            allowed=["auto", *names],
            remedy=f"TensorFlow sees: {listing(names)}.",
        )
    with tf.device(f"/{wanted}"):
        yield
