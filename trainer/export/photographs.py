"""A manifest's accepted images with their masks: some to compare exports on, others to calibrate 8 bits with."""

from dataclasses import dataclass
from pathlib import Path

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL, Mask
from manifests.progress import progress
from manifests.samples.pair import read_image, read_mask
from manifests.store.manifest import Manifest
from manifests.store.training_rows import require_rows

MOST_TO_CALIBRATE = 32


@dataclass(frozen=True, slots=True)
class Photographs:
    """Images RGB uint8 (H, W, 3) and masks bool (H, W); none is both compared and calibrated with."""

    manifest: str
    compared: list[tuple[Pixels, Mask]]
    calibrating: list[Pixels]


def read_photographs(path: Path, *, data_root: Path | None, count: int, calibrate: bool) -> Photographs:
    """The first `count` accepted rows in the order of their ids, which are random, and others to calibrate with.

    UserError when there are too few rows, or when an image is missing or altered.
    """
    manifest = Manifest.open(path, data_root=data_root)
    rows, blobs = require_rows(manifest, "all"), BlobStore(manifest.data_root)
    held_back = min(MOST_TO_CALIBRATE, len(rows) // 3) if calibrate else 0
    if calibrate and not held_back:
        raise UserError(f"expected 3 or more accepted rows in {path} to calibrate int8 with, found {len(rows)}")
    calibrating = rows[len(rows) - held_back :]
    compared = rows[: len(rows) - held_back][:count]
    return Photographs(
        f"v{manifest.version}",
        [
            (read_image(blobs, row), read_mask(blobs, row) >= PERSON_LEVEL)
            for row in progress(compared, "reading", total=len(compared))
        ],
        [read_image(blobs, row) for row in calibrating],
    )
