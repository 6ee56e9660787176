"""Repaired masks: an accept that carries one puts it in its row's mask's place; an undo brings the mask before it back.

The row of a repaired mask has the origin `edited`; `edited_from` names the mask it came from, and `teacher` still names
the one that made that mask.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pyarrow.compute as pc

from manifests.decisions.decision import Decision
from manifests.errors import UserError
from manifests.files.blobs import BlobStore, blob_path
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import MASK_COLUMNS

EDIT_COLUMNS = (*MASK_COLUMNS, "origin", "edited_from", "edited_by")  # what a repair changes of a row

Row = Mapping[str, Any]


def repaired_columns(edit: Decision, teacher: str | None, blobs: BlobStore) -> dict[str, Any]:
    """EDIT_COLUMNS of the row that `edit` repairs; BlobError when the repaired mask is missing or altered.

    What only a teacher can tell of a mask (disagreement, face_fraction, doubt) is null.
    """
    from manifests.pixels.masks import decode_mask  # here: it loads OpenCV, which the review page starts without
    from manifests.samples.sample import score_mask

    assert edit.edited_mask_sha256 is not None, "an edit names its mask"
    path = blob_path(edit.edited_mask_sha256, ".png")
    mask = decode_mask(blobs.read(path, edit.edited_mask_sha256))
    return {
        **dict.fromkeys(EDIT_COLUMNS),
        **asdict(score_mask(mask)),
        "mask": path,
        "mask_sha256": edit.edited_mask_sha256,
        "teacher": teacher,
        "origin": "edited",
        "edited_from": edit.mask_sha256,
        "edited_by": edit.reviewer,
    }


def row_before_edit(base: Manifest, row: Row) -> dict[str, Any]:
    """The row of the latest version in which the sample had the mask that `row`'s was edited from.

    UserError when that version is gone.
    """
    store = ManifestStore(base.path.parent)
    for version in reversed([number for number in store.versions() if number < base.version]):
        rows = store.open(version).read(only={"sample_id": row["sample_id"]})
        rows = rows.filter(pc.equal(rows["mask_sha256"], row["edited_from"]))
        if rows.num_rows:
            before: dict[str, Any] = rows.to_pylist()[0]
            return before
    raise UserError(
        f"expected a version with mask {row['edited_from'][:12]} of sample {row['sample_id']}, whose repair was "
        f"undone, found none in {store.root}; restore the missing version files"
    )
