"""Rows with two masks: a choice goes into a version, and back out by an undo."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_lineages import NOON, Lineage, mask

from manifests.decisions.acceptance import Queue
from manifests.decisions.decision import Decision
from manifests.decisions.pairs import count_pairs
from manifests.decisions.policy import MaskVerdict, Policy
from manifests.decisions.publish import NothingToPublish
from manifests.pixels.masks import decode_mask
from manifests.store.validation import validate
from manifests.upkeep.garbage import find_garbage
from manifests.upkeep.stats import Statistics, describe
from manifests.upkeep.verify import verify
from manifests.versions.diff import diff
from manifests.versions.merge import merge
from manifests.versions.restore import restore

TOY, OTHER = "toy@0123456789ab", "other@ba9876543210"
RIVAL = mask(255)


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    """Two pending samples of a teacher; the first has another teacher's mask, too."""
    made = Lineage(tmp_path)
    made.generate(1, 2)
    made.edit({1: {"doubt": 0.125}, 2: {"doubt": 0.5}})
    made.add_rival(1, level=255)
    return made


def test_the_row_takes_the_chosen_rival_with_its_teacher_and_doubt(lineage: Lineage) -> None:
    before = lineage.row(1)
    lineage.judge({1: "accept"}, takes_rival=True)
    lineage.publish()
    row = lineage.row(1)
    assert (row["status"], row["origin"], row["mask_sha256"]) == ("accepted", "teacher", before["rival_mask_sha256"])
    assert (row["teacher"], row["doubt"], row["chosen_by"]) == (OTHER, 0.25, "ann")
    assert (decode_mask(lineage.blobs.read(row["mask"], row["mask_sha256"])) == RIVAL).all()
    validate(lineage.store.open().read())


def test_the_mask_that_was_not_taken_stays_in_the_row(lineage: Lineage) -> None:
    before = lineage.row(1)
    lineage.judge({1: "accept"}, takes_rival=True)
    lineage.publish()
    row = lineage.row(1)
    assert (row["rival_mask_sha256"], row["rival_teacher"]) == (before["mask_sha256"], TOY)
    assert (row["rival_doubt"], row["rival_iou"]) == (0.125, 0.5)


def test_the_first_mask_stays_when_it_is_chosen(lineage: Lineage) -> None:
    before = lineage.row(1)
    lineage.judge({1: "accept"}, takes_rival=False)
    lineage.publish()
    row = lineage.row(1)
    kept = ("mask", "mask_sha256", "teacher", "doubt", "rival_mask_sha256", "rival_teacher", "rival_iou", "chosen_by")
    assert row["status"] == "accepted"
    assert {name: row[name] for name in kept} == {name: before[name] for name in kept}


def test_a_reject_rejects_both(lineage: Lineage) -> None:
    lineage.judge({1: "reject"}, takes_rival=False)
    lineage.publish()
    assert lineage.row(1)["status"] == "rejected"
    assert count_pairs(lineage.store.open()) == 0


def test_publishing_twice_changes_nothing(lineage: Lineage) -> None:
    lineage.judge({1: "accept"}, takes_rival=True)
    lineage.publish()
    with pytest.raises(NothingToPublish):
        lineage.publish()


@pytest.mark.parametrize("takes_rival", [True, False])
def test_an_undo_brings_both_masks_back(lineage: Lineage, takes_rival: bool) -> None:
    before = lineage.row(1)
    (decision,) = lineage.judge({1: "accept"}, takes_rival=takes_rival)
    lineage.publish()
    lineage.undo(decision)
    lineage.publish()
    assert lineage.row(1) == before
    assert count_pairs(lineage.store.open()) == 1


def test_a_later_verdict_on_the_chosen_mask_counts_alone_until_it_is_undone(lineage: Lineage) -> None:
    lineage.judge({1: "accept"}, takes_rival=True)
    lineage.publish()
    accepted = lineage.row(1)
    (reject,) = lineage.judge({1: "reject"}, reviewer="lee", minutes=1, purpose="second_look")
    lineage.publish()
    assert (lineage.row(1)["status"], lineage.row(1)["mask_sha256"]) == ("rejected", accepted["mask_sha256"])
    lineage.undo(reject, reviewer="lee")
    lineage.publish()
    assert lineage.row(1) == accepted


@pytest.mark.parametrize("takes_rival", [True, False])
def test_a_repair_names_the_mask_and_the_teacher_it_began_with(lineage: Lineage, takes_rival: bool) -> None:
    before = lineage.row(1)
    (decision,) = lineage.judge({1: "accept"}, takes_rival=takes_rival, repaired=mask(200))
    lineage.publish()
    row = lineage.row(1)
    begun, other = ("rival_mask_sha256", "mask_sha256") if takes_rival else ("mask_sha256", "rival_mask_sha256")
    assert (row["origin"], row["edited_from"], row["rival_mask_sha256"]) == ("edited", before[begun], before[other])
    assert (row["teacher"], row["edited_by"], row["doubt"]) == (OTHER if takes_rival else TOY, "ann", None)
    with pytest.raises(NothingToPublish):
        lineage.publish()
    lineage.undo(decision)
    lineage.publish()
    assert lineage.row(1) == before


