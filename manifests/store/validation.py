"""Validation of a manifest's table against the schema: every violation is listed at once."""

from collections.abc import Callable, Sequence
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.store.hexdigits import digits_of
from manifests.store.schema import PART_ROWS, RIVAL_COLUMNS, SCHEMA, SCHEMA_VERSION, Origin, Split, Status
from manifests.store.table_rules import RepeatedIds, SplitLeaks

_HEX_DIGITS = {
    "sample_id": 32,
    "source_sha256": 64,
    "image_sha256": 64,
    "mask_sha256": 64,
    "edited_from": 64,
    "rival_mask_sha256": 64,
    "phash": 16,
    "group_id": 32,
}
_WORDS = {"origin": get_args(Origin), "split": get_args(Split), "status": get_args(Status)}
_UNIT_INTERVAL = (
    "face_prob", "confidence", "boundary_uncertainty", "person_fraction", "disagreement", "face_fraction",
    "border_fraction", "doubt", "rival_iou", "rival_doubt",
)  # fmt: skip
_POSITIVE = ("width", "height", "roi_w", "roi_h", "added_in")
_NOT_NEGATIVE = ("roi_x", "roi_y", "votes_accept", "votes_reject", "decision_ms", "components", "holes")
_Rule = Callable[..., pa.ChunkedArray]  # columns -> which rows break the rule
_ROWS_NAMED = 3  # of each violation


class ManifestInvalid(UserError):
    """A table isn't a manifest; `violations` has one line per broken rule."""

    def __init__(self, violations: list[str]) -> None:
        super().__init__(
            f"expected a manifest of schema version {SCHEMA_VERSION}, found "
            f"{len(violations)} violation(s): " + "; ".join(violations)
        )
        self.violations = violations


def validate(table: pa.Table) -> None:
    """Check `table`; ManifestInvalid lists every broken rule on columns, types, nulls, values and rows."""
    validation = Validation()
    for first in range(0, max(1, table.num_rows), PART_ROWS):
        validation.check(table.slice(first, PART_ROWS))
    validation.finish()


class Validation:
    """Checks a table part by part, and keeps some 40 bytes a row."""

    def __init__(self) -> None:
        self._columns: dict[str, None] = {}  # violations, each once
        self._broken = [_Broken(what) for _names, what, _rule in _RULES]
        self._repeated, self._leaks = RepeatedIds(), SplitLeaks()
        self._rows = 0

    def check(self, part: pa.Table) -> bool:
        """Check the next rows; false once a rule is broken. All parts have the same columns."""
        self._columns.update(dict.fromkeys(_column_violations(part)))
        names_of_part = part.schema.names
        sound = [
            f.name for f in SCHEMA if names_of_part.count(f.name) == 1 and part.schema.field(f.name).type == f.type
        ]
        part = part.select(sound)  # a broken column doesn't hide violations in the others
        for broken, (names, _what, rule) in zip(self._broken, _RULES, strict=True):
            if set(names) <= set(sound):
                broken.note(rule(*(part[name] for name in names)), part, self._rows)
        if "sample_id" in sound:
            self._repeated.add(part["sample_id"], first_row=self._rows)
        if {"group_id", "split"} <= set(sound):
            self._leaks.add(part["group_id"], part["split"])
        self._rows += part.num_rows
        return not self._columns and not any(broken.count for broken in self._broken)

    def finish(self) -> None:
        """ManifestInvalid when a part, or the whole table, breaks a rule."""
        violations = [*self._columns, *(line for broken in self._broken for line in broken.lines())]
        count, named = self._repeated.find(named=_ROWS_NAMED)
        if count:
            violations.append(_line("sample_id occurs twice", count, named))
        if leaks := self._leaks.find():
            violations.append(f"near-duplicate groups lie in several splits: {', '.join(leaks[:_ROWS_NAMED])}")
        if violations:
            raise ManifestInvalid(violations)


def _column_violations(table: pa.Table) -> list[str]:
    names = table.schema.names
    types = {field.name: field.type for field in table.schema}
    return [
        *(f"column {field.name} is missing" for field in SCHEMA if field.name not in types),
        *(f"column {name} is unknown" for name in types if name not in SCHEMA.names),
        *(f"column {name} occurs {names.count(name)} times" for name in types if names.count(name) > 1),
        *(
            f"column {field.name}: expected type {field.type}, found {types[field.name]}"
            for field in SCHEMA
            if field.name in types and types[field.name] != field.type
        ),
    ]


class _Broken:
    """The rows that break one rule: their count, and the first row numbers and ids."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.count = 0
        self._named: list[tuple[int, str | None]] = []

    def note(self, broken: pa.ChunkedArray, part: pa.Table, first_row: int) -> None:
        """Add the rows of `part` for which `broken` is true; the part's first row is numbered `first_row`."""
        if not pc.any(broken).as_py():
            return
        rows = pc.indices_nonzero(pc.fill_null(broken, False))
        self.count += len(rows)
        ids = part["sample_id"] if "sample_id" in part.column_names else None
        for row in rows.slice(0, _ROWS_NAMED - len(self._named)).to_pylist():
            self._named.append((first_row + row, str(ids[row].as_py()) if ids is not None else None))

    def lines(self) -> list[str]:
        return [_line(self.what, self.count, self._named)] if self.count else []


