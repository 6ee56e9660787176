"""Figures on the lead's page about two masks of one sample, and about two repairs of one mask; by hand."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_lineages import Lineage, mask

from manifests.decisions.decision import Decision
from manifests.decisions.policy import Policy
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import encode_mask
from review_ui.lead.tables import repair_agreement_table, teachers_table
from review_ui.quality.counts import tally
from review_ui.quality.error_rates import Rate
from review_ui.quality.repair_agreement import blob_iou, repair_agreements
from review_ui.quality.reviewer_quality import verdicts
from review_ui.quality.teacher_choices import NO_TEACHER, teacher_choices, teachers_of_pairs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEACHERS = {(f"s{number}", name): teacher for number in range(9) for name, teacher in (("m", "big"), ("r", "small"))}


def choice(number: int, taken: str | None, *, by: str = "ann", **others: Any) -> Decision:
    """A vote on sample `number` of the masks m and r; None rejects both."""
    verdict = "accept" if taken else "reject"
    named = {"rival_mask_sha256": "r", "chosen_mask_sha256": taken}
    return Decision(f"{by}-{number}", f"s{number}", "m", verdict, by, NOON, **named, **others)


def test_choices_are_counted_by_teacher() -> None:
    log = [
        choice(0, "m"), choice(1, "m"), choice(2, "m"), choice(3, "r"), choice(4, "r", edited_mask_sha256="e"),
        choice(5, None), choice(6, "m"), choice(6, "r", by="bob"),
    ]  # fmt: skip
    (pair,) = teacher_choices(log, TEACHERS)
    assert (pair.first, pair.second, pair.first_chosen) == ("big", "small", Rate(3, 5))
    assert (pair.both_rejected, pair.disputed, pair.pairs) == (1, 1, 7)


def test_the_same_teachers_in_the_other_order_are_one_line() -> None:
    teachers = TEACHERS | {("s1", "m"): "small", ("s1", "r"): "big"}
    (pair,) = teacher_choices([choice(0, "m"), choice(1, "m")], teachers)
    assert pair.first_chosen == Rate(1, 2)


def test_a_second_look_decides_between_reviewers() -> None:
    log = [choice(0, "m"), choice(0, "r", by="bob"), choice(0, "r", by="lee", purpose="second_look")]
    (pair,) = teacher_choices(log, TEACHERS)
    assert (pair.first_chosen, pair.disputed) == (Rate(0, 1), 0)


def test_two_masks_of_one_teacher_are_told_apart_by_their_order() -> None:
    (pair,) = teacher_choices([choice(0, "r")], {("s0", "m"): "big", ("s0", "r"): "big"})
    assert (pair.first, pair.second, pair.first_chosen) == ("big, first mask", "big, second mask", Rate(0, 1))


def test_single_masks_gold_and_unknown_teachers_do_not_count() -> None:
    single = Decision("d", "s1", "m", "accept", "ann", NOON)
    assert teacher_choices([single, choice(2, "m", purpose="gold"), choice(99, "m")], TEACHERS) == []


def test_the_table_shows_share_and_interval_of_both() -> None:
    log = [choice(number, "m" if number < 6 else "r") for number in range(8)]
    html = teachers_table(teacher_choices(log, TEACHERS))
    assert "6 of 8" in html
    assert "75.0\N{NO-BREAK SPACE}%<small>34.9 to 96.8</small>" in html  # Clopper and Pearson, by tables
    assert "25.0\N{NO-BREAK SPACE}%<small>3.2 to 65.1</small>" in html


@pytest.mark.parametrize("takes_rival", [True, False])
def test_a_manifest_names_both_teachers_before_and_after_publishing(tmp_path: Path, takes_rival: bool) -> None:
    lineage = Lineage(tmp_path)
    lineage.generate(1, 2)
    lineage.add_rival(1, level=255)
    before = teachers_of_pairs(lineage.store.open())
    assert sorted(before.values()) == ["other@ba9876543210", "toy@0123456789ab"]
    lineage.judge({1: "accept"}, takes_rival=takes_rival, repaired=mask(200))
    lineage.publish()
    assert teachers_of_pairs(lineage.store.open()) == before
    (pair,) = teacher_choices(lineage.log().standing(), before)
    assert pair.first_chosen == Rate(int(takes_rival), 1)


def test_the_counts_of_progress_tell_choices_apart(tmp_path: Path) -> None:
    lineage = Lineage(tmp_path)
    lineage.generate(1, 2)
    for seed in (1, 2):
        lineage.add_rival(seed, level=255)
        lineage.judge({seed: "accept"}, takes_rival=False)
        lineage.judge({seed: "accept"}, takes_rival=seed == 2, reviewer="bob", minutes=1)
    counted = tally(lineage.store.open(), lineage.log().standing(), Policy(2)).total
    assert (counted["accepted"], counted["conflict"]) == (1, 1)


def test_cropped_ground_truth_has_no_teacher(tmp_path: Path) -> None:
    lineage = Lineage(tmp_path)
    lineage.generate(1, origin="face_crop")
    lineage.add_rival(1, level=255)
    assert NO_TEACHER in teachers_of_pairs(lineage.store.open()).values()


def repair(number: int, by: str, edited: str, **others: Any) -> Decision:
    return Decision(f"{by}-{number}", f"s{number}", "m", "accept", by, NOON, edited_mask_sha256=edited, **others)


def test_two_repairs_of_one_mask_are_compared_by_their_iou(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    masks = [np.zeros((4, 4), np.uint8) for _ in range(3)]
    masks[0][:, :2], masks[1][:, :3], masks[2][:, :1] = 255, 255, 255  # 8, 12 and 4 pixels
    a, b, c = (blobs.put(encode_mask(each), ".png").sha256 for each in masks)
    log = [
        repair(0, "ann", a), repair(0, "bob", b), repair(1, "ann", a), repair(1, "bob", c, purpose="second_look"),
        repair(2, "ann", a), repair(3, "bob", "0" * 64), repair(3, "ann", a),
    ]  # fmt: skip
    (pair,) = repair_agreements(verdicts(log), partial(blob_iou, tmp_path))
    assert (pair.first, pair.second, pair.n) == ("ann", "bob", 2)  # the third has a mask that is gone
    assert (pair.iou, pair.least_iou) == (pytest.approx((8 / 12 + 4 / 8) / 2), 0.5)
    assert "0.583<small>least 0.500</small>" in repair_agreement_table([pair])


def test_reviewers_who_repaired_no_mask_both_are_not_compared() -> None:
    assert repair_agreements([repair(0, "ann", "a"), repair(1, "bob", "b")], lambda *_: 1.0) == []
