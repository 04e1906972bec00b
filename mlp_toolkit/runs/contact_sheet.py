"""`augmentation.png`: training images as they are, and as the network will see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlp_toolkit.data.columns import encoder
from mlp_toolkit.data.pieces import RecipeData
from mlp_toolkit.files import atomic
from mlp_toolkit.model.backend import tf
from mlp_toolkit.model.layers.augmentation import Augmentation, seed_numbers

SHEET_IMAGES, SHEET_CHANGES = 8, 7
SHEET_DPI = 120
BORDER = 0.75  # a grey between pictures that neither black nor white images run into


def draw_contact_sheet(directory: Path, layer: Augmentation, data: RecipeData, seed: int) -> None:
    """`augmentation.png`: training images as they are, and as the network will see them."""
    image, begin = data.encoding.image, data.encoding.image_begin
    assert image is not None
    frame = next(data.pieces("train")).frame[:SHEET_IMAGES]
    pixels = encoder.encode(frame, data.encoding)[:, begin:]
    images = pixels.reshape(-1, image.height, image.width, image.channels)
    contact_sheet(images, layer, directory / "augmentation.png", seed)


def contact_sheet(images: Any, layer: Augmentation, path: str | Path, seed: int) -> None:
    """Writes a PNG with the first 8 images in a column, and 7 changes of each beside it.

    Args:
        images: (rows, height, width, 1 or 3) numbers from 0 to `layer.highest`.
        layer: What happens to them.
        path: The file.
        seed: The same seed draws the same, 0 or more.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    originals = np.asarray(images[:SHEET_IMAGES], np.float32)
    rows, height, width, _ = originals.shape
    changed = layer.augment(tf.constant(originals.repeat(SHEET_CHANGES, axis=0)), seed_numbers(seed)).numpy()

    # Inches: the longer side of a picture is 1, and a title keeps its place above a narrow one.
    down, across = height / max(height, width), max(width / max(height, width), 0.6)
    margin, header = 0.1, 0.4
    size = (across * (1 + SHEET_CHANGES) + 4 * margin, down * rows + header + margin)
    figure = Figure(figsize=size, dpi=SHEET_DPI)
    figure.set_layout_engine("none")  # whatever the user chose for pictures of his own
    begin = margin
    for title, pictures in (("original", originals), ("as the network sees it", changed)):
        columns = len(pictures) // rows
        place = (begin / size[0], margin / size[1], across * columns / size[0], down * rows / size[1])
        axes = figure.add_axes(place)
        axes.imshow(_mosaic(pictures / layer.highest, rows))
        axes.set_axis_off()
        axes.set_title(title, fontsize=11)
        begin += across * columns + 2 * margin
    with atomic(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)


def _mosaic(pictures: np.ndarray, rows: int) -> np.ndarray:
    """Pictures from 0 to 1 beside and below one another, parted by a line, in colour."""
    colour = np.broadcast_to(np.clip(pictures, 0, 1), (*pictures.shape[:3], 3))
    line = max(1, round(min(pictures.shape[1:3]) / 28))
    framed = np.pad(colour, ((0, 0), (0, line), (0, line), (0, 0)), constant_values=BORDER)
    tiles = framed.reshape(rows, -1, *framed.shape[1:]).transpose(0, 2, 1, 3, 4)
    return tiles.reshape(rows * framed.shape[1], -1, 3)[:-line, :-line]
