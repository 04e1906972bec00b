"""What a row, a weight and a sum over workers cost here, and on paper what 10⁷ to 10⁹ rows take on 1 to 100 machines.

    python benchmarks/scale.py            measures; about 3 minutes on 2 cores; writes results/scale.md
    python benchmarks/scale.py --paper    computes the table of the last measuring anew

Arithmetic and reading are counted in seconds of the processor, which other programs disturb little, and spread over the
cores on paper. Sums are timed between two processes of this machine, the quickest of several rounds.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

HERE = Path(__file__).parent
RESULTS, MEASURED = HERE / "results" / "scale.md", HERE / "results" / "scale.json"
FEATURES, BATCH = 32, 8192
NETWORKS = {"2 × 64": [64, 64], "3 × 512": [512] * 3}
ROWS, MACHINES = (10**7, 10**8, 10**9), (1, 10, 100)
SUMMED = (1_000, 1_000_000)  # numbers of a sum over workers
SUM_ROUNDS, SUMS = 7, 20


def main() -> None:
    if sys.argv[1:] == ["worker"]:
        return sums()
    if sys.argv[1:] != ["--paper"]:
        MEASURED.write_text(json.dumps(measured(), indent=2) + "\n", "utf-8")
    text = page(json.loads(MEASURED.read_text("utf-8")))
    RESULTS.write_text(text, "utf-8")
    print(text)
    return None


def weights(hidden: list[int]) -> int:
    """Weights and biases of a network with one output."""
    sizes = [FEATURES, *hidden, 1]
    return sum((before + 1) * after for before, after in itertools.pairwise(sizes))


# Measuring.


def measured() -> dict[str, Any]:
    """All unit costs."""
    costs: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "start": start()}
    costs |= {engine: row_and_weight(engine) for engine in ("xla", "graph")}
    return costs | reading() | summing() | {"load": os.getloadavg()[0]}


def start() -> float:
    """Processor seconds until TensorFlow and this package are imported, in a process of its own: the least of three."""
    found = []
    for _ in range(3):
        begun = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", "import mlp_toolkit.runs.run"], check=True)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime)
    return min(found)


def seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def row_and_weight(engine: str) -> dict[str, float]:
    """Processor seconds of training by row, and by row and weight: a line through two networks."""
    import mlp_toolkit as mt
    from mlp_toolkit.model.backend import keras
    from mlp_toolkit.training.engine import epoch

    class Clock(keras.callbacks.Callback):
        """Processor seconds of each epoch."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.begun = time.process_time()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            spent.append(time.process_time() - self.begun)

    found = []
    for hidden, rows in zip(NETWORKS.values(), (40 * BATCH, 8 * BATCH), strict=True):
        spent: list[float] = []
        x = np.random.default_rng(0).normal(size=(rows, FEATURES)).astype("float32")
        y = (x[:, 0] > 0).astype(int)
        model = mt.build_mlp("binary", n_features=FEATURES, hidden=hidden, metrics=[], seed=0)
        with mock.patch.object(epoch, "_engines", return_value=[engine]):
            mt.fit(model, x, y, epochs=4, batch_size=BATCH, callbacks=[Clock()], verbose=0)
        found.append(min(spent[1:]) / rows)
    few, many = map(weights, NETWORKS.values())
    by_weight = (found[1] - found[0]) / (many - few)
    return {"row": max(0.0, found[0] - by_weight * few), "weight": by_weight}


def reading() -> dict[str, float]:
    """Processor seconds and bytes of a row that is streamed: from Parquet in the first epoch, then encoded."""
    import pandas as pd

    from mlp_toolkit.data.streaming import stream
    from mlp_toolkit.recipe import resolving
    from mlp_toolkit.training import fit_recipe, rows_of_data

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.parquet")
        rows = 400_000
        frame = pd.DataFrame(np.random.default_rng(0).normal(size=(rows, FEATURES)).astype("float32"))
        frame.columns = [f"x{number}" for number in range(FEATURES)]
        frame.assign(y=frame["x0"] > 0).to_parquet(file, row_group_size=100_000)
        recipe = {"task": "binary", "data": {"path": str(file), "target": "y", "stream": True}}
        spec = resolving.load_recipe(recipe, {"train.batch_size": BATCH}).spec
        data = stream.open_stream(spec, "recipe", Path(folder))
        learned, *_ = rows_of_data.rows_of(fit_recipe.network_of(spec, data), data, spec)
        spent = []
        for epoch in range(3):
            begun = time.process_time()
            for _ in learned.blocks(epoch):
                pass
            spent.append((time.process_time() - begun) / learned.rows)
        learned.close()
        size = sum(array[:1].nbytes for array in learned.first)
        return {"parquet": spent[0], "kept": spent[2], "bytes": file.stat().st_size / rows, "kept_bytes": size}


def summing() -> dict[str, float]:
    """Seconds of a sum over two workers: what each takes, and what each number adds."""
    from mlp_toolkit.runs.workers.launching import environment_of, free_ports

    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    with tempfile.TemporaryDirectory() as scratch:
        workers = [
            subprocess.Popen(
                [sys.executable, __file__, "worker"],
                env=environment_of(number, addresses, scratch),
                stdout=subprocess.PIPE if number == 0 else subprocess.DEVNULL,
            )
            for number in range(2)
        ]
        said, _ = workers[0].communicate()
        if any(worker.wait() for worker in workers):
            raise SystemExit("a worker failed")
    few, many = json.loads(said.splitlines()[-1])
    by_number = max(0.0, many - few) / (SUMMED[1] - SUMMED[0])
    return {"sum": few - by_number * SUMMED[0], "sum_number": by_number}


