"""Samples and their groups: identity, scores, near-duplicates, and splits that never move."""

import hashlib
import io
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from joined_rows import join_dataset
from PIL import Image

from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.images import decode_image
from manifests.pixels.masks import decode_mask
from manifests.samples.duplicates import MAX_HAMMING_DISTANCE, Groups, perceptual_hash, split_of
from manifests.samples.sample import Row, Scores, Source, sample_id, score_mask, store_sample
from manifests.store.schema import validate

DIGEST_A, DIGEST_B = "a" * 64, "b" * 64


def picture(seed: int, width: int = 48, height: int = 64) -> Pixels:
    """A blotchy picture; different seeds look different."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def stored(blobs: BlobStore, rgb: Pixels, source_sha256: str = DIGEST_A, **changes: Any) -> Row:
    mask = np.zeros(rgb.shape[:2], np.uint8)
    mask[20:] = 255
    options: dict[str, Any] = {"origin": "teacher", "teacher": "toy@0123456789ab", "roi": Box.whole(rgb)} | changes
    return store_sample(blobs, rgb, mask, source=Source("studio", "/a.jpg", source_sha256, "CC0"), **options)


def reencoded(rgb: Pixels, scale: float = 1.0, quality: int = 50) -> Pixels:
    """The picture after a trip through a smaller, worse JPEG."""
    size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
    buffer = io.BytesIO()
    Image.fromarray(rgb).resize(size).save(buffer, "JPEG", quality=quality)
    return decode_image(buffer.getvalue())


# Identity


def test_a_sample_id_is_the_documented_digest() -> None:
    expected = hashlib.sha256(b"0" * 64 + b":1,2,3,4").hexdigest()[:32]
    assert sample_id("0" * 64, Box(1, 2, 3, 4)) == expected == "4a20cf7d8e63efa5f56c01642abda776"


def test_a_sample_id_changes_with_the_source_and_with_every_side_of_the_roi() -> None:
    ids = {
        sample_id(DIGEST_A, Box(1, 2, 3, 4)),
        sample_id(DIGEST_B, Box(1, 2, 3, 4)),
        sample_id(DIGEST_A, Box(9, 2, 3, 4)),
        sample_id(DIGEST_A, Box(1, 9, 3, 4)),
        sample_id(DIGEST_A, Box(1, 2, 9, 4)),
        sample_id(DIGEST_A, Box(1, 2, 3, 9)),
        sample_id(DIGEST_A, Box(12, 3, 3, 4)),
        sample_id(DIGEST_A, Box(1, 23, 3, 4)),
    }
    assert len(ids) == 8


def test_a_sample_keeps_its_id_whatever_mask_name_and_teacher_it_gets(tmp_path: Path) -> None:
    blobs, rgb, roi = BlobStore(tmp_path), picture(1), Box(5, 6, 48, 64)
    rows = [
        store_sample(
            blobs, rgb, np.full((64, 48), level, np.uint8), source=source, roi=roi, origin="teacher", teacher=teacher
        )
        for level, source, teacher in (
            (0, Source("web", "/a.jpg", DIGEST_A), "toy@0"),
            (255, Source("studio", "/b.jpg", DIGEST_A, "CC0"), "other@1"),
        )
    ]
    assert rows[0]["sample_id"] == rows[1]["sample_id"] == sample_id(DIGEST_A, roi)
    assert rows[0]["mask_sha256"] != rows[1]["mask_sha256"]


# Scores


def test_a_mask_of_0_and_255_alone_has_no_doubt_to_measure() -> None:
    assert score_mask(np.array([[0, 255], [255, 255]], np.uint8)) == Scores(None, None, 0.75, 1, 0, 4 / 6)


def test_the_scores_of_a_soft_mask_by_hand() -> None:
    scores = score_mask(np.array([[128, 0], [255, 255]], np.uint8))
    assert scores.person_fraction == 0.75  # 128 is person
    assert scores.confidence == pytest.approx((128 / 255 + 3) / 4)
    assert scores.boundary_uncertainty == pytest.approx(
        (254 / 255) / 4
    )  # 1 - |2 * 128 / 255 - 1|; all four in the band


def disc(*spots: tuple[int, int, int, int], size: int = 200) -> Pixels:
    """Discs painted one over the other: x, y, radius and level of each."""
    mask = np.zeros((size, size), np.uint8)
    for x, y, radius, level in spots:
        cv2.circle(mask, (x, y), radius, level, -1)
    return mask


@pytest.mark.parametrize(
    ("mask", "components", "holes"),
    [
        (disc((100, 100, 50, 255)), 1, 0),
        (disc((50, 50, 20, 255), (150, 150, 20, 255)), 2, 0),
        (disc((100, 100, 50, 255), (100, 100, 10, 0)), 1, 1),
        (disc((100, 100, 50, 255), (20, 20, 0, 255)), 1, 0),  # a speck of one pixel
        (disc((100, 100, 60, 255), (80, 100, 10, 0), (120, 100, 10, 0)), 1, 2),
        (np.zeros((200, 200), np.uint8), 0, 0),
        (np.full((200, 200), 255, np.uint8), 1, 0),
        (np.repeat(np.uint8([[0] * 80 + [255] * 40 + [0] * 80]), 200, axis=0), 1, 0),  # background on both sides
    ],
)
def test_parts_and_holes_are_counted_and_specks_are_not(mask: Pixels, components: int, holes: int) -> None:
    scores = score_mask(mask)
    assert (scores.components, scores.holes) == (components, holes)


def test_the_lower_border_is_no_contact() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[60:, 20:80] = 255  # rises from below
    assert score_mask(mask).border_fraction == 0.0
    mask[:, 0] = 255
    assert score_mask(mask).border_fraction == pytest.approx((100 + 1) / 300)


def test_level_127_is_background() -> None:
    assert score_mask(np.array([[127, 128]], np.uint8)).person_fraction == 0.5


def test_a_mask_without_a_boundary_has_no_boundary_uncertainty() -> None:
    scores = score_mask(np.full((9, 9), 51, np.uint8))
    assert scores.confidence == pytest.approx(0.8)
    assert (scores.boundary_uncertainty, scores.person_fraction) == (0.0, 0.0)


def test_the_boundary_band_is_dilation_minus_erosion_with_15_pixels() -> None:
    mask = np.zeros((3, 41), np.uint8)
    mask[:, 20:] = 255  # dilated it begins at column 13, eroded at column 27: the band is 14 columns wide
    for column, level in ((12, 102), (13, 51), (26, 204), (27, 153)):
        mask[:, column] = level
    assert score_mask(mask).boundary_uncertainty == pytest.approx((0.4 + 0.4) / 14)  # of levels 51 and 204


# Rows


def test_a_stored_sample_can_be_read_back(tmp_path: Path) -> None:
    blobs, rgb = BlobStore(tmp_path), picture(1)
    row = stored(blobs, rgb, roi=Box(7, 9, 48, 64))
    image = decode_image(blobs.read(row["image"], row["image_sha256"]))
    mask = decode_mask(blobs.read(row["mask"], row["mask_sha256"]))
    assert np.abs(image.astype(int) - rgb).mean() < 2
    assert mask.sum() == 44 * 48 * 255
    assert (row["roi_x"], row["roi_y"], row["width"], row["height"]) == (7, 9, 48, 64)
    assert (row["license"], row["status"]) == ("CC0", "pending")


def test_sizes_that_differ_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected image and mask of the ROI's size"):
        stored(BlobStore(tmp_path), picture(1), roi=Box(0, 0, 47, 64))


def test_joined_rows_are_a_valid_manifest_and_known_samples_stay(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    first = join_dataset([stored(blobs, picture(1))], None, version=1)
    assert first is not None
    again = stored(blobs, picture(1), origin="ground_truth", teacher=None)
    second = join_dataset([again, stored(blobs, picture(2), DIGEST_B)], first, version=2)
    assert second is not None
    validate(second)
    assert second["added_in"].to_pylist() == [1, 2]
    assert second.slice(0, 1).equals(first)
    assert second["split"].to_pylist() == [split_of(group) for group in second["group_id"].to_pylist()]


def test_nothing_new_joins_to_nothing(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    first = join_dataset([stored(blobs, picture(1))], None, version=1)
    assert join_dataset([stored(blobs, picture(1))], first, version=2) is None
    assert join_dataset([], None, version=1) is None


def test_the_same_crop_twice_in_one_batch_is_one_row(tmp_path: Path) -> None:
    row = stored(BlobStore(tmp_path), picture(1))
    joined = join_dataset([row, row], None, version=1)
    assert joined is not None
    assert joined.num_rows == 1


# Groups and splits


@pytest.mark.parametrize(
    ("group_id", "split"),
    [("0" * 32, "train"), ("f" * 32, "val"), (f"{6:032x}", "val"), (f"{10:032x}", "test"), (f"{19:032x}", "test")],
)
def test_the_split_of_a_group_never_moves(group_id: str, split: str) -> None:
    assert split_of(group_id) == split  # worked out once with sha256sum; a change would mix training and test data


def test_splits_are_eight_to_one_to_one() -> None:
    shares = Counter(split_of(f"{number:032x}") for number in range(20_000))
    assert {split: round(count / 20_000, 2) for split, count in shares.items()} == {
        "train": 0.8,
        "val": 0.1,
        "test": 0.1,
    }


def test_a_reencoded_or_resized_photograph_joins_the_group(portraits: Path) -> None:
    photographs = [decode_image(path.read_bytes()) for path in sorted((portraits / "images").glob("train_000*"))]
    groups = Groups()
    for number, rgb in enumerate(photographs):
        first = groups.assign(sample_id=f"{number:032x}", phash=perceptual_hash(rgb), source_sha256=f"{number:064x}")
        for variant in (reencoded(rgb), reencoded(rgb, 0.94), reencoded(rgb, 1.1, 80)):
            digest = hashlib.sha256(variant.tobytes()).hexdigest()
            assert groups.assign(sample_id="f" * 32, phash=perceptual_hash(variant), source_sha256=digest) == first


def test_different_people_do_not_share_a_group(portraits: Path) -> None:
    photographs = sorted((portraits / "images").glob("train_00[01]*"))
    groups = Groups()
    found = {
        groups.assign(
            sample_id=f"{number:032x}",
            phash=perceptual_hash(decode_image(path.read_bytes())),
            source_sha256=f"{number:064x}",
        )
        for number, path in enumerate(photographs)
    }
    assert len(found) == len(photographs) > 8


def test_crops_of_one_source_share_a_group_however_they_look() -> None:
    groups = Groups()
    first = groups.assign(sample_id="1" * 32, phash="0" * 16, source_sha256=DIGEST_A)
    assert groups.assign(sample_id="2" * 32, phash="f" * 16, source_sha256=DIGEST_A) == first == "1" * 32
    assert groups.assign(sample_id="3" * 32, phash="f" * 16, source_sha256=DIGEST_B) == first  # like the second crop


def test_look_alikes_differ_in_at_most_the_documented_bits() -> None:
    near, far = 2**MAX_HAMMING_DISTANCE - 1, 2 ** (MAX_HAMMING_DISTANCE + 1) - 1
    groups = Groups(["a" * 32], ["0" * 16], [DIGEST_A])
    assert groups.assign(sample_id="1" * 32, phash=f"{far:016x}", source_sha256="1" * 64) == "1" * 32
    groups = Groups(["a" * 32], ["0" * 16], [DIGEST_A])
    assert groups.assign(sample_id="2" * 32, phash=f"{near:016x}", source_sha256="2" * 64) == "a" * 32


def test_of_several_look_alikes_the_nearest_wins_and_of_equals_the_earliest() -> None:
    known = (["a" * 32, "b" * 32, "c" * 32], ["000000000000000f", "0000000000000001", "0000000000000002"])
    groups = Groups(*known, ["1" * 64, "2" * 64, "3" * 64])
    assert groups.assign(sample_id="9" * 32, phash="0" * 16, source_sha256="9" * 64) == "b" * 32


def test_groups_are_found_among_many() -> None:
    numbers = np.random.default_rng(0).integers(0, 2**63, 500)
    hashes = [f"{number:016x}" for number in numbers.tolist()]
    groups = Groups(["0" * 32], [hashes[0]], [f"{0:064x}"])
    for number, phash in enumerate(hashes[1:], start=1):  # past every growth of the table
        assigned = groups.assign(sample_id=f"{number:032x}", phash=phash, source_sha256=f"{number:064x}")
        assert assigned == f"{number:032x}"
    for number, phash in enumerate(hashes):
        assert groups.assign(sample_id="f" * 32, phash=phash, source_sha256=f"{number + 1000:064x}") == f"{number:032x}"


def test_the_hash_survives_as_sixteen_hex_digits() -> None:
    for seed in range(20):
        assert len(perceptual_hash(picture(seed))) == 16
    assert len(perceptual_hash(np.zeros((40, 40, 3), np.uint8))) == 16
