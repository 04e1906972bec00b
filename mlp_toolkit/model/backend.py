"""TensorFlow and Keras, imported without their start-up chatter. All modules take them from here.

Importing this module costs seconds; nothing below `layers` does it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from typing import Any

from mlp_toolkit.errors import UserError


def _import_quietly() -> tuple[Any, Any]:
    """TensorFlow's C++ code writes straight to file descriptor 2; that is turned aside while it loads.

    What was written is shown after all when the import fails.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as aside:
        kept = os.dup(2)
        os.dup2(aside.fileno(), 2)
        failed = True
        try:
            import keras
            import tensorflow as tf

            for gpu in tf.config.list_physical_devices("GPU"):  # looks for GPUs, and says so when there are none
                with contextlib.suppress(RuntimeError):  # the user's own code has begun to use it
                    tf.config.experimental.set_memory_growth(gpu, True)  # takes what it needs, not all there is
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                aside.seek(0)
                sys.stderr.write(aside.read().decode("utf-8", "replace"))
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "Keras runs on another backend; mlp_toolkit needs TensorFlow",
            found=keras.backend.backend(),
            remedy="Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported.",
        )
    return tf, keras


tf, keras = _import_quietly()
