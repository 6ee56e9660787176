"""Very large images: a teacher sees their edges at full resolution in overlapping tiles."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from manifests.pixels.geometry import Box, crop
from pipeline.teachers.teacher import Portrait, Prediction, Prob, Teacher

OVERLAP_FRACTION = 0.25  # of a tile's side, at least, on each side that has a neighbour


class Tiled:
    """The mean of a teacher's predictions of the whole image and of its tiles; of the whole only where it is one tile.

    A tile shows only its own surroundings, the whole image shows what is a person: hence both. Where tiles overlap,
    their weights rise towards their middles.
    """

    def __init__(self, teacher: Teacher, tile_px: int) -> None:
        self.name = teacher.name
        self.settings = f"{teacher.settings} tiles of {tile_px} px"
        self.batch_size = teacher.batch_size
        self._teacher = teacher
        self._tile_px = tile_px

    def predict(self, portraits: Sequence[Portrait]) -> list[Prediction]:
        whole = self._teacher.predict(portraits)
        return [
            each if max(portrait.rgb.shape[:2]) <= self._tile_px else self._with_tiles(portrait, each)
            for portrait, each in zip(portraits, whole, strict=True)
        ]

    def _with_tiles(self, portrait: Portrait, whole: Prediction) -> Prediction:
        boxes = tile_boxes(portrait.rgb.shape[0], portrait.rgb.shape[1], self._tile_px)
        total, weights = np.zeros_like(whole.prob), np.zeros_like(whole.prob)
        for start in range(0, len(boxes), self.batch_size):
            some = boxes[start : start + self.batch_size]
            tiles = [_part(portrait, box) for box in some]
            for box, part in zip(some, self._teacher.predict(tiles), strict=True):
                weight = _tent(box.h)[:, None] * _tent(box.w)[None, :]
                total[box.y : box.bottom, box.x : box.right] += weight * part.prob
                weights[box.y : box.bottom, box.x : box.right] += weight
        return replace(whole, prob=np.asarray((whole.prob + total / weights) / 2, np.float32))


def tile_boxes(height: int, width: int, tile_px: int) -> list[Box]:
    """Boxes of at most `tile_px` a side that cover the image evenly, overlapping by OVERLAP_FRACTION at least."""
    return [
        Box(x, y, min(tile_px, width), min(tile_px, height))
        for y in _starts(height, tile_px)
        for x in _starts(width, tile_px)
    ]


def _starts(length: int, tile_px: int) -> list[int]:
    if length <= tile_px:
        return [0]
    count = 1 + int(np.ceil((length - tile_px) / (tile_px * (1.0 - OVERLAP_FRACTION))))
    return [int(start) for start in np.linspace(0, length - tile_px, count).round()]


def _part(portrait: Portrait, box: Box) -> Portrait:
    inside = [face for face in portrait.faces if box.x <= face.center[0] < box.right]
    faces = [face.seen_from(box) for face in inside if box.y <= face.center[1] < box.bottom]
    return Portrait(crop(portrait.rgb, box), faces)


def _tent(length: int) -> Prob:
    """Weights (length,) that rise from the edges to the middle, all above 0."""
    positions = np.arange(length, dtype=np.float32) + 0.5
    return np.minimum(positions, length - positions) / (length / 2)
