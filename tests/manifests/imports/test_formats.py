"""`import --format ...`: what was exported comes back bit for bit; and of COCO, CVAT and VOC what is wrong is named in
one line (the other formats have files of their own)."""

import io
import json
import shutil
import unicodedata
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_rows import (
    HEIGHT,
    ROWS,
    WIDTH,
    accepted,
    asymmetric,
    binary_mask,
    commit_rows,
    picture,
    soft_mask,
    stored_mask,
)
from imported_masks import assert_same_masks, left_out, options_of, png, refusal, take, trusted
from paired_import import import_ground_truth
from PIL import Image
from portrait_datasets import import_portraits

from manifests.cli.importing import import_format
from manifests.exports import export_version
from manifests.exports.formats.cvat import class_png
from manifests.exports.options import ExportOptions
from manifests.imports.formats.coco import draw, read_coco
from manifests.imports.formats.cvat import read_cvat
from manifests.imports.formats.fiftyone import read_fiftyone
from manifests.imports.formats.imagefolder import read_imagefolder
from manifests.imports.formats.label_studio import read_label_studio
from manifests.imports.formats.voc_labels import VOC_LABELS, parse_label_map, voc_colour
from manifests.imports.ground_truth import Imported, LeftOut, TrustedPair
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import encode_jpeg
from manifests.pixels.rle import check_rle, compress_counts, decode_rle, decompress_counts, encode_rle
from manifests.store.manifest import Manifest, ManifestStore
from manifests.upkeep.verify import verify


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return commit_rows(tmp_path_factory.mktemp("dataset"))


ROUND_TRIPS: dict[str, tuple[str, Callable[[Path], list[TrustedPair]]]] = {
    "coco": ("coco", lambda out: read_coco(out / "annotations", out / "images", "person")),
    "cvat": ("cvat", lambda out: read_cvat(out, None, "person")),
    "cvat.zip": ("cvat", lambda out: read_cvat(out, None, "person")),
    "label-studio": ("label-studio", lambda out: read_label_studio(out / "tasks.json", None, "person")),
    "fiftyone": ("fiftyone", lambda out: read_fiftyone(out, None, "person")),
    "imagefolder": ("imagefolder", lambda out: read_imagefolder(out, None, "person")),
}
KEEP_LICENCES = [name for name in ROUND_TRIPS if not name.startswith("cvat")]


@pytest.fixture(scope="module")
def photographs(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return import_portraits(tmp_path_factory.mktemp("photographs"), portraits, 6)


# Round trips


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_masks_come_back_bit_for_bit(manifest: Manifest, tmp_path: Path, name: str) -> None:
    target, read = ROUND_TRIPS[name]
    export_version(manifest, target, tmp_path / name)
    done = take(tmp_path, read(tmp_path / name))
    assert (done.rows_added, done.skipped, verify(done.manifest)) == (5, [], [])
    assert_same_masks(done.manifest, manifest, binary_mask)


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_masks_of_real_photographs_come_back_bit_for_bit(photographs: Manifest, tmp_path: Path, name: str) -> None:
    target, read = ROUND_TRIPS[name]
    export_version(photographs, target, tmp_path / name)
    assert_same_masks(take(tmp_path, read(tmp_path / name)).manifest, photographs, binary_mask)


def import_folders(root: Path) -> Imported:
    """The pairs of root/out, imported into root/manifests."""
    return import_ground_truth(
        ManifestStore(root / "manifests"),
        images=root / "out/images",
        masks=root / "out/masks",
        source="back",
        data_root=root / "data",
    )


@pytest.mark.parametrize("soft", [False, True])
def test_folders_come_back_as_pairs(manifest: Manifest, tmp_path: Path, soft: bool) -> None:
    export_version(manifest, "folders", tmp_path / "out", options=ExportOptions(soft=soft))
    back = import_folders(tmp_path)
    assert str(back.encoding) == ("grey levels" if soft else "0/255")
    assert_same_masks(back.manifest, manifest, stored_mask if soft else binary_mask)


def test_real_photographs_in_folders_come_back_as_pairs(photographs: Manifest, tmp_path: Path) -> None:
    export_version(photographs, "folders", tmp_path / "out")
    back = import_folders(tmp_path)
    assert_same_masks(back.manifest, photographs, binary_mask)


@pytest.mark.parametrize("name", KEEP_LICENCES)
def test_each_pictures_licence_comes_back_and_the_given_one_is_for_the_others(
    manifest: Manifest, tmp_path: Path, name: str
) -> None:
    target, read = ROUND_TRIPS[name]
    export_version(manifest, target, tmp_path / name)
    back = take(tmp_path, read(tmp_path / name), license="MIT", attribution="nobody").manifest
    rows = accepted(manifest)
    for row in back.read().to_pylist():
        original = rows[Path(row["source_uri"]).stem]
        assert row["license"] == (original["license"] or "MIT")
        assert row["attribution"] == (original["attribution"] or "nobody")


def test_probabilities_come_back_from_an_imagefolder(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "imagefolder", tmp_path / "out", options=ExportOptions(soft=True))
    back = take(tmp_path, read_imagefolder(tmp_path / "out", None, "person"))
    assert str(back.encoding) == "grey levels"
    assert_same_masks(back.manifest, manifest, stored_mask)


# RLE


@pytest.mark.parametrize("seed", range(5))
def test_rle_is_its_own_inverse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 70, 2)
    person = rng.random((height, width)) < rng.random()
    counts = encode_rle(person)
    assert np.array_equal(decode_rle(counts, height, width), person)
    assert decompress_counts(compress_counts(counts)).tolist() == counts.tolist()


