"""Synthetic samples for the benchmark, and SINet's authors' loading and augmentation, one by one."""

import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageEnhance

from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import encode_jpeg
from manifests.pixels.masks import encode_mask
from manifests.store.training_rows import AcceptedRow
from trainer.fit.options import SIZE_PX

SAMPLES = 96
WIDTH, HEIGHT = 480, 640  # a phone's portrait, reduced


@dataclass(frozen=True, slots=True)
class Data:
    """Synthetic samples in the blob store at `root`."""

    root: Path
    rows: list[AcceptedRow]

    def load_as_authors(self, row: AcceptedRow, seed: int) -> tuple[Pixels, Pixels]:
        """RGB (S, S, 3) and mask (S, S), decoded with OpenCV and augmented, for S = SIZE_PX."""
        rgb = cv2.imdecode(np.frombuffer((self.root / row.image).read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
        mask = cv2.imdecode(np.frombuffer((self.root / row.mask).read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
        rng = random.Random(seed)  # noqa: S311 - it augments, no secret
        return authors_augmentation(np.asarray(rgb, np.uint8), np.asarray(mask, np.uint8), rng)


def made_up_data(root: Path) -> Data:
    """Write SAMPLES synthetic samples into the blob store at `root`."""
    blobs = BlobStore(root)
    return Data(root, [_made_up_sample(blobs, seed) for seed in range(SAMPLES)])


def authors_augmentation(rgb: Pixels, mask: Pixels, rng: random.Random) -> tuple[Pixels, Pixels]:
    """RGB (H, W, 3), mask (H, W) -> both at SIZE_PX: PortraitNet's augmentation of an image, by OpenCV and Pillow."""
    height, width = mask.shape
    scale = rng.uniform(0.5, 1.5) * (SIZE_PX / (width - 1) + SIZE_PX / (height - 1)) / 2
    pivot = width / 2 + rng.uniform(-56, 56), height / 2 + rng.uniform(-56, 56)
    affine = cv2.getRotationMatrix2D(pivot, rng.uniform(-45, 45), scale)
    affine[:, 2] += SIZE_PX / 2 - width / 2, SIZE_PX / 2 - height / 2
    size = SIZE_PX, SIZE_PX
    rgb = np.asarray(cv2.warpAffine(rgb, affine, size, borderValue=(128, 128, 128)), np.uint8)
    mask = np.asarray(cv2.warpAffine(mask, affine, size, flags=cv2.INTER_NEAREST), np.uint8)
    if rng.random() < 0.5:
        rgb, mask = rgb[:, ::-1], mask[:, ::-1]
    if rng.random() < 0.5:
        pil_image = Image.fromarray(np.ascontiguousarray(rgb))
        for enhancer, low, high in (
            (ImageEnhance.Color, 4, 16),
            (ImageEnhance.Brightness, 4, 16),
            (ImageEnhance.Contrast, 6, 14),
            (ImageEnhance.Sharpness, 8, 12),
        ):
            pil_image = enhancer(pil_image).enhance(rng.randint(low, high) / 10)
        rgb = np.asarray(pil_image)
    if rng.random() < 0.5:
        kind, side_px = rng.random(), rng.choice((3, 5))
        if kind < 0.3:
            rgb = np.asarray(cv2.GaussianBlur(rgb, (side_px, side_px), 0), np.uint8)
        elif kind < 0.6:
            rgb = np.asarray(cv2.medianBlur(np.ascontiguousarray(rgb), side_px), np.uint8)
        else:
            rgb = np.asarray(cv2.blur(rgb, (side_px, side_px)), np.uint8)
    if rng.random() < 0.5:
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(0, 10), rgb.shape)
        rgb = np.clip(rgb + noise, 0, 255).astype(np.uint8)
    return rgb, mask


def _made_up_sample(blobs: BlobStore, seed: int) -> AcceptedRow:
    """A bright disc on coloured clouds, as a JPEG and a mask."""
    rng = np.random.default_rng(seed)
    clouds = cv2.resize(rng.integers(0, 256, (12, 9, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(mask, (WIDTH // 2, HEIGHT * 2 // 3), int(rng.integers(100, 240)), 255, -1)
    rgb = np.where(mask[..., None] > 0, 255 - clouds // 3, clouds).astype(np.uint8)
    image, mask_blob = blobs.put(encode_jpeg(rgb), ".jpg"), blobs.put(encode_mask(mask), ".png")
    return AcceptedRow(image.path, image.sha256, mask_blob.path, mask_blob.sha256)
