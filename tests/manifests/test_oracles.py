"""Other projects' readers find the same masks in our exports and in what we import: FiftyOne, Datumaro (CVAT), labelme,
supervision.

No database: of FiftyOne these are the label classes that read and write a mask. Masks, RLE and segments are equal bit
for bit. labelme and supervision draw a polygon with its outline, we without: there all differences lie on the outline.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from export_rows import accepted, binary_mask, commit_rows
from imported_masks import assert_same_masks, masks_by_stem, png, take
from oracles import load_masks, run_oracle
from PIL import Image

from manifests.exports import export_version
from manifests.imports.formats.coco import read_coco
from manifests.imports.formats.cvat import read_cvat
from manifests.imports.formats.fiftyone import read_fiftyone
from manifests.imports.formats.labelme import read_labelme
from manifests.imports.formats.yolo import read_yolo
from manifests.pixels.geometry import Pixels
from manifests.store.manifest import Manifest

DATUMARO_READS = """
import sys
import datumaro, numpy as np
data = datumaro.Dataset.import_from(sys.argv[1], "voc_segmentation")
person = data.categories()[datumaro.AnnotationType.label].find("person")[0]
masks = {i.id: np.any([np.asarray(a.image, bool) & (a.label == person) for a in i.annotations], axis=0) for i in data}
np.savez(sys.argv[2], **masks)
"""
DATUMARO_WRITES = """
import sys
import datumaro
datumaro.Dataset.import_from(sys.argv[1], "voc_segmentation").export(sys.argv[2], "voc_segmentation", save_media=True)
"""
FIFTYONE_READS = """
import json, os, pathlib, sys
os.environ |= {"FIFTYONE_DISABLE_SERVICES": "1", "FIFTYONE_DO_NOT_TRACK": "true"}
import fiftyone, numpy as np
from bson import json_util
root, masks, arrays = pathlib.Path(sys.argv[1]), {}, {}
for sample in json_util.loads((root / "samples.json").read_text())["samples"]:
    label = sample["ground_truth"] | {"mask_path": str(root / sample["ground_truth"]["mask_path"])}
    masks[sample["sample_id"]] = mask = fiftyone.Segmentation.from_dict(label).get_mask()
    arrays[sample["sample_id"]] = json.loads(json_util.dumps(fiftyone.Segmentation(mask=mask).to_dict()))
np.savez(sys.argv[2], **masks)
pathlib.Path(sys.argv[3]).write_text(json.dumps(arrays))
"""

DATUMARO_DRAWS = """
import sys
import datumaro, numpy as np
from datumaro.util import mask_tools
kind = datumaro.AnnotationType
masks = {}
for item in datumaro.Dataset.import_from(sys.argv[1], sys.argv[3]):
    height, width = np.asarray(item.media.data).shape[:2]
    person, drawn = 0, np.zeros((height, width), bool)
    for each in item.annotations:
        if each.label != person:
            continue
        if each.type is kind.mask:
            drawn |= np.asarray(each.image, bool)
        elif each.type is kind.polygon:
            drawn |= np.asarray(mask_tools.rles_to_mask([each.points], width, height), bool)
    masks[item.id] = drawn
np.savez(sys.argv[2], **masks)
"""
LABELME_DRAWS = """
import base64, io, json, pathlib, sys
import numpy as np, PIL.Image
from labelme.utils import shape_to_mask
masks = {}
for file in pathlib.Path(sys.argv[1]).glob("*.json"):
    content = json.loads(file.read_text())
    size = content["imageHeight"], content["imageWidth"]
    drawn = np.zeros(size, bool)
    for shape in content["shapes"]:
        if shape["shape_type"] == "mask":
            (left, top), _ = np.array(shape["points"], int)
            own = np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(shape["mask"])))) > 0
            drawn[top : top + own.shape[0], left : left + own.shape[1]] |= own
        else:
            drawn |= shape_to_mask(size, shape["points"], shape["shape_type"])
    masks[file.stem] = drawn
np.savez(sys.argv[2], **masks)
"""
SUPERVISION_DRAWS = """
import pathlib, sys
import numpy as np, supervision
root = pathlib.Path(sys.argv[1])
masks = {}
for split in sys.argv[3].split():
    data = supervision.DetectionDataset.from_yolo(
        str(root / "images" / split), str(root / "labels" / split), str(root / "data.yaml"), force_masks=True
    )
    for name, image, found in data:
        own = np.zeros((0, *image.shape[:2]), bool) if found.mask is None else found.mask
        masks[pathlib.Path(name).stem] = own.any(axis=0)
