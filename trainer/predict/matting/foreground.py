"""The person's own colours at the edge, where the photograph mixes them with the background's.

Blur-fusion (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021): the person's colours spread outwards
and the background's inwards by blurs weighted with opacity, and the photograph corrects the rest. Twice, the second
time over a short distance.
"""

import cv2
import numpy as np

from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict.strips import WORK_SIDE_PX, Floats, bands, enlarged, shrunk, shrunk_like

FAR_FRACTION, NEAR_FRACTION = 0.07, 0.005  # of the longer side: the paper's 90 and 6 px of photographs of about 1,300
LEAST_WEIGHT = 1e-5


def foreground_colours(rgb: Pixels, alpha: Prob) -> Pixels:
    """RGB (H, W, 3), opacity float32 (H, W) -> the person's RGB (H, W, 3), as in the photograph where it is opaque."""
    small = shrunk(rgb, WORK_SIDE_PX)
    colours = small.astype(np.float32)
    opaque = shrunk_like(alpha, small)[..., None]
    person, behind = colours, colours
    for fraction in (FAR_FRACTION, NEAR_FRACTION):
        person, behind = _fused(colours, person, behind, opaque, fraction)
    return _mixed(rgb, alpha, person, behind)


def _fused(colours: Floats, person: Floats, behind: Floats, alpha: Floats, fraction: float) -> tuple[Floats, Floats]:
    """The paper's equations 4 to 7, all (h, w, 3) but `alpha` (h, w, 1)."""
    side = 2 * max(1, round(fraction * max(colours.shape[:2]))) + 1
    person = _weighted_mean(person, alpha, side)
    behind = _weighted_mean(behind, 1 - alpha, side)
    left_over = colours - alpha * person - (1 - alpha) * behind
    return np.clip(person + alpha * left_over, 0, 255), behind


def _weighted_mean(values: Floats, weights: Floats, side: int) -> Floats:
    """Mean over squares, (h, w, 3) with (h, w, 1); the values unchanged where no weight is near."""
    total = cv2.blur(weights, (side, side))[..., None]
    mean = cv2.blur(values * weights, (side, side)) / np.maximum(total, LEAST_WEIGHT)
    return np.where(total > LEAST_WEIGHT, mean, values).astype(np.float32)


def _mixed(rgb: Pixels, alpha: Prob, person: Floats, behind: Floats) -> Pixels:
    """Estimates at full size, corrected by the photograph."""
    person_at, behind_at = (enlarged(estimate, *alpha.shape) for estimate in (person, behind))
    mixed = np.empty_like(rgb)
    for rows in bands(*alpha.shape):
        opaque, estimate = alpha[rows][..., None], person_at(rows)
        left_over = rgb[rows] - opaque * estimate - (1 - opaque) * behind_at(rows)
        mixed[rows] = np.clip(np.rint(estimate + opaque * left_over), 0, 255)
    return mixed
