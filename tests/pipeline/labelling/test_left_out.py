"""What a run leaves out is counted: faces that are too small, and samples that look like others in two splits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.store.manifest import ManifestStore
from pipeline.faces.face import MIN_FACE_PX, Face
from pipeline.labelling.commit import Generated, commit_shards
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.shards import ShardResult, process_shard
from pipeline.quarantine import Unusable
from pipeline.sources import Origins, Picture
from pipeline.teachers import load_teacher

LARGE, SMALL, TINY = (
    Face(200, 100, 60, 60, 1.0),
    Face(20, 20, 23.9, 40, 0.99),
    Face(400, 20, MIN_FACE_PX - 4, MIN_FACE_PX - 4, 0.97),
)


class Seen:
    """A detector that sees the same faces in every image."""

    name = "seen"

    def __init__(self, *faces: Face) -> None:
        self._faces = list(faces)

    def detect(self, rgb: Pixels) -> list[Face]:
        return self._faces


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(2):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize((800, 600)).save(tmp_path / f"{number}.jpg")
        found.append(Picture(tmp_path / f"{number}.jpg"))
    return found


def labelled(pictures: list[Picture], root: Path, *faces: Face) -> list[ShardResult]:
    work, blobs = LabelWork(Origins("web")), BlobStore(root / "data")
    return [
        process_shard(pictures, root / "shard", lambda: Labeller(work, Seen(*faces), load_teacher("grabcut"), blobs))
    ]


def test_small_faces_beside_large_ones_are_counted(pictures: list[Picture], tmp_path: Path) -> None:
    results = labelled(pictures, tmp_path, LARGE, SMALL, TINY)
    store = ManifestStore(tmp_path / "manifests")
    generated = commit_shards(results, store, tmp_path / "data", parameters={"images": "."})
    assert str(generated) == "2 portrait(s); 4 face(s) under 24 px in 2 image(s) are left out"
    assert "small_faces" not in store.open().read().column_names


def test_no_face_too_small_is_no_line(pictures: list[Picture], tmp_path: Path) -> None:
    results = labelled(pictures, tmp_path, LARGE)
    generated = commit_shards(results, ManifestStore(tmp_path / "m"), tmp_path / "data", parameters={"images": "."})
    assert str(generated) == "2 portrait(s)"


def test_an_image_of_small_faces_alone_says_how_many_it_has(pictures: list[Picture]) -> None:
    rgb = np.zeros((600, 800, 3), np.uint8)
    for faces, found in (((SMALL, TINY), "2 smaller one"), ((), "none")):
        with pytest.raises(Unusable, match=f"expected a face of at least 24 px and probability 0.95, found {found}"):
            LabelWork(Origins("web")).candidates(pictures[0], rgb, Seen(*faces))


def test_what_looks_like_two_splits_is_named_and_not_counted_as_known() -> None:
    note = "1 samples look like others in two splits"
    assert str(Generated("v2", 5, 2, 1, [note], 0, None)) == (
        f"5 portrait(s), 2 of them in the dataset already, where they keep their masks; {note}"
    )
