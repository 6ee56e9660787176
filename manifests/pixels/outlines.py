"""Outlines of a mask's connected pieces along the pixels' edges; a hole is joined to its outline by a line and back."""

import numpy as np
import numpy.typing as npt
from skimage.measure import approximate_polygon, find_contours, label

from manifests.pixels.masks import Mask

Outline = npt.NDArray[np.float64]  # (N, 2), x and y in pixels from the image's corner, open


def outlines(person: Mask) -> list[Outline]:
    """bool (H, W) -> one outline for each connected piece; none without a person."""
    pieces, count = label(person, connectivity=1, return_num=True)
    return [_outline(pieces == number) for number in range(1, count + 1)]


def _outline(piece: Mask) -> Outline:
    """The outline of one connected piece, bool (H, W)."""
    contours = find_contours(np.pad(piece, 1).astype(np.float64), 0.5, fully_connected="low")
    rings = [approximate_polygon(contour, 0)[:-1, ::-1] - 0.5 for contour in contours]  # pixel 0 has its centre at 0.5
    outer, *holes = sorted(rings, key=_area, reverse=True)
    for hole in holes:
        outer = _joined(outer, hole)
    return outer


def _joined(outer: Outline, hole: Outline) -> Outline:
    """The outline that leaves `outer` at its corner nearest to the hole, goes around the hole, and comes back."""
    distances = ((outer[:, None] - hole[None]) ** 2).sum(axis=-1)
    leave, enter = np.unravel_index(distances.argmin(), distances.shape)
    around = np.roll(hole, -int(enter), axis=0)
    return np.concatenate([outer[: leave + 1], around, around[:1], outer[leave:]])


def _area(ring: Outline) -> float:
    x, y = ring.T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2
