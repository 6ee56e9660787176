"""`import`: trusted pairs become accepted rows; what doesn't match is refused by name before anything is written."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paired_folder import Folder, person, picture, refusal
from paired_import import import_ground_truth
from PIL import Image

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.imports.pairing import find_pairs
from manifests.pixels.image_files import list_pictures
from manifests.pixels.images import decode_image
from manifests.store.manifest import ManifestStore
from manifests.store.validation import validate
from manifests.upkeep.verify import verify


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def three(folder: Folder) -> Folder:
    for seed in range(3):
        folder.add(f"p{seed}", seed)
    return folder


# Rows


def test_pairs_become_accepted_rows_of_a_sound_version(three: Folder) -> None:
    done = three.take()
    assert (done.rows_added, done.duplicates, done.skipped) == (3, 0, [])
    table = done.manifest.read()
    validate(table)
    assert verify(done.manifest) == []
    assert (done.manifest.operation, done.manifest.counts) == ("import", {"rows": 3, "accepted": 3})
    assert set(table["origin"].to_pylist()) == {"ground_truth"}
    assert table["source_uri"].to_pylist() == [str(three.images / f"p{number}.jpg") for number in range(3)]
    assert (table["width"].to_pylist(), table["height"].to_pylist()) == ([48] * 3, [64] * 3)
    assert table["person_fraction"].to_pylist() == pytest.approx([44 * 30 / (48 * 64)] * 3)


def test_pixels_survive_the_import(three: Folder) -> None:
    three.take()
    row = three.store.open().read().to_pylist()[1]
    stored = decode_image(BlobStore(three.data_root).read(row["image"], row["image_sha256"]))
    given = decode_image((three.images / "p1.jpg").read_bytes())
    assert np.abs(stored.astype(int) - given).mean() < 3
    assert np.array_equal(three.stored_masks()[1], person() * np.uint8(255))


def test_licence_and_attribution_are_recorded(three: Folder) -> None:
    table = three.take(license="CC-BY-4.0", attribution="A. Photographer").manifest.read()
    assert table["license"].to_pylist() == ["CC-BY-4.0"] * 3
    assert table["attribution"].to_pylist() == ["A. Photographer"] * 3


def test_the_parameters_are_recorded(three: Folder) -> None:
    assert three.take().manifest.parameters == {
        "images": str(three.images),
        "masks": str(three.masks),
        "source": "studio",
        "encoding": "0/255",
    }


def test_limit_takes_the_first_pairs(three: Folder) -> None:
    uris = three.take(limit=2).manifest.read()["source_uri"].to_pylist()
    assert [Path(uri).name for uri in uris] == ["p0.jpg", "p1.jpg"]


# Encodings


@pytest.mark.parametrize(
    ("values", "person_label", "encoding"),
    [
        ((0, 1), None, "0/1"),
        ((0, 255), None, "0/255"),
        ((0, 15), None, "labels, person = 15"),
        ((3, 15), 15, "labels, person = 15"),
        ((0, 1), 1, "labels, person = 1"),
    ],
)
def test_masks_are_recognised(folder: Folder, values: tuple[int, int], person_label: int | None, encoding: str) -> None:
    folder.add("p", 1, values=values)
    assert str(folder.take(person_label=person_label).encoding) == encoding
    assert np.array_equal(folder.stored_masks()[0], person() * np.uint8(255))


def test_the_encoding_is_that_of_all_masks_together(folder: Folder) -> None:
    folder.add("empty", 1, values=(0, 0))
    folder.add("full", 2, values=(255, 255))
    folder.add("usual", 3)
    assert str(folder.take().encoding) == "0/255"
    assert [int(mask.max()) for mask in folder.stored_masks()] == [0, 255, 255]


def test_grey_levels_are_kept(folder: Folder) -> None:
    folder.add("p", 1)
    ramp = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (64, 1))
    Image.fromarray(ramp).save(folder.masks / "p.png")
    done = folder.take(grey_levels=True)
    assert str(done.encoding) == "grey levels"
    assert np.array_equal(folder.stored_masks()[0], ramp)
    assert done.manifest.read()["confidence"].to_pylist()[0] == pytest.approx(
        float(np.maximum(ramp / 255, 1 - ramp / 255).mean()), abs=1e-5
    )


def test_several_labels_are_refused_and_nothing_is_written(folder: Folder) -> None:
    folder.add("p", 1, values=(0, 7))
    folder.add("q", 2, values=(0, 15))
    assert "found the values 0, 7, 15; state which one is person with --person-label N" in refusal(folder.take)
    assert folder.store.versions() == []
    assert not folder.data_root.exists()


# Pairs that don't match


def test_what_has_no_partner_is_named_all_at_once(three: Folder) -> None:
    for name in ("a", "b"):
        picture(9).save(three.images / f"only-{name}.jpg")
    Image.fromarray(person()).save(three.masks / "only-c.png")
    picture(9).save(three.images / "p1.png")
    message = refusal(three.take)
    assert "2 images without a mask (only-a.jpg, only-b.jpg)" in message
    assert "1 masks without an image (only-c.png)" in message
    assert "1 names that occur twice (p1.png)" in message
    assert three.store.versions() == []


def test_of_many_without_a_partner_a_few_are_named_and_all_are_counted(three: Folder) -> None:
    for number in range(8):
        picture(number).save(three.images / f"x{number}.jpg")
    assert "8 images without a mask (x0.jpg, x1.jpg, x2.jpg, x3.jpg, x4.jpg and 3 more)" in refusal(three.take)


def test_masks_of_another_size_are_named_all_at_once(three: Folder) -> None:
    for name in ("p0", "p2"):
        Image.fromarray(person(64, 48)).save(three.masks / f"{name}.png")
    message = refusal(three.take)
    assert "p0.png of 64x48 for an image of 48x64, p2.png of 64x48 for an image of 48x64" in message
    assert three.store.versions() == []
    assert not three.data_root.exists()


def test_an_image_is_paired_upright(folder: Folder) -> None:
    folder.add("p", 1)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    picture(1, 64, 48).save(folder.images / "p.jpg", exif=exif)
    table = folder.take().manifest.read()
    assert (table["width"].to_pylist(), table["height"].to_pylist()) == ([48], [64])


def test_unusable_pairs_are_skipped_with_a_reason_and_the_rest_is_imported(three: Folder) -> None:
    whole = (three.images / "p0.jpg").read_bytes()
    (three.images / "p0.jpg").write_bytes(whole[: len(whole) // 2])
    (three.masks / "p1.png").write_text("no picture")
    done = three.take()
    assert done.rows_added == 1
    assert [line.split(":")[0] for line in done.skipped] == ["p0.jpg", "p1.jpg"]
    assert "truncated" in done.skipped[0]
    assert "expected a readable mask" in done.skipped[1]
    assert done.causes == {"image files (truncated)": 1, "unusable masks or files": 1}


def test_a_mixed_folder_is_imported_without_what_is_broken_counted_by_cause_and_named(three: Folder) -> None:
    three.add("wide", 3)
    Image.fromarray(np.zeros((64, 20), np.uint8)).save(three.masks / "wide.png")
    picture(4).save(three.images / "alone.jpg")
    Image.fromarray(np.zeros((64, 48), np.uint8)).save(three.masks / "lonely.png")
    picture(5).save(three.images / "p0.gif")  # which of the two is meant isn't known
    (three.images / "empty.jpg").touch()
    Image.fromarray(np.zeros((64, 48), np.uint8)).save(three.masks / "empty.png")
    with pytest.raises(UserError, match=r"images without a mask \(alone.jpg\).* masks without .*--skip-broken"):
        three.take()
    done = three.take(skip_broken=True)
    assert done.rows_added == 2
    assert {Path(uri).name for uri in done.manifest.read()["source_uri"].to_pylist()} == {"p1.jpg", "p2.jpg"}
    assert done.causes == {
        "image files (empty file)": 1,
        "images without a mask": 1,
        "masks without an image": 1,
        "names that occur twice": 1,
        "masks of another shape than their image": 1,
    }
    assert done.unusable == 5
    for name in ("empty.jpg", "alone.jpg", "lonely.png", "p0.", "wide.png"):
        assert any(name in line for line in done.skipped), name


def test_masks_of_another_shape_are_refused_with_the_option_that_leaves_them_out(three: Folder) -> None:
    Image.fromarray(np.zeros((64, 20), np.uint8)).save(three.masks / "p0.png")
    with pytest.raises(UserError, match=r"found 1 others \(p0.png of 20x64 for an image of 48x64\); .*--skip-broken"):
        three.take()


def test_nothing_usable_is_refused(folder: Folder) -> None:
    folder.add("p", 1)
    (folder.images / "p.jpg").write_bytes(b"")
    assert "expected usable pairs, found 1 unusable ones (p.jpg: empty file" in refusal(folder.take)


def test_a_directory_that_is_missing_or_empty_is_refused(three: Folder, tmp_path: Path) -> None:
    assert "found nothing there; check the path" in refusal(three.take, images=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "found none; pass the directory that holds them" in refusal(three.take, masks=tmp_path / "empty")


# Again


def test_a_second_import_of_the_same_pairs_is_refused_and_makes_no_version(three: Folder) -> None:
    three.take()
    assert "expected images that v1 doesn't hold, found all 3 of them in it" in refusal(three.take)
    assert three.store.versions() == [1]


def test_a_second_source_with_the_same_pictures_changes_no_row(three: Folder, tmp_path: Path) -> None:
    before = three.take().manifest.read()
    other = Folder(tmp_path / "other")
    for path in three.images.iterdir():  # the same bytes under other names
        shutil.copy(path, other.images / f"again-{path.name}")
        shutil.copy(three.masks / f"{path.stem}.png", other.masks / f"again-{path.stem}.png")
    other.add("new", 7)
    done = three.take(images=other.images, masks=other.masks, source="web")
    assert (done.rows_added, done.duplicates) == (1, 3)
    table = done.manifest.read()
    assert table.slice(0, 3).equals(before)
    assert table["source"].to_pylist() == ["studio"] * 3 + ["web"]
    assert table["added_in"].to_pylist() == [1, 1, 1, 2]


def test_the_same_pairs_give_the_same_rows_in_another_place(three: Folder, tmp_path: Path) -> None:
    columns = ["sample_id", "image_sha256", "mask_sha256", "phash", "group_id", "split"]
    elsewhere = ManifestStore(tmp_path / "elsewhere/manifests")
    three.take()
    again = import_ground_truth(
        elsewhere, images=three.images, masks=three.masks, source="x", data_root=tmp_path / "elsewhere/data"
    )
    assert again.manifest.read(columns).equals(three.store.open().read(columns))


def test_a_version_committed_meanwhile_is_kept(three: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Folder(tmp_path / "other")
    other.add("new", 7)
    real_commit = three.store.commit

    def commit_second(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(three.store, "commit", real_commit)
        three.take(images=other.images, masks=other.masks)
        return real_commit(*arguments, **options)

    monkeypatch.setattr(three.store, "commit", commit_second)
    done = three.take()
    assert (done.manifest.version, done.rows_added, done.manifest.counts["rows"]) == (2, 3, 4)
    assert verify(done.manifest) == []


def test_real_portraits_can_be_imported(portraits: Path, folder: Folder) -> None:
    for name in ("train_0000", "train_0001", "train_0003"):
        shutil.copy(portraits / f"images/{name}.jpg", folder.images)
        shutil.copy(portraits / f"masks/{name}.png", folder.masks)
    done = folder.take()
    assert (done.rows_added, str(done.encoding), verify(done.manifest)) == (3, "0/255", [])
    for path, mask in zip(sorted(folder.masks.iterdir()), folder.stored_masks(), strict=True):
        assert np.array_equal(np.asarray(Image.open(path)), mask)


# Which files a path stands for


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.JPG", "a.png", "deep/er/c.jpeg", ".hidden/d.jpg", ".e.jpg", "f.txt", "deep/.g.png"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "tree"


def test_a_directory_stands_for_its_visible_pictures_at_any_depth(tree: Path) -> None:
    assert [str(path.relative_to(tree)) for path in list_pictures(tree)] == ["a.png", "b.JPG", "deep/er/c.jpeg"]


def test_a_glob_stands_for_its_matches_and_a_file_for_itself(tree: Path) -> None:
    assert [path.name for path in list_pictures(tree / "a*")] == ["a.png"]
    assert list_pictures(tree / "f.txt") == [tree / "f.txt"]
    with pytest.raises(UserError, match="found none"):
        list_pictures(tree / "*.bmp")


def test_pairs_are_found_by_stem_at_any_depth(three: Folder) -> None:
    (three.masks / "deep").mkdir()
    (three.masks / "p1.png").rename(three.masks / "deep/p1.png")
    pairs = find_pairs(three.images, three.masks)
    assert [(pair.image.name, pair.mask.name) for pair in pairs] == [(f"p{n}.jpg", f"p{n}.png") for n in range(3)]
    assert [pair.image.name for pair in find_pairs(three.images / "p2*", three.masks / "p2*")] == ["p2.jpg"]
