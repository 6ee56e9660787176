"""The review server while the bucket that holds the blobs is away."""

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
    commit_pending(tmp_path, portraits, [0.5])
    store = ManifestStore(tmp_path / "manifests")
    [row] = store.open().read().to_pylist()
    local, remote = BlobStore(store.data_root()), BlobStore(place("s3://faces/data"))
    for column, suffix in (("image", ".jpg"), ("mask", ".png")):
        remote.put(local.read(row[column], row[f"{column}_sha256"]), suffix)
    with TestClient(create_api(ReviewSession(store.open(), store, log), remote)) as client:
        assert client.get(f"/media/{row['mask_sha256']}").status_code == 200
        bucket.close()
        assert client.get(f"/media/{row['mask_sha256']}").status_code == 200  # of the copy
        answer = client.get(f"/media/{row['image_sha256']}")
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("expected to reach s3://faces/data/blobs/")
        assert "\n" not in answer.json()["error"]
