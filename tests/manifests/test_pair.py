"""A row's image and mask, read as one pair."""

from pathlib import Path

import pytest
from export_rows import WIDTH, asymmetric, commit_rows

from manifests.files.blobs import BlobError, BlobStore
from manifests.pixels.masks import encode_mask
from manifests.samples.pair import read_pair


def test_a_mask_of_another_size_than_the_image_is_refused(tmp_path: Path) -> None:
    manifest = commit_rows(tmp_path)
    blobs, row = BlobStore(manifest.data_root), manifest.read().to_pylist()[0]
    rgb, mask = read_pair(blobs, row)
    assert rgb.shape[:2] == mask.shape
    narrow = blobs.put(encode_mask(asymmetric()[:, 1:]), ".png")
    row |= {"mask": narrow.path, "mask_sha256": narrow.sha256}
    with pytest.raises(BlobError, match=f"{WIDTH - 1}x64 px in {narrow.path}; import the pair again"):
        read_pair(blobs, row)
