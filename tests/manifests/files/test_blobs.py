"""Blobs: what `put` returns is on the disk, whoever wrote it, and stays while `gc` deletes beside it."""

import os
import threading
from pathlib import Path

import pytest
from faults import Disk, failing

from manifests.files.blobs import BlobStore, blob_path, sha256_hex
from manifests.upkeep.garbage import Garbage, Orphan, delete_garbage


def test_a_blob_whose_writer_died_before_the_last_sync_is_synced_by_the_next(tmp_path: Path) -> None:
    calls = put_failing(tmp_path / "sound", at=0).calls
    disk = put_failing(tmp_path / "failed", at=len(calls))
    assert calls[-1] == "fsync"
    assert disk.unsynced == {}


def put_failing(root: Path, *, at: int) -> Disk:
    """Store a blob whose directory exists, twice if the first time fails."""
    blobs = BlobStore(root)
    blobs.path(blob_path(sha256_hex(b"one"), ".png")).parent.mkdir(parents=True)
    with failing(root, at=at) as disk:
        try:
            blobs.put(b"one", ".png")
        except OSError:
            assert disk.unsynced
            blobs.put(b"one", ".png")
    return disk


def test_a_blob_that_is_stored_again_while_gc_deletes_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = BlobStore(tmp_path)
    path = blobs.root / blobs.put(b"orphan", ".png").path
    os.utime(path, (1, 1))
    orphan = Orphan(path, 6, 1.0)
    writer = threading.Thread(target=blobs.put, args=(b"orphan", ".png"))
    unlink = Path.unlink

    def unlink_beside_the_writer(self: Path, missing_ok: bool = False) -> None:
        if self == path:
            writer.start()
            writer.join(0.3)  # it waits for the lock; without one it would be done now
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_beside_the_writer)
    assert delete_garbage(Garbage(1, (orphan,), ()), tmp_path) == [orphan]
    writer.join()
    assert path.read_bytes() == b"orphan"
