"""What the values of a dataset's masks mean: found where they say it, asked about where they don't."""

import numpy as np
import pytest

from manifests.errors import UserError
from manifests.pixels.mask_encoding import MaskEncoding, MaskStatistics, find_encoding, is_person


def seen(*masks: object) -> MaskStatistics:
    """Statistics of masks, each given by its rows; they are called a, b, c, ..."""
    statistics = MaskStatistics()
    for name, mask in zip("abcdefgh", masks, strict=False):
        statistics.add(np.array(mask, np.uint8), name)
    return statistics


def areas(values: object) -> list[list[int]]:
    """A mask of flat areas, one for each value, as a label map has them."""
    return np.repeat(np.repeat([list(values)], 12, axis=1), 12, axis=0).tolist()  # type: ignore[call-overload]


def soft(values: object) -> list[list[int]]:
    """A mask of 0 and 255 with the values between them, each at one pixel."""
    between = list(values)  # type: ignore[call-overload]
    return [[0] * (400 - len(between)) + between + [255] * 400]


@pytest.mark.parametrize(
    ("values", "person_label", "expected"),
    [
        ([0, 1], None, MaskEncoding("0/1")),
        ([0], None, MaskEncoding("0/1")),
        ([1], None, MaskEncoding("0/1")),
        ([0, 255], None, MaskEncoding("0/255")),
        ([255], None, MaskEncoding("0/255")),
        ([0, 7], None, MaskEncoding("labels", 7)),
        ([0, 200], None, MaskEncoding("labels", 200)),
        ([0, 15, 255], None, MaskEncoding("labels", 15)),  # PASCAL VOC: 15 is person, 255 is "ignore"
        ([0, 2, 7, 15, 255], 15, MaskEncoding("labels", 15)),
        ([0, 1], 1, MaskEncoding("labels", 1)),
        ([0, 255], 0, MaskEncoding("labels", 0)),
        (range(256), 200, MaskEncoding("labels", 200)),
    ],
)
def test_the_encoding_is_found(values: list[int], person_label: int | None, expected: MaskEncoding) -> None:
    assert find_encoding(seen(areas(values)), person_label) == expected


@pytest.mark.parametrize("values", [range(1, 255), range(5, 250, 5), (1, 254), (3, 9, 251), (1, 2, 3, 128, 254)])
def test_soft_edges_and_a_codecs_noise_are_grey_levels(values: list[int]) -> None:
    assert find_encoding(seen(soft(values))) == MaskEncoding("grey levels")
    assert find_encoding(seen(soft(values), areas([0]), areas([0, 255]))) == MaskEncoding("grey levels")


@pytest.mark.parametrize(
    "values",
    [
        [0, 3, 7],  # two labels
        [3, 7],
        [0, 128, 255],  # a trimap: 128 is "unknown", and 255 the person
        [0, 1, 255],  # a label with "ignore", or 0/1 with 0/255
        range(41),
        [*range(41), 255],  # forty classes and "ignore"
        [*range(1, 41), 255],
        [*range(151), 255],
        range(150),
        range(256),
    ],
)
def test_labels_that_leave_the_person_open_are_asked_about(values: list[int]) -> None:
    with pytest.raises(UserError, match=f"found the values {values[0]}, .*--person-label N, or --grey-levels"):
        find_encoding(seen(areas(values)))


def test_a_photograph_is_no_mask() -> None:
    photograph = np.random.default_rng(0).normal(120, 60, (100, 100)).clip(0, 255)
    with pytest.raises(UserError, match="state which one is person"):
        find_encoding(seen(photograph))


def test_grey_levels_can_be_stated() -> None:
    assert find_encoding(seen(areas([0, 128, 255])), grey_levels=True) == MaskEncoding("grey levels")
    with pytest.raises(UserError, match="expected --person-label or --grey-levels, found both"):
        find_encoding(seen(areas([0, 128, 255])), 255, grey_levels=True)


@pytest.mark.parametrize("person_label", [None, 255])
def test_masks_of_0_and_1_beside_masks_of_0_and_255_are_named(person_label: int | None) -> None:
    with pytest.raises(UserError, match=r"expected one encoding .*found 2 masks of 0 and 1 \(b, c\), beside .* 255"):
        find_encoding(seen(areas([0, 255]), areas([0, 1]), areas([1])), person_label)


@pytest.mark.parametrize("label", [9, -1, 256])
def test_a_person_label_that_does_not_occur_is_refused(label: int) -> None:
    with pytest.raises(UserError, match=f"expected the label {label} in the masks, found only 0, 15"):
        find_encoding(seen(areas([15, 0])), label)


@pytest.mark.parametrize(
    ("encoding", "person"),
    [
        (MaskEncoding("0/1"), range(1, 2)),
        (MaskEncoding("grey levels"), range(128, 256)),
        (MaskEncoding("labels", 15), range(15, 16)),
        (MaskEncoding("grey levels", inverted=True), range(128)),
    ],
)
def test_the_values_that_mean_person(encoding: MaskEncoding, person: range) -> None:
    assert set(person) <= set(np.flatnonzero(is_person(encoding)))


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        (MaskEncoding("0/1"), [0, 255]),
        (MaskEncoding("0/255"), [0, 1]),
        (MaskEncoding("grey levels"), [0, 1]),
        (MaskEncoding("labels", 1), [0, 255]),
        (MaskEncoding("labels", 0), [255, 0]),
    ],
)
def test_stored_values_become_a_mask(encoding: MaskEncoding, expected: list[int]) -> None:
    mask = encoding.to_mask(np.array([[0, 1]], np.uint8))
    assert mask.dtype == np.uint8
    assert mask.tolist() == [expected]


def test_label_15_of_voc_becomes_person_and_ignore_becomes_background() -> None:
    values = np.array([[0, 7, 15, 255]], np.uint8)
    assert MaskEncoding("labels", 15).to_mask(values).tolist() == [[0, 0, 255, 0]]
