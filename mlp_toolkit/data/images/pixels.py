"""Image columns: cells of any size become equal rows of pixels, as the layer `Images` makes them.

A cell is the path of a file, an array (height, width) or (height, width, 1 or 3), or an image of Pillow's.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlp_toolkit.data.images import image_files
from mlp_toolkit.data.images.image_files import Unusable
from mlp_toolkit.data.images.resizing import in_color, resize, resize_strips
from mlp_toolkit.errors import UserError, listing, shorten

if TYPE_CHECKING:
    import pandas as pd

    Column = pd.Series[Any] | np.ndarray

CHANNELS = {"grayscale": 1, "rgb": 3}
LARGEST_OWN = 64  # images of one size keep it up to so many pixels high and wide; else they become as large as USUAL
USUAL = 32
LOOKED_AT = 100  # images whose pixels decide whether there is colour
WHITE = 255
BATCH_VALUES = 2**20  # that are worked on together
STRIP_ROWS = 256  # of a large image, looked at together
LISTED = 20  # of the images that cannot be used


class Image(NamedTuple):
    """The image column of an encoding, and the size and scale of its pixels.

    Attributes:
        name: The column.
        height: Pixels of each image after resizing.
        width: The same across.
        channels: 1 for grey levels, 3 for red, green and blue.
        divisor: The level that becomes 1.
        whole: Whether levels are whole numbers, and are rounded after resizing.
    """

    name: str
    height: int
    width: int
    channels: int
    divisor: float
    whole: bool

    @property
    def pixels(self) -> int:
        """Numbers that an image becomes."""
        return self.height * self.width * self.channels


class Fitted(NamedTuple):
    """What `fit` gives: the column's Image, (rows, height, width, channels) levels, and what was inferred."""

    image: Image
    levels: np.ndarray
    notes: list[str]


def as_cells(levels: np.ndarray) -> np.ndarray:
    """(rows, height, width[, channels]) → (rows,) objects, each an image: a view of its row."""
    cells = np.empty(len(levels), object)
    for row, image in enumerate(levels):
        cells[row] = image
    return cells


def is_cell(value: Any) -> bool:
    """Whether a value may stand in an image column: a text, a path, an array of two dimensions or more, an image."""
    if isinstance(value, np.ndarray):
        return value.ndim >= 2
    return isinstance(value, str | os.PathLike) or type(value).__module__.startswith("PIL.")


def among(column: Column) -> bool:
    """Whether a column holds arrays or images of Pillow's."""
    return column.dtype == np.dtype(object) and any(not isinstance(v, str) and is_cell(v) for v in column)


