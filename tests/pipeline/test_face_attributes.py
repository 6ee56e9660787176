"""`python -m pipeline.face_attributes`: faces, yaw and roll become slices."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from portrait_datasets import import_portraits

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.samples.attributes import read_attributes
from manifests.store.manifest import Manifest
from manifests.store.training_rows import accepted_rows
from pipeline.face_attributes import run
from pipeline.face_attributes.__main__ import main
from pipeline.face_attributes.attributes import NAMES, face_attributes
from pipeline.faces.face import MIN_FACE_PX, Face, Landmarks
from trainer.evaluate.slices import read_slices

STRAIGHT = Landmarks((10, 10), (30, 10), (20, 23), (12, 32), (28, 32))
SIDEWAYS = Landmarks((10, 10), (30, 10), (28, 23), (12, 32), (28, 32))
SMALL = Face(0, 0, MIN_FACE_PX, MIN_FACE_PX - 1, 0.99, STRAIGHT)


def face(landmarks: Landmarks | None) -> Face:
    return Face(5, 5, 30, 35, 0.99, landmarks)


@pytest.mark.parametrize(
    ("faces", "expected"),
    [
        ([], ("none", None, None)),
        ([SMALL], ("none", None, None)),
        ([face(None)], ("1", None, None)),
        ([face(STRAIGHT)], ("1", "under 15 degrees", "under 5 degrees")),
        ([face(SIDEWAYS), face(STRAIGHT), SMALL], ("2", "30 degrees and more", "under 5 degrees")),
        ([face(STRAIGHT)] * 5, ("3 and more", "under 15 degrees", "under 5 degrees")),
    ],
)
def test_steps_by_hand(faces: list[Face], expected: tuple[str | None, ...]) -> None:
    assert tuple(face_attributes(faces)[name] for name in NAMES) == expected


@pytest.fixture
def manifest(tmp_path: Path, portraits: Path) -> Manifest:
    return import_portraits(tmp_path, portraits, 6)


def test_the_attributes_are_slices_and_a_second_run_has_nothing_to_do(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--manifest", str(manifest.path)])
    first = capsys.readouterr().out.splitlines()
    assert first[-1] == str(manifest.data_root / "attributes/1.parquet")
    assert first[0] == "6 sample(s) searched, 0 had these attributes already, 0 unreadable"
    rows = accepted_rows(manifest, "all")
    by_name = {part.by for part in read_slices(manifest, rows, BlobStore(manifest.data_root))}
    assert any(line.startswith("face yaw: ") for line in first)
    ids = manifest.read(["sample_id"])["sample_id"]
    columns = {name: values.to_pylist() for name, values in read_attributes(manifest.data_root, ids).items()}
    assert tuple(columns) == NAMES
    assert {f"attribute {name}" for name, values in columns.items() if len(set(values)) > 1} <= by_name
    main(["--manifest", str(manifest.path)])
    assert capsys.readouterr().out.splitlines()[0] == (
        "0 sample(s) searched, 6 had these attributes already, 0 unreadable"
    )
    assert [path.name for path in (manifest.data_root / "attributes").iterdir()] == ["1.parquet"]
    main(["--manifest", str(manifest.path), "--again"])
    assert read_attributes(manifest.data_root, ids)["faces"].to_pylist() == columns["faces"]


def test_an_image_that_cannot_be_read_is_named_and_the_rest_goes_on(
    manifest: Manifest, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    bad, *_ = manifest.read(["sample_id", "image"]).to_pylist()
    (manifest.data_root / bad["image"]).unlink()
    main(["--manifest", str(manifest.path)])
    assert "5 sample(s) searched, 0 had these attributes already, 1 unreadable" in capsys.readouterr().out
    assert bad["sample_id"] in caplog.text
    for row in manifest.read(["image"]).to_pylist():
        (manifest.data_root / row["image"]).unlink(missing_ok=True)
    with pytest.raises(UserError, match="expected to read at least one of 6 images, found none"):
        main(["--manifest", str(manifest.path), "--again"])


def test_an_interruption_keeps_what_was_found(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = list[object]()

    class Interrupted:
        name = "interrupted"

        def detect(self, rgb: np.ndarray) -> list[Face]:
            searched.append(rgb)
            if len(searched) == 5:
                raise KeyboardInterrupt
            return []

    monkeypatch.setattr(run, "default_detector", Interrupted)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        main(["--manifest", str(manifest.path)])
    ids = manifest.read(["sample_id"])["sample_id"]
    assert read_attributes(manifest.data_root, ids)["faces"].to_pylist().count("none") == 4


def test_a_crowd_is_counted(astronaut: Image.Image) -> None:
    from pipeline.faces.mtcnn import default_detector

    pair = Image.new("RGB", (1024, 512))
    pair.paste(astronaut, (0, 0))
    pair.paste(astronaut, (512, 0))
    assert face_attributes(default_detector().detect(np.asarray(pair)))["faces"] == "2"
