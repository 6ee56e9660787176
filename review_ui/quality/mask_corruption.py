"""Damaged copies of a good mask, which a careful reviewer rejects.

Each kind of damage looks like a mistake that teachers make. A copy's IoU with the good mask lies in IOU_RANGE:
visible, and not ridiculous. `softened` gives every mask, good or damaged, the same soft edge, like a teacher's: a
hard edge, or one that only damaged masks have, would reveal the tests.
"""

from collections.abc import Callable

import cv2
import numpy as np

from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON, PERSON_LEVEL, Mask
from manifests.pixels.metrics import mask_iou

IOU_RANGE = (0.75, 0.97)
EDGE_BLUR_PX = 1.5  # sigma: removes the step; the edge at half height stays in place
PERSON_FRACTIONS = (0.12, 0.90)  # of the image: in between there is room for damage, and damage is wide enough to see

_WANTED_IOU = (0.85, 0.955)  # a part gone or added is seen early
_WANTED_IOU_ALL_AROUND = (0.79, 0.89)  # the same loss spread along the whole edge is thin
_GAP_PX = 6  # between the person and a second region
_LUMPS = 12  # of the noise that makes outlines irregular, along the image's longer side
_BISECTIONS = 14
_TIP_CANDIDATES = 6

_Damage = Callable[[Mask, float, np.random.Generator], Mask]


def damaged_copy(mask: Pixels, kind: str, generator: np.random.Generator) -> Pixels | None:
    """Mask uint8 (H, W) -> a damaged one, softened; None when this mask has no room for this kind of damage.

    KeyError for a kind that is not in DAMAGES.
    """
    damage, wanted_range = DAMAGES[kind]
    person = mask >= PERSON_LEVEL
    if not PERSON_FRACTIONS[0] <= person.mean() <= PERSON_FRACTIONS[1]:
        return None
    damaged = softened(damage(person, float(generator.uniform(*wanted_range)), generator))
    iou = mask_iou(softened(person) >= PERSON_LEVEL, damaged >= PERSON_LEVEL)
    return damaged if IOU_RANGE[0] <= iou <= IOU_RANGE[1] else None


def softened(person: Mask) -> Pixels:
    """Person bool (H, W) -> mask uint8 (H, W) with a soft edge."""
    return np.asarray(cv2.GaussianBlur(person.astype(np.uint8) * np.uint8(PERSON), (0, 0), EDGE_BLUR_PX), np.uint8)


def _missing_part(person: Mask, wanted_iou: float, generator: np.random.Generator) -> Mask:
    """Without one connected piece at the edge: an arm, an ear, some hair, a shoulder."""
    area = round((1 - wanted_iou) * person.sum())
    return person & ~_blob(person, _tip(person, generator), area, generator)


def _background_included(person: Mask, wanted_iou: float, generator: np.random.Generator) -> Mask:
    """With a lump of the background that touches the person."""
    seeds = np.argwhere(_touching(person))
    seed = seeds[generator.integers(len(seeds))]
    return person | _blob(~person, seed, _area_to_add(person, wanted_iou), generator)


def _second_region(person: Mask, wanted_iou: float, generator: np.random.Generator) -> Mask:
    """With a lump elsewhere, apart from the person."""
    distance = cv2.distanceTransform((~person).astype(np.uint8), cv2.DIST_L2, 5)
    seeds = np.argwhere(distance > max(_GAP_PX, 0.6 * distance.max()))
    if not len(seeds):
        return person
    seed = seeds[generator.integers(len(seeds))]
    return person | _blob(distance > _GAP_PX, seed, _area_to_add(person, wanted_iou), generator)


