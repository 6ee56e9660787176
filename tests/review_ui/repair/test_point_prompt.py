"""Points on a mask, with a segmenter that knows the objects of the image."""

import numpy as np
import pytest

from manifests.errors import UserError
from review_ui.repair.point_prompt import apply_points

SHAPE = (60, 80)
PERSON = (slice(10, 50), slice(10, 40))  # the mask as it is
BAG = (slice(20, 40), slice(40, 60))  # beside the person
WALL = (slice(0, 5), slice(70, 80))
RGB = np.zeros((*SHAPE, 3), np.uint8)


def area(*parts: tuple[slice, slice]) -> np.ndarray:
    covered = np.zeros(SHAPE, bool)
    for part in parts:
        covered[part] = True
    return covered


class KnownObjects:
    """Gives all objects with a point labelled 1; `prompts` are the points and labels it got."""

    def __init__(self, *objects: np.ndarray) -> None:
        self.objects, self.prompts = objects, []

    def object_prob(self, rgb, points, labels, *, image_sha256):
        self.prompts.append((points.tolist(), labels.tolist()))
        prob = np.zeros(rgb.shape[:2], np.float32)
        for there in self.objects:
            if any(label and there[int(y), int(x)] for (x, y), label in zip(points, labels, strict=True)):
                prob[there] = 0.9
        return prob


def refined(segmenter, mask, points, labels) -> np.ndarray:
    return apply_points(RGB, mask, points, labels, segmenter, image_sha256="")


def mask_of(person: np.ndarray) -> np.ndarray:
    return np.where(person, 200, 3).astype(np.uint8)


def test_a_person_point_adds_the_object_at_it_and_keeps_all_other_values():
    mask = refined(KnownObjects(area(BAG), area(WALL)), mask_of(area(PERSON)), [(50, 30)], [1])
    assert ((mask >= 128) == area(PERSON, BAG)).all()
    assert (mask[PERSON] == 200).all()
    assert (mask[WALL] == 3).all()
    assert (mask[BAG] == 255).all()


def test_a_background_point_takes_the_object_at_it_away():
    mask = refined(KnownObjects(area(BAG)), mask_of(area(PERSON, BAG)), [(50, 30)], [0])
    assert ((mask >= 128) == area(PERSON)).all()
    assert (mask[BAG] == 0).all()


def test_only_the_piece_at_the_point_changes():
    mask = refined(KnownObjects(area(BAG, WALL)), mask_of(area(PERSON)), [(50, 30)], [1])
    assert ((mask >= 128) == area(PERSON, BAG)).all()


def test_points_of_both_sides_leave_what_both_objects_cover_as_it_is():
    strap = (slice(20, 40), slice(30, 40))  # of the bag, across the person
    segmenter = KnownObjects(area(PERSON), area(BAG, strap))
    before = area(BAG, (slice(20, 40), slice(30, 35)))
    mask = refined(segmenter, mask_of(before), [(20, 30), (50, 30)], [1, 0])
    assert segmenter.prompts == [
        ([[20, 30], [50, 30]], [1, 0]),
        ([[20, 30], [50, 30]], [0, 1]),
    ]
    expected = area(PERSON)
    expected[strap] = before[strap]
    assert ((mask >= 128) == expected).all()


def test_nothing_at_the_point_is_reported():
    with pytest.raises(UserError, match="expected an object at the point, found none there"):
        refined(KnownObjects(area(BAG)), mask_of(area(PERSON)), [(5, 5)], [1])


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        ([], []),
        ([(1, 1)], []),
        ([(1, 1)] * 7, [1] * 7),
        ([(80, 1)], [1]),
        ([(1, 60)], [0]),
        ([(-0.5, 1)], [1]),
        ([(float("nan"), 1)], [1]),
    ],
)
def test_points_that_do_not_fit_are_refused(points, labels):
    with pytest.raises(UserError, match="expected"):
        refined(KnownObjects(area(BAG)), mask_of(area(PERSON)), points, labels)
