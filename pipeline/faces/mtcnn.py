"""The face detector MTCNN (Zhang et al. 2016) by facenet-pytorch; its weights ship in the wheel.

Small images are searched as they are. Large ones are searched shrunk, then in overlapping tiles at full resolution for
the faces that shrinking hid: the limit on a face's size is the same for every image.
"""

from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import pairwise, product
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from manifests.pixels.geometry import Box, Pixels, crop
from pipeline.faces.face import MIN_FACE_PROB, MIN_FACE_PX, Face, FaceDetector, Landmarks
from pipeline.faces.roi import is_portrait

if TYPE_CHECKING:  # they take seconds to import: a run that finds its work done needs the detector's name alone
    import torch
    from facenet_pytorch import MTCNN

DETECTION_SIDE_PX = 1280  # longer side of a shrunk image, and of a tile
OVERLAP_FACES = 1.5  # of tiles, in sizes of the smallest face that the shrunk image shows: smaller ones fit in one tile
TILE_PYRAMID_FACTOR = 0.5  # between the scales at which a tile is searched; MTCNN's own is 0.709
SAME_FACE_FRACTION = 0.5  # of the smaller box's area; a larger overlap means the same face


class MTCNNDetector:
    """Finds faces in images of any size; safe to use from threads."""

    name = f"mtcnn@{DETECTION_SIDE_PX}px, tiles {OVERLAP_FACES} {TILE_PYRAMID_FACTOR} {SAME_FACE_FRACTION}"

    def __init__(self, device: str = "cpu") -> None:
        self._device = device

    @cached_property
    def _whole(self) -> "MTCNN":
        return _network(self._device)

    @cached_property
    def _tile(self) -> "MTCNN":
        return _network(self._device, factor=TILE_PYRAMID_FACTOR)

    def detect(self, rgb: Pixels) -> list[Face]:
        """Faces, largest first; only those of the shrunk image where the largest makes it a portrait already."""
        scale = max(1.0, max(rgb.shape[:2]) / DETECTION_SIDE_PX)
        faces = _largest_first(_search(self._whole, _planes(_shrunk(rgb, scale)), scale))
        if scale == 1.0 or (faces and is_portrait(faces[0], Box.whole(rgb))):
            return faces
        tiles = _tiles(Box.whole(rgb), overlap_px=ceil(OVERLAP_FACES * MIN_FACE_PX * scale))
        tile_faces = [face for tile in tiles for face in self._search_tile(rgb, tile)]
        for face in sorted(tile_faces, key=lambda face: -face.prob):
            if all(_shared_fraction(face, other) <= SAME_FACE_FRACTION for other in faces):
                faces.append(face)
        return _largest_first(faces)

    def _search_tile(self, rgb: Pixels, tile: Box) -> list[Face]:
        """Faces of one tile in the image's pixels, without those that the tile cuts."""
        height, width = rgb.shape[:2]
        faces = [face.moved(tile.x, tile.y) for face in _search(self._tile, _planes(crop(rgb, tile)))]
        return [
            face
            for face in faces
            if (face.x > tile.x or tile.x == 0)
            and (face.y > tile.y or tile.y == 0)
            and (face.x + face.w < tile.right or tile.right == width)
            and (face.y + face.h < tile.bottom or tile.bottom == height)
        ]


@lru_cache(maxsize=1)
def default_detector() -> FaceDetector:
    """One detector per process."""
    return MTCNNDetector()


def _network(device: str, **options: float) -> "MTCNN":
    import torch
    from facenet_pytorch import MTCNN

    network = MTCNN(keep_all=True, min_face_size=MIN_FACE_PX, device=device, **options)
    network.to(memory_format=torch.channels_last)  # a quarter less time on a CPU
    return network


def _search(network: "MTCNN", image: "torch.Tensor", scale: float = 1.0) -> list[Face]:
    """The faces of an image (1, H, W, 3) that was shrunk by `scale`, in the pixels it had before."""
    import torch

    if min(image.shape[1:3]) < MIN_FACE_PX:  # MTCNN fails on images that can't hold a face
        return []
    with torch.inference_mode():
        [boxes], [probs], [points] = network.detect(image, landmarks=True)
    if boxes is None:
        return []
    faces = [
        Face(float(left), float(top), float(right - left), float(bottom - top), float(prob), _landmarks(five))
        for (left, top, right, bottom), prob, five in zip(boxes * scale, probs, points * scale, strict=True)
    ]
    return [face for face in faces if face.prob >= MIN_FACE_PROB]


def _landmarks(points: npt.NDArray[np.floating[Any]]) -> Landmarks:
    """MTCNN's five points (5, 2): eyes, nose, corners of the mouth, the image's left first."""
    return Landmarks(*((float(x), float(y)) for x, y in points))


def _shrunk(rgb: Pixels, scale: float) -> Pixels:
    image = Image.fromarray(rgb)
    size = max(1, round(image.width / scale)), max(1, round(image.height / scale))
    return np.asarray(image.resize(size, Image.Resampling.BOX)) if scale > 1.0 else rgb


def _planes(rgb: Pixels) -> "torch.Tensor":
    """RGB (H, W, 3) -> (1, H, W, 3), each colour's plane in one piece: MTCNN shrinks those in two thirds the time."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))).permute(1, 2, 0)[None]


def _tiles(image: Box, *, overlap_px: int) -> Iterator[Box]:
    """Boxes that cover the image, of at most DETECTION_SIDE_PX + `overlap_px`, which neighbours share."""
    for (top, bottom), (left, right) in product(_spans(image.h, overlap_px), _spans(image.w, overlap_px)):
        yield Box(left, top, right - left, bottom - top)


def _spans(length: int, overlap_px: int) -> list[tuple[int, int]]:
    """Starts and ends of equal pieces."""
    count = max(1, ceil((length - overlap_px) / DETECTION_SIDE_PX))
    begins = [round(number * (length - overlap_px) / count) for number in range(count + 1)]
    return [(begin, min(length, end + overlap_px)) for begin, end in pairwise(begins)]


def _shared_fraction(first: Face, second: Face) -> float:
    """Shared area as a fraction of the smaller box's."""
    width = min(first.x + first.w, second.x + second.w) - max(first.x, second.x)
    height = min(first.y + first.h, second.y + second.h) - max(first.y, second.y)
    smaller = min(first.w * first.h, second.w * second.h)
    return max(0.0, width) * max(0.0, height) / smaller if smaller > 0 else 1.0


def _largest_first(faces: list[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: -face.w * face.h)
