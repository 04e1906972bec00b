"""Image files: which there are in a folder, which columns name some, and their pixels as 8-bit levels."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mlp_toolkit.errors import UserError, listing, shorten
from mlp_toolkit.files import reading

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
# What Pillow may take a file for, whatever its name: some of its other readers start programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
GREY_MODES = ("1", "L", "LA", "La")
ORIENTATION = 0x0112  # the tag of EXIF; from 5 on height and width are exchanged
WORKERS = min(os.cpu_count() or 1, 8)
# Images of more pixels are decoded one after another, and made small strip by strip: as an array of colours, with the
# steps between, one of 88 million pixels would take 4 GB.
LARGE_PIXELS = 4_000_000
_ONE_LARGE = threading.Lock()


class Unusable(ValueError):  # noqa: N818  # it says what the image is
    """Why one image cannot be used; all of them are told together."""


class Found(NamedTuple):
    """The images of a folder, in the order of their names.

    Attributes:
        paths: The files.
        labels: For each the name of its folder; None where they lie in the folder itself.
        notes: What was left aside.
    """

    paths: list[Path]
    labels: list[str] | None
    notes: list[str]


class Look(NamedTuple):
    """What the beginning of an image file says; `grey` is whether it can hold nothing but grey levels."""

    height: int
    width: int
    grey: bool


class Strips(NamedTuple):
    """A large image; `read(begin, end)` gives those of its rows as `pixels` does."""

    height: int
    width: int
    read: Callable[[int, int], np.ndarray]


def is_image_name(name: str) -> bool:
    """Whether a file's name ends as those of images do, and is not hidden."""
    return name.lower().endswith(SUFFIXES) and not Path(name).name.startswith(".")


def holds_images(folder: Path, deeper: int = 2) -> bool:
    """Whether there are images in a folder, or up to so many folders deeper."""
    with reading(folder):
        names, folders, _ = _entries(folder)
    return bool(names) or (deeper > 0 and any(holds_images(folder / name, deeper - 1) for name in folders))


def images_in(folder: Path) -> Found:
    """The images of a folder: those in the folder itself, or in one folder for each class.

    Raises:
        UserError: There are none, or it cannot be told which folder is a class.
    """
    with reading(folder):
        names, folders, others = _entries(folder)
        paths = [folder / name for name in names]
        labels: list[str] = []
        without = []
        for label in folders:
            own, deeper, more = _entries(folder / label)
            for deep in deeper:
                inner = _entries(folder / label / deep)[0]
                if inner:
                    raise UserError(
                        "images lie two folders deep, so that it cannot be told which folder is a class",
                        place=str(folder),
                        found=str(Path(label, deep, inner[0])),
                        remedy="Name the folder whose folders are the classes.",
                    )
            others += more
            labels += [label] * len(own)
            paths += [folder / label / name for name in own]
            if not own:
                without.append(label)
    if not paths:
        raise UserError("a folder without images", place=str(folder), allowed=SUFFIXES)
    if names and labels:
        raise UserError(
            "images lie in the folder itself and in folders below it",
            place=str(folder),
            found=f"{names[0]}, {Path(labels[0], paths[len(names)].name)}",
            remedy="Put each image into the folder of its class; to predict, all into one folder.",
        )
    notes = [f"no image in the folders {listing(without)}"] if without else []
    if others:
        notes.append(f"{others:,} files that are hidden or no images are left aside")
    return Found(paths, labels or None, notes)


def _entries(folder: Path) -> tuple[list[str], list[str], int]:
    """Names of the images and of the folders in a folder, and how many other files."""
    images, folders, others = [], [], 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if not entry.name.startswith("."):
                    folders.append(entry.name)
            elif is_image_name(entry.name):
                images.append(entry.name)
            else:
                others += 1
    return sorted(images), sorted(folders), others


def are_paths(texts: Collection[Any], folder: Path) -> bool:
    """Whether texts name images: all end as such files do, and the first is there."""
    first = next(iter(texts), None)
    if not isinstance(first, str) or not is_image_name(first.strip()):
        return False
    return all(isinstance(text, str) and is_image_name(text.strip()) for text in texts) and _is_file(folder, first)


def _is_file(folder: Path, name: str) -> bool:
    try:
        return (folder / name.strip()).is_file()
    except (OSError, ValueError):  # no name that a file could have
        return False


def rooted(
    frame: pd.DataFrame, folder: Path | None, kinds: Mapping[str, str], without: Collection[str | None] = ()
) -> pd.DataFrame:
    """A table whose image paths count from the current folder, not from the table's own.

    Args:
        frame: The table as it was read.
        folder: The table's own folder; None where paths are complete already.
        kinds: Kinds of columns that are known; of others it is found out whether they hold image paths.
        without: Columns that are no features.
    """
    import pandas as pd

    if folder is None:
        return frame
    complete = frame.copy(deep=False)
    for name in frame.columns:
        kind = kinds.get(name)
        if name in without or kind not in (None, "image") or pd.api.types.is_numeric_dtype(frame[name].dtype):
            continue
        values = frame[name].to_numpy(object)
        texts = [value for value in values if isinstance(value, str)]
        if kind == "image" or (texts and are_paths(texts, folder)):
            complete[name] = pd.Series(
                [str(folder / value.strip()) if isinstance(value, str) else value for value in values],
                index=frame.index,
                dtype=object,
            )
    return complete