def test_rle_runs_down_the_columns_and_begins_with_background() -> None:
    person = np.array([[1, 0], [1, 1], [0, 1]], bool)
    assert encode_rle(person).tolist() == [0, 2, 2, 2]
    assert encode_rle(np.zeros((2, 3), bool)).tolist() == [6]
    assert encode_rle(np.ones((2, 3), bool)).tolist() == [0, 6]


def test_rle_of_another_length_is_refused() -> None:
    for counts in ([3, 2], [3, 4], [-1, 7], [2**62, 2**62, 6]):
        with pytest.raises(ValueError, match="run lengths"):
            check_rle(counts, 2, 3)


@pytest.mark.parametrize("text", ["", "P", "ä1", "\x01", "oooooooooooo1"])
def test_text_that_is_no_rle_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="run lengths"):
        decompress_counts(text)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with NumPy 2
def test_pycocotools_writes_and_reads_the_same_rle(seed: int) -> None:
    pycoco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.random((9, 7)) < 0.5, np.ones((rng.integers(1, 90), rng.integers(1, 90)))).astype(np.uint8)
    for mask in (blocks, (rng.random((61, 47)) < 0.5).astype(np.uint8), asymmetric() // 255):
        ours = compress_counts(encode_rle(mask.astype(bool)))
        theirs = pycoco.encode(np.asfortranarray(mask))
        assert ours == theirs["counts"].decode()
        assert np.array_equal(pycoco.decode({"size": list(mask.shape), "counts": ours}), mask)
        assert np.array_equal(decode_rle(decompress_counts(theirs["counts"].decode()), *mask.shape), mask)


# COCO


class Coco:
    """A COCO file and its images, of which there are two; changed by each test."""

    def __init__(self, root: Path) -> None:
        self.images, self.file = root / "images", root / "instances.json"
        self.images.mkdir()
        for seed in range(2):
            (self.images / f"p{seed}.jpg").write_bytes(encode_jpeg(picture(seed)))
        self.content: dict[str, Any] = {
            "images": [
                {"id": seed, "file_name": f"p{seed}.jpg", "width": WIDTH, "height": HEIGHT, "license": 3}
                for seed in range(2)
            ],
            "categories": [{"id": 4, "name": "dog"}, {"id": 7, "name": "Person"}],
            "licenses": [{"id": 3, "name": "CC BY 4.0"}],
            "annotations": [self.marked(0, [[0, 0, 10, 0, 10, 20, 0, 20]]), self.marked(1, self.rle(asymmetric()))],
        }

    def marked(self, image: int, segmentation: object, category: int = 7) -> dict[str, Any]:
        return {"id": 1, "image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": 0}

    def rle(self, mask: Pixels, *, compressed: bool = False) -> dict[str, Any]:
        counts = encode_rle(mask > 0)
        return {"size": list(mask.shape), "counts": compress_counts(counts) if compressed else counts.tolist()}

    def read(self, category: str = "person") -> list[TrustedPair]:
        self.file.write_text(json.dumps(self.content))
        return trusted(self.read_all(category))

    def read_all(self, category: str = "person") -> list[TrustedPair | LeftOut]:
        return read_coco(self.file, self.images, category)


@pytest.fixture
def coco(tmp_path: Path) -> Coco:
    return Coco(tmp_path)


def test_polygons_and_rles_become_masks(coco: Coco) -> None:
    first, second = coco.read()
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[:20, :10] = 255
    assert np.array_equal(first.read_mask(), expected)
    assert np.array_equal(second.read_mask(), asymmetric())
    assert (first.license, first.name, first.uri) == ("CC BY 4.0", "p0.jpg", str(coco.images / "p0.jpg"))


def test_several_annotations_of_an_image_are_united_and_other_categories_left_out(coco: Coco) -> None:
    coco.content["annotations"] += [
        coco.marked(0, [[20, 30, 40, 30, 40, 50, 20, 50], [0, 60, 5, 60, 5, 64, 0, 64]]),
        coco.marked(0, coco.rle(asymmetric(), compressed=True)),
        coco.marked(0, [[0, 0, WIDTH, 0, WIDTH, HEIGHT, 0, HEIGHT]], category=4),
    ]
    expected = asymmetric()
    expected[:20, :10] = expected[30:50, 20:40] = expected[60:, :5] = 255
    assert np.array_equal(coco.read()[0].read_mask(), expected)


def test_an_image_without_the_category_is_left_out_and_one_marked_empty_is_not(coco: Coco) -> None:
    coco.content["annotations"] = [coco.marked(0, coco.rle(asymmetric() * 0)) | {"area": 0}]
    (only,) = coco.read()
    assert (only.name, only.read_mask().any()) == ("p0.jpg", False)
    assert left_out(coco.read_all()) == ["1 images without a person (p1.jpg)"]


NORMALISED = [[0.1, 0.1, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9]]
OUTSIDE = [[WIDTH + 5, 5, WIDTH + 30, 5, WIDTH + 30, 40]]
A_LINE = [[5, 5, 20, 20, 10, 10]]


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        (NORMALISED, "corners in 0..1 (normalised)"),
        (OUTSIDE, "corners outside the image"),
        ([*OUTSIDE, *OUTSIDE], "corners outside the image"),
        (A_LINE, "regions that draw no pixel"),
        ({"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}, "regions that draw no pixel"),
    ],
)
def test_an_annotation_that_draws_no_person_is_refused_by_name(
    coco: Coco, tmp_path: Path, segmentation: object, reason: str
) -> None:
    coco.content["annotations"][0] = coco.marked(0, segmentation) | {"area": 200}
    done = take(tmp_path, coco.read())
    assert done.rows_added == 1
    assert done.skipped == [f"p0.jpg: expected a person in annotations of p0.jpg, found {reason}; mend the annotation"]
    coco.content["annotations"] = coco.content["annotations"][:1]
    assert reason in refusal(take, tmp_path, coco.read())


def test_an_annotation_that_draws_nothing_beside_others_is_named(coco: Coco, caplog: pytest.LogCaptureFixture) -> None:
    coco.content["annotations"].append(coco.marked(1, OUTSIDE))
    assert np.array_equal(coco.read()[1].read_mask(), asymmetric())
    line = "1 images with an annotation that draws nothing beside others (p1.jpg: corners outside the image)"
    assert line in caplog.text


def test_a_limit_takes_the_first_pairs_and_keeps_the_lines_on_what_is_left_out(coco: Coco, tmp_path: Path) -> None:
    coco.content["images"].append({**coco.content["images"][0], "id": 2, "file_name": "p9.jpg"})
    coco.read()
    given = ["--format", "coco", "--annotations", str(coco.file), "--images", str(coco.images), "--limit", "1"]
    done = import_format(ManifestStore(tmp_path / "manifests"), options_of(*given, "--data", str(tmp_path / "data")))
    assert (done.rows_added, done.skipped) == (1, ["1 images without a person (p9.jpg): left out"])


def test_a_person_in_0_to_1_beside_one_in_pixels_is_missing_from_the_mask(coco: Coco) -> None:
    coco.content["annotations"].append(coco.marked(1, NORMALISED))
    assert "corners in 0..1 (normalised)" in refusal(coco.read()[1].read_mask)


def test_absolute_file_names_are_matched_by_their_ends(coco: Coco) -> None:
    for entry in coco.content["images"]:
        entry["file_name"] = f"C:\\data\\images\\{entry['file_name']}"
    assert [pair.uri for pair in coco.read()] == [str(coco.images / f"p{seed}.jpg") for seed in range(2)]
    coco.content["images"][0]["file_name"] = "/data/gone.jpg"
    assert "give the directory of the images as --images" in refusal(coco.read)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with NumPy 2
def test_polygons_are_as_pycocotools_draws_them_but_for_the_edge() -> None:
    pycoco = pytest.importorskip("pycocotools.mask")
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    polygon = np.stack([30 + 20 * np.cos(angles), 40 + 30 * np.sin(3 + angles)], axis=1).ravel().tolist()
    ours = draw([[polygon]], 90, 70) > 0
    theirs = pycoco.decode(pycoco.merge(pycoco.frPyObjects([polygon], 90, 70))).astype(bool)
    assert np.count_nonzero(ours & theirs) / np.count_nonzero(ours | theirs) > 0.97
    inside = [[10, 20, 30, 20, 30, 50, 10, 50]]  # corners between pixels: nothing to differ about
    assert np.array_equal(draw([inside], 90, 70) > 0, pycoco.decode(pycoco.frPyObjects(inside, 90, 70))[..., 0] > 0)


def test_every_missing_image_and_broken_annotation_is_named_at_once(coco: Coco) -> None:
    coco.content["images"] += [
        {"id": 5, "file_name": "gone.jpg", "width": 8, "height": 8},
        {"id": 6, "file_name": "../secret.jpg", "width": 8, "height": 8},
    ]
    coco.content["annotations"] += [
        coco.marked(5, [[0, 0, 4, 0, 4, 4]]),
        coco.marked(6, [[0, 0, 4, 0, 4, 4]]),
        coco.marked(0, {"size": [HEIGHT, WIDTH], "counts": [5, 6]}),
        coco.marked(1, [[0, 0, 4]]),
        {**coco.marked(99, []), "id": 1234},
    ]
    message = refusal(coco.read)
    assert "doesn't hold (gone.jpg)" in message
    assert "expected a file name inside the directory, found '../secret.jpg'" in message
    assert "p0.jpg: expected run lengths of 48x64 = 3072 pixels, found 11" in message
    assert "p1.jpg: a polygon that isn't one of 3 or more corners" in message
    assert "annotations of images that aren't listed (1234)" in message


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ({"size": [HEIGHT, WIDTH + 1], "counts": [1]}, "RLE of size [64, 49] for 48x64"),
        ({"size": [HEIGHT, WIDTH], "counts": [True]}, "RLE without counts"),
        ({"size": [HEIGHT, WIDTH], "counts": [10**30]}, "broken annotations"),
        ({"size": [HEIGHT, WIDTH], "counts": "zz"}, "cut off or of another kind"),
        ([[float("nan")] * 6], "a polygon that isn't"),
        ([["1"] * 6], "a polygon that isn't"),
        ([], "no segmentation"),
        (None, "no segmentation"),
        ("text", "no segmentation"),
    ],
)
def test_a_broken_annotation_is_one_clear_line(coco: Coco, segmentation: object, message: str) -> None:
    coco.content["annotations"] = [coco.marked(0, segmentation)]
    assert message in refusal(coco.read)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "a/../../b.jpg", "..\\b.jpg", "C:\\b.jpg", "a\0.jpg", "a\n.jpg", "\udcff.jpg", "\ud800", ""]
)
def test_names_that_could_leave_the_directory_or_are_no_text_are_refused(coco: Coco, name: str) -> None:
    coco.content["images"][0]["file_name"] = name
    message = refusal(coco.read)
    assert "unusable file names" in message
    message.encode()


