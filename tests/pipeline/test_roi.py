"""Face -> ROI, with numbers worked out by hand."""

from manifests.pixels.geometry import Box
from pipeline.faces.face import Face
from pipeline.faces.roi import portrait_roi, sample_rois

PICTURE = Box(0, 0, 1000, 2000)


def face(x: float, y: float, size: float, prob: float = 1.0) -> Face:
    return Face(x, y, size, size, prob)


def test_roi_spans_head_shoulders_and_background() -> None:
    # Face 450..550 x 400..500: centre x 500; 90 above, 200 below the chin, 195 to either side.
    assert portrait_roi(face(450, 400, 100), PICTURE) == Box(305, 310, 390, 390)


def test_roi_is_clamped_to_the_picture() -> None:
    assert portrait_roi(face(0, 10, 100), PICTURE) == Box(0, 0, 245, 310)


def test_roi_of_a_face_that_leaves_the_picture_stays_inside() -> None:
    assert portrait_roi(face(-20, -30, 100), PICTURE).inside(PICTURE)


def test_a_small_face_gets_its_own_roi() -> None:
    small = face(450, 400, 100)
    assert sample_rois([small], PICTURE) == [(portrait_roi(small, PICTURE), small)]


def test_each_of_several_small_faces_gets_a_roi() -> None:
    faces = [face(450, 400, 100), face(100, 900, 60)]
    assert [found for _, found in sample_rois(faces, PICTURE)] == faces


def test_a_portrait_is_kept_whole_and_once_even_with_a_second_face() -> None:
    large, small = face(350, 600, 320), face(100, 100, 60)
    assert sample_rois([large, small], PICTURE) == [(PICTURE, large)]


def test_a_picture_without_faces_has_no_roi() -> None:
    assert sample_rois([], PICTURE) == []
