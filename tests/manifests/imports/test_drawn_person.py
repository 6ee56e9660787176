"""A person that an annotation promises and doesn't draw: refused by name, with the reason."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from imported_masks import refusal

from manifests.imports.drawn_person import NORMALISED, OUTSIDE, Fault, all_faulty, outline_fault, person_reader
from manifests.pixels.geometry import Pixels


@pytest.mark.parametrize(
    ("corners", "fault"),
    [
        ([0.1, 0.2, 0.9, 0.2, 0.5, 0.9], NORMALISED),
        ([0, 0, 1, 0, 1, 1], NORMALISED),
        ([0, 0, 1.02, 0, 1, 1.001], NORMALISED),
        ([[0.1, 0.2], [0.9, 0.2], [0.5, 0.9]], NORMALISED),
        ([0.1, 0.2, 40, 0.2, 0.5, 0.9], None),
        ([100, 10, 190, 10, 150, 90], OUTSIDE),
        ([10, 50, 90, 50, 50, 90], OUTSIDE),
        ([-90, 10, 0, 10, -50, 40], OUTSIDE),
        ([10, -90, 90, -1, 50, -20], OUTSIDE),
        ([-10, -10, 5, 5, -10, 5], None),
        ([90, 40, 200, 40, 200, 80], None),
    ],
)
def test_an_outline_in_an_image_of_100_by_50_px(corners: Any, fault: Fault | None) -> None:
    assert outline_fault(corners, 50, 100) == fault


def test_a_person_of_several_outlines_is_drawn_when_one_is_sound() -> None:
    assert all_faulty([OUTSIDE, None]) is None
    assert all_faulty([OUTSIDE, NORMALISED]) == OUTSIDE
    assert all_faulty([]) is None


def mask(value: int) -> Pixels:
    return np.full((2, 3), value, np.uint8)


def test_a_mask_with_a_person_is_read_as_it_is() -> None:
    assert np.array_equal(person_reader(partial(mask, 255), "a.json")(), mask(255))


@pytest.mark.parametrize(
    ("draw", "fault", "found"),
    [
        (partial(mask, 0), None, "regions that draw no pixel"),
        (partial(mask, 0), OUTSIDE, OUTSIDE),
        (partial(mask, 255), NORMALISED, NORMALISED),
    ],
)
def test_one_without_is_refused_with_the_reason(draw: Callable[[], Pixels], fault: Fault | None, found: str) -> None:
    read = person_reader(draw, "annotations of p0.jpg", fault)
    assert refusal(read) == f"expected a person in annotations of p0.jpg, found {found}; mend the annotation"
