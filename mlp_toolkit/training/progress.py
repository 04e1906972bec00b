"""What a person sees while a network trains: a bar in a terminal or notebook, a few lines in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Literal

from mlp_toolkit.errors import UserError

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
    return "bar" if sys.stderr.isatty() or _in_notebook() else "lines"


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"


def watcher(verbose: Any) -> Any:
    """A Keras callback that shows progress on standard error, or None."""
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
            scores = describe(logs or {})
            total = self.params["epochs"]
            if self.bar:
                self.bar.update(self.line, completed=epoch + 1, scores=scores)
            elif _worth_a_line(epoch + 1, total) or time.monotonic() - self.said > 30:
                self.said = time.monotonic()
                elapsed = self.said - self.started
                print(f"epoch {epoch + 1:>4}/{total}  {elapsed:6.1f} s  {scores}", file=sys.stderr, flush=True)

        def on_train_end(self, logs: dict[str, float] | None = None) -> None:
            self.close()

        def close(self) -> None:
            """Leaves the terminal as it was, also when training was interrupted."""
            if self.bar is not None:
                self.bar.stop()
                self.bar = None

    return Watcher()


def describe(logs: dict[str, float]) -> str:
    """`loss 0.123  val_loss 0.2  accuracy 0.9`: the losses first."""
    names = sorted(logs, key=lambda name: ("loss" not in name, name.startswith("val_")))
    return "  ".join(f"{name} {logs[name]:.4g}" for name in names if name != "learning_rate")


def _worth_a_line(epoch: int, total: int) -> bool:
    return epoch in (1, 2, 5, total) or epoch % max(10, total // 10) == 0


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(bar_width=24),
        TimeRemainingColumn(),
        TextColumn("{task.fields[scores]}"),
        console=Console(stderr=True),
    )


def speaker(verbose: Any) -> Callable[[str], None]:
    """A function that says what a run finds out, on standard error; nothing where `verbose` is 0."""
    if style(verbose) == "none":
        return lambda text: None
    return lambda text: print(text, file=sys.stderr, flush=True)
