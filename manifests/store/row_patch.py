"""The patch of one operation: new values for some cells of some rows, rows dropped, and rows added at the end.

It is small beside a version of millions of rows, which is copied part by part with these changes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.store.schema import SCHEMA

Places = npt.NDArray[np.int64]  # numbers of rows in a version, ascending


@dataclass(frozen=True)
class RowPatch:
    """Row i of `cells` holds the new values of row `places[i]`, in the columns that `cells` has.

    `dropped` are the numbers of rows that the next version lacks.
    """

    added: pa.Table = field(default_factory=SCHEMA.empty_table)
    places: Places = field(default_factory=lambda: np.empty(0, np.int64))
    cells: pa.Table | None = None
    dropped: Places = field(default_factory=lambda: np.empty(0, np.int64))


def changed(parts: Iterable[pa.Table], changes: RowPatch) -> Iterator[pa.Table]:
    """The parts of a version with the changes applied."""
    first = 0
    for part in parts:
        begin, end = np.searchsorted(changes.places, [first, first + part.num_rows])
        if changes.cells is not None and begin < end:
            cells = changes.cells.slice(begin, end - begin)
            part = _replaced(part, changes.places[begin:end] - first, cells)
        yield _kept(part, changes.dropped, first)
        first += part.num_rows
    yield changes.added


def in_parts(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of `rows` rows; only the last one has fewer."""
    waiting: list[pa.Table] = []
    for table in tables:
        while table.num_rows:
            room = rows - sum(part.num_rows for part in waiting)
            waiting.append(table.slice(0, room))
            table = table.slice(room)
            if waiting[-1].num_rows == room:
                yield pa.concat_tables(waiting)
                waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _kept(part: pa.Table, dropped: Places, first: int) -> pa.Table:
    """The rows of `part`, whose first one has the number `first`, that are not dropped."""
    here = dropped[slice(*np.searchsorted(dropped, [first, first + part.num_rows]))] - first
    if not len(here):
        return part
    kept = np.ones(part.num_rows, bool)
    kept[here] = False
    return part.filter(pa.array(kept))


def _replaced(part: pa.Table, places: Places, cells: pa.Table) -> pa.Table:
    source = np.arange(part.num_rows)
    source[places] = part.num_rows + np.arange(len(places))  # behind the part's own values
    for name in cells.column_names:
        column = SCHEMA.field(name)
        both = pa.chunked_array([*part[name].chunks, *cells[name].cast(column.type).chunks], column.type)
        part = part.set_column(part.schema.get_field_index(name), column, both.take(pa.array(source)))
    return part
