"""FiftyOne and Datumaro, which CVAT reads with, find the same masks in our exports, and we in what they write.

No database: of FiftyOne these are the label classes that read and write a mask.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from export_rows import accepted, binary_mask, commit_rows
from imported_masks import assert_same_masks, take
from oracles import load_masks, run_oracle

from manifests.exports import export_version
from manifests.imports.formats.cvat import read_cvat
from manifests.imports.formats.fiftyone import read_fiftyone
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


def assert_are_ours(masks: dict[str, Pixels], manifest: Manifest) -> None:
    rows = accepted(manifest)
    assert masks.keys() == rows.keys()
    for sample_id, row in rows.items():
        assert np.array_equal(masks[sample_id], binary_mask(manifest, row))
