"""A manifest's accepted rows -> decoded samples.

Each image is decoded once, resized to the network's square and kept as uint8, 200 kB per sample at 224 px: in memory
here, in a file by cache.py. True masks are kept at their own size, one bit per pixel, for the metrics.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL, Mask
from manifests.progress import progress
from manifests.samples.pair import read_pair
from manifests.store.training_rows import AcceptedRow
from trainer.data.preprocessing import Preprocessing
from trainer.data.rank_slice import WHOLE, RankSlice

logger = logging.getLogger(__name__)

Decoded = tuple[int, Pixels, Pixels, "TrueMask"]

_CHUNK = 64  # rows decoded at a time


@dataclass(frozen=True, slots=True)
class TrueMask:
    """A mask at its own size, one bit per pixel."""

    bits: npt.NDArray[np.uint8]
    height: int
    width: int

    def unpack(self) -> Mask:
        """bool (H, W), true = person."""
        bits = np.unpackbits(self.bits, count=self.height * self.width)
        return bits.reshape(self.height, self.width).astype(bool)


@dataclass(frozen=True, slots=True)
class Samples:
    """N decoded samples: images uint8 (N, 3, S, S) RGB, labels uint8 (N, S, S), 255 = person, N true masks, N rows.

    `teacher_labels` are the teachers', shaped like labels; `teacher_share` of them is mixed in (distillation.py).
    """

    images: Tensor
    labels: Tensor
    true_masks: list[TrueMask]
    rows: list[AcceptedRow]
    teacher_labels: Tensor | None = None
    teacher_share: float = 0.0

    def __len__(self) -> int:
        return len(self.rows)

    def targets(self, chosen: Tensor) -> Tensor:
        """Labels of the chosen samples, int64 (B,) -> uint8 (B, S, S), mixed with the teachers' labels."""
        labels = self.labels[chosen]
        if self.teacher_labels is None:
            return labels
        return labels.float().lerp_(self.teacher_labels[chosen].float(), self.teacher_share).round_().byte()


def decoded(
    rows: Sequence[AcceptedRow], blobs: BlobStore, preprocessing: Preprocessing, *, skip_bad: bool = False
) -> Iterator[Decoded]:
    """Every row's index, image (3, S, S), label (S, S) with 255 = person, and true mask, read by several threads.

    A row whose blob is missing, altered or unreadable raises its UserError; with `skip_bad` the error is logged
    and the row skipped.
    """
    with ThreadPoolExecutor() as threads:
        indices = progress(range(len(rows)), "decoding", total=len(rows))
        while chunk := list(islice(indices, _CHUNK)):  # of a bounded size: decoded images are large
            attempts = threads.map(lambda i: _attempt(rows[i], blobs, preprocessing), chunk)
            for i, attempt in zip(chunk, attempts, strict=True):
                if not isinstance(attempt, UserError):
                    yield i, *attempt
                elif skip_bad:
                    logger.warning("skipped: %s", attempt)
                else:
                    raise attempt


def batches(
    samples: Samples,
    batch_size: int,
    generator: Generator,
    *,
    source_weights: Mapping[str, float] | None = None,
    share: RankSlice = WHOLE,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in random order: images (B, 3, S, S), labels (B, S, S), or a share of each batch's rows.

    A short last batch is skipped: its gradient would be the noisiest of the epoch, and the next epoch shuffles
    again. A set smaller than one batch is one batch. With `source_weights` rows are drawn with replacement, one of
    weight 2 twice as often as one of weight 1, the default.
    """
    order = _order(samples, generator, source_weights or {})
    for start in range(0, steps_per_epoch(samples, batch_size) * batch_size, batch_size):
        batch = order[start : start + batch_size]
        chosen = batch[share.rows(len(batch))]
        yield samples.images[chosen], samples.targets(chosen)


def steps_per_epoch(samples: Samples, batch_size: int) -> int:
    return max(1, len(samples) // batch_size)


def images_per_epoch(samples: Samples, batch_size: int) -> int:
    return min(len(samples), steps_per_epoch(samples, batch_size) * batch_size)


def _order(samples: Samples, generator: Generator, source_weights: Mapping[str, float]) -> Tensor:
    if not source_weights:
        return torch.randperm(len(samples), generator=generator)
    weights = torch.tensor([source_weights.get(row.source, 1.0) for row in samples.rows])
    return torch.multinomial(weights, len(samples), replacement=True, generator=generator)


def _attempt(
    row: AcceptedRow, blobs: BlobStore, preprocessing: Preprocessing
) -> tuple[Pixels, Pixels, TrueMask] | UserError:
    try:
        return _decode(row, blobs, preprocessing)
    except UserError as error:
        return error


def _decode(row: AcceptedRow, blobs: BlobStore, preprocessing: Preprocessing) -> tuple[Pixels, Pixels, TrueMask]:
    rgb, mask = read_pair(blobs, row)
    image = preprocessing.resize(rgb).transpose(2, 0, 1)  # (S, S, 3) -> (3, S, S)
    label = preprocessing.resize(mask)
    return image, label, TrueMask(np.packbits(mask >= PERSON_LEVEL), *mask.shape)