def _shifted(person: Mask, wanted_iou: float, generator: np.random.Generator) -> Mask:
    """Moved to one side; a person cut by the image's border stays cut by it."""
    angle = generator.uniform(0, 2 * np.pi)

    def moved(distance_px: float) -> Mask:
        matrix = np.array([[1, 0, distance_px * np.cos(angle)], [0, 1, distance_px * np.sin(angle)]])
        size = (person.shape[1], person.shape[0])
        shifted = cv2.warpAffine(
            person.astype(np.uint8), matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(shifted, dtype=bool)

    near, far = 0.0, float(max(person.shape))
    for _ in range(_BISECTIONS):
        middle = (near + far) / 2
        near, far = (middle, far) if mask_iou(person, moved(middle)) > wanted_iou else (near, middle)
    return moved(near)


def _eroded(person: Mask, wanted_iou: float, _generator: np.random.Generator) -> Mask:
    """Thinner all around, but not at the image's border."""
    return person & ~_edge_strip(person, round((1 - wanted_iou) * person.sum()))


def _dilated(person: Mask, wanted_iou: float, _generator: np.random.Generator) -> Mask:
    """Thicker all around."""
    return person | _edge_strip(~person, _area_to_add(person, wanted_iou))


def _box_edge(person: Mask, wanted_iou: float, generator: np.random.Generator) -> Mask:
    """Filled up to its bounding box within a band of rows: background between straight lines."""
    rows = np.flatnonzero(person.any(axis=1))
    start = int(generator.integers(rows[0], rows[0] + max(1, len(rows) // 2)))
    area = _area_to_add(person, wanted_iou)
    shape = person
    for stop in range(start + 1, rows[-1] + 2):
        columns = np.flatnonzero(person[start:stop].any(axis=0))
        if not len(columns):
            continue
        shape = person.copy()
        shape[start:stop, columns[0] : columns[-1] + 1] = True
        if shape.sum() - person.sum() >= area:
            break
    return shape


def _straight_cut(person: Mask, wanted_iou: float, generator: np.random.Generator) -> Mask:
    """Cut off along a straight line at the left, the right or the top, as at the border of a wrong crop."""
    quarter_turns = int(generator.integers(-1, 2))  # after which the side to cut is at the top
    turned = np.rot90(person, quarter_turns)
    kept_area = wanted_iou * person.sum()
    rows_from_below = np.cumsum(turned.sum(axis=1)[::-1])[::-1]
    cut = turned.copy()
    cut[rows_from_below > kept_area] = False
    return np.rot90(cut, -quarter_turns)


def _edge_strip(region: Mask, area: int) -> Mask:
    """The `area` pixels of a region that lie nearest to its edge."""
    depth = np.where(region, cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5), np.inf)
    area = min(max(area, 1), int(region.sum()))
    return depth <= np.partition(depth, area - 1, axis=None)[area - 1]


def _blob(region: Mask, seed: np.ndarray, area: int, generator: np.random.Generator) -> Mask:
    """A lump of about `area` pixels around `seed` (row, column), connected and within `region`."""
    distance = _lumpy_distance(region.shape, seed, generator)
    inside, low, high = region.astype(np.uint8), 0.0, float(distance.max())
    lump = np.zeros_like(region)
    for _ in range(_BISECTIONS):
        radius = (low + high) / 2
        _, labels = cv2.connectedComponents(inside * (distance <= radius), connectivity=4)
        label = labels[seed[0], seed[1]]
        lump = labels == label if label else np.zeros_like(region)
        low, high = (radius, high) if lump.sum() < area else (low, radius)
    return lump


def _lumpy_distance(shape: tuple[int, ...], seed: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Distance from `seed` in pixels, stretched here and there by up to a third: (H, W)."""
    longer = max(shape)
    coarse = generator.uniform(0.67, 1.33, (_LUMPS, _LUMPS)).astype(np.float32)
    stretch = cv2.resize(coarse, (longer, longer), interpolation=cv2.INTER_CUBIC)[: shape[0], : shape[1]]
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(rows - seed[0], columns - seed[1]) * np.maximum(stretch, 0.3)


def _tip(person: Mask, generator: np.random.Generator) -> np.ndarray:
    """A point (row, column) on the person's edge, preferably where the person is slim: hands, ears, hair, shoulders."""
    edge = np.argwhere(person & _touching(~person))
    candidates = edge[generator.integers(len(edge), size=_TIP_CANDIDATES)]
    size = max(person.shape) // 6 | 1
    mass_around = cv2.blur(person.astype(np.float32), (size, size))
    return candidates[mass_around[candidates[:, 0], candidates[:, 1]].argmin()]


def _touching(region: Mask) -> Mask:
    """Pixels outside a region that touch it."""
    return cv2.dilate(region.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~region


def _area_to_add(person: Mask, wanted_iou: float) -> int:
    return round((1 / wanted_iou - 1) * person.sum())


DAMAGES: dict[str, tuple[_Damage, tuple[float, float]]] = {
    "missing part": (_missing_part, _WANTED_IOU),
    "background included": (_background_included, _WANTED_IOU),
    "second region": (_second_region, _WANTED_IOU),
    "box edge": (_box_edge, _WANTED_IOU),
    "straight cut": (_straight_cut, _WANTED_IOU),
    "shifted": (_shifted, _WANTED_IOU_ALL_AROUND),
    "eroded": (_eroded, _WANTED_IOU_ALL_AROUND),
    "dilated": (_dilated, _WANTED_IOU_ALL_AROUND),
}
