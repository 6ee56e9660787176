"""Detect inverted masks: background marked as person.

Person on most of the left, upper and right border and background in the middle is treated as inverted. Of every tenth
mask of the development data (portraits, whole bodies, ID photographs) none looks like that, and more than nine in ten
do once inverted: tests/manifests/pixels/test_inverted_masks.py counts them.
"""

from collections.abc import Sequence

import numpy as np

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL

GRID_PX = 16  # points per side that a mask is judged by
_MIDDLE = slice(6, 10)  # of them: a body standing upright covers these


def grid(values: Pixels) -> Pixels:
    """uint8 (H, W) -> its values at GRID_PX x GRID_PX points: enough to judge by, and small."""
    rows, columns = (((np.arange(GRID_PX) + 0.5) * side / GRID_PX).astype(int) for side in values.shape)
    return values[np.ix_(rows, columns)]


def looks_inverted(mask: Pixels) -> bool:
    """Whether a mask's `grid` has person on most of its left, upper and right border and not in its middle."""
    person = mask >= PERSON_LEVEL
    border = np.concatenate([person[:, 0], person[0], person[:, -1]])
    return bool(border.mean() > 0.5 and person[_MIDDLE, _MIDDLE].mean() < 0.5)


def check_polarity(masks: Sequence[Pixels], names: Sequence[str]) -> list[str]:
    """The names of the masks whose grids look inverted; UserError when half of them or more do: then all are."""
    inverted = [name for mask, name in zip(masks, names, strict=True) if looks_inverted(mask)]
    if inverted and 2 * len(inverted) >= len(masks):
        raise UserError(
            f"expected person in the middle of the masks, found it around the border and background in the middle in "
            f"{len(inverted)} of {len(masks)}, such as {inverted[0]}: they look inverted; pass --inverted to invert "
            "them, or --no-inverted to keep them"
        )
    return inverted
