"""Image and mask pairs on disk, and what an import says when it refuses them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paired_import import import_ground_truth
from PIL import Image

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.imports.ground_truth import Imported
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import decode_mask
from manifests.store.manifest import ManifestStore


def picture(seed: int, width: int = 48, height: int = 64) -> Image.Image:
    """A blotchy picture; different seeds look different."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def person(width: int = 48, height: int = 64) -> Pixels:
    """True in the lower left: different after every turn."""
    inside = np.zeros((height, width), bool)
    inside[20:, :30] = True
    return inside


class Folder:
    """Pairs on disk, in `images` and `masks`, and the store they go into."""

    def __init__(self, root: Path) -> None:
        self.images, self.masks = root / "images", root / "masks"
        self.store, self.data_root = ManifestStore(root / "manifests"), root / "data"
        self.images.mkdir(parents=True)
        self.masks.mkdir()

    def add(self, name: str, seed: int, *, values: tuple[int, int] = (0, 255)) -> None:
        picture(seed).save(self.images / f"{name}.jpg", quality=95)
        background, foreground = values
        Image.fromarray(np.where(person(), foreground, background).astype(np.uint8)).save(self.masks / f"{name}.png")

    def take(self, **changes: Any) -> Imported:
        options: dict[str, Any] = {"images": self.images, "masks": self.masks, "source": "studio"} | changes
        return import_ground_truth(self.store, data_root=self.data_root, **options)

    def stored_masks(self) -> list[Pixels]:
        blobs = BlobStore(self.data_root)
        return [decode_mask(blobs.read(r["mask"], r["mask_sha256"])) for r in self.store.open().read().to_pylist()]


def refusal(take: Callable[..., object], **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        take(**options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
