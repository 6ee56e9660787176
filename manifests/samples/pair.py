"""A row's pixels: its image and its mask."""

from collections.abc import Mapping
from typing import Any

from manifests.files.blobs import BlobError, BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import decode_image
from manifests.pixels.masks import decode_mask
from manifests.store.training_rows import AcceptedRow

PAIR_COLUMNS = ("image", "image_sha256", "mask", "mask_sha256")


PairRow = Mapping[str, Any] | AcceptedRow


def read_pair(blobs: BlobStore, row: PairRow) -> tuple[Pixels, Pixels]:
    """RGB uint8 (H, W, 3) and person probability uint8 (H, W) of a row.

    BlobError or UnusableImage when one is bad, BlobError when they differ in size.
    """
    mask = read_mask(blobs, row)  # first: the smaller file, and more often bad
    rgb = read_image(blobs, row)
    if rgb.shape[:2] != mask.shape:
        raise BlobError(
            f"expected a mask of the size of {_column(row, 'image')}, {rgb.shape[1]}x{rgb.shape[0]} px, found "
            f"{mask.shape[1]}x{mask.shape[0]} px in {_column(row, 'mask')}; import the pair again"
        )
    return rgb, mask


def read_image(blobs: BlobStore, row: PairRow) -> Pixels:
    """RGB uint8 (H, W, 3)."""
    return decode_image(_read(blobs, row, "image"))


def read_mask(blobs: BlobStore, row: PairRow) -> Pixels:
    """Person probability uint8 (H, W), 0..255."""
    return decode_mask(_read(blobs, row, "mask"))


def _read(blobs: BlobStore, row: PairRow, column: str) -> bytes:
    return blobs.read(_column(row, column), _column(row, f"{column}_sha256"))


def _column(row: PairRow, name: str) -> str:
    value: str = row[name] if isinstance(row, Mapping) else getattr(row, name)
    return value
