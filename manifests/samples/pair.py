"""A row's pixels: the image and the mask that it names."""

from collections.abc import Mapping
from typing import Any

from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import decode_image
from manifests.pixels.masks import decode_mask

PAIR_COLUMNS = ("image", "image_sha256", "mask", "mask_sha256")


def read_pair(blobs: BlobStore, row: Mapping[str, Any]) -> tuple[Pixels, Pixels]:
    """RGB uint8 (H, W, 3) and mask uint8 (H, W) of a row with PAIR_COLUMNS; BlobError, UnusableImage as its readers."""
    return read_image(blobs, row), read_mask(blobs, row)


def read_image(blobs: BlobStore, row: Mapping[str, Any]) -> Pixels:
    """RGB uint8 (H, W, 3)."""
    return decode_image(blobs.read(row["image"], row["image_sha256"]))


def read_mask(blobs: BlobStore, row: Mapping[str, Any]) -> Pixels:
    """Person probability uint8 (H, W), 0..255."""
    return decode_mask(blobs.read(row["mask"], row["mask_sha256"]))
