"""MTCNN on real pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manifests.pixels.images import decode_image
from pipeline.faces.face import Face, person_share
from pipeline.faces.mtcnn import DETECTION_SIDE_PX, MTCNNDetector, default_detector


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
