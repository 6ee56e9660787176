"""The accepted rows of a version, for fitting and evaluation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import eq
from typing import Literal, get_args, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.files.tombstones import Tombstones
from manifests.store.hexdigits import ascending, id_numbers
from manifests.store.manifest import Manifest
from manifests.store.schema import Split

SplitOrAll = Split | Literal["all"]
SPLITS: tuple[str, ...] = (*get_args(Split), "all")

_ROWS_AT_ONCE = 4096  # as Python objects


@dataclass(frozen=True, slots=True)
class AcceptedRow:
    """The blob paths and digests of one accepted sample. `source` is the dataset's name."""

    image: str
    image_sha256: str
    mask: str
    mask_sha256: str
    source: str = ""


class AcceptedRows(Sequence[AcceptedRow]):
    """Accepted rows in order, stored in columns: a row becomes an object when it is accessed."""

    def __init__(self, table: pa.Table, order: npt.NDArray[np.int64]) -> None:
        """`table` has the columns of AcceptedRow's names, `order` the numbers of its rows."""
        self._table = table
        self._order = order

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> AcceptedRow: ...
    @overload
    def __getitem__(self, index: slice) -> "AcceptedRows": ...
    def __getitem__(self, index: int | slice) -> "AcceptedRow | AcceptedRows":
        if isinstance(index, slice):
            return AcceptedRows(self._table, self._order[index])
        return AcceptedRow(**self._table.take([int(self._order[index])]).to_pylist()[0])

    def __iter__(self) -> Iterator[AcceptedRow]:
        for begin in range(0, len(self), _ROWS_AT_ONCE):
            some = self._table.take(pa.array(self._order[begin : begin + _ROWS_AT_ONCE]))
            yield from map(AcceptedRow, *(some[name].to_pylist() for name in AcceptedRow.__slots__))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(other) == len(self) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]  # like a list


def accepted_rows(manifest: Manifest, split: SplitOrAll, *, trusted: bool = False) -> AcceptedRows:
    """The accepted rows of one split, or of all, in the order of their sample ids.

    `trusted` leaves out those whose mask a teacher made: a teacher isn't evaluated on its own masks. Forgotten samples
    are left out with a warning.
    """
    needed = ["sample_id", *AcceptedRow.__slots__, *(["origin"] if trusted else [])]
    only = {"status": "accepted"} | ({} if split == "all" else {"split": split})
    table = Tombstones.read(manifest.data_root).leave_out(manifest.read(needed, only=only), str(manifest.path))
    if trusted:
        table = table.filter(pc.field("origin") != "teacher")
    ids = id_numbers(table["sample_id"])
    order = ascending(ids) if ids is not None else pc.sort_indices(table["sample_id"]).to_numpy()
    return AcceptedRows(table.select(AcceptedRow.__slots__), order)


def require_rows(manifest: Manifest, split: SplitOrAll, *, trusted: bool = False) -> AcceptedRows:
    """`accepted_rows`, or UserError when there are none."""
    rows = accepted_rows(manifest, split, trusted=trusted)
    if not rows:
        where = "any split" if split == "all" else f"the {split} split"
        where += " whose mask no teacher made" if trusted else ""
        counts = ", ".join(f"{count} {what}" for what, count in manifest.counts.items())
        raise UserError(
            f"expected accepted rows in {where} of {manifest.path}, found none ({counts}); "
            "review or import more samples"
        )
    return rows
