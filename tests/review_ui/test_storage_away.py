"""The review server while the bucket that holds the blobs is away."""

import uuid
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import fsspec
import pytest
from fastapi.testclient import TestClient
from portrait_datasets import commit_pending
from s3_server import s3_of_this_process

from manifests.decisions.log import DecisionLog
from manifests.files.blobs import BlobStore
from manifests.files.storage import place
from manifests.pixels.masks import decode_mask, encode_mask
from manifests.store.manifest import ManifestStore
from review_ui.queue.session import ReviewSession
from review_ui.web.api import create_api


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    """A bucket `faces`, whose server `close` kills; its copies lie below `tmp_path`."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with ExitStack() as server:
        server.enter_context(s3_of_this_process(tmp_path))
        fsspec.filesystem("s3").mkdir("faces")
        yield server
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_a_bucket_that_is_away_is_one_line_and_copies_are_shown(
    bucket: ExitStack, tmp_path: Path, portraits: Path, log: DecisionLog
) -> None:
    row, client = in_bucket(tmp_path, portraits, log)
    with client:
        assert client.get(f"/media/{row['mask_sha256']}").status_code == 200
        bucket.close()
        assert client.get(f"/media/{row['mask_sha256']}").status_code == 200  # of the copy
        answer = client.get(f"/media/{row['image_sha256']}")
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("expected to reach s3://faces/data/blobs/")
        assert "\n" not in answer.json()["error"]


def test_a_repaired_mask_is_refused_while_the_bucket_is_away_and_no_decision_is_logged(
    bucket: ExitStack, tmp_path: Path, portraits: Path, log: DecisionLog
) -> None:
    row, client = in_bucket(tmp_path, portraits, log)
    with client:
        mask = client.get(f"/media/{row['mask_sha256']}").content  # its copy stays on this machine
        repaired = decode_mask(mask).copy()
        repaired[:20, :30] = 255
        decision = {
            "decision_id": str(uuid.uuid4()), "sample_id": row["sample_id"], "mask_sha256": row["mask_sha256"],
            "verdict": "accept", "decision_ms": 4000, "mask": b64encode(encode_mask(repaired)).decode(),
        }  # fmt: skip
        bucket.close()
        answer = client.post("/api/decisions", json={"decisions": [decision]})
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("expected to reach s3://faces/data")
        assert list(log.standing()) == []


def in_bucket(directory: Path, portraits: Path, log: DecisionLog) -> tuple[dict[str, object], TestClient]:
    """One waiting sample, whose blobs lie in the bucket alone, and a client of its review server."""
    commit_pending(directory, portraits, [0.5])
    store = ManifestStore(directory / "manifests")
    [row] = store.open().read().to_pylist()
    local, remote = BlobStore(store.data_root()), BlobStore(place("s3://faces/data"))
    for column, suffix in (("image", ".jpg"), ("mask", ".png")):
        remote.put(local.read(row[column], row[f"{column}_sha256"]), suffix)
    return row, TestClient(create_api(ReviewSession(store.open(), store, log), remote))
