"""Slices of samples: limits, light and faces, worked out by hand."""

import numpy as np
import pyarrow as pa
import pytest

from manifests.pixels.geometry import Box
from manifests.samples.slices import (
    UNKNOWN,
    Light,
    Limits,
    Slice,
    face_box,
    light,
    light_slices,
    name_slices,
    row_slices,
)

FACE = {"roi_x": 10, "roi_y": 20, "face_x": 11.0, "face_y": 20.0, "face_w": 1.0, "face_h": 2.0}


def listed(slices: list[Slice]) -> list[tuple[str, str, list[int]]]:
    return [(part.by, part.name, part.members.tolist()) for part in slices]


def test_a_limit_belongs_to_the_slice_above_it_and_a_missing_value_to_its_own():
    limits = Limits((0.2, 0.4), ("low", "middle", "high"))
    values = np.array([0.1, 0.2, np.nan, 0.4, 0.9])
    assert listed(limits.slices("share", values)) == [
        ("share", "low", [0]), ("share", "middle", [1]), ("share", "high", [3, 4]), ("share", UNKNOWN, [2]),
    ]  # fmt: skip


def test_rows_are_sliced_by_their_shares_of_the_image():
    rows = pa.table({
        "height": pa.array([100, 100], pa.int32()),
        "face_h": pa.array([25.0, None], pa.float32()),
        "person_fraction": pa.array([0.5, 0.7], pa.float32()),
        "border_fraction": pa.array([0.0, 0.01], pa.float32()),
    })  # fmt: skip
    assert listed(row_slices(rows)) == [
        ("face height", "20 to 30 %", [0]),
        ("face height", UNKNOWN, [1]),
        ("person share", "40 to 60 %", [0]),
        ("person share", "60 % and more", [1]),
        ("border share", "untouched", [0]),
        ("border share", "under 10 %", [1]),
    ]


def test_light_is_that_of_the_face_or_of_the_image_without_one():
    rgb = np.repeat(np.array([[[0], [200]], [[0], [200]]], np.uint8), 3, axis=2)
    assert light(rgb, None) == Light("image", 100.0, 100.0)
    assert light(rgb, Box(1, 0, 1, 2)) == Light("face", 200.0, 0.0)


def test_faces_and_whole_images_are_never_in_one_slice_of_light():
    lights = [Light("face", 100.0, 50.0), Light("image", 100.0, 50.0), Light("face", 200.0, 80.0)]
    assert listed(light_slices(lights)) == [
        ("face brightness", "90 to 120", [0]), ("face brightness", "150 and more", [2]),
        ("face contrast", "45 to 60", [0]), ("face contrast", "75 and more", [2]),
        ("image brightness", "90 to 120", [1]), ("image contrast", "45 to 60", [1]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Box(1, 0, 1, 2)),
        ({"face_x": 8.0, "face_w": 3.0}, Box(0, 0, 1, 2)),  # two columns left of the ROI
        ({"face_x": 90.0}, None),
        ({"face_w": None}, None),
    ],
)
def test_a_face_in_source_pixels_becomes_a_box_inside_its_image(changes: dict[str, float | None], expected: Box | None):
    assert face_box(FACE | changes, np.zeros((2, 2, 3), np.uint8)) == expected


def test_names_are_sliced_in_alphabetical_order():
    assert listed(name_slices("source", ["web", "studio", "web"])) == [
        ("source", "studio", [1]),
        ("source", "web", [0, 2]),
    ]
