"""Near-duplicates: a perceptual hash per image, groups of look-alikes, and a split per group.

A group never crosses splits: the split is a function of `group_id` alone. A row's group never changes once it
is committed, so a split never changes either; new rows join the group of the nearest look-alike. Only a merge of two
lineages may bring groups together, and then never out of what is held out (merged_splits.py).
"""

import hashlib
from collections.abc import Sequence

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

from manifests.pixels.geometry import Pixels
from manifests.store.schema import Split

MAX_HAMMING_DISTANCE = 6  # bits of 64; chosen by looking at the pairs between 0 and 12, see docs/dataset.md
SPLIT_SALT = "maskfoundry-split-1"  # changing it would move every sample to another split
VAL_FRACTION = 0.10
TEST_FRACTION = 0.10

Hashes = npt.NDArray[np.uint64]


def perceptual_hash(rgb: Pixels) -> str:
    """RGB uint8 (H, W, 3) -> 64-bit DCT hash as 16 hex digits (ImageHash's pHash)."""
    return str(imagehash.phash(Image.fromarray(rgb)))


def split_of(group_id: str) -> Split:
    """The split of a group: the salted hash of its id as a number in [0, 1)."""
    digest = hashlib.sha256(f"{SPLIT_SALT}:{group_id}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    if share < TEST_FRACTION:
        return "test"
    return "val" if share < TEST_FRACTION + VAL_FRACTION else "train"


class Groups:
    """Assigns a group to each new sample, given those already in the dataset.

    A sample joins the group of another crop of its own source image, else that of the nearest perceptual
    hash within MAX_HAMMING_DISTANCE (the earliest of equals), else it founds a group named by its own id.
    """

    def __init__(
        self, group_ids: Sequence[str] = (), phashes: Sequence[str] = (), source_sha256s: Sequence[str] = ()
    ) -> None:
        self._group_ids = list(group_ids)
        self._of_source = dict(zip(source_sha256s, group_ids, strict=True))
        self._hashes = np.array([int(phash, 16) for phash in phashes], dtype=np.uint64)
        self._count = len(self._hashes)

    def assign(self, *, sample_id: str, phash: str, source_sha256: str) -> str:
        """The group id of a new sample, which from now on counts as one of the dataset's."""
        group_id = self._of_source.get(source_sha256) or self._nearest(phash) or sample_id
        self._append(int(phash, 16))
        self._group_ids.append(group_id)
        self._of_source.setdefault(source_sha256, group_id)
        return group_id

    def _nearest(self, phash: str) -> str | None:
        if self._count == 0:
            return None
        distances = np.bitwise_count(self._hashes[: self._count] ^ np.uint64(int(phash, 16)))
        nearest = int(distances.argmin())
        return self._group_ids[nearest] if distances[nearest] <= MAX_HAMMING_DISTANCE else None

    def _append(self, value: int) -> None:
        if self._count == len(self._hashes):  # grow by half: appending stays cheap
            self._hashes = np.resize(self._hashes, max(64, self._count * 3 // 2))
        self._hashes[self._count] = value
        self._count += 1
