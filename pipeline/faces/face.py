"""Faces: what a detector returns for an image, and which of them count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.masks import PERSON_LEVEL

# Shorter side, in the source image's pixels whatever its size; below, MTCNN's third network (48x48) sees a blur.
MIN_FACE_PX = 24
MIN_FACE_PROB = 0.95  # at 0.90 bags and prints on shirts come through, at 0.99 faces in profile are lost
MIN_FACE_IN_MASK_FRACTION = 0.5  # case 1: a face outside the mask is an unlabelled passer-by, or a bad mask


Point = tuple[float, float]  # x, y in pixels


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Five points of a face; left and right are the image's."""

    left_eye: Point
    right_eye: Point
    nose: Point
    left_mouth: Point
    right_mouth: Point

    def moved(self, dx: float, dy: float) -> "Landmarks":
        """Return the same points after a shift in pixels."""
        points = (self.left_eye, self.right_eye, self.nose, self.left_mouth, self.right_mouth)
        return Landmarks(*((x + dx, y + dy) for x, y in points))


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face: its box in pixels (brows to chin, not clamped to the image) and the detector's probability.

    `landmarks` is None for a face that was read from a manifest.
    """

    x: float
    y: float
    w: float
    h: float
    prob: float
    landmarks: Landmarks | None = None

    @property
    def center(self) -> tuple[float, float]:
        return self.x + self.w / 2, self.y + self.h / 2

    def columns(self) -> dict[str, float]:
        """The manifest's `face_*` columns."""
        return {"face_x": self.x, "face_y": self.y, "face_w": self.w, "face_h": self.h, "face_prob": self.prob}

    def seen_from(self, roi: Box) -> "Face":
        """The same face in the ROI's own pixels."""
        return self.moved(-roi.x, -roi.y)

    def moved(self, dx: float, dy: float) -> "Face":
        """Return the same face after a shift in pixels."""
        landmarks = self.landmarks.moved(dx, dy) if self.landmarks else None
        return Face(self.x + dx, self.y + dy, self.w, self.h, self.prob, landmarks)


class FaceDetector(Protocol):
    """Finds faces; `name` is part of a shard's digest."""

    name: str

    def detect(self, rgb: Pixels) -> list[Face]:
        """RGB uint8 (H, W, 3) -> faces of MIN_FACE_PROB or more, largest first; a few may be too small to count."""
        ...


def large_enough(faces: Sequence[Face]) -> list[Face]:
    """The faces of MIN_FACE_PX or more, in order."""
    return [face for face in faces if min(face.w, face.h) >= MIN_FACE_PX]


def person_share(mask: Pixels, face: Face) -> float:
    """Share of the face's box that is person in `mask` (H, W), in [0, 1]; 0 when the box lies outside."""
    height, width = mask.shape
    left, top = max(0, round(face.x)), max(0, round(face.y))
    right, bottom = min(width, round(face.x + face.w)), min(height, round(face.y + face.h))
    inside = mask[top:bottom, left:right]
    return float(np.mean(inside >= PERSON_LEVEL)) if inside.size else 0.0
