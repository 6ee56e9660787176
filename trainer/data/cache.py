"""Decoded samples in memory-mapped files: only a dataset's first epoch at a size reads a JPEG.

`DIRECTORY/<key>/` holds images, labels and true masks as plain uint8 and an index. The key is a digest of the
rows' own digests and the size, so every run on the same pixels shares it. Pages stay in the operating system's
page cache as long as they fit; the process itself doesn't grow. After a deletion the samples are decoded again.
"""

import dataclasses
import hashlib
import json
import math
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from manifests.errors import UserError
from manifests.files.atomic import TEMPORARY_PREFIX
from manifests.files.blobs import BlobStore
from manifests.files.storage import is_remote, on_this_machine
from manifests.store.training_rows import AcceptedRow
from trainer.data.preprocessing import Preprocessing
from trainer.data.samples import Samples, TrueMask, decoded

CACHE = "cache"  # directory of decoded samples under the data root
IMAGES, LABELS, MASKS, INDEX = "images.u8", "labels.u8", "masks.u8", "index.json"


@dataclass(frozen=True, slots=True)
class Index:
    """The rows in the cache (all, unless bad ones were skipped), and their masks' heights and widths."""

    rows: list[int]
    heights: list[int]
    widths: list[int]


def cached_samples(
    rows: Sequence[AcceptedRow],
    blobs: BlobStore,
    preprocessing: Preprocessing,
    directory: Path,
    *,
    skip_bad: bool = False,
) -> Samples:
    """Samples mapped from `directory`, decoded into it first if missing.

    The errors are those of `data.decoded`; a half-written cache is never seen.
    """
    home = directory / _key(rows, preprocessing)
    index = _read_index(home)
    if index is None or (len(index.rows) < len(rows) and not skip_bad):  # skipped rows must raise their errors
        index = _write(home, rows, blobs, preprocessing, skip_bad=skip_bad)
    if rows and not index.rows:
        raise UserError(f"expected a readable sample among {len(rows)} rows, found none; see the lines above")
    return _open(home, index, rows, preprocessing.size_px)


def cache_directory(data_root: Path) -> Path:
    """Directory of decoded pixels of blobs in `data_root`: below it, or for a URL in the user's own cache.

    The latter is made here, for this user alone: it holds people's faces.
    """
    directory = on_this_machine(data_root / CACHE)
    if is_remote(data_root):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _key(rows: Sequence[AcceptedRow], preprocessing: Preprocessing) -> str:
    digest = hashlib.sha256(f"v1 {preprocessing.size_px}".encode())
    for row in rows:
        digest.update(f"{row.image_sha256} {row.mask_sha256}".encode())
    return digest.hexdigest()[:32]


def _read_index(home: Path) -> Index | None:
    return Index(**json.loads((home / INDEX).read_text())) if (home / INDEX).is_file() else None


def _write(
    home: Path, rows: Sequence[AcceptedRow], blobs: BlobStore, preprocessing: Preprocessing, *, skip_bad: bool
) -> Index:
    """Decode into a directory of a unique name, then rename it."""
    temporary = home.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    index = Index([], [], [])
    try:
        with (
            (temporary / IMAGES).open("wb") as images,
            (temporary / LABELS).open("wb") as labels,
            (temporary / MASKS).open("wb") as masks,
        ):
            for i, image, label, true_mask in decoded(rows, blobs, preprocessing, skip_bad=skip_bad):
                images.write(np.ascontiguousarray(image).data)
                labels.write(label.data)
                masks.write(true_mask.bits.data)
                index.rows.append(i)
                index.heights.append(true_mask.height)
                index.widths.append(true_mask.width)
        (temporary / INDEX).write_text(json.dumps(dataclasses.asdict(index)))
        shutil.rmtree(home, ignore_errors=True)  # one with rows skipped, or of a killed clean-up
        temporary.rename(home)
    except OSError:
        if not (home / INDEX).is_file():  # if it is there, another run wrote the same samples first
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return index


def _open(home: Path, index: Index, rows: Sequence[AcceptedRow], size: int) -> Samples:
    n = len(index.rows)
    images = map_bytes(home / IMAGES, n * 3 * size * size).view(n, 3, size, size)
    labels = map_bytes(home / LABELS, n * size * size).view(n, size, size)
    lengths = [math.ceil(h * w / 8) for h, w in zip(index.heights, index.widths, strict=True)]
    bits = np.split(map_bytes(home / MASKS, sum(lengths)).numpy(), np.cumsum(lengths)[:-1]) if n else []
    true_masks = [TrueMask(*entry) for entry in zip(bits, index.heights, index.widths, strict=True)]
    return Samples(images, labels, true_masks, [rows[i] for i in index.rows])


def map_bytes(path: Path, length: int) -> Tensor:
    """uint8 (length,), read from the file on access; writes would change only the copy in memory."""
    size_bytes = path.stat().st_size
    if size_bytes != length:
        raise UserError(f"expected {length} bytes in {path}, found {size_bytes}; delete {path.parent} and start again")
    return torch.from_file(str(path), shared=False, size=length, dtype=torch.uint8) if length else torch.empty(0).byte()
