"""`validate`: sound tables pass, broken ones are refused with every violation in one error."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from manifests.errors import UserError
from manifests.store.schema import SCHEMA
from manifests.store.validation import ManifestInvalid, validate


def sample_row(number: int, **changes: Any) -> dict[str, Any]:
    """A sound pseudo-labelled row; equal numbers give equal rows."""
    digest = f"{number:064x}"
    sound = {
        "sample_id": f"{number:032x}",
        "source": "studio",
        "source_uri": f"/photos/{number}.jpg",
        "source_sha256": digest,
        "image": f"blobs/00/{digest}.jpg",
        "image_sha256": digest,
        "width": 40,
        "height": 50,
        "mask": f"blobs/00/{digest}.png",
        "mask_sha256": digest,
        "roi_x": 3,
        "roi_y": 0,
        "roi_w": 40,
        "roi_h": 50,
        "origin": "teacher",
        "teacher": "toy@0123456789ab",
        "person_fraction": 0.25,
        "phash": f"{number:016x}",
        "group_id": f"{number:032x}",
        "split": "train",
        "status": "pending",
        "reviewers": [],
        "votes_accept": 0,
        "votes_reject": 0,
        "added_in": 1,
    }
    return sound | changes


def table_of(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def violations_of(table: pa.Table) -> list[str]:
    with pytest.raises(ManifestInvalid) as caught:
        validate(table)
    return caught.value.violations


def test_a_sound_table_passes() -> None:
    validate(table_of(sample_row(1), sample_row(2, origin="ground_truth", teacher=None, status="accepted")))


def test_a_table_without_rows_passes() -> None:
    validate(SCHEMA.empty_table())


def test_scores_may_be_absent() -> None:
    validate(table_of(sample_row(1, person_fraction=None, confidence=None, doubt=None, face_prob=None)))


LATER_COLUMNS = {
    *("disagreement", "face_fraction", "components", "holes", "border_fraction"),  # 2
    *("edited_from", "edited_by"),  # 3
    "decided_by",  # 4
    *("rival_mask_sha256", "rival_teacher", "rival_iou", "rival_doubt", "chosen_by"),  # 5
}


def test_the_columns_are_those_of_the_design_and_of_later_versions(shared: Path) -> None:
    page = (shared / "DESIGN.md").read_text()
    table = page[page.index("| sample_id |") : page.index("Parquet key-value metadata")]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    assert [name for cell in first_cells for name in re.findall(r"\w+", cell)] == [
        name for name in SCHEMA.names if name not in LATER_COLUMNS
    ]
    assert set(SCHEMA.names) > LATER_COLUMNS
    assert all(SCHEMA.field(name).nullable for name in LATER_COLUMNS)  # older rows don't have them


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"sample_id": "xyz"}, "column sample_id is not 32 hex digits"),
        ({"sample_id": "A" * 32}, "column sample_id is not 32 hex digits"),
        ({"sample_id": "a" * 32 + "\n"}, "column sample_id is not 32 hex digits"),
        ({"mask_sha256": "0" * 63}, "column mask_sha256 is not 64 hex digits"),
        ({"phash": ""}, "column phash is not 16 hex digits"),
        ({"source": None}, "column source is null"),
        ({"reviewers": None}, "column reviewers is null"),
        ({"origin": "guess", "teacher": None}, "column origin is none of ground_truth, face_crop, teacher, edited"),
        ({"split": "training"}, "column split is none of train, val, test"),
        ({"status": "done"}, "column status is none of pending, accepted, rejected, conflict"),
        ({"doubt": 1.5}, "column doubt is outside 0..1"),
        ({"confidence": -0.1}, "column confidence is outside 0..1"),
        ({"person_fraction": float("nan")}, "column person_fraction is outside 0..1"),
        ({"width": 0, "roi_w": 0}, "column width is not above 0"),
        ({"added_in": 0}, "column added_in is not above 0"),
        ({"roi_x": -1}, "column roi_x is below 0"),
        ({"decision_ms": -1}, "column decision_ms is below 0"),
        ({"width": 41}, "the sample's size is not its ROI's"),
        ({"origin": "ground_truth", "teacher": None}, "a ground_truth row is not accepted"),
        ({"origin": "face_crop"}, "origin teacher and a named teacher don't go together"),
        ({"teacher": None}, "origin teacher and a named teacher don't go together"),
        ({"decided_by": "policy"}, "a row decided by a policy is not accepted or has votes"),
        ({"rival_mask_sha256": "a" * 63, "rival_iou": 0.9}, "column rival_mask_sha256 is not 64 hex digits"),
        ({"rival_mask_sha256": "a" * 64, "rival_iou": 1.1}, "column rival_iou is outside 0..1"),
        ({"rival_mask_sha256": "a" * 64}, "a rival's columns don't go together"),
        ({"rival_teacher": "toy@0123456789ab"}, "a rival's columns don't go together"),
        ({"chosen_by": "ann"}, "a rival's columns don't go together"),
        ({"rival_mask_sha256": f"{2:064x}", "rival_iou": 1.0}, "the rival is the mask itself"),
    ],
)
def test_a_broken_rule_names_the_row(change: dict[str, Any], rule: str) -> None:
    broken = sample_row(2, **change)
    found = violations_of(table_of(sample_row(1), broken))
    assert f"{rule} in 1 row(s): row 1 ({broken['sample_id']})" in found


def test_every_broken_row_and_column_is_in_one_error() -> None:
    table = table_of(
        sample_row(1, doubt=float("nan")),
        sample_row(2, split="dev", status="?"),
        sample_row(3, origin="ground_truth", teacher=None),
        sample_row(3, image_sha256=None),
    )
    with pytest.raises(UserError) as caught:
        validate(table)
    message = str(caught.value)
    assert message.startswith("expected a manifest of schema version 5, found 6 violation(s): ")
    assert "\n" not in message
    for what in (
        "column doubt is outside",
        "column split is none of",
        "column status is none of",
        "column image_sha256 is null",
        "sample_id occurs twice in 2 row(s): row 2",
        "a ground_truth row is not accepted in 1 row(s): row 2",
    ):
        assert what in message


def test_broken_columns_do_not_hide_broken_values_in_the_others() -> None:
    table = table_of(sample_row(1, split="dev"), sample_row(1))
    table = table.drop_columns(["phash", "teacher"]).append_column("mood", pa.array(["good", "bad"]))
    table = table.set_column(table.schema.get_field_index("width"), "width", pa.array([40.0, 40.0]))
    found = violations_of(table)
    assert found[:4] == [
        "column teacher is missing",
        "column phash is missing",
        "column mood is unknown",
        "column width: expected type int32, found double",
    ]
    assert [line.split(" in ")[0] for line in found[4:6]] == [
        "column split is none of train, val, test",
        "sample_id occurs twice",
    ]
    assert len(found) == 7  # the last is the group of row 0 and 1 in two splits


def test_a_column_that_occurs_twice_is_a_violation() -> None:
    table = table_of(sample_row(1))
    assert "column split occurs 2 times" in violations_of(table.append_column("split", table["split"]))


def test_values_are_checked_when_the_sample_id_is_missing() -> None:
    table = table_of(sample_row(1, status="done")).drop_columns(["sample_id"])
    assert any(line.endswith("in 1 row(s): row 0") for line in violations_of(table))


def test_a_count_stands_for_the_rows_that_are_not_named() -> None:
    (line,) = violations_of(table_of(*(sample_row(number, doubt=2.0) for number in range(1, 6))))
    assert "in 5 row(s): row 0 (" in line
    assert line.count("row ") == 3


def test_a_group_that_crosses_splits_is_named() -> None:
    group = "f" * 32
    table = table_of(sample_row(1, group_id=group), sample_row(2, group_id=group, split="test"), sample_row(3))
    assert violations_of(table) == [f"near-duplicate groups lie in several splits: {group}"]


def test_rows_without_a_group_are_a_violation_and_no_crash() -> None:
    table = table_of(sample_row(1, group_id=None), sample_row(2, group_id=None, split="val"))
    assert [line.split(" in ")[0] for line in violations_of(table)] == ["column group_id is null"]


def test_rows_without_an_id_are_not_called_repeated() -> None:
    table = table_of(sample_row(1, sample_id=None), sample_row(2, sample_id=None))
    assert [line.split(" in ")[0] for line in violations_of(table)] == ["column sample_id is null"]
