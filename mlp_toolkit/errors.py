"""The errors a user can meet, each with its exit code, and how messages are written."""

from __future__ import annotations

import difflib
import os
import textwrap
from collections.abc import Iterable
from typing import TextIO


class ToolkitError(Exception):
    """Base of the toolkit's own errors; a program that meets one ends with `exit_code`."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message, without the calls that led to it."""
        return [f"{type(self).__name__}: {self}"]


class UserError(ToolkitError, ValueError):
    """The user's recipe, data or arguments are wrong.

    Args:
        problem: One sentence: what is wrong.
        place: Where: `file:line:column`, a column of a table, an argument.
        found: What stood there.
        allowed: The values that would have been accepted, in a fixed order.
        remedy: What to do about it.

    The nearest of the `allowed` names to `found` is offered as "did you mean".
    """

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        place: str | None = None,
        found: object = None,
        allowed: Iterable[object] | str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.problem, self.place, self.found, self.remedy = problem, place, found, remedy
        self.allowed = allowed if isinstance(allowed, str | None) else [str(a) for a in allowed]
        super().__init__(self.message())

    def message(self) -> str:
        """The whole message, as a terminal shows it."""
        lines = [f"{shorten(self.place, 4096)}: {self.problem}" if self.place else self.problem]
        if self.found is not None:
            lines.append(f"  found:   {shorten(self.found)}")
        if isinstance(self.allowed, str):
            lines.append(f"  allowed: {self.allowed}")
        elif self.allowed:
            lines.append(f"  allowed: {listing(self.allowed)}")
            near = nearest(self.found, self.allowed) if self.found is not None else None
            if near:
                lines.append(f"  did you mean {near!r}?")
        if self.remedy:
            lines.append(f"  {self.remedy}")
        return "\n".join(lines)


class MissingExtra(UserError):  # noqa: N818  # it reads as what it is
    """An optional dependency is not installed."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the extra {extra!r}, which is not installed.",
            remedy=f'Install it: pip install "mlp-toolkit[{extra}]"',
        )


def nearest(found: object, known: Iterable[object]) -> str | None:
    """The known name that looks most like what was found, if one does."""
    text = shorten(found, 200)
    folded: dict[str, str] = {}
    for name in map(str, known):
        folded.setdefault(name.lower(), name)  # of two that differ in case only, the first
    match = difflib.get_close_matches(text.lower(), list(folded), n=1, cutoff=0.6)
    return folded[match[0]] if match and folded[match[0]] != text else None


def number(value: float) -> str:
    """A score for a person: four digits that count, 23,960 rather than 2.396e+04."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e15 else f"{value:.4g}"


def shorten(value: object, limit: int = 120) -> str:
    """`value` on one line of at most `limit` characters."""
    try:
        text = repr(value) if not isinstance(value, str) else value
    except (ValueError, RecursionError):  # Python writes out no number of thousands of digits
        text = f"<{type(value).__name__}>"
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def listing(names: Iterable[object], limit: int = 24) -> str:
    """Names as one phrase, cut after `limit` of them."""
    items = [shorten(str(name), 40) for name in names]
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f", … ({rest} more)" if rest > 0 else "")


def on_screen(text: str, stream: TextIO | None) -> str:
    """A message as a stream shows it best: in a terminal lines end between words, elsewhere they stay as they are.

    A line that goes on stands two blanks further in. A word that is longer than a line stays whole.
    """
    if stream is None or not stream.isatty():
        return text
    try:
        width = os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:  # what calls itself a terminal, and is none
        return text
    return "\n".join(_folded(line, width) for line in text.split("\n"))


def _folded(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    begin = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line,
        width,
        subsequent_indent=begin + "  ",
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        expand_tabs=False,
    )
