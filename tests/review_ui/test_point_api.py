"""Points over HTTP: the mask with the object at them, and what is refused; the server's option --segmenter."""

import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from point_segmenters import write_efficient_sam_pair, write_sam_pair
from portrait_datasets import commit_pending

from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import decode_mask, encode_mask
from manifests.store.manifest import ManifestStore
from review_ui.__main__ import main
from review_ui.queue.session import ReviewSession
from review_ui.repair.onnx_segmenter import OnnxSegmenter
from review_ui.repair.segmenter import PointSegmenter
from review_ui.web.api import create_api

Serve = Callable[[PointSegmenter | None], TestClient]


@pytest.fixture(scope="module")
def one_waiting(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """A directory with a real portrait waiting, to be copied."""
    root = tmp_path_factory.mktemp("one")
    commit_pending(root, portraits, (0.9,))
    return root


@pytest.fixture
def serve(tmp_path: Path, one_waiting: Path) -> Iterator[Serve]:
    shutil.copytree(one_waiting, tmp_path, dirs_exist_ok=True)
    log = DecisionLog(sqlite_url(tmp_path / "data"))
    store = ManifestStore(tmp_path / "manifests")
    session = ReviewSession(store.open(), store, log)
    yield lambda segmenter: TestClient(create_api(session, BlobStore(tmp_path / "data"), segmenter))
    log.close()


def ask(client: TestClient, levels: np.ndarray | None = None, **body: object):
    """POST /api/refine on the sample that waits; without `levels`, on its own mask."""
    sample = client.get("/api/next?n=1").json()["samples"][0]
    mask = client.get(sample["mask_url"]).content if levels is None else encode_mask(levels)
    named = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    return client.post("/api/refine", json=named | {"mask": b64encode(mask).decode(), "action": "point"} | body)


@pytest.mark.parametrize("write", [write_sam_pair, write_efficient_sam_pair])
def test_points_add_the_object_and_take_it_away(serve: Serve, tmp_path: Path, write: Callable[[Path], Path]):
    client = serve(OnnxSegmenter.open(write(tmp_path / "pair")))
    assert client.get("/api/me").json()["segmenter"] is True
    empty, full = np.zeros((320, 240), np.uint8), np.full((320, 240), 255, np.uint8)
    added = ask(client, empty, points=[[60.5, 70.5]], labels=[1])
    taken = ask(client, full, points=[[60.5, 70.5]], labels=[0])
    assert (added.status_code, taken.status_code) == (200, 200)
    disc = decode_mask(b64decode(added.json()["mask"])) >= 128
    assert disc[70, 60]
    assert 100 < disc.sum() < 320 * 240 / 2
    assert (decode_mask(b64decode(taken.json()["mask"])) == np.where(disc, 0, 255)).all()


def test_without_a_segmenter_points_are_refused_in_one_line(serve: Serve):
    client = serve(None)
    assert client.get("/api/me").json()["segmenter"] is False
    answer = ask(client, points=[[60, 70]], labels=[1])
    assert answer.status_code == 409
    assert answer.json()["error"] == (
        "expected a server with a point segmenter, found none; start it with --segmenter DIR"
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"points": [[60, 70]]}, 409),  # without a label
        ({"labels": [1]}, 409),
        ({"points": [[240, 70]], "labels": [1]}, 409),
        ({"points": [[60, 70]] * 7, "labels": [1] * 6}, 409),
        ({"points": [[60, 70]] * 7, "labels": [1] * 7}, 422),
        ({"points": [[60, 70]], "labels": [2]}, 422),
    ],
)
def test_points_that_do_not_fit_are_refused_in_one_line(serve: Serve, tmp_path: Path, body: dict, status: int):
    answer = ask(serve(OnnxSegmenter.open(write_sam_pair(tmp_path / "pair"))), **body)
    assert answer.status_code == status
    assert "\n" not in answer.json()["error"]


def test_a_model_that_fails_on_an_image_is_reported_in_one_line(serve: Serve):
    class Failing:
        def object_prob(self, rgb, points, labels, *, image_sha256):
            raise UserError("expected finite values in output_masks, found NaN or infinity")

    answer = ask(serve(Failing()), points=[[60, 70]], labels=[1])
    assert (answer.status_code, "NaN" in answer.json()["error"]) == (409, True)


def test_the_server_does_not_start_with_an_unusable_pair(tmp_path: Path):
    with pytest.raises(UserError, match=r"expected one encoder.onnx, or \*_encoder.onnx, in .*, found none"):
        main(["--segmenter", str(tmp_path), "--manifests", str(tmp_path), "--port", "0"])
