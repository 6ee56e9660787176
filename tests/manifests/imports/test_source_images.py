"""`import --blobs`: copied, linked or referred to; what is linked reads as what is copied, and no source is touched."""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from paired_folder import Folder, person, picture, refusal
from PIL import ExifTags, Image

from manifests.exports import export_version
from manifests.files.blobs import BlobError, BlobStore, sha256_hex
from manifests.imports.ground_truth import Imported
from manifests.imports.source_images import StoredAnew, original_suffix
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import decode_image
from manifests.samples.sample import Row
from manifests.store.manifest import Manifest
from manifests.upkeep.garbage import MIN_AGE_SECONDS, delete_garbage, find_garbage
from manifests.upkeep.verify import verify

LINKED = ["link", "reference"]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    for seed in range(2):
        folder.add(f"p{seed}", seed)
    return folder


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory on another file system than the temporary files."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("needs a second file system at /dev/shm")
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        yield Path(directory)


def rows(manifest: Manifest) -> list[Row]:
    return list(manifest.read().to_pylist())


def blob(folder: Folder, done: Imported, number: int = 0) -> Path:
    return folder.data_root / str(rows(done.manifest)[number]["image"])


def state(directory: Path) -> dict[str, tuple[bytes, float]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime) for path in sorted(directory.iterdir())}


@pytest.mark.parametrize("mode", LINKED)
def test_the_sources_bytes_are_the_blob_and_every_reader_gets_them(folder: Folder, mode: str) -> None:
    before = state(folder.images)
    done = folder.take(blob_mode=mode)
    assert (done.notes, verify(done.manifest), verify(done.manifest, decode=True)) == ([], [], [])
    assert done.manifest.parameters["blobs"] == mode
    blobs = BlobStore(folder.data_root)
    for row in rows(done.manifest):
        source = Path(row["source_uri"])
        assert row["image_sha256"] == row["source_sha256"] == sha256_hex(source.read_bytes())
        assert blobs.read(row["image"], row["image_sha256"]) == source.read_bytes()
        assert blobs.find(row["image_sha256"]) == folder.data_root / row["image"]
        assert (folder.data_root / row["image"]).samefile(source)
    assert blob(folder, done).is_symlink() is (mode == "reference")
    assert all(np.array_equal(mask, person() * np.uint8(255)) for mask in folder.stored_masks())
    assert state(folder.images) == before


@pytest.mark.parametrize("mode", LINKED)
def test_ids_groups_splits_and_masks_are_those_of_a_copy(folder: Folder, tmp_path: Path, mode: str) -> None:
    columns = ["sample_id", "mask_sha256", "phash", "group_id", "split", "source_sha256", "width", "height"]
    copied = folder.take().manifest.read(columns)
    other = Folder(tmp_path / "other")
    linked = other.take(images=folder.images, masks=folder.masks, blob_mode=mode).manifest.read(columns)
    assert linked.equals(copied)


@pytest.mark.parametrize("mode", LINKED)
def test_exports_hold_the_pixels_and_no_link(folder: Folder, tmp_path: Path, mode: str) -> None:
    done = folder.take(blob_mode=mode)
    export_version(done.manifest, "folders", tmp_path / "out")
    for row in rows(done.manifest):
        exported = tmp_path / f"out/images/{row['sample_id']}.jpg"
        assert exported.read_bytes() == Path(row["source_uri"]).read_bytes()
        assert not exported.is_symlink()
        assert exported.stat().st_nlink == 1


# What can't be a blob as it is


def saved(path: Path, image: Image.Image, *, orientation: int = 1, gps: bool = False, **options: object) -> bytes:
    exif = Image.Exif()
    if orientation != 1:
        exif[ExifTags.Base.Orientation] = orientation
    if gps:
        exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    image.save(path, exif=exif, **options)  # type: ignore[arg-type]
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "image", "options", "reason"),
    [
        ("a.jpg", picture(1), {"orientation": 6}, "turned by their EXIF"),
        ("a.jpg", picture(1), {"gps": True}, "with their location in EXIF"),
        ("a.webp", picture(1), {}, "neither JPEG nor PNG"),
        ("a.jpg", picture(1).convert("CMYK"), {}, "not 8-bit colours or greys, or transparent"),
        ("a.png", picture(1).convert("RGBA"), {}, "not 8-bit colours or greys, or transparent"),
        ("a.png", Image.fromarray(np.full((64, 48), 500, np.uint16)), {}, "not 8-bit colours or greys, or transparent"),
    ],
)
def test_what_readers_might_see_otherwise_is_stored_anew(
    tmp_path: Path, name: str, image: Image.Image, options: dict[str, object], reason: str
) -> None:
    data = saved(tmp_path / name, image, **options)  # type: ignore[arg-type]
    with pytest.raises(StoredAnew, match=reason):
        original_suffix(data)


