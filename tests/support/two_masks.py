"""Second masks for samples of a dataset: the first one, moved."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL, encode_mask
from manifests.pixels.metrics import mask_iou
from manifests.samples.pair import read_mask
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA

RIVAL_TEACHER = "other@ba9876543210"


def moved(mask: Pixels, px: int) -> Pixels:
    """A mask uint8 (H, W), moved to the right."""
    return np.roll(mask, px, axis=1)


def add_rivals(root: Path, moved_px: list[int]) -> Manifest:
    """Commit a second mask for the first rows of the dataset in `root`, each moved by so many pixels; 0: none."""
    store, blobs = ManifestStore(root / "manifests"), BlobStore(root / "data")

    def change(table: pa.Table | None, _version: int) -> pa.Table:
        assert table is not None
        rows = table.to_pylist()
        for row, px in zip(rows, moved_px, strict=False):
            if px:
                mask = read_mask(blobs, row)
                rival = moved(mask, px)
                row["rival_mask_sha256"] = blobs.put(encode_mask(rival), ".png").sha256
                row["rival_iou"] = mask_iou(mask >= PERSON_LEVEL, rival >= PERSON_LEVEL)
                row |= {"rival_teacher": RIVAL_TEACHER, "rival_doubt": 0.5}
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    manifest = store.update(change, operation="relabel", parameters={}, data_root=root / "data")
    assert manifest is not None
    return manifest
