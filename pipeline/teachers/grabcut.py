"""GrabCut (Rother et al. 2004) seeded by the face: a classical segmenter that needs no weights.

A person extends below the face: the face and a strip of neck and chest are certainly person, a head and shoulders
shape probably, what lies beside and above the head certainly not. OpenCV's GrabCut then fits colours to both.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from manifests.files.blobs import sha256_hex
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import Mask
from pipeline.faces.face import Face
from pipeline.teachers.teacher import Portrait, Prediction, Prob

WORK_SIDE_PX = 256  # longer side at which GrabCut runs; larger brings detail it can't use and costs the square
ITERATIONS = 5
SPECK_PX = 5  # at WORK_SIDE_PX: thinner parts are the background's texture rather than hair
MIN_SEED_PX = 16  # of person and of background: GrabCut fits five colour clusters to each
UNUSED_RECT = (0, 0, 1, 1)  # unused with GC_INIT_WITH_MASK
SEED = 0  # of OpenCV's generator: GrabCut starts its colour clusters at random

# In face heights, from the face's centre; tuned on face crops of full-body photographs and on portraits.
FACE_RADII = (0.30, 0.45)  # certain person: the inner face
HEAD_RADII = (0.70, 0.95)  # probable person: hair too
HEAD_RISE = 0.08  # hair reaches further above the face than the chin below it
CHEST_HALF_WIDTH = 0.45  # certain person, from CHEST_DROP down
CHEST_DROP = 1.1
SHOULDER_HALF_WIDTH = 1.2  # probable person, from SHOULDER_DROP down
SHOULDER_DROP = 0.85
CLEAR_ABOVE = 1.15  # certain background: above the hair
CLEAR_BESIDE = 1.05  # certain background: beside the head, down to the chin


class GrabCut:
    """The teacher `grabcut`. Its masks are hard: probability 0 or 1."""

    settings = ""
    batch_size = 1

    def __init__(self) -> None:
        self.name = f"grabcut@{_settings_digest()[:12]}"

    def predict(self, portraits: Sequence[Portrait]) -> list[Prediction]:
        """Predict masks; all 0 without a face, since nothing locates the person."""
        return [Prediction(self._prob(portrait.rgb, portrait.faces)) for portrait in portraits]

    def _prob(self, rgb: Pixels, faces: list[Face]) -> Prob:
        height, width = rgb.shape[:2]
        if not faces:
            return np.zeros((height, width), np.float32)
        scale = min(1.0, WORK_SIDE_PX / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
        seeds = _seeds(size, [_scaled(face, scale) for face in faces])
        person = _hanging_together(_cut(small, seeds), seeds == cv2.GC_FGD)
        return (cv2.resize(person, (width, height), interpolation=cv2.INTER_LINEAR) >= 0.5).astype(np.float32)


def cut_between(rgb: Pixels, *, surely_person: Mask, surely_not: Mask, probably: Mask) -> Pixels:
    """RGB (H, W, 3) and masks bool (H, W) -> 1 where person (H, W); `probably` counts between the sure ones."""
    seeds = np.where(probably, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[surely_person], seeds[surely_not] = cv2.GC_FGD, cv2.GC_BGD
    return _cut(rgb, seeds)


def _settings_digest() -> str:
    """Digest of every number above and OpenCV's version, which decide the masks."""
    settings = {name: value for name, value in globals().items() if name.isupper()}
    return sha256_hex(f"{cv2.__version__} {sorted(settings.items())}".encode())


def _cut(rgb: Pixels, seeds: Pixels) -> Pixels:
    """RGB (H, W, 3) and GrabCut labels (H, W) -> 1 where person (H, W)."""
    background = np.isin(seeds, (cv2.GC_BGD, cv2.GC_PR_BGD))
    if not MIN_SEED_PX <= np.count_nonzero(background) <= background.size - MIN_SEED_PX:
        return (~background).astype(np.uint8)  # a close-up, say: nothing to fit the other colours to
    cv2.setRNGSeed(SEED)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    labels, _, _ = cv2.grabCut(rgb, seeds, UNUSED_RECT, *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)


def _hanging_together(person: Pixels, certain: Mask) -> Prob:
    """Remove specks, threads, and islands without a certain pixel; 0 or 1 (H, W)."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (SPECK_PX, SPECK_PX))
    smooth = cv2.morphologyEx(cv2.morphologyEx(person, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
    _, islands = cv2.connectedComponents(smooth)
    kept = np.unique(islands[certain & (smooth == 1)])
    return np.isin(islands, kept[kept > 0]).astype(np.float32)


def _seeds(size: tuple[int, int], faces: list[Face]) -> Pixels:
    """GrabCut's labels (H, W) for an image of `size` (W, H): what each face certainly and probably implies."""
    width, height = size
    labels = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    highest = min(faces, key=lambda face: face.y)
    clear_y = int(highest.center[1] - CLEAR_ABOVE * highest.h)
    labels[: max(0, clear_y)] = cv2.GC_BGD
    beside = np.ones((height, width), bool)
    for face in faces:
        x, y = face.center
        beside[:, _span(x, CLEAR_BESIDE * face.h, width)] = False
        beside[max(0, int(y + 0.5 * face.h)) :] = False
    labels[beside] = cv2.GC_BGD
    for face in faces:  # first what is probable for all, then what is certain
        x, y = face.center
        _ellipse(labels, (x, y - HEAD_RISE * face.h), HEAD_RADII, face.h, cv2.GC_PR_FGD)
        labels[max(0, int(y + SHOULDER_DROP * face.h)) :, _span(x, SHOULDER_HALF_WIDTH * face.h, width)] = cv2.GC_PR_FGD
    for face in faces:
        x, y = face.center
        _ellipse(labels, (x, y), FACE_RADII, face.h, cv2.GC_FGD)
        labels[max(0, int(y + CHEST_DROP * face.h)) :, _span(x, CHEST_HALF_WIDTH * face.h, width)] = cv2.GC_FGD
    return labels


def _ellipse(
    labels: Pixels, center: tuple[float, float], radii: tuple[float, float], unit_px: float, label: int
) -> None:
    axes = (max(1, round(radii[0] * unit_px)), max(1, round(radii[1] * unit_px)))
    cv2.ellipse(labels, (round(center[0]), round(center[1])), axes, 0, 0, 360, label, thickness=-1)


def _span(x: float, half_width: float, width: int) -> slice:
    return slice(max(0, int(x - half_width)), min(width, max(1, int(x + half_width))))


def _scaled(face: Face, scale: float) -> Face:
    return Face(face.x * scale, face.y * scale, face.w * scale, face.h * scale, face.prob)
