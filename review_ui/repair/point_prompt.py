"""Points on a mask -> the mask with the object at them added to the person, or taken from it.

As with smart strokes, a point on the person only adds, one on the background only takes away, and only what is
connected with a point changes.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL, PERSON_PROB, Mask
from review_ui.repair.clean_up import with_person
from review_ui.repair.segmenter import MAX_PROMPT_POINTS, PointSegmenter


def apply_points(
    rgb: Pixels,
    mask: Pixels,
    points: Sequence[tuple[float, float]],
    labels: Sequence[int],
    segmenter: PointSegmenter,
    *,
    image_sha256: str,
) -> Pixels:
    """The mask uint8 (H, W) of `rgb` (H, W, 3) with the objects at `points` (x, y), in pixels, added or taken away.

    A label 1 adds, 0 takes away; a pixel of both objects stays as it is. UserError when points and labels don't fit
    the image, or when the segmenter finds nothing at the points.
    """
    _check(points, labels, mask.shape)
    joins, leaves = (_segment(rgb, points, labels, segmenter, side=side, image_sha256=image_sha256) for side in (1, 0))
    person = mask >= PERSON_LEVEL
    person = (person | (joins & ~leaves)) & ~(leaves & ~joins)
    return with_person(mask, person)


def _check(points: Sequence[tuple[float, float]], labels: Sequence[int], shape: tuple[int, ...]) -> None:
    if not 1 <= len(points) <= MAX_PROMPT_POINTS or len(labels) != len(points):
        raise UserError(
            f"expected 1 to {MAX_PROMPT_POINTS} points and a label of each, "
            f"found {len(points)} points and {len(labels)} labels"
        )
    height, width = shape
    for x, y in points:
        if not (0 <= x < width and 0 <= y < height):  # NaN is in no image
            raise UserError(f"expected points inside the image of {width}x{height} pixels, found ({x:g}, {y:g})")


def _segment(
    rgb: Pixels,
    points: Sequence[tuple[float, float]],
    labels: Sequence[int],
    segmenter: PointSegmenter,
    *,
    side: int,
    image_sha256: str,
) -> Mask:
    """The object at the points labelled `side`, bool (H, W); the other points tell what doesn't belong to it."""
    of_side = np.array(labels) == side
    if not of_side.any():
        return np.zeros(rgb.shape[:2], bool)
    places = np.array(points, np.float32)
    prob = segmenter.object_prob(rgb, places, of_side.astype(np.float32), image_sha256=image_sha256)
    _, pieces = cv2.connectedComponents((prob >= PERSON_PROB).astype(np.uint8), connectivity=8)
    columns, rows = np.array(points)[of_side].astype(np.intp).T
    touched = np.unique(pieces[rows, columns])
    if not touched.any():
        raise UserError("expected an object at the point, found none there; click elsewhere, or draw it")
    return np.isin(pieces, touched[touched > 0])
