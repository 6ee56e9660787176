"""The review queue: the samples of one version that people judge, the most doubtful first.

Rows of origin ground_truth are trusted and never in it, nor are forgotten samples. The order is by bands of doubt a
tenth wide, so that a reviewer never gets a long row of masks that all look alike; within a band it is that of the
sample_ids, which are digests: as good as random, and the same on every server. Rows without doubt come last, samples
put off (skipped) after all others, in the order of the skips.

Samples with two masks to choose from come first, those whose masks differ most before the others: in bands of IoU a
hundredth wide.

An audit (`python -m manifests accept`) shows the rows of its part alone, in its random order.

A million rows fit: they stay in Arrow, with one small array per state.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.decisions.audit import AuditedPart, audit_order
from manifests.decisions.decision import MaskKey
from manifests.decisions.pairs import PAIR_COLUMNS, waits_for_choice
from manifests.files.tombstones import Tombstones
from manifests.store.manifest import Manifest

BANDS = 10  # of doubt
PAIR_BANDS = 100  # of the IoU of two masks: most lie above 0.9
_COLUMNS = (
    "sample_id", "image_sha256", "mask_sha256", "width", "height", "doubt", "source_uri", "rival_iou", *PAIR_COLUMNS,
)  # fmt: skip
_KEPT = 65536  # samples cached as Python objects: those on screens are read again and again
_STRIDE = 4096  # rows searched together for free ones
_STRIDE_SELECTED = 65536  # in a selection, which is searched from its beginning each time

Ids = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class OpenSample:
    """One portrait and the mask to be judged; width and height in pixels, doubt in 0..1 or None.

    `source_uri` is that of its source image; empty for a gold sample. `rival_mask_sha256` is a second mask to choose
    from, and `rival_iou` the IoU of the two; None for a sample with one mask.
    """

    sample_id: str
    image_sha256: str
    mask_sha256: str
    width: int
    height: int
    doubt: float | None
    source_uri: str = ""
    rival_mask_sha256: str | None = None
    rival_iou: float | None = None

    @property
    def key(self) -> MaskKey:
        return self.sample_id, self.mask_sha256


class ReviewQueue:
    """Votes that each sample still wants, and its holders; the caller keeps both up to date."""

    def __init__(self, manifest: Manifest, *, votes: int = 1, audit: AuditedPart | None = None) -> None:
        self._table = _with_pairs_that_wait(manifest.read(_COLUMNS))
        reviewed = ~_equals(self._table["origin"], "ground_truth")
        tombstones = Tombstones.read(manifest.data_root)
        if tombstones.samples:
            reviewed &= ~_flags(tombstones.named(self._table, str(manifest.path)))
        judged = np.flatnonzero(reviewed & self._in_part(audit) if audit else reviewed)
        ids = short_ids(self._table["sample_id"])[judged]
        order = self._audit_order(judged, audit) if audit else np.lexsort((ids, -_ranks(self._table)[judged]))
        self._places = judged[order]  # of the queue's rows in the table, which is not reordered: that takes long
        self._by_id = np.argsort(ids[order])  # rows, by their short id
        self._ids = ids[order][self._by_id]
        pending = self.has_status("pending")
        self._wanted = np.where(pending, votes, 0).astype(np.int8)
        self._held = np.zeros(len(pending), dtype=np.int8)
        self._in_turn = np.ones(len(pending), dtype=bool)  # not put off
        self._put_off: dict[int, None] = {}  # rows, in the order of the skips
        self._waiting = int(pending.sum())
        self._first_free = 0  # no row before this one is free and in turn
        self._row = lru_cache(_KEPT)(self._find_row)
        self._sample = lru_cache(_KEPT)(self._read_sample)

    def __len__(self) -> int:
        """Samples that people judge, done ones included."""
        return len(self._places)

    @property
    def waiting(self) -> int:
        """Samples that want a verdict, those on screens included."""
        return self._waiting

    def free(self) -> Iterator[OpenSample]:
        """Samples that want more people than hold them now, in order."""
        for begin in range(self._first_free, len(self), _STRIDE):
            window = slice(begin, begin + _STRIDE)
            rows = np.flatnonzero(self._in_turn[window] & (self._wanted[window] > self._held[window])) + begin
            if not rows.size and begin == self._first_free:
                self._first_free += _STRIDE
            yield from (self._sample(row) for row in rows.tolist())
        yield from (self._sample(row) for row in list(self._put_off) if self._wanted[row] > self._held[row])

    def free_of(self, rows: Rows, passing: Flags) -> Iterator[OpenSample]:
        """Like `free`, among these rows, in their order; `passing` flags the same rows."""
        for begin in range(0, len(rows), _STRIDE_SELECTED):
            part = rows[begin : begin + _STRIDE_SELECTED]
            free = part[self._in_turn[part] & (self._wanted[part] > self._held[part])]
            yield from (self._sample(row) for row in free.tolist())
        put_off = [row for row in self._put_off if passing[row]]
        yield from (self._sample(row) for row in put_off if self._wanted[row] > self._held[row])

    def find(self, sample_id: str) -> OpenSample | None:
        row = self._row(sample_id)
        return None if row is None else self._sample(row)

    def published_status(self, sample_id: str) -> str:
        """The row's status in the manifest; KeyError for a sample that isn't in the queue."""
        status: str = self._value("status", self._row_of(sample_id))
        return status

    def with_status(self, status: str) -> list[OpenSample]:
        """The samples with this status in the manifest."""
        return [self._sample(row) for row in np.flatnonzero(self.has_status(status)).tolist()]

    def want(self, sample_id: str, people: int, *, put_off: bool = False) -> None:
        """Let the sample wait for `people` more verdicts (0: no longer), in its place or behind all others."""
        row = self._row_of(sample_id)
        self._waiting += int(people > 0) - int(self._wanted[row] > 0)
        self._wanted[row] = min(people, np.iinfo(np.int8).max)
        self._put_off.pop(row, None)
        self._in_turn[row] = not put_off
        if put_off and people:
            self._put_off[row] = None
        self._first_free = min(self._first_free, row)

    def hold(self, sample_id: str, people: int) -> None:
        """Set how many people have the sample on their screens."""
        row = self._row_of(sample_id)
        self._held[row] = min(people, np.iinfo(np.int8).max)
        self._first_free = min(self._first_free, row)

    def place(self, sample_id: str, rows: Rows | None = None) -> int:
        """The sample's position in the queue, or among `rows`, which hold it; samples put off come last."""
        row = self._row_of(sample_id)
        if not self._in_turn[row]:
            return len(self) + list(self._put_off).index(row)
        return row if rows is None else int(np.flatnonzero(rows == row)[0])

    def row(self, sample_id: str) -> int | None:
        """The sample's number in the queue; None for a sample that isn't in it."""
        return self._row(sample_id)

    def waiting_rows(self) -> Flags:
        """Which rows want a verdict."""
        return self._wanted > 0

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """The places of the queue's rows in the manifest."""
        return self._places

    def column(self, name: str) -> pa.ChunkedArray:
        """A column in the queue's order."""
        return self._table[name].take(pa.array(self._places))

    def doubts(self) -> npt.NDArray[np.float32]:
        """(rows,), NaN where there is none."""
        return _floats(self._table["doubt"])[self._places]

    def wanted(self, sample_id: str) -> int:
        return int(self._wanted[self._row_of(sample_id)])

    def some_doubt(self, seed: str, rows: Rows | None = None) -> float | None:
        """The doubt of one of the samples, or of `rows`, chosen by the hex digits of `seed`."""
        count = len(self) if rows is None else len(rows)
        if not count:
            return None
        place = int(seed[:16], 16) % count
        doubt: float | None = self._value("doubt", place if rows is None else int(rows[place]))
        return doubt

    def _in_part(self, audit: AuditedPart) -> Flags:
        """Whether each row of the table is in the audited part."""
        table = self._table
        in_part = pc.less_equal(table["doubt"], pa.scalar(audit.max_doubt, pa.float32()))
        return _flags(pc.and_(pc.fill_null(in_part, False), pc.is_null(table["rival_mask_sha256"])))

    def _audit_order(self, rows: npt.NDArray[np.int64], audit: AuditedPart) -> npt.NDArray[np.int64]:
        """The audit's order of these rows of the table."""
        keys = (self._table[name].take(pa.array(rows)).to_pylist() for name in ("sample_id", "mask_sha256"))
        return audit_order(*keys, seed=audit.seed)

    def _row_of(self, sample_id: str) -> int:
        row = self._row(sample_id)
        if row is None:
            raise KeyError(sample_id)
        return row

    def _find_row(self, sample_id: str) -> int | None:
        try:
            short = np.uint64(int.from_bytes(bytes.fromhex(sample_id[:16])))
        except ValueError:
            return None
        place = int(np.searchsorted(self._ids, short))
        while place < len(self._ids) and self._ids[place] == short:
            row = int(self._by_id[place])
            if self._value("sample_id", row) == sample_id:
                return row
            place += 1
        return None

    def _read_sample(self, row: int) -> OpenSample:
        return OpenSample(**{name: self._value(name, row) for name in OpenSample.__slots__})

    def _value(self, column: str, row: int) -> Any:
        return self._table[column][int(self._places[row])].as_py()

    def has_status(self, status: str) -> Flags:
        """Whether each row of the queue has this published status."""
        return _equals(self._table["status"], status)[self._places]


