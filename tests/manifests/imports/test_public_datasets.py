"""Public datasets in the layouts they are published in: masks bit for bit, and what doesn't fit told in one line."""

import base64
import io
import json
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_rows import HEIGHT, WIDTH, accepted, asymmetric, binary_mask, commit_rows, picture
from imported_masks import left_out, masks_by_stem, options_of, png, take, trusted
from paired_folder import refusal
from PIL import Image

from manifests.cli.importing import import_format
from manifests.errors import UserError
from manifests.exports import export_version
from manifests.imports import ENCODINGS
from manifests.imports.formats.aisegment import read_aisegment
from manifests.imports.formats.baidu import read_baidu
from manifests.imports.formats.easyportrait import CLASSES, read_easyportrait
from manifests.imports.formats.eg1800 import read_eg1800
from manifests.imports.formats.supervisely import decode_bitmap, draw_objects, read_supervisely
from manifests.imports.ground_truth import TrustedPair
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import encode_jpeg
from manifests.store.manifest import ManifestStore
from manifests.upkeep.verify import verify


def put(root: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def zipped(root: Path) -> Path:
    """The directory as a zip beside it, which stands in its place."""
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, file.relative_to(root).as_posix())
    shutil.rmtree(root)
    return path


# Supervisely


def bitmap_text(mask: Pixels, mode: str = "P") -> str:
    """A bitmap's `data` as Supervisely's documentation makes it, or as an RGBA or a grey PNG."""
    image = Image.fromarray((mask > 0).astype(np.uint8))
    options: dict[str, Any] = {}
    if mode == "P":
        image.putpalette([0, 0, 0, 255, 255, 255])
        options = {"transparency": 0, "optimize": 0}
    elif mode == "RGBA":
        image = Image.fromarray(np.dstack([mask * 0, mask * 0, mask * 0, mask]))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return base64.b64encode(zlib.compress(buffer.getvalue())).decode()


def bitmap(mask: Pixels, x: int, y: int, title: str = "person", mode: str = "P") -> dict[str, Any]:
    return {
        "classTitle": title,
        "geometryType": "bitmap",
        "bitmap": {"data": bitmap_text(mask, mode), "origin": [x, y]},
    }


def polygon(exterior: list[list[float]], *interior: list[list[float]], title: str = "person") -> dict[str, Any]:
    points = {"exterior": exterior, "interior": list(interior)}
    return {"classTitle": title, "geometryType": "polygon", "points": points}


def annotation(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"description": "", "tags": [], "size": {"height": HEIGHT, "width": WIDTH}, "objects": list(objects)}


SQUARE = [[5, 10], [30, 10], [30, 40], [5, 40]]
HOLE = [[10, 15], [20, 15], [20, 20], [10, 20]]


