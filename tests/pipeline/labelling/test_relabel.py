"""Relabelling: real Parquet, blobs and SQLite, the teachers grabcut and a tiny network; Prefect where it says slow."""

import os
import shutil
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pytest
from joined_rows import join_dataset
from paired_import import import_ground_truth
from PIL import Image, ImageOps
from red_network import red_is_person
from small_lineages import Lineage
from small_lineages import mask as lineage_mask
from submissions import assign

from manifests.bench.rows import made_up_parts
from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog
from manifests.decisions.publish import NothingToPublish, publish
from manifests.errors import UserError
from manifests.files.blobs import BlobStore, sha256_hex
from manifests.pixels.geometry import Box
from manifests.pixels.masks import decode_mask, encode_mask
from manifests.pixels.metrics import mask_iou
from manifests.samples.pair import read_mask
from manifests.samples.sample import Row, Source, score_mask, store_sample
from manifests.store import row_groups
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.row_patch import changed
from manifests.store.schema import MASK_COLUMNS, SCHEMA
from manifests.upkeep.verify import verify
from pipeline.faces import roi
from pipeline.faces.face import Face, person_share
from pipeline.faces.mtcnn import default_detector
from pipeline.generate.__main__ import main
from pipeline.labelling import relabel as relabel_module
from pipeline.labelling.commit import commit_shards
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.relabel import (
    MASK_SCHEMA,
    RIVAL_SCHEMA,
    RelabelItem,
    Relabelled,
    RelabelStatus,
    RelabelWork,
    add_rivals,
    commit_relabelled,
    find_samples,
    replace_masks,
    rivals,
    without_noise,
)
from pipeline.labelling.shards import ShardResult, label_all, process_shard, read_rows, split_into_shards
from pipeline.run import worker
from pipeline.run.worker import Job, run_shard
from pipeline.sources import Origins, find_pictures
from pipeline.teachers import Portrait, Prediction, TeacherOptions, load_teacher
from review_ui.queue.session import ReviewSession
from review_ui.reviewer import LOCAL_LEAD

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RED = "onnx:red.onnx"
VERDICT_COLUMNS = ("status", "reason", "reviewers", "votes_accept", "votes_reject", "decided_at", "decision_ms")

Environment = dict[str, str]


@pytest.fixture(scope="module")
def four_pending(tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image) -> Path:
    """A directory with four portraits that wait, masked by grabcut, one cut out of a larger picture; to be copied."""
    root = tmp_path_factory.mktemp("four")
    (root / "pictures").mkdir()
    wide = Image.new("RGB", (1200, 900), (70, 110, 70))
    wide.paste(astronaut, (400, 200))
    variants = {"a": astronaut, "b": ImageOps.mirror(astronaut), "c": astronaut.crop((60, 0, 400, 400)), "d": wide}
    for name, picture in variants.items():
        picture.save(root / f"pictures/{name}.png")
    blobs = BlobStore(root / "data")
    make_labeller = partial(
        Labeller, LabelWork(Origins("space", "CC0")), default_detector(), load_teacher("grabcut"), blobs
    )
    result = process_shard(find_pictures(str(root / "pictures")), root / "data/shards/first", make_labeller)
    commit_shards([result], ManifestStore(root / "manifests"), blobs.root, parameters={"images": "pictures"})
    red_is_person(root / "red.onnx")
    return root


