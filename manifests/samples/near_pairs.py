"""All pairs of near hashes among millions, without comparing every pair.

The bits are cut into blocks. Two hashes that differ in D bits at most agree in all blocks but D at least (pigeonhole),
so for each choice of that many blocks the hashes are dealt into buckets by these blocks' bits, and only those in one
bucket are compared (Manku et al., "Detecting near-duplicates for web crawling", 2007). More blocks make more choices
and smaller buckets: the number that costs least is taken. Bits that are equal in all hashes are left out first, and a
bucket that is still large is searched in the same way by its other bits, so blocks of one common value cost little.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint32]
Places = tuple[Indices, Indices]  # of a pair, left and right

_HASH_BITS = 64
_KEY_BITS = 22  # of a bucket's number; a table of all buckets fits into a processor's cache
_RADIX_BITS = 16  # of the numbers that NumPy sorts in linear time
_CANDIDATES_AHEAD = 2**22  # in memory at any time
_LARGE_BUCKET = 2**18  # pairs; from here on searching it by its other bits costs less
_CHOICE_COST = 5000  # of a choice of blocks without any hash, in comparisons of two hashes
_KEY_COST = 5  # of putting a hash into a bucket, likewise


class NearPairs(NamedTuple):
    """Pairs by their places, and the distance of each in bits."""

    left: Indices
    right: Indices
    distances: npt.NDArray[np.uint8]


def near_pairs(left: Hashes, right: Hashes, max_distance: int) -> NearPairs:
    """All pairs of hashes (N,) and (M,) that differ in `max_distance` bits at most, each once, in no certain order.

    The hashes of each side are distinct. Memory grows with N, M and the pairs.
    """
    found = [(np.empty(0, np.int64),) * 2, *_pairs(left, right, max_distance)]
    lefts, rights = (np.concatenate(side) for side in zip(*found, strict=True))
    return NearPairs(lefts, rights, np.bitwise_count(left[lefts] ^ right[rights]))


def runs(begins: Indices, counts: Indices) -> Indices:
    """The `counts` numbers from each of `begins` on, one run after another."""
    starts = np.cumsum(counts) - counts
    return np.arange(counts.sum()) + np.repeat(begins - starts, counts)


def _pairs(left: Hashes, right: Hashes, max_distance: int) -> Iterator[Places]:
    left, right, bits = _varying(left, right)
    blocks = _cheapest(len(left), len(right), bits, max_distance)
    if blocks is None:
        everything = np.zeros(len(right), np.int64), np.full(len(right), len(left))
        yield from _near(left, right, *everything, max_distance)
        return
    bounds = [bits * number // blocks for number in range(blocks + 1)]
    for agreeing in combinations(range(blocks), blocks - max_distance):
        spans = [(bounds[block], bounds[block + 1]) for block in agreeing]
        skipped = [_mask(*bounds[block : block + 2]) for block in range(agreeing[-1]) if block not in agreeing]
        for lefts, rights in _in_one_bucket(left, right, spans, max_distance):
            first = np.ones(len(lefts), bool)  # of all choices of blocks that bring this pair
            differing = left[lefts] ^ right[rights]
            for mask in skipped:
                first &= differing & mask != 0
            yield lefts[first], rights[first]


def _in_one_bucket(
    left: Hashes, right: Hashes, spans: Sequence[tuple[int, int]], max_distance: int
) -> Iterator[Places]:
    """The near pairs that agree in the bits of `spans`, and others that agree in the first _KEY_BITS of these."""
    lefts, rights = _Buckets(left, spans), _Buckets(right, spans)
    pairs = lefts.sizes * rights.sizes
    for bucket in np.flatnonzero(pairs > _LARGE_BUCKET):
        here, there = lefts.places(bucket), rights.places(bucket)
        for some, others in _pairs(left[here], right[there], max_distance):
            yield here[some], there[others]
    small = np.flatnonzero((pairs > 0) & (pairs <= _LARGE_BUCKET))
    rows = runs(rights.begins[small], rights.sizes[small])  # every hash on the right that has some on the left
    counts = np.repeat(lefts.sizes[small], rights.sizes[small])
    begins = np.repeat(lefts.begins[small], rights.sizes[small])
    there = rights.order[rows]
    for some, others in _near(left[lefts.order], right[there], begins, counts, max_distance):
        yield lefts.order[some], there[others]


def _near(left: Hashes, right: Hashes, begins: Indices, counts: Indices, max_distance: int) -> Iterator[Places]:
    """The near pairs of each hash on the right and the `counts` ones on the left from its `begins` on."""
    ends = np.cumsum(counts)
    cuts = np.searchsorted(ends, np.arange(_CANDIDATES_AHEAD, ends[-1] if len(ends) else 0, _CANDIDATES_AHEAD))
    for first, last in pairwise(np.unique([0, *cuts, len(counts)])):
        here = counts[first:last]
        entries = runs(begins[first:last], here)
        near = np.flatnonzero(np.bitwise_count(left[entries] ^ np.repeat(right[first:last], here)) <= max_distance)
        yield entries[near], first + np.searchsorted(np.cumsum(here), near, side="right")


class _Buckets:
    """Hashes (N,) in the order of their buckets, whose numbers are the first _KEY_BITS of the bits in `spans`."""

    def __init__(self, hashes: Hashes, spans: Sequence[tuple[int, int]]) -> None:
        keys, room = np.zeros(len(hashes), np.uint32), _KEY_BITS
        for begin, end in spans:
            width = min(end - begin, room)
            bits = (hashes >> np.uint64(begin)).astype(np.uint32) & np.uint32((1 << width) - 1)
            keys = keys << np.uint32(width) | bits
            room -= width
        self.sizes = np.bincount(keys, minlength=1 << _KEY_BITS - room)
        self.begins = np.cumsum(self.sizes) - self.sizes
        self.order = _sorted_places(keys)

    def places(self, bucket: np.int64) -> Indices:
        """The places of one bucket's hashes."""
        return self.order[self.begins[bucket] :][: self.sizes[bucket]]