def square_with_hole() -> Pixels:
    """What cv2.fillPoly fills: corners and edges included, those of the hole as well."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[10:41, 5:31] = 255
    mask[15:21, 10:21] = 0
    return mask


class Supervisely:
    """A project of two datasets, with three images of a person and one of a dog."""

    def __init__(self, root: Path) -> None:
        self.root = root
        titles = ("person", "Person_bmp", "dog")
        self.put_json("meta.json", {"classes": [{"title": title, "shape": "any"} for title in titles]})
        self.add("ds1", "a.jpg", annotation(bitmap(asymmetric()[20:, :30], 0, 20)))
        self.add("ds1", "b.png", annotation(polygon(SQUARE, HOLE)))
        self.add("ds2", "a.jpg", annotation(bitmap(asymmetric(), 0, 0, title="person_bmp")))
        self.add("ds2", "dog.jpg", annotation(polygon(SQUARE, title="dog")))

    def add(self, dataset: str, name: str, content: object) -> None:
        seed = len(list(self.root.rglob("img/*")))
        data = png(picture(seed)) if name.endswith(".png") else encode_jpeg(picture(seed))
        put(self.root, {f"{dataset}/img/{name}": data})
        self.put_json(f"{dataset}/ann/{name}.json", content)

    def put_json(self, name: str, content: object) -> None:
        put(self.root, {name: json.dumps(content).encode()})

    def read(self, category: str = "person", images: Path | None = None) -> list[TrustedPair]:
        return trusted(read_supervisely(self.root, images, category))


@pytest.fixture
def project(tmp_path: Path) -> Supervisely:
    return Supervisely(tmp_path / "project")


def test_the_bitmap_of_superviselys_own_documentation_is_read() -> None:
    text = (
        "eJzrDPBz5+WS4mJgYOD19HAJAtLMIMwIInOeqf8BUmwBPi"
        "GuQPr///9Lb86/C2QxlgT5BTM4PLuRBuTwebo4hlTMSa44cOHAB6DqY0yORgq8YkAZBk9XP5d1TglNANAFGzA="
    )
    assert decode_bitmap(text).astype(int).tolist() == [[255, 255, 255], [255, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("mode", ["P", "RGBA", "L"])
def test_a_bitmap_lies_at_its_origin(mode: str) -> None:
    part = asymmetric()[:30, :17]
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[25:55, 12:29] = part
    assert np.array_equal(draw_objects(annotation(bitmap(part, 12, 25, mode=mode)), frozenset({"person"})), expected)


def test_polygons_have_their_edges_and_holes_dont() -> None:
    titles = frozenset({"person"})
    assert np.array_equal(draw_objects(annotation(polygon(SQUARE, HOLE)), titles), square_with_hole())
    parts = [{"exterior": SQUARE, "interior": [HOLE]}, {"exterior": [[0, 50], [3, 50], [3, 60], [0, 60]]}]
    several = {"classTitle": "Person", "geometryType": "multipolygon", "parts": parts}
    expected = square_with_hole()
    expected[50:61, :4] = 255
    assert np.array_equal(draw_objects(annotation(several), titles), expected)


def test_objects_of_an_image_are_united_and_a_hole_is_only_in_its_own_polygon() -> None:
    both = annotation(polygon(SQUARE, HOLE), bitmap(np.full((3, 4), 255, np.uint8), 12, 16), polygon(HOLE, title="dog"))
    expected = square_with_hole()
    expected[16:19, 12:16] = 255
    assert np.array_equal(draw_objects(both, frozenset({"person"})), expected)


@pytest.mark.parametrize("archive", [False, True])
def test_a_project_comes_in_bit_for_bit(project: Supervisely, tmp_path: Path, archive: bool) -> None:
    root = zipped(project.root) if archive else project.root
    found = read_supervisely(root, None, "person,person_bmp")
    pairs = trusted(found)
    assert left_out(found) == ["1 annotations without an object of person,person_bmp (ds2/ann/dog.jpg.json)"]
    done = take(tmp_path, pairs)
    assert [pair.name for pair in pairs] == ["ds1/img/a.jpg", "ds1/img/b.png", "ds2/img/a.jpg"]
    assert (done.rows_added, done.skipped, verify(done.manifest)) == (3, [], [])
    expected = [np.where(np.arange(HEIGHT)[:, None] < 20, 0, asymmetric()) * (np.arange(WIDTH) < 30)]
    expected += [square_with_hole(), asymmetric()]
    for pair, mask in zip(pairs, expected, strict=True):
        assert np.array_equal(pair.read_mask(), mask)


def test_the_category_is_a_class_title_and_images_without_it_are_left_out(project: Supervisely) -> None:
    assert [pair.name for pair in project.read("PERSON")] == ["ds1/img/a.jpg", "ds1/img/b.png"]
    assert [pair.name for pair in project.read("dog")] == ["ds2/img/dog.jpg"]
    message = refusal(project.read, category="person, cat")
    assert "expected the class cat in meta.json" in message
    assert "found Person_bmp, dog, person; pass --category NAME" in message


def test_old_exports_name_annotations_by_the_stem_and_images_may_lie_elsewhere(
    project: Supervisely, tmp_path: Path
) -> None:
    (project.root / "ds1/ann/a.jpg.json").rename(project.root / "ds1/ann/a.json")
    assert len(project.read()) == 2
    for dataset in ("ds1", "ds2"):
        (project.root / dataset / "img").rename(tmp_path / dataset)
    assert [pair.uri for pair in project.read(images=tmp_path)] == [
        str(tmp_path / "ds1" / n) for n in ("a.jpg", "b.png")
    ]
    assert "2 annotations without an image (ds1/ann/a.json, ds1/ann/b.png.json)" in refusal(project.read)


def test_a_bitmap_without_a_pixel_skips_its_image_by_name(project: Supervisely, tmp_path: Path) -> None:
    project.put_json("ds1/ann/a.jpg.json", annotation(bitmap(asymmetric() * np.uint8(0), 0, 0)))
    done = take(tmp_path, project.read())
    assert done.skipped == [
        "ds1/img/a.jpg: expected a person in ds1/ann/a.jpg.json, found regions that draw no pixel; mend the annotation"
    ]


def test_two_annotations_of_an_image_are_refused(project: Supervisely) -> None:
    project.put_json("ds1/ann/a.json", annotation(polygon(SQUARE)))
    assert "1 second annotations of an image (ds1/ann/a.json)" in refusal(project.read)


def no_object(**changes: object) -> dict[str, Any]:
    return bitmap(asymmetric(), 0, 0) | changes


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (bitmap(asymmetric(), 1, 0), "a bitmap of 48x64 at 1,0, which leaves the image"),
        (bitmap(asymmetric()[:5, :5], -1, 0), "which leaves the image"),
        (no_object(bitmap={"data": "????", "origin": [0, 0]}), "a bitmap that can't be read"),
        (no_object(bitmap={"data": base64.b64encode(b"no zlib").decode(), "origin": [0, 0]}), "a bitmap that can't"),
        (
            no_object(bitmap={"data": base64.b64encode(zlib.compress(b"no PNG")).decode(), "origin": [0, 0]}),
            "a bitmap that can't be read",
        ),
        (no_object(bitmap={"origin": [0, 0]}), "a bitmap without data"),
        (no_object(bitmap={"data": ""}), "a bitmap without an origin"),
        (no_object(bitmap=None), "a bitmap without an origin"),
        (polygon([[0, 0], [5, 5]]), "a polygon that isn't one of 3 or more corners"),
        (polygon([[0, 0], [5, 5], [1]]), "a polygon that isn't one"),  # type: ignore[list-item]
        (polygon([[0, 0], [5, 5], [1, float("nan")]]), "a polygon whose corners aren't numbers"),
        (polygon(SQUARE, [[0, 0]]), "a polygon that isn't one"),
        (polygon([[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]), "a polygon with corners in 0..1 (normalised)"),
        (polygon([[90, 5], [95, 5], [95, 9]]), "a polygon with corners outside the image"),
        (no_object(geometryType="rectangle"), "a rectangle of the class person, which is no mask"),
    ],
)
def test_an_object_that_is_no_mask_skips_its_image_by_name(
    project: Supervisely, tmp_path: Path, thing: dict[str, Any], message: str
) -> None:
    project.put_json("ds1/ann/a.jpg.json", annotation(thing))
    done = take(tmp_path, project.read())
    assert done.rows_added == 1
    assert done.skipped[0].startswith("ds1/img/a.jpg: expected bitmaps and polygons in ds1/ann/a.jpg.json, found ")
    assert message in done.skipped[0]


def test_files_that_are_no_project_are_one_clear_line(project: Supervisely) -> None:
    put(project.root, {"ds1/ann/b.png.json": b"\xff{"})
    assert "1 unusable annotations (expected JSON in UTF-8 in ds1/ann/b.png.json" in refusal(project.read)
    project.put_json("ds1/ann/b.png.json", [1])
    assert "expected a JSON object in ds1/ann/b.png.json" in refusal(project.read)
    project.put_json("meta.json", {"classes": 5})
    assert "found none; pass --category NAME" in refusal(project.read)
    (project.root / "meta.json").unlink()
    assert "expected meta.json of a Supervisely project" in refusal(project.read)


def test_an_annotation_without_a_size_or_with_another_is_told(project: Supervisely, tmp_path: Path) -> None:
    project.put_json("ds1/ann/a.jpg.json", annotation(polygon(SQUARE)) | {"size": {"height": 0, "width": 5}})
    assert "found no size of the image" in take(tmp_path / "one", project.read()).skipped[0]
    project.put_json("ds1/ann/a.jpg.json", annotation(polygon(SQUARE)) | {"size": {"height": WIDTH, "width": HEIGHT}})
    assert "ds1/ann/a.jpg.json of 64x48 for an image of 48x64" in refusal(take, root=tmp_path, pairs=project.read())


# EasyPortrait


def classes_mask() -> Pixels:
    """Every class of EasyPortrait, where `asymmetric` has person."""
    return np.where(asymmetric() > 0, np.arange(HEIGHT)[:, None] % (len(CLASSES) - 1) + 1, 0).astype(np.uint8)


@pytest.fixture
def easyportrait(tmp_path: Path) -> Path:
    files = {}
    for seed, split in enumerate(("train", "val", "test")):
        files[f"images/{split}/{seed}.jpg"] = encode_jpeg(picture(seed))
        files[f"annotations/{split}/{seed}.png"] = png(classes_mask())
    put(tmp_path / "easyportrait", files)
    return tmp_path / "easyportrait"


def test_every_class_but_the_background_is_person(easyportrait: Path, tmp_path: Path) -> None:
    assert set(np.unique(classes_mask())) == set(range(9))
    done = take(tmp_path, read_easyportrait(easyportrait, None, ""))
    assert (done.rows_added, done.skipped, str(done.encoding), verify(done.manifest)) == (3, [], "0/255", [])
    assert all(np.array_equal(mask, asymmetric()) for mask in masks_by_stem(done.manifest).values())


def test_the_two_halves_are_read_out_of_their_zips(easyportrait: Path) -> None:
    images, masks = zipped(easyportrait / "images"), zipped(easyportrait / "annotations")
    pairs = read_easyportrait(masks, images, "")
    assert [pair.uri for pair in pairs] == [f"{images}/{name}" for name in ("test/2.jpg", "train/0.jpg", "val/1.jpg")]
    assert np.array_equal(pairs[0].read_mask(), asymmetric())


def test_what_has_no_partner_is_told_and_the_rest_is_imported(easyportrait: Path, tmp_path: Path) -> None:
    shutil.rmtree(easyportrait / "annotations/train")
    (easyportrait / "images/val/1.jpg").unlink()
    put(easyportrait, {"images/odd.jpg": b"x", "annotations/meta.csv": b"x", "images/test/._2.jpg": b"x"})
    done = take(tmp_path, read_easyportrait(easyportrait, None, ""))
    assert done.rows_added == 1
    assert [line.partition(": ")[0] for line in done.skipped] == [
        "1 images without a mask (images/train/0.jpg)",
        "1 masks without an image (annotations/val/1.png)",
        "1 files that don't lie as images/train/NAME.jpg with annotations/train/NAME.png (images/odd.jpg)",
        "1 hidden files (images/test/._2.jpg)",
    ]


def test_a_class_that_easyportrait_hasnt_skips_the_pair(easyportrait: Path, tmp_path: Path) -> None:
    put(easyportrait, {"annotations/val/1.png": png(classes_mask() + np.uint8(1))})
    done = take(tmp_path, read_easyportrait(easyportrait, None, ""))
    assert "expected EasyPortrait's classes 0 to 8 in annotations/val/1.png, found 9" in done.skipped[0]


def test_one_name_twice_in_a_split_is_refused(easyportrait: Path) -> None:
    put(easyportrait, {"images/train/0.png": png(picture(9))})
    assert "1 that occur twice (images/train/0.png)" in refusal(
        read_easyportrait, annotations=easyportrait, images=None, category=""
    )


def test_a_link_out_of_the_folder_is_skipped_by_name(easyportrait: Path, tmp_path: Path) -> None:
    put(tmp_path, {"secret.jpg": encode_jpeg(picture(7))})
    (easyportrait / "images/train/0.jpg").unlink()
    (easyportrait / "images/train/0.jpg").symlink_to(tmp_path / "secret.jpg")
    done = take(tmp_path, read_easyportrait(easyportrait, None, ""))
    assert done.rows_added == 2
    assert "images/train/0.jpg: expected 'images/train/0.jpg' to lie in" in done.skipped[0]


def test_a_zip_whose_names_leave_it_is_refused(easyportrait: Path) -> None:
    path = zipped(easyportrait)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images/train/../../../evil.jpg", b"")
    assert "found 'images/train/../../../evil.jpg'" in refusal(
        read_easyportrait, annotations=path, images=None, category=""
    )


# AISegment


def soft_alpha() -> Pixels:
    """A soft matte of few levels, which by its values alone might be a label map."""
    alpha = asymmetric().copy()
    alpha[40:, :10] = 64
    alpha[:5, 40:] = 128
    return alpha


def cut_out(alpha: Pixels, seed: int = 0) -> bytes:
    return png(np.dstack([picture(seed), alpha]))


@pytest.fixture
def aisegment(tmp_path: Path) -> Path:
    files = {}
    for seed, batch in enumerate(("00000000", "00000001")):
        name = f"1803151818-0000000{seed}"
        files[f"clip_img/1803151818/clip_{batch}/{name}.jpg"] = encode_jpeg(picture(seed))
        files[f"matting/1803151818/matting_{batch}/{name}.png"] = cut_out(soft_alpha(), seed)
    put(tmp_path / "aisegment", files)
    return tmp_path / "aisegment"


def test_the_transparency_is_the_soft_mask(aisegment: Path, tmp_path: Path) -> None:
    arguments = ["--format", "aisegment", "--annotations", str(aisegment), "--data", str(tmp_path / "data")]
    done = import_format(ManifestStore(tmp_path / "manifests"), options_of(*arguments))
    assert (done.rows_added, done.skipped, str(done.encoding), verify(done.manifest)) == (2, [], "grey levels", [])
    assert all(np.array_equal(mask, soft_alpha()) for mask in masks_by_stem(done.manifest).values())


def test_the_files_known_to_be_broken_and_names_without_a_partner_are_told(aisegment: Path, tmp_path: Path) -> None:
    put(
        aisegment,
        {
            "matting/1803201916/._matting_00000000": b"\0\5\x16\7",
            "clip_img/1803151818/clip_00000000/._1803151818-00000000.jpg": b"\0\5\x16\7",
            "matting/1803151818/matting_00000000/1803151818-00000009.png": cut_out(soft_alpha()),
            "clip_img/1803151818/clip_00000001/1803151818-00000000.jpg": encode_jpeg(picture(5)),
            "clip_img/1803151818/clip_00000001/1803151818-00000008.jpg": encode_jpeg(picture(6)),
            "matting/1803151818/matting_00000001/1803151818-00000008.png": png(soft_alpha()),
        },
    )
    done = take(tmp_path, read_aisegment(aisegment, None, ""), encoding=ENCODINGS["aisegment"])
    assert (done.rows_added, done.unusable) == (2, 5)
    lines = "\n".join(done.skipped)
    assert "expected an image with transparency, found mode L without in matting/" in lines
    assert "1 images without a mask (clip_img/1803151818/clip_00000001/1803151818-00000000.jpg)" in lines
    assert "1 masks without an image (matting/1803151818/matting_00000000/1803151818-00000009.png)" in lines
    assert "2 hidden files (" in lines
    assert "matting/1803201916/._matting_00000000" in lines


def test_the_two_folders_may_be_given_apart_and_a_wrong_directory_says_so(aisegment: Path) -> None:
    assert len(read_aisegment(aisegment / "matting", aisegment / "clip_img", "")) == 2
    message = refusal(read_aisegment, annotations=aisegment.parent, images=None, category="")
    assert "expected clip_img/GROUP/clip_N/NAME.jpg" in message
    assert "found 0 images and 0 masks and no pair of them; check --annotations and --images" in message


# Lists: EG1800 and Baidu


@pytest.fixture
def eg1800(tmp_path: Path) -> Path:
    files = {"eg1800_train.txt": b"00001.png\n00002.png\n", "eg1800_test.txt": b"00003.jpg\r\n\r\n"}
    for seed in (1, 2, 3):
        files[f"Images/0000{seed}.png"] = png(picture(seed))
        files[f"Labels/0000{seed}.png"] = png(asymmetric(seed) // 255)
    files["Images/00003.jpg"] = encode_jpeg(picture(3))
    files["Labels/00004.png"] = png(asymmetric())  # Labels holds more than the lists
    put(tmp_path / "EG1800", files)
    return tmp_path / "EG1800"


def import_list(root: Path, name: str, *arguments: str) -> Any:
    given = ["--format", name, "--data", str(root / "data"), *arguments]
    return import_format(ManifestStore(root / "manifests"), options_of(*given))


@pytest.mark.parametrize("archive_list", [False, True], ids=["directory", "list"])
def test_portraitnets_eg1800_comes_in_bit_for_bit(eg1800: Path, tmp_path: Path, archive_list: bool) -> None:
    given = eg1800 / "eg1800_train.txt" if archive_list else eg1800
    done = import_list(tmp_path, "eg1800", "--annotations", str(given))
    assert (str(done.encoding), done.skipped, verify(done.manifest)) == ("0/1", [], [])
    masks = masks_by_stem(done.manifest)
    assert list(masks) == ["00001", "00002", "00003"][: 2 if archive_list else 3]
    assert all(np.array_equal(masks[f"0000{seed}"], asymmetric(seed)) for seed in range(1, len(masks) + 1))


def test_a_label_above_1_is_named_and_person_label_1_makes_it_background(eg1800: Path, tmp_path: Path) -> None:
    values = asymmetric(1) // 255
    values[0, :3] = 2
    put(eg1800, {"Labels/00001.png": png(values)})
    with pytest.raises(UserError, match=r"found the values 0, 1, 2; state which one is person with --person-label N"):
        import_list(tmp_path, "eg1800", "--annotations", str(eg1800))
    done = import_list(tmp_path, "eg1800", "--annotations", str(eg1800), "--person-label", "1")
    assert np.array_equal(masks_by_stem(done.manifest)["00001"], np.where(values == 1, 255, 0))


def test_lists_may_lie_elsewhere_and_hold_pairs_of_names(eg1800: Path, tmp_path: Path) -> None:
    listed = tmp_path / "mine.txt"
    listed.write_text('00002.png 00001.png\nImages/00001.png\tLabels/00002.png\n"00003.png" "Labels/00003.png"\n')
    pairs = read_eg1800(listed, eg1800, "")
    assert [(pair.name, pair.mask_name) for pair in pairs] == [
        ("Images/00001.png", "Labels/00002.png"),
        ("Images/00002.png", "Labels/00001.png"),
        ("Images/00003.png", "Labels/00003.png"),
    ]


def test_what_export_authors_wrote_is_read_back(tmp_path: Path) -> None:
    manifest = commit_rows(tmp_path / "dataset")
    export_version(manifest, "authors", tmp_path / "out")
    pairs = read_eg1800(tmp_path / "out/Portrait", None, "")
    found = sorted(pair.read_mask().tobytes() for pair in pairs)
    rows = accepted(manifest).values()
    assert found == sorted(binary_mask(manifest, row).tobytes() for row in rows)


def test_eg1800_without_its_folders_is_refused(eg1800: Path) -> None:
    shutil.rmtree(eg1800 / "Labels")
    message = refusal(read_eg1800, annotations=eg1800, images=None, category="")
    assert "expected the folders Images and Labels or images_data_crop and GT_png" in message


def test_a_list_of_eg1800_that_is_missing_says_so(eg1800: Path) -> None:
    assert f"list of names at {eg1800 / 'no'}, found no file" in refusal(
        read_eg1800, annotations=eg1800 / "no", images=None, category=""
    )


@pytest.fixture
def baidu(tmp_path: Path) -> Path:
    files = {"train.txt": b"input/a.jpg target/a.png\ninput/b b.jpg\ttarget/b.png\n", "val.txt": b'c.jpg\n"b b.jpg"\n'}
    for seed, name in enumerate(("a", "b b", "c")):
        files[f"input/{name}.jpg"] = encode_jpeg(picture(seed))
        files[f"target/{name[0]}.png"] = png(asymmetric(seed))
    put(tmp_path / "baidu", files | {"target/b b.png": files["target/b.png"]})
    return tmp_path / "baidu"


def test_lists_of_image_and_mask_come_in_bit_for_bit(baidu: Path, tmp_path: Path) -> None:
    (baidu / "val.txt").write_text("c.jpg\ninput/a.jpg target/a.png\n")  # listed twice
    done = import_list(tmp_path, "baidu", "--annotations", str(baidu))
    assert (done.rows_added, str(done.encoding), done.skipped, verify(done.manifest)) == (3, "0/255", [], [])
    masks = masks_by_stem(done.manifest)
    assert all(np.array_equal(masks[name], asymmetric(seed)) for seed, name in enumerate(("a", "b b", "c")))


def test_an_image_with_two_masks_is_refused(baidu: Path) -> None:
    assert "1 images with two masks (input/b b.jpg)" in refusal(read_baidu, annotations=baidu, images=None, category="")


def test_a_list_may_start_from_another_directory(baidu: Path, tmp_path: Path) -> None:
    (baidu / "train.txt").rename(tmp_path / "train.txt")
    assert len(read_baidu(tmp_path / "train.txt", baidu, "")) == 2


def test_other_separators_are_part_of_a_name(baidu: Path) -> None:
    (baidu / "input/a.jpg").rename(baidu / "input/a\u2028b\u0085c.jpg")
    (baidu / "train.txt").write_text("input/a\u2028b\u0085c.jpg target/a.png\r\n", encoding="utf-8")
    [pair] = read_baidu(baidu / "train.txt", None, "")
    assert pair.name == "input/a\u2028b\u0085c.jpg"


def test_absolute_names_of_a_list_are_matched_by_their_ends(baidu: Path, caplog: pytest.LogCaptureFixture) -> None:
    (baidu / "train.txt").write_text("D:\\baidu\\input\\a.jpg D:\\baidu\\target\\a.png\n")
    [pair] = read_baidu(baidu / "train.txt", None, "")
    assert (pair.name, pair.mask_name) == ("input/a.jpg", "target/a.png")
    assert "2 absolute names that were found by their ends" in caplog.text


def test_everything_wrong_with_a_list_is_named_at_once(baidu: Path, tmp_path: Path) -> None:
    put(tmp_path, {"secret.jpg": encode_jpeg(picture(7))})
    (baidu / "input/link.jpg").symlink_to(tmp_path / "secret.jpg")
    long_name = "x" * 5000
    lines = [
        "input/gone.jpg target/a.png",
        "input/a.jpg target/gone.png",
        "../secret.jpg target/a.png",
        "/etc/passwd target/a.png",
        "input/link.jpg target/a.png",
        f"{long_name}.jpg target/a.png",
        "a b c",
    ]
    (baidu / "train.txt").write_text("\n".join(lines))
    message = refusal(read_baidu, annotations=baidu / "train.txt", images=None, category="")
    assert "1 images that aren't there (input/gone.jpg)" in message
    assert "1 masks that aren't there (target/gone.png)" in message
    assert "1 lines of more than two names (a b c)" in message
    assert "4 unusable names (" in message
    for part in ("'../secret.jpg'", "'/etc/passwd'", "found a link to", "expected a usable file name, found 'xxx"):
        assert part in message


@pytest.mark.parametrize(
    ("data", "message"), [(b"caf\xe9.jpg\n", "expected text in UTF-8"), (b"\n\n", "expected names, a line each,")]
)
def test_a_list_that_is_empty_or_no_utf8_is_one_clear_line(baidu: Path, data: bytes, message: str) -> None:
    put(baidu, {"train.txt": data})
    assert message in refusal(read_baidu, annotations=baidu / "train.txt", images=None, category="")


def test_a_list_that_is_missing_says_so(baidu: Path, tmp_path: Path) -> None:
    assert "found no file" in refusal(read_baidu, annotations=baidu / "no.txt", images=None, category="")
    assert "expected lists of names (*train*.txt" in refusal(
        read_baidu, annotations=baidu / "input", images=None, category=""
    )
    assert "found none; check --images" in refusal(read_baidu, annotations=baidu, images=tmp_path / "x", category="")


# Options


@pytest.mark.parametrize("name", ["aisegment", "baidu", "easyportrait", "eg1800", "paired"])
def test_a_category_is_refused_where_masks_have_no_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    given = ["--images", "x", "--masks", "y"] if name == "paired" else ["--annotations", "x"]
    with pytest.raises(SystemExit):
        import_format(ManifestStore(tmp_path), options_of("--format", name, "--category", "cat", *given))
    assert f"--category doesn't go with --format {name}" in capsys.readouterr().err


Read = Callable[..., list[TrustedPair]]


@pytest.mark.parametrize("read", [read_supervisely, read_easyportrait, read_aisegment])
def test_a_path_that_is_no_directory_and_no_zip_is_one_clear_line(tmp_path: Path, read: Read) -> None:
    put(tmp_path, {"x.tar": b"no zip"})
    for name in ("x.tar", "none"):
        assert "expected a directory or a zip at" in refusal(
            read, annotations=tmp_path / name, images=None, category="person"
        )
