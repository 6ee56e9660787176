"""Samples and their groups: identity, scores, near-duplicates, and splits that never move."""

import hashlib
import io
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from joined_rows import join_dataset
from PIL import Image

from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.images import decode_image
from manifests.pixels.masks import decode_mask
from manifests.samples.duplicates import (
    MAX_HAMMING_DISTANCE,
    MAX_TURNED_DISTANCE,
    perceptual_hash,
    split_of,
    turned_hashes,
)
from manifests.samples.groups import Groups, NewSample, NewSamples
from manifests.samples.near_duplicates import across_splits
from manifests.samples.sample import Row, Scores, Source, add_rows, sample_id, score_mask, store_sample
from manifests.store.validation import validate

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


def sample(number: int, phash: str, source_sha256: str | None = None, turned: Sequence[str] = ()) -> NewSample:
    return NewSample(f"{number:032x}", phash, source_sha256 or f"{number:064x}", turned)


def sample_of(rgb: Pixels, number: int) -> NewSample:
    return sample(number, perceptual_hash(rgb), turned=turned_hashes(rgb))


def assign(groups: Groups, new: Sequence[NewSample]) -> list[str | None]:
    return groups.assign(NewSamples.of(new))


def photographs_of(portraits: Path, names: str) -> list[Pixels]:
    return [decode_image(path.read_bytes()) for path in sorted((portraits / "images").glob(names))]


def test_a_reencoded_or_resized_photograph_joins_the_group(portraits: Path) -> None:
    photographs = photographs_of(portraits, "train_000*")
    new = [sample_of(rgb, number) for number, rgb in enumerate(photographs)]
    for scale, quality in ((1.0, 50), (0.94, 50), (1.1, 80)):
        new += [sample_of(reencoded(rgb, scale, quality), len(new) + number) for number, rgb in enumerate(photographs)]
    assert assign(Groups(), new) == [each.sample_id for each in new[: len(photographs)]] * 4


TURNS = [*Image.Transpose]


@pytest.mark.parametrize("turn", TURNS, ids=lambda turn: turn.name.lower())
def test_a_mirrored_or_turned_copy_joins_the_group(portraits: Path, turn: Image.Transpose) -> None:
    photographs = photographs_of(portraits, "train_000*")
    copies = [np.asarray(Image.fromarray(rgb).transpose(turn)) for rgb in photographs]
    known = [sample_of(rgb, number) for number, rgb in enumerate(photographs)]
    columns = zip(*((each.sample_id, each.phash, each.source_sha256) for each in known), strict=True)
    new = [sample_of(reencoded(rgb, 0.9, 70), 1000 + number) for number, rgb in enumerate(copies)]
    assert assign(Groups(*columns), new) == [each.sample_id for each in known]
    assert assign(Groups(), [*known, *new]) == [each.sample_id for each in known] * 2


def test_different_people_do_not_share_a_group(portraits: Path) -> None:
    photographs = photographs_of(portraits, "train_00[01]*")
    found = assign(Groups(), [sample_of(rgb, number) for number, rgb in enumerate(photographs)])
    assert len(set(found)) == len(photographs) > 8


def test_the_upright_hash_is_not_among_the_turned_ones() -> None:
    for seed in range(5):
        rgb = picture(seed)
        turned = turned_hashes(rgb)
        assert len({perceptual_hash(rgb), *turned}) == 8
        mirrored = turned_hashes(np.ascontiguousarray(rgb[:, ::-1]))
        assert bits(mirrored[0], perceptual_hash(rgb)) <= 2


def test_crops_of_one_source_share_a_group_however_they_look() -> None:
    first, far = "0" * 16, "f" * 16
    new = [sample(1, first, DIGEST_A), sample(2, far, DIGEST_A), sample(3, far, DIGEST_B)]  # like the second crop
    assert assign(Groups(), new) == ["0" * 31 + "1"] * 3


def test_look_alikes_differ_in_at_most_the_documented_bits() -> None:
    near, far = 2**MAX_HAMMING_DISTANCE - 1, 2 ** (MAX_HAMMING_DISTANCE + 1) - 1
    known = Groups(["a" * 32], ["0" * 16], [DIGEST_A])
    assert assign(known, [sample(1, f"{far:016x}")]) == [f"{1:032x}"]
    assert assign(known, [sample(2, f"{near:016x}")]) == ["a" * 32]
    near, far = 2**MAX_TURNED_DISTANCE - 1, 2 ** (MAX_TURNED_DISTANCE + 1) - 1
    assert assign(known, [sample(3, "f" * 16, turned=["e" * 16, f"{far:016x}"])]) == [f"{3:032x}"]
    assert assign(known, [sample(4, "f" * 16, turned=["e" * 16, f"{near:016x}"])]) == ["a" * 32]


def test_of_several_look_alikes_the_nearest_wins_and_of_equals_the_earliest() -> None:
    ids = [group for group in (f"{number:032x}" for number in range(100, 200)) if split_of(group) == "train"][:3]
    known = (ids, ["000000000000000f", "0000000000000001", "0000000000000002"], ["1" * 64, "2" * 64, "3" * 64])
    assert assign(Groups(*known), [sample(9, "0" * 16)]) == [ids[1]]


def group_in(split: str, number: int = 0) -> str:
    """The id of a group in that split."""
    return [group for group in (f"{each:032x}" for each in range(1000)) if split_of(group) == split][number]


