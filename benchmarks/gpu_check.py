"""What a GPU is to show, in one command of less than ten minutes: `make gpu-check`.

1. Networks of all four tasks end where the processor's end, within what another order of sums makes.
2. The tests of devices, where a GPU is visible.
3. `benchmarks/fit.py --quick` and `benchmarks/members.py`, on one GPU.

Without a GPU it says so and ends with exit code 1. `--on cpu:1` compares with a second logical processor instead, to
try the comparison itself; then nothing else runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
TOLERANCE = 2e-3  # of predictions after three epochs; a GPU's float32 products may be TF32, with 10 bits
MINUTES = 9.5
TASKS = {"regression": 2, "binary": 1, "multilabel": 3, "multiclass": 4}
TESTS = [sys.executable, "-m", "pytest", "-q", "tests/training/engine/sharing/test_devices.py"]
BENCHMARKS = (["benchmarks/fit.py", "--quick"], ["benchmarks/members.py"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--on", default="gpu", metavar="DEVICE", help="what is compared with the processor")
    device = parser.parse_args().on
    begun = time.monotonic()
    from mlp_toolkit.model.backend import tf

    if device.startswith("gpu") and not tf.config.list_physical_devices("GPU"):
        raise SystemExit("gpu-check: TensorFlow sees no GPU here; nothing was checked")
    if device.startswith("cpu"):
        one = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [one, one])
    wrong = compared(device)
    for command in [] if device.startswith("cpu") else [TESTS, *([sys.executable, *each] for each in BENCHMARKS)]:
        left = MINUTES * 60 - (time.monotonic() - begun)
        print(f"{' '.join(command[1:])}: {left:.0f} s are left", flush=True)
        try:
            if subprocess.run(command, cwd=ROOT, timeout=max(1.0, left), check=False).returncode:
                wrong.append(" ".join(command[1:]))
        except subprocess.TimeoutExpired:
            wrong.append(f"{' '.join(command[1:])} (out of time)")
    if wrong:
        raise SystemExit(f"gpu-check: failed: {'; '.join(wrong)}")
    print(f"gpu-check: all is well, {time.monotonic() - begun:.0f} s")


def compared(device: str) -> list[str]:
    """What ends elsewhere on a device than on the processor: networks of each task, plain, normalized, of members."""
    import mlp_toolkit as mt

    random = np.random.default_rng(0)
    x = random.normal(size=(1_003, 12)).astype("float32")  # the last batch is smaller
    wrong = []
    for task, outputs in TASKS.items():
        signal = x[:, :outputs] + 0.5 * x[:, 4 : 4 + outputs] ** 2
        y = {
            "regression": signal,
            "binary": (signal[:, 0] > 0.5).astype(int),
            "multilabel": (signal > 0.5).astype("float32"),
            "multiclass": signal.argmax(axis=1),
        }[task]
        for kind in ({}, {"batch_norm": True}, {"ensemble": 3}):
            said = []
            for place in ("cpu", device):
                model = mt.build_mlp(
                    task, n_features=12, n_outputs=outputs, hidden=[32, 32], optimizer="momentum", seed=0, **kind
                )
                mt.fit(model, x, y, epochs=3, batch_size=50, device=place, verbose=0)
                said.append(model.predict(x, verbose=0))
            apart = float(np.abs(said[0] - said[1]).max())
            name = f"{task} {' '.join(kind) or 'plain'}"
            print(f"{name}: {apart:.1e} apart", flush=True)
            if not apart <= TOLERANCE:
                wrong.append(name)
    return wrong


if __name__ == "__main__":
    main()
