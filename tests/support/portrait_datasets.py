"""Datasets of real portraits: trusted ones, and ones that wait for review."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from joined_rows import join_dataset
from paired_import import import_ground_truth

from manifests.files.blobs import BlobStore, sha256_hex
from manifests.pixels.geometry import Box
from manifests.pixels.images import decode_image
from manifests.pixels.mask_values import read_mask_values
from manifests.samples.sample import Row, Source, store_sample
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA


def import_portraits(root: Path, portraits: Path, limit: int) -> Manifest:
    """The first `limit` portraits as ground truth in root/manifests; blobs in root/data."""
    return import_ground_truth(
        ManifestStore(root / "manifests"),
        images=portraits / "images",
        masks=portraits / "masks",
        source="portraits",
        data_root=root / "data",
        limit=limit,
    ).manifest


def commit_pending(root: Path, portraits: Path, doubts: Sequence[float | None], *, first: int = 0) -> ManifestStore:
    """Real portraits, one per doubt, committed to root/manifests as pending samples; blobs in root/data."""
    images = sorted(portraits.glob("images/train_*.jpg"))[first : first + len(doubts)]
    rows = [_row(BlobStore(root / "data"), path, doubt) for path, doubt in zip(images, doubts, strict=True)]
    store = ManifestStore(root / "manifests")
    store.update(
        lambda table, version: join_dataset(rows, table, version=version),
        operation="generate",
        parameters={},
        data_root=root / "data",
    )
    return store


def relabel(store: ManifestStore, sample_id: str, *, mask_of: str) -> None:
    """Commit a version in which the sample has the mask of another one."""

    def change(table: pa.Table | None, _version: int) -> pa.Table:
        rows = {row["sample_id"]: row for row in table.to_pylist()}
        rows[sample_id] |= {name: rows[mask_of][name] for name in ("mask", "mask_sha256")}
        return pa.Table.from_pylist(list(rows.values()), schema=SCHEMA)

    store.update(change, operation="relabel", parameters={}, data_root=store.data_root())


def _row(blobs: BlobStore, image: Path, doubt: float | None) -> Row:
    data = image.read_bytes()
    rgb = decode_image(data)
    return store_sample(
        blobs,
        rgb,
        read_mask_values(image.parents[1] / f"masks/{image.stem}.png"),
        source=Source("portraits", image.name, sha256_hex(data)),
        roi=Box.whole(rgb),
        origin="face_crop",
        others={"doubt": doubt},
    )
