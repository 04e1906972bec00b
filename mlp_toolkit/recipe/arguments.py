"""Arguments from Python, checked by the recipe's own types, and what is wrong with them told in their words."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

from pydantic import ValidationError

from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe import catalog, old_names, problems, spec


def option(key: str, part: type[spec.Part], given: Any, place: str) -> Any:
    """A part of a recipe that is given as a mapping from Python; what it does not say comes from `configs/options`.

    Args:
        key: The recipe's key, for instance `train.augmentation`.
        part: The recipe's type of it.
        given: The mapping, or None.
        place: Names the argument in messages.

    Returns:
        The checked part; None where nothing was given.

    Raises:
        UserError: Not a mapping, an unknown setting, or a value out of range.
    """
    if given is None or isinstance(given, part):
        return given
    if not isinstance(given, Mapping):
        raise UserError("a mapping of settings", place=place, found=given, allowed=part.model_fields)
    try:
        return part.model_validate({**catalog.config("options")["options"][key], **given})
    except ValidationError as error:
        raise argument_error(place, error, given, part) from None


def argument_error(where: str, error: Exception, found: object, part: type[spec.Part] = spec.Optimizer) -> UserError:
    """The first of pydantic's findings in words.

    Args:
        where: Names the argument.
        error: What was raised.
        found: What was given.
        part: The type it was checked by.
    """
    if not isinstance(error, ValidationError):
        return UserError("a name, a mapping with a name, or a Keras object", place=where, found=found)
    first = error.errors(include_url=False)[0]
    context = first.get("ctx") or {}
    place = f"{where}: " + ".".join(
        str(part) for part in first["loc"] if part not in ("text", "list", "mapping", "number")
    )
    if first["type"] == "extra_forbidden":
        parts: dict[object, type[spec.Part]] = {"hidden": spec.Layers, "activation": spec.Activation}
        known = list(parts.get(first["loc"][0], part).model_fields)
        today = old_names.SETTINGS.get(str(first["loc"][-1])) if where == "optimizer" else None
        return UserError("unknown setting", place=place, found=first["loc"][-1], allowed=known, remedy=today)
    if first["type"] == "missing":
        return UserError(f"{first['loc'][-1]} is missing", place=where, found=first["input"])
    if "problem" not in context:
        return UserError("a wrong value", place=place, found=first["input"], allowed=problems.expected(dict(first)))
    return UserError(
        str(context["problem"]),
        place=place,
        found=first["input"],
        allowed=context.get("allowed"),
        remedy=context.get("remedy"),
    )


def whole(name: str, value: object, least: int = 1) -> int:
    """A whole number of `build_mlp` that is not below the least allowed.

    Raises:
        UserError: It is none.
    """
    number = plain(value)
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise UserError(f"a whole number of {least} or more", place=f"build_mlp: {name}", found=value)
    return number


def plain(value: object) -> object:
    """A whole number of numpy as one of Python."""
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value
