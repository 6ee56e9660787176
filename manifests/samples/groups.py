"""Which near-duplicate group a new sample joins.

A committed row's group never changes, so its split never changes either. Only a merge of two lineages may join groups,
and then a held-out group stays held out (versions/merged_splits.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from manifests.samples.duplicates import MAX_HAMMING_DISTANCE, MAX_TURNED_DISTANCE, split_of
from manifests.samples.near_duplicates import hashes_of
from manifests.samples.near_pairs import Hashes, Indices, near_pairs, runs
from manifests.store.schema import Split


@dataclass(frozen=True, slots=True)
class NewSample:
    """A new sample without a group; `turned` are the perceptual hashes of its image mirrored and turned."""

    sample_id: str
    phash: str
    source_sha256: str
    turned: Sequence[str] = ()


class NewSamples(NamedTuple):
    """New samples as columns; `turned` are the turned hashes of all, `owners` the places of their samples."""

    sample_ids: Sequence[str]
    source_sha256s: Sequence[str]
    hashes: Hashes
    turned: Hashes
    owners: Indices

    @classmethod
    def of(cls, samples: Sequence[NewSample]) -> "NewSamples":
        return cls(
            [sample.sample_id for sample in samples],
            [sample.source_sha256 for sample in samples],
            hashes_of([sample.phash for sample in samples]),
            hashes_of([phash for sample in samples for phash in sample.turned]),
            np.repeat(np.arange(len(samples)), np.array([len(sample.turned) for sample in samples], np.int64)),
        )


class Groups:
    """Assigns groups to new samples, given those already in the dataset.

    A sample joins the group of another crop of its own source image, else that of the nearest look-alike (the earliest
    of equals), else it starts a group named by its own id. Look-alikes are images whose perceptual hashes differ in
    MAX_HAMMING_DISTANCE bits at most, or in MAX_TURNED_DISTANCE after a mirroring or quarter turns.
    """

    def __init__(
        self, group_ids: Sequence[str] = (), phashes: Sequence[str] = (), source_sha256s: Sequence[str] = ()
    ) -> None:
        self._known = group_ids
        self._of_source = dict(zip(source_sha256s, group_ids, strict=True))
        self._hashes = hashes_of(phashes)

    def assign(self, new: NewSamples) -> list[str | None]:
        """The group id of each new sample, in order; None for one that has look-alikes in two splits.

        Whatever the split of that one, a look-alike would lie in another. Each sample is also compared with those
        before it.
        """
        distinct, numbers = np.unique(np.concatenate([self._hashes, new.hashes]), return_inverse=True)
        own_numbers = numbers[len(self._known) :]
        look_alikes, turned = _look_alikes(distinct, own_numbers), _turned_look_alikes(distinct, new)
        seen = _Seen(len(distinct))
        for number, group_id in zip(numbers[: len(self._known)].tolist(), self._known, strict=True):
            seen.add(number, group_id)
        settled = bytearray(len(distinct))  # hashes of grouped new samples: their look-alikes are all of one split
        of_source = dict(self._of_source)
        assigned: list[str | None] = []
        for place, (sample_id, source, number) in enumerate(
            zip(new.sample_ids, new.source_sha256s, own_numbers.tolist(), strict=True)
        ):
            near = [(0, number), *(() if settled[number] else look_alikes.of(number)), *turned.of(place)]
            nearest, splits = seen.look(near)
            group_id = of_source.get(source) or nearest or sample_id
            if splits & ~_BITS[split_of(group_id)]:
                assigned.append(None)
                continue
            assigned.append(group_id)
            of_source.setdefault(source, group_id)
            seen.add(number, group_id)
            settled[number] = True
        return assigned


_BITS = {split: 1 << place for place, split in enumerate(get_args(Split))}


class _Seen:
    """The samples that have a group, by their hash's number: the first one's group, and the splits of all as bits."""

    def __init__(self, hashes: int) -> None:
        self._firsts: list[tuple[int, str] | None] = [None] * hashes  # when it came, and its group
        self._splits = bytearray(hashes)
        self._count = 0

    def add(self, number: int, group_id: str) -> None:
        """Add the next sample."""
        self._firsts[number] = self._firsts[number] or (self._count, group_id)
        self._splits[number] |= _BITS[split_of(group_id)]
        self._count += 1

    def look(self, near: Iterable[tuple[int, int]]) -> tuple[str | None, int]:
        """The group of the nearest sample, None without any, and the splits of all as bits.

        `near` are distances and numbers of hashes.
        """
        nearest: tuple[int, tuple[int, str]] | None = None
        splits = 0
        for distance, number in near:
            if first := self._firsts[number]:
                splits |= self._splits[number]
                nearest = min(nearest, (distance, first)) if nearest else (distance, first)
        return nearest and nearest[1][1], splits


class _Lists:
    """A list of (distance, number) for each key from 0 to `keys` - 1."""

    def __init__(self, keys: int, of: Indices, numbers: Indices, distances: npt.NDArray[np.uint8]) -> None:
        order = np.argsort(of, kind="stable")
        self._begins = np.searchsorted(of[order], np.arange(keys + 1))
        self._numbers, self._distances = numbers[order], distances[order]

    def of(self, key: int) -> Iterator[tuple[int, int]]:
        here = slice(self._begins[key], self._begins[key + 1])
        return zip(self._distances[here].tolist(), self._numbers[here].tolist(), strict=True)


def _look_alikes(distinct: Hashes, new_numbers: Indices) -> _Lists:
    """For each new sample's number of a hash those of the other hashes near it."""
    new = np.unique(new_numbers)
    pairs = near_pairs(distinct[new], distinct, MAX_HAMMING_DISTANCE)
    others = np.flatnonzero(pairs.distances)
    return _Lists(len(distinct), new[pairs.left[others]], pairs.right[others], pairs.distances[others])


def _turned_look_alikes(distinct: Hashes, new: NewSamples) -> _Lists:
    """For each new sample's place the numbers of the hashes that its turned ones are near."""
    turned, numbers = np.unique(new.turned, return_inverse=True)
    pairs = near_pairs(turned, distinct, MAX_TURNED_DISTANCE)
    order = np.argsort(pairs.left, kind="stable")
    ordered = pairs.left[order]
    begins = np.searchsorted(ordered, numbers)
    counts = np.searchsorted(ordered, numbers, side="right") - begins
    entries = order[runs(begins, counts)]
    return _Lists(len(new.sample_ids), np.repeat(new.owners, counts), pairs.right[entries], pairs.distances[entries])
