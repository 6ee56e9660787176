"""Actions on a whole mask: keep the largest piece, fill holes, smooth the edge.

Each takes and returns a mask uint8 (H, W), 128 and above is person. Pixels that keep their side keep their value.
"""

import cv2
import numpy as np

from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON, PERSON_LEVEL, Mask

SMOOTHING_FRACTION = 0.015  # of the shorter side: the diameter of what the median filter takes off the edge


def keep_largest_piece(mask: Pixels) -> Pixels:
    """Take away every piece of the person (8 neighbours) but the largest."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((mask >= PERSON_LEVEL).astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return with_person(mask, labels == largest)


def fill_holes(mask: Pixels) -> Pixels:
    """Fill the background (4 neighbours) that doesn't reach the border."""
    background = np.pad(mask < PERSON_LEVEL, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(background, connectivity=4)
    return with_person(mask, (labels != labels[0, 0])[1:-1, 1:-1])


def smooth_edge(mask: Pixels) -> Pixels:
    """Take off what is thinner than SMOOTHING_FRACTION of the shorter side, by a median filter."""
    diameter = 2 * round(SMOOTHING_FRACTION * min(mask.shape) / 2) + 1
    person = (mask >= PERSON_LEVEL).astype(np.uint8) * 255
    return with_person(mask, cv2.medianBlur(person, max(3, diameter)) >= PERSON_LEVEL)


def with_person(mask: Pixels, person: Mask) -> Pixels:
    """The mask with `person` bool (H, W) as its person: what changes sides becomes 0 or 255."""
    changed = person != (mask >= PERSON_LEVEL)
    return np.where(changed, np.where(person, PERSON, 0), mask).astype(np.uint8)
