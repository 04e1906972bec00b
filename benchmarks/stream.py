"""Training from Parquet at 1, 3 and 10 million rows: memory must stay flat, and speed near that of rows in memory.

Writes the files into a temporary folder (2.2 GB for the largest), runs the same recipe on each in a process of its own,
and prints a table; `benchmarks/results/stream.md` and `stream.png` are written beside it. Memory is the resident set
beyond what the process holds once TensorFlow is imported and has run a first network. Seconds are those of the training
rows of an epoch, the first epoch left out.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

FEATURES, GROUP, EPOCHS = 32, 200_000, 4
CASES = [(1_000_000, False), (3_000_000, False), (1_000_000, True), (3_000_000, True), (10_000_000, True)]
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for rows, streamed in CASES:
            data = Path(folder) / f"{rows}.parquet"
            if not data.exists():
                write(data, rows)
            child = [sys.executable, __file__, str(data), str(streamed).lower(), folder]
            done = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True)
            measured.append({"rows": rows, "streamed": streamed, **json.loads(done.stdout.splitlines()[-1])})
            print(line(measured[-1], measured[0]["seconds_a_row"]), flush=True)
    header = "| rows | read | µs a row | speed against memory | peak MB beyond TensorFlow's | whole run, s |"
    lines = [line(case, measured[0]["seconds_a_row"]) for case in measured]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "stream.md").write_text("\n".join([header, "|" + "---|" * 6, *lines]) + "\n")
    draw(measured, RESULTS / "stream.png")


def line(case: dict, in_memory: float) -> str:
    read = "streamed" if case["streamed"] else "at once"
    cells = [
        f"{case['rows']:,}",
        read,
        f"{case['seconds_a_row'] * 1e6:.2f}",
        f"{in_memory / case['seconds_a_row']:.0%}",
    ]
    return "| " + " | ".join([*cells, f"{max(case['megabytes']):,.0f}", f"{case['seconds']:.0f}"]) + " |"


def write(path: Path, rows: int) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    random = np.random.default_rng(0)
    writer = None
    for begin in range(0, rows, GROUP):
        x = random.normal(size=(min(GROUP, rows - begin), FEATURES)).astype(np.float32)
        y = (x[:, :4].sum(axis=1) + random.normal(0, 0.5, len(x)) > 0).astype(np.int32)
        group = pa.table({**{f"x{i}": column for i, column in enumerate(x.T)}, "y": y})
        writer = writer or parquet.ParquetWriter(path, group.schema)
        writer.write_table(group)
    writer.close()


def run(data: str, streamed: str, folder: str) -> None:
    """One case: what `main` starts as a process."""
    import keras

    import mlp_toolkit as mt
    from mlp_toolkit.training import progress

    class Clock(keras.callbacks.Callback):
        seconds: list[float] = []  # noqa: RUF012 (one training a process)

        def on_epoch_begin(self, epoch, logs=None):
            self.started = time.perf_counter()

        def on_test_begin(self, logs=None):
            self.seconds.append(time.perf_counter() - self.started)

        def close(self) -> None:
            pass

    progress.watcher = lambda *arguments: Clock()
    model = mt.build_mlp("binary", n_features=FEATURES)
    mt.fit(model, np.zeros((64, FEATURES)), np.zeros(64), epochs=1, verbose=0)
    before, series, over = resident(), [], threading.Event()

    def watch() -> None:
        while not over.wait(0.25):
            series.append(resident() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    name = f"{Path(data).stem}-{streamed}"
    recipe = Path(folder) / f"{name}.yaml"
    recipe.write_text(
        f"task: binary\ndata: {{path: {data}, target: y, stream: {streamed}}}\n"
        f"train: {{epochs: {EPOCHS}, early_stopping: null}}\n"
    )
    started = time.perf_counter()
    done = mt.run(recipe, out=Path(folder) / name, verbose=0)
    seconds = time.perf_counter() - started
    over.set()
    watcher.join()
    a_row = statistics.median(Clock.seconds[1:]) / done.metrics["rows"]["train"]
    kept = series[:: max(1, len(series) // 400)]
    print(json.dumps({"seconds_a_row": a_row, "seconds": seconds, "megabytes": [*kept, max(series)]}))


def resident() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def draw(measured: list[dict], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for case in measured:
        megabytes = case["megabytes"][:-1]
        share = np.linspace(0, 1, len(megabytes))
        label = f"{case['rows'] / 1e6:g} million rows, {'streamed' if case['streamed'] else 'read at once'}"
        axes.plot(share, megabytes, label=label, linestyle="-" if case["streamed"] else ":")
    axes.axhline(2000, color="grey", linewidth=0.8)
    axes.annotate("2 GB", (1, 2000), ha="right", va="bottom", color="grey")
    axes.set(xlabel="share of the run", ylabel="memory beyond TensorFlow's, MB", ylim=(0, None), xlim=(0, 1))
    axes.set_title("Streamed rows: memory does not grow with their number", loc="left", fontweight="bold")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    run(*sys.argv[1:]) if len(sys.argv) > 1 else main()
