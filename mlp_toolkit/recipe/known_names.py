"""Words a recipe may use where a type alone cannot say so: outputs, losses, activations, optimizers, kinds, presets."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import PydanticCustomError

from mlp_toolkit.recipe import catalog

KINDS = ("numeric", "categorical", "date", "image", "ignore")
BOUNDED = re.compile(r"bounded\(\s*([^,()]+?)\s*,\s*([^,()]+?)\s*\)")


def refuse(
    problem: str, *, at: tuple[str, ...] = (), allowed: Any = None, remedy: str | None = None
) -> PydanticCustomError:
    """An error for a validator to raise; `recipe` turns it into a `UserError` with its place.

    Args:
        problem: What is wrong.
        at: The keys, from the validated part on, that lead to what is wrong.
        allowed: What would have been accepted.
        remedy: What to do about it.
    """
    context = {"problem": problem, "at": at, "allowed": allowed, "remedy": remedy}
    return PydanticCustomError("refused", "{problem}", context)


def parse_bounds(output: str) -> tuple[float, float] | None:
    """The two numbers of `bounded(lo, hi)`; None for any other text.

    Raises:
        ValueError: The text has the form, but not two finite numbers with lo < hi.
    """
    match = BOUNDED.fullmatch(output)
    if not match:
        return None
    low, high = float(match[1]), float(match[2])
    if not (abs(low) < float("inf") and abs(high) < float("inf") and low < high):
        raise ValueError(f"bounded({low}, {high}) needs two finite numbers, the lower first")
    return low, high


def full_loss_name(task: str, loss: str) -> str:
    """The full Keras name of a loss that fits the task, from its name, alias or class name.

    Raises:
        PydanticCustomError: The loss is unknown or does not fit the task.
    """
    known = catalog.config("keras_names")
    aliases: dict[str, str] = known["loss_aliases"]
    full = aliases.get(loss, loss)
    if not re.fullmatch(r"[a-z0-9_]+", full):
        full = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", full).lower()
    allowed: list[str] = known["losses"][task]
    if full in allowed:
        return full
    if task == "binary" and full in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        raise refuse(
            f"{full} does not fit one output neuron: softmax or cross entropy over a single class is "
            "constant, so that nothing is learnt",
            remedy="Use binary_crossentropy, which the binary table holds.",
        )
    raise refuse(f"not a loss for {task}", allowed=[*allowed, *(a for a, f in aliases.items() if f in allowed)])


def known_output(value: str) -> str:
    """An output of a regression network."""
    try:
        if value in ("auto", "linear", "positive") or parse_bounds(value):
            return value
    except ValueError as error:
        raise refuse(f"not two numbers: {error}") from None
    raise refuse("unknown output", allowed=["auto", "linear", "positive", "bounded(LOW, HIGH)"])


def known_activation(name: str) -> str:
    """A hidden activation, the toolkit's or Keras's, that a network can be trained with."""
    taught = catalog.config("activations")["activations"]
    known = [*taught, *(n for n in catalog.config("keras_names")["activations"] if n not in taught)]
    if name not in known:
        raise refuse("unknown activation", allowed=known)
    if name == "step":
        raise refuse(
            "the step function has no gradient, so a network of it cannot be trained by gradient descent",
            remedy="It serves the perceptron demonstration only. For hidden layers, the tables hold relu.",
        )
    return name


def known_optimizer(name: str) -> str:
    """An optimizer, the toolkit's or Keras's."""
    taught = catalog.config("optimizers")["optimizers"]
    known = [*taught, *catalog.config("keras_names")["optimizers"]]
    if name not in known:
        raise refuse("unknown optimizer", allowed=known)
    return name


def known_initializer(name: str) -> str:
    """An initializer's name in lower case with underscores."""
    known = ["auto", *catalog.config("keras_names")["initializers"]]
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if snake not in known:
        raise refuse("unknown initializer", allowed=known)
    return snake


def known_kind(text: str) -> str:
    """A kind of column."""
    if text in KINDS or re.fullmatch(r"date\((?:%[YmdHMS]|[-/.: T])+\)", text):
        return text
    if re.fullmatch(r"numeric\([^(),]*[^(),\s][^(),]*(?:,[^(),]*[^(),\s][^(),]*)*\)", text):  # words for missing values
        return text
    raise refuse("unknown kind of column", allowed=[*KINDS, "date(%d/%m/%Y)", "numeric(WORD, …)"])


def folder_name(text: str) -> str:
    """The name of a run, which its directory has, too: `..` would be another folder."""
    if re.search(r"[/\\\x00-\x1f]", text) or not text.strip("."):
        raise refuse("no name for a run directory", allowed=["a name without / and \\, and not of dots alone"])
    return text


def known_preset(name: str) -> str:
    """A preset that ships, or a file."""
    known = catalog.names("presets")
    if name in known or name.endswith((".yaml", ".yml")):
        return name
    raise refuse("unknown preset", allowed=[*known, "a path to a .yaml file"])
