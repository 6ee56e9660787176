"""Which near-duplicate group a new sample joins.

A committed row's group never changes, so its split never changes either. Only a merge of two lineages may join groups,
and then a held-out group stays held out (versions/merged_splits.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manifests.samples.duplicates import MAX_HAMMING_DISTANCE, MAX_TURNED_DISTANCE, Hashes, split_of
from manifests.samples.near_duplicates import Indices, NearHashes, hashes_of


@dataclass(frozen=True, slots=True)
class NewSample:
    """A new sample without a group; `turned` are the perceptual hashes of its image mirrored and turned."""

    sample_id: str
    phash: str
    source_sha256: str
    turned: Sequence[str] = ()


class Groups:
    """Assigns groups to new samples, given those already in the dataset.

    A sample joins the group of another crop of its own source image, else that of the nearest look-alike (the earliest
    of equals), else it starts a group named by its own id. Look-alikes are images whose perceptual hashes differ in
    MAX_HAMMING_DISTANCE bits at most, or in MAX_TURNED_DISTANCE after a mirroring or quarter turns.
    """

    def __init__(
        self, group_ids: Sequence[str] = (), phashes: Sequence[str] = (), source_sha256s: Sequence[str] = ()
    ) -> None:
        self._known: list[str | None] = list(group_ids)
        self._of_source = dict(zip(source_sha256s, group_ids, strict=True))
        self._hashes = hashes_of(phashes)

    def assign(self, new: Sequence[NewSample]) -> list[str | None]:
        """The group id of each new sample, in order; None for one that has look-alikes in two splits.

        Whatever the split of that one, a look-alike would lie in another. Each sample is also compared with those
        before it.
        """
        assigned = list(self._known)
        of_source = dict(self._of_source)
        for sample, near in zip(new, self._look_alikes(new), strict=True):
            groups = [group for place in near if place < len(assigned) and (group := assigned[place]) is not None]
            own = of_source.get(sample.source_sha256)
            group_id = own or next(iter(groups), sample.sample_id)
            if len({split_of(group) for group in (group_id, *groups)}) > 1:
                assigned.append(None)
            else:
                assigned.append(group_id)
                of_source.setdefault(sample.source_sha256, group_id)
        return assigned[len(self._known) :]

    def _look_alikes(self, new: Sequence[NewSample]) -> list[list[int]]:
        """For each new sample the places of its look-alikes among known and new ones, the nearest first."""
        upright = hashes_of([sample.phash for sample in new])
        everyone = np.concatenate([self._hashes, upright])
        owners = np.repeat(np.arange(len(new)), [len(sample.turned) for sample in new])
        turned = hashes_of([phash for sample in new for phash in sample.turned])
        matches = [
            _near(upright, np.arange(len(new)), everyone, MAX_HAMMING_DISTANCE),
            _near(turned, owners, everyone, MAX_TURNED_DISTANCE),
        ]
        samples, places, distances = (np.concatenate(column) for column in zip(*matches, strict=True))
        order = np.lexsort((places, distances, samples))
        ends = np.searchsorted(samples[order], np.arange(1, len(new)))
        return [part.tolist() for part in np.split(places[order], ends)][: len(new)]


def _near(hashes: Hashes, owners: Indices, everyone: Hashes, max_distance: int) -> tuple[Indices, Indices, Indices]:
    rows, places, distances = NearHashes(everyone, max_distance).pairs(hashes)
    return owners[rows], places, distances
