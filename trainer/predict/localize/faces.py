"""Faces detected by MTCNN (Zhang et al. 2016, facenet-pytorch; its weights ship in the wheel), and the bodies below."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from PIL import Image

from manifests.pixels.geometry import Box, Pixels
from trainer.predict.strips import shrunk

if TYPE_CHECKING:
    from facenet_pytorch import MTCNN

MIN_FACE_PX = 16  # of the shorter side in the shrunk image: it is for people who are small in a scene
MIN_FACE_PROB = 0.95  # below it bags and prints on shirts come through
DETECTION_SIDE_PX = 1280  # larger images are shrunk first: time and memory grow with the area

# In face heights, from the face's centre or edges. A standing adult is about 7.5 heads, a head about 1.4 faces.
ABOVE_FACE_HEIGHTS = 1.2
BELOW_FACE_HEIGHTS = 10.5
BESIDE_FACE_HEIGHTS = 3.0


@dataclass(slots=True)
class FaceFinder:
    """A face detector that loads MTCNN at the first image."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    _network: "MTCNN | None" = field(default=None, repr=False)  # no part of a predictor's digest

    def bodies(self, rgb: Pixels) -> list[Box]:
        """RGB (H, W, 3) -> a box from each face down to the feet or the image's edge, largest face first."""
        small = shrunk(rgb, DETECTION_SIDE_PX)
        factor = max(rgb.shape[:2]) / max(small.shape[:2])
        if min(small.shape[:2]) < MIN_FACE_PX:  # MTCNN fails on images that can't hold a face
            return []
        with torch.inference_mode():
            edges, probs = self._loaded().detect(Image.fromarray(small))
        if edges is None:
            return []
        faces = [tuple(face * factor) for face, prob in zip(edges, probs, strict=True) if prob >= MIN_FACE_PROB]
        faces.sort(key=lambda face: face[1] - face[3])
        image = Box.whole(rgb)
        return [_body(face).clamped(image) for face in faces if _overlaps(face, image)]

    def _loaded(self) -> "MTCNN":
        if self._network is None:
            from facenet_pytorch import MTCNN  # imported here: it takes 0.3 s, which other localizers save

            self._network = MTCNN(keep_all=True, min_face_size=MIN_FACE_PX, device=self.device)
        return self._network


def _body(face: tuple[float, ...]) -> Box:
    left, top, right, bottom = face
    height, center = bottom - top, (left + right) / 2
    x, y = round(center - BESIDE_FACE_HEIGHTS * height), round(top - ABOVE_FACE_HEIGHTS * height)
    return Box(x, y, round(2 * BESIDE_FACE_HEIGHTS * height), round(bottom + BELOW_FACE_HEIGHTS * height) - y)


def _overlaps(face: tuple[float, ...], image: Box) -> bool:
    left, top, right, bottom = face
    return left < image.w and top < image.h and right > 0 and bottom > 0
