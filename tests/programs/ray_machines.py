"""Three machines of a Ray cluster, as processes of this one: a head without processors, and two with one each.

As a program it prints its address. `kill` on standard input ends one of the two as a power cut would, `add` begins
another, and the end of the input ends all.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

SMALL = {"object_store_memory": 80_000_000, "include_dashboard": False}
# Ray takes a machine for lost that is silent for a while; for a shorter one than usual, so that a test is short.
WATCHFUL = {"health_check_period_ms": 500, "health_check_timeout_ms": 1000, "health_check_failure_threshold": 3}
PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}


class Machines:
    """The cluster, in a process of its own; who has its token may join.

    Attributes:
        environment: For processes that are to join it.
    """

    def __init__(self) -> None:
        self.environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.process = subprocess.Popen([sys.executable, __file__], env=self.environment, **PIPES)
        self.environment["RAY_ADDRESS"] = self.process.stdout.readline().strip()

    def do(self, what: str) -> None:
        """Kills a machine, or adds one."""
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def program(self, *arguments: object) -> subprocess.Popen[str]:
        """`mlp-toolkit` with the cluster as its engine."""
        command = [sys.executable, "-m", "mlp_toolkit", *map(str, arguments), "--engine", "ray"]
        return subprocess.Popen(command, env=self.environment, stderr=subprocess.PIPE, **PIPES)

    def end(self) -> None:
        """Ends all of them."""
        self.process.communicate(timeout=60)


def until(happened: Callable[[], object], process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Waits for something that a process is to do."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def main() -> None:
    """Runs until its input ends."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": WATCHFUL, **SMALL})
    machines = [cluster.add_node(num_cpus=1, **SMALL) for _ in range(2)]
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line == "kill\n":
            cluster.remove_node(machines.pop(0), allow_graceful=False)
        elif line == "add\n":
            machines.append(cluster.add_node(num_cpus=1, **SMALL))
        print("done", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
