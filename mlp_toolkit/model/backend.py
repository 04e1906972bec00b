"""TensorFlow and Keras, imported without their start-up chatter. All modules take them from here.

Importing this module costs seconds; the rooms before this one never do it.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlp_toolkit.errors import UserError

# How TensorFlow's C++ code begins its lines: `I0000 00:00:1795692114.080797 11272 cudart_stub.cc:31] Could not find …`
_CHATTER = re.compile(rb"WARNING: All log messages before absl::InitializeLog|[IWE]\d{4} [\d:.]+ +\d+ [\w./]+:\d+\] ")


def _import_quietly() -> tuple[Any, Any]:
    """Imports TensorFlow and Keras, and lets TensorFlow look for GPUs, which it speaks of."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    asked = os.environ["KERAS_BACKEND"]
    if asked != "tensorflow" and "keras" not in sys.modules:  # Keras would import the other, which may not be there
        raise _other_backend(asked)
    with contextlib.nullcontext() if "tensorflow" in sys.modules else _without_chatter():
        import keras
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            with contextlib.suppress(RuntimeError, ValueError):  # the user's own code uses it, or has parted it
                tf.config.experimental.set_memory_growth(gpu, True)  # takes what it needs, not all there is
    if keras.backend.backend() != "tensorflow":
        raise _other_backend(keras.backend.backend())
    return tf, keras


def _other_backend(name: str) -> UserError:
    return UserError(
        "Keras runs on another backend; mlp_toolkit needs TensorFlow",
        found=name,
        remedy="Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported.",
    )


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Holds back what is written to file descriptor 2; after the block, all but TensorFlow's start-up lines is shown.

    TensorFlow's C++ code writes straight to that descriptor before any setting of its own counts, so there is no other
    way. What other threads write meanwhile comes late, but comes; all of it comes where the import fails, other than by
    Ctrl-C or SIGTERM.
    """
    try:
        kept = os.dup(2)
    except OSError:  # standard error is closed: nothing can be written there
        yield
        return
    failed = False
    with tempfile.TemporaryFile() as aside:
        sys.stderr.flush()
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except (ImportError, OSError, RuntimeError):
            failed = True
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            aside.seek(0)
            held = [line for line in aside if failed or not _CHATTER.match(line)]
            with contextlib.suppress(OSError):  # nobody can read it
                os.write(2, b"".join(held))


tf, keras = _import_quietly()


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Keras draws from the generators of Python and NumPy, where a layer has no seed; the caller's go on as if not.

    All that counts has a seed. Keras's own way, `set_random_seed`, makes TensorFlow forget its compiled kernels.
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
