"""Images much wider or taller than a network's square input: predicted in overlapping tiles along the long side.

Resized to a square, twelve people side by side are twelve lines. A tile is as narrow as a standing person, so that each
is whole, and alone, in one of them.
"""

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from manifests.pixels.geometry import Box
from manifests.pixels.masks import PERSON_PROB
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict.components import without_pieces
from trainer.predict.localize.roi import ramp

# Measured with the starter on full-body photographs side by side and one above the other, see docs/predict.md.
MAX_ASPECT = 1.9  # longer / shorter side; 16:9 and DCI's 1.896 are below it, three people side by side above
WIDE_TILE_ASPECT = 0.75  # width / height
TALL_TILE_ASPECT = 0.6
OVERLAP_FRACTION = 0.75  # of a tile's side, on each side that has a neighbour
MAX_TILES = 256  # beyond it, tiles overlap less
MIN_CONFIRMED_FRACTION = 0.1  # of a piece in the whole image's mask: as much of it must be in the tiles'
SUFFICIENT_FRACTION = 0.8  # of a piece found by the tiles: theirs is the better mask
MIN_LARGE_FRACTION = 0.3  # of the image: a larger piece is a close-up, of which tiles see only parts
MAX_PIECE_ASPECT = 5  # length / the image's shorter side: a longer piece is several people, or nobody

Look = Callable[[Box], Prob]


def tile_boxes(image: Box) -> list[Box]:
    """Boxes that cover the image, in order along its longer side; the whole image where it is not that long."""
    if max(image.h, image.w) <= MAX_ASPECT * min(image.h, image.w):
        return [image]
    if image.w > image.h:
        side = max(1, round(WIDE_TILE_ASPECT * image.h))
        return [Box(x, 0, side, image.h) for x in _starts(image.w, side)]
    side = min(image.h, round(image.w / TALL_TILE_ASPECT))
    return [Box(0, y, image.w, side) for y in _starts(image.h, side)]


def blended(image: Box, boxes: Sequence[Box], look: Look) -> Prob:
    """Mean of `look` in each box, float32 (box.h, box.w) -> (H, W), with weights that fall from the box's middle."""
    total, weights = np.zeros((image.h, image.w), np.float32), np.zeros((image.h, image.w), np.float32)
    across = image.w > image.h
    for number, box in enumerate(boxes):
        length = box.w if across else box.h
        tent = ramp(length, length / 2, first=number == 0, last=number == len(boxes) - 1)
        weight = tent[None, :] if across else tent[:, None]
        rows, columns = slice(box.y, box.bottom), slice(box.x, box.right)
        total[rows, columns] += weight * look(box)
        weights[rows, columns] += weight
    return total / weights


def joined(tiled: Prob, whole: Prob) -> Prob:
    """The larger of the tiles' and the whole image's probability, both (H, W), without the latter's false pieces.

    A piece of `whole` counts where the tiles confirm some of it, or where it is too large for a tile; not where they
    find nearly all of it, for their edges are finer, nor where it is too long for one person.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats((whole >= PERSON_PROB).astype(np.uint8))
    sizes_px = np.bincount(labels.ravel())
    confirmed_px = np.bincount(labels.ravel(), weights=(tiled >= PERSON_PROB).ravel(), minlength=len(sizes_px))
    kept = (confirmed_px >= MIN_CONFIRMED_FRACTION * sizes_px) | (sizes_px >= MIN_LARGE_FRACTION * whole.size)
    kept &= confirmed_px < SUFFICIENT_FRACTION * sizes_px
    kept &= stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1) <= MAX_PIECE_ASPECT * min(whole.shape)
    return np.maximum(tiled, without_pieces(whole, lambda stats: ~kept[1:]))


def _starts(length: int, side: int) -> list[int]:
    needed = 1 + math.ceil((length - side) / (side * (1 - OVERLAP_FRACTION)))
    count = min(needed, max(MAX_TILES, math.ceil(length / side)))
    return [int(start) for start in np.linspace(0, length - side, count).round()]