def test_a_very_long_name_is_refused(coco: Coco) -> None:
    coco.content["images"][0]["file_name"] = "x" * 5000 + ".jpg"
    assert "expected a usable file name" in refusal(coco.read)


def test_a_link_that_leaves_the_directory_is_refused_and_one_within_is_not(coco: Coco, tmp_path: Path) -> None:
    (tmp_path / "outside.jpg").write_bytes(encode_jpeg(picture(5)))
    (coco.images / "p0.jpg").unlink()
    (coco.images / "p0.jpg").symlink_to(coco.images / "p1.jpg")
    assert len(coco.read()) == 2
    (coco.images / "p0.jpg").unlink()
    (coco.images / "p0.jpg").symlink_to(tmp_path / "outside.jpg")
    assert "found a link to" in refusal(coco.read)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfe{}", "JSON in UTF-8"),
        (b'{"images": [', "JSON in UTF-8"),
        (b"[]", "no list of objects named images, annotations, categories"),
        (b'{"images": [1], "annotations": [], "categories": {}}', "named images, categories"),
        (b"[" * 100_000, "JSON in UTF-8"),
    ],
)
def test_a_file_that_is_no_coco_is_one_clear_line(coco: Coco, data: bytes, message: str) -> None:
    coco.file.write_bytes(data)
    assert message in refusal(read_coco, coco.file, coco.images, "person")


