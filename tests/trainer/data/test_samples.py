"""From a manifest to a batch: rows, pixels, preprocessing, augmentation."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from loaded_samples import load_samples
from portrait_datasets import import_portraits

from manifests.errors import UserError
from manifests.files.blobs import BlobError, BlobStore
from manifests.pixels.images import decode_image
from manifests.pixels.masks import decode_mask
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.training_rows import accepted_rows, require_rows
from trainer.data.preprocessing import Preprocessing, imagenet, sinet_authors
from trainer.data.samples import Samples, batches, steps_per_epoch

ROWS = 24


@pytest.fixture(scope="module")
def manifest(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("dataset")
    return import_portraits(root, portraits, ROWS)


def with_status(manifest: Manifest, status: str, directory: Path) -> Manifest:
    """The same rows as face crops of another status, as the first version in `directory`."""
    table = manifest.read()
    for column, value in (("status", status), ("origin", "face_crop")):
        index = table.schema.get_field_index(column)
        table = table.set_column(index, table.schema.field(column), pa.array([value] * table.num_rows))
    return ManifestStore(directory).commit(
        table, parent=None, operation="import", parameters={}, data_root=manifest.data_root
    )


def test_the_splits_share_the_accepted_rows_out(manifest: Manifest):
    rows = {split: accepted_rows(manifest, split) for split in ("train", "val", "test", "all")}
    assert len(rows["all"]) == ROWS
    assert set(rows["all"]) == {*rows["train"], *rows["val"], *rows["test"]}
    assert len(rows["train"]) + len(rows["val"]) + len(rows["test"]) == ROWS


@pytest.mark.parametrize("status", ["pending", "rejected", "conflict"])
def test_only_accepted_rows_are_taken(status: str, manifest: Manifest, tmp_path: Path):
    unaccepted = with_status(manifest, status, tmp_path)
    assert accepted_rows(unaccepted, "all") == []
    with pytest.raises(UserError, match=rf"accepted rows in the train split .*none \({ROWS} rows, {ROWS} {status}\)"):
        require_rows(unaccepted, "train")


def test_samples_are_the_blobs_pixels_and_the_masks_own_size(manifest: Manifest):
    row = accepted_rows(manifest, "all")[0]
    blobs = BlobStore(manifest.data_root)
    samples = load_samples([row], blobs, imagenet(96))
    mask = decode_mask(blobs.read(row.mask, row.mask_sha256))
    assert samples.images.shape == (1, 3, 96, 96)
    assert (samples.true_masks[0].unpack() == (mask >= 128)).all()
    assert samples.labels.float().mean() / 255 == pytest.approx((mask >= 128).mean(), abs=0.01)
    rgb = decode_image(blobs.read(row.image, row.image_sha256))
    np.testing.assert_allclose(samples.images.float().mean(dim=(0, 2, 3)), rgb.mean(axis=(0, 1)), atol=1)


def test_an_altered_blob_is_named(manifest: Manifest, tmp_path: Path):
    row = accepted_rows(manifest, "all")[0]
    (tmp_path / row.mask).parent.mkdir(parents=True)
    (tmp_path / row.mask).write_bytes(b"something else")
    with pytest.raises(BlobError, match=rf"expected .*{row.mask_sha256}\.png"):
        load_samples([row], BlobStore(tmp_path), imagenet(96))


def test_an_epoch_deals_every_sample_once_in_the_seeds_order(manifest: Manifest):
    samples = load_samples(accepted_rows(manifest, "all"), BlobStore(manifest.data_root), imagenet(32))
    assert steps_per_epoch(samples, 8) == 3
    dealt = [torch.cat([images for images, _ in batches(samples, 8, torch.manual_seed(seed))]) for seed in (1, 1, 2)]
    assert torch.equal(dealt[0], dealt[1])
    assert not torch.equal(dealt[0], dealt[2])
    keys = [sorted(image.flatten().tolist() for image in images) for images in (samples.images, dealt[0])]
    assert keys[0] == keys[1]


def test_a_short_last_batch_is_left_out_unless_it_is_the_only_one(manifest: Manifest):
    samples = load_samples(accepted_rows(manifest, "all")[:5], BlobStore(manifest.data_root), imagenet(32))
    sizes = {size: [len(images) for images, _ in batches(samples, size, torch.manual_seed(0))] for size in (2, 5, 9)}
    assert sizes == {2: [2, 2], 5: [5], 9: [5]}


def test_the_authors_preprocessing_gives_their_input(shared: Path):
    with np.load(shared / "reference/sinet_golden.npz") as golden:
        rgb = golden["obama_resized_bgr_u8"][..., ::-1].copy()  # (224, 224, 3)
        expected = torch.from_numpy(golden["obama_input"])
    found = sinet_authors().normalise(torch.from_numpy(rgb).permute(2, 0, 1)[None])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("preprocessing", [imagenet(224), sinet_authors()])
def test_colours_are_the_images_that_were_normalised(preprocessing: Preprocessing):
    images = torch.randint(0, 256, (2, 3, 4, 5), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(preprocessing.colours(preprocessing.normalise(images)), images / 255)


def test_resizing_keeps_uint8_and_gives_a_square():
    assert imagenet(64).resize(np.zeros((300, 200, 3), np.uint8)).shape == (64, 64, 3)
    enlarged = imagenet(64).resize(np.full((20, 30), 255, np.uint8))
    assert enlarged.shape == (64, 64)
    assert enlarged.dtype == np.uint8


def test_preprocessing_survives_json():
    stored = {"size_px": 32, "mean": [1, 2, 3], "std": [4, 5, 6], "divisor": 255.0, "colour_order": "bgr"}
    assert Preprocessing.from_json(stored) == Preprocessing(32, (1, 2, 3), (4, 5, 6), 255.0, "bgr")


def test_a_source_of_weight_0_is_never_dealt_and_others_by_their_weight(manifest: Manifest):
    rows = accepted_rows(manifest, "all")
    named = [dataclasses.replace(row, source=f"s{i % 3}") for i, row in enumerate(rows)]
    values = torch.arange(ROWS).to(torch.uint8)
    samples = Samples(values.view(-1, 1, 1, 1).expand(-1, 3, 1, 1), values.view(-1, 1, 1), [], named)
    weights = {"s0": 0.0, "s2": 3.0}  # s1 has 1
    counts = torch.zeros(3)
    for seed in range(50):
        for _, labels in batches(samples, 8, torch.manual_seed(seed), source_weights=weights):
            counts += torch.bincount(labels.flatten() % 3, minlength=3)
    assert counts[0] == 0
    assert counts[2] / counts[1] == pytest.approx(3, rel=0.25)
