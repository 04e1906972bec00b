"""A Ray cluster: the one that RAY_ADDRESS names, or one of this machine that begins and ends with us."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from mlp_toolkit.errors import MissingExtra, ToolkitError, UserError, shorten
from mlp_toolkit.files import writing
from mlp_toolkit.tuning.engines.choice import Engine

PATIENCE = 10.0  # seconds, for a cluster to answer
SILENCE = 60.0  # seconds without a worker, until that is said
COMPARED = ("mlp-toolkit", "tensorflow", "keras", "numpy")  # of others the same model would come out


def load_ray() -> Any:
    """Ray.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise MissingExtra("ray", "the engine ray") from None


@contextlib.contextmanager
def connected(engine: Engine, say: Callable[[str], None]) -> Iterator[Any]:
    """Ray, connected to a cluster while the block runs.

    A connection that is there already is used, and stays. Else RAY_ADDRESS names the cluster; without it one of this
    machine is started, whose ports ask for a token, and ended after the block.

    Args:
        engine: What each worker is to take.
        say: Told which cluster it is.

    Raises:
        UserError: RAY_ADDRESS leads to no cluster, a cluster would be open to everybody, or this machine has not what
            a worker is to take.
    """
    ray = load_ray()
    if ray.is_initialized():
        yield ray
        return
    address = os.environ.get("RAY_ADDRESS") or "local"
    if address.startswith("ray://"):
        raise UserError(
            "this is the address for Ray's remote clients",
            place="RAY_ADDRESS",
            found=address,
            remedy="Start the command on a machine of the cluster (`ray job submit`), or give HOST:6379 there.",
        )
    if address == "local":
        _closed_to_others()
    else:
        _check_answers(address)
    with _signals_kept():
        _join(ray, address)
    try:
        described = _described(ray, address)
        if address == "local" and not room_for(ray, engine):  # others may be waiting for machines
            raise UserError(
                f"a worker takes {taken(engine)}, and this machine has not so many",
                place="engine",
                found=described,
                remedy="Ask for less by --cpus and --gpus, or name a cluster by RAY_ADDRESS.",
            )
        say(f"Ray: {described}")
        yield ray
    finally:
        ray.shutdown()


def _closed_to_others() -> None:
    """Whoever reaches a port of Ray can run programs here: of a cluster of our own they ask for a token.

    That is Ray's default for local clusters; it must be set before Ray is imported, or be left to it.
    """
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    if mode.lower() != "token":
        raise UserError(
            "a local Ray cluster is started with authentication by token only",
            place="RAY_AUTH_MODE",
            found=mode,
            remedy="Unset it; or start a cluster yourself, and name it by RAY_ADDRESS.",
        )


def _check_answers(address: str) -> None:
    """Refuses an address at which nobody answers; Ray itself waits there for minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        return  # `auto`, or what Ray itself has a word for
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except OSError as error:
        raise _not_joined(address, str(error)) from None


def _not_joined(address: str, why: str) -> UserError:
    return UserError(
        f"no Ray cluster could be joined: {shorten(why, 400)}",
        place="RAY_ADDRESS",
        found=address,
        remedy="Is it up, with the same versions of Ray and Python, and the same token? Without RAY_ADDRESS a cluster "
        "of this machine is started.",
    )


def _join(ray: Any, address: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody unasked
    silent = {"log_to_driver": False, "logging_level": "ERROR"}
    own = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, **silent, **own)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError, ray.exceptions.RayError) as error:
        ray.shutdown()
        if address == "local":
            raise ToolkitError(f"Ray could not start: {shorten(str(error), 400)}") from None
        raise _not_joined(address, str(error)) from None


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself; after the block it means again what it meant."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _described(ray: Any, address: str) -> str:
    machines = sum(node["Alive"] for node in ray.nodes())
    resources = ray.cluster_resources()
    gpus = f", {resources['GPU']:g} GPUs" if "GPU" in resources else ""
    kind = "a cluster of this machine" if address == "local" else f"{machines} machines"
    return f"{kind}, {resources.get('CPU', 0):g} CPUs{gpus}"


def room_for(ray: Any, engine: Engine) -> int:
    """How many workers the machines that are there have room for at once."""
    found = 0
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            room = has.get("CPU", 0) / engine.cpus
            if engine.gpus:
                room = min(room, has.get("GPU", 0) / engine.gpus)
            found += int(room + 1e-9)  # ten times 0.1 is one
    return found


def taken(engine: Engine) -> str:
    """What a worker takes, in words."""
    return f"{engine.cpus} CPUs and {engine.gpus:g} GPUs of one machine"


def options_of(engine: Engine) -> dict[str, Any]:
    """What Ray is told of a worker; it leaves GPUs in sight of those that take none, and all of them would use one."""
    found: dict[str, Any] = {"num_cpus": engine.cpus, "num_gpus": engine.gpus}
    if not engine.gpus:
        found["runtime_env"] = {"env_vars": {"CUDA_VISIBLE_DEVICES": "-1"}}
    return found


def versions() -> dict[str, str]:
    """What must be the same on all machines."""
    return {"python": platform.python_version(), **{name: version(name) for name in COMPARED}}


def check_versions(asked: dict[str, str]) -> None:
    """Refuses to work for a machine of other versions, whose numbers would be others.

    Raises:
        UserError: With the first that differs.
    """
    for name, own in versions().items():
        if asked.get(name) != own:
            raise UserError(
                f"the machine {platform.node()} has another version of {name}",
                found=own,
                allowed=asked.get(name),
                remedy="Install the same versions on all machines of the cluster.",
            )


class Shared(NamedTuple):
    """A folder that all machines are to see, and the file by which they tell that it is this one."""

    folder: Path
    sign: str


@contextlib.contextmanager
def shared(folder: Path) -> Iterator[Shared]:
    """Lays a sign into a folder while the block runs, made where it is not there."""
    found, made = Shared(folder.absolute(), f".shared-{uuid.uuid4().hex}"), not folder.exists()
    with writing(found.folder):
        found.folder.mkdir(parents=True, exist_ok=True)
        (found.folder / found.sign).touch()
    try:
        yield found
    finally:
        (found.folder / found.sign).unlink(missing_ok=True)
        if made and not any(found.folder.iterdir()):
            found.folder.rmdir()  # nothing came of it


def check_shared(found: Shared, remedy: str) -> None:
    """Refuses a folder that is not the one which the sign was laid into.

    Raises:
        UserError: This machine does not see it.
    """
    if not (found.folder / found.sign).is_file():
        raise UserError(
            f"the machine {platform.node()} does not see this folder", place=str(found.folder), remedy=remedy
        )


def use_threads(cpus: int) -> None:
    """Lets TensorFlow compute with as many threads as a worker has processors, unless it has begun to compute."""
    from mlp_toolkit.model.backend import tf

    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(cpus)
        tf.config.threading.set_inter_op_parallelism_threads(cpus)