def test_a_category_that_isnt_there_is_refused_by_name(coco: Coco) -> None:
    assert "expected the category cat" in refusal(coco.read, "cat")
    assert "found Person, dog; pass --category NAME" in refusal(coco.read, "cat")
    assert "found no file; check the path" in refusal(read_coco, coco.file.with_name("x.json"), coco.images, "person")


def test_a_size_that_isnt_the_pictures_is_refused_before_anything_is_written(coco: Coco, tmp_path: Path) -> None:
    coco.content["images"][0] |= {"width": HEIGHT, "height": WIDTH}
    assert "annotations of p0.jpg of 64x48 for an image of 48x64" in refusal(take, tmp_path, coco.read())
    assert not (tmp_path / "data").exists()


# CVAT and VOC


class Voc:
    """A directory in VOC's layout with two images; the colour of person is PASCAL VOC's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.put("ImageSets/Segmentation/default.txt", b"p0\np1\n")
        for seed in range(2):
            self.put(f"JPEGImages/p{seed}.jpg", encode_jpeg(picture(seed)))
            self.put(f"SegmentationClass/p{seed}.png", class_png(asymmetric(seed) > 0))

    def put(self, name: str, data: bytes) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(data)

    def zipped(self, **entries: bytes) -> Path:
        path = self.root.with_suffix(".zip")
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(self.root.rglob("*")):
                archive.write(file, file.relative_to(self.root).as_posix())
            for name, data in entries.items():
                archive.writestr(name, data)
        return path

    def read(self, images: Path | None = None, category: str = "person") -> list[TrustedPair]:
        return read_cvat(self.root, images, category)


@pytest.fixture
def voc(tmp_path: Path) -> Voc:
    return Voc(tmp_path / "voc")


def test_the_label_map_names_the_person_colour_of_rgb_masks(voc: Voc) -> None:
    voc.put(
        "labelmap.txt", b"# label:color_rgb:parts:actions\r\ncar:9,9,9::\r\nbackground:0,0,0::\r\nhuman:250,50,83::\r\n"
    )
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rgb[asymmetric() > 0] = (250, 50, 83)
    rgb[0, 0] = (9, 9, 9)
    for seed in range(2):
        voc.put(f"SegmentationClass/p{seed}.png", png(rgb))
    assert np.array_equal(voc.read(category="Human")[0].read_mask(), asymmetric())


def test_masks_of_one_channel_are_indices_in_the_label_maps_order(voc: Voc) -> None:
    voc.put("labelmap.txt", b"background:0,0,0::\ncar:9,9,9::\nperson:1,2,3::\n")
    indices = np.where(asymmetric() > 0, 2, 0).astype(np.uint8)
    indices[0, 0] = 1
    voc.put("SegmentationClass/p0.png", png(indices))
    assert np.array_equal(voc.read()[0].read_mask(), asymmetric())


def test_without_a_label_map_the_colours_and_numbers_are_pascal_vocs(voc: Voc) -> None:
    assert voc_colour(15) == (192, 128, 128)
    assert (VOC_LABELS[15], voc_colour(0), voc_colour(1), voc_colour(20)) == (
        "person",
        (0, 0, 0),
        (128, 0, 0),
        (0, 64, 128),
    )
    assert np.array_equal(voc.read()[0].read_mask(), asymmetric())
    indices = np.where(asymmetric() > 0, 15, 0).astype(np.uint8)
    indices[0, :2] = 8, 255  # a cat, and void
    voc.put("SegmentationClass/p0.png", png(indices))
    assert np.array_equal(voc.read()[0].read_mask(), asymmetric())


@pytest.mark.parametrize("names", ["_background_\nperson", "__ignore__\n_background_\r\nPerson\r\ndog\n"])
@pytest.mark.parametrize("palette", [False, True])
def test_class_names_give_the_labels_order(voc: Voc, names: str, palette: bool) -> None:
    voc.put("class_names.txt", names.encode())
    indices = np.where(asymmetric() > 0, 1, 0).astype(np.uint8)
    indices[0, 0] = 255  # what labelme2voc writes for __ignore__
    data = png(indices)
    if palette:
        image = Image.fromarray(indices)
        image.putpalette([channel for index in range(256) for channel in voc_colour(index)])
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        data = buffer.getvalue()
    voc.put("SegmentationClass/p0.png", data)
    assert np.array_equal(voc.read()[0].read_mask(), asymmetric())
    assert "expected the label cat in" in refusal(voc.read, None, "cat")


def test_a_label_that_no_mask_holds_is_refused(voc: Voc, tmp_path: Path) -> None:
    for seed in range(2):
        voc.put(f"SegmentationClass/p{seed}.png", png(np.where(asymmetric() > 0, 1, 0).astype(np.uint8)))
    for inverted, what in ((False, "a person"), (True, "a background")):
        message = refusal(partial(take, inverted=inverted), tmp_path, voc.read())
        assert f"expected {what} in the masks, found none in any of 2" in message
    voc.put("SegmentationClass/p1.png", class_png(asymmetric(1) > 0))
    done = take(tmp_path, voc.read())
    assert done.rows_added == 2
    assert any("p0.png" in note and "no person" in note for note in done.notes)


def test_names_that_two_images_or_masks_have_are_refused_when_a_list_has_them(voc: Voc) -> None:
    voc.put("JPEGImages/p0.png", png(picture(7)))
    voc.put("JPEGImages/p9.png", png(picture(8)))
    voc.put("JPEGImages/p9.jpg", encode_jpeg(picture(9)))
    message = refusal(voc.read)
    assert "1 names that two images have (p0: JPEGImages/p0.jpg, JPEGImages/p0.png)" in message
    (voc.root / "JPEGImages/p0.png").rename(voc.root / "SegmentationClass/p0.bmp")
    assert "1 names that two masks have (p0: SegmentationClass/p0.bmp, SegmentationClass/p0.png)" in refusal(voc.read)


def test_listed_names_may_hold_other_separators_and_accents_in_either_form(voc: Voc) -> None:
    name = "Zo\u00eb\u2028b"
    voc.put("ImageSets/Segmentation/default.txt", f"{name}\n".encode())
    for folder, suffix in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
        there = unicodedata.normalize("NFD", name)
        (voc.root / folder / f"p0.{suffix}").rename(voc.root / folder / f"{there}.{suffix}")
    assert np.array_equal(voc.read()[0].read_mask(), asymmetric())


def test_linked_folders_are_read_within_the_directory_and_named_outside(voc: Voc, tmp_path: Path) -> None:
    (voc.root / "JPEGImages").rename(voc.root / "photos")
    (voc.root / "JPEGImages").symlink_to(voc.root / "photos")
    assert "2 images that" in refusal(voc.read)  # a file is known by its own folder
    (voc.root / "JPEGImages").unlink()
    (voc.root / "photos").rename(tmp_path / "elsewhere")
    (voc.root / "JPEGImages").symlink_to(tmp_path / "elsewhere")
    assert "found a link to" in refusal(take, tmp_path, voc.read())


def test_a_strange_colour_or_value_is_skipped_by_name(voc: Voc, tmp_path: Path) -> None:
    voc.put("labelmap.txt", b"background:0,0,0::\nperson:192,128,128::\n")
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rgb[5, 5] = (1, 2, 3)
    voc.put("SegmentationClass/p0.png", png(rgb))
    done = take(tmp_path, voc.read())
    assert done.rows_added == 1
    assert done.skipped[0].startswith("p0.jpg: ")
    assert "the colour 1,2,3, which the label map doesn't name" in done.skipped[0]
    voc.put("SegmentationClass/p0.png", png(asymmetric()))
    assert "such masks are for --format paired" in refusal(voc.read()[0].read_mask)
    voc.put("SegmentationClass/p0.png", b"no picture")
    assert "expected a readable mask of one page, found SegmentationClass/p0.png" in refusal(voc.read()[0].read_mask)


def test_images_may_lie_elsewhere(voc: Voc, tmp_path: Path) -> None:
    (voc.root / "JPEGImages").rename(tmp_path / "pictures")
    assert "2 images that" in refusal(voc.read)
    assert [pair.uri for pair in voc.read(tmp_path / "pictures")] == [
        str(tmp_path / "pictures/p0.jpg"),
        str(tmp_path / "pictures/p1.jpg"),
    ]


def test_what_is_missing_is_named_at_once_and_names_that_leave_are_refused(voc: Voc) -> None:
    voc.put("ImageSets/Segmentation/more.txt", b'"gone 1"\n../../etc/passwd\n/etc/shadow\n\n')
    (voc.root / "SegmentationClass/p1.png").unlink()
    message = refusal(voc.read)
    assert "1 images that" in message
    assert "(gone 1)" in message
    assert "2 masks that" in message
    assert "(gone 1, p1)" in message
    assert "found '../../etc/passwd'" in message
    assert "found '/etc/shadow'" in message


def test_a_link_out_of_the_directory_is_skipped_by_name(voc: Voc, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(encode_jpeg(picture(5)))
    (voc.root / "JPEGImages/p0.jpg").unlink()
    (voc.root / "JPEGImages/p0.jpg").symlink_to(tmp_path / "secret.jpg")
    done = take(tmp_path, voc.read())
    assert done.rows_added == 1
    assert "found a link to" in done.skipped[0]


def test_a_zip_is_read_where_it_is(voc: Voc, tmp_path: Path) -> None:
    path = voc.zipped()
    shutil.rmtree(voc.root)
    pairs = read_cvat(path, None, "person")
    assert [pair.uri for pair in pairs] == [f"{path}/JPEGImages/p0.jpg", f"{path}/JPEGImages/p1.jpg"]
    assert verify(take(tmp_path, pairs).manifest) == []


def test_a_zip_with_a_name_that_leaves_it_is_refused(voc: Voc) -> None:
    assert "found '../evil.jpg'" in refusal(read_cvat, voc.zipped(**{"../evil.jpg": b""}), None, "person")


def test_a_damaged_zip_is_one_clear_line(voc: Voc, tmp_path: Path) -> None:
    path = voc.zipped()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "expected a directory or a zip at" in refusal(read_cvat, path, None, "person")
    middle = data.index(b"\xff\xd8\xff") + 200
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    done = take(tmp_path, read_cvat(path, None, "person"))
    assert "expected a sound file JPEGImages/p0.jpg" in done.skipped[0]
    assert "found nothing; check the path" in refusal(read_cvat, tmp_path / "none.zip", None, "person")


def test_lists_that_are_missing_empty_or_no_utf8_are_one_clear_line(voc: Voc) -> None:
    voc.put("ImageSets/Segmentation/default.txt", b"caf\xe9\n")
    assert "expected text in UTF-8" in refusal(voc.read)
    voc.put("ImageSets/Segmentation/default.txt", b"\n")
    assert "expected names in the lists" in refusal(voc.read)
    (voc.root / "ImageSets/Segmentation/default.txt").unlink()
    assert "expected lists of names" in refusal(voc.read)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("person\n", "expected lines such as person:192,128,128::"),
        ("person:1,2,300::\n", "expected lines such as person:192,128,128::"),
        ("car:1,2,3::\n", "found car; pass --category NAME"),
        ("person:0,0,0::\n", "expected a colour of person's own"),
        ("car:1,2,3::\nperson:1,2,3::\n", "expected a colour of person's own"),
    ],
)
def test_a_label_map_without_a_colour_for_person_is_refused(text: str, message: str) -> None:
    assert message in refusal(parse_label_map, text, "person")


def test_a_name_on_disk_that_is_no_utf8_does_no_harm(voc: Voc, tmp_path: Path) -> None:
    try:
        (voc.root / "JPEGImages/\udcff.jpg").write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    assert len(voc.read()) == 2


# The command


def test_the_command_imports_each_format(manifest: Manifest, tmp_path: Path) -> None:
    for target in ("folders", "coco", "cvat", "label-studio", "fiftyone", "imagefolder"):
        export_version(manifest, target, tmp_path / target)
    given = {
        "paired": ["--images", str(tmp_path / "folders/images"), "--masks", str(tmp_path / "folders/masks")],
        "coco": ["--annotations", str(tmp_path / "coco/annotations"), "--images", str(tmp_path / "coco/images")],
        "cvat": ["--annotations", str(tmp_path / "cvat"), "--limit", "2"],
        "voc": ["--annotations", str(tmp_path / "cvat")],
        "label-studio": ["--annotations", str(tmp_path / "label-studio")],
        "fiftyone": ["--annotations", str(tmp_path / "fiftyone")],
        "imagefolder": ["--annotations", str(tmp_path / "imagefolder")],
    }
    for name, arguments in given.items():
        store = ManifestStore(tmp_path / name / "manifests")
        done = import_format(store, options_of("--format", name, "--data", str(tmp_path / name / "data"), *arguments))
        assert done.rows_added == (2 if name == "cvat" else 5)
        assert done.manifest.parameters.get("format", "paired") == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--format paired needs --images and --masks"),
        (["--images", "x"], "--format paired needs --masks"),
        (["--format", "coco"], "--format coco needs --annotations"),
        (["--format", "coco", "--annotations", "x", "--masks", "y"], "--masks doesn't go with --format coco"),
        (["--format", "cvat", "--annotations", "x", "--person-label", "1"], "--person-label doesn't go with"),
        (["--format", "yolov1"], "invalid choice: 'yolov1'"),
    ],
)
def test_options_of_another_format_are_wrong_arguments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        import_format(ManifestStore(tmp_path), options_of(*arguments))
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_the_synthetic_masks_tell_every_flip_and_turn() -> None:
    for mask in (asymmetric(), soft_mask(), ROWS[3][2]):
        person = mask >= 128
        assert not any(np.array_equal(person, other) for other in (person[::-1], person[:, ::-1], person[::-1, ::-1]))