def test_a_repair_that_ends_at_the_other_mask_has_no_rival(lineage: Lineage) -> None:
    lineage.judge({1: "accept"}, takes_rival=False, repaired=RIVAL)
    lineage.publish()
    assert (lineage.row(1)["origin"], lineage.row(1)["rival_mask_sha256"]) == ("edited", None)


def test_a_choice_outlives_a_restore_of_the_version_without_the_rival(lineage: Lineage) -> None:
    chosen = lineage.row(1)["rival_mask_sha256"]
    lineage.judge({1: "accept"}, takes_rival=True)
    restore(lineage.store, lineage.store.open(2))
    assert lineage.row(1)["rival_mask_sha256"] is None
    lineage.publish()
    assert (lineage.row(1)["mask_sha256"], lineage.row(1)["teacher"]) == (chosen, OTHER)


def test_a_merge_brings_rivals_and_choices_with_their_blobs(lineage: Lineage, tmp_path: Path) -> None:
    there = tmp_path.parent / f"{tmp_path.name}-other"
    shutil.copytree(tmp_path, there)
    other = Lineage(there)
    second = other.add_rival(2, level=250)
    other.judge({1: "accept"}, takes_rival=True)
    other.publish()
    merge(lineage.store, other.store.open(), ancestor=lineage.store.open())
    assert lineage.row(2)["rival_mask_sha256"] == second
    assert (lineage.row(1)["chosen_by"], lineage.row(1)["teacher"]) == ("ann", OTHER)
    assert verify(lineage.store.open(), decode=True) == []


def test_verify_finds_a_missing_rival_and_gc_keeps_it(lineage: Lineage) -> None:
    rival = lineage.row(1)["rival_mask_sha256"]
    path = lineage.blobs.find(rival)
    assert path is not None
    assert find_garbage(lineage.root / "manifests", lineage.root / "data", log=None, now=2e9).deletable == ()
    path.unlink()
    (problem,) = verify(lineage.store.open())
    assert f"expected the blob {path}, found nothing" in problem


def test_stats_and_diff_count_pairs(lineage: Lineage) -> None:
    assert "samples with two masks to choose from: 1" in describe(Statistics(lineage.store.open()))
    assert "rows with two masks to choose from: 0 -> 1" in str(diff(lineage.store.open(2), lineage.store.open(3)))


def test_no_policy_accepts_one_of_two_masks(lineage: Lineage) -> None:
    queue = Queue.of(lineage.store.open())
    assert (len(queue), queue.paired, queue.keys[0][0]) == (1, 1, lineage.row(2)["sample_id"])


def _accept(reviewer: str, chosen: str, **changes: Any) -> Decision:
    accept = Decision(
        reviewer, "s", "m", "accept", reviewer, NOON, rival_mask_sha256="r", chosen_mask_sha256=chosen
    )  # fmt: skip
    return replace(accept, **changes)


@pytest.mark.parametrize(
    ("votes", "status"),
    [
        (
            [_accept("ann", "m"), _accept("bob", "r")],
            {"keep": "conflict", "reject": "rejected", "majority": "conflict"},
        ),
        (
            [_accept("ann", "r"), _accept("bob", "m"), _accept("cy", "r")],
            {"keep": "conflict", "reject": "rejected", "majority": "accepted"},
        ),
        ([_accept("ann", "m"), _accept("bob", "r", edited_mask_sha256="e")], {"keep": "accepted"}),
        ([_accept("ann", "m"), _accept("bob", "r", purpose="second_look")], {"keep": "accepted"}),
    ],
)
def test_accepts_of_different_masks_disagree(votes: list[Decision], status: dict[Any, str]) -> None:
    verdict = MaskVerdict.of(votes)
    assert {conflicts: verdict.status(Policy(2, conflicts)) for conflicts in status} == status


def test_the_mask_that_most_chose_replaces_the_other() -> None:
    most = MaskVerdict.of([_accept("ann", "r"), _accept("bob", "m"), _accept("cy", "r")]).replacing
    assert most is not None
    assert (most.reviewer, most.accepted_mask_sha256) == ("cy", "r")
    assert MaskVerdict.of([_accept("ann", "m"), _accept("bob", "r"), _accept("cy", "m")]).replacing is None


def test_a_choice_is_one_of_the_two_and_comes_with_an_accept() -> None:
    with pytest.raises(ValueError, match="expected one of the two masks"):
        _accept("ann", "x")
    with pytest.raises(ValueError, match="expected a chosen mask with each accept of two masks"):
        _accept("ann", "r", verdict="reject")
