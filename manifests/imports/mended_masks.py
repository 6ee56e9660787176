"""New masks for samples of a dataset: an import of masks that were mended since."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.samples.sample import Row
from manifests.store.row_patch import Places
from manifests.store.schema import MASK_COLUMNS, SCHEMA

MENDED_COLUMNS = ("sample_id", "mask_sha256", "origin")  # of a dataset's rows, to look up
_CELLS = pa.schema([SCHEMA.field(name) for name in MASK_COLUMNS])


class MendedMasks:
    """Rows of a dataset whose ground truth the `rows` of an import change; `kept` are source_uris of other origin."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.kept: list[str] = []
        self._rows = {row["sample_id"]: row for row in reversed(rows)}
        self._ids = pa.array(self._rows, pa.string())
        self._rows_seen = 0
        self._places: list[int] = []
        self._new: list[Row] = []

    def look_at(self, part: pa.Table) -> pa.Table:
        """Look up the import's rows in the next part of a dataset, with MENDED_COLUMNS; return the part."""
        known = np.flatnonzero(pc.is_in(part["sample_id"], value_set=self._ids).to_numpy())
        old_rows = part.select(MENDED_COLUMNS).take(pa.array(known)).to_pylist()
        for place, old in zip(known.tolist(), old_rows, strict=True):
            new = self._rows[old["sample_id"]]
            if new["mask_sha256"] == old["mask_sha256"]:
                continue
            if old["origin"] == "ground_truth":
                self._places.append(self._rows_seen + place)
                self._new.append(new)
            else:
                self.kept.append(new["source_uri"])
        self._rows_seen += part.num_rows
        return part

    @property
    def names(self) -> list[str]:
        """The source_uris of mended rows."""
        return [row["source_uri"] for row in self._new]

    @property
    def places(self) -> Places:
        return np.array(self._places, np.int64)

    @property
    def cells(self) -> pa.Table | None:
        return pa.Table.from_pylist([{name: row.get(name) for name in MASK_COLUMNS} for row in self._new], _CELLS)
