"""Formats that people bring from other tools: labelme, YOLO, COCO panoptic, CVAT for images, Parquet, cut-outs."""

import base64
import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_rows import HEIGHT, WIDTH, asymmetric, picture
from hostile_files import write_foreign_name
from imported_masks import left_out, masks_by_stem, png, refusal, take
from PIL import Image

from manifests.imports import ENCODINGS, IMPORTERS
from manifests.imports.formats.coco import read_coco
from manifests.imports.formats.cvat import read_cvat
from manifests.imports.formats.fiftyone import read_fiftyone
from manifests.imports.formats.labelme import read_labelme
from manifests.imports.formats.parquet import read_parquet
from manifests.imports.formats.yolo import read_yolo
from manifests.imports.ground_truth import LeftOut, TrustedPair, read_paired
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import encode_jpeg

Json = dict[str, Any]

SQUARE = [[10, 12], [30, 12], [30, 40], [10, 40]]  # corners x, y
LEFT, TOP, RIGHT, BOTTOM = 10, 12, 30, 40


def square(left: int = LEFT, top: int = TOP, right: int = RIGHT, bottom: int = BOTTOM) -> Pixels:
    """The pixels whose centre lies inside SQUARE."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[top:bottom, left:right] = 255
    return mask


def image(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_jpeg(picture(seed)))
    return path


def only_mask(root: Path, entries: Sequence[TrustedPair | LeftOut], **options: Any) -> Pixels:
    """The one mask of an import of these entries."""
    (mask,) = masks_by_stem(take(root, entries, **options).manifest).values()
    return mask


def as_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def flat(corners: Sequence[Sequence[float]]) -> list[float]:
    return [number for corner in corners for number in corner]


# labelme ---------------------------------------------------------------------------------------------------


def labelme(shapes: list[Json], **changes: object) -> Json:
    content = {"version": "5.5.0", "shapes": shapes, "imagePath": "p0.jpg", "imageData": None}
    return content | {"imageHeight": HEIGHT, "imageWidth": WIDTH} | changes


def shape(kind: str, points: object, label: str = "person", **changes: object) -> Json:
    return {"label": label, "shape_type": kind, "points": points} | changes


def test_labelmes_polygons_of_several_labels_are_united(tmp_path: Path) -> None:
    image(tmp_path / "in/p0.jpg")
    shapes = [
        shape("polygon", SQUARE, "body"),
        shape("polygon", [[30, 12], [40, 12], [40, 40], [30, 40]], "Head"),
        shape("polygon", [[0, 0], [5, 0], [5, 5]], "dog"),
    ]
    as_json(tmp_path / "in/p0.json", labelme(shapes))
    assert np.array_equal(only_mask(tmp_path, read_labelme(tmp_path / "in", None, "body, head")), square(right=40))
    assert "expected the label person in" in refusal(read_labelme, tmp_path / "in", None, "person")
    assert "found Head, body, dog" in refusal(read_labelme, tmp_path / "in", None, "person")


def test_a_labelme_circle_and_mask_are_drawn(tmp_path: Path) -> None:
    image(tmp_path / "in/p0.jpg")
    part = np.full((28, 20), 255, np.uint8)
    encoded = base64.b64encode(png(part)).decode()
    shapes = [shape("circle", [[24, 30], [24, 40]]), shape("mask", [[10, 12], [29, 39]], mask=encoded)]
    as_json(tmp_path / "in/p0.json", labelme(shapes))
    mask = only_mask(tmp_path, read_labelme(tmp_path / "in", None, "person")) > 0
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(rows + 0.5 - 30, columns + 0.5 - 24)
    assert mask[square() > 0].all()
    assert mask[distance < 9.9].all()
    assert not mask[(distance > 10.1) & (square() == 0)].any()


def test_labelmes_image_may_lie_beside_elsewhere_or_inside_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "in/annotations"
    image(tmp_path / "in/images/p0.jpg", 0)
    as_json(folder / "p0.json", labelme([shape("polygon", SQUARE)], imagePath="..\\images\\p0.jpg"))
    inside = base64.b64encode(encode_jpeg(picture(1))).decode()
    as_json(folder / "p1.json", labelme([shape("polygon", SQUARE)], imagePath="gone.jpg", imageData=inside))
    done = take(tmp_path, read_labelme(tmp_path / "in", None, "person"))
    assert done.rows_added == 2
    image(tmp_path / "elsewhere/p0.jpg", 2)
    done = take(tmp_path / "b", read_labelme(folder, tmp_path / "elsewhere", "person"))
    assert done.rows_added == 2
    (folder / "p1.json").unlink()
    (tmp_path / "elsewhere/p0.jpg").unlink()
    assert "doesn't hold" in refusal(read_labelme, folder, tmp_path / "elsewhere", "person")


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (shape("rectangle", [[1, 1], [20, 20]]), "images with shapes that are no area (p0.json: rectangle)"),
        (shape("polygon", [[1, 1], [20, 20]]), "p0.json: a polygon that isn't one of 3 or more corners"),
        (shape("mask", [[1, 1], [20, 20]], mask="zz"), "p0.json: a mask that can't be read"),
        (shape("mask", [[40, 60], [60, 80]], mask=base64.b64encode(png(square())).decode()), "which leaves the image"),
        (shape("circle", [[1, 1]]), "p0.json: a circle that isn't a centre and a point of its edge"),
        (shape("polygon", [["1", 1]] * 3), "p0.json: a shape whose points aren't numbers"),
    ],
)
def test_a_labelme_image_that_would_lack_a_person_is_refused_or_skipped(
    tmp_path: Path, odd: Json, message: str
) -> None:
    for seed in range(2):
        image(tmp_path / f"in/p{seed}.jpg", seed)
    as_json(tmp_path / "in/p0.json", labelme([shape("polygon", SQUARE), odd]))
    as_json(tmp_path / "in/p1.json", labelme([shape("polygon", SQUARE)], imagePath="p1.jpg"))
    entries = read_labelme(tmp_path / "in", None, "person")
    assert message in refusal(take, tmp_path, entries)
    assert "--skip-broken" in refusal(take, tmp_path, entries)
    done = take(tmp_path, entries, skip_broken=True)
    assert (done.rows_added, done.unusable) == (1, 1)
    assert message in done.skipped[0]


@pytest.mark.parametrize("content", ["[]", "{}", "no JSON", '{"shapes": 1}'])
def test_json_of_another_kind_is_no_labelme_file(tmp_path: Path, content: str) -> None:
    image(tmp_path / "in/p0.jpg")
    (tmp_path / "in/p0.json").write_text(content)
    assert "p0.json" in refusal(read_labelme, tmp_path / "in", None, "person")


# YOLO ------------------------------------------------------------------------------------------------------


def yolo_line(corners: Sequence[Sequence[float]], number: int = 0) -> str:
    shares = [f"{x / WIDTH} {y / HEIGHT}" for x, y in corners]
    return f"{number} {' '.join(shares)}\n"


def yolo(root: Path, lines: str, *, images: str = "images/train", labels: str = "labels/train") -> Path:
    image(root / images / "p0.jpg")
    (root / labels).mkdir(parents=True, exist_ok=True)
    (root / labels / "p0.txt").write_text(lines)
    (root / "data.yaml").write_text("train: images/train\nnames: [person, dog]\n")
    return root


@pytest.mark.parametrize(("images", "labels"), [("images/train", "labels/train"), ("train/images", "train/labels")])
def test_yolos_polygons_are_drawn_in_both_layouts(tmp_path: Path, images: str, labels: str) -> None:
    root = yolo(
        tmp_path / "in", yolo_line(SQUARE) + yolo_line([[0, 0], [5, 0], [5, 5]], 1), images=images, labels=labels
    )
    assert np.array_equal(only_mask(tmp_path, read_yolo(root, None, "person")), square())
    assert np.array_equal(only_mask(tmp_path / "b", read_yolo(root / "data.yaml", None, "Person")), square())


def test_a_zip_of_yolo_with_a_folder_inside_is_read(tmp_path: Path) -> None:
    root = yolo(tmp_path / "in", yolo_line(SQUARE))
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in root.rglob("*"):
            archive.write(path, f"export/{path.relative_to(root)}")
    assert np.array_equal(only_mask(tmp_path, read_yolo(tmp_path / "in.zip", None, "person")), square())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.2 0.2", "images with a box that has no outline"),
        ("0 0.5 0.5 0.2", "a polygon that isn't one of 3 or more corners"),
        ("0 0.1 0.1 0.9 0.1 0.9", "images with a box that has no outline"),
        ("0 0.1 0.1 0.9 0.1 nan 0.9", "a polygon that isn't one of 3 or more corners"),
        ("0 10 12 30 12 30 40", "corners that are no shares of the sides"),
        ("person 0.1 0.1", "broken annotations"),
    ],
)
def test_a_yolo_image_that_would_lack_a_person_is_refused_or_skipped(tmp_path: Path, line: str, message: str) -> None:
    root = yolo(tmp_path / "in", yolo_line(SQUARE) + line)
    assert message in refusal(read_yolo, root, None, "person")
    image(root / "images/train/p1.jpg", 1)
    (root / "labels/train/p1.txt").write_text(yolo_line(SQUARE))
    entries = read_yolo(root, None, "person")
    assert message in refusal(take, tmp_path, entries)
    assert np.array_equal(only_mask(tmp_path, entries, skip_broken=True), square())


def test_what_yolo_lacks_is_named(tmp_path: Path) -> None:
    root = yolo(tmp_path / "in", yolo_line(SQUARE, 1))
    assert "expected objects of person" in refusal(read_yolo, root, None, "person")
    assert "found dog, person" in refusal(read_yolo, root, None, "cat")
    (root / "labels/train/p9.txt").write_text(yolo_line(SQUARE))
    assert "labels without one image (labels/train/p9.txt)" in refusal(read_yolo, root, None, "person")
    for content in ("names: 3", "[", "nothing: 1", "!!python/object/apply:os.getcwd []"):
        (root / "data.yaml").write_text(content)
        assert "data.yaml" in refusal(read_yolo, root, None, "person")
    (root / "data.yaml").unlink()
    assert "expected data.yaml" in refusal(read_yolo, root, None, "person")


# COCO ------------------------------------------------------------------------------------------------------


def coco(annotations: list[Json], **changes: object) -> Json:
    names = ["person", "body", "head", "dog"]
    return {
        "images": [{"id": 1, "file_name": "p0.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"id": number, "image_id": 1} | each for number, each in enumerate(annotations, 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
    } | changes


def polygon(category: int = 1, corners: Sequence[Sequence[float]] = SQUARE) -> Json:
    return {"category_id": category, "segmentation": [flat(corners)], "bbox": [0, 0, 1, 1], "area": 4}


def test_several_categories_make_one_person(tmp_path: Path) -> None:
    image(tmp_path / "in/p0.jpg")
    content = coco(
        [polygon(2), polygon(3, [[30, 12], [40, 12], [40, 40], [30, 40]]), polygon(4, [[0, 0], [9, 0], [9, 9]])]
    )
    file = as_json(tmp_path / "in/a.json", content)
    assert np.array_equal(only_mask(tmp_path, read_coco(file, None, "Body,head")), square(right=40))
    assert "expected the category arm in" in refusal(read_coco, file, None, "body,arm")
    everything = only_mask(tmp_path / "b", read_coco(file, None, "all"))
    assert everything[square(right=40) > 0].all()
    assert everything[1, 5] == 255


@pytest.mark.parametrize("size", [(float(WIDTH), float(HEIGHT)), (str(WIDTH), str(HEIGHT))])
def test_sizes_as_text_or_fractions_are_whole_numbers(tmp_path: Path, size: tuple[object, object]) -> None:
    image(tmp_path / "in/p0.jpg")
    images = [{"id": 1, "file_name": "p0.jpg", "width": size[0], "height": size[1]}]
    file = as_json(tmp_path / "in/a.json", coco([polygon()], images=images))
    assert np.array_equal(only_mask(tmp_path, read_coco(file, None, "person")), square())


def test_an_image_with_a_box_alone_beside_masks_is_refused_or_skipped_by_name(tmp_path: Path) -> None:
    for seed in range(2):
        image(tmp_path / f"in/p{seed}.jpg", seed)
    images = [{"id": 1 + seed, "file_name": f"p{seed}.jpg", "width": WIDTH, "height": HEIGHT} for seed in range(2)]
    box = {"category_id": 1, "bbox": [1, 2, 3, 4]}
    file = as_json(tmp_path / "in/a.json", coco([polygon(), box, polygon() | {"image_id": 2}], images=images))
    entries = read_coco(file, None, "person")
    assert "1 images with a box that has no outline (p0.jpg)" in refusal(take, tmp_path, entries)
    done = take(tmp_path, entries, skip_broken=True)
    assert (done.rows_added, done.unusable) == (1, 1)
    assert masks_by_stem(done.manifest).keys() == {"p1"}


@pytest.mark.parametrize("place", ["val2017", "images/val2017", "images", "."])
def test_cocos_own_folders_are_found_and_captions_are_left_out(
    tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "coco"
    image(root / place / "p0.jpg")
    as_json(root / "annotations/instances_val2017.json", coco([polygon()]))
    as_json(root / "annotations/person_keypoints_val2017.json", coco([polygon()]))
    as_json(root / "annotations/captions_val2017.json", {"images": [], "annotations": [{"caption": "a cat"}]})
    assert np.array_equal(only_mask(tmp_path, read_coco(root, None, "person")), square())
    assert "captions_val2017.json" in caplog.text
    assert "person_keypoints_val2017.json" in caplog.text


def test_roboflows_splits_are_found(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "valid")):
        image(tmp_path / "in" / split / f"{split}.jpg", seed)
        images = [{"id": 1, "file_name": f"{split}.jpg", "width": WIDTH, "height": HEIGHT}]
        as_json(tmp_path / "in" / split / "_annotations.coco.json", coco([polygon()], images=images))
    assert take(tmp_path, read_coco(tmp_path / "in", None, "person")).rows_added == 2


def panoptic(root: Path, mask: Pixels) -> Path:
    """A person of segment 70,000 before a wall of segment 3."""
    image(root / "images/p0.jpg")
    ids = np.where(mask > 0, 70_000, 3)
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65_536], axis=-1).astype(np.uint8)
    (root / "panoptic_val").mkdir()
    Image.fromarray(rgb).save(root / "panoptic_val/p0.png")
    segments = [{"id": 70_000, "category_id": 1}, {"id": 3, "category_id": 4}]
    annotation = {"file_name": "p0.png", "segments_info": segments}
    return as_json(root / "panoptic_val.json", coco([annotation]))


def test_coco_panoptic_is_read_by_its_colours(tmp_path: Path) -> None:
    file = panoptic(tmp_path / "in", asymmetric())
    assert np.array_equal(only_mask(tmp_path, read_coco(file, None, "person")), asymmetric())
    content = json.loads(file.read_text())
    content["annotations"][0]["segments_info"][0]["id"] = 9
    as_json(file, content)
    assert "expected the segments 9 in" in refusal(take, tmp_path / "b", read_coco(file, None, "person"))
    content["annotations"][0]["segments_info"][0]["category_id"] = 4
    as_json(file, content)
    assert "expected images with a person" in refusal(read_coco, file, None, "person")
    (tmp_path / "in/panoptic_val/p0.png").unlink()
    assert "masks that" in refusal(read_coco, file, None, "dog")


# CVAT and VOC ----------------------------------------------------------------------------------------------


def cvat_rle(mask: Pixels) -> tuple[str, int, int, int, int]:
    """CVAT's run lengths along the rows of the mask's box, and the box."""
    rows, columns = np.nonzero(mask)
    top, left, height, width = rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1
    flat_mask = (mask[top : top + height, left : left + width] > 0).ravel()
    changes = np.flatnonzero(np.diff(flat_mask)) + 1
    edges = [0, *([0] if flat_mask[0] else []), *changes.tolist(), flat_mask.size]
    return ", ".join(map(str, np.diff(edges))), int(left), int(top), int(width), int(height)


def cvat(*shapes: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>'
        f'<image id="0" name="p0.jpg" width="{WIDTH}" height="{HEIGHT}">{"".join(shapes)}</image></annotations>'
    )


def points(corners: Sequence[Sequence[float]]) -> str:
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in corners)


def test_cvats_masks_run_along_the_rows(tmp_path: Path) -> None:
    image(tmp_path / "in/images/p0.jpg")
    rle, left, top, width, height = cvat_rle(asymmetric())
    mask = f'<mask label="Person" rle="{rle}" left="{left}" top="{top}" width="{width}" height="{height}"/>'
    (tmp_path / "in/annotations.xml").write_text(cvat(mask, '<box label="dog" xtl="1" ytl="1" xbr="2" ybr="2"/>'))
    assert np.array_equal(only_mask(tmp_path, read_cvat(tmp_path / "in", None, "person")), asymmetric())


def test_cvats_polygons_and_ellipses_are_united_also_in_a_zip_with_a_folder(tmp_path: Path) -> None:
    image(tmp_path / "images/p0.jpg")
    shapes = (
        f'<polygon label="person" points="{points(SQUARE)}" z_order="0"/>',
        '<ellipse label="person" cx="30" cy="26" rx="10" ry="14" rotation="0"/>',
    )
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("task 1/annotations.xml", cvat(*shapes))
    mask = only_mask(tmp_path, read_cvat(tmp_path / "in.zip", tmp_path / "images", "person")) > 0
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    inside = ((columns + 0.5 - 30) / 10) ** 2 + ((rows + 0.5 - 26) / 14) ** 2
    assert mask[(square() > 0) | (inside < 0.98)].all()
    assert not mask[(square() == 0) & (inside > 1.02)].any()


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ('<box label="person" xtl="1" ytl="1" xbr="20" ybr="20"/>', "shapes that are no area (p0.jpg: box)"),
        ('<polygon label="person" points="1,1;2,2"/>', "a polygon that isn't one of 3 or more corners"),
        ('<polygon label="person" points="1,1;2,2;x,y"/>', "broken annotations (p0.jpg"),
        ('<mask label="person" rle="1,2" left="0" top="0" width="4" height="4"/>', "run lengths of 4x4"),
        ('<mask label="person" rle="16" left="45" top="0" width="4" height="4"/>', "which leaves the image"),
    ],
)
def test_a_cvat_image_that_would_lack_a_person_is_refused_by_name(tmp_path: Path, odd: str, message: str) -> None:
    image(tmp_path / "in/images/p0.jpg")
    (tmp_path / "in/annotations.xml").write_text(cvat(f'<polygon label="person" points="{points(SQUARE)}"/>', odd))
    assert message in refusal(read_cvat, tmp_path / "in", None, "person")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations>", "damage or no XML"),
        ("<other/>", "found the element other"),
        ('<annotations><track id="0" label="person"/></annotations>', "found tracks of a video"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "no XML (a document type"),
        (cvat(f'<polygon label="dog" points="{points(SQUARE)}"/>'), "found dog"),
    ],
)
def test_xml_of_another_kind_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "annotations.xml").write_text(text)
    assert message in refusal(read_cvat, tmp_path, None, "person")


def voc(root: Path, masks: str = "SegmentationClass") -> Path:
    image(root / "JPEGImages/p0.jpg")
    for folder in ("ImageSets/Segmentation", masks):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "ImageSets/Segmentation/train.txt").write_text("p0\n")
    Image.fromarray(np.where(asymmetric() > 0, 15, 0).astype(np.uint8)).save(root / masks / "p0.png")
    return root


@pytest.mark.parametrize(
    ("folder", "masks"), [("VOCdevkit/VOC2012", "SegmentationClass"), (".", "SegmentationClassAug")]
)
def test_vocs_own_folders_are_found(tmp_path: Path, folder: str, masks: str) -> None:
    voc(tmp_path / "in" / folder, masks)
    assert np.array_equal(only_mask(tmp_path, read_cvat(tmp_path / "in", None, "person")), asymmetric())


def test_a_label_map_without_colours_counts_labels_in_order(tmp_path: Path) -> None:
    root = voc(tmp_path / "in")
    (root / "labelmap.txt").write_text("background:::\ndog:::\nperson:::\n")
    Image.fromarray(np.where(asymmetric() > 0, 2, 1).astype(np.uint8)).save(root / "SegmentationClass/p0.png")
    assert np.array_equal(only_mask(tmp_path, read_cvat(root, None, "person")), asymmetric())
    everything = only_mask(tmp_path / "b", read_cvat(root, None, "dog,person"))
    assert (everything == 255).all()


# FiftyOne, Parquet, cut-outs -------------------------------------------------------------------------------


def array(values: Pixels) -> Json:
    buffer = io.BytesIO()
    np.save(buffer, values > 0)
    return {"$binary": {"base64": base64.b64encode(zlib.compress(buffer.getvalue())).decode(), "subType": "00"}}


def fiftyone(root: Path, detections: list[Json]) -> Path:
    image(root / "data/p0.jpg")
    sample = {"filepath": "data/p0.jpg", "ground_truth": {"_cls": "Detections", "detections": detections}}
    as_json(root / "samples.json", {"samples": [sample]})
    as_json(root / "metadata.json", {})
    return root


def detection(mask: Pixels | None, *, scale: int = 1, label: str = "person") -> Json:
    box = [LEFT / WIDTH, TOP / HEIGHT, (RIGHT - LEFT) / WIDTH, (BOTTOM - TOP) / HEIGHT]
    if mask is None:
        return {"label": label, "bounding_box": box}
    part = cv2.resize(mask, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    return {"label": label, "bounding_box": box, "mask": array(part)}


@pytest.mark.parametrize("scale", [1, 3])
def test_fiftyones_instance_masks_fill_their_boxes(tmp_path: Path, scale: int) -> None:
    part = np.zeros((BOTTOM - TOP, RIGHT - LEFT), np.uint8)
    part[5:, 3:] = 255
    root = fiftyone(tmp_path / "in", [detection(part, scale=scale), detection(part, label="dog")])
    expected = square(left=LEFT + 3, top=TOP + 5)
    assert np.array_equal(only_mask(tmp_path, read_fiftyone(root, None, "person")), expected)


def test_fiftyones_instance_masks_may_be_files(tmp_path: Path) -> None:
    part = np.full((BOTTOM - TOP, RIGHT - LEFT), 255, np.uint8)
    root = fiftyone(tmp_path / "in", [detection(None) | {"mask_path": "masks/a.png"}])
    assert "masks that" in refusal(read_fiftyone, root, None, "person")
    mask_file(root / "masks/a.png", part)
    assert np.array_equal(only_mask(tmp_path, read_fiftyone(root, None, "person")), square())


def test_a_detection_without_a_mask_is_named(tmp_path: Path) -> None:
    part = np.full((BOTTOM - TOP, RIGHT - LEFT), 255, np.uint8)
    root = fiftyone(tmp_path / "in", [detection(part), detection(None)])
    assert "samples with a box that has no mask (data/p0.jpg)" in refusal(read_fiftyone, root, None, "person")
    assert "found person; pass --category NAME" in refusal(read_fiftyone, root, None, "cat")


def hub_parquet(path: Path, rows: list[Json]) -> Path:
    """Rows as Hugging Face datasets writes them: struct<bytes, path> columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1)
    return path


