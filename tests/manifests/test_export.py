"""`export`: each target's own layout and library, whole or not at all, and the same bytes for the same rows."""

import csv
import gc
import io
import json
import math
import signal
import subprocess
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_rows import HEIGHT, WIDTH, accepted, binary_mask, commit_rows, files
from imported_masks import masks_by_stem, take
from PIL import Image
from repository import ROOT
from skimage.draw import polygon2mask
from small_lineages import Lineage

from manifests.__main__ import parse as parse_arguments
from manifests.bench.rows import made_up_parts
from manifests.cli.arguments import run_command
from manifests.errors import UserError
from manifests.exports import EXPORTERS, KEEP_PROBABILITIES, export_version, rows
from manifests.exports.formats.yolo import label_lines
from manifests.exports.options import ExportOptions
from manifests.exports.rows import choose_rows
from manifests.files.blobs import sha256_hex
from manifests.imports.formats.yolo import read_yolo
from manifests.pixels.masks import decode_mask
from manifests.store.manifest import Manifest, ManifestStore


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return commit_rows(tmp_path_factory.mktemp("dataset"))


def target(directory: Path, name: str) -> Path:
    return directory / ("out.zip" if name == "cvat zip" else "out")


def run_export(manifest: Manifest, name: str, output: Path, **options: Any) -> None:
    export_version(manifest, name.removesuffix(" zip"), output, **options)


EVERY_TARGET = (*EXPORTERS, "cvat zip")


