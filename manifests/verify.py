"""Verify: does a version keep what it promises? Schema, digests of every blob, sizes, splits without leaks."""

from collections.abc import Iterator

from manifests.blobs import BlobError, BlobStore
from manifests.errors import UserError
from manifests.images import UnusableImage, decode_image
from manifests.masks import decode_mask
from manifests.progress import progress
from manifests.schema import ManifestInvalid, validate
from manifests.store import Manifest

_COLUMNS = ["sample_id", "image", "image_sha256", "mask", "mask_sha256", "width", "height"]


def verify(manifest: Manifest) -> list[str]:
    """Every problem of a version as one line each; empty when all is well. Reads every blob once."""
    try:
        validate(manifest.read())
    except ManifestInvalid as error:
        return error.violations
    rows = manifest.read(_COLUMNS).to_pylist()
    blobs = BlobStore(manifest.data_root)
    return [problem for row in progress(rows, "verifying") for problem in _problems_of(row, blobs)]


def _problems_of(row: dict[str, object], blobs: BlobStore) -> Iterator[str]:
    size = (row["height"], row["width"])
    for kind, decode in (("image", decode_image), ("mask", decode_mask)):
        try:
            found = decode(blobs.read(str(row[kind]), str(row[f"{kind}_sha256"]))).shape[:2]
        except BlobError as error:
            yield f"sample {row['sample_id']}: {error}"
        except (UnusableImage, UserError) as error:
            yield f"sample {row['sample_id']}, {kind}: {error}"
        else:
            if found != size:
                yield f"sample {row['sample_id']}, {kind}: expected {size} (H, W), found {found}"
