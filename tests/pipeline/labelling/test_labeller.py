"""One picture -> samples or a reason; a shard of them, resumed; all without Prefect."""

import os
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from bad_pictures import EXPECTED_REASON, write_bad_pictures
from PIL import Image

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box, crop
from manifests.pixels.images import decode_image
from manifests.pixels.mask_encoding import MaskEncoding
from manifests.pixels.mask_values import read_mask_values
from manifests.pixels.masks import decode_mask
from manifests.samples.sample import Row
from manifests.store.manifest import ManifestStore
from pipeline.faces import roi
from pipeline.faces.mtcnn import default_detector
from pipeline.labelling import shards
from pipeline.labelling.commit import commit_shards
from pipeline.labelling.destination import Destination
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.relabel import RelabelItem, RelabelWork
from pipeline.labelling.shards import label_all, process_shard, read_quarantine, read_rows, split_into_shards
from pipeline.labelling.work import RowsOrQuarantine
from pipeline.sources import Origins, Picture, default_source, find_mask_encoding, find_pictures, without_blobs
from pipeline.teachers import TeacherOptions, load_teacher

ORIGINS = Origins("test", "CC0", "somebody")


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "data")


def labeller(blobs: BlobStore, origins: Origins = ORIGINS) -> Labeller[Picture]:
    teacher = None if origins.encoding else load_teacher("grabcut")  # with masks nobody is asked
    return Labeller(LabelWork(origins), default_detector(), teacher, blobs)


def label(labeller: Labeller[Picture], picture: Picture) -> RowsOrQuarantine:
    [outcome] = label_all(labeller, [picture], threads=1)
    return outcome


def rows_of(outcome: list[Row] | dict[str, str | None]) -> list[Row]:
    assert isinstance(outcome, list), outcome
    return outcome


@pytest.fixture(scope="module")
def bad_pictures(tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image) -> Path:
    return write_bad_pictures(tmp_path_factory.mktemp("bad"), astronaut.resize((320, 320)))


@pytest.mark.parametrize(("name", "reason"), EXPECTED_REASON.items())
def test_each_odd_picture_is_used_or_quarantined(
    bad_pictures: Path, blobs: BlobStore, name: str, reason: str | None
) -> None:
    before = (bad_pictures / name).read_bytes()
    outcome = label(labeller(blobs), Picture(bad_pictures / name))
    if reason is None:
        [row] = rows_of(outcome)
        assert row["origin"] == "teacher"
        assert row["person_fraction"] > 0.1
    else:
        assert isinstance(outcome, dict)
        assert outcome["reason"] == reason
        assert outcome["detail"]
    assert (bad_pictures / name).read_bytes() == before


def test_a_rotated_photo_gives_the_upright_sample(bad_pictures: Path, blobs: BlobStore) -> None:
    rotated, upright = (
        rows_of(label(labeller(blobs), Picture(bad_pictures / name)))[0] for name in ("rotated.jpg", "good.jpg")
    )
    assert (rotated["width"], rotated["height"]) == (upright["width"], upright["height"])
    assert abs(rotated["face_x"] - upright["face_x"]) < 5
    assert abs(rotated["face_y"] - upright["face_y"]) < 5


def test_a_missing_file_is_quarantined_with_the_systems_reason(tmp_path: Path, blobs: BlobStore) -> None:
    outcome = label(labeller(blobs), Picture(tmp_path / "gone.jpg"))
    assert isinstance(outcome, dict)
    assert (outcome["reason"], outcome["detail"]) == ("unreadable file", "No such file or directory")


