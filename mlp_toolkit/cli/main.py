"""The program: its commands in the order of `--help`, and how it ends."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mlp_toolkit.cli import model_commands, picture_commands, recipe_commands, streams
from mlp_toolkit.errors import ToolkitError, UserError, nearest, on_screen, shorten
from mlp_toolkit.runs import interruption

INTERRUPTED = 130
NO_NAMES = (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)  # what no file could be called

# What other programs call such a command.
ALSO_CALLED = {
    "train": "run",
    "fit": "run",
    "test": "evaluate",
    "score": "evaluate",
    "check": "validate",
    "new": "init",
}


class Commands(TyperGroup):
    """The commands; a name that is none of them is answered with the nearest."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first argument names."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = nearest(args[0], [*COMMANDS, *ALSO_CALLED])
            near = ALSO_CALLED.get(near or "", near)
            meant = f"Did you mean `mlp-toolkit {near}`? " if near else ""
            raise UserError(
                "no such command",
                found=args[0],
                allowed=list(COMMANDS),
                remedy=f"{meant}`mlp-toolkit --help` says more.",
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="mlp-toolkit",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a task description to a trained, tested, portable Keras MLP.",
)

COMMANDS: dict[str, Callable[..., None]] = {
    "run": recipe_commands.run,
    "launch": recipe_commands.launch,
    "validate": recipe_commands.validate,
    "show": recipe_commands.show,
    "init": recipe_commands.init,
    "evaluate": model_commands.evaluate,
    "predict": model_commands.predict,
    "cross-validate": recipe_commands.cross_validate,
    "tune": recipe_commands.tune,
    "compare": model_commands.compare,
    "explain": model_commands.explain,
    "drift": model_commands.drift,
    "audit": recipe_commands.audit,
    "inspect": model_commands.inspect,
    "lr-find": picture_commands.lr_find,
    "report": model_commands.report,
    "plot-history": picture_commands.plot_history,
    "plot-activations": picture_commands.plot_activations,
    "recipes": recipe_commands.recipes,
}
for name, command in COMMANDS.items():
    app.command(name)(command)


def _version(asked: bool) -> None:
    if asked:
        print(f"mlp-toolkit {version('mlp-toolkit')}")
        raise typer.Exit


@app.callback()
def _options(
    asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Says which it is.")
    ] = False,
) -> None:
    """What stands before a command."""


def main() -> None:
    """Runs the program; exit codes: 0 done, 2 the user's input is wrong, 130 Ctrl-C, 1 anything else."""
    with interruption.listening():
        _run_and_exit()


def _run_and_exit() -> None:
    streams.open_closed()
    streams.forgive_errors()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files are bytes, not always text
    try:
        app()
    except ToolkitError as error:
        print(on_screen(f"mlp-toolkit: {error}", sys.stderr), file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _nowhere()  # the reader, `head` for instance, has seen enough
        sys.exit(1)
    except OSError as error:
        if error.errno == errno.ENOSPC and error.filename is None:
            print("mlp-toolkit: standard output is full; what was to be printed is lost", file=sys.stderr)
            _nowhere()
            sys.exit(1)
        if error.errno not in NO_NAMES:
            raise
        print(f"mlp-toolkit: {shorten(str(error), 300)}", file=sys.stderr)
        sys.exit(UserError.exit_code)
    except Exception as error:
        # TensorFlow's own kind of MemoryError, by its name: TensorFlow may not be there to be compared with.
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
            raise
        asked = str(error).split("\n")[0] or "no size is known"
        print(f"mlp-toolkit: out of memory: {asked}", file=sys.stderr)
        remedy = "Lower train.batch_size or model.hidden, or let the data be read in pieces: data.stream: true."
        print(f"  {remedy}", file=sys.stderr)
        sys.exit(1)


def _nowhere() -> None:
    """Lets what still waits to be printed go nowhere, so that Python does not fail over it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
