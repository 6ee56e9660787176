"""Repaired masks: from a decision into a version, and back out by an undo."""

import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from loaded_samples import load_samples
from paired_import import import_ground_truth
from small_lineages import NOON, Lineage, mask

from manifests.decisions.decision import Decision
from manifests.decisions.publish import NothingToPublish
from manifests.exports import export_version
from manifests.files.blobs import BlobError, BlobStore
from manifests.pixels.masks import decode_mask, encode_mask
from manifests.samples.sample import score_mask
from manifests.store.manifest import ManifestStore
from manifests.store.schema import MASK_COLUMNS
from manifests.store.training_rows import accepted_rows
from manifests.store.validation import validate
from manifests.versions.merge import merge
from manifests.versions.restore import restore
from trainer.data.preprocessing import Preprocessing

REPAIRED = mask(255)
REPAIRED[:20, 10:20] = 255  # a head


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    """Two pending samples of a teacher."""
    made = Lineage(tmp_path)
    made.generate(1, 2)
    return made


def stored_mask(lineage: Lineage, seed: int) -> np.ndarray:
    row = lineage.row(seed)
    return decode_mask(lineage.blobs.read(row["mask"], row["mask_sha256"]))


def test_a_repaired_mask_takes_its_rows_masks_place(lineage):
    before = lineage.row(1)
    lineage.judge({1: "accept"}, repaired=REPAIRED)
    lineage.publish()
    row = lineage.row(1)
    assert (stored_mask(lineage, 1) == REPAIRED).all()
    assert (row["status"], row["origin"], row["teacher"]) == ("accepted", "edited", before["teacher"])
    assert (row["edited_from"], row["edited_by"], row["reviewers"]) == (before["mask_sha256"], "ann", ["ann"])
    assert {name: row[name] for name in asdict(score_mask(REPAIRED))} == pytest.approx(asdict(score_mask(REPAIRED)))
    assert row["doubt"] is None
    assert lineage.row(2)["origin"] == "teacher"
    validate(lineage.store.open().read())


def test_publishing_again_changes_nothing(lineage):
    lineage.judge({1: "accept"}, repaired=REPAIRED)
    lineage.publish()
    with pytest.raises(NothingToPublish):
        lineage.publish()


@pytest.mark.parametrize("published", [True, False])
def test_an_undo_brings_the_mask_before_the_repair_back(lineage, published):
    before = lineage.row(1)
    (decision_id,) = lineage.judge({1: "accept"}, repaired=REPAIRED)
    if published:
        lineage.publish()
    lineage.undo(decision_id)
    if not published:
        with pytest.raises(NothingToPublish):
            lineage.publish()
    else:
        lineage.publish()
    assert lineage.row(1) == before


def test_a_repair_of_a_repair_is_undone_alone(lineage):
    lineage.judge({1: "accept"}, repaired=REPAIRED)
    lineage.publish()
    once = lineage.row(1)
    (second,) = lineage.judge({1: "accept"}, repaired=mask(255), minutes=1)
    lineage.publish()
    assert lineage.row(1)["edited_from"] == once["mask_sha256"]
    lineage.undo(second)
    lineage.publish()
    assert {name: lineage.row(1)[name] for name in MASK_COLUMNS} == {name: once[name] for name in MASK_COLUMNS}


def test_the_last_repair_of_several_counts(lineage):
    lineage.judge({1: "accept"}, repaired=mask(255))
    lineage.judge({1: "accept"}, repaired=REPAIRED, reviewer="bob", minutes=1)
    lineage.publish()
    assert (stored_mask(lineage, 1) == REPAIRED).all()
    assert lineage.row(1)["edited_by"] == "bob"


def test_another_repair_before_the_next_publish_replaces_the_first(lineage):
    first = lineage.row(1)
    lineage.judge({1: "accept"}, repaired=mask(255))
    lineage.publish()
    row = lineage.row(1)
    log = lineage.log()
    again = lineage.blobs.put(encode_mask(REPAIRED), ".png").sha256
    log.append(
        [
            Decision(
                "again",
                row["sample_id"],
                first["mask_sha256"],
                "accept",
                "ann",
                row["decided_at"],
                edited_mask_sha256=again,
            )
        ]
    )
    log.close()
    lineage.publish()
    assert lineage.row(1)["edited_from"] == first["mask_sha256"]
    assert (stored_mask(lineage, 1) == REPAIRED).all()


