"""Boxes in pixels, and the crop of an ROI.

Boxes are half-open, `x, y, w, h`: column x is inside, column x + w is not.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """An axis-aligned box in whole pixels; ValueError when it is empty."""

    x: int
    y: int
    w: int
    h: int

    def __post_init__(self) -> None:
        if self.w <= 0 or self.h <= 0:
            raise ValueError(f"expected a box with w > 0 and h > 0, found {self}")

    @classmethod
    def whole(cls, pixels: Pixels) -> "Box":
        """The box of a whole image (H, W, ...)."""
        return cls(0, 0, pixels.shape[1], pixels.shape[0])

    @property
    def right(self) -> int:
        return self.x + self.w

    @property
    def bottom(self) -> int:
        return self.y + self.h

    def inside(self, outer: "Box") -> bool:
        return self.x >= outer.x and self.y >= outer.y and self.right <= outer.right and self.bottom <= outer.bottom

    def clamped(self, outer: "Box") -> "Box":
        """The part of this box inside `outer`; ValueError when it is empty."""
        left, top = max(self.x, outer.x), max(self.y, outer.y)
        right, bottom = min(self.right, outer.right), min(self.bottom, outer.bottom)
        return Box(left, top, right - left, bottom - top)

    def shifted(self, dx: int, dy: int) -> "Box":
        return Box(self.x + dx, self.y + dy, self.w, self.h)


def crop(pixels: Pixels, roi: Box) -> Pixels:
    """(H, W, ...) -> (roi.h, roi.w, ...), a copy; ValueError when the ROI leaves the image."""
    if not roi.inside(Box.whole(pixels)):
        raise ValueError(f"expected an ROI inside {pixels.shape[1]}x{pixels.shape[0]} (W x H), found {roi}")
    return pixels[roi.y : roi.bottom, roi.x : roi.right].copy()