np.savez(sys.argv[2], **masks)
"""
HEIGHT, WIDTH = 60, 80


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return commit_rows(tmp_path_factory.mktemp("dataset"))


def test_datumaro_finds_the_masks_of_a_cvat_export(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "cvat", tmp_path / "out")
    run_oracle(DATUMARO_READS, tmp_path / "out", tmp_path / "masks.npz")
    assert_are_ours(load_masks(tmp_path / "masks.npz"), manifest)


def test_masks_that_datumaro_writes_come_in_bit_for_bit(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "cvat", tmp_path / "out")
    run_oracle(DATUMARO_WRITES, tmp_path / "out", tmp_path / "again")
    back = take(tmp_path, read_cvat(tmp_path / "again", None, "person")).manifest
    assert_same_masks(back, manifest, binary_mask)


def test_fiftyone_finds_the_masks_of_an_export(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "fiftyone", tmp_path / "out")
    run_oracle(FIFTYONE_READS, tmp_path / "out", tmp_path / "masks.npz", tmp_path / "arrays.json")
    assert_are_ours(load_masks(tmp_path / "masks.npz"), manifest)


def test_arrays_that_fiftyone_writes_come_in_bit_for_bit(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "fiftyone", tmp_path / "out")
    run_oracle(FIFTYONE_READS, tmp_path / "out", tmp_path / "masks.npz", tmp_path / "arrays.json")
    samples = json.loads((tmp_path / "out/samples.json").read_text())
    arrays = json.loads((tmp_path / "arrays.json").read_text())
    for sample in samples["samples"]:
        sample["ground_truth"] = arrays[sample["sample_id"]]
    (tmp_path / "out/samples.json").write_text(json.dumps(samples))
    back = take(tmp_path, read_fiftyone(tmp_path / "out", None, "person")).manifest
    assert_same_masks(back, manifest, binary_mask)


def test_datumaro_finds_the_segments_of_a_panoptic_png(tmp_path: Path) -> None:
    ids = np.random.default_rng(0).integers(0, 3, (HEIGHT, WIDTH)).astype(np.uint32)
    ids[ids == 1] = 70_007  # red, green and blue all count
    colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
    save(tmp_path / "set/images/train/a.jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    save(tmp_path / "set/annotations/panoptic_train/a.png", colours)
    box = {"bbox": [0, 0, WIDTH, HEIGHT], "iscrowd": 0, "area": 1}
    segments = [{"id": 70_007, "category_id": 1} | box, {"id": 2, "category_id": 2} | box]
    content = {
        "info": {},
        "licenses": [],
        "images": [{"id": 1, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}],
        "categories": [
            {"id": 1, "name": "person", "isthing": 1, "supercategory": ""},
            {"id": 2, "name": "wall", "isthing": 0, "supercategory": ""},
        ],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": segments}],
    }
    file = tmp_path / "set/annotations/panoptic_train.json"
    file.write_text(json.dumps(content))
    run_oracle(DATUMARO_DRAWS, tmp_path / "set", tmp_path / "masks.npz", "coco_panoptic")
    back = take(tmp_path, read_coco(file, tmp_path / "set/images/train", "person")).manifest
    assert_bit_for_bit(load_masks(tmp_path / "masks.npz"), back)
    assert (masks_by_stem(back)["a"] == np.where(ids == 70_007, 255, 0)).all()


def test_datumaro_finds_the_masks_and_polygons_of_cvat_for_images(tmp_path: Path) -> None:
    save(tmp_path / "set/images/a.jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    mask = np.random.default_rng(0).random((20, 30)) > 0.5
    flat = mask.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    runs = np.diff(ends, prepend=0).tolist()
    rle = ", ".join(map(str, [0, *runs] if flat[0] else runs))
    corners = ";".join(f"{x:.2f},{y:.2f}" for x, y in triangle())
    (tmp_path / "set/annotations.xml").write_text(f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><labels><label><name>person</name><attributes></attributes></label></labels></task></meta>
<image id="0" name="a.jpg" width="{WIDTH}" height="{HEIGHT}">
<mask label="person" occluded="0" rle="{rle}" left="5" top="7" width="30" height="20" z_order="0"></mask>
<polygon label="person" source="manual" occluded="0" points="{corners}" z_order="0"></polygon>
</image></annotations>""")
    run_oracle(DATUMARO_DRAWS, tmp_path / "set", tmp_path / "masks.npz", "cvat")
    back = take(tmp_path, read_cvat(tmp_path / "set", None, "person")).manifest
    assert_equal_but_outlines(load_masks(tmp_path / "masks.npz"), back, [triangle()])
    assert (masks_by_stem(back)["a"][7:27, 5:35] == mask * np.uint8(255)).all()


