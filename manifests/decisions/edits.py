"""Masks that replace a row's mask by an accept: repaired ones, and the second one of two (the rival).

An undo brings the mask before it back. The row of a repaired mask has the origin `edited`; `edited_from` names the mask
that the repair began with, and `teacher` the one that made that mask. Where the rival takes the mask's place,
`chosen_by` names the reviewer, and the rival's columns then hold the mask before.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pyarrow.compute as pc

from manifests.decisions.decision import Decision
from manifests.errors import UserError
from manifests.files.blobs import BlobStore, blob_path
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import MASK_COLUMNS, RIVAL_COLUMNS

# The columns of a row that such an accept changes.
EDIT_COLUMNS = (*MASK_COLUMNS, "origin", "edited_from", "edited_by", *RIVAL_COLUMNS)

Row = Mapping[str, Any]


def replaced_columns(edit: Decision, row: Row, base: Manifest) -> dict[str, Any]:
    """EDIT_COLUMNS of `row`, whose mask `edit` judges, with the accepted mask; BlobError when it is missing or altered.

    Columns that need a teacher (disagreement, face_fraction, doubt) are null, but for a rival's doubt. UserError when
    no version pairs the two masks.
    """
    from manifests.pixels.masks import decode_mask  # here: it loads OpenCV, which the review page starts without
    from manifests.samples.sample import score_mask

    blobs, path = BlobStore(base.data_root), blob_path(edit.accepted_mask_sha256, ".png")
    mask = decode_mask(blobs.read(path, edit.accepted_mask_sha256))
    pair = _with_rival_in_place(edit, row, base) if edit.takes_rival else {**row, "chosen_by": None}
    replaced = {name: pair[name] for name in ("teacher", *RIVAL_COLUMNS)}
    if edit.edited_mask_sha256:
        replaced |= {"origin": "edited", "edited_from": pair["mask_sha256"], "edited_by": edit.reviewer}
    else:
        replaced |= {"origin": "teacher", "doubt": pair["doubt"]}
    if replaced["rival_mask_sha256"] == edit.accepted_mask_sha256:  # a repair that ends at the other mask
        replaced |= dict.fromkeys(RIVAL_COLUMNS)
    scores = {"mask": path, "mask_sha256": edit.accepted_mask_sha256, **asdict(score_mask(mask))}
    return {**dict.fromkeys(EDIT_COLUMNS), **scores, **replaced}


def mask_before(row: Row) -> str | None:
    """The mask that the row's mask replaced by an accept; None for a mask that replaced none."""
    before: str | None = row["rival_mask_sha256"] if row["chosen_by"] else row["edited_from"]
    return before


def row_before(base: Manifest, row: Row, mask_sha256: str, *, rival_mask_sha256: str | None = None) -> dict[str, Any]:
    """The row of the latest version in which the sample had that mask, with that rival if given.

    UserError when that version is gone.
    """
    store = ManifestStore(base.path.parent)
    for version in reversed([number for number in store.versions() if number < base.version]):
        rows = store.open(version).read(only={"sample_id": row["sample_id"]})
        rows = rows.filter(pc.equal(rows["mask_sha256"], mask_sha256))
        if rival_mask_sha256:
            rows = rows.filter(pc.equal(rows["rival_mask_sha256"], rival_mask_sha256))
        if rows.num_rows:
            before: dict[str, Any] = rows.to_pylist()[0]
            return before
    rival = f" and rival {rival_mask_sha256[:12]}" if rival_mask_sha256 else ""
    raise UserError(
        f"expected a version with mask {mask_sha256[:12]}{rival} of sample {row['sample_id']}, on which the log has a "
        f"verdict, found none in {store.root}; restore the missing version files"
    )


def _with_rival_in_place(edit: Decision, row: Row, base: Manifest) -> dict[str, Any]:
    """The row with its two masks exchanged; a relabelling or merge since may have taken the rival from the row."""
    rival, pair = edit.rival_mask_sha256, row
    if row["rival_mask_sha256"] != rival:
        pair = row_before(base, row, edit.mask_sha256, rival_mask_sha256=rival)
    return {
        "mask_sha256": rival,
        "teacher": pair["rival_teacher"],
        "doubt": pair["rival_doubt"],
        "rival_mask_sha256": edit.mask_sha256,
        "rival_teacher": pair["teacher"],
        "rival_iou": pair["rival_iou"],
        "rival_doubt": pair["doubt"],
        "chosen_by": edit.reviewer,
    }