def _line(what: str, count: int, named: Sequence[tuple[int, str | None]]) -> str:
    rows = ", ".join(f"row {row} ({sample_id})" if sample_id is not None else f"row {row}" for row, sample_id in named)
    return f"{what} in {count} row(s): {rows}"


def _not(mask: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.invert(pc.fill_null(mask, True))  # nulls have their own rule


def _not_hex(digits: int) -> _Rule:
    def broken(values: pa.ChunkedArray) -> pa.ChunkedArray:
        if digits_of(values, digits) is not None:  # faster: a fifth of the regex's time
            return pa.chunked_array([pa.repeat(False, len(values))])
        return _not(pc.match_substring_regex(values, rf"^[0-9a-f]{{{digits}}}$"))

    return broken


def _none_of(words: tuple[str, ...]) -> _Rule:
    # is_in is False for a null, which has its own rule
    return lambda values: pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, pa.array(words))))


def _outside_unit_interval(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return _not(pc.and_(pc.greater_equal(values, 0.0), pc.less_equal(values, 1.0)))  # false for NaN as well


def _trusted_but_not_accepted(origin: pa.ChunkedArray, status: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.and_(pc.equal(origin, "ground_truth"), pc.not_equal(status, "accepted"))


def _trusted_with_rival(rival: pa.ChunkedArray, origin: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.and_(pc.is_valid(rival), pc.equal(origin, "ground_truth"))


def _by_policy_but_judged(
    decided_by: pa.ChunkedArray, status: pa.ChunkedArray, votes_accept: pa.ChunkedArray, votes_reject: pa.ChunkedArray
) -> pa.ChunkedArray:
    unseen = pc.and_(pc.equal(status, "accepted"), pc.equal(pc.add(votes_accept, votes_reject), 0))
    return pc.and_(pc.is_valid(decided_by), pc.invert(unseen))


def _teacher_mismatch(origin: pa.ChunkedArray, teacher: pa.ChunkedArray) -> pa.ChunkedArray:
    """Rows of a teacher without its name, and named teachers of other rows; an edited row may have either."""
    named = pc.is_valid(teacher)
    return pc.and_(pc.not_equal(origin, "edited"), pc.xor(pc.equal(origin, "teacher"), named))


def _edit_mismatch(origin: pa.ChunkedArray, edited_from: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.xor(pc.equal(origin, "edited"), pc.is_valid(edited_from))


def _rival_mismatch(
    rival: pa.ChunkedArray, teacher: pa.ChunkedArray, iou: pa.ChunkedArray, doubt: pa.ChunkedArray, by: pa.ChunkedArray
) -> pa.ChunkedArray:
    """Rows with a rival but no IoU of the two, and rows without one that have another column of it."""
    others = pc.or_(pc.or_(pc.is_valid(teacher), pc.is_valid(doubt)), pc.is_valid(by))
    return pc.or_(pc.xor(pc.is_valid(rival), pc.is_valid(iou)), pc.and_(pc.is_null(rival), others))


def _not_of_roi_size(
    width: pa.ChunkedArray, height: pa.ChunkedArray, roi_w: pa.ChunkedArray, roi_h: pa.ChunkedArray
) -> pa.ChunkedArray:
    return pc.or_(pc.not_equal(width, roi_w), pc.not_equal(height, roi_h))


_RULES: list[tuple[tuple[str, ...], str, _Rule]] = [  # columns, violation, rule
    *(((field.name,), f"column {field.name} is null", pc.is_null) for field in SCHEMA if not field.nullable),
    *(((name,), f"column {name} is not {digits} hex digits", _not_hex(digits)) for name, digits in _HEX_DIGITS.items()),
    *(((name,), f"column {name} is none of {', '.join(words)}", _none_of(words)) for name, words in _WORDS.items()),
    *(((name,), f"column {name} is outside 0..1", _outside_unit_interval) for name in _UNIT_INTERVAL),
    *(((name,), f"column {name} is not above 0", lambda values: pc.less_equal(values, 0)) for name in _POSITIVE),
    *(((name,), f"column {name} is below 0", lambda values: pc.less(values, 0)) for name in _NOT_NEGATIVE),
    (("origin", "status"), "a ground_truth row is not accepted", _trusted_but_not_accepted),
    (("origin", "teacher"), "origin teacher and a named teacher don't go together", _teacher_mismatch),
    (("origin", "edited_from"), "origin edited and the mask it was edited from don't go together", _edit_mismatch),
    (
        ("decided_by", "status", "votes_accept", "votes_reject"),
        "a row decided by a policy is not accepted or has votes",
        _by_policy_but_judged,
    ),
    (RIVAL_COLUMNS, "a rival's columns don't go together", _rival_mismatch),
    (("rival_mask_sha256", "mask_sha256"), "the rival is the mask itself", pc.equal),
    (("rival_mask_sha256", "origin"), "a ground_truth row has a rival", _trusted_with_rival),
    (("width", "height", "roi_w", "roi_h"), "the sample's size is not its ROI's", _not_of_roi_size),
]
