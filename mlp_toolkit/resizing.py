"""Images in another size, and with or without colour; the layer `Images` resizes in the same way."""

from __future__ import annotations

import functools

import numpy as np

TIE = 0.5 + 1e-6  # ties go up, also where one sum ends a little below
BATCH_VALUES = 2**20
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
    rows, high, wide, channels = levels.shape
    if (high, wide) == (height, width):
        return levels
    flat = levels.reshape(rows, high, wide * channels)
    lower = np.empty((rows, height, wide * channels))
    step = max(1, BATCH_VALUES // (rows * high))  # a photograph in float64, all at once, would take gigabytes
    for begin in range(0, wide * channels, step):
        part = slice(begin, begin + step)
        lower[:, :, part] = weights(high, height) @ flat[:, :, part].astype(np.float64)
    across = np.moveaxis(lower.reshape(rows, height, wide, channels), 3, 2).reshape(-1, wide)
    resized = (across @ weights(wide, width).T).reshape(rows, height, channels, width)
    resized = np.moveaxis(resized, 2, 3)
    return np.asarray(np.floor(resized + TIE)) if whole else resized


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
