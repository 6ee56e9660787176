"""The cache: the same samples, decoded once, and bad blobs named or skipped."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from loaded_samples import load_samples

from manifests.errors import UserError
from manifests.files.blobs import BlobError, BlobStore
from manifests.pixels.images import encode_jpeg
from manifests.pixels.masks import encode_mask
from manifests.store.training_rows import AcceptedRow
from trainer.data.cache import IMAGES, cached_samples
from trainer.data.preprocessing import imagenet

SIZE = imagenet(64)


def stored(blobs: BlobStore, seed: int, *, mask_width: int = 60) -> AcceptedRow:
    rng = np.random.default_rng(seed)
    image = blobs.put(encode_jpeg(rng.integers(0, 256, (80, 60, 3), np.uint8)), ".jpg")
    mask = blobs.put(encode_mask(rng.integers(0, 2, (80, mask_width), np.uint8) * np.uint8(255)), ".png")
    return AcceptedRow(image.path, image.sha256, mask.path, mask.sha256, source=f"s{seed}")


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "data")


@pytest.fixture
def rows(blobs: BlobStore) -> list[AcceptedRow]:
    return [stored(blobs, seed) for seed in range(5)]


def test_cached_samples_are_the_decoded_ones(rows: list[AcceptedRow], blobs: BlobStore, tmp_path: Path):
    found, expected = cached_samples(rows, blobs, SIZE, tmp_path / "cache"), load_samples(rows, blobs, SIZE)
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.labels, expected.labels)
    assert found.rows == expected.rows
    for ours, theirs in zip(found.true_masks, expected.true_masks, strict=True):
        assert (ours.unpack() == theirs.unpack()).all()


def test_the_second_time_no_picture_is_read(rows: list[AcceptedRow], blobs: BlobStore, tmp_path: Path):
    first = cached_samples(rows, blobs, SIZE, tmp_path / "cache").images.clone()
    again = cached_samples(rows, BlobStore(tmp_path / "nowhere"), SIZE, tmp_path / "cache")
    assert torch.equal(again.images, first)


def test_another_size_or_other_rows_are_another_cache(rows: list[AcceptedRow], blobs: BlobStore, tmp_path: Path):
    for chosen, preprocessing in ((rows, SIZE), (rows[:4], SIZE), (rows, imagenet(32))):
        cached_samples(chosen, blobs, preprocessing, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_a_bad_blob_is_named_and_leaves_no_cache(rows: list[AcceptedRow], blobs: BlobStore, tmp_path: Path):
    (blobs.root / rows[2].image).write_bytes(b"altered")
    with pytest.raises(BlobError, match=rows[2].image_sha256):
        cached_samples(rows, blobs, SIZE, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_bad_blobs_are_skipped_on_request_and_each_is_said(
    rows: list[AcceptedRow], blobs: BlobStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (blobs.root / rows[1].mask).unlink()
    samples = cached_samples(rows, blobs, SIZE, tmp_path / "cache", skip_bad=True)
    assert samples.rows == [rows[0], *rows[2:]]
    assert len(samples.images) == len(samples.true_masks) == 4
    assert rows[1].mask in caplog.text
    with pytest.raises(BlobError):  # the cache of the good ones is no excuse
        cached_samples(rows, blobs, SIZE, tmp_path / "cache")


def test_when_every_blob_is_bad_that_is_an_error(rows: list[AcceptedRow], blobs: BlobStore, tmp_path: Path):
    gone = BlobStore(tmp_path / "nowhere")
    with pytest.raises(UserError, match="expected a readable sample among 5 rows, found none"):
        cached_samples(rows, gone, SIZE, tmp_path / "cache", skip_bad=True)


def test_a_mask_of_another_size_than_its_image_is_named(blobs: BlobStore, tmp_path: Path):
    odd = stored(blobs, 0, mask_width=61)
    with pytest.raises(BlobError, match=r"expected a mask of the size of .*60x80 px, found 61x80 px"):
        cached_samples([odd], blobs, SIZE, tmp_path / "cache")


def test_a_truncated_cache_says_what_to_do(rows: list[AcceptedRow], blobs: BlobStore, tmp_path: Path):
    cached_samples(rows, blobs, SIZE, tmp_path / "cache")
    (home,) = (tmp_path / "cache").iterdir()
    (home / IMAGES).write_bytes(b"short")
    with pytest.raises(UserError, match=r"found 5; delete .* and start again"):
        cached_samples(rows, blobs, SIZE, tmp_path / "cache")


def test_no_rows_give_no_samples(blobs: BlobStore, tmp_path: Path):
    assert len(cached_samples([], blobs, SIZE, tmp_path / "cache")) == 0


def test_the_key_is_the_pixels_and_not_the_source(rows: list[AcceptedRow], blobs: BlobStore, tmp_path: Path):
    renamed = [dataclasses.replace(row, source="other") for row in rows]
    for chosen in (rows, renamed):
        cached_samples(chosen, blobs, SIZE, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 1