def with_texts(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Cells of an image column with paths as text, and None where there is nothing."""
    cells = np.empty(len(values), object)
    for row, value in enumerate(values):
        if present[row]:
            cells[row] = os.fspath(value) if isinstance(value, os.PathLike) else value
    return cells


def digests(cells: np.ndarray) -> np.ndarray:
    """Arrays → a text for each, the same for equal ones."""
    return np.array([hashlib.blake2b(cell.tobytes(), digest_size=16).hexdigest() for cell in cells], object)


def fit_images(column: Column, name: str, *, size: Any, color: str, train: np.ndarray) -> Fitted:
    """Decides size, colour and scale of an image column, and reads all of its images.

    Args:
        column: The cells.
        name: Its name.
        size: [height, width], or "auto": the images' own if all have one of at most 64 × 64, else 32 × 32.
        color: grayscale, rgb, or "auto": rgb where some image has a colour.
        train: Positions of the training rows; other arrays than 8-bit ones are scaled by their greatest level.

    Raises:
        UserError: Images that cannot be used, all of them together.
    """
    cells = _cells(column, name)
    looks = _looks(cells) if size == "auto" or color == "auto" else []
    notes: list[str] = []
    if size == "auto":
        size = _size(looks, name, notes)
    if color == "auto":
        color = _color(cells, looks, name, notes)
    eight_bit = np.array([not isinstance(cell, np.ndarray) or cell.dtype == np.uint8 for cell in cells])
    if eight_bit.any() and not eight_bit.all():
        raise UserError(f"column {name!r} holds 8-bit images and arrays of other types", remedy="Give all in one type.")
    whole = bool(eight_bit.all())
    unscaled = Image(name, size[0], size[1], CHANNELS[color], 0.0, whole)
    levels, greatest, unusable = _levels(cells, unscaled, np.uint8 if whole else np.float32)
    _refuse(unusable, cells, column, name)
    most = float(greatest[train].max(initial=0))
    files = not all(isinstance(cell, np.ndarray) for cell in cells)
    divisor = float(WHITE) if whole and (files or most > WHITE // 2) else most or 1.0
    why = "" if divisor == WHITE else ", the greatest in the training rows"
    notes.append(f"{name}: {size[0]} × {size[1]} pixels (height × width), {color}, levels divided by {divisor:g}{why}")
    return Fitted(unscaled._replace(divisor=divisor), levels, notes)


def read_images(column: Column, image: Image) -> np.ndarray:
    """The images of rows to encode or to predict for, in the size and the levels that a model takes.

    The white of files counts as the greatest level of training, the levels of arrays as they are.

    Returns:
        (rows, height, width, channels) uint8, or float32 where levels are no whole numbers up to 255.

    Raises:
        UserError: Images that cannot be used, all of them together.
    """
    cells = _cells(column, image.name)
    small = image.whole and all(
        cell.dtype == np.uint8 if isinstance(cell, np.ndarray) else image.divisor == WHITE for cell in cells
    )
    levels, _, unusable = _levels(cells, image, np.uint8 if small else np.float32)
    _refuse(unusable, cells, column, image.name)
    return levels


def encode_images(levels: np.ndarray, image: Image, encoded: np.ndarray) -> None:
    """Writes images as `read` gives them into (rows, image.pixels) float32, as the layer does to the bit."""
    flat = levels.reshape(len(levels), image.pixels)
    if flat.dtype == np.uint8:
        encoded[:] = (np.arange(WHITE + 1) / image.divisor).astype(np.float32)[flat]
        return
    step = max(1, BATCH_VALUES // image.pixels)
    for begin in range(0, len(flat), step):
        encoded[begin : begin + step] = flat[begin : begin + step].astype(np.float64) / image.divisor


def _cells(column: Column, name: str) -> np.ndarray:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype):
        raise UserError(f"column {name!r} is to hold images, and holds numbers", found=next(iter(column), None))
    return column if isinstance(column, np.ndarray) else column.to_numpy(object)


def _looks(cells: np.ndarray) -> list[image_files.Look | None]:
    """Size and kind of each image; None where it cannot be read."""

    def one(cell: Any) -> image_files.Look | None:
        try:
            if isinstance(cell, np.ndarray):
                high, wide, *channels = _checked(cell).shape
                return image_files.Look(high, wide, channels in ([], [1]))
            return image_files.look(_source(cell))
        except Unusable:
            return None

    with image_files.quiet():
        if all(isinstance(cell, np.ndarray) for cell in cells):
            return list(map(one, cells))
        with ThreadPoolExecutor(image_files.WORKERS) as pool:
            return list(pool.map(one, cells))


def _size(looks: list[image_files.Look | None], name: str, notes: list[str]) -> tuple[int, int]:
    sizes = sorted({look[:2] for look in looks if look})
    if len(sizes) == 1 and max(sizes[0]) <= LARGEST_OWN:
        return sizes[0]
    if sizes:
        least, most = (" × ".join(str(end(side)) for side in zip(*sizes, strict=True)) for end in (min, max))
        found = f"of {least} pixels" if len(sizes) == 1 else f"of {least} to {most} pixels"
        notes.append(f"{name}: images {found} become {USUAL} × {USUAL}; data.images.size says otherwise")
    return USUAL, USUAL


def _color(cells: np.ndarray, looks: list[image_files.Look | None], name: str, notes: list[str]) -> str:
    perhaps = [row for row, look in enumerate(looks) if look and not look.grey]
    if not perhaps:
        return "grayscale"
    sample = np.unique(np.linspace(0, len(perhaps) - 1, LOOKED_AT).astype(int))
    with image_files.quiet():
        for place in sample:
            with contextlib.suppress(Unusable):
                if _coloured(cells[perhaps[place]]):
                    return "rgb"
    notes.append(f"{name}: no colour in {len(sample)} images looked at; data.images.color says otherwise")
    return "grayscale"


def _coloured(cell: Any) -> bool:
    """Whether red, green and blue differ in any pixel."""

    def differ(levels: np.ndarray) -> bool:
        return levels.shape[-1] == 3 and bool((levels != levels[..., :1]).any())

    if isinstance(cell, np.ndarray):
        _checked(cell)
        return cell.ndim == 3 and differ(cell)
    with image_files.pixels_or_strips(_source(cell)) as found:
        if isinstance(found, np.ndarray):
            return differ(found)
        begins = range(0, found.height, STRIP_ROWS)
        return any(differ(found.read(begin, min(begin + STRIP_ROWS, found.height))) for begin in begins)


def _levels(cells: np.ndarray, image: Image, dtype: Any) -> tuple[np.ndarray, np.ndarray, dict[int, str]]:
    """Levels of all images in their final size, the greatest of each before, and why some cannot be used.

    Args:
        cells: The cells.
        image: What they become; a divisor of 0 stands for one that is not known yet.
        dtype: uint8 or float32.
    """
    levels = np.zeros((len(cells), image.height, image.width, image.channels), dtype)
    greatest = np.zeros(len(cells))
    unusable: dict[int, str] = {}

    def small(rows: slice) -> np.ndarray:
        if isinstance(cells[rows.start], np.ndarray):
            raw = _stacked(cells[rows])
        else:
            with image_files.pixels_or_strips(_source(cells[rows.start])) as found:
                if isinstance(found, image_files.Strips):
                    settings = (image.height, image.width, image.channels)
                    resized, greatest[rows] = resize_strips(found, *settings, whole=image.whole)
                    return resized
                raw = found[None]
        greatest[rows] = raw.max(axis=(1, 2, 3))
        if isinstance(cells[rows.start], np.ndarray):
            for place, reason in _odd(raw, greatest[rows], image.divisor):
                unusable[rows.start + place] = reason
        return resize(in_color(raw, image.channels), image.height, image.width, image.whole)

    def work(rows: slice) -> None:
        try:
            resized = small(rows)
        except Unusable as error:
            unusable.update(dict.fromkeys(range(rows.start, rows.stop), str(error)))
            return
        if not isinstance(cells[rows.start], np.ndarray) and image.divisor not in (0, WHITE):
            resized = resized * (image.divisor / WHITE)
        with np.errstate(invalid="ignore", over="ignore"):  # of those that are refused
            levels[rows] = resized

    batches = list(_batches(cells))
    with image_files.quiet():
        if len(batches) < 2 or all(isinstance(cell, np.ndarray) for cell in cells):
            for rows in batches:
                work(rows)
        else:
            with ThreadPoolExecutor(image_files.WORKERS) as pool:
                list(pool.map(work, batches))
    return levels, greatest, unusable


def _batches(cells: np.ndarray) -> Iterator[slice]:
    """Rows that are worked on together: arrays of one shape and type, and any other image alone."""
    begin, kind, room = 0, None, 0
    for row, cell in enumerate(cells):
        own = (cell.shape, cell.dtype) if isinstance(cell, np.ndarray) else None
        if row > begin and (own is None or own != kind or row - begin >= room):
            yield slice(begin, row)
            begin = row
        if row == begin:
            kind, room = own, max(1, BATCH_VALUES // max(1, cell.size)) if own else 1
    if len(cells):
        yield slice(begin, len(cells))


def _stacked(cells: np.ndarray) -> np.ndarray:
    """Arrays that are worked on together as (rows, height, width, 1 or 3), as they are."""
    _checked(cells[0])
    together = np.stack(list(cells))
    return together if together.ndim == 4 else together[..., None]


def _source(cell: Any) -> Any:
    """A path, or an image of Pillow's."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        raise Unusable("no image")
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, int | float):
        raise Unusable(f"a number, {cell:g}, and no image")
    return cell