@pytest.mark.parametrize(("name", "mode"), [("a.jpg", "RGB"), ("a.jpg", "L"), ("a.png", "RGB"), ("a.png", "P")])
def test_plain_pictures_are_blobs_as_they_are(tmp_path: Path, name: str, mode: str) -> None:
    data = saved(tmp_path / name, picture(1).convert(mode))
    assert original_suffix(data) == Path(name).suffix


@pytest.mark.parametrize("mode", LINKED)
def test_those_stored_anew_are_counted_by_reason_and_the_rest_is_linked(folder: Folder, mode: str) -> None:
    for seed, name in enumerate(("turned", "placed", "placed2"), 5):
        folder.add(name, seed)
        turned = name == "turned"
        image = picture(seed, 64, 48) if turned else picture(seed)
        saved(folder.images / f"{name}.jpg", image, orientation=6 if turned else 1, gps=not turned)
    done = folder.take(blob_mode=mode)
    assert done.notes == ["3 images stored as JPEG all the same: 2 with their location in EXIF, 1 turned by their EXIF"]
    linked = {
        Path(row["source_uri"]).stem for row in rows(done.manifest) if row["image_sha256"] == row["source_sha256"]
    }
    assert linked == {"p0", "p1"}
    assert verify(done.manifest) == []


@pytest.mark.parametrize("mode", ["copy", *LINKED])
def test_links_keep_a_pictures_other_metadata_and_copies_keep_none(folder: Folder, mode: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "a camera"
    picture(0).save(folder.images / "p0.jpg", exif=exif)
    done = folder.take(blob_mode=mode)
    with Image.open(blob(folder, done)) as image:
        assert image.getexif().get(ExifTags.Base.Model) == (None if mode == "copy" else "a camera")


# Sources that change


def rewrite(path: Path) -> None:
    """Another picture in the same file, not a new file of the name."""
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    with path.open("r+b") as file:
        file.write(data)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: path.unlink(), r"can't be read \(No such file or directory\)"),
        (rewrite, "has changed since"),
        (lambda path: (path.unlink(), path.mkdir()), r"can't be read \(Is a directory\)"),
    ],
)
def test_a_reference_whose_source_is_gone_or_changed_is_one_line_that_names_it(
    folder: Folder, harm: Callable[[Path], object], words: str
) -> None:
    done = folder.take(blob_mode="reference")
    source = folder.images / "p0.jpg"
    harm(source)
    row = rows(done.manifest)[0]
    blobs = BlobStore(folder.data_root)
    with pytest.raises(BlobError, match=f"expected {source} as it was imported by reference, found that it {words}"):
        blobs.read(row["image"], row["image_sha256"])
    (problem,) = verify(done.manifest)
    assert f"expected {source} as it was imported by reference" in problem
    assert "\n" not in problem
    assert blobs.find(row["image_sha256"]) is None
    assert blobs.absence(row["image_sha256"]) == f"its source {source} gone or changed"
    with pytest.raises(BlobError, match=f"expected {source} as it was imported by reference"):
        export_version(done.manifest, "folders", folder.data_root / "out")


def test_a_reference_is_a_copy_once_the_file_lies_in_its_place(folder: Folder) -> None:
    done = folder.take(blob_mode="reference")
    there = blob(folder, done)
    data = (folder.images / "p0.jpg").read_bytes()
    there.unlink()
    there.write_bytes(data)
    (folder.images / "p0.jpg").unlink()
    assert verify(done.manifest) == []


def test_a_hard_link_outlives_its_source_and_a_change_in_place_is_told_with_its_name(folder: Folder) -> None:
    done = folder.take(blob_mode="link")
    (folder.images / "p1.jpg").unlink()
    assert verify(done.manifest) == []
    rewrite(folder.images / "p0.jpg")
    (problem,) = verify(done.manifest)
    assert "it is a hard link, whose other name was written to; restore the file from a backup" in problem
    assert problem.endswith(f"(imported from {folder.images / 'p0.jpg'})")


# The store


def test_storing_the_bytes_makes_a_file_of_their_own_and_leaves_the_source(folder: Folder) -> None:
    source = folder.images / "p0.jpg"
    data = source.read_bytes()
    before = source.stat().st_mtime
    blobs = BlobStore(folder.data_root)
    for symbolic in (True, False):
        there = folder.data_root / blobs.put_link(source, data, ".jpg", symbolic=symbolic).path
        assert there.samefile(source)
        blobs.put(data, ".jpg")
        assert (there.is_symlink(), there.samefile(source), there.read_bytes()) == (False, False, data)
        there.unlink()
    assert source.stat().st_mtime == before


