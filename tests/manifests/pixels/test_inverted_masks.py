"""Masks that mark the background: detected over a folder, refused until stated, and inverted on request."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from paired_folder import Folder, person, refusal
from PIL import Image

from manifests.pixels.geometry import Pixels
from manifests.pixels.inverted_masks import GRID_PX, check_polarity, grid, looks_inverted
from manifests.pixels.mask_encoding import MaskEncoding
from manifests.pixels.mask_values import read_mask_values
from manifests.pixels.masks import PERSON

SETS = ("portraits", "fullbody", "idphotos")


def standing(height: int = 64, width: int = 48) -> Pixels:
    """Somebody a little right of the middle, from the lower edge up."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 :, width // 3 : width - 8] = PERSON
    return mask


def add(folder: Folder, name: str, seed: int, mask: Pixels) -> None:
    folder.add(name, seed)
    Image.fromarray(mask).save(folder.masks / f"{name}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def development_masks(shared: Path) -> Iterator[Pixels]:
    for name in SETS:
        for path in sorted((shared / "data" / name / "masks").iterdir())[::10]:
            yield np.where(read_mask_values(path) >= 128, PERSON, 0).astype(np.uint8)


def test_no_development_mask_looks_inverted_and_nine_of_ten_do_when_turned_round(shared: Path) -> None:
    grids = [grid(mask) for mask in development_masks(shared)]
    assert len(grids) > 250
    assert sum(looks_inverted(found) for found in grids) == 0
    assert np.mean([looks_inverted(PERSON - found) for found in grids]) > 0.9


def test_a_grid_holds_the_values_at_the_middles_of_its_cells() -> None:
    values = np.arange(64 * 48, dtype=np.int64).reshape(64, 48) % 251
    found = grid(values.astype(np.uint8))
    assert found.shape == (GRID_PX, GRID_PX)
    assert (found[0, 0], found[1, 2]) == (values[2, 1], values[6, 7])


@pytest.mark.parametrize(
    "mask",
    [standing(), np.zeros((64, 48), np.uint8), np.full((64, 48), 255, np.uint8), person() * np.uint8(255)],
    ids=["standing", "nobody", "all person", "corner"],
)
def test_ordinary_masks_dont_look_inverted(mask: Pixels) -> None:
    assert not looks_inverted(grid(mask))


def test_half_of_the_masks_is_enough_and_fewer_are_named() -> None:
    right, wrong = grid(standing()), grid(PERSON - standing())
    assert check_polarity([right, right, wrong], ["a", "b", "c"]) == ["c"]
    assert check_polarity([], []) == []
    message = refusal(check_polarity, masks=[right, wrong], names=["a", "b"])
    assert "in 1 of 2, such as b: they look inverted; pass --inverted to invert them" in message


def test_a_folder_of_inverted_masks_is_refused_and_nothing_is_written(folder: Folder) -> None:
    for seed in range(3):
        add(folder, f"p{seed}", seed, PERSON - standing())
    assert "background in the middle in 3 of 3, such as p0.png" in refusal(folder.take)
    assert not folder.data_root.exists()


def test_inverted_takes_them_the_other_way_round_and_the_version_says_so(folder: Folder) -> None:
    add(folder, "p", 1, PERSON - standing())
    done = folder.take(inverted=True)
    assert np.array_equal(folder.stored_masks()[0], standing())
    assert done.manifest.parameters["encoding"] == "0/255, inverted"


def test_not_inverted_takes_them_as_they_are(folder: Folder) -> None:
    add(folder, "p", 1, PERSON - standing())
    assert folder.take(inverted=False).notes == []
    assert np.array_equal(folder.stored_masks()[0], PERSON - standing())


def test_a_few_that_look_inverted_are_taken_and_named(folder: Folder) -> None:
    for seed in range(3):
        add(folder, f"p{seed}", seed, standing())
    add(folder, "p3", 3, PERSON - standing())
    assert folder.take().notes == ["1 masks look inverted and were taken unchanged (p3.png)"]


@pytest.mark.parametrize(
    ("encoding", "values", "mask"),
    [
        (MaskEncoding("0/1", inverted=True), [0, 1], [255, 0]),
        (MaskEncoding("grey levels", inverted=True), [10, 255], [245, 0]),
        (MaskEncoding("labels", 7, inverted=True), [7, 3], [0, 255]),
    ],
)
def test_every_encoding_can_be_inverted(encoding: MaskEncoding, values: list[int], mask: list[int]) -> None:
    assert encoding.to_mask(np.array([values], np.uint8)).tolist() == [mask]
