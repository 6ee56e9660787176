"""Whether masks are the wrong way round: background marked as person.

Person on most of the left, upper and right border and background in the middle is no portrait. Of every tenth mask of
the development data (portraits, whole bodies, ID photographs) none looks like that as it is, and more than nine in ten
do when they are turned round: tests/manifests/pixels/test_inverted_masks.py counts them.
"""

from collections.abc import Sequence

import numpy as np

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL

GRID_PX = 16  # a mask is judged on so many points a side
_MIDDLE = slice(6, 10)  # of them: a body standing upright covers these


def grid(values: Pixels) -> Pixels:
    """uint8 (H, W) -> the values at 16 x 16 points: enough to judge by, and little to keep."""
    rows, columns = (((np.arange(GRID_PX) + 0.5) * side / GRID_PX).astype(int) for side in values.shape)
    return values[np.ix_(rows, columns)]


def looks_inverted(mask: Pixels) -> bool:
    """Whether a mask's `grid` has person on most of its border (but the lower one) and not in its middle."""
    person = mask >= PERSON_LEVEL
    border = np.concatenate([person[:, 0], person[0], person[:, -1]])
    return bool(border.mean() > 0.5 and person[_MIDDLE, _MIDDLE].mean() < 0.5)


def check_polarity(masks: Sequence[Pixels], names: Sequence[str]) -> list[str]:
    """The names of the masks whose grids look inverted; UserError when that's half of them or more: then all are."""
    found = [name for mask, name in zip(masks, names, strict=True) if looks_inverted(mask)]
    if found and 2 * len(found) >= len(masks):
        raise UserError(
            f"expected person in the middle of the masks, found it around the border and background in the middle in "
            f"{len(found)} of {len(masks)}, {found[0]} say: they look inverted; take them the other way round with "
            "--inverted, or as they are with --no-inverted"
        )
    return found
