"""Portraits that wait, of two sources and two teachers, with one near-duplicate pair."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from portrait_datasets import commit_pending

from manifests.files.blobs import BlobStore
from manifests.pixels.images import decode_image, encode_jpeg
from manifests.store.schema import SCHEMA

DOUBTS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, None)
SOURCES = ("web", "web", "studio", "web", "studio", "studio", "web", "web")
TEACHERS = ("net0@0123456789ab", "net1@0123456789ab")  # in turn


def commit_two_sources(root: Path, portraits: Path) -> None:
    """Eight real portraits as root/manifests/v2.parquet; the last one is the third again, a little darker."""
    store = commit_pending(root, portraits, DOUBTS)
    blobs = BlobStore(root / "data")

    def change(table: pa.Table | None, _version: int) -> pa.Table:
        assert table is not None
        rows = sorted(table.to_pylist(), key=lambda row: -(row["doubt"] or 0))
        darker = (decode_image(blobs.read(rows[2]["image"], rows[2]["image_sha256"])) * 0.9).astype(np.uint8)
        image = blobs.put(encode_jpeg(darker), ".jpg")
        same = {name: rows[2][name] for name in ("group_id", "split", "mask", "mask_sha256")}
        rows[7] |= {"image": image.path, "image_sha256": image.sha256} | same
        for number, (row, source) in enumerate(zip(rows, SOURCES, strict=True)):
            row |= {"source": source, "origin": "teacher", "teacher": TEACHERS[number % 2]}
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    store.update(change, operation="relabel", parameters={}, data_root=root / "data")