def sums() -> None:
    """What a worker does: it sums numbers over all, in a compiled loop as training does."""
    from mlp_toolkit.model.backend import tf
    from mlp_toolkit.training.engine.sharing import cluster, workers

    with workers.joined(cluster.place_of("workers")) as group:
        found = []
        for number in SUMMED:

            def summed(values: Any) -> Any:
                context = tf.distribute.get_replica_context()
                return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(values))  # on this worker's device

            @tf.function(autograph=False)
            def loop(values: Any, summed: Any = summed) -> Any:
                def once(index: Any, values: Any) -> Any:
                    return index + 1, group.strategy.run(summed, args=(values,)) / 2.0

                return tf.while_loop(lambda index, values: index < SUMS, once, (tf.constant(0), values))[1]

            values = tf.ones(number)
            loop(values)
            found.append(min(seconds(lambda: loop(values).numpy()) for _ in range(SUM_ROUNDS)) / SUMS)  # noqa: B023  # called at once
        print(json.dumps(found))


# Paper.


def arithmetic(costs: dict[str, Any], machines: int, hidden: list[int]) -> float:
    """Seconds of arithmetic for a row."""
    engine = costs["xla" if machines == 1 else "graph"]
    return float((engine["row"] + engine["weight"] * weights(hidden)) / machines / costs["cores"])


def step_sum(costs: dict[str, Any], machines: int, hidden: list[int]) -> float:
    """Seconds in which the gradients of a step are summed in a ring over all machines.

    A ring of n passes each number on 2 (n - 1) / n times, in 2 (n - 1) turns: n - 1 times the turns of two.
    """
    turns, share = machines - 1, 2 * (machines - 1) / machines
    return float(costs["sum"] * turns + costs["sum_number"] * weights(hidden) * share)


def epoch_seconds(costs: dict[str, Any], rows: int, machines: int, hidden: list[int]) -> float:
    """A later epoch of streamed rows: arithmetic is shared, each machine reads all rows, gradients are summed."""
    read = rows * costs["kept"] / costs["cores"]
    return rows * arithmetic(costs, machines, hidden) + read + rows / BATCH * step_sum(costs, machines, hidden)


def least_batch(costs: dict[str, Any], machines: int, hidden: list[int]) -> float:
    """Rows of a step from which on several machines are quicker than one; infinity where they never are."""
    saved = arithmetic(costs, 1, hidden) - arithmetic(costs, machines, hidden)
    return step_sum(costs, machines, hidden) / saved if saved > 0 else math.inf


def page(costs: dict[str, Any]) -> str:
    """The unit costs, and the table."""
    xla, graph = costs["xla"], costs["graph"]
    load = f"{costs['load']:.0f}"
    busy = f" Sums were timed while {load} programs wanted the cores; on idle ones they are quicker."
    if costs["load"] <= costs["cores"]:
        busy = ""
    lines = [
        f"On {costs['cores']} cores, by `python benchmarks/scale.py`: {FEATURES} columns, batches of {BATCH:,}." + busy,
        "",
        "| cost | |",
        "|---|--:|",
        f"| start of a process, CPU s | {costs['start']:.1f} |",
        f"| training, one process (XLA), CPU µs a row | {xla['row'] * 1e6:.2f} |",
        f"| … and CPU ns a row and weight | {xla['weight'] * 1e9:.2f} |",
        f"| training, workers (graph), CPU µs a row | {graph['row'] * 1e6:.2f} |",
        f"| … and CPU ns a row and weight | {graph['weight'] * 1e9:.2f} |",
        f"| streaming, first epoch (Parquet), CPU µs a row | {costs['parquet'] * 1e6:.2f} |",
        f"| streaming, later epochs (encoded), CPU µs a row | {costs['kept'] * 1e6:.2f} |",
        f"| bytes a row, Parquet | {costs['bytes']:.0f} |",
        f"| bytes a row, encoded | {costs['kept_bytes']:.0f} |",
        f"| a sum over 2 workers on one machine, ms a step | {costs['sum'] * 1e3:.2f} |",
        f"| … and ms a million weights | {costs['sum_number'] * 1e9:.2f} |",
        "",
        f"On paper, not run: seconds of a later epoch on machines like this one, a worker on each, {BATCH:,} rows a "
        "step over all of them, joined by a network as quick as this machine's own.",
        "",
        "| network | rows | " + " | ".join(f"{n} machine{'s' if n > 1 else ''}" for n in MACHINES) + " |",
        "|---|--:|" + "--:|" * len(MACHINES),
    ]
    for name, hidden in NETWORKS.items():
        for rows in ROWS:
            cells = (f"{epoch_seconds(costs, rows, n, hidden):,.0f}" for n in MACHINES)
            lines.append(f"| {name} ({weights(hidden):,} weights) | 10^{len(str(rows)) - 1} | {' | '.join(cells)} |")
    lines += [
        "",
        "| rows a step from which on so many machines are quicker than one | 2 | 10 | 100 |",
        "|---|--:|--:|--:|",
    ]
    for name, hidden in NETWORKS.items():
        least = [least_batch(costs, machines, hidden) for machines in (2, 10, 100)]
        lines.append(f"| {name} | {' | '.join(f'{rows:,.0f}' if rows < math.inf else 'never' for rows in least)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
