"""Look-alikes in a dataset of millions of rows: of new rows, and of rows in another split."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.samples.duplicates import MAX_HAMMING_DISTANCE, MAX_TURNED_DISTANCE
from manifests.samples.near_pairs import Hashes, near_pairs
from manifests.store.hexdigits import digits_of, numbers

RELATED_BY = ("group_id", "phash", "source_sha256")

_PHASH_DIGITS = 16


class Relatives:
    """Selects, part by part of a dataset, the rows that may decide new rows' groups.

    Those are look-alikes of the new images, `turned` being the hashes of these mirrored and turned, and rows of the
    same source images.
    """

    def __init__(self, phashes: Hashes, source_sha256s: Sequence[str], turned: Hashes) -> None:
        self._upright, self._turned = np.unique(phashes), np.unique(turned)
        self._sources = pa.array(set(source_sha256s), pa.string())
        self._waiting: list[pa.Table] = []
        self._related = [pa.table({name: pa.array([], pa.string()) for name in RELATED_BY})]

    def look_at(self, part: pa.Table) -> None:
        """Add the related rows of `part`, which has the columns RELATED_BY."""
        self._waiting.append(part.select(list(RELATED_BY)).cast(self._related[0].schema))
        if sum(waiting.num_rows for waiting in self._waiting) >= len(self._upright) + len(self._turned):
            self._select()  # as many rows as new hashes at once: the time is linear in both

    def found(self) -> pa.Table:
        """The related rows, with RELATED_BY."""
        self._select()
        return pa.concat_tables(self._related)

    def _select(self) -> None:
        rows = pa.concat_tables([*self._waiting, self._related[0].slice(0, 0)])
        self._waiting = []
        hashes = hash_numbers(rows["phash"])
        if hashes is None:  # `commit` checks the schema, so the file was changed since
            raise UserError(
                f"expected perceptual hashes of {_PHASH_DIGITS} hex digits in the latest version, found others: it was "
                "changed by hand; restore the file from a backup"
            )
        distinct, which = np.unique(hashes, return_inverse=True)
        near = np.zeros(len(distinct), bool)
        near[near_pairs(self._upright, distinct, MAX_HAMMING_DISTANCE).right] = True
        near[near_pairs(self._turned, distinct, MAX_TURNED_DISTANCE).right] = True
        of_source = pc.is_in(rows["source_sha256"], value_set=self._sources).to_numpy()
        self._related.append(rows.filter(pa.array(of_source | near[which])))


def hashes_of(phashes: Sequence[str]) -> Hashes:
    """Perceptual hashes (16 hex digits) as numbers of 64 bits."""
    return np.array([int(phash, 16) for phash in phashes], np.uint64)


def hash_numbers(phashes: pa.ChunkedArray) -> Hashes | None:
    """A column of perceptual hashes as numbers of 64 bits; None unless each has 16 hex digits."""
    digits = digits_of(phashes, _PHASH_DIGITS)
    return None if digits is None else numbers(digits)


def across_splits(hashes: Hashes, splits: npt.NDArray[np.integer]) -> list[tuple[int, int]]:
    """Pairs of places of look-alikes in two splits, in order; of equal hashes in one split only the first is paired."""
    pairs: list[tuple[int, int]] = []
    firsts = {}
    for name in np.unique(splits):
        places = np.flatnonzero(splits == name)
        firsts[name] = places[np.unique(hashes[places], return_index=True)[1]]
    for one, other in combinations(firsts.values(), 2):
        found = near_pairs(hashes[one], hashes[other], MAX_HAMMING_DISTANCE)
        near = np.sort(np.column_stack([one[found.left], other[found.right]]), axis=1)
        pairs += [(int(first), int(second)) for first, second in near]
    return sorted(pairs)
