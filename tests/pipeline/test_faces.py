"""MTCNN on real pictures."""

from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manifests.pixels.geometry import Box
from manifests.pixels.images import decode_image
from pipeline.faces.face import MIN_FACE_PX, Face, large_enough, person_share
from pipeline.faces.mtcnn import DETECTION_SIDE_PX, MTCNNDetector, _tiles, default_detector


def test_the_astronauts_face_is_found(astronaut: Image.Image) -> None:
    faces = default_detector().detect(np.asarray(astronaut))
    assert len(faces) == 1
    x, y = faces[0].center
    assert 200 < x < 250  # she looks out from above the middle, left of it
    assert 90 < y < 150


def test_a_large_picture_is_searched_small_and_answered_in_its_own_pixels(astronaut: Image.Image) -> None:
    detector = MTCNNDetector()
    [small] = detector.detect(np.asarray(astronaut))
    factor = 4
    assert max(astronaut.size) * factor > DETECTION_SIDE_PX
    [large] = detector.detect(np.asarray(astronaut.resize((512 * factor, 512 * factor))))
    found, expected = np.array(large.center) / factor, np.array(small.center)
    assert found == pytest.approx(expected, abs=4)


FACE_FRACTION = 0.17  # of the photograph's side, about


@pytest.mark.parametrize("size", [(4200, 200), (2600, 1400), (1400, 2600)])
def test_small_faces_of_a_large_picture_are_found_once_each(astronaut: Image.Image, size: tuple[int, int]) -> None:
    side = 180
    assert (
        MIN_FACE_PX < FACE_FRACTION * side < MIN_FACE_PX * max(size) / DETECTION_SIDE_PX
    )  # shrunk, they are too small
    canvas = Image.new("RGB", size, (120, 130, 140))
    columns, rows = max(1, size[0] // 500), max(1, size[1] // 500)
    for column, row in product(range(columns), range(rows)):
        canvas.paste(astronaut.resize((side, side)), (column * (size[0] - side) // columns, row * 400))
    faces = large_enough(MTCNNDetector().detect(np.asarray(canvas)))
    assert len(faces) == columns * rows > 3
    assert len({(round(face.x / 100), round(face.y / 100)) for face in faces}) == len(faces)


def test_the_limit_is_in_the_pictures_own_pixels_whatever_its_size(astronaut: Image.Image) -> None:
    """The same small photograph alone and in a corner of larger and larger pictures."""
    small = astronaut.resize((200, 200))
    [alone] = default_detector().detect(np.asarray(small))
    for width in (1000, 1300, 2600, 5200):
        canvas = Image.new("RGB", (width, 400), (90, 90, 90))
        canvas.paste(small, (width - 200, 200))
        [found] = default_detector().detect(np.asarray(canvas))
        assert (found.x - (width - 200), found.y - 200) == pytest.approx((alone.x, alone.y), abs=6)


def test_beside_a_face_that_fills_the_picture_no_others_are_looked_for(
    astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Box] = []
    monkeypatch.setattr(MTCNNDetector, "_search_tile", lambda self, rgb, tile: looked_at.append(tile) or [])
    MTCNNDetector().detect(np.asarray(astronaut.crop((80, 0, 380, 300)).resize((2000, 2000))))
    assert looked_at == []
    MTCNNDetector().detect(np.asarray(Image.new("RGB", (2000, 2000))))
    assert len(looked_at) == 4


@pytest.mark.parametrize("overlap_px", [40, 112, 700, 3000])
@pytest.mark.parametrize("size", [(1281, 20), (2849, 4211), (90_000, 32), (1400, 1400)])
def test_tiles_cover_the_picture_and_overlap(size: tuple[int, int], overlap_px: int) -> None:
    image = Box(0, 0, *size)
    tiles = list(_tiles(image, overlap_px=overlap_px))
    for axis, length in (("x", size[0]), ("y", size[1])):
        spans = sorted({(tile.x, tile.right) if axis == "x" else (tile.y, tile.bottom) for tile in tiles})
        assert (spans[0][0], spans[-1][1]) == (0, length)
        assert all(first[1] - second[0] >= overlap_px for first, second in pairwise(spans))
        assert all(end - begin <= DETECTION_SIDE_PX + overlap_px for begin, end in spans)


@pytest.mark.parametrize("size", [(32, 32), (32, 900), (4000, 40), (90_000, 32), (300, 300)])
def test_a_picture_without_a_face_has_none(size: tuple[int, int]) -> None:
    assert default_detector().detect(np.full((*size, 3), 127, np.uint8)) == []


def test_faces_of_a_group_come_largest_first(shared: Path) -> None:
    pictures = sorted((shared / "data/raw_fullbody/images").glob("*.jpg"))[:40]
    groups = [default_detector().detect(decode_image(path.read_bytes())) for path in pictures]
    several = [faces for faces in groups if len(faces) > 1]
    assert several, "expected a picture with two faces among the first 40"
    for faces in several:
        areas = [face.w * face.h for face in faces]
        assert areas == sorted(areas, reverse=True)


def test_person_share_counts_the_face_box() -> None:
    mask = np.zeros((4, 4), np.uint8)
    mask[:2] = 255
    assert person_share(mask, Face(0, 0, 4, 4, 1.0)) == 0.5
    assert person_share(mask, Face(0, 0, 2, 2, 1.0)) == 1.0
    assert person_share(mask, Face(10, 10, 2, 2, 1.0)) == 0.0
