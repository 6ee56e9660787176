"""A manifest's accepted rows -> decoded samples in memory.

Each picture is decoded once, resized to the network's square and kept as uint8: 200 kB a sample at 224 px, so
10,000 of them take 2 GB. True masks are kept at their own size, one bit a pixel, for the metrics.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import torch
from torch import Generator, Tensor

from manifests.blobs import BlobStore
from manifests.errors import UserError
from manifests.geometry import Pixels
from manifests.images import decode_image
from manifests.masks import PERSON_LEVEL, decode_mask
from manifests.progress import progress
from manifests.schema import Split
from manifests.store import Manifest
from trainer.metrics import Mask
from trainer.preprocessing import Preprocessing

SplitOrAll = Split | Literal["all"]
SPLITS: tuple[str, ...] = (*get_args(Split), "all")


@dataclass(frozen=True, slots=True)
class AcceptedRow:
    """Where one accepted sample's pixels lie: blob paths and digests."""

    image: str
    image_sha256: str
    mask: str
    mask_sha256: str


@dataclass(frozen=True, slots=True)
class TrueMask:
    """A mask at its own size, one bit a pixel."""

    bits: npt.NDArray[np.uint8]
    height: int
    width: int

    def unpack(self) -> Mask:
        """bool (H, W), true = person."""
        bits = np.unpackbits(self.bits, count=self.height * self.width)
        return bits.reshape(self.height, self.width).astype(bool)


@dataclass(frozen=True, slots=True)
class Samples:
    """N decoded samples: images uint8 (N, 3, S, S) RGB, labels uint8 (N, S, S) in {0, 1}, N true masks."""

    images: Tensor
    labels: Tensor
    true_masks: list[TrueMask]

    def __len__(self) -> int:
        return len(self.images)


def accepted_rows(manifest: Manifest, split: SplitOrAll) -> list[AcceptedRow]:
    """The accepted rows of one split, or of all, in the order of their sample ids."""
    blob_columns = ["image", "image_sha256", "mask", "mask_sha256"]
    table = manifest.read(["sample_id", "split", "status", *blob_columns])
    table = table.filter(pc.field("status") == "accepted").sort_by("sample_id")
    if split != "all":
        table = table.filter(pc.field("split") == split)
    return [AcceptedRow(**row) for row in table.select(blob_columns).to_pylist()]


def require_rows(manifest: Manifest, split: SplitOrAll) -> list[AcceptedRow]:
    """As `accepted_rows`; UserError when there are none."""
    rows = accepted_rows(manifest, split)
    if not rows:
        where = "any split" if split == "all" else f"the {split} split"
        counts = ", ".join(f"{count} {what}" for what, count in manifest.counts.items())
        raise UserError(
            f"expected accepted rows in {where} of {manifest.path}, found none ({counts}); "
            "review or import more samples"
        )
    return rows


def load_samples(rows: Sequence[AcceptedRow], blobs: BlobStore, preprocessing: Preprocessing) -> Samples:
    """Read and decode every row; BlobError names a blob that is missing or altered."""
    size = preprocessing.size_px
    images = torch.empty(len(rows), 3, size, size, dtype=torch.uint8)
    labels = torch.empty(len(rows), size, size, dtype=torch.uint8)
    true_masks = []
    with ThreadPoolExecutor() as threads:
        decoded = threads.map(lambda row: _decode(row, blobs, preprocessing), rows)
        for i, (image, label, true_mask) in enumerate(progress(decoded, "decoding", total=len(rows))):
            images[i] = torch.from_numpy(image).permute(2, 0, 1)  # (S, S, 3) -> (3, S, S)
            labels[i] = torch.from_numpy(label)
            true_masks.append(true_mask)
    return Samples(images, labels, true_masks)


def batches(samples: Samples, batch_size: int, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order: images (B, 3, S, S), labels (B, S, S).

    A short last batch is left out: its gradient would be the noisiest of the epoch, and the next epoch deals
    anew. A set smaller than one batch is one batch.
    """
    order = torch.randperm(len(samples), generator=generator)
    for start in range(0, steps_per_epoch(samples, batch_size) * batch_size, batch_size):
        chosen = order[start : start + batch_size]
        yield samples.images[chosen], samples.labels[chosen]


def steps_per_epoch(samples: Samples, batch_size: int) -> int:
    return max(1, len(samples) // batch_size)


def images_per_epoch(samples: Samples, batch_size: int) -> int:
    return min(len(samples), steps_per_epoch(samples, batch_size) * batch_size)


def _decode(row: AcceptedRow, blobs: BlobStore, preprocessing: Preprocessing) -> tuple[Pixels, Pixels, TrueMask]:
    """-> image (S, S, 3), label (S, S) in {0, 1}, true mask."""
    mask = decode_mask(blobs.read(row.mask, row.mask_sha256))
    image = preprocessing.resize(decode_image(blobs.read(row.image, row.image_sha256)))
    label = (preprocessing.resize(mask) >= PERSON_LEVEL).astype(np.uint8)
    return image, label, TrueMask(np.packbits(mask >= PERSON_LEVEL), *mask.shape)