def embedded(data: bytes | None, name: str | None) -> Json:
    return {"bytes": data, "path": name}


def test_embedded_images_are_read_row_by_row(tmp_path: Path) -> None:
    rows = [
        {
            "image": embedded(encode_jpeg(picture(seed)), f"p{seed}.jpg"),
            "annotation": embedded(png(asymmetric(seed)), None),
        }
        for seed in range(3)
    ]
    rows[2]["annotation"] = None
    rows[0]["license"] = "CC0"
    hub_parquet(tmp_path / "in/data/train-00000.parquet", rows)
    entries = read_parquet(tmp_path / "in", None, "person")
    assert left_out(entries) == ["1 rows without an image or a mask (train-00000.parquet/2/p2.jpg)"]
    manifest = take(tmp_path, entries).manifest
    found = {row["source_uri"].rpartition("/")[2]: row for row in manifest.read().to_pylist()}
    assert found.keys() == {"p0.jpg", "p1.jpg"}
    assert found["p0.jpg"]["license"] == "CC0"
    stored = masks_by_stem(manifest)
    for seed in range(2):
        assert np.array_equal(stored[f"p{seed}"], asymmetric(seed))


def test_parquet_without_masks_or_damaged_is_one_clear_line(tmp_path: Path) -> None:
    file = hub_parquet(tmp_path / "a.parquet", [{"image": embedded(b"x", "p.jpg"), "text": "t"}])
    assert "expected the columns image and mask" in refusal(read_parquet, file, None, "person")
    write_foreign_name(pq.read_table(file), file)
    assert "expected a sound Parquet file" in refusal(read_parquet, file, None, "person")
    file.write_bytes(file.read_bytes()[:40])
    assert "expected a sound Parquet file" in refusal(read_parquet, file, None, "person")
    assert "expected a sound Parquet file" in refusal(read_parquet, tmp_path / "none.parquet", None, "person")


