"""The review queue: the samples of one version that a person judges, the most doubtful first.

Rows of origin ground_truth are trusted and never in it. Of two equal doubts the smaller sample_id comes first,
rows without doubt come last, samples put off (skipped) come after all others, in the order of the skips.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from manifests.decisions import MaskKey
from manifests.store import Manifest

_COLUMNS = ("sample_id", "image_sha256", "mask_sha256", "width", "height", "doubt", "status", "origin")


@dataclass(frozen=True, slots=True)
class Sample:
    """One portrait and the mask to be judged; width and height in pixels, doubt in 0..1 or None."""

    sample_id: str
    image_sha256: str
    mask_sha256: str
    width: int
    height: int
    doubt: float | None

    @property
    def key(self) -> MaskKey:
        return self.sample_id, self.mask_sha256


class ReviewQueue:
    """Which samples of a manifest wait; the caller says which are done or put off."""

    def __init__(self, manifest: Manifest) -> None:
        table = manifest.read(_COLUMNS)
        table = table.filter(pc.not_equal(table["origin"], "ground_truth"))
        self._table = table.sort_by([("doubt", "descending"), ("sample_id", "ascending")]).combine_chunks()
        self._row_of = {sample_id: row for row, sample_id in enumerate(self._table["sample_id"].to_pylist())}
        self._in_turn = np.asarray(pc.equal(self._table["status"], "pending"), dtype=bool)
        self._put_off: dict[int, None] = {}  # rows, in the order of the skips

    def __len__(self) -> int:
        """Samples that a person judges, done ones included."""
        return self._table.num_rows

    @property
    def waiting(self) -> int:
        return int(self._in_turn.sum()) + len(self._put_off)

    def first(self, count: int) -> list[Sample]:
        """The next `count` samples, fewer when fewer wait."""
        rows = np.flatnonzero(self._in_turn)[:count].tolist()
        return [self._sample(row) for row in (rows + list(self._put_off))[:count]]

    def find(self, sample_id: str) -> Sample | None:
        row = self._row_of.get(sample_id)
        return None if row is None else self._sample(row)

    def published_status(self, sample_id: str) -> str:
        """The row's status in the manifest; KeyError for a sample that isn't in the queue."""
        return self._table["status"][self._row_of[sample_id]].as_py()

    def take_up(self, sample_id: str) -> None:
        """Let the sample wait in its own place."""
        self._set(sample_id, in_turn=True)

    def put_off(self, sample_id: str) -> None:
        """Let the sample wait behind all others."""
        self._set(sample_id, in_turn=False)
        self._put_off[self._row_of[sample_id]] = None

    def finish(self, sample_id: str) -> None:
        """Let the sample wait no longer."""
        self._set(sample_id, in_turn=False)

    def _set(self, sample_id: str, *, in_turn: bool) -> None:
        row = self._row_of[sample_id]
        self._in_turn[row] = in_turn
        self._put_off.pop(row, None)

    def _sample(self, row: int) -> Sample:
        values = {name: self._table[name][row].as_py() for name in Sample.__slots__}
        return Sample(**values)
