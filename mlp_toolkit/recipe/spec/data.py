"""The types and ranges of `data:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    Tag,
    ValidationInfo,
    model_validator,
)

from mlp_toolkit.recipe import catalog, known_names
from mlp_toolkit.recipe.spec.types import (
    IN_MEMORY,
    Column,
    Label,
    Part,
    Share,
    Side,
    one_of,
)

CSV = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


FOLDS = "folds"
_TIES = ("group", "time")


class Shares(Part):
    """Shares of the rows, or files of their own; of rows in memory a part may have none.

    `validation: folds` lets each member of an ensemble hold out a fold of its own. `group` names a column: no group is
    in two parts. `time` names one, too: the latest rows are for the test, those before them for validation.
    """

    validation: Share | None
    test: Share | None
    group: Column | None
    time: Column | None

    @property
    def files(self) -> dict[str, str]:
        """Parts that have a file of their own."""
        named = {"validation": self.validation, "test": self.test}
        return {part: share for part, share in named.items() if isinstance(share, str) and share != FOLDS}

    @model_validator(mode="after")
    def _rows_left(self, info: ValidationInfo) -> Shares:
        for part in ("validation", "test"):
            if getattr(self, part) is None and info.context != IN_MEMORY:
                raise known_names.refuse(
                    "a recipe needs rows for it", at=(part,), allowed="a share of the rows between 0 and 1, or a file"
                )
        if self.test == FOLDS:
            raise known_names.refuse(
                "test rows are held out from all members", at=("test",), allowed="a share of the rows, or a file"
            )
        if self.group and self.time:
            raise known_names.refuse("groups and time are not taken together", at=("time",), allowed="null")
        shares = [share for share in (self.validation, self.test) if isinstance(share, float)]
        if sum(shares) >= 1:
            raise known_names.refuse(
                "validation and test take all rows: none are left to train on", allowed="a sum below 1"
            )
        return self


def _as_text(columns: Any) -> Any:
    """Columns given by number, as text."""
    if isinstance(columns, list):
        return [_as_text(column) for column in columns]
    if isinstance(columns, dict):
        return {_as_text(column): kind for column, kind in columns.items()}
    return str(columns) if isinstance(columns, int) and not isinstance(columns, bool) else columns


class Images(Part):
    """How the images of an image column become equal rows of pixels."""

    size: Annotated[
        Annotated[Literal["auto"], Tag("text")]
        | Annotated[Annotated[list[Side], Field(min_length=2, max_length=2)], Tag("list")],
        one_of("auto, or [HEIGHT, WIDTH]"),
    ]
    color: Literal["auto", "grayscale", "rgb"]


class Data(Part):
    """Where the rows come from and what their columns are."""

    path: Column | None
    dataset: Column | None
    header: bool
    target: Annotated[
        Annotated[Column, Tag("text")] | Annotated[Annotated[list[Column], Field(min_length=1)], Tag("list")],
        one_of("a column, or a list of columns"),
    ]
    features: Annotated[
        Annotated[Literal["all"], Tag("text")]
        | Annotated[Annotated[list[Column], Field(min_length=1)], Tag("list")]
        | Annotated[
            Annotated[dict[str, Annotated[str, AfterValidator(known_names.known_kind)]], Field(min_length=1)],
            Tag("mapping"),
        ],
        one_of("all, a list of columns, or a mapping of columns to their kind"),
    ]
    sample_weight: Column | None
    split: Annotated[
        Annotated[Column, Tag("text")] | Annotated[Shares, Tag("mapping")],
        one_of("a mapping of validation and test, or a column"),
    ]
    test_path: Column | None
    classes: Annotated[list[Label], Field(min_length=2)] | None
    positive: Label | None
    images: Images
    stream: Literal["auto"] | bool

    @model_validator(mode="before")
    @classmethod
    def _by_number(cls, values: Any) -> Any:
        """Without a header columns are called by their number, which a recipe may write as one."""
        if not isinstance(values, dict) or values.get("header") is not False:
            return values
        target, features, weight = (values.get(key) for key in ("target", "features", "sample_weight"))
        named = {"target": _as_text(target), "features": _as_text(features), "sample_weight": _as_text(weight)}
        split = values.get("split")
        if isinstance(split, dict):
            ties = {
                key: split[key] if split.get(key) is None else _as_text(split[key]) for key in _TIES if key in split
            }
            return values | named | {"split": split | ties}
        return values | named | {"split": _as_text(split)}

    @model_validator(mode="after")
    def _one_source(self, info: ValidationInfo) -> Data:
        given = (self.path is not None) + (self.dataset is not None)
        if given != (0 if info.context == IN_MEMORY else 1):
            raise known_names.refuse(
                "exactly one of path and dataset says where the rows come from", allowed="path or dataset"
            )
        if not self.header and not (self.path or "").lower().endswith(CSV):
            raise known_names.refuse(
                "only a CSV file may have no header",
                at=("header",),
                allowed="true, or a path that ends in .csv or .tsv",
            )
        known = catalog.config("datasets")["datasets"]
        if self.dataset is not None and self.dataset not in known:
            raise known_names.refuse("unknown dataset", at=("dataset",), allowed=list(known))
        if len(set(self.targets)) != len(self.targets):
            raise known_names.refuse("a target is named twice", at=("target",), allowed="different columns")
        kinds = list(self.features.values()) if isinstance(self.features, dict) else []
        if kinds.count("image") > 1:
            raise known_names.refuse("two columns are images", at=("features",), allowed="one image column at most")
        if "image" in kinds and self.stream is True:
            raise known_names.refuse("rows with images are not streamed", at=("stream",), allowed="auto or false")
        return self

    @property
    def targets(self) -> list[str]:
        """The target columns as a list."""
        return [self.target] if isinstance(self.target, str) else self.target

    @property
    def split_columns(self) -> list[str]:
        """The columns that say which part a row is in."""
        if isinstance(self.split, str):
            return [self.split]
        return [name for name in (self.split.group, self.split.time) if name]

    @property
    def in_folds(self) -> bool:
        """Whether each member of an ensemble holds out a fold of its own."""
        return isinstance(self.split, Shares) and self.split.validation == FOLDS

    @property
    def shares(self) -> Shares | None:
        """The shares of the rows, or files of their own; None where columns say it."""
        return self.split if isinstance(self.split, Shares) else None

    @property
    def no_features(self) -> list[str]:
        """The columns that are no features: targets, weights, and what says which part a row is in.

        A time is one where `features` names it.
        """
        named = [] if isinstance(self.features, str) else [*self.features]
        time = self.shares.time if self.shares else None
        of_split = [name for name in self.split_columns if name != time or name not in named]
        return [*self.targets, *([self.sample_weight] if self.sample_weight else []), *of_split]