def _checked(array: np.ndarray) -> np.ndarray:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3)) or not array.size:
        raise Unusable(f"an array of shape {array.shape}; images are (height, width) or (height, width, 1 or 3)")
    if array.dtype.kind not in "iufb":
        raise Unusable(f"an array of type {array.dtype}; images hold numbers")
    return array


def _odd(raw: np.ndarray, greatest: np.ndarray, divisor: float) -> Iterator[tuple[int, str]]:
    """Why arrays cannot be used, with their position."""
    if raw.dtype == np.uint8 and divisor in (0, WHITE):
        return
    least = raw.min(axis=(1, 2, 3))
    for row in np.flatnonzero(~np.isfinite(raw.astype(np.float32)).all(axis=(1, 2, 3))):
        yield int(row), "NaN or infinity"
    for row in np.flatnonzero(least < 0):
        yield int(row), f"a negative level, {least[row]:g}; levels begin with 0, black"
    if divisor:
        for row in np.flatnonzero(greatest > 10 * divisor):
            yield int(row), f"levels up to {greatest[row]:g}; the greatest in training was {divisor:g}"
    if divisor == WHITE and raw.dtype.kind == "f":
        for row in np.flatnonzero((greatest <= 1) & (raw % 1 != 0).any(axis=(1, 2, 3))):
            yield int(row), f"levels from 0 to 1; the model takes them from 0 to {WHITE}"


def _refuse(unusable: dict[int, str], cells: np.ndarray, column: Column, name: str) -> None:
    """One message for all images that cannot be used."""
    if not unusable:
        return
    rows = range(len(cells)) if isinstance(column, np.ndarray) else column.index
    lines = []
    for row in sorted(unusable)[:LISTED]:
        cell = cells[row]
        lines.append(f"  {shorten(cell) if isinstance(cell, str) else f'row {rows[row]}'}: {unusable[row]}")
    if len(unusable) > LISTED:
        lines.append(f"  … and {len(unusable) - LISTED:,} more")
    raise UserError(
        f"column {name!r}: {len(unusable):,} of {len(cells):,} images cannot be used\n" + "\n".join(lines),
        remedy="Mend them, or take their rows out.",
    )


def one_column(names: list[str]) -> str | None:
    """The image column, if there is one.

    Raises:
        UserError: There are several.
    """
    if len(names) > 1:
        raise UserError(
            "a recipe has at most one image column",
            found=listing(names),
            remedy="Leave the others out: features: {" + str(names[1]) + ": ignore}.",
        )
    return names[0] if names else None