def test_a_lead_who_rejects_has_the_last_word(lineage):
    before = lineage.row(1)
    lineage.judge({1: "accept"}, repaired=REPAIRED)
    lineage.judge({1: "reject"}, reviewer="lee", minutes=1, purpose="second_look")
    lineage.publish()
    row = lineage.row(1)
    assert (row["status"], row["origin"], row["mask_sha256"]) == ("rejected", "teacher", before["mask_sha256"])


def test_a_verdict_on_the_repaired_mask_leaves_the_repair(lineage):
    lineage.judge({1: "accept"}, repaired=REPAIRED)
    lineage.publish()
    lineage.judge({1: "reject"}, reviewer="bob", minutes=1)
    lineage.publish()
    row = lineage.row(1)
    assert (row["status"], row["origin"], row["edited_by"]) == ("rejected", "edited", "ann")


def test_a_repaired_mask_that_is_gone_stops_publishing_in_one_line(lineage):
    lineage.judge({1: "accept"}, repaired=REPAIRED)
    edited = lineage.log().standing()[0].edited_mask_sha256
    path = lineage.blobs.find(edited)
    assert path is not None
    path.unlink()
    with pytest.raises(BlobError, match=r"expected the blob .* found nothing"):
        lineage.publish()
    assert lineage.row(1)["status"] == "pending"


def test_a_restore_takes_the_repair_back_for_good_only_with_its_verdict(lineage):
    before = lineage.row(1)
    lineage.judge({1: "accept"}, repaired=REPAIRED)
    lineage.publish()
    log = lineage.log()
    restore(lineage.store, lineage.store.open(1), log)
    assert lineage.row(1) == before
    lineage.publish()
    assert lineage.row(1)["origin"] == "edited"
    restore(lineage.store, lineage.store.open(1), log, take_back=True)
    log.close()
    with pytest.raises(NothingToPublish):
        lineage.publish()
    assert lineage.row(1) == before


def test_a_merge_brings_repaired_masks_and_a_publish_leaves_them(lineage, tmp_path):
    shutil.copytree(tmp_path, tmp_path.parent / "other")
    other = Lineage(tmp_path.parent / "other")
    other.judge({1: "accept"}, repaired=REPAIRED)
    other.publish()
    merge(lineage.store, other.store.open(), ancestor=lineage.store.open())
    assert (lineage.row(1)["origin"], lineage.row(1)["edited_by"]) == ("edited", "ann")
    assert (stored_mask(lineage, 1) == REPAIRED).all()
    lineage.judge({2: "reject"})
    lineage.publish()
    assert lineage.row(1) == other.row(1)


@pytest.mark.parametrize("target", ["folders", "imagefolder"])
def test_a_repaired_mask_comes_back_from_an_export_as_it_was_painted(lineage, tmp_path, target):
    lineage.judge({1: "accept"}, repaired=REPAIRED)
    lineage.publish()
    export_version(lineage.store.open(), target, tmp_path / "out")
    images = {path.stem: path.parent for path in (tmp_path / "out").rglob("*.jpg")}
    masks = {path.stem: path.parent for path in (tmp_path / "out").rglob("*.png")}
    [name] = images  # the other sample waits
    again = ManifestStore(tmp_path / "again" / "manifests")
    import_ground_truth(
        again, images=images[name], masks=masks[name], source="again", data_root=tmp_path / "again" / "data"
    )
    [row] = again.open().read().to_pylist()
    mask_there = decode_mask(BlobStore(tmp_path / "again" / "data").read(row["mask"], row["mask_sha256"]))
    assert ((mask_there >= 128) == (REPAIRED >= 128)).all()


def test_training_reads_the_repaired_mask(lineage):
    lineage.judge({1: "accept"}, repaired=REPAIRED)
    lineage.publish()
    manifest = lineage.store.open()
    rows = accepted_rows(manifest, "all")
    loaded = load_samples(rows, BlobStore(manifest.data_root), Preprocessing(64, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    [true_mask] = loaded.true_masks
    assert (true_mask.unpack() == (REPAIRED >= 128)).all()


def test_a_repair_comes_with_an_accept_only():
    with pytest.raises(ValueError, match="with an accept only"):
        Decision("id", "s", "m", "reject", "ann", NOON, edited_mask_sha256="0" * 64)
