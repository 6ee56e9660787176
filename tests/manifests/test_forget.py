"""`forget`: pixels of a person are gone everywhere, nothing brings them back, and everything says so by name."""

import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from faults import failing
from hostile_files import write_foreign_name
from made_rows import rows as made_rows
from operations import ended, generate, prepare, relabel
from PIL import Image
from small_lineages import Lineage, mask, picture, sample_id

from manifests.__main__ import main
from manifests.errors import UserError
from manifests.exports.rows import choose_rows
from manifests.files.blobs import BlobStore, sha256_hex
from manifests.files.tombstones import FORGOTTEN, Tombstones, uri_digest, write_tombstones
from manifests.samples import sample
from manifests.store.manifest import Manifest
from manifests.store.row_patch import RowPatch, changed
from manifests.store.training_rows import accepted_rows
from manifests.upkeep.verify import verify
from manifests.versions.merge import merge
from manifests.versions.restore import restore
from pipeline.faces.mtcnn import default_detector
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.shards import label_all
from pipeline.sources import Origins, find_pictures
from pipeline.teachers import load_teacher
from review_ui.queue.open_samples import ReviewQueue

ANN, BEA = "/0.jpg", "/1.jpg"  # source URIs of samples 0 and 1


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    """Four samples in v1; 0 and 1 accepted in v2, 0 with a repaired mask. Each has another mask."""
    lineage = Lineage(tmp_path)
    for seed in range(4):
        lineage.generate(seed, level=200 + seed)
    lineage.judge({0: "accept"}, repaired=mask(180))
    lineage.judge({1: "accept", 2: "reject"})
    lineage.publish()
    return lineage


def command(lineage: Lineage, *words: str) -> None:
    main(["forget", *words, "--manifests", str(lineage.store.root)])


def pixels_of(lineage: Lineage, seed: int) -> list[Path]:
    """The blobs of a sample, in any version."""
    found = set()
    for version in lineage.store.history():
        for row in version.read(["sample_id", "image", "mask"]).to_pylist():
            if row["sample_id"] == sample_id(seed):
                found |= {lineage.blobs.root / row["image"], lineage.blobs.root / row["mask"]}
    return sorted(found)


def test_all_pixels_of_a_source_image_are_gone_and_the_next_version_lacks_it(
    lineage: Lineage, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, others = pixels_of(lineage, 0), pixels_of(lineage, 1)
    assert len(mine) == 3  # image, the teacher's mask, the repaired one
    command(lineage, "--source-uri", ANN, "--yes")
    said = capsys.readouterr().out
    assert not any(path.exists() for path in mine)
    assert all(path.exists() for path in others)
    assert sample_id(0) not in lineage.rows()
    assert sample_id(1) in lineage.rows()
    assert lineage.store.open().operation == "forget"
    assert f"{lineage.store.path(5)} holds 1 of them, 1 accepted" in said
    assert said.endswith(f"{lineage.store.path(6)}\n")


def test_old_versions_keep_the_row_and_verify_knows_the_tombstone(
    lineage: Lineage, capsys: pytest.CaptureFixture[str]
) -> None:
    command(lineage, "--source-uri", ANN, "--yes")
    assert sample_id(0) in lineage.store.open(5).read(["sample_id"])["sample_id"].to_pylist()
    assert [verify(version) for version in lineage.store.history()] == [[]] * 6
    main(["verify", "5", "--manifests", str(lineage.store.root)])
    assert "every blob present and unaltered but of 1 forgotten sample(s)" in capsys.readouterr().out


def test_a_missing_blob_of_another_sample_is_still_damage(lineage: Lineage) -> None:
    command(lineage, "--source-uri", ANN, "--yes")
    pixels_of(lineage, 1)[0].unlink()
    assert len(verify(lineage.store.open())) == 1


def test_an_image_that_is_there_again_is_a_problem(lineage: Lineage) -> None:
    (image,) = (path for path in pixels_of(lineage, 0) if path.suffix == ".jpg")
    data = image.read_bytes()
    command(lineage, "--source-uri", ANN, "--yes")
    image.write_bytes(data)
    assert f"forget --sample-id {sample_id(0)} again" in verify(lineage.store.open(5))[0]
    command(lineage, "--sample-id", sample_id(0), "--yes")
    assert not image.exists()


def test_a_mask_that_another_sample_has_too_stays(lineage: Lineage, capsys: pytest.CaptureFixture[str]) -> None:
    lineage.generate(7, level=203)  # the mask of sample 3
    command(lineage, "--source-uri", "/3.jpg", "--yes")
    assert "1 blob(s) stay: other samples have the same" in capsys.readouterr().out
    assert verify(lineage.store.open()) == []


def test_the_plan_deletes_nothing_and_lists_look_alikes(lineage: Lineage, capsys: pytest.CaptureFixture[str]) -> None:
    near = picture(0).copy()
    near[:4] //= 2
    lineage.generate(8, rgb=near, level=208)
    command(lineage, "--source-uri", ANN, "--plan")
    said = capsys.readouterr().out
    assert "1 look-alike(s) stay; look at them\n  " + sample_id(8) in said
    assert "nothing was deleted" in said
    assert all(path.exists() for path in pixels_of(lineage, 0))


def test_nothing_is_deleted_without_a_yes(lineage: Lineage, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="--yes"):
        command(lineage, "--source-uri", ANN)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _question: "y")
    with pytest.raises(UserError, match="nothing was deleted"):
        command(lineage, "--source-uri", ANN)
    assert all(path.exists() for path in pixels_of(lineage, 0))
    monkeypatch.setattr("builtins.input", lambda _question: "yes")
    command(lineage, "--source-uri", ANN)
    assert not any(path.exists() for path in pixels_of(lineage, 0))


