"""`--localizer`: boxes around the people in a large scene, for `roi.predict_in_rois`.

`none`  no boxes: the network sees only the whole image
`mask`  boxes around the people in the whole image's mask
`face`  boxes down from the faces that MTCNN detects
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np

from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.masks import PERSON_PROB
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict.localize.faces import FaceFinder
from trainer.predict.localize.roi import grown, widened
from trainer.predict.strips import shrunk

LOCALIZING_SIDE_PX = 512  # of the whole image's map; networks' own maps are smaller
MAX_ROIS = 8  # networks run once per ROI: a crowd costs at most nine times one image
MIN_AREA_FRACTION = 0.1  # of the largest piece's: smaller ones are bags or noise, not a second person
MIN_PICTURE_FRACTION = 0.002  # of the image: smaller pieces are no person
MAX_PICTURE_FRACTION = 0.9  # of the image: a larger ROI shows what the whole image shows
MARGIN_FRACTION = 0.1  # of the box's longer side: for parts that the first mask misses
MIN_ASPECT = 0.4  # width / height


class Localizer(Protocol):
    """Finds boxes that hold one person each; none where the network should see only the whole image."""

    def __call__(self, rgb: Pixels, whole_prob: Prob) -> list[Box]:
        """RGB (H, W, 3) and the whole image's person probability (H, W) -> boxes, largest first."""
        ...


@dataclass(frozen=True, slots=True)
class MaskLocalizer:
    """Boxes around the large connected pieces of the whole image's mask."""

    margin_fraction: float = MARGIN_FRACTION
    min_aspect: float = MIN_ASPECT
    max_picture_fraction: float = MAX_PICTURE_FRACTION

    def __call__(self, rgb: Pixels, whole_prob: Prob) -> list[Box]:
        small = shrunk(whole_prob, LOCALIZING_SIDE_PX)
        factor = max(rgb.shape[:2]) / max(small.shape)
        image = Box.whole(rgb)
        boxes = [
            Box(*(int(edge * factor) for edge in (x, y)), *(max(1, round(side * factor)) for side in (w, h)))
            for x, y, w, h in _pieces(small)
        ]
        rois = [widened(grown(box, self.margin_fraction, image), self.min_aspect, image) for box in boxes]
        return [roi for roi in rois if roi.w * roi.h <= self.max_picture_fraction * image.w * image.h]


@dataclass(frozen=True, slots=True)
class FaceLocalizer:
    """Boxes down from each face, as wide as outstretched elbows and as long as a standing person."""

    max_picture_fraction: float = MAX_PICTURE_FRACTION
    min_aspect: float = MIN_ASPECT
    faces: FaceFinder = field(default_factory=FaceFinder)

    def __call__(self, rgb: Pixels, whole_prob: Prob) -> list[Box]:
        image = Box.whole(rgb)
        rois = [widened(body, self.min_aspect, image) for body in self.faces.bodies(rgb)[:MAX_ROIS]]
        return [roi for roi in rois if roi.w * roi.h <= self.max_picture_fraction * image.w * image.h]


@dataclass(frozen=True, slots=True)
class WholeImage:
    """No boxes: the network sees only the whole image."""

    def __call__(self, rgb: Pixels, whole_prob: Prob) -> list[Box]:
        return []


LOCALIZERS: dict[str, Callable[[], Localizer]] = {
    "none": WholeImage,
    "mask": MaskLocalizer,
    "face": FaceLocalizer,
}


def _pieces(prob: Prob) -> list[tuple[int, int, int, int]]:
    """float (h, w) -> x, y, w, h of the connected pieces of person that are large enough, largest first."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((prob >= PERSON_PROB).astype(np.uint8))
    ordered = sorted(stats[1:].tolist(), key=lambda row: -row[cv2.CC_STAT_AREA])
    if not ordered:
        return []
    least = max(MIN_AREA_FRACTION * ordered[0][cv2.CC_STAT_AREA], MIN_PICTURE_FRACTION * prob.size)
    return [(x, y, w, h) for x, y, w, h, area in ordered[:MAX_ROIS] if area >= least]
