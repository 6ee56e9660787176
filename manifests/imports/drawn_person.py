"""Annotations of a person that draw no pixel: corners in 0..1, outlines beside the image, empty areas.

Such a pair is skipped by name, with the reason: an empty mask would mark the person as background.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

import numpy as np

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels

NORMALISED_LIMIT = 1.5  # corners up to it, rounding included, span the first pixel or are fractions of the sides

Fault = Literal["corners in 0..1 (normalised)", "corners outside the image"]
NORMALISED: Fault = "corners in 0..1 (normalised)"
OUTSIDE: Fault = "corners outside the image"


def outline_fault(corners: Any, height: float, width: float) -> Fault | None:
    """Why an outline can't be a person's; None when it can.

    `corners` are numbers x, y, (N, 2) or flat, and the image's `height` and `width` are in their unit.
    """
    x, y = np.asarray(corners, np.float64).reshape(-1, 2).T
    if min(x.min(), y.min()) >= 0 and max(x.max(), y.max()) <= NORMALISED_LIMIT:
        return NORMALISED
    if x.max() <= 0 or y.max() <= 0 or x.min() >= width or y.min() >= height:
        return OUTSIDE
    return None


def ellipse_outline(
    x: float, y: float, x_radius: float, y_radius: float, degrees: float = 0.0
) -> list[tuple[float, float]]:
    """The corners (x, y) of an ellipse around (x, y), turned clockwise by `degrees`: a polygon of 360 corners."""
    angle = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    along, across, turn = x_radius * np.cos(angle), y_radius * np.sin(angle), np.radians(degrees)
    right = x + along * np.cos(turn) - across * np.sin(turn)
    down = y + along * np.sin(turn) + across * np.cos(turn)
    return list(zip(right.tolist(), down.tolist(), strict=True))


def all_faulty(faults: Iterable[Fault | None]) -> Fault | None:
    """The first fault when every outline of a person has one; None when one is sound, or without outlines."""
    outlines = list(faults)
    return outlines[0] if outlines and all(outlines) else None


def person_reader(draw: Callable[[], Pixels], name: str, fault: Fault | None = None) -> Callable[[], Pixels]:
    """A pair's `read_mask` that calls `draw`, uint8 (H, W).

    It raises UserError, with `name`, for a known `fault` and for a mask without a person pixel.
    """
    return partial(_read, draw, name, fault)


def _read(draw: Callable[[], Pixels], name: str, fault: Fault | None) -> Pixels:
    mask = None if fault else draw()
    if mask is None or not mask.any():
        reason = fault or "regions that draw no pixel"
        raise UserError(f"expected a person in {name}, found {reason}; mend the annotation")
    return mask