def fingerprint(first: str, paths: Iterable[Any]) -> str:
    """SHA-256 over a table's own and the bytes of the images that it names; what cannot be read adds nothing."""

    def one(path: str) -> bytes:
        try:
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except (OSError, ValueError):
            return b""

    together = hashlib.sha256(first.encode())
    with ThreadPoolExecutor(WORKERS) as pool:
        for digest in pool.map(one, [path for path in paths if isinstance(path, str)]):
            together.update(digest)
    return together.hexdigest()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Pillow's warnings of odd metadata; of what matters `look` and `pixels` raise an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def look(source: Any) -> Look:
    """What the beginning of a file says, without reading its pixels.

    Raises:
        Unusable: It cannot be read.
    """
    with _opened(source) as image:
        width, height = image.size
        # Pillow reads all of a PNG file to find EXIF data at its end, where nobody writes it.
        exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
        if exif.get(ORIENTATION, 1) >= 5:
            height, width = width, height
        return Look(height, width, image.mode in GREY_MODES or image.mode.startswith("I;16"))


def pixels(source: Any) -> np.ndarray:
    """The pixels of an image, upright.

    Transparent parts show white behind them; 16-bit grey levels become 8-bit ones, palettes and other colour models
    RGB; of several frames the first is taken.

    Args:
        source: A path, or an image of Pillow's.

    Returns:
        (height, width, 1 or 3) uint8.

    Raises:
        Unusable: It cannot be read.
    """
    from PIL import ImageOps

    with _opened(source) as image:
        return _levels(ImageOps.exif_transpose(image), image.format)


@contextlib.contextmanager
def pixels_or_strips(source: Any) -> Iterator[np.ndarray | Strips]:
    """What `pixels` gives; a large image is to be read strip by strip, one at a time in the whole process.

    Raises:
        Unusable: It cannot be read.
    """
    from PIL import ImageOps

    with _opened(source) as image:
        if image.width * image.height <= LARGE_PIXELS:
            yield _levels(ImageOps.exif_transpose(image), image.format)
            return
        with _ONE_LARGE:
            if image is source or image.getexif().get(ORIENTATION, 1) != 1:
                upright = ImageOps.exif_transpose(image)
            else:
                upright = image  # which `exif_transpose` would copy

            def read(begin: int, end: int) -> np.ndarray:
                return _levels(upright.crop((0, begin, upright.width, end)), image.format)

            yield Strips(upright.height, upright.width, read)


def _levels(upright: Any, format_: str | None) -> np.ndarray:
    """What `pixels` gives, of an image that is upright."""
    from PIL import Image

    mode = upright.mode
    if mode.startswith("I;16") or (mode == "I" and format_ == "PNG"):
        levels = np.asarray(upright).astype(np.int64)
        return ((levels + 128) // 257).astype(np.uint8)[..., None]
    if mode in ("I", "F"):
        raise Unusable("32-bit levels, of which nothing says which is white; save it with 8 or 16 bits")
    if upright.has_transparency_data:
        above = upright.convert("RGBA")
        white = Image.new("RGBA", above.size, (255, 255, 255, 255))
        colors = np.asarray(Image.alpha_composite(white, above).convert("RGB"))
        return colors[..., :1] if mode in GREY_MODES else colors
    if mode in GREY_MODES:
        return np.asarray(upright.convert("L"))[..., None]
    return np.asarray(upright.convert("RGB"))


@contextlib.contextmanager
def _opened(source: Any) -> Iterator[Any]:
    """An image of Pillow's; whatever goes wrong with it makes it unusable."""
    from PIL import Image, UnidentifiedImageError

    try:
        with contextlib.ExitStack() as stack:
            given = isinstance(source, Image.Image)
            image = source if given else stack.enter_context(Image.open(os.fspath(source), formats=FORMATS))
            most = Image.MAX_IMAGE_PIXELS
            if most and image.width * image.height > most:
                raise Unusable(f"{image.width:,} × {image.height:,} pixels; at most {most:,} are read: make it smaller")
            yield image
    except Unusable:
        raise
    except FileNotFoundError:
        raise Unusable("no such file") from None
    except UnidentifiedImageError:
        raise Unusable(f"not an image of a known format ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError:
        raise Unusable(f"too large: at most {Image.MAX_IMAGE_PIXELS:,} pixels are read: make it smaller") from None
    except OSError as error:
        raise Unusable(shorten(error.strerror or str(error))) from None
    except Exception as error:  # there is no end to what damaged files raise
        raise Unusable(f"damaged: {shorten(str(error))}") from None
