"""Connected pieces of a probability map, dropped or filled together with their soft edges.

Low probabilities around a dropped piece, nearer to it than to any kept one, fade with it.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from manifests.pixels.masks import PERSON_PROB
from manifests.pixels.onnx_segmenter import Prob

REACH_FRACTION = 0.05  # of the longer side: as far as a network's soft edges go

Stats = npt.NDArray[np.int32]  # one row per piece: left, top, width, height, area
Chosen = npt.NDArray[np.bool_]


def largest_component(prob: Prob) -> Prob:
    """float32 (H, W) -> the same with every piece of person but the largest at 0."""
    return without_pieces(prob, lambda stats: np.arange(len(stats)) != stats[:, cv2.CC_STAT_AREA].argmax())


def fill_holes(prob: Prob, max_fraction: float) -> Prob:
    """float32 (H, W) -> the same with enclosed background of at most `max_fraction` of the person's area at 1."""
    height, width = prob.shape
    max_px = max_fraction * int((prob >= PERSON_PROB).sum())

    def small_and_enclosed(stats: Stats) -> Chosen:
        left, top, w, h, area = (stats[:, column] for column in range(5))
        at_border = (left == 0) | (top == 0) | (left + w == width) | (top + h == height)
        return np.asarray(~at_border & (area <= max_px))

    return 1 - without_pieces(1 - prob, small_and_enclosed)


def without_pieces(prob: Prob, chosen: Callable[[Stats], Chosen]) -> Prob:
    """`prob` with the pieces of at least one half that `chosen` picks, by their statistics, at 0."""
    person = (prob >= PERSON_PROB).astype(np.uint8)
    count, components, statistics, _ = cv2.connectedComponentsWithStats(person)
    labels, stats = np.asarray(components, np.int32), np.asarray(statistics, np.int32)
    if count <= 1:
        return prob
    dropped = np.concatenate([[False], chosen(stats[1:])])
    if not dropped.any():
        return prob
    if dropped[1:].all():
        return np.zeros_like(prob)
    return _faded(prob, person, labels, dropped)


def _faded(prob: Prob, person: npt.NDArray[np.uint8], labels: npt.NDArray[np.int32], dropped: Chosen) -> Prob:
    """`prob` with the dropped labels at 0, rising again up to REACH_FRACTION away; other pieces stay unchanged."""
    distance, cells = cv2.distanceTransformWithLabels(1 - person, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP)
    inside = person > 0
    cell_dropped = np.zeros(int(cells.max()) + 1, bool)
    cell_dropped[cells[inside]] = dropped[labels[inside]]
    limit = distance / np.float32(max(1.0, REACH_FRACTION * max(prob.shape)))
    return np.where(cell_dropped[cells], np.minimum(prob, limit), prob)