def test_a_link_replaces_a_damaged_blob_and_not_a_sound_one(folder: Folder) -> None:
    source = folder.images / "p0.jpg"
    data = source.read_bytes()
    blobs = BlobStore(folder.data_root)
    there = folder.data_root / blobs.put(data, ".jpg").path
    blobs.put_link(source, data, ".jpg", symbolic=True)
    assert not there.is_symlink()
    there.write_bytes(b"damaged")
    blobs.put_link(source, data, ".jpg", symbolic=True)
    assert there.readlink() == source
    blobs.put_link(source, data, ".jpg", symbolic=False)
    assert (there.is_symlink(), there.samefile(source)) == (False, True)
    blobs.put_link(source, data, ".jpg", symbolic=True)  # a hard link is as good
    assert not there.is_symlink()
    assert [path.name for path in there.parent.iterdir()] == [there.name]


def test_importing_the_blobs_themselves_harms_none(folder: Folder) -> None:
    done = folder.take(blob_mode="link")
    there = blob(folder, done)
    data = there.read_bytes()
    BlobStore(folder.data_root).put_link(there, data, ".jpg", symbolic=True)
    assert (there.is_symlink(), there.read_bytes()) == (False, data)


def test_two_names_of_the_same_bytes_are_one_blob(folder: Folder) -> None:
    shutil.copy(folder.images / "p0.jpg", folder.images / "q.jpg")
    shutil.copy(folder.masks / "p0.png", folder.masks / "q.png")
    done = folder.take(blob_mode="reference")
    assert (done.rows_added, done.duplicates, done.repeated, verify(done.manifest)) == (2, 0, 1, [])


# File systems


def test_a_hard_link_to_another_file_system_is_refused_in_one_line(folder: Folder, elsewhere: Path) -> None:
    other = Folder(elsewhere / "set")
    message = refusal(other.take, images=folder.images, masks=folder.masks, blob_mode="link")
    assert f"to take a hard link to {folder.images / 'p0.jpg'}, found that it can't" in message
    assert os.strerror(errno.EXDEV) in message
    assert message.endswith("pass --blobs copy or reference")
    assert other.store.versions() == []


def test_a_reference_to_another_file_system_is_taken(folder: Folder, elsewhere: Path) -> None:
    other = Folder(elsewhere / "set")
    done = other.take(images=folder.images, masks=folder.masks, blob_mode="reference")
    assert verify(done.manifest) == []


# gc


@pytest.mark.parametrize("mode", LINKED)
def test_gc_takes_a_link_that_nothing_names_and_never_its_source(folder: Folder, mode: str) -> None:
    done = folder.take(blob_mode=mode)
    unnamed, kept = blob(folder, done, 0), blob(folder, done, 1)
    table = done.manifest.read().slice(1, 1)
    (folder.store.root / "v1.parquet").unlink()
    folder.store.commit(table, parent=None, operation="edit", parameters={}, data_root=folder.data_root)
    before = state(folder.images)
    later = time.time() + 2 * MIN_AGE_SECONDS
    garbage = find_garbage(folder.store.root, folder.data_root, log=None, now=later)
    assert unnamed in [orphan.path for orphan in garbage.deletable]
    assert unnamed in [orphan.path for orphan in delete_garbage(garbage, folder.data_root)]
    assert not os.path.lexists(unnamed)
    assert kept.is_file()
    assert state(folder.images) == before


@pytest.mark.parametrize("mode", LINKED)
def test_a_link_is_as_old_as_its_making_however_old_the_source_is(folder: Folder, mode: str) -> None:
    done = folder.take()
    for path in folder.images.iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    source = folder.images / "p0.jpg"
    blobs = BlobStore(folder.data_root)
    for _ in range(2):  # the second time it is there already
        there = (
            folder.data_root / blobs.put_link(source, source.read_bytes(), ".jpg", symbolic=mode == "reference").path
        )
        garbage = find_garbage(done.manifest.path.parent, folder.data_root, log=None, now=time.time())
        assert [orphan.path for orphan in garbage.young] == [there]
        assert garbage.deletable == ()
    assert source.stat().st_mtime == 1_000_000_000


def pixels(folder: Folder, done: Imported) -> Pixels:
    return decode_image(blob(folder, done).read_bytes())


def test_what_is_referred_to_decodes_to_the_sources_pixels(folder: Folder) -> None:
    done = folder.take(blob_mode="reference")
    assert np.array_equal(pixels(folder, done), decode_image((folder.images / "p0.jpg").read_bytes()))
