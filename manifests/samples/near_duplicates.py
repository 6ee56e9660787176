"""The rows of a dataset that can matter to new rows' groups, found among millions: those that look nearly alike, and
those of the same source image.

Two hashes of 64 bits that differ in 6 bits at most differ in 1 at most in one of their four quarters. So every new hash
is filed under each of its quarters, and under the 16 neighbours of each; a row's own four quarters then name the few
that are worth counting bits with.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.samples.duplicates import MAX_HAMMING_DISTANCE, Groups, Hashes
from manifests.store.hexdigits import digits_of, numbers

RELATED_BY = ("group_id", "phash", "source_sha256")

_PHASH_DIGITS = 16
_QUARTERS = (0, 16, 32, 48)  # first bit of each
_QUARTER_BITS = 16
assert MAX_HAMMING_DISTANCE // len(_QUARTERS) == 1, "else a neighbour in one quarter is further than one bit"


class Relatives:
    """Looks at a dataset part by part for rows related to new ones, given those' hashes and sources."""

    def __init__(self, phashes: Sequence[str], source_sha256s: Sequence[str]) -> None:
        new = np.unique(np.array([int(phash, 16) for phash in phashes], np.uint64))
        self._sources = pa.array(set(source_sha256s), pa.string())
        self._filed = [_File(new, shift) for shift in _QUARTERS]
        self._found = [pa.table({name: pa.array([], pa.string()) for name in RELATED_BY})]

    def look_at(self, part: pa.Table) -> None:
        """`part` has the columns RELATED_BY."""
        part = part.select(list(RELATED_BY))
        digits = digits_of(part["phash"], _PHASH_DIGITS)
        if digits is None:  # versions are checked before they are written: this one was changed since
            raise UserError(
                f"expected perceptual hashes of {_PHASH_DIGITS} hex digits in the latest version, found others: it was "
                "changed by hand; restore the file from a backup"
            )
        related = pc.is_in(part["source_sha256"], value_set=self._sources).to_numpy()
        hashes = numbers(digits)
        for file in self._filed:
            related = related | file.near(hashes)
        self._found.append(part.filter(pa.array(related)).cast(self._found[0].schema))

    def groups(self) -> Groups:
        """Assigns the new rows' groups as if it knew the whole dataset."""
        found = pa.concat_tables(self._found)
        return Groups(*(found[name].to_pylist() for name in RELATED_BY))


class _File:
    """The new hashes by the value of one quarter, each under its own value and under those one bit away."""

    def __init__(self, new: Hashes, shift: int) -> None:
        self._shift = shift
        quarters = self._quarters(new)
        flips = np.array([0, *(1 << bit for bit in range(_QUARTER_BITS))])
        values = (quarters[:, None] ^ flips).ravel()  # (N,) -> (N * 17,)
        order = np.argsort(values, kind="stable")
        self._hashes = np.repeat(new, len(flips))[order]
        self._begins = np.searchsorted(values[order], np.arange(2**_QUARTER_BITS + 1))

    def near(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which hashes (N,) are within MAX_HAMMING_DISTANCE of a new one, of those that share this quarter."""
        quarters = self._quarters(hashes)
        begins = self._begins[quarters]
        counts = self._begins[quarters + 1] - begins
        rows = np.repeat(np.arange(len(hashes)), counts)
        firsts = np.cumsum(counts) - counts
        candidates = np.arange(len(rows)) + np.repeat(begins - firsts, counts)
        distances = np.bitwise_count(hashes[rows] ^ self._hashes[candidates])
        related = np.zeros(len(hashes), bool)
        related[rows[distances <= MAX_HAMMING_DISTANCE]] = True
        return related

    def _quarters(self, hashes: Hashes) -> npt.NDArray[np.int64]:
        return ((hashes >> np.uint64(self._shift)) & np.uint64(2**_QUARTER_BITS - 1)).astype(np.int64)
