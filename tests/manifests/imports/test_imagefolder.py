"""imagefolder: its digests and Croissant description hold for mlcroissant, and anybody's is read back or refused."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from export_rows import HEIGHT, WIDTH, accepted, asymmetric, binary_mask, commit_rows, files, picture
from imported_masks import refusal, take

from manifests.exports import export_version
from manifests.exports.options import ExportOptions
from manifests.imports.formats.imagefolder import read_imagefolder
from manifests.imports.ground_truth import TrustedPair
from manifests.pixels.images import encode_jpeg
from manifests.pixels.masks import encode_mask
from manifests.store.manifest import Manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return commit_rows(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="module")
def exported(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("imagefolder") / "out"
    export_version(manifest, "imagefolder", output)
    return output


# The digests and the description


def test_the_checksums_are_those_of_every_file_but_the_description(exported: Path) -> None:
    lines = (exported / "SHA256SUMS").read_text().splitlines()
    found = {name: hashlib.sha256(data).hexdigest() for name, data in files(exported).items()}
    description = json.loads((exported / "croissant.json").read_text())
    own = {entry["name"]: entry["sha256"] for entry in description["distribution"] if "sha256" in entry}
    assert own["SHA256SUMS"] == found.pop("SHA256SUMS")
    del found["croissant.json"]
    assert {name: digest for digest, name in (line.split("  ") for line in lines)} == found
    assert own["README.md"] == found["README.md"]


@pytest.fixture(scope="module")
def mlcroissant() -> ModuleType:
    return pytest.importorskip("mlcroissant")


@pytest.mark.filterwarnings("ignore")  # its own: deprecations of what it stands on
def test_mlcroissant_finds_nothing_wrong_with_the_description(
    mlcroissant: ModuleType, exported: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = mlcroissant.Dataset(jsonld=str(exported / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert (issues.errors, issues.warnings, caplog.messages) == (set(), set(), [])
    assert dataset.metadata.ctx.is_v1_1()
    assert dataset.metadata.license == ["CC BY 4.0", "CC0"]
    assert dataset.metadata.data_annotation_protocol == [
        "1 mask: repaired by a reviewer",
        "4 masks: ground truth of larger images, cropped around the face",
        "Reviewers look at each mask over its image; 0 accepts and 0 rejects stand.",
    ]


@pytest.mark.filterwarnings("ignore")  # its own: deprecations of what it stands on
def test_mlcroissant_loads_rows_images_and_masks(mlcroissant: ModuleType, manifest: Manifest, exported: Path) -> None:
    dataset = mlcroissant.Dataset(jsonld=str(exported / "croissant.json"))
    rows = accepted(manifest)
    portraits = {record["portraits/sample_id"].decode(): record for record in dataset.records("portraits")}
    assert portraits.keys() == rows.keys()
    for sample_id, record in portraits.items():
        license_ = record["portraits/license"]
        assert (license_ and license_.decode()) == rows[sample_id]["license"]
        assert record["portraits/width"] == WIDTH
    images = {record["images/sample_id"].decode(): record["images/image"] for record in dataset.records("images")}
    assert {sample_id: image.size for sample_id, image in images.items()} == dict.fromkeys(rows, (WIDTH, HEIGHT))
    masks = {record["masks/sample_id"].decode(): record["masks/mask"] for record in dataset.records("masks")}
    assert masks.keys() == rows.keys()
    for sample_id, mask in masks.items():
        assert np.array_equal(np.asarray(mask)[..., 0], binary_mask(manifest, rows[sample_id]))


def test_the_description_says_what_masks_hold_and_who_proposed_them(manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "imagefolder", tmp_path / "out", options=ExportOptions(soft=True))
    description = json.loads((tmp_path / "out/croissant.json").read_text())
    assert description["description"].endswith("a PNG of its size: 0..255 = person probability.")
    assert manifest.digest in description["citeAs"]
    assert "rai:machineAnnotationTools" not in description


# The import


class Folder:
    """An imagefolder with two rows; changed by each test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows: list[dict[str, Any]] = [self.row(f"p{seed}") | {"license": "CC0"} for seed in range(2)]
        for seed in range(2):
            self.put(f"train/images/p{seed}.jpg", encode_jpeg(picture(seed)))
            self.put(f"train/masks/p{seed}.png", encode_mask(asymmetric(seed)))

    def row(self, stem: str) -> dict[str, Any]:
        return {"file_name": f"images/{stem}.jpg", "mask_file_name": f"masks/{stem}.png"}

    def put(self, name: str, data: bytes) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(data)

    def table(self) -> pa.Table:
        return pa.Table.from_pylist(self.rows)

    def parquet(self) -> bytes:
        buffer = io.BytesIO()
        pq.write_table(self.table(), buffer)
        return buffer.getvalue()

    def csv(self) -> bytes:
        buffer = io.BytesIO()
        pa.csv.write_csv(self.table(), buffer)
        return buffer.getvalue()

    def jsonl(self) -> bytes:
        return "\n".join(map(json.dumps, self.rows)).encode()

    def read(self, name: str = "metadata.parquet") -> list[TrustedPair]:
        self.put(f"train/{name}", getattr(self, name.rpartition(".")[2])())
        return read_imagefolder(self.root, None, "person")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "folder")


