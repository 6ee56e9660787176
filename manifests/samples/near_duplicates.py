"""Look-alikes among millions of perceptual hashes, without comparing every pair.

Two hashes of 64 bits that differ in 6 bits at most differ in 1 at most in one of their four quarters, and two that
differ in 3 at most agree in one. So every hash is indexed by each of its quarters, for 6 bits also by the 16 neighbours
of each; the four quarters of another hash select the few candidates whose bits are counted.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.samples.duplicates import MAX_HAMMING_DISTANCE, MAX_TURNED_DISTANCE, Hashes
from manifests.store.hexdigits import digits_of, numbers

RELATED_BY = ("group_id", "phash", "source_sha256")

Indices = npt.NDArray[np.int64]

_PHASH_DIGITS = 16
_QUARTERS = (0, 16, 32, 48)  # first bit of each
_QUARTER_BITS = 16
_CANDIDATES_AHEAD = 2**22  # in memory at any time


class NearHashes:
    """Hashes (N,), indexed to find those that differ from others in `max_distance` bits at most; that is 7 or less."""

    def __init__(self, hashes: Hashes, max_distance: int) -> None:
        if max_distance // len(_QUARTERS) > 1:  # a neighbour in one quarter would be further than one bit
            raise ValueError(f"expected a distance of 7 bits or less, found {max_distance}")
        self._hashes = hashes
        self._max_distance = max_distance
        self._indexes = [_QuarterIndex(hashes, shift, neighbours=max_distance >= len(_QUARTERS)) for shift in _QUARTERS]

    def any_near(self, others: Hashes) -> npt.NDArray[np.bool_]:
        """Which others (M,) are near one of the hashes."""
        near = np.zeros(len(others), bool)
        for rows, _, _ in self._matches(others):
            near[rows] = True
        return near

    def pairs(self, others: Hashes) -> tuple[Indices, Indices, Indices]:
        """All pairs that are near: the place among the others, the place among the hashes, and the distance in bits."""
        matches = [*self._matches(others), (np.empty(0, np.int64),) * 3]
        rows, places, distances = (np.concatenate(column) for column in zip(*matches, strict=True))
        _, first = np.unique(rows * max(1, len(self._hashes)) + places, return_index=True)  # each pair once
        return rows[first], places[first], distances[first]

    def _matches(self, others: Hashes) -> Iterator[tuple[Indices, Indices, Indices]]:
        for index in self._indexes:
            for rows, places in index.candidates(others):
                distances = np.bitwise_count(others[rows] ^ self._hashes[places])
                near = distances <= self._max_distance
                yield rows[near], places[near], distances[near].astype(np.int64)


class Relatives:
    """Selects, part by part of a dataset, the rows that may decide new rows' groups.

    Those are look-alikes of the new images, `turned` being the hashes of these mirrored and turned, and rows of the
    same source images.
    """

    def __init__(self, phashes: Sequence[str], source_sha256s: Sequence[str], turned: Sequence[str] = ()) -> None:
        self._upright = NearHashes(np.unique(hashes_of(phashes)), MAX_HAMMING_DISTANCE)
        self._turned = NearHashes(np.unique(hashes_of(turned)), MAX_TURNED_DISTANCE)
        self._sources = pa.array(set(source_sha256s), pa.string())
        self._related = [pa.table({name: pa.array([], pa.string()) for name in RELATED_BY})]

    def look_at(self, part: pa.Table) -> None:
        """Add the related rows of `part`, which has the columns RELATED_BY."""
        part = part.select(list(RELATED_BY))
        hashes = hash_numbers(part["phash"])
        if hashes is None:  # `commit` checks the schema, so the file was changed since
            raise UserError(
                f"expected perceptual hashes of {_PHASH_DIGITS} hex digits in the latest version, found others: it was "
                "changed by hand; restore the file from a backup"
            )
        related = pc.is_in(part["source_sha256"], value_set=self._sources).to_numpy()
        related = related | self._upright.any_near(hashes) | self._turned.any_near(hashes)
        self._related.append(part.filter(pa.array(related)).cast(self._related[0].schema))

    def found(self) -> pa.Table:
        """The related rows, with RELATED_BY."""
        return pa.concat_tables(self._related)


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
    names, counts = np.unique(splits, return_counts=True)
    by_size = names[np.argsort(-counts, kind="stable")]
    firsts = {}
    for name in by_size:
        places = np.flatnonzero(splits == name)
        firsts[name] = places[np.unique(hashes[places], return_index=True)[1]]
    for number, name in enumerate(by_size[1:], start=1):  # the smaller is indexed: the index takes most memory
        index = NearHashes(hashes[firsts[name]], MAX_HAMMING_DISTANCE)
        for other in by_size[:number]:
            rows, places, _ = index.pairs(hashes[firsts[other]])
            near = np.sort(np.column_stack([firsts[other][rows], firsts[name][places]]), axis=1)
            pairs += [(int(first), int(second)) for first, second in near]
    return sorted(pairs)


class _QuarterIndex:
    """Hashes by the value of one quarter, each under its own value and, with `neighbours`, those one bit away."""

    def __init__(self, hashes: Hashes, shift: int, *, neighbours: bool) -> None:
        self._shift = shift
        quarters = self._quarters(hashes)
        flips = np.array([0, *(1 << bit for bit in range(_QUARTER_BITS if neighbours else 0))])
        values = (quarters[:, None] ^ flips).ravel()  # (N,) -> (N * 17,) or (N,)
        order = np.argsort(values, kind="stable")
        self._places = np.repeat(np.arange(len(hashes)), len(flips))[order]
        self._begins = np.searchsorted(values[order], np.arange(2**_QUARTER_BITS + 1))

    def candidates(self, others: Hashes) -> Iterator[tuple[Indices, Indices]]:
        """Places of others and of hashes that share this quarter, _CANDIDATES_AHEAD pairs or so at a time."""
        quarters = self._quarters(others)
        begins = self._begins[quarters]
        counts = self._begins[quarters + 1] - begins
        ends = np.cumsum(counts)
        cuts = np.searchsorted(ends, np.arange(_CANDIDATES_AHEAD, ends[-1] if len(ends) else 0, _CANDIDATES_AHEAD))
        bounds = np.unique([0, *cuts, len(others)])
        for first, last in pairwise(bounds):
            here = counts[first:last]
            rows = np.repeat(np.arange(first, last), here)
            starts = np.cumsum(here) - here
            entries = np.arange(len(rows)) + np.repeat(begins[first:last] - starts, here)
            yield rows, self._places[entries]

    def _quarters(self, hashes: Hashes) -> Indices:
        return ((hashes >> np.uint64(self._shift)) & np.uint64(2**_QUARTER_BITS - 1)).astype(np.int64)
