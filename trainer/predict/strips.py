"""Large images, a band of rows at a time: many float32 values per pixel are held for a band only."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Kind = TypeVar("Kind", np.uint8, np.float32)

WORK_SIDE_PX = 1536  # smooth maps are made on an image of this longer side at most
BAND_PIXELS = 2_000_000  # of one band: 24 MB per map of three float32 channels
BLOCK_PX = 1 << 14  # a side of what OpenCV maps at once; it takes less than 2**15


def shrunk(pixels: npt.NDArray[Kind], side_px: int) -> npt.NDArray[Kind]:
    """(H, W, ...) -> the same with its longer side at most `side_px`; the same array where it is so already."""
    height, width = pixels.shape[:2]
    factor = max(height, width) / side_px
    if factor <= 1:
        return pixels
    return _area(pixels, max(1, round(height / factor)), max(1, round(width / factor)))


def shrunk_like(pixels: npt.NDArray[Kind], other: npt.NDArray[Any]) -> npt.NDArray[Kind]:
    """(H, W, ...) -> the size of `other`, which is `shrunk`."""
    return pixels if pixels.shape[:2] == other.shape[:2] else _area(pixels, *other.shape[:2])


def bands(height: int, width: int) -> Iterator[slice]:
    """Slices of rows that cover `height`, each about BAND_PIXELS large."""
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        yield slice(top, min(height, top + rows))


def enlarged(smooth: Floats, height: int, width: int) -> Callable[[slice], Floats]:
    """A map (h, w, ...) as a function that returns rows of it at the size (height, width), bilinear between pixels.

    Pixel centres of both sizes are aligned as in `cv2.resize`, whatever the bands.
    """
    if smooth.shape[:2] == (height, width):
        return lambda rows: smooth[rows]
    scale_x, scale_y = smooth.shape[1] / width, smooth.shape[0] / height
    columns = ((np.arange(width) + 0.5) * scale_x - 0.5).astype(np.float32)

    def of_rows(rows: slice) -> Floats:
        positions = ((np.arange(rows.start, rows.stop) + 0.5) * scale_y - 0.5).astype(np.float32)
        values = np.empty((len(positions), len(columns), *smooth.shape[2:]), np.float32)
        for top, left in product(range(0, len(positions), BLOCK_PX), range(0, len(columns), BLOCK_PX)):
            block = slice(top, top + BLOCK_PX), slice(left, left + BLOCK_PX)
            map_x, map_y = np.meshgrid(columns[block[1]], positions[block[0]])
            values[block] = cv2.remap(smooth, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return values

    return of_rows


def _area(pixels: npt.NDArray[Kind], height: int, width: int) -> npt.NDArray[Kind]:
    smaller: npt.NDArray[Kind] = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
    return smaller
