"""`Box` and `crop`: half-open boxes in pixels."""

import random

import numpy as np
import pytest

from manifests.pixels.geometry import Box, Pixels, crop


def numbered(width: int, height: int, channels: int | None = None) -> Pixels:
    """A picture in which neighbours differ."""
    shape = (height, width) if channels is None else (height, width, channels)
    return (np.arange(np.prod(shape)) % 251).astype(np.uint8).reshape(shape)


def random_case(chosen: random.Random) -> tuple[Pixels, Box]:
    width, height = chosen.randint(1, 40), chosen.randint(1, 40)
    x, y = chosen.randrange(width), chosen.randrange(height)
    pixels = numbered(width, height, chosen.choice([None, 1, 3]))
    return pixels, Box(x, y, chosen.randint(1, width - x), chosen.randint(1, height - y))


@pytest.mark.parametrize("seed", range(40))
def test_a_crop_holds_the_pixels_of_its_box(seed: int) -> None:
    pixels, roi = random_case(random.Random(seed))
    assert np.array_equal(crop(pixels, roi), pixels[roi.y : roi.y + roi.h, roi.x : roi.x + roi.w])


def test_a_crop_is_cut_by_column_and_row() -> None:
    pixels = np.array([[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]], np.uint8)
    assert crop(pixels, Box(1, 0, 2, 3)).tolist() == [[1, 2], [5, 6], [9, 10]]


def test_a_crop_is_a_copy() -> None:
    pixels = numbered(4, 4)
    crop(pixels, Box.whole(pixels))[:] = 0
    assert pixels.any()


@pytest.mark.parametrize("roi", [Box(-1, 0, 2, 2), Box(0, -1, 2, 2), Box(3, 0, 2, 2), Box(0, 2, 1, 2), Box(9, 9, 1, 1)])
def test_an_roi_that_leaves_the_image_is_refused(roi: Box) -> None:
    with pytest.raises(ValueError, match=r"expected an ROI inside 4x3 \(W x H\)"):
        crop(numbered(4, 3), roi)


@pytest.mark.parametrize(("w", "h"), [(0, 1), (1, 0), (-1, 1), (1, -5)])
def test_an_empty_box_is_refused(w: int, h: int) -> None:
    with pytest.raises(ValueError, match="expected a box with w > 0 and h > 0"):
        Box(0, 0, w, h)


def test_a_box_is_half_open() -> None:
    box = Box(2, 3, 4, 5)
    assert (box.right, box.bottom) == (6, 8)
    assert Box(6, 3, 1, 1).inside(Box(2, 3, 5, 5))
    assert not Box(7, 3, 1, 1).inside(Box(2, 3, 5, 5))


def test_the_whole_box_is_width_by_height() -> None:
    assert Box.whole(numbered(7, 5, 3)) == Box(0, 0, 7, 5)


@pytest.mark.parametrize(
    ("box", "clamped"),
    [
        (Box(-3, -2, 5, 5), Box(0, 0, 2, 3)),
        (Box(8, 6, 5, 5), Box(8, 6, 2, 2)),
        (Box(-5, -5, 50, 50), Box(0, 0, 10, 8)),
        (Box(2, 3, 4, 5), Box(2, 3, 4, 5)),
    ],
)
def test_clamping_keeps_the_part_inside(box: Box, clamped: Box) -> None:
    assert box.clamped(Box(0, 0, 10, 8)) == clamped


@pytest.mark.parametrize("box", [Box(10, 0, 3, 3), Box(-3, 0, 3, 3), Box(0, 8, 1, 1), Box(20, 20, 1, 1)])
def test_clamping_what_lies_outside_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match="expected a box with"):
        box.clamped(Box(0, 0, 10, 8))


def test_shifting_there_and_back_is_the_same_box() -> None:
    assert Box(2, 3, 4, 5).shifted(-7, 9) == Box(-5, 12, 4, 5)
    assert Box(2, 3, 4, 5).shifted(-7, 9).shifted(7, -9) == Box(2, 3, 4, 5)
