"""Checks layered values against the recipe's types; what is wrong is told in the words of the recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.recipe import known_names, old_names, spec
from mlp_toolkit.recipe.yaml_text import KeyPath, Layer, shown, typed

_CLASSES = "binary: a column of two classes; multiclass: a column of more; multilabel: several columns of yes or no."
TASK_REMEDIES = {"classification": _CLASSES, "classifier": _CLASSES} | {
    f"{task}{space}classification": f"Write {task}." for task in spec.TASKS for space in " _-"
}


def checked_recipe(values: dict[str, Any], file: Path, layers: list[Layer], context: str | None = None) -> spec.Recipe:
    """The recipe that the values make up.

    Args:
        values: All layers' values, merged.
        file: The recipe's file.
        layers: Where the values came from, to name the place of a wrong one.
        context: `spec.IN_MEMORY` where the rows are; None where the recipe says where they come from.

    Raises:
        UserError: With place, found, allowed and nearest name; several findings in one message.
    """
    problems: list[UserError] = []
    recipe: spec.Recipe | None = None
    try:
        recipe = spec.Recipe.model_validate(values, context=context)
        values["train"]["loss"] = known_names.full_loss_name(recipe.task, recipe.train.loss)
        recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"loss": values["train"]["loss"]})})
    except ValidationError as error:
        problems = [_problem(dict(item), values, file, layers) for item in error.errors(include_url=False)]
    except PydanticCustomError as error:
        item = {"loc": ("train", "loss"), "type": error.type, "ctx": error.context, "input": values["train"]["loss"]}
        problems = [_problem(item, values, file, layers)]
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise UserError("\n".join(problem.message() for problem in problems[:8]))
    assert recipe is not None
    return recipe


def _problem(item: dict[str, Any], values: dict[str, Any], file: Path, layers: list[Layer]) -> UserError:
    """One of pydantic's findings in the words of the recipe."""
    context = item.get("ctx") or {}
    kind, found = item["type"], item["input"]
    path, keys = _walk((*item["loc"], *context.get("at", ())), values)
    if context.get("at"):
        found = _at(values, path)
    place = _place(path, file, layers)
    key = ".".join(shorten(str(part), 40) for part in path) or "the recipe"
    if kind == "extra_forbidden":
        today = old_names.SETTINGS.get(str(path[-1])) if path[:-1] == ("train", "optimizer") else None
        return UserError(f"unknown key {key!r}", place=place, found=path[-1], allowed=keys, remedy=today)
    if kind == "missing":
        return UserError(f"{key} is required", place=place, remedy=example_of(path))
    if kind == "refused":
        scalar = None if isinstance(found, dict | BaseModel) else _null(found)
        problem = f"{key}: {context['problem']}" if path else str(context["problem"])
        return UserError(
            problem, place=place, found=scalar, allowed=context.get("allowed"), remedy=context.get("remedy")
        )
    if kind == "literal_error":
        allowed = [name.strip("'") for name in str(context["expected"]).replace(" or ", ", ").split(", ")]
        remedy = TASK_REMEDIES.get(str(found).lower()) if path == ("task",) else None
        return UserError(
            f"{key} is not one of the allowed values", place=place, found=_null(found), allowed=allowed, remedy=remedy
        )
    if kind == "string_pattern_mismatch" and path[-1:] == ("device",):
        allowed = ["auto", "cpu", "gpu", "gpu:N", "all", "workers"]
        return UserError(f"{key}: unknown device", place=place, found=found, allowed=allowed)
    if kind == "shape":
        return UserError(f"{key} has the wrong type", place=place, found=typed(found), allowed=str(item["msg"]))
    return UserError(f"{key} has a wrong value", place=place, found=typed(found), allowed=expected(item))


def expected(item: Mapping[str, Any]) -> str:
    """What pydantic expected, as a phrase: "Input should be greater than 0" → "greater than 0"."""
    text = str(item["msg"])
    for start in ("Input should be ", "Input should have ", "Value should have ", "String should have "):
        text = text.removeprefix(start)
    text = re.sub(r" or (an )?instance of \w+", "", text)
    return text.replace("a valid dictionary", "a mapping").replace("a valid ", "a ").replace("integer", "whole number")


def _null(value: Any) -> Any:
    """The value, null by its YAML name."""
    return "null" if value is None else value


def _walk(loc: tuple[str | int, ...], values: Any) -> tuple[KeyPath, list[str]]:
    """Pydantic's location → the recipe's path, without the tags of unions; and the keys allowed where it ends."""
    path: list[str | int] = []
    model: type[BaseModel] | None = spec.Recipe
    keys = list(spec.Recipe.model_fields)
    here = values
    inner: dict[KeyPath, type[BaseModel]] = {
        ("data",): spec.Data,
        ("model",): spec.Model,
        ("train",): spec.Train,
        ("data", "split"): spec.Shares,
        ("data", "images"): spec.Images,
        ("model", "hidden"): spec.Layers,
        ("model", "activation"): spec.Activation,
        ("train", "optimizer"): spec.Optimizer,
        ("model", "warm_start"): spec.WarmStart,
        ("model", "pretrain"): spec.Pretrain,
        ("train", "schedule"): spec.Schedule,
        ("train", "augmentation"): spec.Augmentation,
        ("train", "early_stopping"): spec.EarlyStopping,
        ("decision",): spec.Decision,
        ("decision", "cost"): spec.Cost,
        ("tune",): spec.Tune,
    }
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        tags = ("text", "number", "list", "mapping", "range", "values", "[key]")
        if isinstance(part, str) and part in tags and not (isinstance(here, dict) and part in here):
            continue
        known = (isinstance(here, dict) and part in here) or (
            isinstance(here, list) and isinstance(part, int) and part < len(here)
        )
        if not known and not last:
            continue
        if model is not None:
            keys = [*model.model_fields, *(["extends"] if model is spec.Recipe else [])]
        path.append(part)
        here = here[part] if known else None
        model = inner.get(tuple(path))
        if path[:2] == ["tune", "space"] and len(path) == 3:  # a dotted key, and its choices
            model = spec.Values if isinstance(here, dict) and "values" in here else spec.Range
    return tuple(path), keys


def _place(path: KeyPath, file: Path, layers: list[Layer]) -> str:
    """The place of the value a problem is about: where the last layer that speaks of it does so."""
    for end in range(len(path), 0, -1):
        for layer in reversed(layers):
            if _at(layer.values, path[:end]) is not _ABSENT:
                return layer.place(path[:end])
    return f"{shown(file)}:1:1" if any(layer.places for layer in layers if layer.kind == "recipe") else shown(file)


_ABSENT = object()


def _at(values: Any, path: KeyPath) -> Any:
    for part in path:
        if isinstance(values, Mapping):
            values = values.get(part, _ABSENT)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return _ABSENT
    return values


def example_of(path: KeyPath) -> str | None:
    """How the value of a key is written, for instance."""
    examples: dict[KeyPath, str] = {
        ("task",): "For instance `task: binary`; the tasks are " + ", ".join(spec.TASKS) + ".",
        ("data", "target"): "Under `data:`, for instance `target: price`, the column to predict.",
    }
    return examples.get(path)