def test_labelme_draws_the_same_masks_and_polygons(tmp_path: Path) -> None:
    save(tmp_path / "set/a.jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    mask = np.random.default_rng(0).random((20, 30)) > 0.5
    encoded = base64.b64encode(png(mask * np.uint8(255))).decode()
    shapes = [
        {"label": "person", "shape_type": "mask", "points": [[5, 7], [34, 26]], "mask": encoded},
        {"label": "person", "shape_type": "polygon", "points": triangle()},
    ]
    content = {"imagePath": "a.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": shapes, "imageData": None}
    (tmp_path / "set/a.json").write_text(json.dumps(content))
    run_oracle(LABELME_DRAWS, tmp_path / "set", tmp_path / "masks.npz")
    back = take(tmp_path, read_labelme(tmp_path / "set", None, "person")).manifest
    assert_equal_but_outlines(load_masks(tmp_path / "masks.npz"), back, [triangle()])
    assert (masks_by_stem(back)["a"][7:27, 5:35] == mask * np.uint8(255)).all()


def test_supervision_draws_the_same_polygons_of_yolo(tmp_path: Path) -> None:
    save(tmp_path / "set/images/train/a.jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    shares = [coordinate / side for x, y in triangle() for coordinate, side in ((x, WIDTH), (y, HEIGHT))]
    (tmp_path / "set/labels/train").mkdir(parents=True)
    (tmp_path / "set/labels/train/a.txt").write_text("0 " + " ".join(f"{share:.6f}" for share in shares) + "\n")
    (tmp_path / "set/data.yaml").write_text("train: images/train\nval: images/train\nnames:\n  0: person\n")
    run_oracle(SUPERVISION_DRAWS, tmp_path / "set", tmp_path / "masks.npz", "train")
    back = take(tmp_path, read_yolo(tmp_path / "set", None, "person")).manifest
    assert_equal_but_outlines(load_masks(tmp_path / "masks.npz"), back, [triangle()])


def test_supervision_finds_the_masks_of_a_yolo_export_but_for_outlines(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "yolo", tmp_path / "out")
    run_oracle(SUPERVISION_DRAWS, tmp_path / "out", tmp_path / "masks.npz", "train val test")
    masks, rows = load_masks(tmp_path / "masks.npz"), accepted(manifest)
    assert masks.keys() == rows.keys()
    for sample_id, row in rows.items():
        ours = binary_mask(manifest, row)
        assert not (cv2.erode(ours, CROSS) > masks[sample_id]).any()
        assert not (masks[sample_id] > cv2.dilate(ours, np.ones((3, 3), np.uint8))).any()


CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


def triangle() -> list[list[float]]:
    """Corners x, y; off the pixels' grid."""
    return [[40.3, 30.2], [75.7, 35.4], [50.6, 57.8]]


def save(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def assert_bit_for_bit(masks: dict[str, Pixels], back: Manifest) -> None:
    ours = masks_by_stem(back)
    assert masks.keys() == ours.keys()
    for name, mask in masks.items():
        assert np.array_equal(mask, ours[name])


def assert_equal_but_outlines(masks: dict[str, Pixels], back: Manifest, polygons: Sequence[list[list[float]]]) -> None:
    """Equal, except pixels that a polygon's outline touches or comes within a pixel of."""
    ours = masks_by_stem(back)
    assert masks.keys() == ours.keys()
    for name, mask in masks.items():
        outline = np.zeros(mask.shape, np.uint8)
        for polygon in polygons:
            cv2.polylines(outline, [np.round(polygon).astype(np.int32)], isClosed=True, color=1, thickness=3)
        differing = mask != ours[name]
        assert not (differing & (outline == 0)).any()
        assert (ours[name][outline == 0] == 255).any()


def assert_are_ours(masks: dict[str, Pixels], manifest: Manifest) -> None:
    rows = accepted(manifest)
    assert masks.keys() == rows.keys()
    for sample_id, row in rows.items():
        assert np.array_equal(masks[sample_id], binary_mask(manifest, row))