LEFT, MIDDLE, RIGHT = "0" * 16, "000000000000001f", f"{2**10 - 1:016x}"  # the outer two differ in 10 bits


@pytest.mark.parametrize("splits", [("train", "test"), ("test", "train"), ("val", "train"), ("val", "test")])
def test_a_sample_that_looks_like_two_splits_is_left_out(splits: tuple[str, str]) -> None:
    known = Groups([group_in(split) for split in splits], [LEFT, RIGHT], [DIGEST_A, DIGEST_B])
    turned = sample(903, "f" * 16, turned=["a" * 16, LEFT, RIGHT])
    of_one_source = sample(904, RIGHT, DIGEST_A)  # of the left one's source, and like the right one
    for new in (sample(902, MIDDLE), turned, of_one_source):
        assert assign(known, [new]) == [None]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_sample_that_looks_like_two_groups_of_one_split_joins_the_nearer(split: str) -> None:
    groups = [group_in(split, number) for number in (0, 1)]
    known = Groups(groups, [LEFT, RIGHT], [DIGEST_A, DIGEST_B])
    assert assign(known, [sample(901, MIDDLE)]) == assign(known, [sample(902, "000000000000000f")]) == [groups[0]]
    assert assign(known, [sample(903, "000000000000003f")]) == [groups[1]]


def test_what_is_left_out_ties_no_others() -> None:
    known = Groups([group_in("train"), group_in("test")], [LEFT, RIGHT], [DIGEST_A, DIGEST_B])
    beside = f"{0x1F | 0x7 << 20:016x}"  # 3 bits from the middle one, 8 from the outer two
    assert assign(known, [sample(901, MIDDLE), sample(902, beside)]) == [None, f"{902:032x}"]


def test_in_one_batch_no_look_alikes_lie_in_two_splits() -> None:
    """Chains of hashes, each a few bits from the one before, in a random order."""
    rng = np.random.default_rng(1)
    hashes: list[int] = []
    for start in rng.integers(0, 2**63, 40).tolist():
        for _ in range(8):
            start ^= sum(1 << bit for bit in rng.choice(64, 4, replace=False).tolist())
            hashes.append(start)
    new = [sample(number, f"{hashes[place]:016x}") for number, place in enumerate(rng.permutation(len(hashes)))]
    groups = assign(Groups(), new)
    kept = [(each.phash, split_of(group)) for each, group in zip(new, groups, strict=True) if group is not None]
    assert all(
        first[1] == second[1]
        for first, second in combinations(kept, 2)
        if bits(first[0], second[0]) <= MAX_HAMMING_DISTANCE
    )
    assert len(hashes) / 2 < len(kept) < len(hashes)


def test_groups_are_found_among_many() -> None:
    numbers = np.random.default_rng(0).integers(0, 2**63, 500)
    hashes = [f"{number:016x}" for number in numbers.tolist()]
    ids = [f"{number:032x}" for number in range(500)]
    known = Groups(ids[:1], hashes[:1], [f"{0:064x}"])
    assert assign(known, [sample(number, phash) for number, phash in enumerate(hashes) if number]) == ids[1:]
    known = Groups(ids, hashes, [f"{number:064x}" for number in range(500)])
    assert assign(known, [sample(1000 + number, phash) for number, phash in enumerate(hashes)]) == ids
    assert assign(known, []) == []


def bits(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


def test_rows_that_look_like_two_splits_are_left_out_by_name(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    rows = [stored(blobs, picture(number), f"{number:064x}") for number in range(4)]
    for row, phash in zip(rows, (LEFT, RIGHT, MIDDLE, "f" * 16), strict=True):
        row |= {"phash": phash, "turned_phashes": None, "source_uri": f"/{phash}.jpg"}
    dataset = join_dataset(rows[:2], None, version=1)
    assert dataset is not None
    groups = pa.array([group_in("train"), group_in("test")])
    dataset = dataset.set_column(dataset.schema.get_field_index("group_id"), "group_id", groups)
    added = add_rows(rows, [dataset], version=2)
    assert added.left_out == [f"/{MIDDLE}.jpg"]
    assert added.count == 1
    assert added.notes() == [
        f"1 samples look like others in two splits and are left out: in either they would leak (/{MIDDLE}.jpg)"
    ]
    assert add_rows(rows[:2], [dataset], version=2).notes() == []


def test_pairs_across_splits_are_those_that_a_look_at_every_pair_finds() -> None:
    rng = np.random.default_rng(2)
    first = rng.integers(0, 2**64, 200, dtype=np.uint64)
    flips = [sum(1 << int(bit) for bit in rng.permutation(64)[:count]) for count in rng.integers(0, 10, 200)]
    hashes = np.concatenate([first, first ^ np.array(flips, np.uint64)])
    splits = rng.integers(0, 3, 400)
    near = np.bitwise_count(hashes[:, None] ^ hashes) <= MAX_HAMMING_DISTANCE
    expected = [(int(a), int(b)) for a, b in np.argwhere(near & (splits[:, None] != splits)) if a < b]
    assert across_splits(hashes, splits) == expected
    assert len(expected) > 20
    assert across_splits(hashes[:0], splits[:0]) == []


def test_the_hash_survives_as_sixteen_hex_digits() -> None:
    for seed in range(20):
        assert len(perceptual_hash(picture(seed))) == 16
    assert len(perceptual_hash(np.zeros((40, 40, 3), np.uint8))) == 16
