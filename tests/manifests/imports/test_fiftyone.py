"""FiftyOne: a dataset that FiftyOne itself loads, and its own exports read back or refused.

FiftyOne wants a MongoDB and is no dependency: the tests that need it run where it is installed and
FIFTYONE_DATABASE_URI names a server. tests/manifests/test_oracles.py compares masks without a database.
"""

import base64
import io
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from export_rows import HEIGHT, WIDTH, accepted, asymmetric, binary_mask, commit_rows, picture
from imported_masks import assert_same_masks, left_out, refusal, take, trusted

from manifests.exports import export_version
from manifests.imports.formats.fiftyone import read_fiftyone
from manifests.imports.ground_truth import LeftOut, TrustedPair
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import encode_jpeg
from manifests.pixels.masks import encode_mask
from manifests.store.manifest import Manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return commit_rows(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="module")
def fiftyone() -> ModuleType:
    if "FIFTYONE_DATABASE_URI" not in os.environ:
        pytest.skip("needs FiftyOne and a MongoDB for it, named by FIFTYONE_DATABASE_URI")
    return pytest.importorskip("fiftyone")


# With FiftyOne itself


@pytest.mark.filterwarnings("ignore")  # its own: deprecations of what it stands on
def test_fiftyone_loads_masks_tags_and_every_column(fiftyone: ModuleType, manifest: Manifest, tmp_path: Path) -> None:
    export_version(manifest, "fiftyone", tmp_path / "out")
    dataset = fiftyone.Dataset.from_dir(dataset_dir=str(tmp_path / "out"), dataset_type=fiftyone.types.FiftyOneDataset)
    rows = accepted(manifest)
    assert dataset.count_sample_tags() == {"train": 3, "val": 1, "test": 1}
    assert dataset.mask_targets["ground_truth"] == {255: "person"}
    assert dataset.info["manifest_sha256"] == manifest.digest
    for sample in dataset:
        row = rows.pop(sample["sample_id"])
        assert np.array_equal(sample.ground_truth.get_mask(), binary_mask(manifest, row))
        assert Path(sample.filepath).is_file()
        for name in ("license", "attribution", "confidence", "votes_accept", "group_id"):
            assert sample[name] == row[name]
    assert rows == {}
    dataset.delete()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("in_the_database", [False, True])
def test_what_fiftyone_exports_again_comes_back_bit_for_bit(
    fiftyone: ModuleType, manifest: Manifest, tmp_path: Path, in_the_database: bool
) -> None:
    export_version(manifest, "fiftyone", tmp_path / "out")
    kind = fiftyone.types.FiftyOneDataset
    dataset = fiftyone.Dataset.from_dir(dataset_dir=str(tmp_path / "out"), dataset_type=kind)
    if in_the_database:
        for sample in dataset:
            sample.ground_truth = fiftyone.Segmentation(mask=sample.ground_truth.get_mask())
            sample.save()
    dataset.export(export_dir=str(tmp_path / "again"), dataset_type=kind)
    dataset.delete()
    back = take(tmp_path, read_fiftyone(tmp_path / "again", None, "person")).manifest
    assert_same_masks(back, manifest, binary_mask)
    assert {row["license"] for row in back.read().to_pylist()} == {"CC BY 4.0", "CC0", None}


# Without it


