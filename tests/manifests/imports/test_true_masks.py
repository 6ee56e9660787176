"""What an import makes of masks that may be misread: right, or refused or noted by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paired_folder import Folder, person, picture, refusal
from PIL import ExifTags, Image

from manifests.imports.formats.imagefolder import read_imagefolder
from manifests.imports.ground_truth import import_pairs
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import UPRIGHT
from manifests.pixels.masks import PERSON_LEVEL

SQUARE = 64
INVERSE = {Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def mask_image(mask: Pixels) -> Image.Image:
    return Image.fromarray(np.where(mask, 255, 0).astype(np.uint8))


def save_turned(image: Image.Image, path: Path, orientation: int, *, tag: bool = True) -> None:
    """Store `image` as a camera does that was held so; without its `tag` viewers show the stored pixels."""
    exif = Image.Exif()
    if tag:
        exif[ExifTags.Base.Orientation] = orientation
    back = {
        Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
        Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
    }
    turn = UPRIGHT[orientation]
    image.transpose(back.get(turn, turn)).save(path, exif=exif)


def stored_person(folder: Folder) -> Sequence[Pixels]:
    return [mask >= PERSON_LEVEL for mask in folder.stored_masks()]


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_an_image_and_a_mask_that_both_carry_the_tag_are_both_turned(folder: Folder, orientation: int) -> None:
    save_turned(picture(1), folder.images / "p.jpg", orientation)
    save_turned(mask_image(person()), folder.masks / "p.png", orientation)
    done = folder.take()
    assert np.array_equal(stored_person(folder)[0], person())
    assert done.notes == []


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_over_the_stored_image_is_turned_as_that_and_noted(folder: Folder, orientation: int) -> None:
    save_turned(picture(1), folder.images / "p.jpg", orientation)
    save_turned(mask_image(person()), folder.masks / "p.png", orientation, tag=False)
    done = folder.take()
    assert np.array_equal(stored_person(folder)[0], person())
    assert done.notes == ["1 masks turned by their images' EXIF, as their sizes require (p.png)"]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_of_the_upright_images_size_is_upright(folder: Folder, orientation: int) -> None:
    save_turned(picture(1), folder.images / "p.jpg", orientation)
    mask_image(person()).save(folder.masks / "p.png")
    assert folder.take().notes == []
    assert np.array_equal(stored_person(folder)[0], person())


@pytest.mark.parametrize(("orientation", "height"), [(2, 80), (3, 80), (4, 80), (6, SQUARE), (3, SQUARE)])
def test_where_sizes_leave_the_turn_open_that_is_noted(folder: Folder, orientation: int, height: int) -> None:
    save_turned(picture(1, SQUARE, height), folder.images / "p.jpg", orientation)
    mask_image(person(SQUARE, height)).save(folder.masks / "p.png")
    folder.add("q", 2)
    notes = folder.take().notes
    assert notes == [
        "1 masks without an EXIF orientation, of images that have one, were taken to be upright; look at these (p.png)"
    ]


@pytest.mark.parametrize("tagged", ["image", "mask"])
def test_a_quarter_turn_that_fits_no_way_names_exif(folder: Folder, tagged: str) -> None:
    upright, turned = ("mask", "image") if tagged == "image" else ("image", "mask")
    paths = {"image": folder.images / "p.jpg", "mask": folder.masks / "p.png"}
    images = {"image": picture(1), "mask": mask_image(person())}
    save_turned(images[turned], paths[turned], 6)
    scale = 0.7 if upright == "mask" else 1
    images[upright].resize((64, round(48 * scale))).save(paths[upright])
    message = refusal(folder.take)
    assert "expected masks of their image's size" in message
    if upright == "image":
        assert "a quarter turn: see the EXIF orientation of both" in message


# Masks that show nobody, or nothing else


def test_masks_without_a_person_and_masks_of_nothing_else_are_named(folder: Folder) -> None:
    folder.add("p", 1)
    folder.add("empty", 2, values=(0, 0))
    folder.add("full", 3, values=(255, 255))
    assert folder.take().notes == [
        "1 masks show no person; look at these (empty.png)",
        "1 masks show only person; look at these (full.png)",
    ]


@pytest.mark.parametrize("options", [{}, {"person_label": 0, "inverted": True}])
def test_an_import_in_which_nobody_is_is_refused(folder: Folder, options: dict[str, Any]) -> None:
    folder.add("p", 1, values=(0, 0))
    folder.add("q", 2, values=(0, 0))
    assert "expected a person in the masks, found none in any of 2" in refusal(folder.take, **options)
    assert folder.store.versions() == []


def test_masks_of_0_and_1_beside_masks_of_0_and_255_are_refused_whatever_is_advised(folder: Folder) -> None:
    folder.add("p", 1, values=(0, 1))
    folder.add("q", 2, values=(0, 255))
    for options in ({}, {"person_label": 255}):
        message = refusal(folder.take, **options)
        assert "1 masks of 0 and 1 (p.png), beside masks that hold 255; bring all of them to 0 and 255" in message
        assert "--person-label" not in message


def test_a_pair_of_pages_is_skipped_by_name(folder: Folder) -> None:
    folder.add("p", 1)
    folder.add("q", 2)
    pages = [Image.new("L", (48, 64)), mask_image(person())]
    (folder.masks / "q.png").unlink()
    pages[0].save(folder.masks / "q.tif", save_all=True, append_images=pages[1:])
    [skipped] = folder.take().skipped
    assert skipped.startswith("q.jpg: expected a readable mask of one page, found ")
    assert "(2 pages or frames)" in skipped


# The same photograph again


def test_a_photograph_with_two_masks_is_named_and_the_first_counts(folder: Folder) -> None:
    folder.add("p", 1)
    folder.add("q", 1)
    mask_image(~person()).save(folder.masks / "q.png")
    folder.add("r", 1)
    done = folder.take(inverted=False)
    assert (done.rows_added, done.duplicates, done.repeated) == (1, 0, 2)
    assert done.notes == [
        "1 images came twice with two masks, of which the first counts (q.jpg is p.jpg)",
        "1 images came twice with one mask (r.jpg is p.jpg)",
    ]
    assert np.array_equal(stored_person(folder)[0], person())


def test_a_mended_mask_replaces_the_old_one_in_a_new_version(folder: Folder) -> None:
    folder.add("p", 1)
    folder.add("q", 2)
    first = folder.take().manifest
    mended = person()
    mended[:5] = True
    mask_image(mended).save(folder.masks / "p.png")
    done = folder.take()
    assert (done.rows_added, done.duplicates, done.mended) == (0, 1, 1)
    [note] = done.notes
    assert note.startswith("1 masks in the dataset were replaced by these; earlier versions keep the old ones (")
    rows, before = done.manifest.read().to_pylist(), first.read().to_pylist()
    assert np.array_equal(stored_person(folder)[0], mended)
    assert rows[1] == before[1]
    assert rows[0]["person_fraction"] == pytest.approx(mended.mean())
    assert {name: rows[0][name] for name in ("sample_id", "image", "split", "group_id", "status", "added_in")} == {
        name: before[0][name] for name in ("sample_id", "image", "split", "group_id", "status", "added_in")
    }
    assert "nothing to import" in refusal(folder.take)


@pytest.mark.parametrize("linked", [False, True])
def test_an_image_is_never_its_own_mask(folder: Folder, linked: bool) -> None:
    picture(1).convert("L").save(folder.images / "p.png")
    if linked:
        (folder.masks / "p.png").symlink_to(folder.images / "p.png")
    masks = folder.masks if linked else folder.images
    assert "found 1 images that are their own masks (p.png)" in refusal(folder.take, masks=masks)


@pytest.mark.parametrize("tag", [True, False])
def test_other_formats_know_whether_a_masks_file_carries_the_tag(folder: Folder, tag: bool) -> None:
    save_turned(picture(1), folder.images / "p.jpg", 3)
    save_turned(mask_image(person()), folder.masks / "p.png", 3, tag=tag)
    (folder.images.parent / "metadata.csv").write_text("file_name,mask_file_name\nimages/p.jpg,masks/p.png\n")
    pairs = read_imagefolder(folder.images.parent, None, "person")
    done = import_pairs(folder.store, pairs, source="studio", data_root=folder.data_root, parameters={})
    assert ("look at these (masks/p.png)" in "".join(done.notes)) is not tag
    upright = person() if tag else person()[::-1, ::-1]
    assert np.array_equal(stored_person(folder)[0], upright)


def test_an_image_that_cannot_be_opened_is_skipped_by_name(folder: Folder) -> None:
    folder.add("p", 1)
    folder.add("gone", 2)
    (folder.images / "gone.jpg").unlink()
    (folder.images / "gone.jpg").symlink_to("/proc/self/mem")
    done = folder.take()
    assert done.rows_added == 1
    assert [line.partition(":")[0] for line in done.skipped] == ["gone.jpg"]
