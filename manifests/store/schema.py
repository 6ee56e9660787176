"""The columns of a manifest, schema version 5.

One row is one sample: an ROI of a source image with one candidate mask. docs/dataset.md defines each column; a
column's meaning never changes, new columns raise SCHEMA_VERSION. validation.py checks tables against them.
"""

from collections.abc import Sequence
from typing import Literal

import pyarrow as pa

# 2 added disagreement, face_fraction, components, holes and border_fraction; 3 edited_from and edited_by; 4 decided_by;
# 5 rival_mask_sha256, rival_teacher, rival_iou, rival_doubt and chosen_by
SCHEMA_VERSION = 5

Origin = Literal["ground_truth", "face_crop", "teacher", "edited"]
Split = Literal["train", "val", "test"]
Status = Literal["pending", "accepted", "rejected", "conflict"]


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


SCHEMA = pa.schema(
    [
        _required("sample_id", pa.string()),
        _required("source", pa.string()),
        _required("source_uri", pa.string()),
        _required("source_sha256", pa.string()),
        pa.field("license", pa.string()),
        pa.field("attribution", pa.string()),
        _required("image", pa.string()),
        _required("image_sha256", pa.string()),
        _required("width", pa.int32()),
        _required("height", pa.int32()),
        _required("mask", pa.string()),
        _required("mask_sha256", pa.string()),
        _required("roi_x", pa.int32()),
        _required("roi_y", pa.int32()),
        _required("roi_w", pa.int32()),
        _required("roi_h", pa.int32()),
        pa.field("face_x", pa.float32()),
        pa.field("face_y", pa.float32()),
        pa.field("face_w", pa.float32()),
        pa.field("face_h", pa.float32()),
        pa.field("face_prob", pa.float32()),
        _required("origin", pa.string()),
        pa.field("teacher", pa.string()),
        pa.field("confidence", pa.float32()),
        pa.field("boundary_uncertainty", pa.float32()),
        pa.field("person_fraction", pa.float32()),
        pa.field("disagreement", pa.float32()),
        pa.field("face_fraction", pa.float32()),
        pa.field("components", pa.int32()),
        pa.field("holes", pa.int32()),
        pa.field("border_fraction", pa.float32()),
        pa.field("doubt", pa.float32()),
        _required("phash", pa.string()),
        _required("group_id", pa.string()),
        _required("split", pa.string()),
        _required("status", pa.string()),
        pa.field("reason", pa.string()),
        _required("reviewers", pa.list_(pa.string())),
        _required("votes_accept", pa.int32()),
        _required("votes_reject", pa.int32()),
        pa.field("decided_at", pa.timestamp("us", tz="UTC")),
        pa.field("decision_ms", pa.int32()),
        pa.field("edited_from", pa.string()),
        pa.field("edited_by", pa.string()),
        pa.field("decided_by", pa.string()),
        pa.field("rival_mask_sha256", pa.string()),
        pa.field("rival_teacher", pa.string()),
        pa.field("rival_iou", pa.float32()),
        pa.field("rival_doubt", pa.float32()),
        pa.field("chosen_by", pa.string()),
        _required("added_in", pa.int32()),
    ]
)

# The mask, and what is computed from it: the columns that another mask of the same sample changes.
MASK_COLUMNS = (
    "mask", "mask_sha256", "teacher", "confidence", "boundary_uncertainty", "person_fraction", "disagreement",
    "face_fraction", "components", "holes", "border_fraction", "doubt",
)  # fmt: skip
# The sample's other mask, by another teacher, and who put it in the mask's place.
RIVAL_COLUMNS = ("rival_mask_sha256", "rival_teacher", "rival_iou", "rival_doubt", "chosen_by")

PART_ROWS = 131_072  # rows of a manifest that are in memory together: 90 MB


def with_later_columns(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Select columns of a table of this schema version or an older one; columns that it lacks are null."""
    for name in set(columns) - set(table.column_names):
        table = table.append_column(SCHEMA.field(name), pa.nulls(table.num_rows, SCHEMA.field(name).type))
    return table.select(list(columns))
