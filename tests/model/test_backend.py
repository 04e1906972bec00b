"""TensorFlow comes without its start-up lines, and nobody else's line is lost meanwhile."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import os, threading
stop = threading.Event()
def say():
    while not stop.wait(0.2):
        os.write(2, b"mine\\n")
thread = threading.Thread(target=say)
thread.start()
from mlp_toolkit.model import backend
stop.set(); thread.join()
"""


def test_lines_of_other_threads_are_shown_and_tensorflows_are_not():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert len(lines) > 3
    assert set(lines) == {"mine"}


def test_it_is_imported_where_standard_error_is_closed():
    code = "import os; os.close(2); from mlp_toolkit.model import backend; print(backend.keras.__name__)"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "keras\n"