def test_cut_outs_are_their_own_masks_with_a_soft_edge(tmp_path: Path) -> None:
    opacity = cv2.GaussianBlur(asymmetric(), (0, 0), 2)
    (tmp_path / "in").mkdir()
    Image.fromarray(np.dstack([picture(0), opacity])).save(tmp_path / "in/p0.png")
    image(tmp_path / "in/p1.jpg", 1)
    done = take(tmp_path, IMPORTERS["cutouts"](tmp_path / "in", None, ""), encoding=ENCODINGS["cutouts"])
    assert (done.rows_added, done.unusable) == (1, 1)
    assert "expected an image with transparency" in done.skipped[0]
    assert np.array_equal(masks_by_stem(done.manifest)["p0"], opacity)


# Two directories -------------------------------------------------------------------------------------------


def mask_file(path: Path, mask: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)


def test_repeated_stems_pair_by_their_paths(tmp_path: Path) -> None:
    for seed, folder in enumerate(("s1", "s2")):
        image(tmp_path / "images" / folder / "1.jpg", seed)
        mask_file(tmp_path / "masks" / folder / "1.png", asymmetric(seed))
    pairs = read_paired(tmp_path / "images", tmp_path / "masks")
    assert [(pair.name, pair.mask_name) for pair in pairs] == [("s1/1.jpg", "s1/1.png"), ("s2/1.jpg", "s2/1.png")]


