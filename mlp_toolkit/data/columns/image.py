"""The image column: paths of image files, or arrays of pixels; each image gives the numbers of its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mlp_toolkit.data.columns.part import Found, Part, Texts
from mlp_toolkit.data.images import image_files, pixels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlp_toolkit.data.columns.part import Table


def recognise_texts(texts: Texts) -> Found | None:
    """Names of image files."""
    if image_files.are_paths(list(texts.counts), Path()):
        return Found("image", "image files, by their names")
    return None


@dataclass(frozen=True)
class ImageColumn(Part):
    """The column of images, and their size. It is fitted where the images are read: see `pixels.fit_images`."""

    image: pixels.Image
    kind: ClassVar[str] = "image"

    @property
    def names(self) -> tuple[str, ...]:
        """The raw column."""
        return (self.image.name,)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Images of any size."""
        return None, None, self.image.channels

    @property
    def width(self) -> int:
        """One for each level of each pixel."""
        return self.image.pixels

    def encode(self, frame: pd.DataFrame, encoded: np.ndarray) -> None:
        """The levels as numbers from 0 to 1, row by row of the image."""
        pixels.encode_images(pixels.read_images(frame[self.image.name], self.image), self.image, encoded)

    def model_inputs(self, table: Table) -> dict[str, np.ndarray]:
        """(rows, height, width, channels) in the size of the training, uint8 where that holds them."""
        return {self.image.name: pixels.read_images(table[self.image.name], self.image)}

    def described(self) -> dict[str, str]:
        """The size of the images."""
        image = self.image
        return {image.name: f"image of {image.height} × {image.width} × {image.channels} levels"}
