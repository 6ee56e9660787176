"""Samples decoded without a cache."""

from collections.abc import Sequence

import torch

from manifests.files.blobs import BlobStore
from manifests.store.training_rows import AcceptedRow
from trainer.data.preprocessing import Preprocessing
from trainer.data.samples import Samples, decoded


def load_samples(rows: Sequence[AcceptedRow], blobs: BlobStore, preprocessing: Preprocessing) -> Samples:
    """Read and decode every row into memory; BlobError names a blob that is missing or altered."""
    size = preprocessing.size_px
    images = torch.empty(len(rows), 3, size, size, dtype=torch.uint8)
    labels = torch.empty(len(rows), size, size, dtype=torch.uint8)
    true_masks = []
    for i, (_, image, label, true_mask) in enumerate(decoded(rows, blobs, preprocessing)):
        images[i], labels[i] = torch.tensor(image), torch.tensor(label)
        true_masks.append(true_mask)
    return Samples(images, labels, true_masks, list(rows))
