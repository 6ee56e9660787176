"""Reading files whole: what never ends, and what is larger than any image, is refused."""

import errno
from pathlib import Path

import pytest
from PIL import Image

from manifests.errors import UserError
from manifests.files.blobs import BlobError, BlobStore
from manifests.files.reading import MAX_FILE_BYTES, regular_bytes
from manifests.pixels.image_files import read_file
from manifests.pixels.mask_values import read_mask_values
from pipeline.quarantine import Unusable
from pipeline.sources.local import LocalFile


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """A terabyte that takes no space."""
    path = tmp_path / "scan.tif"
    with path.open("wb") as file:
        file.truncate(2**40)
    return path


def test_a_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (3, 2)).save(path)
    assert regular_bytes(path) == path.read_bytes()


def test_a_sparse_terabyte_is_refused_by_every_reader(sparse: Path) -> None:
    with pytest.raises(OSError, match="512 MiB") as refused:
        regular_bytes(sparse)
    assert refused.value.errno == errno.EFBIG
    for read in (read_file, read_mask_values):
        with pytest.raises(UserError, match=f"{sparse}.*a file of more than {MAX_FILE_BYTES // 2**20} MiB"):
            read(sparse)
    with pytest.raises(Unusable, match="more than 512 MiB"):
        LocalFile(sparse).read()


def test_a_blob_that_leads_to_a_device_is_named(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    blob = blobs.put(b"\x89PNG", ".png")
    path = tmp_path / blob.path
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(BlobError, match="a pipe or device, no file"):
        blobs.read(blob.path, blob.sha256)