def _cheapest(lefts: int, rights: int, bits: int, max_distance: int) -> int | None:
    """The number of blocks that costs least; None where comparing all pairs does."""
    costs: dict[int | None, float] = {None: float(lefts * rights)}
    for blocks in range(max_distance + 1, min(bits, 2 * max_distance + 3) + 1):
        key_bits = min(_KEY_BITS, bits * (blocks - max_distance) // blocks)
        once = _CHOICE_COST + _KEY_COST * (lefts + rights) + 2**key_bits + lefts * rights / 2**key_bits
        costs[blocks] = comb(blocks, max_distance) * once
    return min(costs, key=lambda blocks: costs[blocks])


def _varying(left: Hashes, right: Hashes) -> tuple[Hashes, Hashes, int]:
    """The hashes without the bits that are equal in all of both sides, and the number of bits left."""
    together = [side for side in (left, right) if len(side)]
    differing = 0
    for side in together:
        differing |= int(np.bitwise_or.reduce(side ^ together[0][0]))
    kept = [bit for bit in range(_HASH_BITS) if differing >> bit & 1]
    if len(kept) == _HASH_BITS:
        return left, right, _HASH_BITS
    return _taken(left, kept), _taken(right, kept), len(kept)


def _taken(hashes: Hashes, bits: Sequence[int]) -> Hashes:
    """Those bits of each hash, side by side."""
    taken = np.zeros_like(hashes)
    for place, bit in enumerate(bits):
        taken |= (hashes >> np.uint64(bit) & np.uint64(1)) << np.uint64(place)
    return taken


def _mask(begin: int, end: int) -> np.uint64:
    return np.uint64((1 << end) - (1 << begin))


def _sorted_places(keys: Keys) -> Indices:
    """The places of the keys in ascending order, in linear time."""
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    if keys.max(initial=0) >> _RADIX_BITS:
        order = order[np.argsort((keys >> np.uint32(_RADIX_BITS)).astype(np.uint16)[order], kind="stable")]
    return order
