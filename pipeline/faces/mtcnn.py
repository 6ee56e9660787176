"""The face detector MTCNN (Zhang et al. 2016) by facenet-pytorch; its weights ship in the wheel."""

from functools import lru_cache

import torch
from facenet_pytorch import MTCNN
from PIL import Image

from manifests.pixels.geometry import Pixels
from pipeline.faces.face import MIN_FACE_PROB, MIN_FACE_PX, Face, FaceDetector

DETECTION_SIDE_PX = 1280  # larger pictures are shrunk to this longer side first: time and memory grow with the area


class MTCNNDetector:
    """Finds faces in pictures of any size; safe to use from threads."""

    name = f"mtcnn@{DETECTION_SIDE_PX}px"

    def __init__(self, device: str = "cpu") -> None:
        self._network = MTCNN(keep_all=True, min_face_size=MIN_FACE_PX, device=device)
        self._network.to(memory_format=torch.channels_last)  # a quarter less time on a CPU

    def detect(self, rgb: Pixels) -> list[Face]:
        scale = max(1.0, max(rgb.shape[:2]) / DETECTION_SIDE_PX)
        picture = Image.fromarray(rgb)
        size = round(picture.width / scale), round(picture.height / scale)
        if min(size) < MIN_FACE_PX:  # MTCNN fails on pictures that can't hold a face
            return []
        if scale > 1.0:
            picture = picture.resize(size, Image.Resampling.BOX)
        with torch.inference_mode():
            boxes, probs = self._network.detect(picture)
        if boxes is None:
            return []
        faces = [
            Face(float(left), float(top), float(right - left), float(bottom - top), float(prob))
            for (left, top, right, bottom), prob in zip(boxes * scale, probs, strict=True)
        ]
        passing = [face for face in faces if face.prob >= MIN_FACE_PROB and min(face.w, face.h) >= MIN_FACE_PX]
        return sorted(passing, key=lambda face: -face.w * face.h)


@lru_cache(maxsize=1)
def default_detector() -> FaceDetector:
    """One detector per process."""
    return MTCNNDetector()
