"""Rows of made pictures, committed, for what exports and imports them again."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from manifests.files.blobs import BlobStore, sha256_hex
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.masks import PERSON_LEVEL, decode_mask
from manifests.samples.sample import Row, Source, store_sample
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA

WIDTH, HEIGHT = 48, 64


PHOTOGRAPHER = 'Ada "A", Lovelace | Söhne'


def picture(seed: int) -> Pixels:
    """RGB (HEIGHT, WIDTH, 3), blotchy; different seeds look different."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def asymmetric(seed: int = 0) -> Pixels:
    """0 and 255; no flip or turn of it looks the same, and a hole makes more than one run a column."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20 + seed :, :30] = 255
    mask[30:34, 5:17] = 0
    mask[3, 40:47] = 255
    return mask


def soft_mask() -> Pixels:
    """Every probability from 0 to 255, so that it is read as grey levels."""
    mask = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    mask[:10] = 0
    mask[20, :] = np.arange(127 - WIDTH // 2, 127 + WIDTH // 2)
    return mask


def full_from_the_first_pixel() -> Pixels:
    mask = asymmetric()
    mask[:5, :5] = 255
    return mask


REPAIRED = "e.jpg"  # the source_uri of a row whose mask a reviewer repaired

# split, status, mask, licence, attribution, source_uri
ROWS: list[tuple[str, str, Pixels, str | None, str | None, str]] = [
    ("train", "accepted", asymmetric(), "CC BY 4.0", PHOTOGRAPHER, "https://example.org/a.jpg"),
    ("train", "accepted", soft_mask(), None, None, "/home/somebody/secret/b.jpg"),
    ("train", "accepted", np.zeros((HEIGHT, WIDTH), np.uint8), "CC0", None, "c.jpg"),
    ("val", "accepted", full_from_the_first_pixel(), "CC BY 4.0", PHOTOGRAPHER, "d.jpg"),
    ("test", "accepted", asymmetric(7), "CC BY 4.0", None, REPAIRED),
    ("train", "pending", asymmetric(9), None, None, "f.jpg"),
    ("val", "rejected", asymmetric(11), None, None, "g.jpg"),
]


def commit_rows(root: Path, rows: list[tuple[str, str, Pixels, str | None, str | None, str]] = ROWS) -> Manifest:
    """A version in root/manifests with these rows; blobs in root/data."""
    blobs = BlobStore(root / "data")
    table = []
    for seed, (split, status, mask, license_, attribution, uri) in enumerate(rows):
        row = store_sample(
            blobs,
            picture(seed),
            mask,
            source=Source("studio", uri, sha256_hex(str(seed).encode()), license_, attribution),
            roi=Box(0, 0, WIDTH, HEIGHT),
            origin="face_crop",
        )
        if uri == REPAIRED:
            row |= {"origin": "edited", "edited_from": "ab" * 32, "edited_by": "ann"}
        table.append({**row, "group_id": row["sample_id"], "split": split, "status": status, "added_in": 1})
    return ManifestStore(root / "manifests").commit(
        pa.Table.from_pylist(table, schema=SCHEMA),
        parent=None,
        operation="import",
        parameters={},
        data_root=root / "data",
    )


def accepted(manifest: Manifest) -> dict[str, Row]:
    return {row["sample_id"]: row for row in manifest.read().to_pylist() if row["status"] == "accepted"}


def stored_mask(manifest: Manifest, row: Row) -> Pixels:
    return decode_mask(BlobStore(manifest.data_root).read(row["mask"], row["mask_sha256"]))


def binary_mask(manifest: Manifest, row: Row) -> Pixels:
    """What a target that knows person or not gets."""
    return np.where(stored_mask(manifest, row) >= PERSON_LEVEL, 255, 0).astype(np.uint8)


def files(root: Path) -> dict[str, bytes]:
    if root.is_file():
        return {"": root.read_bytes()}
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
