"""Images in another size, and with or without colour; the layer `Images` resizes in the same way."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mlp_toolkit.data.images.image_files import Strips

TIE = 0.5 + 1e-6  # ties go up, also where one sum ends a little below
# Parts of 65,536 that red, green and blue have in a grey level: Rec. 601, in the whole numbers that Pillow counts in.
LUMA = (19595, 38470, 7471)


@functools.lru_cache(64)
def weights(length: int, size: int) -> np.ndarray:
    """How much each of `length` pixels in a row counts for each of `size` new ones: (size, length), each row of sum 1.

    The triangle filter, as wide as it must be for every pixel to count when an image becomes smaller. The layer
    computes the same.
    """
    scale = length / size
    centers = (np.arange(size, dtype=np.float64) + 0.5) * scale
    places = np.arange(length, dtype=np.float64) + 0.5
    counted = np.maximum(0.0, 1 - np.abs(places - centers[:, None]) / max(scale, 1.0))
    return np.asarray(counted / counted.sum(axis=1, keepdims=True))


def resize(levels: np.ndarray, height: int, width: int, whole: bool) -> np.ndarray:
    """Images of one size in another.

    Args:
        levels: (rows, any height, any width, channels).
        height: The new height.
        width: The new width.
        whole: Whether the new levels are rounded.

    Returns:
        (rows, height, width, channels) float64; `levels` itself where that is their size.
    """
    high, wide = levels.shape[1:3]
    if (high, wide) == (height, width):
        return levels
    lower = _along(levels, weights(high, height), 1)
    resized = _along(lower, weights(wide, width), 2)
    return np.asarray(np.floor(resized + TIE)) if whole else resized


def resize_strips(strips: Strips, height: int, width: int, channels: int, *, whole: bool) -> tuple[np.ndarray, float]:
    """`resize` of one large image in the colours wanted, to the bit, without all of its pixels at once.

    Returns:
        (1, height, width, channels) float64, and the greatest level before.
    """
    lower = np.empty((1, height, strips.width, channels))
    greatest = 0.0
    for place, own in enumerate(weights(strips.height, height)):
        used = np.flatnonzero(own)
        part = slice(used[0], used[-1] + 1)
        raw = strips.read(part.start, part.stop)[None]
        greatest = max(greatest, float(raw.max()))
        np.einsum("k,nkwc->nwc", own[part], in_color(raw, channels).astype(np.float64), out=lower[:, place])
    resized = _along(lower, weights(strips.width, width), 2)
    return np.asarray(np.floor(resized + TIE)) if whole else resized, greatest


def _along(levels: np.ndarray, counted: np.ndarray, axis: int) -> np.ndarray:
    """Weighted sums along the height (axis 1) or the width (axis 2).

    Not as a matrix product: most weights are 0, and for photographs numpy starts threads that wait for each other.
    """
    shape = list(levels.shape)
    shape[axis] = len(counted)
    sums = np.empty(shape)
    for place, own in enumerate(counted):
        used = np.flatnonzero(own)
        part = slice(used[0], used[-1] + 1)
        if axis == 1:
            np.einsum("k,nkwc->nwc", own[part], levels[:, part].astype(np.float64), out=sums[:, place])
        else:
            np.einsum("k,nhkc->nhc", own[part], levels[:, :, part], out=sums[:, :, place])
    return sums


def in_color(raw: np.ndarray, channels: int) -> np.ndarray:
    """Grey levels or red, green and blue, as wanted."""
    if raw.shape[3] == channels:
        return raw
    if channels == 3:
        return np.repeat(raw, 3, axis=3)
    if raw.dtype == np.uint8:
        parts = raw.astype(np.uint32) @ np.array(LUMA, np.uint32)
        return ((parts + 2**15) >> 16).astype(np.uint8)[..., None]
    return (raw.astype(np.float64) @ (np.array(LUMA) / 2**16))[..., None]
