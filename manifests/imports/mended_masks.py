"""New masks for samples that a dataset already has: an import of a mask that was mended since."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.samples.sample import MASK_COLUMNS, Row
from manifests.store.row_patch import Places
from manifests.store.schema import SCHEMA

MENDED_COLUMNS = ("sample_id", "mask_sha256", "origin")  # what rows of a dataset are looked up by
_CELLS = pa.schema([SCHEMA.field(name) for name in MASK_COLUMNS])


@dataclass(slots=True)
class MendedMasks:
    """Rows of a dataset whose ground truth an import changes, and `kept` ones, whose mask is a teacher's."""

    rows: dict[str, Row]  # of the import, by sample_id
    kept: list[str] = field(default_factory=list)  # source_uri
    _places: list[int] = field(default_factory=list)
    _new: list[Row] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Iterable[Row], parts: Iterable[pa.Table]) -> "MendedMasks":
        """Look up the rows of an import in the parts of a dataset, which have MENDED_COLUMNS."""
        found = cls({row["sample_id"]: row for row in reversed(list(rows))})
        ids = pa.array(found.rows, pa.string())
        first = 0
        for part in parts:
            known = np.flatnonzero(pc.is_in(part["sample_id"], value_set=ids).to_numpy())
            for place, old in zip(known.tolist(), part.take(pa.array(known)).to_pylist(), strict=True):
                found._look_at(first + place, old)
            first += part.num_rows
        return found

    @property
    def names(self) -> list[str]:
        """The mended ones' source_uri."""
        return [row["source_uri"] for row in self._new]

    @property
    def places(self) -> Places:
        return np.array(self._places, np.int64)

    @property
    def cells(self) -> pa.Table | None:
        return pa.Table.from_pylist([{name: row.get(name) for name in MASK_COLUMNS} for row in self._new], _CELLS)

    def _look_at(self, place: int, old: Row) -> None:
        new = self.rows[old["sample_id"]]
        if new["mask_sha256"] == old["mask_sha256"]:
            return
        if old["origin"] != "ground_truth":
            self.kept.append(new["source_uri"])
            return
        self._places.append(place)
        self._new.append(new)
