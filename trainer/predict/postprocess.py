"""All operations on one probability map, in this order: open, close, largest piece, holes, edges."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from manifests.pixels.geometry import Box, Pixels, crop
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict.components import fill_holes, largest_component
from trainer.predict.localize.tiles import blended
from trainer.predict.matting.refinement import REFINEMENTS


@dataclass(frozen=True, slots=True)
class Postprocess:
    """`open_px` and `close_px` are diameters of a disc in the image's own pixels, 0 for none.

    `max_hole_fraction` is of the person's area, 0 for no filling; `refine` is a name in REFINEMENTS.
    """

    open_px: int = 0
    close_px: int = 0
    largest: bool = False
    max_hole_fraction: float = 0.0
    refine: str = "none"

    def __call__(self, prob: Prob, rgb: Pixels, tiles: Sequence[Box] = ()) -> Prob:
        """Person probability float32 (H, W) of RGB (H, W, 3) -> the processed map; edges tile by tile, if any.

        Refinements scale with an image's longer side, which in a panorama says nothing about the people's size.
        """
        if self.open_px:
            prob = _morphology(prob, cv2.MORPH_OPEN, self.open_px)
        if self.close_px:
            prob = _morphology(prob, cv2.MORPH_CLOSE, self.close_px)
        if self.largest:
            prob = largest_component(prob)
        if self.max_hole_fraction:
            prob = fill_holes(prob, self.max_hole_fraction)
        refine = REFINEMENTS[self.refine]
        if len(tiles) <= 1:
            return refine(prob, rgb)
        return blended(Box.whole(rgb), tiles, lambda tile: refine(_part(prob, tile), crop(rgb, tile)))


def _part(prob: Prob, tile: Box) -> Prob:
    return np.ascontiguousarray(prob[tile.y : tile.bottom, tile.x : tile.right])


def _morphology(prob: Prob, operation: int, diameter_px: int) -> Prob:
    """On grey levels: soft edges stay soft."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter_px, diameter_px))
    return np.asarray(cv2.morphologyEx(prob, operation, disc), np.float32)
