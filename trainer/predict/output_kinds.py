"""`--write`: the kinds of output. All have the image's size except `side-by-side`, which is twice as wide.

`mask`          0..255 = person probability, >= 128 is person
`alpha`         0..255 = opacity of the person
`cutout`        RGBA, the person with their own colours up to the edge
`blur`          the background out of focus
`replace`       the background of `--background`
`side-by-side`  the photograph, and the person on a chequered board
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_PROB, mask_from_prob
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict.matting.background import WHITE, Background, composite, fitted, out_of_focus
from trainer.predict.matting.foreground import foreground_colours
from trainer.predict.matting.opacity import opacity

BOARD_PX = 16
BOARD_LEVELS = (204, 255)


@dataclass(frozen=True)
class Cutout:
    """One image RGB (H, W, 3), its person probability float32 (H, W), and a new background; views share work."""

    rgb: Pixels
    prob: Prob
    background: Background = WHITE

    @property
    def shows_person(self) -> bool:
        """Whether any pixel is person."""
        return bool((self.prob >= PERSON_PROB).any())

    @cached_property
    def alpha(self) -> Prob:
        """Opacity float32 (H, W)."""
        return opacity(self.prob)

    @cached_property
    def person(self) -> Pixels:
        """RGB (H, W, 3): the person's own colours."""
        return foreground_colours(self.rgb, self.alpha)

    def before(self, behind: Pixels) -> Pixels:
        """The person over RGB (H, W, 3)."""
        return composite(self.person, self.alpha, behind)


def mask(cutout: Cutout) -> Pixels:
    """(H, W)."""
    return mask_from_prob(cutout.prob)


def alpha(cutout: Cutout) -> Pixels:
    """(H, W)."""
    return mask_from_prob(cutout.alpha)


def rgba(cutout: Cutout) -> Pixels:
    """(H, W, 4); fully transparent pixels are black, so that the file holds nothing of the background."""
    opaque = alpha(cutout)
    colours = np.where(opaque[..., None] > 0, cutout.person, 0).astype(np.uint8)
    return np.concatenate([colours, opaque[..., None]], axis=-1)


def blur(cutout: Cutout) -> Pixels:
    """RGB (H, W, 3)."""
    return cutout.before(out_of_focus(cutout.rgb, cutout.alpha))


def replace(cutout: Cutout) -> Pixels:
    """RGB (H, W, 3)."""
    return cutout.before(fitted(cutout.background, *cutout.prob.shape))


def side_by_side(cutout: Cutout) -> Pixels:
    """RGB (H, 2 W, 3)."""
    return np.concatenate([cutout.rgb, cutout.before(_board(*cutout.prob.shape))], axis=1)


VIEWS: dict[str, Callable[[Cutout], Pixels]] = {
    "mask": mask,
    "alpha": alpha,
    "cutout": rgba,
    "blur": blur,
    "replace": replace,
    "side-by-side": side_by_side,
}


def _board(height: int, width: int) -> Pixels:
    rows, columns = np.arange(height)[:, None] // BOARD_PX, np.arange(width)[None, :] // BOARD_PX
    grey = np.array(BOARD_LEVELS, np.uint8)[(rows + columns) % 2]
    return np.repeat(grey[..., None], 3, axis=-1)