@pytest.fixture
def store(tmp_path: Path, four_pending: Path, monkeypatch: pytest.MonkeyPatch) -> ManifestStore:
    """The four in a directory of their own, which is the working directory; the blobs are in ./data."""
    shutil.copytree(four_pending, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return ManifestStore(tmp_path / "manifests")


def rows_of(manifest: Manifest) -> dict[str, Row]:
    """By the source image's stem."""
    return {Path(row["source_uri"]).stem: row for row in manifest.read().to_pylist()}


def decide(log: DecisionLog, row: Row, verdict: Any) -> None:
    reason = "hair" if verdict == "reject" else None
    decision_id = f"{verdict} {row['sample_id']} {row['mask_sha256']}"[:64]
    log.append([Decision(decision_id, row["sample_id"], row["mask_sha256"], verdict, "ana", NOON, reason, 900)])


def make_masks(
    store: ManifestStore,
    status: RelabelStatus,
    teacher: str,
    options: TeacherOptions = TeacherOptions(),  # noqa: B008 - it is frozen
    shard_size: int = 2,
    *,
    keep_both: bool = False,
) -> list[ShardResult]:
    """What the flow's tasks do, one after the other."""
    samples = find_samples(store.open(), status, store.data_root(), keep_both=keep_both)
    job = Job(RelabelWork(), teacher, options, store.data_root(), threads=2)
    return [run_shard(shard, "shard", job=job) for shard in split_into_shards(samples, shard_size)]


def commit(
    store: ManifestStore,
    results: Sequence[ShardResult],
    version: int,
    status: RelabelStatus,
    *,
    keep_both: bool = False,
) -> Relabelled:
    return commit_relabelled(
        results, store, store.data_root(), version=version, status=status, parameters={}, keep_both=keep_both
    )


def relabel(store: ManifestStore, status: RelabelStatus, teacher: str, *, keep_both: bool = False) -> Relabelled:
    version = store.open().version
    masks = make_masks(store, status, teacher, keep_both=keep_both)
    return commit(store, masks, version, status, keep_both=keep_both)


def test_a_relabelled_row_keeps_all_but_its_mask_and_what_is_said_of_it(store: ManifestStore) -> None:
    before = rows_of(store.open())
    relabelled = relabel(store, "pending", RED)
    assert (relabelled.manifest, relabelled.new_masks) == (str(store.path(2)), 4)
    manifest = store.open()
    assert (manifest.operation, manifest.parent) == ("relabel", 1)
    assert manifest.parameters == {"status": "pending", "relabelled_version": 1, "samples": 4, "quarantined": 0}
    assert verify(manifest) == []
    after = rows_of(manifest)
    assert before["d"]["roi_x"] > 0  # the case where the face has to be moved
    for name, row in after.items():
        kept = set(SCHEMA.names) - set(MASK_COLUMNS)
        assert {column: row[column] for column in kept} == {column: before[name][column] for column in kept}
        assert row["mask_sha256"] != before[name]["mask_sha256"]
        assert row["teacher"] == load_teacher(RED).name


def test_scores_and_doubt_are_those_of_the_new_mask(store: ManifestStore) -> None:
    relabel(store, "pending", RED)
    for row in rows_of(store.open()).values():
        mask = decode_mask(BlobStore(store.data_root()).read(row["mask"], row["mask_sha256"]))
        scores = score_mask(mask)
        for name in ("confidence", "boundary_uncertainty", "person_fraction", "border_fraction"):
            assert row[name] == pytest.approx(getattr(scores, name), abs=1e-6)
        assert (row["components"], row["holes"]) == (scores.components, scores.holes)
        face = Face(*(row[f"face_{name}"] for name in ("x", "y", "w", "h", "prob")))
        roi = Box(row["roi_x"], row["roi_y"], row["roi_w"], row["roi_h"])
        assert row["face_fraction"] == pytest.approx(person_share(mask, face.seen_from(roi)), abs=1e-6)
        assert row["disagreement"] is None
        assert 0 < row["doubt"] <= 1


def test_several_opinions_leave_their_disagreement(store: ManifestStore) -> None:
    results = make_masks(store, "pending", RED, TeacherOptions(flip=True))
    commit(store, results, 1, "pending")
    assert all(0 <= row["disagreement"] <= 1 for row in rows_of(store.open()).values())


def test_only_rows_of_the_status_get_new_masks_and_wait_again(store: ManifestStore, log: DecisionLog) -> None:
    first = rows_of(store.open())
    decide(log, first["a"], "accept")
    decide(log, first["b"], "reject")
    reviewed = rows_of(publish(store, log))
    assert relabel(store, "rejected", RED).new_masks == 1
    after = rows_of(store.open())
    assert {name for name in after if after[name] != reviewed[name]} == {"b"}
    assert [after["b"][name] for name in VERDICT_COLUMNS] == ["pending", None, [], 0, 0, None, None]


def test_verdicts_on_the_old_mask_stay_with_it(store: ManifestStore, log: DecisionLog) -> None:
    rejected, unpublished = rows_of(store.open())["b"], rows_of(store.open())["c"]
    decide(log, rejected, "reject")
    publish(store, log)
    relabel(store, "rejected", RED)
    decide(log, unpublished, "accept")  # too late for its mask to be kept
    relabel(store, "pending", f"{RED}+grabcut")
    with pytest.raises(NothingToPublish):
        publish(store, log)
    after = rows_of(store.open())
    assert {row["status"] for row in after.values()} == {"pending"}

    session = ReviewSession(store.open(), store, log, now=lambda: NOON)
    shown = {sample.sample_id: sample.mask_sha256 for sample in assign(session, LOCAL_LEAD, 100).samples}
    assert shown == {row["sample_id"]: row["mask_sha256"] for row in after.values()}
    assert rejected["mask_sha256"] not in shown.values()

    decide(log, after["b"], "accept")
    assert rows_of(publish(store, log))["b"]["status"] == "accepted"


def test_the_same_masks_of_the_same_teacher_make_no_version(store: ManifestStore) -> None:
    relabel(store, "pending", RED)
    again = relabel(store, "pending", RED)
    assert (again.manifest, again.new_masks, again.same_masks) == (None, 0, 4)
    assert store.latest() == 2


@pytest.mark.parametrize(
    ("shift", "teacher", "is_noise"),
    [(0, "toy@0123456789ab", True), (1, "toy@0123456789ab", False), (0, "toy@ba9876543210", False)],
)
def test_a_mask_that_differs_by_noise_from_its_own_teachers_is_the_same(
    tmp_path: Path, shift: int, teacher: str, is_noise: bool
) -> None:
    blobs = BlobStore(tmp_path)
    old_mask = np.zeros((100, 80), np.uint8)
    old_mask[30:, 20:60] = 230
    new_mask = np.roll(old_mask, shift, axis=1)
    new_mask[30, 20:25] = 100  # the edge trembles
    old, new = (blobs.put(encode_mask(each), ".png") for each in (old_mask, new_mask))
    columns = {"sample_id": ["s"], "mask": [new.path], "mask_sha256": [new.sha256], "teacher": [teacher]}
    nulls = {name: [None] for name in MASK_SCHEMA.names if name not in columns}
    masks = pa.table({**columns, **nulls}, schema=MASK_SCHEMA)
    before = pa.table(
        {"sample_id": ["s"], "mask": [old.path], "mask_sha256": [old.sha256], "teacher": ["toy@0123456789ab"]}
    )
    assert without_noise(masks, before, blobs).num_rows == (0 if is_noise else 1)
    assert rivals(masks, before, blobs).num_rows == (1 if shift else 0)  # whichever teacher made it


def test_a_repaired_mask_is_never_overwritten(tmp_path: Path) -> None:
    lineage = Lineage(tmp_path)
    lineage.generate(1, 2)
    lineage.judge({1: "accept"}, repaired=lineage_mask(255))
    lineage.publish()
    lineage.judge({1: "reject", 2: "reject"}, reviewer="bob", minutes=1)
    lineage.publish()
    samples = find_samples(lineage.store.open(), "rejected", tmp_path / "data")
    assert [sample.sample_id for sample in samples] == [lineage.row(2)["sample_id"]]


def test_a_repaired_mask_is_overwritten_when_asked_by_name(store: ManifestStore, log: DecisionLog) -> None:
    row = rows_of(store.open())["a"]
    repaired = BlobStore(store.data_root()).put(
        encode_mask(np.full((row["height"], row["width"]), 255, np.uint8)), ".png"
    )
    log.append(
        [
            Decision(
                "repair", row["sample_id"], row["mask_sha256"], "accept", "ana", NOON,
                edited_mask_sha256=repaired.sha256,
            )
        ]
    )  # fmt: skip
    edited = rows_of(publish(store, log))
    assert edited["a"]["origin"] == "edited"
    assert relabel(store, "edited", RED).new_masks == 1
    after = rows_of(store.open())
    assert {name: after[name] for name in "bcd"} == {name: edited[name] for name in "bcd"}
    assert (after["a"]["origin"], after["a"]["status"], after["a"]["edited_from"]) == ("teacher", "pending", None)
    assert after["a"]["mask_sha256"] not in (repaired.sha256, row["mask_sha256"])


def test_both_masks_are_kept_on_request(store: ManifestStore, log: DecisionLog) -> None:
    decide(log, rows_of(store.open())["a"], "accept")
    before = rows_of(publish(store, log))
    relabelled = relabel(store, "pending", RED, keep_both=True)
    assert str(relabelled) == "3 second mask(s)"
    after = rows_of(store.open())
    assert after["a"] == before["a"]
    new = rows_of_shards(store, "b")
    names = [name for name in after["b"] if not name.startswith("rival_")]
    assert {name: after["b"][name] for name in names} == {name: before["b"][name] for name in names}
    assert (after["b"]["rival_mask_sha256"], after["b"]["rival_teacher"]) == (new["mask_sha256"], new["teacher"])
    assert after["b"]["rival_doubt"] == new["doubt"]
    masks = [read_mask(BlobStore(store.data_root()), row) >= 128 for row in (before["b"], new)]
    assert after["b"]["rival_iou"] == pytest.approx(mask_iou(*masks))
    assert store.open().parameters["keep_both"] is True


def test_a_sample_gets_one_rival_and_a_relabelling_ends_it(store: ManifestStore) -> None:
    relabel(store, "pending", RED, keep_both=True)
    with pytest.raises(
        UserError, match=r"expected pending samples with one mask to relabel in .*v2.parquet, found none"
    ):
        relabel(store, "pending", "grabcut", keep_both=True)
    rivals_before = {name: row["rival_mask_sha256"] for name, row in rows_of(store.open()).items()}
    relabel(store, "pending", RED)
    after = rows_of(store.open())
    assert {name: row["mask_sha256"] for name, row in after.items()} == rivals_before
    assert {row["rival_mask_sha256"] for row in after.values()} == {None}


def test_masks_that_are_the_same_but_for_noise_stay_one(store: ManifestStore) -> None:
    relabel(store, "pending", RED)
    relabelled = relabel(store, "pending", RED, keep_both=True)
    assert (relabelled.manifest, relabelled.new_masks, relabelled.same_masks) == (None, 0, 4)


def test_a_verdict_published_meanwhile_leaves_one_mask(store: ManifestStore, log: DecisionLog) -> None:
    masks = make_masks(store, "pending", RED, keep_both=True)
    decide(log, rows_of(store.open())["a"], "accept")
    publish(store, log)
    relabelled = commit(store, masks, 1, "pending", keep_both=True)
    assert (relabelled.new_masks, relabelled.changed_meanwhile) == (3, 1)
    assert rows_of(store.open())["a"]["rival_mask_sha256"] is None


def rows_of_shards(store: ManifestStore, stem: str) -> Row:
    """The red teacher's row for the sample of that stem, from the finished shards."""
    sample_id = rows_of(store.open())[stem]["sample_id"]
    rows = read_rows(make_masks(store, "pending", RED))
    return next(row for row in rows if row["sample_id"] == sample_id)


def test_the_same_mask_of_another_teacher_keeps_its_verdict(
    store: ManifestStore, log: DecisionLog, tmp_path: Path
) -> None:
    relabel(store, "pending", RED)
    decide(log, rows_of(store.open())["a"], "reject")
    before = rows_of(publish(store, log))
    for suffix in (".onnx", ".json"):
        shutil.copy(tmp_path / f"red{suffix}", tmp_path / f"crimson{suffix}")
    relabelled = relabel(store, "rejected", "onnx:crimson.onnx")
    assert (relabelled.manifest, relabelled.new_masks, relabelled.same_masks) == (str(store.path(4)), 0, 1)
    after = rows_of(store.open())
    assert after == before | {"a": before["a"] | {"teacher": load_teacher("onnx:crimson.onnx").name}}


def test_a_cropped_mask_that_a_teacher_replaces_is_a_teachers(store: ManifestStore) -> None:
    def cropped(table: pa.Table | None, _version: int) -> pa.Table:
        assert table is not None
        rows = [row | {"origin": "face_crop", "teacher": None} for row in table.to_pylist()]
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    store.update(cropped, operation="generate", parameters={}, data_root=store.data_root())
    assert relabel(store, "pending", RED).new_masks == 4
    assert {row["origin"] for row in rows_of(store.open()).values()} == {"teacher"}


def test_ground_truth_is_left_alone(store: ManifestStore, tmp_path: Path, astronaut: Image.Image) -> None:
    for kind, picture in (("true", astronaut.resize((200, 200))), ("masks", Image.new("L", (200, 200), 255))):
        (tmp_path / kind).mkdir()
        picture.save(tmp_path / kind / "e.png")
    import_ground_truth(
        store, images=tmp_path / "true", masks=tmp_path / "masks", source="t", data_root=store.data_root()
    )
    before = rows_of(store.open())["e"]
    assert relabel(store, "pending", RED).new_masks == 4
    assert rows_of(store.open())["e"] == before


def test_what_others_changed_meanwhile_stays(store: ManifestStore, log: DecisionLog) -> None:
    results = make_masks(store, "pending", RED)
    decide(log, rows_of(store.open())["a"], "accept")
    decide(log, rows_of(store.open())["b"], "reject")
    publish(store, log)
    relabel(store, "rejected", f"{RED}+grabcut")
    meanwhile = rows_of(store.open())
    assert meanwhile["b"]["status"] == "pending"  # again, with another mask
    relabelled = commit(store, results, 1, "pending")
    after = rows_of(store.open())
    assert {name for name in after if after[name] == meanwhile[name]} == {"a", "b"}
    assert (relabelled.new_masks, relabelled.changed_meanwhile) == (2, 2)


def test_a_reviewer_who_publishes_during_the_commit_wins(store: ManifestStore, log: DecisionLog) -> None:
    class Overtaken(ManifestStore):
        def commit(self, table: pa.Table, **others: Any) -> Manifest:
            if self.latest() == 1:
                decide(log, rows_of(store.open())["a"], "accept")
                publish(store, log)
            return super().commit(table, **others)

    relabelled = commit(Overtaken(store.root), make_masks(store, "pending", RED), 1, "pending")
    assert (relabelled.manifest, relabelled.new_masks) == (str(store.path(3)), 3)
    after = rows_of(store.open())
    assert (after["a"]["status"], after["a"]["teacher"]) == ("accepted", load_teacher("grabcut").name)
    assert {after[name]["teacher"] for name in "bcd"} == {load_teacher(RED).name}


def test_a_missing_or_altered_picture_is_named_and_the_rest_goes_on(store: ManifestStore, tmp_path: Path) -> None:
    before = rows_of(store.open())
    missing, altered = (store.data_root() / before[name]["image"] for name in "ab")
    kept = missing.read_bytes()
    missing.unlink()
    altered.write_bytes(altered.read_bytes() + b"\0")
    relabelled = relabel(store, "pending", RED)
    assert (relabelled.new_masks, relabelled.unusable) == (2, 2)
    after = rows_of(store.open())
    assert {name for name in after if after[name] == before[name]} == {"a", "b"}
    assert relabelled.quarantine_table is not None
    table = {row["source_uri"]: row for row in pyarrow.csv.read_csv(relabelled.quarantine_table).to_pylist()}
    assert set(table) == {before["a"]["image"], before["b"]["image"]}
    assert table[before["a"]["image"]]["reason"] == "unreadable file"
    assert f"sample {before['a']['sample_id']}: expected the blob" in table[before["a"]["image"]]["detail"]
    assert "to have the SHA-256" in table[before["b"]["image"]]["detail"]
    assert str(relabelled.quarantine_table) in str(relabelled.complaint)

    missing.write_bytes(kept)  # and a blob that is back is relabelled after all
    assert relabel(store, "pending", RED).new_masks == 1
    assert rows_of(store.open())["a"]["teacher"] == load_teacher(RED).name


def test_no_usable_picture_at_all_is_one_line(store: ManifestStore) -> None:
    for row in rows_of(store.open()).values():
        (store.data_root() / row["image"]).unlink()
    with pytest.raises(UserError, match=r"one of 4 pending sample\(s\), found none .*; see .*\.csv for each reason"):
        relabel(store, "pending", RED)
    assert store.latest() == 1


def test_a_picture_of_another_size_than_its_row_is_left(store: ManifestStore) -> None:
    sample = find_samples(store.open(), "pending", store.data_root())[0]
    relabeller = Labeller(RelabelWork(), default_detector(), load_teacher(RED), BlobStore(store.data_root()))
    outcome = relabeller.prepare(relabeller.read(replace(sample, width=sample.width + 1)))
    assert isinstance(outcome, dict)
    assert outcome["reason"] == "image and manifest differ in size"


def commit_wall(store: ManifestStore, others: dict[str, float]) -> None:
    """A sample without a face in its picture; what the manifest says of one is in `others`."""
    wall = np.random.default_rng(1).integers(0, 90, (240, 200, 3)).astype(np.uint8)
    wall[60:] //= 3
    source = Source("walls", "/walls/w.png", sha256_hex(b"w"))
    row = store_sample(
        BlobStore(store.data_root()), wall, np.zeros((240, 200), np.uint8), source=source,
        roi=Box(300, 100, 200, 240), origin="teacher", teacher="none@0", others=others,
    )  # fmt: skip
    store.update(
        lambda table, version: join_dataset([row], table, version=version),
        operation="generate", parameters={}, data_root=store.data_root(),
    )  # fmt: skip


def test_where_the_detector_finds_no_face_the_rows_own_face_is_taken(store: ManifestStore) -> None:
    commit_wall(store, Face(370, 140, 60, 70, 0.99).columns())
    relabel(store, "pending", "grabcut")
    row = rows_of(store.open())["w"]
    mask = decode_mask(BlobStore(store.data_root()).read(row["mask"], row["mask_sha256"]))
    assert mask[40:110, 70:130].mean() > 127  # the face, moved into the ROI
    assert row["face_fraction"] > 0.5
    assert row["face_x"] == 370


def test_without_any_face_a_sample_is_left(store: ManifestStore) -> None:
    commit_wall(store, {})
    relabelled = relabel(store, "pending", "grabcut")
    assert relabelled.unusable == 1
    [row] = pyarrow.csv.read_csv(str(relabelled.quarantine_table)).to_pylist()
    assert row["reason"] == "no face"
    assert rows_of(store.open())["w"]["teacher"] == "none@0"


def test_no_samples_of_the_status_is_one_line(store: ManifestStore) -> None:
    with pytest.raises(
        UserError, match=r"expected rejected samples to relabel in .*v1.parquet, found none .*4 pending"
    ):
        find_samples(store.open(), "rejected", store.data_root())


def test_an_interrupted_run_goes_on_where_it_stopped(store: ManifestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = find_samples(store.open(), "pending", store.data_root())
    job = Job(RelabelWork(), RED, TeacherOptions(), store.data_root(), threads=1)
    first, second = samples[:2], samples[2:]
    done = run_shard(first, "shard 1/2", job=job)
    written = (Path(done.directory) / "rows.parquet").stat().st_mtime_ns
    worker.interrupted.set()
    try:
        with pytest.raises(CancelledError):
            run_shard(second, "shard 2/2", job=job)
    finally:
        worker.interrupted.clear()
    asked: list[str] = []
    read = Labeller.read
    monkeypatch.setattr(Labeller, "read", lambda self, sample: asked.append(sample.sample_id) or read(self, sample))
    results = [run_shard(shard, "shard", job=job) for shard in (first, second)]
    assert [result.resumed for result in results] == [True, False]
    assert (Path(done.directory) / "rows.parquet").stat().st_mtime_ns == written
    assert asked == [second[1].sample_id]  # the first one was labelled when the run stopped
    assert commit(store, results, 1, "pending").new_masks == 4


def test_a_digest_follows_what_decides_the_masks_and_not_the_old_ones(
    store: ManifestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digest(samples: Sequence[RelabelItem], options: TeacherOptions = TeacherOptions()) -> str:  # noqa: B008
        return RelabelWork().digest(samples, teacher=load_teacher(RED, options), detector="d")

    samples = find_samples(store.open(), "pending", store.data_root())
    first = digest(samples)
    relabel(store, "pending", RED)
    assert digest(find_samples(store.open(), "pending", store.data_root())) == first
    face = samples[0].face
    assert face is not None
    others = [
        digest(samples[1:]),
        digest([replace(samples[0], face=replace(face, x=face.x + 1)), *samples[1:]]),
        digest([replace(samples[0], image_sha256="0" * 64), *samples[1:]]),
        digest(samples, TeacherOptions(flip=True)),
        RelabelWork().digest(samples, teacher=load_teacher("grabcut"), detector="d"),
    ]
    monkeypatch.setattr(roi, "ABOVE_FACE_HEIGHTS", 1.5)
    others.append(digest(samples))
    assert len({first, *others}) == 1 + len(others)


def test_few_portraits_are_in_memory_however_many_samples_there_are(store: ManifestStore) -> None:
    class Watched:
        """The teacher RED, which counts the portraits that are alive."""

        name, settings, batch_size = "red@0", "", 1

        def __init__(self) -> None:
            self.portraits: list[weakref.ref[object]] = []
            self.most_alive = 0

        def predict(self, portraits: Sequence[Portrait]) -> list[Prediction]:
            self.portraits += [weakref.ref(portrait.rgb) for portrait in portraits]
            self.most_alive = max(self.most_alive, sum(portrait() is not None for portrait in self.portraits))
            return load_teacher(RED).predict(portraits)

    teacher = Watched()
    [sample] = find_samples(store.open(), "pending", store.data_root())[2:3]
    samples = [replace(sample, sample_id=f"{number:032x}") for number in range(30)]
    relabeller = Labeller(RelabelWork(), default_detector(), teacher, BlobStore(store.data_root()))
    assert sum(isinstance(outcome, list) for outcome in label_all(relabeller, samples, threads=2)) == 30
    assert teacher.most_alive <= 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--relabel", "pending", "--images", "x"], "argument --images: not allowed with argument --relabel"),
        (["--relabel", "pending", "--masks", "x"], "argument --relabel: not allowed with --masks"),
        (["--relabel", "pending", "--source", "x", "--license", "y"], "not allowed with --source, --license"),
        (["--relabel", "pending", "--attribution", "x"], "not allowed with --attribution"),
        (["--relabel", "pending", "--person-label", "0"], "not allowed with --person-label"),
        (["--relabel", "pending", "--allow-private-addresses"], "not allowed with --allow-private-addresses"),
        (["--relabel", "pending"], "expected the --teacher that makes the new masks, found none"),
        (["--relabel", "accepted", "--teacher", "grabcut"], "invalid choice: 'accepted'"),
        (
            ["--relabel", "rejected", "--keep-both", "--teacher", "grabcut"],
            "expected --relabel pending with it, found --relabel rejected",
        ),
        (["--images", "x", "--keep-both"], "argument --keep-both: expected --relabel pending with it, found --images"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)
    assert refused.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--relabel", "rejected", "--teacher", "grabcut"], "expected rejected samples to relabel in manifests/v1"),
        (["--relabel", "pending", "--teacher", "grabcup"], "expected a teacher out of starter, grabcut"),
        (
            ["--relabel", "pending", "--teacher", "grabcut", "--manifests", "no"],
            "expected a manifest in no, found none",
        ),
    ],
)
def test_what_is_wrong_shows_before_prefect_starts(store: ManifestStore, arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(arguments)


def start(arguments: list[str], directory: Path, environment: Environment) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline.generate", *arguments]
    return subprocess.Popen(
        command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_the_command_killed_and_resumed(store: ManifestStore, tmp_path: Path, prefect_server: Environment) -> None:
    arguments = ["--relabel", "pending", "--teacher", RED, "--shard-size", "1"]
    before = rows_of(store.open())
    (store.data_root() / before["d"]["image"]).unlink()

    def finished() -> dict[Path, int]:
        shards = (store.data_root() / "shards").glob("*/rows.parquet")
        return {path: path.stat().st_mtime_ns for path in shards if path.parent.name != "first"}

    with start(arguments, tmp_path, prefect_server) as killed:
        while not finished():
            assert killed.poll() is None, killed.communicate()
            time.sleep(0.005)
        os.kill(killed.pid, signal.SIGKILL)
    done_before = finished()
    assert len(done_before) < 4
    assert store.latest() == 1

    with start(arguments, tmp_path, prefect_server) as resumed:
        output, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    assert output.splitlines() == ["3 new mask(s)", "manifests/v2.parquet"]
    assert errors.splitlines()[0].startswith("relabelling 4 pending sample(s) with red@")
    assert errors.splitlines()[-1].startswith("1 sample(s) can't be relabelled and stay as they were, see data/quaran")
    assert {path: finished()[path] for path in done_before} == done_before
    assert store.open().parameters["teacher"] == RED

    with start(arguments, tmp_path, prefect_server) as again:
        _, errors = again.communicate()
    assert again.returncode == 1
    assert "found 0 new mask(s), 3 the same as before; choose another --teacher" in errors.splitlines()[-1]
    assert store.latest() == 2


@pytest.mark.parametrize("keep_both", [False, True])
def test_a_version_of_many_parts_gets_the_masks_that_it_would_get_as_a_whole(
    tmp_path: Path, keep_both: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_groups, "PART_ROWS", 64)
    table = pa.concat_tables(made_up_parts(500))
    pending = table.filter(pc.equal(table["status"], "pending"))
    others = pa.concat_tables(made_up_parts(pending.num_rows, seed=2)).select(MASK_SCHEMA.names)
    some = pa.array(range(0, pending.num_rows, 3))
    masks = others.set_column(0, MASK_SCHEMA.field(0), pending["sample_id"].cast(pa.string())).take(some)
    before = table.select(["sample_id", "mask", "mask_sha256", "teacher"])

    def put_in(rows: pa.Table) -> tuple[pa.Table | None, int, int]:
        if keep_both:
            rivals = [masks[name] for name in ("sample_id", "mask_sha256", "teacher", "person_fraction", "doubt")]
            return *add_rivals(rows, pa.table(rivals, schema=RIVAL_SCHEMA), before), 0
        return replace_masks(rows, masks, before, status="pending")

    columns = list(RIVAL_SCHEMA.names[1:]) if keep_both else relabel_module._REPLACED
    base = ManifestStore(tmp_path).commit(table, parent=None, operation="x", parameters={}, data_root=tmp_path)
    patch, *counts = relabel_module._patch(base, masks, columns, put_in)
    expected, *expected_counts = put_in(table)
    assert patch is not None
    assert expected is not None
    assert pa.concat_tables(changed(base.parts(), patch)).equals(expected)
    assert counts == expected_counts
    assert counts[0] > 5
