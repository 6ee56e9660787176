"""Made rows, and a commit of them."""

from typing import Any

import pyarrow as pa

from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA


def rows(count: int, **changes: Any) -> pa.Table:
    """A sound table of `count` pseudo-labelled rows."""
    return pa.Table.from_pylist([_row(number) | changes for number in range(count)], schema=SCHEMA)


def _row(number: int) -> dict[str, Any]:
    digest = f"{number:064x}"
    blobs = {"image": f"blobs/00/{digest}.jpg", "image_sha256": digest, "mask": f"blobs/00/{digest}.png"}
    source = {"source": "studio", "source_uri": f"/photos/{number}.jpg", "source_sha256": digest}
    size = {"width": 40, "height": 50, "roi_x": 0, "roi_y": 0, "roi_w": 40, "roi_h": 50}
    labels = {"mask_sha256": digest, "origin": "teacher", "teacher": "toy@0123456789ab", "status": "pending"}
    groups = {"sample_id": digest[32:], "phash": digest[48:], "group_id": digest[32:], "split": "train"}
    return (
        source | blobs | size | labels | groups | {"reviewers": [], "votes_accept": 0, "votes_reject": 0, "added_in": 1}
    )


def commit(versions: ManifestStore, table: pa.Table, parent: int | None, **parameters: Any) -> Manifest:
    return versions.commit(
        table, parent=parent, operation="generate", parameters=parameters, data_root=versions.root.parent / "data"
    )
