"""What a person sees while a network trains: a bar in a terminal or notebook, a few lines in a log file."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Literal

from mlp_toolkit.data.targets import Target
from mlp_toolkit.errors import UserError, number, on_screen

Style = Literal["none", "bar", "lines"]


def style(verbose: Any) -> Style:
    """`"auto"`, 0, 1 or 2 (as Keras counts) → no output, a bar, or lines.

    auto is a bar where someone can watch it move, in a terminal or a notebook, and lines elsewhere.
    """
    fixed: dict[Any, Style] = {0: "none", 1: "bar", 2: "lines"}
    if verbose in fixed:
        return fixed[verbose]
    if verbose != "auto":
        raise UserError("unknown verbose", place="fit: verbose", found=verbose, allowed=["auto", 0, 1, 2])
    if in_notebook():  # where the bar is a widget
        return "bar" if find_spec("ipywidgets") else "lines"
    return "bar" if sys.stderr.isatty() else "lines"


def in_notebook() -> bool:
    """Whether this runs in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def _say(text: str) -> None:
    """A message on standard error; in a notebook, which shows that in red, on standard output."""
    if in_notebook():
        print(text, flush=True)
    else:
        print(on_screen(text, sys.stderr), file=sys.stderr, flush=True)


def watcher(verbose: Any, units: Mapping[str, float | None] | None = None) -> Any:
    """A Keras callback that shows progress on standard error, or None.

    Args:
        verbose: As `fit` takes it.
        units: By metric, what its value is multiplied with to be in the target's units; None where it cannot be.
    """
    from mlp_toolkit.model.backend import keras

    chosen = style(verbose)
    if chosen == "none":
        return None

    class Watcher(keras.callbacks.Callback):
        """Shows epochs as they end."""

        bar: Any = None

        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            self.started = self.said = time.monotonic()
            self.bar = _bar() if chosen == "bar" else None
            if self.bar:
                self.bar.start()
                self.line = self.bar.add_task("training", total=self.params["epochs"], scores="")

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            scores = describe(in_units(logs or {}, units or {}))
            total = self.params["epochs"]
            if self.bar:
                self.bar.update(self.line, completed=epoch + 1, scores=scores)
            if _worth_a_line(epoch + 1, total) or (not self.bar and time.monotonic() - self.said > 30):
                self.said = time.monotonic()
                elapsed = self.said - self.started
                line = f"epoch {epoch + 1:>4}/{total}  {elapsed:6.1f} s  {scores}"
                if self.bar:  # above the bar, where it stays
                    self.bar.console.print(line, markup=False, highlight=False, no_wrap=True, overflow="ellipsis")
                else:
                    _say(line)

        def on_train_end(self, logs: dict[str, float] | None = None) -> None:
            self.close()

        def close(self) -> None:
            """Leaves the terminal as it was, also when training was interrupted."""
            if self.bar is not None:
                self.bar.stop()
                self.bar = None

    return Watcher()


def units_of(target: Target) -> dict[str, float | None]:
    """What takes the errors of an epoch into the target's units: a network learns numbers of mean 0 and deviation 1."""
    if target.task != "regression":
        return {}
    alike = len(set(target.scale)) == 1  # else the mean over several targets has no unit
    return dict.fromkeys(("rmse", "mae"), target.scale[0] if alike else None)


def in_units(logs: Mapping[str, Any], units: Mapping[str, float | None]) -> dict[str, Any]:
    """Scores in the target's units; those that have none because the targets differ in theirs are left out."""
    shown = {}
    for name, value in logs.items():
        factor = units.get(name.removeprefix("val_"), 1.0)
        if factor is not None:
            shown[name] = value * factor
    return shown


def describe(logs: Mapping[str, float]) -> str:
    """`loss 0.123  val_loss 0.2  accuracy 0.9`: the losses first."""
    known = [name for name, value in logs.items() if not (name.startswith("val_") and math.isnan(value))]
    names = sorted(known, key=lambda name: ("loss" not in name, name.startswith("val_")))
    return "  ".join(f"{name} {number(logs[name])}" for name in names if name != "learning_rate")


def _worth_a_line(epoch: int, total: int) -> bool:
    return epoch in (1, 2, 5, total) or epoch % max(10, total // 10) == 0


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    giving_way = Column(no_wrap=True, overflow="ellipsis", ratio=1)  # in a narrow terminal, the last scores first
    return Progress(
        TextColumn("epoch", table_column=Column(no_wrap=True)),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        BarColumn(bar_width=24, table_column=Column(min_width=10)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[scores]}", markup=False, table_column=giving_way),
        console=Console(stderr=not in_notebook()),
        expand=True,
    )


def speaker(verbose: Any) -> Callable[[str], None]:
    """A function that says what a run finds out, on standard error; nothing where `verbose` is 0."""
    if style(verbose) == "none":
        return lambda text: None
    return _say


@contextlib.contextmanager
def waiting(text: str, verbose: Any = "auto") -> Iterator[None]:
    """Shows that something goes on, in a terminal, while a block takes its time; leaves no trace."""
    if sys.stderr is None or not sys.stderr.isatty() or style(verbose) != "bar":
        yield
        return
    from rich.console import Console

    # A descriptor of its own: what is written to the usual one meanwhile is held back.
    own = os.dup(sys.stderr.fileno())
    with open(own, "w", encoding=sys.stderr.encoding) as terminal, Console(file=terminal).status(text):
        yield