def test_a_full_disk_is_no_fault_of_the_picture(bad_pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the data root should be")
    with pytest.raises(OSError, match="data"):
        label(labeller(BlobStore(tmp_path / "data")), Picture(bad_pictures / "good.jpg"))


def test_case_2_stores_the_pixels_of_the_roi_and_where_it_was(shared: Path, blobs: BlobStore) -> None:
    path = next(iter(sorted((shared / "data/raw_fullbody/images").glob("*.jpg"))))
    rgb = decode_image(path.read_bytes())
    for row in rows_of(label(labeller(blobs), Picture(path))):
        roi = Box(row["roi_x"], row["roi_y"], row["roi_w"], row["roi_h"])
        stored = decode_image(blobs.read(row["image"], row["image_sha256"]))
        assert roi.w * roi.h < rgb.shape[0] * rgb.shape[1]  # a full-body photo is cropped
        assert np.abs(stored.astype(int) - crop(rgb, roi)).mean() < 3  # JPEG's loss
        assert row["teacher"] == load_teacher("grabcut").name
        assert (row["license"], row["attribution"]) == ("CC0", "somebody")


def test_case_1_crops_image_and_mask_alike(shared: Path, blobs: BlobStore) -> None:
    fullbody = shared / "data/fullbody"
    origins = Origins("fullbody", encoding=MaskEncoding("0/255"))
    picture = Picture(fullbody / "images/0001.jpg", fullbody / "masks/0001.png")
    [row] = rows_of(label(labeller(blobs, origins), picture))
    roi = Box(row["roi_x"], row["roi_y"], row["roi_w"], row["roi_h"])
    assert picture.mask is not None
    whole = read_mask_values(picture.mask)
    assert np.array_equal(decode_mask(blobs.read(row["mask"], row["mask_sha256"])), crop(whole, roi))
    assert row["origin"] == "face_crop"
    assert row["teacher"] is None


def test_case_1_leaves_out_faces_that_nobody_labelled(shared: Path, blobs: BlobStore, tmp_path: Path) -> None:
    fullbody = shared / "data/fullbody"
    whole = read_mask_values(fullbody / "masks/0001.png")
    Image.fromarray(np.zeros_like(whole)).save(tmp_path / "0001.png")
    picture = Picture(fullbody / "images/0001.jpg", tmp_path / "0001.png")
    outcome = label(labeller(blobs, Origins("fullbody", encoding=MaskEncoding("0/255"))), picture)
    assert isinstance(outcome, dict)
    assert outcome["reason"] == "no face in the mask"


def test_case_1_quarantines_a_mask_of_another_size(bad_pictures: Path, blobs: BlobStore, tmp_path: Path) -> None:
    Image.new("L", (20, 20), 255).save(tmp_path / "good.png")
    outcome = label(
        labeller(blobs, Origins("x", encoding=MaskEncoding("0/255"))),
        Picture(bad_pictures / "good.jpg", tmp_path / "good.png"),
    )
    assert isinstance(outcome, dict)
    assert outcome["reason"] == "mask and image differ in size"


def test_a_finished_shard_is_not_labelled_again(bad_pictures: Path, blobs: BlobStore, tmp_path: Path) -> None:
    pictures = find_pictures(str(bad_pictures))
    first = process_shard(pictures, tmp_path / "shard", lambda: labeller(blobs))
    again = process_shard(pictures, tmp_path / "shard", lambda: pytest.fail("labelled again"))
    assert (first.resumed, again.resumed) == (False, True)
    assert (first.samples, first.quarantined) == (again.samples, again.quarantined) == (4, 6)
    assert {Path(str(row["source_uri"])).name: row["reason"] for row in read_quarantine([again])} == {
        name: reason for name, reason in EXPECTED_REASON.items() if reason
    }


def test_threads_change_neither_rows_nor_blobs(bad_pictures: Path, tmp_path: Path) -> None:
    pictures = find_pictures(str(bad_pictures))[:5]  # of each end
    results = [
        process_shard(
            pictures, tmp_path / f"shard{threads}", lambda: labeller(BlobStore(tmp_path / "data")), threads=threads
        )
        for threads in (1, 4)
    ]
    one, four = (pq.read_table(Path(result.directory) / "rows.parquet") for result in results)
    assert one.equals(four)


def test_a_shards_digest_follows_bytes_teacher_and_settings(bad_pictures: Path, tmp_path: Path) -> None:
    picture = Picture(tmp_path / "a.jpg")
    picture.image.write_bytes((bad_pictures / "good.jpg").read_bytes())

    def digest(options: TeacherOptions = TeacherOptions(), origins: Origins = ORIGINS) -> str:  # noqa: B008
        teacher = load_teacher("grabcut", options)
        return LabelWork(origins).digest([picture], teacher=teacher, detector="d")

    first = digest()
    assert digest() == first
    assert digest(TeacherOptions(flip=True)) != first
    assert digest(TeacherOptions(refine="guided")) not in (first, digest(TeacherOptions(flip=True)))
    assert digest(origins=Origins("other")) != first
    picture.image.write_bytes(picture.image.read_bytes() + b"\0")
    assert digest() != first


def test_a_shards_digest_follows_the_numbers_in_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digest() -> str:
        return LabelWork(ORIGINS).digest([Picture(tmp_path / "a.jpg")], teacher=None, detector="d")

    first = digest()
    monkeypatch.setattr(roi, "ABOVE_FACE_HEIGHTS", 1.5)
    assert digest() != first


def test_a_shards_digest_outlives_the_modules_that_its_numbers_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both digests are those of 0.1.0 before its modules moved, with the formats that are read since: HEIF, JPEG XL.

    A dataset labelled since then resumes; one labelled before gives its images of these formats another try.
    """
    monkeypatch.setattr(shards, "__version__", "0.1.0")
    label = LabelWork(ORIGINS).digest(numbered_pictures(2), teacher=None, detector="d")
    sample = RelabelItem("0" * 32, Path("/data"), "blobs/a.jpg", "1" * 64, 48, 64, None)
    toy = SimpleNamespace(name="toy@0123456789ab", settings={})
    relabel = RelabelWork().digest([sample], teacher=toy, detector="d")
    assert (label, relabel) == ("831ab44a2f5ef18696898abfaa4b2a92", "21facb8477f14dc7cd80a8738ce391fa")


def numbered_pictures(count: int) -> list[Picture]:
    return [Picture(Path(f"/photographs/{number:05}.jpg")) for number in range(count)]


@pytest.mark.parametrize("shard_size", [1, 2, 7, 512])
def test_shards_keep_the_order_and_every_picture_and_their_size(shard_size: int) -> None:
    pictures = numbered_pictures(3000)
    shards = split_into_shards(pictures, shard_size)
    assert [picture for shard in shards for picture in shard] == pictures
    assert all(1 <= len(shard) <= shard_size for shard in shards)
    assert len(shards) < 3000 / (0.5 * shard_size) + 1  # not much smaller than asked for, on average


def test_a_picture_that_comes_changes_its_own_shard_and_few_others() -> None:
    pictures = numbered_pictures(20_000)
    before = split_into_shards(pictures, 100)
    pictures.insert(4_321, Picture(Path("/photographs/04320_b.jpg")))
    after = split_into_shards(pictures, 100)
    assert sum(shard not in before for shard in after) <= 5


def test_committing_the_same_shard_twice_adds_nothing(bad_pictures: Path, blobs: BlobStore, tmp_path: Path) -> None:
    store = ManifestStore(tmp_path / "manifests")
    result = process_shard(find_pictures(str(bad_pictures)), tmp_path / "shard", lambda: labeller(blobs))
    first, again = (commit_shards([result], store, blobs.root, parameters={"images": "x"}) for _ in range(2))
    assert store.versions() == [1]
    assert (first.samples_added, again.samples_added) == (4, 0)
    assert first.manifest == again.manifest
    assert first.quarantine_table is not None
    assert first.quarantine_table == again.quarantine_table
    assert len(Path(first.quarantine_table).read_text().splitlines()) == 1 + 6
    assert {row["sample_id"] for row in read_rows([result])} == set(
        store.open().read(["sample_id"])["sample_id"].to_pylist()
    )


def test_copies_of_an_image_are_one_sample_and_are_counted_apart(
    bad_pictures: Path, blobs: BlobStore, tmp_path: Path
) -> None:
    (tmp_path / "copy.jpg").write_bytes((bad_pictures / "good.jpg").read_bytes())
    pictures = [Picture(bad_pictures / "good.jpg"), Picture(tmp_path / "copy.jpg")]
    result = process_shard(pictures, tmp_path / "shard", lambda: labeller(blobs))
    store = ManifestStore(tmp_path / "manifests")
    generated = commit_shards([result], store, blobs.root, parameters={"images": "pictures"})
    assert str(generated) == "1 portrait(s); 1 copy of other images left out"
    assert store.open().counts["rows"] == generated.samples == 1


def test_no_usable_picture_is_one_line_with_the_reasons(bad_pictures: Path, blobs: BlobStore, tmp_path: Path) -> None:
    result = process_shard(
        [Picture(bad_pictures / "text.jpg"), Picture(bad_pictures / "no_face.jpg")],
        tmp_path / "shard",
        lambda: labeller(blobs),
    )
    with pytest.raises(UserError, match=r"found none in 2 image\(s\) \(no face, not an image\)"):
        commit_shards([result], ManifestStore(tmp_path / "manifests"), blobs.root, parameters={"images": "x"})


def test_mask_encoding_is_found_over_all_masks(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 0).save(tmp_path / "a.png")
    Image.new("L", (8, 8), 1).save(tmp_path / "b.png")
    pictures = [Picture(tmp_path / "x.jpg", tmp_path / name) for name in ("a.png", "b.png")]
    assert find_mask_encoding(pictures) == MaskEncoding("0/1")
    assert find_mask_encoding([Picture(tmp_path / "x.jpg")]) is None


def test_a_source_is_named_after_its_directory(tmp_path: Path) -> None:
    (tmp_path / "baidu/images").mkdir(parents=True)
    (tmp_path / "selfies").mkdir()
    assert default_source(str(tmp_path / "baidu/images")) == "baidu"
    assert default_source(str(tmp_path / "selfies")) == "selfies"


def test_a_name_that_is_no_utf8_is_kept_escaped(bad_pictures: Path, blobs: BlobStore, tmp_path: Path) -> None:
    names = {b"caf\xe9.jpg": "good.jpg", b"th\xe9.jpg": "text.jpg"}
    for name, original in names.items():
        try:
            (tmp_path / os.fsdecode(name)).write_bytes((bad_pictures / original).read_bytes())
        except OSError:
            pytest.skip("this file system takes UTF-8 names alone")
    result = process_shard(find_pictures(str(tmp_path)), tmp_path / "shard", lambda: labeller(blobs))
    assert [row["source_uri"] for row in read_rows([result])] == [f"{tmp_path}/caf\\xe9.jpg"]
    assert [row["source_uri"] for row in read_quarantine([result])] == [f"{tmp_path}/th\\xe9.jpg"]


def test_a_shard_stops_soon_when_told_to(bad_pictures: Path, blobs: BlobStore, tmp_path: Path) -> None:
    pictures = [Picture(bad_pictures / "text.jpg")] + [Picture(bad_pictures / "good.jpg")] * 200
    labelled = labeller(blobs)
    calls: list[object] = []
    labelled.prepare = lambda opened: calls.append(opened) or Labeller.prepare(labelled, opened)  # type: ignore
    with pytest.raises(CancelledError):
        process_shard(pictures, tmp_path / "shard", lambda: labelled, threads=1, stopped=lambda: True)
    assert 0 < len(calls) < 10
    assert [path.name for path in (tmp_path / "shard").iterdir()] == ["part.parquet"]


def five_pictures(bad_pictures: Path, directory: Path) -> list[Picture]:
    """Three portraits of different bytes, text and a missing file between them."""
    directory.mkdir()
    for number in range(3):
        with Image.open(bad_pictures / "good.jpg") as image:
            image.resize((200 + number, 200)).save(directory / f"{number}.png")
    (directory / "text.jpg").write_text("text")
    return [Picture(directory / name) for name in ("0.png", "text.jpg", "missing.jpg", "1.png", "2.png")]


def names_read(labelled: Labeller[Picture]) -> list[str]:
    """The names of the images that this labeller reads from now on."""
    names: list[str] = []
    labelled.read = lambda item: names.append(Path(item.uri).name) or Labeller.read(labelled, item)  # type: ignore
    return names


def stop_after_four(pictures: list[Picture], directory: Path, blobs: BlobStore) -> None:
    """Label a shard that is stopped after four images."""
    counts: list[int] = []
    with pytest.raises(CancelledError):
        process_shard(
            pictures, directory, lambda: labeller(blobs), stopped=lambda: sum(counts) == 4, advance=counts.append
        )


def test_a_stopped_shard_keeps_what_is_labelled_and_goes_on_there(
    bad_pictures: Path, blobs: BlobStore, tmp_path: Path
) -> None:
    pictures = five_pictures(bad_pictures, tmp_path / "pictures")
    stop_after_four(pictures, tmp_path / "shard", blobs)
    second = labeller(blobs)
    read, counts_again = names_read(second), list[int]()
    resumed = process_shard(pictures, tmp_path / "shard", lambda: second, advance=counts_again.append)
    assert (read, counts_again) == (["2.png"], [4, 1])
    whole = process_shard(pictures, tmp_path / "whole", lambda: labeller(blobs))
    assert list(read_rows([resumed])) == list(read_rows([whole]))
    assert read_quarantine([resumed]) == read_quarantine([whole])
    assert not (tmp_path / "shard/part.parquet").exists()


def test_a_killed_shard_goes_on_where_its_part_was_saved_last(
    bad_pictures: Path, blobs: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SAVED_EVERY", 2)
    pictures = five_pictures(bad_pictures, tmp_path / "pictures")
    counts: list[int] = []

    def die_after_three(images: int) -> None:
        counts.append(images)
        if sum(counts) == 3:
            raise MemoryError

    with pytest.raises(MemoryError):
        process_shard(pictures, tmp_path / "shard", lambda: labeller(blobs), advance=die_after_three)
    second = labeller(blobs)
    read = names_read(second)
    process_shard(pictures, tmp_path / "shard", lambda: second)
    assert sorted(read) == ["1.png", "2.png", "missing.jpg"]


def test_a_part_is_dropped_when_its_missing_file_came(bad_pictures: Path, blobs: BlobStore, tmp_path: Path) -> None:
    pictures = five_pictures(bad_pictures, tmp_path / "pictures")
    stop_after_four(pictures, tmp_path / "shard", blobs)
    (tmp_path / "pictures/missing.jpg").write_bytes((bad_pictures / "good.jpg").read_bytes())
    result = process_shard(pictures, tmp_path / "shard", lambda: labeller(blobs))
    assert (result.samples, result.quarantined) == (4, 1)


def test_a_file_that_can_be_read_again_is_labelled_after_all(
    bad_pictures: Path, blobs: BlobStore, tmp_path: Path
) -> None:
    picture = Picture(tmp_path / "a.jpg")
    first, again = (process_shard([picture], tmp_path / "shard", lambda: labeller(blobs)) for _ in range(2))
    assert (first.samples, again.samples, again.resumed) == (0, 0, True)
    picture.image.write_bytes((bad_pictures / "good.jpg").read_bytes())
    after = process_shard([picture], tmp_path / "shard", lambda: labeller(blobs))
    assert (after.samples, after.quarantined, after.resumed) == (1, 0, False)


def test_a_damaged_part_is_labelled_again_with_a_warning(
    bad_pictures: Path, blobs: BlobStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "shard").mkdir()
    (tmp_path / "shard/part.parquet").write_bytes(b"PAR1 torn")
    result = process_shard([Picture(bad_pictures / "text.jpg")], tmp_path / "shard", lambda: labeller(blobs))
    assert (result.samples, result.quarantined) == (0, 1)
    assert "part.parquet, found damage" in caplog.text


def test_the_datasets_own_blobs_are_no_source_images(
    bad_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "me.jpg").write_bytes((bad_pictures / "good.jpg").read_bytes())
    BlobStore(tmp_path / "data").put(b"a crop", ".jpg")
    monkeypatch.chdir(tmp_path)
    assert len(find_pictures(".")) == 2
    assert without_blobs(find_pictures("."), Path("data")) == [Picture(Path("me.jpg"))]
    with pytest.raises(UserError, match="only the dataset's own samples"):
        without_blobs(find_pictures("data"), Path("data"))


def test_a_data_root_without_the_datasets_blobs_is_refused(
    bad_pictures: Path, blobs: BlobStore, tmp_path: Path
) -> None:
    result = process_shard([Picture(bad_pictures / "good.jpg")], tmp_path / "shard", lambda: labeller(blobs))
    manifests = str(tmp_path / "manifests")
    commit_shards([result], ManifestStore(manifests), blobs.root, parameters={"images": "x"})
    assert Destination(manifests).open()[1] == blobs.root
    assert Destination(manifests, str(blobs.root)).open()[1] == blobs.root
    with pytest.raises(UserError, match=r"other, found 2 of them missing.*leave --data out"):
        Destination(manifests, str(tmp_path / "other")).open()
    blobs.root.rename(tmp_path / "other")  # the blobs moved: that is where they are now
    assert Destination(manifests, str(tmp_path / "other")).open()[1] == tmp_path / "other"


def test_a_file_in_place_of_the_manifests_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifests").write_text("")
    with pytest.raises(UserError, match=r"expected a directory of versions at .*manifests, found a file"):
        Destination(str(tmp_path / "manifests")).open()
