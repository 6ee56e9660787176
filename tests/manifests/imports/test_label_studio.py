"""Label Studio: tasks with predictions that its own converter reads, and its JSON export read back or refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_rows import HEIGHT, WIDTH, accepted, asymmetric, binary_mask, commit_rows, picture
from imported_masks import refusal, take

from manifests.exports import export_version
from manifests.imports.formats.label_studio import read_label_studio
from manifests.imports.ground_truth import LeftOut, TrustedPair
from manifests.pixels.brush_rle import encode_brush
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import encode_jpeg
from manifests.store.manifest import Manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return commit_rows(tmp_path_factory.mktemp("dataset"))


# The export


def exported_tasks(manifest: Manifest, output: Path) -> list[dict[str, Any]]:
    export_version(manifest, "label-studio", output)
    return list(json.loads((output / "tasks.json").read_text()))


def test_each_task_names_its_image_licence_and_provenance(manifest: Manifest, tmp_path: Path) -> None:
    rows = accepted(manifest)
    for task in exported_tasks(manifest, tmp_path / "out"):
        row = rows.pop(task["data"]["sample_id"])
        prefix, _, name = task["data"]["image"].partition("?d=")
        assert (prefix, (tmp_path / "out" / name).is_file()) == ("/data/local-files/", True)
        assert (task["data"]["license"], task["data"]["attribution"]) == (row["license"], row["attribution"])
        assert task["meta"]["manifest_sha256"] == manifest.digest
    assert rows == {}


def test_label_studios_converter_reads_the_masks_bit_for_bit(manifest: Manifest, tmp_path: Path) -> None:
    brush = pytest.importorskip("label_studio_converter.brush")
    rows = accepted(manifest)
    for task in exported_tasks(manifest, tmp_path / "out"):
        regions = [{**region, **region["value"]} for region in task["predictions"][0]["result"]]  # as it does itself
        layers = brush.decode_from_annotation("mask", regions)
        assert list(layers) == ["mask-person-0"]
        assert np.array_equal(layers["mask-person-0"], binary_mask(manifest, rows[task["data"]["sample_id"]]))


def test_the_tags_of_a_prediction_are_those_of_the_labelling_interface(manifest: Manifest, tmp_path: Path) -> None:
    parse_config = pytest.importorskip("label_studio_converter.utils").parse_config
    region = exported_tasks(manifest, tmp_path / "out")[0]["predictions"][0]["result"][0]
    interface = parse_config((tmp_path / "out/label_config.xml").read_text())[region["from_name"]]
    assert (interface["type"].lower(), interface["to_name"]) == (region["type"], [region["to_name"]])
    assert region["value"][region["type"]] == interface["labels"]
    assert [(entry["type"], entry["value"]) for entry in interface["inputs"]] == [("Image", "image")]


def test_the_score_is_what_is_not_doubted_or_else_the_confidence(tmp_path: Path) -> None:
    manifest = commit_rows(tmp_path)
    rows = accepted(manifest)
    confident = {sample_id for sample_id, row in rows.items() if row["confidence"] is not None}
    for task in exported_tasks(manifest, tmp_path / "out"):
        sample_id, (prediction,) = task["data"]["sample_id"], task["predictions"]
        assert ("score" in prediction) == (sample_id in confident)
        assert prediction.get("score") == pytest.approx(rows[sample_id]["confidence"])


# The import


class Tasks:
    """Two images and what was annotated on them; changed by each test."""

    def __init__(self, root: Path) -> None:
        self.images, self.file = root / "images", root / "project-1.json"
        self.images.mkdir(parents=True)
        for seed in range(2):
            (self.images / f"p{seed}.jpg").write_bytes(encode_jpeg(picture(seed)))
        self.content: Any = [
            self.task("/data/local-files/?d=images/p0.jpg", self.brush(asymmetric(0))),
            self.task("/data/local-files/?d=images%2Fp1.jpg", self.brush(asymmetric(1))),
        ]

    def task(self, image: str, *regions: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": 7,
            "data": {"image": image, "license": "CC0"},
            "annotations": [{"result": list(regions), "updated_at": "2026-01-02T00:00:00Z", "was_cancelled": False}],
        }

    def region(self, value: dict[str, Any]) -> dict[str, Any]:
        return {"id": "r1", "original_width": WIDTH, "original_height": HEIGHT, "value": value}

    def brush(self, mask: Pixels, label: str = "Person") -> dict[str, Any]:
        return self.region({"format": "rle", "rle": list(encode_brush(mask > 0)), "brushlabels": [label]})

    def read(self, category: str = "person") -> list[TrustedPair]:
        return [pair for pair in self.read_all(category) if isinstance(pair, TrustedPair)]

    def read_all(self, category: str = "person") -> list[TrustedPair | LeftOut]:
        self.file.write_text(json.dumps(self.content))
        return read_label_studio(self.file, None, category)

    def left_out(self) -> list[str]:
        return [line.line for line in self.read_all() if isinstance(line, LeftOut)]


@pytest.fixture
def tasks(tmp_path: Path) -> Tasks:
    return Tasks(tmp_path / "tasks")


def test_annotations_become_pairs_with_their_licence(tasks: Tasks, tmp_path: Path) -> None:
    first, second = tasks.read()
    assert np.array_equal(first.read_mask(), asymmetric(0))
    assert np.array_equal(second.read_mask(), asymmetric(1))
    assert (first.name, first.license, first.attribution) == ("images/p0.jpg", "CC0", None)
    assert take(tmp_path, [first, second]).rows_added == 2


def test_the_same_file_in_a_directory_of_an_upload_or_an_url_is_found_by_its_name(tasks: Tasks) -> None:
    tasks.content[0]["data"]["image"] = "/data/upload/1/p0.jpg"
    tasks.content[1]["data"] = {"text": "hello", "photo": "https://example.org/x/p1.jpg?size=3"}
    tasks.file.write_text(json.dumps(tasks.content))
    pairs = read_label_studio(tasks.file, tasks.images, "person")
    assert [pair.name for pair in pairs if isinstance(pair, TrustedPair)] == ["p0.jpg", "p1.jpg"]


def test_strokes_and_polygons_of_the_label_are_united_and_other_labels_left_out(tasks: Tasks) -> None:
    corners = [[0, 0], [50, 0], [50, 25], [0, 25]]  # percent
    tasks.content[0]["annotations"][0]["result"] += [
        tasks.region({"points": corners, "polygonlabels": ["person"]}),
        tasks.brush(np.full((HEIGHT, WIDTH), 255, np.uint8), "sofa") | {"id": "r2"},
    ]
    expected = asymmetric(0)
    expected[: HEIGHT // 4, : WIDTH // 2] = 255
    assert np.array_equal(tasks.read()[0].read_mask(), expected)


def test_a_stroke_whose_label_stands_beside_it_is_read(tasks: Tasks) -> None:
    stroke = tasks.content[0]["annotations"][0]["result"][0]
    del stroke["value"]["brushlabels"]
    tasks.content[0]["annotations"][0]["result"].append(tasks.region({"labels": ["person"]}))
    assert np.array_equal(tasks.read()[0].read_mask(), asymmetric(0))


def test_regions_without_an_id_have_their_own_labels_alone(tasks: Tasks) -> None:
    everything = tasks.brush(np.full((HEIGHT, WIDTH), 255, np.uint8), "sofa")
    tasks.content[0]["annotations"][0]["result"].append(everything)
    for region in tasks.content[0]["annotations"][0]["result"]:
        del region["id"]
    assert np.array_equal(tasks.read()[0].read_mask(), asymmetric(0))


def test_the_ground_truth_counts_else_the_last_change_and_never_a_cancelled_one(tasks: Tasks) -> None:
    def annotation(seed: int, **changes: Any) -> dict[str, Any]:
        return {"result": [tasks.brush(asymmetric(seed))], "updated_at": "2026-01-01", **changes}

    tasks.content = [tasks.content[0]]
    tasks.content[0]["annotations"] = [
        annotation(3, updated_at="2026-03-01"),
        annotation(2, updated_at="2026-02-01"),
        annotation(4, updated_at="2026-04-01", was_cancelled=True),
    ]
    assert np.array_equal(tasks.read()[0].read_mask(), asymmetric(3))
    tasks.content[0]["annotations"].append(annotation(5, ground_truth=True))
    assert np.array_equal(tasks.read()[0].read_mask(), asymmetric(5))


def test_without_annotations_the_last_prediction_is_read(tasks: Tasks) -> None:
    tasks.content[0]["predictions"] = [{"result": [tasks.brush(asymmetric(8))]}]
    assert np.array_equal(tasks.read()[0].read_mask(), asymmetric(0))
    tasks.content[0]["annotations"] = []
    assert np.array_equal(tasks.read()[0].read_mask(), asymmetric(8))


def test_tasks_without_the_label_are_left_out_and_a_label_nobody_used_is_refused(tasks: Tasks) -> None:
    tasks.content[0]["annotations"][0]["result"] = []
    assert [pair.name for pair in tasks.read()] == ["images/p1.jpg"]
    assert tasks.left_out() == ["1 tasks without a region of person (images/p0.jpg)"]
    message = refusal(tasks.read, "cat")
    assert "found the labels Person and 2 tasks without a region of cat (images/p0.jpg, images/p1.jpg);" in message
    assert message.endswith("pass --category NAME")


def test_a_task_that_was_skipped_is_left_out_by_name_whatever_was_predicted(tasks: Tasks) -> None:
    prediction = {"result": [tasks.brush(asymmetric(8))]}
    tasks.content[0] |= {"annotations": [{"was_cancelled": True, "result": []}], "predictions": [prediction]}
    assert [pair.name for pair in tasks.read()] == ["images/p1.jpg"]
    assert tasks.left_out() == ["1 skipped tasks (images/p0.jpg)"]
    tasks.content[0] |= {"annotations": [], "cancelled_annotations": 1}
    assert tasks.left_out() == ["1 skipped tasks (images/p0.jpg)"]
    tasks.content = tasks.content[:1]
    assert "1 skipped tasks (images/p0.jpg)" in refusal(tasks.read)


def test_predictions_are_named_as_what_they_are(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    tasks.content[0] |= {"annotations": [], "predictions": [{"result": [tasks.brush(asymmetric(8))]}]}
    tasks.read()
    assert "1 masks that are predictions, as their tasks have no annotation (images/p0.jpg)" in caplog.text
    tasks.content[0]["predictions"] = []
    assert tasks.left_out() == ["1 tasks without an annotation (images/p0.jpg)"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"updated_at": "2026-01-02T01:00:00+09:00"}, {"updated_at": "2026-01-01T20:00:00Z"}),
        ({"updated_at": "2026-01-01T23:30:00-01:00"}, {"updated_at": "2026-01-02T02:00:00+01:00"}),
        ({"updated_at": "2026-01-01T10:00:00.5Z"}, {"updated_at": "2026-01-01T10:00:01"}),
        ({"updated_at": None, "created_at": "2026-01-01T00:00:00Z"}, {"created_at": "2026-01-01T00:00:01Z"}),
        ({"created_at": 1_700_000_000}, {"created_at": 1_800_000_000}),
        ({"updated_at": "yesterday"}, {"updated_at": "2001-01-01T00:00:00Z"}),
        ({}, {}),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_the_last_change_is_that_of_time_and_not_of_text(
    tasks: Tasks, earlier: dict[str, Any], later: dict[str, Any], swapped: bool
) -> None:
    entries = [{"result": [tasks.brush(asymmetric(seed))], **times} for seed, times in ((2, earlier), (3, later))]
    tasks.content[0]["annotations"] = entries[::-1] if swapped and later else entries
    assert np.array_equal(tasks.read()[0].read_mask(), asymmetric(3))


def test_annotators_whose_masks_differ_are_named(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    line = "1 images whose annotators' masks differ; the one changed last counts (images/p0.jpg)"
    annotation = tasks.content[0]["annotations"][0]
    tasks.content[0]["annotations"].append({**annotation, "updated_at": "2026-01-01T00:00:00Z"})
    tasks.read()
    assert line not in caplog.text
    other = tasks.content[0]["annotations"][1]
    for result in (
        [tasks.brush(asymmetric()[::-1, ::-1])],
        [],
        [tasks.region({"rle": [1], "brushlabels": ["person"]})],
    ):
        caplog.clear()
        other["result"] = result
        assert np.array_equal(tasks.read()[0].read_mask(), asymmetric(0))
        assert line in caplog.text
    caplog.clear()
    annotation["ground_truth"] = True
    tasks.read()
    assert line not in caplog.text


def test_a_view_that_was_turned_changes_no_coordinate_and_is_named(
    tasks: Tasks, caplog: pytest.LogCaptureFixture
) -> None:
    tasks.content[0]["annotations"][0]["result"][0]["image_rotation"] = 90
    assert np.array_equal(tasks.read()[0].read_mask(), asymmetric(0))
    assert "1 images annotated in a turned view, read as they lie (images/p0.jpg)" in caplog.text


def cut_off(region: dict[str, Any]) -> None:
    region["value"]["rle"] = region["value"]["rle"][:40]


def other_size(region: dict[str, Any]) -> None:
    region["original_width"] = WIDTH + 1


def no_bytes(region: dict[str, Any]) -> None:
    region["value"]["rle"][3] = 256


def no_list(region: dict[str, Any]) -> None:
    region["value"]["rle"] = "0001"


def no_size(region: dict[str, Any]) -> None:
    del region["original_height"]


def too_large(region: dict[str, Any]) -> None:
    region["original_height"] = 10**9


def two_corners(region: dict[str, Any]) -> None:
    region["value"] = {"points": [[0, 0], [5, 5]], "polygonlabels": ["person"]}


def no_corners(region: dict[str, Any]) -> None:
    region["value"] = {"points": [[0], None], "polygonlabels": ["person"]}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_off, "images/p0.jpg: expected a whole brush RLE, found one cut off after 40 bytes"),
        (other_size, "expected a brush RLE of 49x64x4 = 12544 values, found 12288"),
        (no_bytes, "a brush RLE that isn't a list of bytes"),
        (no_list, "a brush RLE that isn't a list of bytes"),
        (no_size, "without one original_width and original_height"),
        (too_large, "more than 100 megapixels"),
        (two_corners, "a polygon that isn't one of 3 or more corners"),
        (no_corners, "broken annotations (images/p0.jpg: "),
    ],
)
def test_a_broken_region_is_one_clear_line(
    tasks: Tasks, damage: Callable[[dict[str, Any]], None], message: str, tmp_path: Path
) -> None:
    damage(tasks.content[0]["annotations"][0]["result"][0])
    entries = tasks.read_all()
    assert message in refusal(take, tmp_path, entries)
    done = take(tmp_path, entries, skip_broken=True)
    assert (done.rows_added, done.unusable) == (1, 1)
    assert message in done.skipped[0]


def test_all_that_is_wrong_is_named_at_once(tasks: Tasks, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(encode_jpeg(picture(5)))
    (tasks.images / "p1.jpg").unlink()
    (tasks.images / "p1.jpg").symlink_to(tmp_path / "secret.jpg")
    names = ["images/p0.jpg", "gone.jpg", "../secret.jpg", "images/p1.jpg", f"{'x' * 5000}.jpg", "no picture"]
    tasks.content += [tasks.task(f"/data/local-files/?d={name}", tasks.brush(asymmetric())) for name in names]
    message = refusal(tasks.read)
    assert "1 images listed twice (images/p0.jpg)" in message
    assert "doesn't hold (gone.jpg)" in message
    assert "found '../secret.jpg'" in message
    assert "found a link to" in message
    assert "expected a usable file name" in message
    assert "1 tasks without an image (7)" in message


def test_a_size_that_isnt_the_pictures_is_refused_before_anything_is_written(tasks: Tasks, tmp_path: Path) -> None:
    turned = tasks.region({"rle": list(encode_brush(asymmetric().T > 0)), "brushlabels": ["person"]})
    turned |= {"original_width": HEIGHT, "original_height": WIDTH}
    tasks.content[0]["annotations"][0]["result"] = [turned]
    assert "annotation of images/p0.jpg of 64x48 for an image of 48x64" in refusal(take, tmp_path, tasks.read())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'[{"data": "caf\xe9"}]', "JSON in UTF-8"),
        (b'[{"data": ', "JSON in UTF-8"),
        (b"{}", "export the project as JSON (not JSON-MIN)"),
        (b"[]", "export the project as JSON (not JSON-MIN)"),
        (b'[{"image": "a.jpg", "tag": []}]', "export the project as JSON (not JSON-MIN)"),
        (b'[{"data": {}, "annotations": 3}]', "tasks without an image"),
    ],
)
def test_a_file_that_holds_no_tasks_is_one_clear_line(tasks: Tasks, data: bytes, message: str) -> None:
    tasks.file.write_bytes(data)
    assert message in refusal(read_label_studio, tasks.file, None, "person")
    assert "found no file; check the path" in refusal(read_label_studio, tasks.file.parent / "x.json", None, "person")
