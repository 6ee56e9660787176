"""Rows of a version in another order, read a part at a time, however many there are.

Rows that fit into one part stay in memory; of others each part is dealt out to the stretches of the new order, which
lie in a temporary file without a name (in TMPDIR), so a killed export leaves none.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.store.row_groups import together

Ranks = npt.NDArray[np.int64]

_RANK = "rank"  # a column in the temporary file
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="zstd")


class SortedRows:
    """The rows of `parts`, of which row i comes at place `ranks[i]`, in stretches of `stretch_rows` rows."""

    def __init__(self, parts: Iterable[pa.Table], ranks: Ranks, stretch_rows: int, columns: list[str]) -> None:
        self._rows = stretch_rows
        self._file: IO[bytes] | None = None
        self._spans: list[list[tuple[int, int]]] = [[] for _ in range(-(-len(ranks) // stretch_rows))]
        if len(ranks) <= stretch_rows:
            self._table = together(parts, columns).take(pa.array(np.argsort(ranks)))
            return
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `close` does
        with ExitStack() as on_error:
            on_error.callback(self.close)
            first = 0
            for part in parts:
                self._deal(part, ranks[first : first + part.num_rows])
                first += part.num_rows
            on_error.pop_all()

    def close(self) -> None:
        """Delete the temporary file; the rows can't be read after that."""
        if self._file:
            self._file.close()

    def between(self, begin: int, end: int) -> Iterator[pa.Table]:
        """The rows from place `begin` to `end`, in order, a stretch at a time."""
        for number in range(begin // self._rows, -(-end // self._rows)):
            first = number * self._rows
            rows = self._stretch(number)
            yield rows.slice(max(begin - first, 0), end - max(begin, first))

    def _deal(self, part: pa.Table, ranks: Ranks) -> None:
        """Write the part's rows of each stretch."""
        assert self._file is not None, "the caller opened it"
        order = np.argsort(ranks)
        part = part.append_column(_RANK, pa.array(ranks)).take(pa.array(order))
        bounds = np.searchsorted(ranks[order], np.arange(len(self._spans) + 1) * self._rows)
        for number, spans in enumerate(self._spans):
            some = part.slice(bounds[number], bounds[number + 1] - bounds[number])
            if some.num_rows:
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, some.schema, options=_COMPRESSED) as writer:
                    writer.write_table(some)
                data = sink.getvalue()
                spans.append((self._file.tell(), len(data)))
                self._file.write(data)

    def _stretch(self, number: int) -> pa.Table:
        if self._file is None:
            return self._table
        tables = []
        for offset, size in self._spans[number]:
            self._file.seek(offset)
            tables.append(pa.ipc.open_stream(self._file.read(size)).read_all())
        rows = pa.concat_tables(tables)
        return rows.take(pa.array(np.argsort(rows[_RANK].to_numpy()))).drop_columns(_RANK)
