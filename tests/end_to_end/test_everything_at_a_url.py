"""A dataset in an S3 bucket, from the first label to what a student reads, by real servers of S3 and of the page."""

import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from PIL import Image
from repository import SCRIPT_ENVIRONMENT
from review_command import review_page
from s3_server import s3_of_this_process

from manifests.__main__ import main as manifests_command
from manifests.files.blobs import BlobStore
from manifests.files.storage import place
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.training_rows import accepted_rows
from manifests.upkeep.verify import verify
from pipeline.generate.__main__ import main as generate_command
from trainer.data.cache import cache_directory, cached_samples
from trainer.data.preprocessing import imagenet

FACES = 2  # photographs of the same face, each of another brightness


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a bucket with versioning."""
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    with s3_of_this_process(tmp_path_factory.mktemp("s3")):
        s3fs = fsspec.filesystem("s3")
        s3fs.mkdir("faces")
        s3fs.call_s3("put_bucket_versioning", Bucket="faces", VersioningConfiguration={"Status": "Enabled"})
        yield "s3://faces"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.slow
def test_generate_review_publish_gc_and_reading_for_fit_at_a_url(
    bucket: str, tmp_path: Path, cache: Path, astronaut: Image.Image, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photographs").mkdir()
    for number in range(FACES):
        turned = astronaut.rotate(7 * number).point(lambda level, number=number: level * (10 - 2 * number) // 10)
        turned.save(tmp_path / f"photographs/{number}.png")
    where = ["--manifests", f"{bucket}/set/manifests", "--data", f"{bucket}/set/data"]
    generate = ["--images", str(tmp_path / "photographs"), "--teacher", "grabcut", *where]
    generate_command(generate)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"{bucket}/set/manifests/v1.parquet"
    assert f"{bucket}/set/data/reports/" in lines[-2]
    shutil.rmtree(cache)
    generate_command(generate)
    assert capsys.readouterr().out.splitlines()[-1] == lines[-1]

    database = tmp_path / "decisions.sqlite3"
    options = ["--manifests", f"{bucket}/set/manifests", "--database-url", f"sqlite:///{database}"]
    environment = SCRIPT_ENVIRONMENT | os.environ  # with the fixtures' settings
    with review_page(*options, environment=environment) as client:
        samples = client.get("/api/next", params={"n": 16}).raise_for_status().json()["samples"]
        assert len(samples) == FACES
        for sample in samples:
            image = client.get(sample["image_url"])
            assert image.content == client.get(sample["image_url"]).content
            assert (image.status_code, image.headers["content-type"]) == (200, "image/jpeg")
            assert client.get(sample["mask_url"]).headers["content-type"] == "image/png"
        decisions = [_accept(sample) for sample in samples]
        assert not client.post("/api/decisions", json={"decisions": decisions}).json()["refused"]
        published = client.post("/api/publish").raise_for_status().json()
    assert published == {"manifest": f"{bucket}/set/manifests/v2.parquet", "version": 2}
    with sqlite3.connect(database) as rows:
        assert rows.execute("select count(*) from decision_events").fetchone() == (FACES,)

    orphan = BlobStore(place(f"{bucket}/set/data")).put(b"orphan", ".png")
    manifests_command(["gc", *where, "--delete", "--database-url", f"sqlite:///{database}"])
    assert "1 blob (6 bytes) too young to tell\ndeleted 0 files" in capsys.readouterr().out
    manifest = Manifest.open(f"{bucket}/set/manifests/v2.parquet")
    assert verify(manifest) == []
    assert BlobStore(manifest.data_root).find(orphan.sha256)
    accepted = accepted_rows(manifest, "all")
    directory = cache_directory(manifest.data_root)
    read = cached_samples(accepted, BlobStore(manifest.data_root), imagenet(32), directory)
    assert len(read.images) == FACES
    assert directory.is_relative_to(cache)
    assert ManifestStore(f"{bucket}/set/manifests").versions() == [1, 2]


def _accept(sample: dict[str, str]) -> dict[str, object]:
    named = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    return {"decision_id": str(uuid.uuid4()), "verdict": "accept", "reason": None, "decision_ms": 900} | named
