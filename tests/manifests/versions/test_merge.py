"""`merge`: another lineage's rows and blobs in the next version; conflicts listed; what was held out stays held out."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from small_lineages import Lineage, picture, sample_id

from manifests.__main__ import main
from manifests.decisions.publish import NothingToPublish
from manifests.errors import UserError
from manifests.files.blobs import BlobError
from manifests.samples.duplicates import split_of
from manifests.store.manifest import CommitConflict, ManifestStore
from manifests.upkeep.verify import verify
from manifests.versions.merge import MergeConflicts
from manifests.versions.merged_splits import join_groups, moves


@pytest.fixture
def ours(tmp_path: Path) -> Lineage:
    """v1: samples 1 to 3 wait."""
    lineage = Lineage(tmp_path / "ours")
    lineage.generate(1, 2, 3)
    return lineage


@pytest.fixture
def theirs(ours: Lineage, tmp_path: Path) -> Lineage:
    """A copy, data and all, that goes its own way."""
    shutil.copytree(ours.root, tmp_path / "theirs")
    return Lineage(tmp_path / "theirs")


@pytest.fixture
def strangers(tmp_path: Path) -> Lineage:
    """The samples 1 to 3 too, but no version in common."""
    lineage = Lineage(tmp_path / "strangers")
    lineage.generate(3, 2)
    lineage.generate(1)
    return lineage


def merge(into: Lineage, other: Lineage, *options: str) -> None:
    main(["merge", str(other.store.root), "--into", str(into.store.root), *options])


# Rows and blobs


def test_new_rows_come_after_ours_with_their_blobs(ours: Lineage, theirs: Lineage) -> None:
    theirs.generate(5, 4)
    ours.generate(6)
    merge(ours, theirs)
    made = ours.store.open()
    assert [row["sample_id"] for row in made.read().to_pylist()] == [sample_id(seed) for seed in (1, 2, 3, 6, 5, 4)]
    assert [ours.row(seed)["added_in"] for seed in (1, 6, 5)] == [1, 2, 3]
    assert made.data_root == ours.root / "data"
    assert verify(made, decode=True) == []


def test_the_version_names_the_other_one_and_the_common_ancestor(ours: Lineage, theirs: Lineage) -> None:
    theirs.generate(4)
    ours.generate(5)
    merge(ours, theirs)
    made, other = ours.store.open(), theirs.store.open()
    assert (made.version, made.parent, made.operation) == (3, 2, "merge")
    facts = {
        name: made.parameters[name] for name in ("other_version", "other_digest", "ancestor", "added", "conflicts")
    }
    assert facts == {"other_version": 2, "other_digest": other.digest, "ancestor": 1, "added": 1, "conflicts": 0}


def test_the_same_merge_gives_the_same_rows(ours: Lineage, strangers: Lineage, tmp_path: Path) -> None:
    strangers.generate(7, 8, 9)
    shutil.copytree(ours.root, tmp_path / "again")
    again = Lineage(tmp_path / "again")
    merge(ours, strangers)
    merge(again, strangers)
    assert ours.store.open().read().equals(again.store.open().read())


def test_a_file_of_a_lineage_can_be_merged_as_it_was_then(ours: Lineage, theirs: Lineage) -> None:
    theirs.generate(4)
    theirs.generate(5)
    main(["merge", str(theirs.store.path(2)), "--manifests", str(ours.store.root)])
    assert ours.rows().keys() == {sample_id(seed) for seed in (1, 2, 3, 4)}


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_a_bad_blob_there_makes_no_version(ours: Lineage, theirs: Lineage, damage: str) -> None:
    theirs.generate(4, 5)
    blob = theirs.blobs.path(theirs.row(5)["image"])
    blob.unlink() if damage == "missing" else blob.write_bytes(b"other bytes")
    with pytest.raises(UserError, match=blob.name):
        merge(ours, theirs)
    assert ours.store.versions() == [1]
    assert ours.blobs.find(theirs.row(5)["image_sha256"]) is None


def test_a_blob_outside_the_other_data_root_is_not_read(ours: Lineage, theirs: Lineage) -> None:
    theirs.generate(4)
    theirs.edit({4: {"mask": "../../ours/data/decisions.sqlite3"}})
    with pytest.raises(BlobError, match="expected a blob path under"):
        merge(ours, theirs)


def test_what_brings_nothing_new_is_refused(ours: Lineage, theirs: Lineage, strangers: Lineage) -> None:
    for other in (theirs, strangers):
        with pytest.raises(UserError, match=r"expected rows or verdicts that .* doesn't hold, found none"):
            merge(ours, other)
    theirs.generate(4)
    merge(ours, theirs)
    with pytest.raises(UserError, match="found none"):
        merge(ours, theirs)


def test_what_was_dropped_here_since_the_common_version_stays_dropped(ours: Lineage, tmp_path: Path) -> None:
    ours.generate(4)
    shutil.copytree(ours.root, tmp_path / "copy")
    copy = Lineage(tmp_path / "copy")
    copy.generate(5)
    main(["restore", "1", "--manifests", str(ours.store.root)])
    merge(ours, copy)
    assert ours.rows().keys() == {sample_id(seed) for seed in (1, 2, 3, 5)}


def test_where_nothing_lies_is_said_in_one_line(ours: Lineage, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a manifests directory or a manifest at .*nowhere"):
        main(["merge", str(tmp_path / "nowhere"), "--into", str(ours.store.root)])


# Verdicts and masks


def test_a_verdict_from_there_settles_what_waits_here(ours: Lineage, strangers: Lineage) -> None:
    strangers.judge({1: "accept", 2: "reject"}, reviewer="bo")
    strangers.publish()
    ours.judge({3: "accept"})
    ours.publish()
    merge(ours, strangers)
    assert ours.status([1, 2, 3]) == ["accepted", "rejected", "accepted"]
    assert (ours.row(1)["reviewers"], ours.row(3)["reviewers"]) == (["bo"], ["ann"])


def test_without_a_common_version_other_masks_and_other_verdicts_are_conflicts(
    ours: Lineage, strangers: Lineage, capsys: pytest.CaptureFixture
) -> None:
    ours.judge({1: "accept"})
    ours.publish()
    strangers.judge({1: "reject"})
    strangers.publish()
    strangers.relabel(2, level=200)
    with pytest.raises(MergeConflicts) as caught:
        merge(ours, strangers)
    assert "found 2 conflict(s), 1 with another mask and 1 with another verdict; settle them with --prefer" in str(
        caught.value
    )
    out = capsys.readouterr().out.splitlines()
    assert f"sample {sample_id(1)}: accepted here, rejected there" in out
    masks = [lineage.row(2)["mask_sha256"][:12] for lineage in (ours, strangers)]
    assert f"sample {sample_id(2)}: pending mask {masks[0]} here, pending mask {masks[1]} there" in out
    assert ours.store.versions() == [1, 2]


def test_of_many_conflicts_the_first_are_listed_and_the_rest_counted(
    ours: Lineage, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    seeds = range(50, 73)
    other = Lineage(tmp_path / "other")
    ours.generate(*seeds)
    other.generate(*seeds, level=200)
    with pytest.raises(MergeConflicts, match="found 23 conflict"):
        merge(ours, other)
    out = capsys.readouterr().out.splitlines()
    assert (len(out), out[-1]) == (21, "... and 3 more")
    merge(ours, other, "--prefer", "theirs")
    assert "23 conflict(s) settled by --prefer theirs" in capsys.readouterr().out


def test_what_only_one_side_changed_since_the_common_version_is_no_conflict(ours: Lineage, theirs: Lineage) -> None:
    ours.relabel(1, level=210)
    theirs.relabel(2, level=220)
    theirs.judge({3: "reject"})
    theirs.publish()
    merge(ours, theirs)
    assert [ours.row(2)[name] for name in ("mask_sha256", "status")] == [theirs.row(2)["mask_sha256"], "pending"]
    assert ours.row(1)["mask_sha256"] != theirs.row(1)["mask_sha256"]
    assert ours.status([3]) == ["rejected"]
    assert verify(ours.store.open()) == []


def test_a_verdict_here_survives_that_there_is_none(ours: Lineage, theirs: Lineage) -> None:
    ours.judge({1: "accept"})
    ours.publish()
    theirs.generate(4)
    merge(ours, theirs)
    assert ours.status([1]) == ["accepted"]


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [("ours", ["accepted", "accepted"]), ("theirs", ["rejected", "rejected"]), ("newest", ["rejected", "accepted"])],
)
def test_prefer_settles_conflicts_and_the_next_publish_keeps_it(
    ours: Lineage, strangers: Lineage, prefer: str, expected: Sequence[str]
) -> None:
    ours.judge({1: "accept"}, minutes=1)
    ours.judge({2: "accept"}, minutes=4)
    ours.publish()
    strangers.judge({1: "reject", 2: "reject"}, reviewer="bo", minutes=3)
    strangers.publish()
    strangers.generate(9)
    merge(ours, strangers, "--prefer", prefer)
    assert ours.status([1, 2]) == expected
    ours.judge({3: "accept"}, minutes=5)
    ours.publish()
    assert ours.status([1, 2, 3]) == [*expected, "accepted"]
    assert ("bo (merge)" in ours.row(1)["reviewers"]) == (expected[0] == "rejected")


def test_a_policy_there_never_replaces_a_persons_verdict_here(ours: Lineage, strangers: Lineage) -> None:
    ours.judge({1: "reject"})
    ours.publish()
    strangers.edit(
        {1: {"status": "accepted", "decided_by": "policy"}, 2: {"status": "accepted", "decided_by": "policy"}}
    )
    merge(ours, strangers, "--prefer", "theirs")
    assert ours.status([1, 2]) == ["accepted", "accepted"]
    ours.publish()
    assert ours.status([1, 2]) == ["rejected", "accepted"]
    assert [ours.row(seed)["decided_by"] for seed in (1, 2)] == [None, "policy"]


def test_a_disagreement_there_asks_for_a_second_look_here(ours: Lineage, strangers: Lineage) -> None:
    ours.judge({1: "accept"})
    ours.publish()
    strangers.judge({1: "reject"}, reviewer="bo")
    strangers.judge({1: "accept"}, reviewer="cy")
    strangers.publish()
    merge(ours, strangers, "--prefer", "theirs")
    assert ours.status([1]) == ["conflict"]
    log = ours.log()
    written = [decision for decision in log.standing() if decision.reviewer == "bo cy (merge)"]
    log.close()
    assert [(decision.verdict, decision.reason) for decision in written] == [("skip", "flag")]


def test_a_mask_from_there_brings_its_own_verdict_and_keeps_it(ours: Lineage, strangers: Lineage) -> None:
    strangers.relabel(1, level=200)
    strangers.judge({1: "accept"}, reviewer="bo", minutes=2)
    strangers.publish()
    ours.judge({1: "reject"})
    ours.publish()
    merge(ours, strangers, "--prefer", "newest")
    assert ours.row(1)["mask_sha256"] == strangers.row(1)["mask_sha256"]
    assert ours.status([1]) == ["accepted"]
    with pytest.raises(NothingToPublish):
        ours.publish()
    assert verify(ours.store.open()) == []


def test_when_the_commit_fails_no_verdict_is_written(
    ours: Lineage, strangers: Lineage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours.judge({1: "accept"})
    ours.publish()
    strangers.judge({1: "reject"}, minutes=1)
    strangers.publish()

    def overtaken(*_: object, **__: object) -> None:
        raise CommitConflict("expected parent 2")

    monkeypatch.setattr(ManifestStore, "commit", overtaken)
    with pytest.raises(CommitConflict):
        merge(ours, strangers, "--prefer", "theirs")
    log = ours.log()
    assert [decision.reviewer for decision in log.standing()] == ["ann"]
    log.close()


# Splits


def held(split: str, after: int = 0) -> int:
    """The first number from `after` on whose sample founds a group of that split."""
    return next(seed for seed in range(after, after + 1000) if split_of(sample_id(seed)) == split)


@pytest.mark.parametrize(("here", "there"), [("train", "val"), ("val", "train"), ("val", "test"), ("train", "test")])
def test_a_look_alike_that_was_held_out_on_either_side_is_never_trained_on(
    ours: Lineage, tmp_path: Path, capsys: pytest.CaptureFixture, here: str, there: str
) -> None:
    mine, yours = held(here, 10), held(there, 2000)
    alike = np.clip(picture(mine).astype(int) + 4, 0, 255).astype(np.uint8)
    other = Lineage(tmp_path / "other")
    ours.generate(mine)
    other.generate(yours, rgb=alike)
    assert (ours.row(mine)["split"], other.row(yours)["split"]) == (here, there)
    merge(ours, other)
    strictest = max(here, there, key=("train", "val", "test").index)
    rows = [ours.row(mine), ours.row(yours)]
    assert {row["split"] for row in rows} == {strictest}
    assert {row["group_id"] for row in rows} == {sample_id(mine if strictest == here else yours)}
    out = capsys.readouterr().out
    where, before = ("from there", there) if strictest == here else ("from here", here)
    assert f"samples {where} whose split changes: 1 from {before} to {strictest}" in out
    assert ("fit again before you measure" in out) == (before == "train")


def test_a_row_between_two_groups_brings_them_together() -> None:
    ours = grouped([("a", "1", 0x0, "train"), ("b", "2", 0xFFF, "val")])
    joined = join_groups(ours, grouped([("c", "3", 0x3F, "train")]))
    assert joined.splits.to_pylist() == ["val", "val", "val"]
    assert set(joined.group_ids.to_pylist()) == {"b"}


def test_a_group_that_moves_takes_its_look_alikes_of_other_groups_with_it() -> None:
    ours = grouped([("a", "1", 0x0, "train"), ("b", "2", 0x3F, "train"), ("c", "3", 0xFFF, "train")])
    joined = join_groups(ours, grouped([("d", "1", 0xFFFF000000, "test")]))  # of a's source
    assert joined.splits.to_pylist() == ["test", "test", "test", "test"]
    assert set(joined.group_ids.to_pylist()) == {"d"}
    apart = grouped([("a", "1", 0x0, "train"), ("b", "2", 0xFFFF, "train")])
    assert join_groups(apart, grouped([("d", "1", 0xFFFF000000, "test")])).splits.to_pylist() == [
        "test",
        "train",
        "test",
    ]


def test_a_shared_source_and_a_shared_sample_bring_groups_together() -> None:
    ours = grouped([("a", "1", 0x0, "train"), ("b", "2", 0xFFFF, "train"), ("e", "5", 0xFFFF0000, "train")])
    theirs = grouped([("c", "1", 0xFFFFFFFF, "test"), ("b", "2", 0xFFFF, "val"), ("d", "4", 0xFFFFFF000000, "train")])
    theirs = theirs.set_column(3, "group_id", pa.array(["c", "z", "d"]))
    joined = join_groups(ours, theirs)
    assert joined.splits.to_pylist() == ["test", "val", "train", "test", "val", "train"]
    assert joined.group_ids.to_pylist() == ["c", "z", "e", "c", "z", "d"]


def test_groups_that_nothing_links_stay_as_they_are() -> None:
    ours = grouped([("a", "1", 0x0, "train"), ("b", "2", 0xFFFF, "val")])
    theirs = grouped([("c", "3", 0xFFFFFFFF, "test")])
    joined = join_groups(ours, theirs)
    assert joined.group_ids.to_pylist() == ["a", "b", "c"]
    assert joined.splits.to_pylist() == ["train", "val", "test"]
    assert not moves(ours["split"], pa.chunked_array([joined.splits.slice(0, 2)]))


def test_a_copy_merged_back_moves_no_row(ours: Lineage, theirs: Lineage) -> None:
    theirs.generate(*range(20, 40))
    merge(ours, theirs)
    assert ours.store.open().parameters["splits_moved"] == []
    mine, yours = ours.rows(), theirs.rows()
    assert {key: (row["group_id"], row["split"]) for key, row in mine.items()} == {
        key: (row["group_id"], row["split"]) for key, row in yours.items()
    }


def grouped(rows: list[tuple[str, str, int, str]]) -> pa.Table:
    """Rows of (sample, source, hash, split), each a group of its own."""
    return pa.table(
        {
            "sample_id": [sample for sample, *_ in rows],
            "source_sha256": [source for _, source, *_ in rows],
            "phash": [f"{phash:016x}" for _, _, phash, _ in rows],
            "group_id": [sample for sample, *_ in rows],
            "split": [split for *_, split in rows],
        }
    )