def file_name(uri: str) -> str:
    """The last part of a path or URL."""
    return re.split(r"[/\\]", uri.split("?")[0])[-1]


def short_ids(sample_ids: pa.ChunkedArray) -> Ids:
    """The first 16 of each id's 32 hex digits, as a number; equal ones are compared by the whole id."""
    digits = _bytes_of(pc.utf8_slice_codeunits(sample_ids, 0, 16), width=16)
    return np.frombuffer(bytes.fromhex(digits.decode("ascii")), dtype=">u8").astype(np.uint64)


def _with_pairs_that_wait(table: pa.Table) -> pa.Table:
    """The table with rivals in the rows only that wait for a choice."""
    if table["rival_mask_sha256"].null_count == table.num_rows:
        return table
    waiting = waits_for_choice(table)
    for name in ("rival_mask_sha256", "rival_iou"):
        column = pc.if_else(waiting, table[name], pa.scalar(None, table.schema.field(name).type))
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def _ranks(table: pa.Table) -> npt.NDArray[np.int8]:
    """The bands of doubt, and above them those of rows with two masks: the largest comes first."""
    paired = _flags(pc.is_valid(table["rival_mask_sha256"]))
    bands = _bands(table["doubt"])
    if not paired.any():
        return bands
    iou = np.where(paired, np.frombuffer(_bytes_of(table["rival_iou"], width=4), dtype=np.float32), 1.0)
    return np.where(paired, BANDS + 1 + np.rint((1.0 - iou) * PAIR_BANDS), bands).astype(np.int8)


