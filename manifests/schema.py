"""The columns of a manifest (schema version 2) and `validate`, which lists every violation at once.

One row is one sample: an ROI of a source image with one candidate mask. The meaning of each column is in
docs/dataset.md; a column's meaning never changes, new needs add columns and raise SCHEMA_VERSION.
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError

SCHEMA_VERSION = 2  # 2 brought disagreement, face_fraction, components, holes and border_fraction

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
_UNIT_INTERVAL = (
    "face_prob", "confidence", "boundary_uncertainty", "person_fraction", "disagreement", "face_fraction",
    "border_fraction", "doubt",
)  # fmt: skip
_POSITIVE = ("width", "height", "roi_w", "roi_h", "added_in")
_NOT_NEGATIVE = ("roi_x", "roi_y", "votes_accept", "votes_reject", "decision_ms", "components", "holes")
_Rule = Callable[..., pa.ChunkedArray]  # columns -> which rows break the rule
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
    found = table.schema.names
    sound = [f.name for f in SCHEMA if found.count(f.name) == 1 and table.schema.field(f.name).type == f.type]
    table = table.select(sound)  # a broken column doesn't hide what is wrong in the others
    violations += [*_value_violations(table), *_row_violations(table)]
    if violations:
        raise ManifestInvalid(violations)


def with_later_columns(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """`table`, of this schema version or an older one, with those columns in that order: new ones hold nulls."""
    for name in set(columns) - set(table.column_names):
        table = table.append_column(SCHEMA.field(name), pa.nulls(table.num_rows, SCHEMA.field(name).type))
    return table.select(list(columns))


def _column_violations(table: pa.Table) -> list[str]:
    names = table.schema.names
    found = {field.name: field.type for field in table.schema}
    return [
        *(f"column {field.name} is missing" for field in SCHEMA if field.name not in found),
        *(f"column {name} is unknown" for name in found if name not in SCHEMA.names),
        *(f"column {name} occurs {names.count(name)} times" for name in found if names.count(name) > 1),
        *(
            f"column {field.name}: expected type {field.type}, found {found[field.name]}"
            for field in SCHEMA
            if field.name in found and found[field.name] != field.type
        ),
    ]


def _value_violations(table: pa.Table) -> list[str]:
    rules: list[tuple[str, str, _Rule]] = [
        *((field.name, "is null", pc.is_null) for field in SCHEMA if not field.nullable),
        *((name, f"is not {digits} hex digits", _not_hex(digits)) for name, digits in _HEX_DIGITS.items()),
        *((name, f"is none of {', '.join(words)}", _none_of(words)) for name, words in _WORDS.items()),
        *((name, "is outside 0..1", _outside_unit_interval) for name in _UNIT_INTERVAL),
        *((name, "is not above 0", lambda values: pc.less_equal(values, 0)) for name in _POSITIVE),
        *((name, "is below 0", lambda values: pc.less(values, 0)) for name in _NOT_NEGATIVE),
    ]
    return [
        line
        for name, what, broken in rules
        if name in table.column_names
        for line in _report(table, f"column {name} {what}", broken(table[name]))
    ]


def _row_violations(table: pa.Table) -> list[str]:
    rules: list[tuple[tuple[str, ...], str, _Rule]] = [
        (("sample_id",), "sample_id occurs twice", _repeated),
        (("origin", "status"), "a ground_truth row is not accepted", _trusted_but_not_accepted),
        (("origin", "teacher"), "origin teacher and a named teacher don't go together", _teacher_mismatch),
        (("width", "height", "roi_w", "roi_h"), "the sample's size is not its ROI's", _not_of_roi_size),
    ]
    lines = [
        line
        for names, what, broken in rules
        if set(names) <= set(table.column_names)
        for line in _report(table, what, broken(*(table[name] for name in names)))
    ]
    if {"group_id", "split"} <= set(table.column_names) and (leaks := _groups_across_splits(table)):
        lines.append(f"near-duplicate groups lie in several splits: {', '.join(leaks[:_ROWS_NAMED])}")
    return lines


def _report(table: pa.Table, what: str, broken: pa.ChunkedArray) -> list[str]:
    rows = pc.indices_nonzero(pc.fill_null(broken, False)).to_pylist()
    if not rows:
        return []
    ids = table["sample_id"] if "sample_id" in table.column_names else None
    named = ", ".join(f"row {i} ({ids[i].as_py()})" if ids is not None else f"row {i}" for i in rows[:_ROWS_NAMED])
    return [f"{what} in {len(rows)} row(s): {named}"]


def _not(mask: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.invert(pc.fill_null(mask, True))  # nulls are another rule's matter


def _not_hex(digits: int) -> _Rule:
    return lambda values: _not(pc.match_substring_regex(values, rf"^[0-9a-f]{{{digits}}}$"))


def _none_of(words: tuple[str, ...]) -> _Rule:
    # is_in says False for a null, which is another rule's matter
    return lambda values: pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, pa.array(words))))


def _outside_unit_interval(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return _not(pc.and_(pc.greater_equal(values, 0.0), pc.less_equal(values, 1.0)))  # false for NaN as well


def _repeated(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    counts = pc.value_counts(ids.drop_null().combine_chunks())
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    return pc.is_in(ids, value_set=twice)


def _trusted_but_not_accepted(origin: pa.ChunkedArray, status: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.and_(pc.equal(origin, "ground_truth"), pc.not_equal(status, "accepted"))


def _teacher_mismatch(origin: pa.ChunkedArray, teacher: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.xor(pc.equal(origin, "teacher"), pc.is_valid(teacher))


def _not_of_roi_size(
    width: pa.ChunkedArray, height: pa.ChunkedArray, roi_w: pa.ChunkedArray, roi_h: pa.ChunkedArray
) -> pa.ChunkedArray:
    return pc.or_(pc.not_equal(width, roi_w), pc.not_equal(height, roi_h))


def _groups_across_splits(table: pa.Table) -> list[str]:
    splits = table.filter(pc.is_valid(table["group_id"])).group_by("group_id").aggregate([("split", "count_distinct")])
    return splits.filter(pc.greater(splits["split_count_distinct"], 1))["group_id"].to_pylist()
