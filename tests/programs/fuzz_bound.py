"""The bound for bad input: done or one clear message; soon; in little memory; nothing written elsewhere, nothing run."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlp_toolkit.errors import UserError

SECONDS = 10  # of the processor: others use the machine, too
MEGABYTES = 1500
LONGEST_MESSAGE = 20_000
STUCK = 120  # after so many seconds by the clock the script ends, and says where it was
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")
RUNS = ("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect")

_watching: list[tuple[Path, list[str]]] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    allowed, seen = _watching[-1]
    if event in RUNS:
        seen.append(f"{event} {arguments!r}"[:200])
    elif event == "open" and isinstance(arguments[0], str | bytes) and (arguments[2] or 0) & WRITES:
        _elsewhere(event, arguments[0], allowed, seen)
    elif event in CHANGES:
        for path in arguments[: 2 if event in ("os.rename", "os.link") else 1]:
            _elsewhere(event, path, allowed, seen)


def _elsewhere(event: str, path: Any, allowed: Path, seen: list[str]) -> None:
    if isinstance(path, int):
        return
    full = os.path.abspath(os.fsdecode(path))
    if full != os.devnull and "__pycache__" not in full and not full.startswith(str(allowed)):
        seen.append(f"{event} {full}")


sys.addaudithook(_hook)


class Tally:
    """Cases by outcome, with all that left the bound.

    Args:
        folder: The only one in which files may be written.
        check: Looks at what a case gave; None accepts anything.
        guarded: Whether to end the process where a case does not end.
    """

    def __init__(self, folder: Path, check: Callable[[Any], None] | None = None, *, guarded: bool = False) -> None:
        self.folder, self.check, self.guarded = folder.resolve(), check, guarded
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.outside: list[str] = []
        self.slowest = self.largest = (0.0, "")

    def case(self, name: str, work: Callable[[], Any]) -> str:
        """Runs one case; what it came to."""
        name = ascii(name)[1:-1][:120]
        if self.guarded:
            faulthandler.dump_traceback_later(STUCK, exit=True)
        before = _resident("VmRSS")
        _reset_peak()
        seen: list[str] = []
        _watching.append((self.folder, seen))
        start, worked = time.perf_counter(), time.process_time()
        outcome, wrong = "valid", ""
        try:
            found = work()
            if self.check:
                self.check(found)
        except UserError as error:
            outcome, wrong = "refused", _unclear(error)
            self.reasons[error.problem.split(":")[0][:60]] += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            wrong = "".join(traceback.format_exception(error, limit=-4))[-1500:]
        finally:
            _watching.pop()
        seconds, megabytes = time.process_time() - worked, _resident("VmHWM") - before
        waited = time.perf_counter() - start
        if self.guarded:
            faulthandler.cancel_dump_traceback_later()
        self.slowest, self.largest = max(self.slowest, (seconds, name)), max(self.largest, (megabytes, name))
        if seconds > SECONDS or waited > STUCK / 2:
            wrong += f"\n{seconds:.1f} s of work, {waited:.1f} s in all"
        if megabytes > MEGABYTES:
            wrong += f"\n{megabytes:,.0f} MB"
        wrong += "\n".join(seen)
        if wrong:
            outcome = "outside"
            self.outside.append(f"{name}: {wrong.strip()}")
        self.counts[outcome] += 1
        return outcome

    def within(self, least: int = 0) -> None:
        """Asserts that all cases kept the bound, and that so many at least ended in each way."""
        text = "\n\n".join([str(self), *self.outside[:20]])
        assert not self.outside, text
        assert min(self.counts["valid"], self.counts["refused"]) >= least, text

    def __str__(self) -> str:
        total = sum(self.counts.values())
        shares = ", ".join(f"{self.counts[kind]:,} {kind}" for kind in ("valid", "refused", "outside"))
        (seconds, slow), (megabytes, large) = self.slowest, self.largest
        return (
            f"{total:,} cases: {shares} the bound\n  slowest {seconds:.2f} s ({slow}), most memory {megabytes:,.0f} MB "
            f"above the start ({large}), {len(self.reasons)} kinds of message"
        )


def _unclear(error: UserError) -> str:
    """What is wrong with a message, if anything."""
    text = str(error)
    if error.exit_code != 2 or not text.strip() or len(text) > LONGEST_MESSAGE:
        return f"a message of {len(text)} characters: {text[:100]}"
    return "" if all(line.isprintable() for line in text.splitlines()) else f"signs in a message: {text[:300]!r}"


def _resident(what: str) -> float:
    """Megabytes of this process, now (VmRSS) or at most (VmHWM); 0 where the system does not say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{what}:")), 0.0)


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