def _bands(doubt: pa.ChunkedArray) -> npt.NDArray[np.int8]:
    """0 to BANDS; -1 for a row without doubt."""
    values = _floats(doubt)
    missing = np.isnan(values)
    return np.where(missing, -1, np.rint(np.where(missing, 0, values) * BANDS)).astype(np.int8)


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """The values of a float32 column, NaN for null."""
    missing = _flags(pc.is_null(column, nan_is_null=True))
    return np.where(missing, np.float32(np.nan), np.frombuffer(_bytes_of(column, width=4), dtype=np.float32))


def _equals(column: pa.ChunkedArray, text: str) -> Flags:
    """Flags of the values that equal `text`; null does not."""
    return _flags(pc.match_substring_regex(column, f"^{re.escape(text)}$"))


def _flags(column: pa.ChunkedArray) -> Flags:
    return np.frombuffer(_bytes_of(column.cast(pa.uint8()), width=1), dtype=np.uint8) == 1


def _bytes_of(column: pa.ChunkedArray, *, width: int) -> bytes:
    """The values of `width` bytes each, one after another; null is any value.

    pyarrow's own functions for this, and for comparing with a Python string, import pandas: half a second.
    """
    array = column.combine_chunks()
    if not len(array):
        return b""
    values: bytes = array.buffers()[-1].to_pybytes()
    return values[width * array.offset :][: width * len(array)]