@pytest.mark.parametrize("suffix", ["_mask", "-matte", "_alpha", "_gtFine_labelIds", ".seg", "_Mask"])
def test_masks_with_a_suffix_pair_with_their_images(tmp_path: Path, suffix: str) -> None:
    image(tmp_path / "one/p0.jpg")
    mask_file(tmp_path / f"one/p0{suffix}.png", asymmetric())
    [pair] = read_paired(tmp_path / "one", tmp_path / "one")
    assert (pair.name, pair.mask_name) == ("p0.jpg", f"p0{suffix}.png")
    mask_file(tmp_path / f"masks/p0{suffix}.png", asymmetric())
    (tmp_path / f"one/p0{suffix}.png").unlink()
    assert [pair.name for pair in read_paired(tmp_path / "one", tmp_path / "masks")] == ["p0.jpg"]


def test_a_jpeg_and_a_png_of_each_stem_in_one_directory_are_image_and_mask(tmp_path: Path) -> None:
    for seed in range(2):
        image(tmp_path / f"one/p{seed}.JPG", seed)
        mask_file(tmp_path / f"one/p{seed}.png", asymmetric(seed))
    pairs = read_paired(tmp_path / "one", tmp_path / "one")
    assert [(pair.name, pair.mask_name) for pair in pairs] == [("p0.JPG", "p0.png"), ("p1.JPG", "p1.png")]
    image(tmp_path / "one/p2.jpg", 2)
    assert "names that occur twice" in refusal(read_paired, tmp_path / "one", tmp_path / "one")


def test_an_image_is_never_its_own_mask(tmp_path: Path) -> None:
    image(tmp_path / "one/p0.jpg")
    mask_file(tmp_path / "one/p1.png", asymmetric())
    assert "2 images that are their own masks" in refusal(read_paired, tmp_path / "one", tmp_path / "one")


@pytest.mark.parametrize(("label", "person"), [((5, 13), [5, 13]), ("all", [2, 5, 13]), (5, [5])])
def test_several_labels_are_person(tmp_path: Path, label: Any, person: list[int]) -> None:
    image(tmp_path / "images/p0.jpg")
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    for row, value in enumerate((2, 5, 13, 255)):
        values[10 * row : 10 * row + 10, 20:30] = value
    mask_file(tmp_path / "masks/p0.png", values)
    mask = only_mask(tmp_path, read_paired(tmp_path / "images", tmp_path / "masks"), person_label=label)
    assert np.array_equal(mask > 0, np.isin(values, person))
    message = refusal(take, tmp_path / "b", read_paired(tmp_path / "images", tmp_path / "masks"))
    assert "--person-label N" in message
    assert "N,N or all" in message