# All targets


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_rows_that_lie_in_a_temporary_file_give_the_same_bytes(
    manifest: Manifest, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_export(manifest, name, target(tmp_path / "whole", name))
    monkeypatch.setattr(rows, "PART_ROWS", 2)  # as few as a part has in memory
    run_export(manifest, name, target(tmp_path / "parts", name))
    assert files(target(tmp_path / "parts", name)) == files(target(tmp_path / "whole", name))


def test_rows_in_a_temporary_file_come_in_the_order_of_split_and_id(tmp_path: Path) -> None:
    table = pa.concat_tables(made_up_parts(500))
    manifest = ManifestStore(tmp_path).commit(table, parent=None, operation="x", parameters={}, data_root=tmp_path)
    expected = sorted(
        (row for row in table.to_pylist() if row["status"] == "accepted"), key=lambda row: row["sample_id"]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "PART_ROWS", 64)
        chosen = choose_rows(manifest)
    with chosen:
        for split in chosen.splits:
            ids = [row["sample_id"] for row in expected if row["split"] == split]
            assert [row["sample_id"] for row in chosen.rows(split)] == ids
            assert chosen.count(split) == len(ids) > 0
        assert chosen.total("votes_accept") == sum(row["votes_accept"] for row in expected)
    with pytest.raises(ValueError, match="closed file"):
        next(chosen.rows("train"))


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_the_same_rows_give_the_same_bytes(manifest: Manifest, tmp_path: Path, name: str) -> None:
    first, second = target(tmp_path / "a", name), target(tmp_path / "b", name)
    run_export(manifest, name, first)
    run_export(manifest, name, second)
    assert files(first) == files(second) != {}


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_jpeg_bytes_are_copied_and_only_accepted_rows_go_out(manifest: Manifest, tmp_path: Path, name: str) -> None:
    output = target(tmp_path, name)
    run_export(manifest, name, output)
    found = files(output)
    if output.suffix == ".zip":
        with zipfile.ZipFile(output) as archive:
            found = {entry: archive.read(entry) for entry in archive.namelist()}
    if name == "webdataset":
        found = {entry: data for path in output.glob("*.tar") for entry, data in members(path).items()}
    jpegs = sorted(sha256_hex(data) for entry, data in found.items() if entry.endswith(".jpg"))
    assert jpegs == sorted(row["image_sha256"] for row in accepted(manifest).values())


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_the_version_its_digest_and_every_licence_are_recorded(manifest: Manifest, tmp_path: Path, name: str) -> None:
    output = target(tmp_path, name)
    run_export(manifest, name, output)
    everything = b"".join(files(output).values())
    if name == "imagefolder":
        everything += json.dumps(
            pq.read_metadata(output / "train/metadata.parquet").metadata[b"maskfoundry"].decode()
        ).encode()
        everything += str(pq.read_table(output / "train/metadata.parquet").to_pylist()).encode()
    assert manifest.digest.encode() in everything
    assert b"CC BY 4.0" in everything
    assert b"Lovelace" in everything
    assert b"/home/somebody" not in everything


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_what_is_there_already_is_refused_and_stays(manifest: Manifest, tmp_path: Path, name: str) -> None:
    output = target(tmp_path, name)
    if output.suffix == ".zip":
        output.write_text("mine")
    else:
        output.mkdir()
        (output / "mine.txt").write_text("mine")
    before = files(tmp_path)
    with pytest.raises(UserError, match="choose another name"):
        run_export(manifest, name, output)
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_an_export_that_fails_leaves_nothing(tmp_path: Path, name: str) -> None:
    manifest = commit_rows(tmp_path / "set")
    last = manifest.read().sort_by("sample_id").filter(pa.compute.field("split") == "test").to_pylist()[0]
    (manifest.data_root / last["mask"]).write_bytes(b"altered")
    (tmp_path / "here").mkdir()
    with pytest.raises(UserError, match="restore the file"):
        run_export(manifest, name, target(tmp_path / "here", name))
    assert list((tmp_path / "here").iterdir()) == []


def test_an_empty_directory_is_filled(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export_version(manifest, "folders", tmp_path / "out")
    assert (tmp_path / "out/metadata.csv").is_file()


def test_a_link_or_a_file_in_the_way_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").write_text("mine")
    for name in ("link", "file"):
        with pytest.raises(UserError, match="found something else there"):
            export_version(manifest, "folders", tmp_path / name)


@pytest.mark.parametrize("name", EXPORTERS)
def test_probabilities_are_kept_or_refused(manifest: Manifest, tmp_path: Path, name: str) -> None:
    if name not in KEEP_PROBABILITIES:
        with pytest.raises(UserError, match="expected --soft with a format that keeps probabilities"):
            export_version(manifest, name, tmp_path / "out", options=ExportOptions(soft=True))
        return
    export_version(manifest, name, tmp_path / "out", options=ExportOptions(soft=True))
    found = [data for path in (tmp_path / "out").glob("*.tar") for data in members(path).values()]
    found += files(tmp_path / "out").values()
    assert {row["mask_sha256"] for row in accepted(manifest).values()} <= {sha256_hex(data) for data in found}


def test_split_and_status_choose_the_rows(manifest: Manifest, tmp_path: Path) -> None:
    for number, (split, status, count) in enumerate(
        [("all", "accepted", 5), ("train", "accepted", 3), ("train", "pending", 1), ("all", "all", 7)]
    ):
        output = tmp_path / str(number)
        export_version(manifest, "folders", output, split=split, status=status)  # type: ignore[arg-type]
        assert len(list((output / "images").iterdir())) == count
        assert json.loads((output / "manifest.json").read_text())["rows"] == count


def test_no_row_is_refused_and_says_what_there_is(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"status conflict and split all .* \(7 rows, 5 accepted, 1 pending"):
        export_version(manifest, "coco", tmp_path / "out", status="conflict")
    with pytest.raises(UserError, match=r"expected a format of folders, coco, .*, found 'tfrecord'"):
        export_version(manifest, "tfrecord", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_killed_export_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    manifest = commit_rows(tmp_path / "set")
    slow = (
        "import sys, time; from pathlib import Path; from manifests.exports import export_version, rows;"
        "from manifests.store.manifest import Manifest; read = rows.BlobStore.read\n"
        "def read_slowly(*given):\n    print('reading', flush=True); time.sleep(0.3); return read(*given)\n"
        "rows.BlobStore.read = read_slowly\n"
        "export_version(Manifest.open(sys.argv[1]), 'folders', Path(sys.argv[2]))"
    )
    output = tmp_path / "here/out"
    command = [sys.executable, "-c", slow, str(manifest.path), str(output)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert [path.name[:5] for path in output.parent.iterdir()] == [".tmp-"]


# Folders


def test_folders_have_masks_of_0_and_255_and_a_table(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "folders", tmp_path / "out")
    rows = accepted(manifest)
    for sample_id, row in rows.items():
        mask = np.asarray(Image.open(tmp_path / f"out/masks/{sample_id}.png"))
        assert np.array_equal(mask, binary_mask(manifest, row))
    with (tmp_path / "out/metadata.csv").open(encoding="utf-8", newline="") as file:
        table = {line["sample_id"]: line for line in csv.DictReader(file)}
    assert table.keys() == rows.keys()
    for sample_id, line in table.items():
        assert line["file_name"] == f"images/{sample_id}.jpg"
        assert line["license"] == (rows[sample_id]["license"] or "")
        assert line["attribution"] == (rows[sample_id]["attribution"] or "")


def test_web_addresses_stay_and_directories_of_this_machine_dont(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "folders", tmp_path / "out", split="train")
    with (tmp_path / "out/metadata.csv").open(encoding="utf-8", newline="") as file:
        uris = {line["source_uri"] for line in csv.DictReader(file)}
    assert uris == {"https://example.org/a.jpg", "b.jpg", "c.jpg"}


# COCO


def test_coco_has_one_annotation_an_image_with_its_box_and_area(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "coco", tmp_path / "out")
    train, val = (json.loads((tmp_path / f"out/annotations/instances_{s}.json").read_text()) for s in ("train", "val"))
    assert [len(train["images"]), len(val["images"])] == [3, 1]
    assert [image["id"] for content in (train, val) for image in content["images"]] == [1, 2, 3, 4]
    assert [content["info"]["rows"] for content in (train, val)] == [3, 1]
    assert train["categories"] == [{"id": 1, "name": "person", "supercategory": "person"}]
    names = {entry["id"]: entry["name"] for entry in train["licenses"]}
    assert sorted(names.values()) == ["CC BY 4.0", "CC0", "not stated"]
    rows = accepted(manifest)
    for image, annotation in zip(train["images"], train["annotations"], strict=True):
        row = rows[image["sample_id"]]
        mask = binary_mask(manifest, row)
        assert annotation["image_id"] == image["id"]
        assert annotation["area"] == np.count_nonzero(mask)
        assert names[image["license"]] == (row["license"] or "not stated")
        if annotation["area"]:
            x, y, w, h = annotation["bbox"]
            ys, xs = np.nonzero(mask)
            assert (x, y, x + w - 1, y + h - 1) == (xs.min(), ys.min(), xs.max(), ys.max())


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with NumPy 2
def test_pycocotools_reads_the_masks_bit_for_bit(manifest: Manifest, tmp_path: Path) -> None:
    pycocotools = pytest.importorskip("pycocotools.coco")
    export_version(manifest, "coco", tmp_path / "out")
    rows, seen = accepted(manifest), 0
    for path in (tmp_path / "out/annotations").iterdir():
        coco = pycocotools.COCO(str(path))
        for annotation in coco.loadAnns(coco.getAnnIds()):
            image = coco.loadImgs(annotation["image_id"])[0]
            mask = coco.annToMask(annotation) * np.uint8(255)
            assert np.array_equal(mask, binary_mask(manifest, rows[image["sample_id"]]))
            assert (tmp_path / "out/images" / image["file_name"]).is_file()
            seen += 1
    assert seen == len(rows)


# Imagefolder


def test_metadata_parquet_holds_names_licences_and_splits(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "imagefolder", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md", "SHA256SUMS", "croissant.json", "test", "train", "validation",
    ]  # fmt: skip
    rows = accepted(manifest)
    for folder, split in (("train", "train"), ("validation", "val"), ("test", "test")):
        table = pq.read_table(tmp_path / f"out/{folder}/metadata.parquet")
        assert json.loads(table.schema.metadata[b"maskfoundry"])["manifest_sha256"] == manifest.digest
        for line in table.to_pylist():
            row = rows.pop(line["sample_id"])
            assert (line["split"], row["split"]) == (split, split)
            assert (line["license"], line["attribution"]) == (row["license"], row["attribution"])
            assert (tmp_path / f"out/{folder}" / line["file_name"]).is_file()
            mask = np.asarray(Image.open(tmp_path / f"out/{folder}" / line["mask_file_name"]))
            assert np.array_equal(mask, binary_mask(manifest, row))
    assert rows == {}


def test_the_card_has_front_matter_and_names_sources_and_the_manifest(manifest: Manifest, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    export_version(manifest, "imagefolder", tmp_path / "out")
    _, front, body = (tmp_path / "out/README.md").read_text().split("---\n", 2)
    matter = yaml.safe_load(front)
    assert (matter["license"], matter["task_categories"]) == ("other", ["image-segmentation"])
    assert [entry["split"] for entry in matter["configs"][0]["data_files"]] == ["train", "validation", "test"]
    assert "| studio | CC BY 4.0 | 3 |" in body
    assert "| studio | not stated | 1 |" in body
    assert manifest.digest in body


def test_the_card_names_a_licence_that_all_rows_share(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "imagefolder", tmp_path / "out", split="val")
    assert 'license: "cc-by-4.0"\n' in (tmp_path / "out/README.md").read_text()


def test_datasets_loads_images_masks_and_metadata(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    export_version(manifest, "imagefolder", tmp_path / "out")
    for arguments in ({"path": "imagefolder", "data_dir": str(tmp_path / "out")}, {"path": str(tmp_path / "out")}):
        loaded = datasets.load_dataset(**arguments, cache_dir=str(tmp_path / "cache"))
        assert {split: len(rows) for split, rows in loaded.items()} == {"train": 3, "validation": 1, "test": 1}
        rows = accepted(manifest)
        for split in loaded.values():
            for line in split:
                row = rows.pop(line["sample_id"])
                assert line["image"].size == (WIDTH, HEIGHT)
                assert np.array_equal(np.asarray(line["mask"]), binary_mask(manifest, row))
                assert line["license"] == row["license"]
        assert rows == {}


# CVAT


def test_cvat_has_masks_in_the_colour_of_the_label_map(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "cvat", tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert "person:192,128,128::\n" in archive.read("labelmap.txt").decode()
        listed = [archive.read(f"ImageSets/Segmentation/{s}.txt").decode().split() for s in ("train", "val", "test")]
        rows = accepted(manifest)
        assert sorted(name for names in listed for name in names) == sorted(rows)
        for sample_id, row in rows.items():
            image = Image.open(io.BytesIO(archive.read(f"SegmentationClass/{sample_id}.png")))
            person = binary_mask(manifest, row) == 255
            assert np.array_equal(np.asarray(image), person)  # index 1
            assert np.array_equal((np.asarray(image.convert("RGB")) == (192, 128, 128)).all(axis=2), person)


# WebDataset


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def test_shards_hold_n_samples_each_with_its_three_files_together(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "webdataset", tmp_path / "out", options=ExportOptions(shard_size=2))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "manifest.json", "test-000000.tar", "train-000000.tar", "train-000001.tar", "val-000000.tar",
    ]  # fmt: skip
    first, second = (members(tmp_path / f"out/train-00000{n}.tar") for n in (0, 1))
    assert (len(first), len(second)) == (6, 3)
    ids = [name.partition(".")[0] for name in first | second]
    assert ids == sorted(ids)
    rows = accepted(manifest)
    for name, data in (first | second).items():
        sample_id, _, kind = name.partition(".")
        if kind == "json":
            content = json.loads(data)
            assert (content["license"], content["manifest_sha256"]) == (
                rows[sample_id]["license"] or "",
                manifest.digest,
            )
        elif kind == "mask.png":
            assert np.array_equal(decode_mask(data), binary_mask(manifest, rows[sample_id]))


def test_webdataset_reads_the_shards(manifest: Manifest, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    export_version(manifest, "webdataset", tmp_path / "out", options=ExportOptions(shard_size=2))
    shards = sorted(str(path) for path in (tmp_path / "out").glob("*.tar"))
    rows = accepted(manifest)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library leaves its tars to the garbage collector
        samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"))
        gc.collect()
    for sample in samples:
        row = rows.pop(sample["__key__"])
        assert sample["jpg"].shape == (HEIGHT, WIDTH, 3)
        assert np.array_equal(sample["mask.png"][..., 0], binary_mask(manifest, row))
        assert sample["json"]["attribution"] == (row["attribution"] or "")
    assert rows == {}


def test_datasets_loads_shards_whose_first_samples_lack_what_later_ones_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    dataset = commit_rows(tmp_path / "dataset")
    first = sorted(accepted(dataset))[0]

    def scored(table: pa.Table, _version: int) -> pa.Table:
        rows = table.to_pylist()
        for row in rows:
            row["license"], row["doubt"] = (None, None) if row["sample_id"] == first else ("CC0", 0.25)
        return pa.Table.from_pylist(rows, schema=table.schema)

    store = ManifestStore(dataset.path.parent)
    manifest = store.update(scored, operation="relabel", parameters={}, data_root=dataset.data_root)
    export_version(manifest, "webdataset", tmp_path / "out")
    shards = {"train": sorted(map(str, (tmp_path / "out").glob("*.tar")))}
    loaded = datasets.load_dataset("webdataset", data_files=shards, cache_dir=str(tmp_path / "cache"))["train"]
    found = {line["json"]["sample_id"]: line["json"] for line in loaded}
    assert found.keys() == accepted(manifest).keys()
    for sample_id, content in found.items():
        if sample_id == first:
            assert content["license"] == ""
            assert math.isnan(content["doubt"])
        else:
            assert (content["license"], content["doubt"]) == ("CC0", 0.25)


# YOLO, MMSegmentation, the person's value


def shapes() -> dict[str, np.ndarray]:
    """Masks that polygons find hard, bool (H, W)."""
    ring, pieces, corner, thin = (np.zeros((64, 48), bool) for _ in range(4))
    ring[5:60, 4:44] = True
    ring[20:30, 10:20] = ring[35:50, 25:40] = ring[22:24, 12:14] = False
    ring[24:26, 14:16] = True  # an island in a hole
    pieces[0:20, 0:20] = pieces[40:64, 30:48] = True
    corner[10:20, 10:20] = corner[20:30, 20:30] = True  # touch at a corner
    thin[5, 3:40] = thin[5:60, 20] = True
    random = np.random.default_rng(0).random((64, 48)) < 0.6
    return {
        "ring": ring,
        "pieces": pieces,
        "corner": corner,
        "thin": thin,
        "noise": random,
        "all": np.ones((64, 48), bool),
    }


@pytest.mark.parametrize("name", shapes())
def test_a_masks_outlines_draw_the_mask_again(name: str) -> None:
    person = shapes()[name]
    height, width = person.shape
    drawn = np.zeros_like(person)
    for line in label_lines(person).splitlines():
        number, *shares = map(float, line.split())
        assert number == 0
        points = (np.array(shares).reshape(-1, 2) * (width, height))[:, ::-1]
        drawn |= polygon2mask((height, width), points - 0.5)
    assert np.array_equal(drawn, person)


def test_yolo_is_read_back_with_its_masks(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "yolo", tmp_path / "out")
    assert "names:\n  0: person\n" in (tmp_path / "out/data.yaml").read_text()
    back = take(tmp_path / "back", read_yolo(tmp_path / "out", None, "person"))
    stored, rows = masks_by_stem(back.manifest), accepted(manifest)
    for sample_id, row in rows.items():
        expected = binary_mask(manifest, row)
        assert np.array_equal(stored.pop(sample_id), expected) if expected.any() else sample_id not in stored
    assert stored == {}


def test_an_image_without_a_person_has_an_empty_file() -> None:
    assert label_lines(np.zeros((4, 4), bool)) == ""


def test_mmsegmentation_has_masks_of_0_and_1(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "mmsegmentation", tmp_path / "out")
    for sample_id, row in accepted(manifest).items():
        mask = np.asarray(Image.open(tmp_path / f"out/ann_dir/{row['split']}/{sample_id}.png"))
        assert np.array_equal(mask, binary_mask(manifest, row) // 255)
        assert (tmp_path / f"out/img_dir/{row['split']}/{sample_id}.jpg").is_file()


def test_the_persons_value_is_1_on_demand(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "folders", tmp_path / "out", options=ExportOptions(person_value=1))
    for sample_id, row in accepted(manifest).items():
        mask = np.asarray(Image.open(tmp_path / f"out/masks/{sample_id}.png"))
        assert np.array_equal(mask, binary_mask(manifest, row) // 255)
    for name, options in (
        ("coco", ExportOptions(person_value=1)),
        ("folders", ExportOptions(soft=True, person_value=1)),
    ):
        with pytest.raises(UserError, match="expected --person-value with a format of binary masks"):
            export_version(manifest, name, tmp_path / "other", options=options)


# Authors


def test_the_authors_loader_finds_what_its_lists_name(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "authors", tmp_path / "out")
    with (tmp_path / "out/Portrait/metadata.csv").open(encoding="utf-8", newline="") as file:
        sample_of = {int(line["number"]): line["sample_id"] for line in csv.DictReader(file)}
    rows, seen = accepted(manifest), []
    for split in ("train", "val", "test"):
        for line in (tmp_path / f"out/Portrait/{split}.txt").read_text().splitlines():
            number = int(line)  # as in their loadData.py, with the names it builds
            image = tmp_path / f"out/Portrait/images_data_crop/{str(number).zfill(5)}.jpg"
            mask = np.asarray(Image.open(tmp_path / f"out/Portrait/GT_png/{str(number).zfill(5)}_mask.png"))
            row = rows[sample_of[number]]
            assert row["split"] == split
            assert sha256_hex(image.read_bytes()) == row["image_sha256"]
            assert np.array_equal(mask > 200, binary_mask(manifest, row) == 255)
            seen.append(number)
    assert seen == [1, 2, 3, 4, 5]


def test_the_authors_loader_finds_both_lists_even_where_a_split_is_empty(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "authors", tmp_path / "out", split="val")
    assert [(tmp_path / f"out/Portrait/{s}.txt").read_text() for s in ("train", "val")] == ["", "1\n"]


# The command


@pytest.mark.parametrize("given", [[], ["1"], ["v1"], ["PATH"]])
def test_the_last_line_is_the_path_of_what_was_made(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    version = [str(manifest.path) if word == "PATH" else word for word in given]
    where = ["--manifests", str(manifest.path.parent)]
    options = parse_arguments(["export", "coco", str(tmp_path / "out"), *version, *where, "--split", "train"])
    options.run(options)
    assert capsys.readouterr().out.splitlines() == [
        "coco: 3 samples of v1 (3 train)",
        str(tmp_path / "out"),
    ]


def test_a_version_that_isnt_there_is_one_clear_line(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--manifests", str(manifest.path.parent)]
    for version, message in (("v9", "holds v1"), ("x", "expected a version such as 3, v3 or a path, found 'x'")):
        options = parse_arguments(["export", "coco", str(tmp_path / "out"), version, *where])
        with pytest.raises(SystemExit) as caught:
            run_command(lambda _, options=options: options.run(options))  # type: ignore[misc]
        assert caught.value.code == 1
        assert message in capsys.readouterr().err


def test_an_unknown_format_is_a_wrong_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_arguments(["export", "tfrecord", "out"])
    assert caught.value.code == 2
    assert "folders" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../../../owned", "/tmp/owned", "x" * 32, "A" * 32, ""])
def test_a_sample_id_that_is_a_path_is_refused(tmp_path: Path, name: str) -> None:
    lineage = Lineage(tmp_path / "theirs")
    lineage.generate(0, 1)
    path = lineage.store.path(1)
    metadata, table = pq.read_schema(path).metadata, pq.read_table(path)
    place = table.schema.get_field_index("sample_id")
    ids = pa.array([name, table["sample_id"][1].as_py()])
    table = table.set_column(place, table.schema.field(place), ids).replace_schema_metadata(metadata)
    path.unlink()
    pq.write_table(table, path)
    output = tmp_path / "deep" / "out"
    with pytest.raises(UserError, match=r"expected 32 hex digits as each sample_id in .*, found another"):
        export_version(lineage.store.open(), "folders", output, status="all")
    assert not list(tmp_path.rglob("owned*"))