def test_what_no_version_has_is_refused_by_name(lineage: Lineage) -> None:
    with pytest.raises(UserError, match=r"found none of 2 of these \(/nobody.jpg, 0000\)"):
        command(lineage, "--source-uri", "/nobody.jpg", ANN, "--sample-id", "0000", "--yes")
    assert all(path.exists() for path in pixels_of(lineage, 0))


def test_decoded_pixels_sheets_and_checkpoints_are_found(lineage: Lineage, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cache/abc/images", "reports/abc.jpg", "quarantine/abc.csv"):
        (lineage.blobs.root / name).parent.mkdir(parents=True, exist_ok=True)
        (lineage.blobs.root / name).write_bytes(b"x")
    runs = lineage.root / "runs"
    for name, version in (("seen", 5), ("unseen", 4)):  # in v4 sample 0 waited for review
        (runs / name).mkdir(parents=True)
        described = {"manifest_digest": lineage.store.open(version).digest, "file": "best.safetensors"}
        (runs / name / "best.json").write_text(json.dumps(described))
    (runs / "deep.json").write_text("[" * 100_000)  # not written by trainer.fit
    command(lineage, "--source-uri", ANN, "--runs", str(runs), "--yes")
    said = capsys.readouterr().out
    assert f"{runs}/seen/best.safetensors was fitted on them and stays" in said
    assert "unseen" not in said
    left = [list((lineage.blobs.root / name).iterdir()) for name in ("cache", "reports", "quarantine")]
    assert [len(files) for files in left] == [0, 0, 1]


@pytest.mark.parametrize("by", ["uri", "sample"])
def test_an_import_skips_it_by_name(tmp_path: Path, by: str, capsys: pytest.CaptureFixture[str]) -> None:
    lineage = Lineage(tmp_path)
    for folder, values in (("images", picture), ("masks", lambda seed: np.where(mask(1) > 0, 255, 0))):
        (tmp_path / folder).mkdir()
        for seed in (1, 2):
            Image.fromarray(values(seed).astype(np.uint8)).save(tmp_path / folder / f"{seed}.png")
    words = [
        "import", "--images", str(tmp_path / "images"), "--masks", str(tmp_path / "masks"), "--source", "studio",
        "--manifests", str(lineage.store.root),
    ]  # fmt: skip
    main(words)
    first, second = sorted(lineage.rows().values(), key=lambda row: str(row["source_uri"]))
    chosen = ["--source-uri", first["source_uri"]] if by == "uri" else ["--sample-id", first["sample_id"]]
    command(lineage, *chosen, "--yes")
    Image.fromarray(picture(3)).save(tmp_path / "images/3.png")
    Image.fromarray(np.where(mask(1) > 0, 255, 0).astype(np.uint8)).save(tmp_path / "masks/3.png")
    capsys.readouterr()
    main(words)
    said = capsys.readouterr()
    assert "1 samples added, 1 in the dataset already, 1 unusable pairs skipped" in said.out
    assert "1.png: forgotten before" in said.err
    assert first["sample_id"] not in lineage.rows()
    assert second["sample_id"] in lineage.rows()


def test_generate_leaves_it_out_of_finished_shards_and_reads_it_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepare(tmp_path)
    here = Lineage(tmp_path / "here")
    generate(tmp_path)
    command(here, "--source-uri", "/200.jpg", "/3.jpg", "--yes")
    with caplog.at_level(logging.WARNING, "manifests"):
        generate(tmp_path)
        relabel(tmp_path)
    assert "1 forgotten sample(s) left out (/200.jpg)" in caplog.text
    assert f"finished shards: 1 forgotten sample(s) left out ({sample_id(3)})" in caplog.text
    assert not {sample_id(3), sample_id(200)} & here.rows().keys()


@pytest.mark.parametrize("by", ["uri", "bytes", "sample"])
def test_generate_quarantines_it_by_name(tmp_path: Path, astronaut: Image.Image, by: str) -> None:
    blobs = BlobStore(tmp_path / "data")
    astronaut.save(tmp_path / "ann.jpg")
    (item,) = find_pictures(str(tmp_path / "ann.jpg"), None)
    work, detector = LabelWork(Origins("web")), default_detector()
    (candidate,) = work.candidates(item, np.asarray(astronaut), detector)
    sha256 = sha256_hex(item.read())
    tombstones = {
        "uri": Tombstones(uris=frozenset({uri_digest(item.uri)})),
        "bytes": Tombstones(sources=frozenset({sha256})),
        "sample": Tombstones(samples=frozenset({sample.sample_id(sha256, candidate.roi)})),
    }
    write_tombstones(blobs.root, tombstones[by])
    (outcome,) = label_all(Labeller(work, detector, load_teacher("grabcut"), blobs), [item], threads=1)
    assert isinstance(outcome, dict)
    assert (outcome["source_uri"], outcome["reason"]) == (item.uri, FORGOTTEN)
    assert not list(blobs.root.glob("blobs/??/*"))


def test_a_merge_a_restore_a_fit_an_export_and_the_queue_leave_it_out_by_name(
    lineage: Lineage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    there = Lineage(tmp_path / "there")
    for seed in (0, 9):
        there.generate(seed, level=200 + seed)
    command(lineage, "--sample-id", sample_id(0), "--yes")
    old = lineage.store.open(5)
    readers: list[Callable[[], set[str]]] = [
        lambda: {row.image_sha256 for row in accepted_rows(old, "all")},
        lambda: {row["image_sha256"] for row in choose_rows(old, status="all").all_rows()},
        lambda: images(restore(lineage.store, lineage.store.open(4)).manifest),
        lambda: images(merge(lineage.store, there.store.open()).manifest),
    ]
    (forgotten,) = {row["image_sha256"] for row in old.read().to_pylist() if row["sample_id"] == sample_id(0)}
    for read in readers:
        caplog.clear()
        with caplog.at_level(logging.WARNING, "manifests"):
            assert forgotten not in read()
        assert f"1 forgotten sample(s) left out ({sample_id(0)})" in caplog.text
    queue = ReviewQueue(lineage.store.open(4))  # where it waited
    assert queue.find(sample_id(0)) is None
    assert queue.find(sample_id(3)) is not None


def images(manifest: Manifest) -> set[str]:
    return set(manifest.read(["image_sha256"])["image_sha256"].to_pylist())


def test_a_blob_that_was_forgotten_is_refused_by_that_name(lineage: Lineage) -> None:
    row = lineage.row(0)
    command(lineage, "--source-uri", ANN, "--yes")
    with pytest.raises(UserError, match="found that it was forgotten"):
        lineage.blobs.read(row["image"], row["image_sha256"])


def test_a_failed_forget_is_completed_by_the_next(lineage: Lineage) -> None:
    with failing(lineage.root) as whole:
        command(lineage, "--source-uri", BEA, "--yes")
    for at in range(1, len(whole.calls) + 1, 6):
        seed = 20 + at
        lineage.generate(seed, level=220)
        with failing(lineage.root, at=at):
            assert ended(partial(command, lineage, "--source-uri", f"/{seed}.jpg", "--yes")).is_clear
        command(lineage, "--source-uri", f"/{seed}.jpg", "--yes")
        assert sample_id(seed) not in lineage.rows()
        assert not any(path.exists() for path in pixels_of(lineage, seed))
    assert [problem for version in lineage.store.history() for problem in verify(version)] == []


@pytest.mark.parametrize("name", ["manifests/v6.parquet", "data/shards/ab/rows.parquet", "data/embeddings/e/a.parquet"])
def test_a_file_whose_columns_name_is_not_utf8_stops_it_in_one_line(lineage: Lineage, name: str) -> None:
    mine = pixels_of(lineage, 0)
    (lineage.root / name).parent.mkdir(parents=True, exist_ok=True)
    write_foreign_name(made_rows(1), lineage.root / name)
    with pytest.raises(UserError, match=rf"expected (sound embeddings|a .*Parquet file) at .*{name}, found"):
        command(lineage, "--source-uri", ANN, "--yes")
    assert all(path.exists() for path in mine)


@pytest.mark.parametrize("samples", ["3", '"ab"', "[1]", "[", "[" * 100_000])
def test_damaged_tombstones_are_refused(tmp_path: Path, samples: str) -> None:
    (tmp_path / "forgotten").mkdir()
    text = f'{{"samples": {samples}, "blobs": [], "sources": [], "uris": []}}'
    (tmp_path / "forgotten/1.json").write_text(text)
    with pytest.raises(UserError, match="damaged"):
        Tombstones.read(tmp_path)


def test_a_patch_drops_rows_across_parts() -> None:
    table = made_rows(10)
    patch = RowPatch(dropped=np.array([0, 4, 5, 9]))
    parts = list(changed([table.slice(0, 5), table.slice(5)], patch))
    kept = [row for part in parts for row in part["source_uri"].to_pylist()]
    assert kept == [f"/photos/{number}.jpg" for number in (1, 2, 3, 6, 7, 8)]