@pytest.mark.parametrize("name", ["metadata.parquet", "metadata.csv", "metadata.jsonl"])
def test_each_kind_of_metadata_is_read(folder: Folder, tmp_path: Path, name: str) -> None:
    first, second = folder.read(name)
    assert np.array_equal(first.read_mask(), asymmetric(0))
    assert np.array_equal(second.read_mask(), asymmetric(1))
    assert (first.name, first.license, first.attribution) == ("train/images/p0.jpg", "CC0", None)
    assert take(tmp_path, [first, second]).rows_added == 2


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\x1e"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_separators_within_a_value_of_jsonl_are_characters(folder: Folder, separator: str, end: str) -> None:
    folder.rows[0]["attribution"] = f"Ada{separator}Lovelace"
    lines = [json.dumps(row, ensure_ascii=separator == "\x1e") for row in folder.rows]
    folder.put("train/metadata.jsonl", (end.join(lines) + end).encode())
    first, _ = read_imagefolder(folder.root, None, "person")
    assert first.attribution == f"Ada{separator}Lovelace"


def test_the_same_name_in_two_splits_is_two_images(folder: Folder) -> None:
    folder.read()
    for path in list((folder.root / "train").rglob("*.*")):
        folder.put(f"test/{path.relative_to(folder.root / 'train')}", path.read_bytes())
    names = [pair.name for pair in read_imagefolder(folder.root, None, "person")]
    assert names == ["test/images/p0.jpg", "test/images/p1.jpg", "train/images/p0.jpg", "train/images/p1.jpg"]


def test_all_that_is_wrong_is_named_at_once(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(encode_jpeg(picture(5)))
    (folder.root / "train/images/p1.jpg").unlink()
    (folder.root / "train/images/p1.jpg").symlink_to(tmp_path / "secret.jpg")
    folder.rows += [folder.row("p0"), folder.row("gone"), folder.row("../../../secret"), folder.row("x" * 5000)]
    folder.rows += [folder.row("p0") | {"mask_file_name": None}, folder.row("p0") | {"mask_file_name": "p9.png"}]
    message = refusal(folder.read)
    assert "1 images listed twice (train/images/p0.jpg)" in message
    assert "doesn't hold (images/gone.jpg)" in message
    assert f"masks that {folder.root / 'train'} doesn't hold (masks/gone.png, p9.png)" in message
    assert "found 'images/../../../secret.jpg'" in message
    assert "found a link to" in message
    assert "expected a usable file name" in message
    assert "1 rows without an image or a mask (train: 'images/p0.jpg', None)" in message


def test_metadata_that_is_a_link_out_of_the_folder_is_refused(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "metadata.parquet").write_bytes(folder.parquet())
    (folder.root / "train/metadata.parquet").symlink_to(tmp_path / "metadata.parquet")
    assert "found a link to" in refusal(read_imagefolder, folder.root, None, "person")


def test_a_damaged_picture_is_skipped_by_name(folder: Folder, tmp_path: Path) -> None:
    folder.put("train/masks/p0.png", encode_mask(asymmetric())[:60])
    done = take(tmp_path, folder.read())
    assert done.rows_added == 1
    assert done.skipped[0].startswith("train/images/p0.jpg: expected a readable mask")


def test_masks_of_another_size_are_refused_before_anything_is_written(folder: Folder, tmp_path: Path) -> None:
    folder.put("train/masks/p0.png", encode_mask(np.zeros((WIDTH, HEIGHT), np.uint8)))
    assert "train/masks/p0.png of 64x48 for an image of 48x64" in refusal(take, tmp_path, folder.read())
    assert not (tmp_path / "data").exists()


def cut_parquet(folder: Folder) -> tuple[str, bytes]:
    return "metadata.parquet", folder.parquet()[:-20]


def no_mask_column(folder: Folder) -> tuple[str, bytes]:
    return "metadata.csv", b"file_name\nimages/p0.jpg\n"


def latin_csv(folder: Folder) -> tuple[str, bytes]:
    return "metadata.csv", "file_name,mask_file_name\ncafé.jpg,café.png\n".encode("latin-1")


def open_quote(folder: Folder) -> tuple[str, bytes]:
    return "metadata.csv", b'file_name,mask_file_name\n"images/p0.jpg,masks/p0.png\n'


def no_objects(folder: Folder) -> tuple[str, bytes]:
    return "metadata.jsonl", b'["a"]\n'


def broken_json(folder: Folder) -> tuple[str, bytes]:
    return "metadata.jsonl", b'{"file_name": \n'


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_parquet, "to be whole and in UTF-8"),
        (no_mask_column, "found no mask_file_name"),
        (latin_csv, "to be whole and in UTF-8"),
        (open_quote, "to be whole and in UTF-8"),
        (no_objects, "expected an object a line"),
        (broken_json, "to be whole and in UTF-8"),
    ],
)
def test_metadata_that_is_damaged_is_one_clear_line(
    folder: Folder, damage: Callable[[Folder], tuple[str, bytes]], message: str
) -> None:
    name, data = damage(folder)
    folder.put(f"train/{name}", data)
    assert message in refusal(read_imagefolder, folder.root, None, "person")


def test_a_folder_without_metadata_or_rows_is_one_clear_line(folder: Folder, tmp_path: Path) -> None:
    assert "expected metadata.parquet, metadata.csv, metadata.jsonl somewhere in" in refusal(
        read_imagefolder, folder.root, None, "person"
    )
    folder.put("train/metadata.csv", b"file_name,mask_file_name\n")
    assert "expected rows in train/metadata.csv" in refusal(read_imagefolder, folder.root, None, "person")
    assert "found none; check the path" in refusal(read_imagefolder, tmp_path / "gone", None, "person")
    assert "expected no --images with an imagefolder" in refusal(read_imagefolder, folder.root, tmp_path, "person")
