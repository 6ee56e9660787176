"""Boxes around people, and seamless blending of their predictions into the whole image's."""

from collections.abc import Sequence

import numpy as np

from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.onnx_segmenter import Prob
from trainer.inference.predictors import Predictor

RAMP_FRACTION = 0.08  # of the ROI's side: over it the ROI's mask replaces the whole image's


def predict_in_rois(predictor: Predictor, rgb: Pixels, rois: Sequence[Box], whole_prob: Prob) -> Prob:
    """RGB (H, W, 3), the whole image's person probability (H, W) -> float32 (H, W).

    Each ROI is predicted by itself and blended into `whole_prob` over a ramp inside its edges; where ROIs overlap
    the larger probability counts. Without ROIs it is `whole_prob`.
    """
    if not rois:
        return whole_prob
    merged = np.full_like(whole_prob, -1.0)
    image = Box.whole(rgb)
    for roi in rois:
        rows, columns = slice(roi.y, roi.bottom), slice(roi.x, roi.right)
        prob = predictor.person_prob(np.ascontiguousarray(rgb[rows, columns]))
        window = _window(roi, image)
        blended = window * prob + (1 - window) * whole_prob[rows, columns]
        merged[rows, columns] = np.maximum(merged[rows, columns], blended)
    return np.where(merged < 0, whole_prob, merged)


def grown(box: Box, fraction: float, image: Box) -> Box:
    """`box` with a margin of `fraction` of its longer side on every side, inside the image."""
    margin = round(fraction * max(box.w, box.h))
    return Box(box.x - margin, box.y - margin, box.w + 2 * margin, box.h + 2 * margin).clamped(image)


def widened(box: Box, min_aspect: float, image: Box) -> Box:
    """`box` made wider, about its centre, until width / height is at least `min_aspect` or the image ends.

    Networks resize any box to a square, which would distort a standing person in a tight box.
    """
    width = min(image.w, max(box.w, round(min_aspect * box.h)))
    left = min(max(box.x - (width - box.w) // 2, image.x), image.right - width)
    return Box(left, box.y, width, box.h)


def ramp(length: int, ramp_px: float, *, first: bool, last: bool) -> Prob:
    """Weights float32 (length,) in (0, 1], rising over `ramp_px` from each end except at the `first` or `last`."""
    position = np.arange(length, dtype=np.float32) + 0.5
    weights = np.ones(length, np.float32)
    if not first:
        weights = np.minimum(weights, position / ramp_px)
    if not last:
        weights = np.minimum(weights, (length - position) / ramp_px)
    return weights


def _window(roi: Box, image: Box) -> Prob:
    """float32 (roi.h, roi.w): 1 inside, falling to 0 at the edges of the ROI that are not edges of the image."""
    ramps_px = max(1.0, RAMP_FRACTION * roi.w), max(1.0, RAMP_FRACTION * roi.h)
    across = ramp(roi.w, ramps_px[0], first=roi.x == image.x, last=roi.right == image.right)
    down = ramp(roi.h, ramps_px[1], first=roi.y == image.y, last=roi.bottom == image.bottom)
    return np.minimum(down[:, None], across[None, :])