class Dataset:
    """A dataset with two samples; changed by each test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.metadata: Any = {"default_mask_targets": {"0": "background", "7": "Person", "9": "dog"}}
        self.samples: Any = [self.sample(f"data/p{seed}.jpg") for seed in range(2)]
        for seed in range(2):
            self.put(f"data/p{seed}.jpg", encode_jpeg(picture(seed)))
            self.put(f"masks/p{seed}.png", encode_mask(self.labels(seed)))

    def labels(self, seed: int) -> Pixels:
        labels = (asymmetric(seed) // 255 * 7).astype(np.uint8)
        labels[0, 0] = 9
        return labels

    def sample(self, name: str) -> dict[str, Any]:
        stem = Path(name).stem
        return {"filepath": name, "license": "CC0", "tags": [], "labels": self.segmentation(f"masks/{stem}.png")}

    def segmentation(self, mask_path: str) -> dict[str, Any]:
        return {"_cls": "Segmentation", "mask_path": mask_path}

    def array(self, values: Pixels) -> dict[str, Any]:
        buffer = io.BytesIO()
        np.save(buffer, values)
        encoded = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
        return {"_cls": "Segmentation", "mask": {"$binary": {"base64": encoded, "subType": "00"}}}

    def put(self, name: str, data: bytes) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(data)

    def read(self, category: str = "person") -> list[TrustedPair]:
        return trusted(self.read_all(category))

    def read_all(self, category: str = "person") -> list[TrustedPair | LeftOut]:
        self.put("metadata.json", json.dumps(self.metadata).encode())
        self.put("samples.json", json.dumps({"samples": self.samples}).encode())
        return read_fiftyone(self.root, None, category)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "dataset")


def test_the_mask_targets_say_which_value_is_person(dataset: Dataset) -> None:
    first, second = dataset.read()
    assert np.array_equal(first.read_mask(), asymmetric(0))
    assert np.array_equal(second.read_mask(), asymmetric(1))
    assert (first.name, first.license, first.uri) == ("data/p0.jpg", "CC0", str(dataset.root / "data/p0.jpg"))
    dataset.metadata["mask_targets"] = {"labels": {"9": "person"}}
    assert np.count_nonzero(dataset.read()[0].read_mask()) == 1
    assert "found person; pass --category NAME" in refusal(dataset.read, "cat")


def test_without_mask_targets_the_values_are_as_they_are(dataset: Dataset, tmp_path: Path) -> None:
    dataset.metadata = {}
    for seed in range(2):
        dataset.put(f"masks/p{seed}.png", encode_mask(asymmetric(seed)))
    assert str(take(tmp_path, dataset.read()).encoding) == "0/255"


def test_arrays_within_the_samples_are_read(dataset: Dataset) -> None:
    dataset.samples[0]["labels"] = dataset.array(dataset.labels(0))
    dataset.samples[1]["labels"] = dataset.array(dataset.labels(1).astype(np.int64))
    assert [np.array_equal(pair.read_mask(), asymmetric(n)) for n, pair in enumerate(dataset.read())] == [True, True]


def test_samples_without_the_field_are_left_out(dataset: Dataset) -> None:
    dataset.samples[0]["labels"] = None
    assert [pair.name for pair in dataset.read()] == ["data/p1.jpg"]
    assert left_out(dataset.read_all()) == ["1 samples without labels (data/p0.jpg)"]


def test_the_field_of_several_is_ground_truth_or_refused_by_name(dataset: Dataset) -> None:
    dataset.samples[0]["predictions"] = dataset.segmentation("masks/p0.png")
    assert "found labels, predictions; export only that field" in refusal(dataset.read)
    dataset.samples[0]["ground_truth"] = dataset.segmentation("masks/p0.png")
    assert [pair.name for pair in dataset.read()] == ["data/p0.jpg"]
    dataset.samples = [{"filepath": "data/p0.jpg"}]
    assert "found no field of the type Segmentation" in refusal(dataset.read)


def test_all_that_is_wrong_is_named_at_once(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(encode_mask(asymmetric()))
    (dataset.root / "masks/p1.png").unlink()
    (dataset.root / "masks/p1.png").symlink_to(tmp_path / "secret.png")
    names = ("data/p0.jpg", "gone.jpg", "../secret.jpg", "/etc/passwd", f"{'x' * 5000}.jpg")
    dataset.samples += [dataset.sample(name) | {"labels": dataset.segmentation("masks/p0.png")} for name in names]
    dataset.samples += [dataset.sample("data/p0.jpg") | {"labels": {"_cls": "Segmentation"}}, {"labels": {}}]
    message = refusal(dataset.read)
    assert "1 images listed twice (data/p0.jpg)" in message
    assert "doesn't hold (gone.jpg)" in message
    assert "found '../secret.jpg'" in message
    assert "found '/etc/passwd'" in message
    assert "expected a usable file name" in message
    assert "found a link to" in message
    assert "1 samples whose labels has no mask (data/p0.jpg)" in message
    assert "1 samples without a filepath" in message


def not_base64(dataset: Dataset) -> None:
    dataset.samples[0]["labels"]["mask"]["$binary"]["base64"] = "@@@"


def cut_off(dataset: Dataset) -> None:
    binary = dataset.samples[0]["labels"]["mask"]["$binary"]
    binary["base64"] = binary["base64"][:40]


def three_dimensions(dataset: Dataset) -> None:
    dataset.samples[0]["labels"] = dataset.array(np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def no_picture(dataset: Dataset) -> None:
    dataset.samples[0]["labels"] = dataset.segmentation("masks/p0.png")
    dataset.put("masks/p0.png", b"no picture")


@pytest.mark.parametrize("damage", [not_base64, cut_off, three_dimensions, no_picture])
def test_a_damaged_mask_is_skipped_by_name(dataset: Dataset, tmp_path: Path, damage: Callable[[Dataset], None]) -> None:
    dataset.samples[0]["labels"] = dataset.array(dataset.labels(0))
    damage(dataset)
    done = take(tmp_path, dataset.read())
    assert done.rows_added == 1
    assert done.skipped[0].startswith("data/p0.jpg: expected a ")


def test_masks_of_another_size_are_refused_before_anything_is_written(dataset: Dataset, tmp_path: Path) -> None:
    dataset.put("masks/p0.png", encode_mask(np.zeros((WIDTH, HEIGHT), np.uint8)))
    assert "masks/p0.png of 64x48 for an image of 48x64" in refusal(take, tmp_path, dataset.read())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("samples.json", b'{"samples": "caf\xe9"}', "JSON in UTF-8"),
        ("samples.json", b'{"samples": [', "JSON in UTF-8"),
        ("samples.json", b"[]", "expected a list of samples"),
        ("samples.json", b'{"samples": []}', "expected a list of samples"),
        ("metadata.json", b"[]", "expected an object in"),
        ("metadata.json", b'{"default_mask_targets": {"#ff0000": "person"}}', "found '#ff0000'"),
        ("metadata.json", b"\xff", "JSON in UTF-8"),
    ],
)
def test_files_that_are_no_dataset_are_one_clear_line(dataset: Dataset, name: str, data: bytes, message: str) -> None:
    dataset.read()
    dataset.put(name, data)
    assert message in refusal(read_fiftyone, dataset.root, None, "person")
    (dataset.root / name).unlink()
    assert "found no file; check the path" in refusal(read_fiftyone, dataset.root, None, "person")
