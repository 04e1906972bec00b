"""Runs notebooks from top to bottom, each in a kernel of its own; the first error ends it with exit code 1.

`python notebooks/execute.py` runs all that are numbered, `python notebooks/execute.py 03 07` some.
`--write` keeps what they printed and drew; without it the files stay as they are. A notebook may take 120 seconds; on a
slower machine set NOTEBOOK_SECONDS.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

FOLDER = Path(__file__).parent
SECONDS = int(os.environ.get("NOTEBOOK_SECONDS", "120"))  # that one notebook may take
BYTES = 400_000  # that one may hold, pictures included


def run(path: Path, *, write: bool) -> float:
    """Runs one notebook; the seconds it took."""
    notebook = nbformat.read(path, as_version=4)
    begun = time.monotonic()
    # A kernel starts where the notebook lies, as in Jupyter.
    client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(FOLDER)}})
    client.extra_arguments = ["--log-level=ERROR"]  # else each kernel warns that it talks to us over TCP
    client.execute()
    seconds = time.monotonic() - begun
    if write:
        for cell in notebook.cells:
            cell.metadata = {}  # when each cell ran, for instance, is of no use to a reader
        notebook.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        text = nbformat.writes(notebook) + "\n"
        if len(text) > BYTES:
            sys.exit(f"{path.name}: {len(text):,} bytes with its outputs, more than {BYTES:,}")
        path.write_text(text, "utf-8")
    return seconds


def main() -> None:
    """Runs what the command line names."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    wanted = [word for word in sys.argv[1:] if not word.startswith("-")]
    paths = [path for path in sorted(FOLDER.glob("[0-9]*.ipynb")) if not wanted or path.name[:2] in wanted]
    if not paths:
        sys.exit("no such notebook")
    begun = time.monotonic()
    for path in paths:
        try:
            seconds = run(path, write="--write" in sys.argv)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            sys.exit(f"{path.name}: {error}")
        print(f"{path.name}: {seconds:.0f} s", flush=True)
        if seconds > SECONDS:
            sys.exit(f"{path.name} took more than {SECONDS} s")
    print(f"{len(paths)} notebooks: {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
