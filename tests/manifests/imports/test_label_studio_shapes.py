"""The shapes of Label Studio's regions: what each draws, and those that are named because they draw no mask."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_rows import HEIGHT, WIDTH, asymmetric, picture
from imported_masks import png, refusal, take

from manifests.imports.formats.label_studio import read_label_studio
from manifests.imports.ground_truth import LeftOut, TrustedPair
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import encode_jpeg

ELLIPSE = {"x": 50, "y": 40, "radiusX": 30, "radiusY": 12.5, "rotation": 0}
RECTANGLE = {"x": 25, "y": 12.5, "width": 50, "height": 25, "rotation": 0}


class Annotated:
    """Images, each with the regions that a test gives it."""

    def __init__(self, root: Path, *results: list[dict[str, Any]]) -> None:
        self.file = root / "tasks.json"
        root.mkdir(exist_ok=True)
        tasks = []
        for number, result in enumerate(results):
            (root / f"p{number}.jpg").write_bytes(encode_jpeg(picture(number)))
            tasks.append({"data": {"image": f"/data/upload/1/p{number}.jpg"}, "annotations": [{"result": result}]})
        self.file.write_text(json.dumps(tasks))

    def read(self) -> list[TrustedPair]:
        return [pair for pair in read_label_studio(self.file, None, "person") if isinstance(pair, TrustedPair)]

    def left_out(self) -> list[str]:
        pairs = read_label_studio(self.file, None, "person")
        return [line.line for line in pairs if isinstance(line, LeftOut)]


def region(value: dict[str, Any], kind: str, label: str = "person") -> dict[str, Any]:
    sizes = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return {"id": kind, "type": kind, **sizes, "value": {**value, kind: [label]}}


def mask_of(tmp_path: Path, *regions: dict[str, Any]) -> Pixels:
    [pair] = Annotated(tmp_path, list(regions)).read()
    return pair.read_mask()


def inside(along: np.ndarray, across: np.ndarray) -> Pixels:
    return np.where(along**2 + across**2 <= 1, 255, 0).astype(np.uint8)


@pytest.mark.parametrize("degrees", [0, 30, 90, 200, 359.5, -45])
def test_an_ellipse_is_turned_about_its_centre(tmp_path: Path, degrees: float) -> None:
    right = np.arange(WIDTH) + 0.5 - 0.5 * WIDTH
    down = (np.arange(HEIGHT) + 0.5 - 0.4 * HEIGHT)[:, np.newaxis]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = (right * cosine + down * sine) / (0.3 * WIDTH), (down * cosine - right * sine) / (0.125 * HEIGHT)
    found = mask_of(tmp_path, region({**ELLIPSE, "rotation": degrees}, "ellipselabels"))
    assert np.array_equal(found, inside(along, across))


def test_an_ellipse_that_leaves_the_image_is_cut_at_its_border(tmp_path: Path) -> None:
    found = mask_of(tmp_path, region({**ELLIPSE, "x": 95, "y": 2}, "ellipselabels"))
    assert found[0, -1] == 255
    assert not found[:, : WIDTH // 2].any()


def test_a_rectangle_fills_its_sides_and_turns_about_its_top_left_corner(tmp_path: Path) -> None:
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[8:24, 12:36] = 255
    assert np.array_equal(mask_of(tmp_path, region(RECTANGLE, "rectanglelabels")), expected)
    turned = np.zeros((HEIGHT, WIDTH), np.uint8)
    turned[8:32, 20:36] = 255  # a quarter turn clockwise about (36, 8): 24 px down, 16 px to the left
    quarter = region({**RECTANGLE, "x": 75, "rotation": 90}, "rectanglelabels")
    assert np.array_equal(mask_of(tmp_path, quarter), turned)


def test_coarse_shapes_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mask_of(tmp_path, region(RECTANGLE, "rectanglelabels"), region(ELLIPSE, "ellipselabels"))
    for kind in ("rectangles", "ellipses"):
        assert f"1 masks with {kind} drawn whole, coarser than a person's outline (p0.jpg)" in caplog.text


@pytest.mark.parametrize("transparent", [True, False])
def test_a_bitmask_is_read_by_its_alpha_or_its_values(tmp_path: Path, transparent: bool) -> None:
    mask = asymmetric()
    rgba = np.dstack([np.zeros_like(mask)] * 3 + [mask])  # black on nothing, as Label Studio draws it
    url = "data:image/png;base64," + base64.b64encode(png(rgba if transparent else mask)).decode()
    assert np.array_equal(mask_of(tmp_path, region({"imageDataURL": url}, "bitmasklabels")), mask)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://example.org/mask.png", "a bitmask that isn't a PNG in a data URL"),
        ("data:image/png;base64,####", "a bitmask that can't be read"),
        ("data:image/png;base64,AAAA", "expected a readable mask"),
        (7, "a bitmask that isn't a PNG in a data URL"),
        (
            "data:image/png;base64," + base64.b64encode(png(np.full((8, 9), 255, np.uint8))).decode(),
            f"a bitmask of 9x8 for {WIDTH}x{HEIGHT}",
        ),
    ],
)
def test_a_broken_bitmask_is_one_clear_line(tmp_path: Path, url: object, message: str) -> None:
    assert message in refusal(Annotated(tmp_path, [region({"imageDataURL": url}, "bitmasklabels")]).read)


@pytest.mark.parametrize(
    "shape", [{**ELLIPSE, "x": "50"}, {**ELLIPSE, "radiusX": math.inf}, {**RECTANGLE, "width": None}]
)
def test_a_shape_without_numbers_is_one_clear_line(tmp_path: Path, shape: dict[str, Any]) -> None:
    kind = "ellipselabels" if "radiusX" in shape else "rectanglelabels"
    assert "place and size aren't numbers" in refusal(Annotated(tmp_path, [region(shape, kind)]).read)


def test_shapes_of_all_kinds_are_united_and_other_labels_left_out(tmp_path: Path) -> None:
    polygon = region({"points": [[0, 0], [50, 0], [50, 25], [0, 25]]}, "polygonlabels")
    sofa = region({**RECTANGLE, "x": 0, "width": 100}, "rectanglelabels", "sofa")
    both = mask_of(tmp_path, polygon, region(ELLIPSE, "ellipselabels"), sofa)
    alone = mask_of(tmp_path, region(ELLIPSE, "ellipselabels"))
    alone[: HEIGHT // 4, : WIDTH // 2] = 255
    assert np.array_equal(both, alone)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ({"vertices": [{"x": 1, "y": 2}]}, "vectorlabels"),
        ({"sequence": []}, "videorectanglelabels"),
        ({}, "brushlabels"),
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_an_image_with_a_shape_that_cant_be_drawn_is_left_out_by_name(
    tmp_path: Path, shape: dict[str, Any], kind: str, beside: bool
) -> None:
    strange = [region(shape, kind), *([region(ELLIPSE, "ellipselabels")] if beside else [])]
    annotated = Annotated(tmp_path, strange, [region(ELLIPSE, "ellipselabels")])
    assert [pair.name for pair in annotated.read()] == ["p1.jpg"]
    assert annotated.left_out() == [f"1 images with a person that can't be drawn (p0.jpg: {kind})"]
    assert f"p0.jpg: {kind}" in refusal(Annotated(tmp_path, strange).read)


def test_keypoints_are_named_and_the_areas_beside_them_drawn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    point = region({"x": 3, "y": 4, "width": 0.5}, "keypointlabels")
    annotated = Annotated(tmp_path, [point, region(ELLIPSE, "ellipselabels")], [point])
    [pair] = annotated.read()
    assert np.array_equal(pair.read_mask(), mask_of(tmp_path, region(ELLIPSE, "ellipselabels")))
    assert "1 images whose keypoints of person draw nothing beside its areas (p0.jpg)" in caplog.text
    assert Annotated(tmp_path, [region(ELLIPSE, "ellipselabels")], [point]).left_out() == [
        "1 images with a person that can't be drawn (p1.jpg: keypointlabels)"
    ]


def test_a_region_that_draws_nothing_beside_others_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outside = region({**RECTANGLE, "x": 120}, "rectanglelabels")
    assert np.array_equal(
        mask_of(tmp_path, region(ELLIPSE, "ellipselabels"), outside),
        mask_of(tmp_path, region(ELLIPSE, "ellipselabels")),
    )
    assert "1 images with a region that draws nothing beside others (p0.jpg)" in caplog.text


@pytest.mark.parametrize(
    ("shape", "kind", "reason"),
    [
        (
            {"points": [[0.1, 0.2], [0.9, 0.2], [0.5, 0.8]]},
            "polygonlabels",
            "corners in 0..1 (normalised)",
        ),
        ({"points": [[110, 20], [190, 20], [150, 80]]}, "polygonlabels", "corners outside the image"),
        ({**RECTANGLE, "x": -80}, "rectanglelabels", "corners outside the image"),
        ({**ELLIPSE, "y": 150}, "ellipselabels", "corners outside the image"),
        ({**ELLIPSE, "radiusX": 0}, "ellipselabels", "regions that draw no pixel"),
        ({"points": [[10, 10], [90, 90], [50, 50]]}, "polygonlabels", "regions that draw no pixel"),
    ],
)
def test_a_person_that_draws_no_pixel_is_refused_by_name(
    tmp_path: Path, shape: dict[str, Any], kind: str, reason: str
) -> None:
    pairs = Annotated(tmp_path / "a", [region(shape, kind)], [region(ELLIPSE, "ellipselabels")]).read()
    done = take(tmp_path, pairs)
    assert done.rows_added == 1
    assert done.skipped == [f"p0.jpg: expected a person in annotation of p0.jpg, found {reason}; mend the annotation"]
