"""The columns of a manifest (schema version 1) and `validate`, which lists every violation at once.

One row is one sample: an ROI of a source image with one candidate mask. The meaning of each column is in
docs/manifest.md; a column's meaning never changes, new needs add columns and raise SCHEMA_VERSION.
"""

from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError

SCHEMA_VERSION = 1

Origin = Literal["ground_truth", "face_crop", "teacher"]
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
        _required("added_in", pa.int32()),
    ]
)

_HEX_DIGITS = {
    "sample_id": 32,
    "source_sha256": 64,
    "image_sha256": 64,
    "mask_sha256": 64,
    "phash": 16,
    "group_id": 32,
}
_WORDS = {"origin": get_args(Origin), "split": get_args(Split), "status": get_args(Status)}
_UNIT_INTERVAL = ("face_prob", "confidence", "boundary_uncertainty", "person_fraction", "doubt")
_POSITIVE = ("width", "height", "roi_w", "roi_h", "added_in")
_NOT_NEGATIVE = ("roi_x", "roi_y", "votes_accept", "votes_reject", "decision_ms")
_ROWS_NAMED = 3  # of each violation; the count says how many there are


class ManifestInvalid(UserError):
    """A table is no manifest; `violations` holds one line per broken rule."""

    def __init__(self, violations: list[str]) -> None:
        super().__init__(
            f"expected a manifest of schema version {SCHEMA_VERSION}, found "
            f"{len(violations)} violation(s): " + "; ".join(violations)
        )
        self.violations = violations


def validate(table: pa.Table) -> None:
    """Raise ManifestInvalid with every broken rule of `table`: columns, types, nulls, values, rows."""
    violations = _column_violations(table)
    if not violations:
        violations = [*_value_violations(table), *_row_violations(table)]
    if violations:
        raise ManifestInvalid(violations)


def _column_violations(table: pa.Table) -> list[str]:
    found = {field.name: field.type for field in table.schema}
    return [
        *(f"column {field.name} is missing" for field in SCHEMA if field.name not in found),
        *(f"column {name} is unknown" for name in found if name not in SCHEMA.names),
        *(
            f"column {field.name}: expected type {field.type}, found {found[field.name]}"
            for field in SCHEMA
            if field.name in found and found[field.name] != field.type
        ),
    ]


def _value_violations(table: pa.Table) -> list[str]:
    rules = [
        *((field.name, "is null", pc.is_null(table[field.name])) for field in SCHEMA if not field.nullable),
        *(
            (
                name,
                f"is not {digits} hex digits",
                _not(pc.match_substring_regex(table[name], rf"^[0-9a-f]{{{digits}}}$")),
            )
            for name, digits in _HEX_DIGITS.items()
        ),
        *(
            (name, f"is none of {', '.join(words)}", _not(pc.is_in(table[name], pa.array(words))))
            for name, words in _WORDS.items()
        ),
        *((name, "is outside 0..1", _outside(table[name], 0.0, 1.0)) for name in _UNIT_INTERVAL),
        *((name, "is not above 0", pc.less_equal(table[name], 0)) for name in _POSITIVE),
        *((name, "is below 0", pc.less(table[name], 0)) for name in _NOT_NEGATIVE),
    ]
    return [line for name, what, broken in rules for line in _report(table, f"column {name} {what}", broken)]


def _row_violations(table: pa.Table) -> list[str]:
    trusted = pc.equal(table["origin"], "ground_truth")
    rules = [
        ("sample_id occurs twice", _repeated(table["sample_id"])),
        ("a ground_truth row is not accepted", pc.and_(trusted, pc.not_equal(table["status"], "accepted"))),
        (
            "origin teacher and a named teacher don't go together",
            pc.xor(pc.equal(table["origin"], "teacher"), pc.is_valid(table["teacher"])),
        ),
        ("the sample's size is not its ROI's", pc.or_(
            pc.not_equal(table["width"], table["roi_w"]), pc.not_equal(table["height"], table["roi_h"])
        )),
    ]  # fmt: skip
    leaks = _groups_across_splits(table)
    return [
        *(line for what, broken in rules for line in _report(table, what, broken)),
        *([f"near-duplicate groups lie in several splits: {', '.join(leaks[:_ROWS_NAMED])}"] if leaks else []),
    ]


def _report(table: pa.Table, what: str, broken: pa.ChunkedArray) -> list[str]:
    rows = pc.indices_nonzero(pc.fill_null(broken, False))
    if len(rows) == 0:
        return []
    named = ", ".join(f"row {i} ({table['sample_id'][i].as_py()})" for i in rows[:_ROWS_NAMED].to_pylist())
    return [f"{what} in {len(rows)} row(s): {named}"]


def _not(mask: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.invert(pc.fill_null(mask, True))  # nulls are another rule's matter


def _outside(values: pa.ChunkedArray, low: float, high: float) -> pa.ChunkedArray:
    inside = pc.and_(pc.greater_equal(values, low), pc.less_equal(values, high))  # false for NaN as well
    return _not(inside)


def _repeated(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    counts = pc.value_counts(ids.combine_chunks())
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    return pc.is_in(ids, value_set=twice)


def _groups_across_splits(table: pa.Table) -> list[str]:
    splits = table.group_by("group_id").aggregate([("split", "count_distinct")])
    return splits.filter(pc.greater(splits["split_count_distinct"], 1))["group_id"].to_pylist()
