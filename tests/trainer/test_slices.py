"""`trainer.evaluate --slices`: metrics of parts of the data, the worst first."""

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from portrait_datasets import import_portraits

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.metrics import MetricsAccumulator
from manifests.samples.attributes import write_attributes
from manifests.samples.slices import Slice
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA
from manifests.store.training_rows import AcceptedRow, accepted_rows
from trainer.evaluate import __main__ as evaluate
from trainer.evaluate.slice_tables import NONE_DIFFERS, slices_csv, slices_markdown, slices_text
from trainer.evaluate.slices import FEW, read_slices, slice_metrics

LEFT = np.array([[True, False], [True, False]])
ALL = np.ones((2, 2), bool)
LARGE = Slice("size", "large", np.array([0]))
SMALL = Slice("size", "small", np.array([1]))


def measured(*predicted: np.ndarray) -> MetricsAccumulator:
    """Figures of predictions whose truth is LEFT."""
    accumulator = MetricsAccumulator()
    for mask in predicted:
        accumulator.add(mask, LEFT)
    return accumulator


def test_the_worst_slice_comes_first():
    worst, best = slice_metrics([LARGE, SMALL], [measured(LEFT, ALL)])
    assert (worst.name, worst.measured[0].metrics.miou) == ("small", 0.25)  # person 2/4, background 0/2
    assert (best.name, best.measured[0].metrics.miou) == ("large", 1.0)
    assert worst.measured[0].metrics.person_iou_per_image == 0.5


def test_the_second_checkpoint_has_its_difference_to_the_first():
    worst, best = slice_metrics([LARGE, SMALL], [measured(LEFT, ALL), measured(LEFT, LEFT)])
    first, second = worst.measured
    assert (first.difference, first.difference_interval) == (None, None)
    assert (second.difference, second.difference_interval) == (0.75, (0.75, 0.75))
    assert best.measured[1].difference == 0.0


def test_equal_networks_differ_by_nothing_in_every_draw():
    part = Slice("size", "both", np.array([0, 1]))
    (entry,) = slice_metrics([part], [measured(LEFT, ALL), measured(LEFT, ALL)])
    low, high = entry.measured[0].intervals["miou"]
    assert low < high
    assert entry.measured[1].difference_interval == (0.0, 0.0)


@pytest.mark.parametrize("n", [FEW - 1, FEW])
def test_slices_of_fewer_than_30_images_are_marked(n: int):
    (entry,) = slice_metrics([Slice("size", "large", np.arange(n))], [measured(*[LEFT] * n)])
    assert entry.few == (n < 30)
    assert slices_text(["a"], [entry])[-1].endswith("few") == (n < 30)
    assert ("(few)" in slices_markdown([entry])) == (n < 30)


def test_two_checkpoints_stand_side_by_side_with_their_difference():
    lines = slices_text(["a", "b"], slice_metrics([SMALL], [measured(LEFT, ALL), measured(LEFT, LEFT)]))
    assert lines[0].splitlines()[1:] == ["1: a", "2: b"]
    assert lines[-1].split()[:3] == ["size:", "small", "1"]
    for number in ("0.2500 [0.2500, 0.2500]", "1.0000 [1.0000, 1.0000]", "+0.7500 [+0.7500, +0.7500]"):
        assert f"  {number}" in lines[-1]


def test_the_file_has_a_line_for_each_slice_and_checkpoint():
    text = slices_csv(["a", "b"], slice_metrics([LARGE, SMALL], [measured(LEFT, ALL), measured(LEFT, LEFT)]))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [(line["slice"], line["checkpoint"]) for line in lines] == [
        ("small", "a"), ("small", "b"), ("large", "a"), ("large", "b"),
    ]  # fmt: skip
    assert (lines[0]["by"], lines[0]["n"], lines[0]["few"], lines[0]["miou"]) == ("size", "1", "few", "0.250000")
    assert (lines[0]["miou_difference"], lines[1]["miou_difference_low"]) == ("", "0.750000")


def test_images_that_agree_in_everything_have_no_slices():
    assert slices_text(["a"], []) == [NONE_DIFFERS]
    assert slices_markdown([]).startswith("No slices")


def test_rows_are_sliced_by_source_face_light_and_attribute(tmp_path: Path, portraits: Path):
    manifest = _with_faces(import_portraits(tmp_path, portraits, 6), known=2)
    some = manifest.read(["sample_id"])["sample_id"].to_pylist()[:3]
    write_attributes(manifest.data_root, some, {"hair": ["curly", "bald", "curly"]})
    rows = accepted_rows(manifest, "all")
    slices = read_slices(manifest, rows, BlobStore(manifest.data_root))
    sizes = {(part.by, part.name): len(part.members) for part in slices}
    assert sizes["face height", "20 to 30 %"] == 2
    assert sizes["face height", "not known"] == 4
    assert sizes["source", "web"] == 1
    assert [sizes["attribute hair", name] for name in ("curly", "bald", "not known")] == [2, 1, 3]
    assert sum(n for (by, _), n in sizes.items() if by == "face brightness") == 2
    assert sum(n for (by, _), n in sizes.items() if by == "image brightness") == 4
    assert "origin" not in {by for by, _ in sizes}  # all are ground truth
    (web,) = next(part.members for part in slices if part.name == "web")
    assert rows[int(web)].source == "web"


def test_rows_of_another_manifest_are_refused(tmp_path: Path, portraits: Path):
    manifest = import_portraits(tmp_path, portraits, 2)
    with pytest.raises(UserError, match="pass the manifest that they come from"):
        read_slices(manifest, [AcceptedRow("a", "b", "c", "d")], BlobStore(manifest.data_root))


def test_evaluate_prints_and_writes_the_slices(tmp_path: Path, portraits: Path, capsys: pytest.CaptureFixture[str]):
    manifest = import_portraits(tmp_path, portraits, 12)
    output = tmp_path / "output"
    evaluate.main([
        *("--checkpoint", "starter", "--manifest", str(manifest.path), "--split", "all"),
        *("--slices", "--output", str(output), "--device", "cpu"),
    ])  # fmt: skip
    printed = capsys.readouterr().out
    assert "worst miou first" in printed
    lines = list(csv.DictReader(io.StringIO((output / "slices.csv").read_text())))
    mious = [float(line["miou"]) for line in lines]
    assert mious == sorted(mious)
    assert all(f"{line['by']}: {line['slice']}" in printed for line in lines)
    assert sum(int(line["n"]) for line in lines if line["by"] == "person share") == 12


def _with_faces(manifest: Manifest, *, known: int) -> Manifest:
    """A version whose first `known` rows have a face of a quarter of the image's height, the first another source."""
    rows = manifest.read().to_pylist()
    for row in rows[:known]:
        row |= {"face_x": 10.0, "face_y": 10.0, "face_w": 50.0, "face_h": row["height"] / 4}
    rows[0]["source"] = "web"
    store = ManifestStore(manifest.path.parent)
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return store.commit(
        table, parent=manifest.version, operation="relabel", parameters={}, data_root=manifest.data_root
    )
