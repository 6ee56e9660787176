"""The guided filter (He, Sun and Tang, "Guided Image Filtering", PAMI 2013), in time that doesn't depend on the radius.

Around every pixel the probability is fitted as a linear function of the photograph's colour, so its edges fall where
the photograph has edges. The coefficients are smooth: on large photographs they are computed on a smaller one and
enlarged (He and Sun, "Fast Guided Filter", 2015).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict.strips import WORK_SIDE_PX, Floats, bands, enlarged, shrunk, shrunk_like

RADIUS_FRACTION = 0.012  # of the longer side: about three pixels of a 224 px network
EPSILON = 1e-4  # of squared colour in [0, 1]: a contrast below 0.01 is no edge


def guided_refinement(
    prob: Prob, rgb: Pixels, *, radius_fraction: float = RADIUS_FRACTION, epsilon: float = EPSILON
) -> Prob:
    """Person probability float32 (H, W) and its RGB (H, W, 3) -> the probability with the photograph's edges."""
    small = shrunk(rgb, WORK_SIDE_PX)
    radius_px = max(1, round(radius_fraction * max(small.shape[:2])))
    fit = LinearFit.of(small, shrunk_like(prob, small), radius_px=radius_px, epsilon=epsilon)
    return fit.applied(rgb)


@dataclass(frozen=True, slots=True)
class LinearFit:
    """Values as a linear function of colour, around every pixel: slopes (h, w, 3), offset (h, w)."""

    slopes: Floats
    offset: Floats

    @classmethod
    def of(cls, rgb: Pixels, values: Floats, *, radius_px: int, epsilon: float) -> "LinearFit":
        """RGB (h, w, 3), values (h, w) -> the fit over windows of 2 radius + 1; equations 14, 15, 16 of the paper."""
        guide = rgb.astype(np.float32) / np.float32(255)
        mean_guide, mean_values = _mean(guide, radius_px), _mean(values, radius_px)
        covariance = _mean(guide * values[..., None], radius_px) - mean_guide * mean_values[..., None]
        slopes = _solved(_variances(guide, mean_guide, radius_px, epsilon), covariance)
        offset = mean_values - (slopes * mean_guide).sum(axis=-1)
        return cls(_mean(slopes, radius_px), _mean(offset, radius_px))

    def applied(self, rgb: Pixels) -> Floats:
        """RGB (H, W, 3) of any size -> values (H, W), clipped to [0, 1]."""
        size = rgb.shape[:2]
        slopes_at, offset_at = enlarged(self.slopes, *size), enlarged(self.offset, *size)
        values = np.empty(size, np.float32)
        for rows in bands(*size):
            colours = rgb[rows].astype(np.float32) / 255
            values[rows] = np.clip((slopes_at(rows) * colours).sum(axis=-1) + offset_at(rows), 0, 1)
        return values


def _mean(values: Floats, radius_px: int) -> Floats:
    """Mean over squares of 2 radius + 1; beyond its edges the image is mirrored."""
    side = 2 * radius_px + 1
    return np.asarray(cv2.boxFilter(values, -1, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)


def _variances(guide: Floats, mean: Floats, radius_px: int, epsilon: float) -> list[Floats]:
    """The upper triangle of each window's covariance matrix of colours, row by row, `epsilon` on the diagonal."""
    return [
        _mean(guide[..., i] * guide[..., j], radius_px) - mean[..., i] * mean[..., j] + np.float32(epsilon * (i == j))
        for i in range(3)
        for j in range(i, 3)
    ]


def _solved(triangle: list[Floats], right: Floats) -> Floats:
    """Solve the symmetric 3 x 3 systems for `right` (h, w, 3): Cramer's rule, in float64 as some are near singular."""
    rr, rg, rb, gg, gb, bb = (entry.astype(np.float64) for entry in triangle)
    c_rr, c_rg, c_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    determinant = rr * c_rr + rg * c_rg + rb * c_rb
    r, g, b = (right[..., channel] for channel in range(3))
    solution = (c_rr * r + c_rg * g + c_rb * b, c_rg * r + c_gg * g + c_gb * b, c_rb * r + c_gb * g + c_bb * b)
    return np.stack([part / determinant for part in solution], axis=-1).astype(np.float32)
