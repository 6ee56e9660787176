"""Regions that mark a person and draw none: corners in 0..1, outlines beside the image, areas without a pixel.

An annotation that names the person promises one. Where nothing of it is in the mask, the pair is refused by name and
with the reason, and its image is left out; an empty mask would be a background that is wrong.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

import numpy as np

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels

NORMALISED_LIMIT = 1.5  # corners below it, rounding included, span the image's first pixel or are a share of its sides

Fault = Literal["corners in 0..1 (normalised)", "corners outside the image"]
NORMALISED: Fault = "corners in 0..1 (normalised)"
OUTSIDE: Fault = "corners outside the image"


def outline_fault(corners: Any, height: float, width: float) -> Fault | None:
    """Why an outline can't be a person's in an image (height, width), in the corners' own unit; None when it can.

    `corners` are numbers x, y, (N, 2) or flat.
    """
    x, y = np.asarray(corners, np.float64).reshape(-1, 2).T
    if min(x.min(), y.min()) >= 0 and max(x.max(), y.max()) <= NORMALISED_LIMIT:
        return NORMALISED
    if x.max() <= 0 or y.max() <= 0 or x.min() >= width or y.min() >= height:
        return OUTSIDE
    return None


def all_faulty(faults: Iterable[Fault | None]) -> Fault | None:
    """The reason why none of a person's outlines is in the image; None where there is none, or one is sound."""
    found = list(faults)
    return found[0] if found and all(found) else None


def person_reader(draw: Callable[[], Pixels], name: str, fault: Fault | None = None) -> Callable[[], Pixels]:
    """A pair's `read_mask` out of what draws its person, uint8 (H, W); `fault` is what is known of it already.

    It raises UserError, with `name`, for a fault and for a mask without a person pixel.
    """
    return partial(_read, draw, name, fault)


def _read(draw: Callable[[], Pixels], name: str, fault: Fault | None) -> Pixels:
    mask = None if fault else draw()
    if mask is None or not mask.any():
        reason = fault or "regions that draw no pixel"
        raise UserError(f"expected a person in {name}, found {reason}; mend the annotation")
    return mask
