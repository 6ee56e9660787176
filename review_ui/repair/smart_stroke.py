"""A stroke on the person, or on the background -> the region that belongs to it.

GrabCut (Rother, Kolmogorov and Blake 2004) decides in a zone around the stroke: the colours are those of the person and
the background nearby. A stroke on the person only adds, one on the background only takes away, and only what is
connected with the stroke changes.
"""

import cv2
import numpy as np
import numpy.typing as npt

from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL, Mask
from review_ui.repair.clean_up import with_person
from review_ui.repair.stroke import Stroke

REACH = 4.0  # the zone reaches so many radii from the stroke
LIKELY = 2.0  # within so many radii GrabCut starts from the stroke's side
MARGIN = 3.0  # radii around the zone that give colours, and stay as they are
MAX_AREA = 60_000  # pixels that GrabCut looks at; larger crops are reduced
ITERATIONS = 1  # more change no figure of docs/experiments/repairs.py
MIN_SEED_PX = 16  # of either side: GrabCut fits five colour clusters to each

Labels = npt.NDArray[np.uint8]  # OpenCV's GC_BGD, GC_FGD, GC_PR_BGD, GC_PR_FGD


def apply_smart_stroke(rgb: Pixels, mask: Pixels, stroke: Stroke, *, is_person: bool) -> Pixels:
    """The mask uint8 (H, W) of `rgb` (H, W, 3) with the stroke's region added to the person, or taken from it."""
    drawn = _drawn(stroke, mask.shape)
    if not drawn.any():
        return mask
    rows, columns = _window(drawn, radius=stroke.radius)
    inside = mask[rows, columns] >= PERSON_LEVEL
    side = inside if is_person else ~inside  # the side that grows
    side = side | _grown(rgb[rows, columns], side, drawn[rows, columns], stroke.radius)
    person = mask >= PERSON_LEVEL
    person[rows, columns] = side if is_person else ~side
    return with_person(mask, person)


def _drawn(stroke: Stroke, shape: tuple[int, ...]) -> Mask:
    """The pixels under the brush, bool (H, W)."""
    canvas = np.zeros(shape, np.uint8)
    points = np.rint(np.clip(np.asarray(stroke.points, np.float64), -1e5, 1e5)).astype(np.int32)
    thickness = max(1, round(2 * stroke.radius))
    if len(points) == 1:
        cv2.circle(canvas, points[0].tolist(), max(1, round(stroke.radius)), 1, cv2.FILLED)
    else:
        cv2.polylines(canvas, [points.reshape(-1, 1, 2)], isClosed=False, color=1, thickness=thickness)
    return canvas.astype(bool)


def _window(drawn: Mask, *, radius: float) -> tuple[slice, slice]:
    """Rows and columns of the stroke with its zone and margin around it."""
    ys, xs = np.nonzero(drawn)
    around = int((REACH + MARGIN) * radius) + 2
    top, left = max(0, int(ys.min()) - around), max(0, int(xs.min()) - around)
    return slice(top, int(ys.max()) + around + 1), slice(left, int(xs.max()) + around + 1)


def _grown(rgb: Pixels, side: Mask, drawn: Mask, radius: float) -> Mask:
    """What joins `side` by the stroke: the stroke itself, and what GrabCut finds connected with it in the zone."""
    distance = cv2.distanceTransform((~drawn).astype(np.uint8), cv2.DIST_L2, 3)
    zone = distance <= REACH * radius
    labels = np.where(side, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
    labels[zone & ~side] = cv2.GC_PR_BGD
    labels[(distance <= LIKELY * radius) & ~side] = cv2.GC_PR_FGD
    labels[drawn] = cv2.GC_FGD
    joined = (_cut(rgb, labels) & zone) | drawn
    _, pieces = cv2.connectedComponents((joined & ~side | drawn).astype(np.uint8), connectivity=8)
    touched = np.unique(pieces[drawn])
    return np.isin(pieces, touched[touched > 0])


def _cut(rgb: Pixels, labels: Labels) -> Mask:
    """GrabCut's foreground, bool (H, W), computed on a reduced copy of a large crop; `labels` may be changed."""
    height, width = labels.shape
    scale = min(1.0, (MAX_AREA / (height * width)) ** 0.5)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.uint8, copy=False)
    foreground = _is_foreground(labels)
    if min(np.count_nonzero(foreground), np.count_nonzero(~foreground)) >= MIN_SEED_PX:
        cv2.setRNGSeed(0)  # GrabCut starts its colour clusters at random: the same stroke gives the same region
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(np.ascontiguousarray(rgb), labels, (0, 0, 0, 0), *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
        foreground = _is_foreground(labels)
    if scale < 1:
        levels = foreground.astype(np.uint8) * 255
        return cv2.resize(levels, (width, height), interpolation=cv2.INTER_LINEAR) >= 128
    return foreground


def _is_foreground(labels: Labels) -> Mask:
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
